# Output for programs: JSON by its schema in docs/schema, CSV by RFC 4180.

valid() { # SCHEMA COMMAND...
    local schema=$1
    shift
    "$@" 2>"$RUN/err" | tests/integration/validate "$schema" >"$RUN/out" 2>&1 ||
        fail "$*: $(cat "$RUN/out" "$RUN/err")"
}

test_json_is_as_its_schema_says() {
    python3 -c 'import jsonschema' 2>/dev/null || { skipped="python3-jsonschema is not installed"; return; }
    valid ls tool ls --format json
    container t-m1 'lxc.net.0.type = veth' "lxc.net.0.link = $BRIDGE" 'lxc.net.0.flags = up' \
        'lxc.net.0.ipv4.address = 10.198.7.8/24' 'lxc.start.auto = 1' 'lxc.group = a, "b"' 'lxc.group = c'
    container t-m2 'lxc.start.order = -5' 'lxc.start.delay = 2'
    tool monitor --format json >"$RUN/events" 2>/dev/null &
    local monitor=$!
    sleep 0.5
    code 0 tool start -n t-m1
    valid ls tool ls --format json
    valid info tool info -n t-m1 --format json
    valid info tool info -n t-m2 --format json
    valid autostart tool autostart -L -a -A --format json
    valid cgroup tool cgroup -n t-m1 pids.max --format json
    valid top tool top --format json --count 1
    valid net-status tool net status --format json
    valid config tool config --format json
    valid config tool config --format json -l
    valid config tool config lxc.cgroup.use --format json
    same 'config as JSON' "$(tool config lxc.lxcpath)" "$(tool config lxc.lxcpath --format json | jq -r '."lxc.lxcpath"')"
    same 'all of config' "$(tool config -l | sort)" "$(tool config --format json | jq -r 'keys[]' | sort)"
    valid checkconfig tool checkconfig --format json
    valid doctor tool doctor --format json
    valid reference tool reference --as json
    valid denials tool denials t-m1 --format json
    valid report tool report t-m1 --list --format json
    mkdir "$LXC/t-left"
    valid storage-check tool storage check --format json
    rmdir "$LXC/t-left"
    code 0 tool forward t-m1 8080-8081:80-81
    valid forward tool forward --format json
    valid info tool info -n t-m1 --format json
    valid ls tool ls --format json
    valid snapshot tool snapshot -n t-m2 -L --format json
    echo 'a comment' >"$RUN/comment"
    code 0 tool snapshot -n t-m2
    code 0 tool snapshot -n t-m2 -c "$RUN/comment"
    valid snapshot tool snapshot -n t-m2 -L --format json
    same snapshots "snap0 $LXC/t-m2/snaps/snap0 null|snap1 $LXC/t-m2/snaps/snap1 a comment" \
        "$(tool snapshot -n t-m2 -L --format json | jq -r '[.[] | "\(.name) \(.path) \(.comment)" | rtrimstr("\n")] | join("|")')"
    same 'csv of ls' 't-m1 RUNNING a,, "b", c' "$(tool ls --format csv |
        python3 -c 'import csv, sys
for row in csv.DictReader(sys.stdin):
    if row["NAME"] == "t-m1": print(row["NAME"], row["STATE"], row["GROUPS"])')"
    same 'csv of autostart' $'name,order,delay,group\nt-m2,-5,2,' "$(tool autostart -L -a -A --format csv)"
    echo 'lxc.net.0.hwadd = 1' >>"$LXC/t-m2/config"
    tool check t-m2 --format json >"$RUN/findings"
    same findings "error $(wc -l <"$LXC/t-m2/config")" "$(jq -r '.[0] | "\(.severity) \(.line)"' "$RUN/findings")"
    tests/integration/validate check <"$RUN/findings" || fail "check: $(cat "$RUN/findings")"
    tool start -n t-m2 --check --format json | tests/integration/validate check || fail 'start --check'
    code 0 tool stop -k -n t-m1
    sleep 0.3
    kill $monitor
    wait $monitor 2>/dev/null
    grep -q exit_code "$RUN/events" || fail "no exit among the events: $(cat "$RUN/events")"
    tests/integration/validate --lines monitor <"$RUN/events" || fail "monitor: $(cat "$RUN/events")"
    tool monitor -Q 2>/dev/null
    code 0 true
}

test_json_of_every_tool_has_a_schema() {
    local tool schema
    for tool in $("$BIN" --list); do
        tool "$tool" --help 2>&1 | grep -q -e '--format=' || continue
        case $tool in
            net) schema=net-status ;;
            start) schema=check ;;
            storage) schema=storage-check ;;
            # The format of an archive.
            export) continue ;;
            *) schema=$tool ;;
        esac
        [ -s "docs/schema/$schema.json" ] || fail "$tool has no schema"
        grep -qE "(valid|validate|validate --lines) $schema\b" tests/integration/machine.sh || fail "$schema is not tried"
    done
}
