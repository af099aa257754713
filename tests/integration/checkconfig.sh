# lxc-checkconfig: what is tried agrees with what the kernel was built with, where that is known.

# What only ours has, and what names the program itself.
checkconfig_shared() { sed -e '/^--- Beyond options/,/^$/d' -e '/^usage : /d'; }

test_checkconfig_as_debians() {
    [ -x /usr/bin/lxc-checkconfig ] || { skipped="Debian's lxc is not installed"; return; }
    [ -e /proc/config.gz ] || { skipped='the kernel does not show its configuration'; return; }
    code 0 tool checkconfig
    same 'this kernel' '' "$(diff <(/usr/bin/lxc-checkconfig | checkconfig_shared) <(checkconfig_shared <"$RUN/out"))"
    zcat /proc/config.gz | sed '/^CONFIG_VETH=/d; /^CONFIG_PID_NS=/d; s/^CONFIG_BRIDGE=.*/CONFIG_BRIDGE=m/' >"$RUN/kernel"
    same 'another kernel' '' "$(diff <(CONFIG=$RUN/kernel /usr/bin/lxc-checkconfig | checkconfig_shared) \
        <(CONFIG=$RUN/kernel tool checkconfig 2>/dev/null | checkconfig_shared))"
    CONFIG=$RUN/kernel code 1 tool checkconfig
    says 'no container works without what is called required'
    grep -qx 'Pid namespace: required' "$RUN/out" || fail 'Pid namespace is not called required'
    CONFIG=$RUN/no-such code 1 tool checkconfig
    says 'unable to retrieve kernel configuration'
    CONFIG=/etc/passwd code 1 tool checkconfig
    says 'is not a kernel configuration'
}

# What nft(8) can load in this run's network namespace is not missing.
test_checkconfig_sees_the_packet_filter() {
    local filter='table inet t { chain c { type filter hook forward priority 0; ct state new accept; }; }'
    local masquerade='table inet t { chain c { type nat hook postrouting priority 100; masquerade; }; }'
    code 0 tool checkconfig
    local rules name wanted
    while read -r name rules; do
        wanted=missing
        unshare --net nft -f - <<<"$rules" 2>/dev/null && wanted=enabled
        same "$name" "$wanted" "$(sed -n "s/^$name.*(nft): \([a-z]*\).*/\1/p" "$RUN/out")"
    done <<RULES
Packet $filter
Masquerade $masquerade
RULES
}

test_checkconfig_tries_and_leaves_nothing() {
    local links
    links=$(ip -n "$NETNS" -br link | wc -l)
    code 0 tool checkconfig --format json
    same links "$links" "$(ip -n "$NETNS" -br link | wc -l)"
    same tried 'probe enabled' "$(python3 -c 'import json, sys
for check in json.load(sys.stdin)["checks"]:
    if check["name"] == "Veth pair device": print(check["source"], check["state"])' <"$RUN/out")"
    if python3 -c 'import jsonschema' 2>/dev/null; then
        python3 -W ignore -m jsonschema -i "$RUN/out" docs/schema/checkconfig.json 2>"$RUN/err" || fail "schema: $(cat "$RUN/err")"
    fi
    # No namespace may be made any more: each trial says so, and the exit code.
    code 1 tool unshare -s USER -u 0 -- sh -c "echo 0 >/proc/sys/user/max_pid_namespaces; $BIN checkconfig >&2"
    says 'Pid namespace: ENOSPC'
    says 'see the limits in /proc/sys/user'
    says 'Pid namespace: required'
}
