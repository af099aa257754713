# The configuration language: every key read as Debian's LXC reads it, errors, saved files.

# Names of all keys, a link's as those of link 0, and one name of each family beside it.
key_names() {
    "$BIN" reference --as keys | sed 's/\.$//; s/\.N\./.0./; /^lxc.include$/d; /\.N$/d'
    "$BIN" reference --as examples | sed 's/ = .*//'
}

# What of 5.0.2's answers is a mistake that later releases mended: null pointers, the dropped
# capabilities as those to keep, no VLAN as VLAN 0; keys of later releases; offsets in another form;
# where root filesystems are mounted by default; and addresses that are drawn by lot.
as_later_releases() {
    sed -e 's/= (null)$/=/' -e 's/^\(lxc.net.[0-9]*.veth.vlan.id =\) 0$/\1/' |
        awk '/^lxc/ { quirk = /^lxc.(cap.keep|time.offset|environment\.|rootfs.mount|net.0.hwaddr = 10:66)/ } !quirk'
}

reads_the_same() { # FILE
    local keys
    mapfile -t keys < <(key_names | sort -u | sed 's/^/-c/')
    mkdir -p "$LXC/t-keys"
    cp "$1" "$LXC/t-keys/config"
    debian info -n t-keys "${keys[@]}" 2>&1 | as_later_releases >"$RUN/theirs"
    tool info -n t-keys "${keys[@]}" 2>&1 | as_later_releases >"$RUN/ours"
    [ "$(wc -l <"$RUN/ours")" -gt 90 ] || fail "$1: only $(wc -l <"$RUN/ours") lines: $(head -5 "$RUN/ours")"
    diff "$RUN/theirs" "$RUN/ours" >"$RUN/diff" || fail "$1 reads differently: $(cat "$RUN/diff")"
}

test_config_every_shipped_file_reads_as_debians_lxc_reads_it() {
    [ -x /usr/bin/lxc-info ] || { skipped="Debian's lxc is not installed"; return; }
    local file
    for file in /usr/share/lxc/config/*.conf /usr/share/doc/lxc/examples/lxc-*.conf /etc/lxc/default.conf \
        "$STAGE"/share/lxc/config/*.conf; do
        reads_the_same "$file"
    done
    code 0 debian create -n t-bb -t busybox
    reads_the_same "$LXC/t-bb/config"
    code 0 tool create -n t-ours -t busybox
    reads_the_same "$LXC/t-ours/config"
}

test_config_every_key_reads_as_debians_lxc_reads_it() {
    [ -x /usr/bin/lxc-info ] || { skipped="Debian's lxc is not installed"; return; }
    local kind
    : >"$RUN/keys"
    reads_the_same "$RUN/keys"
    for kind in veth vlan macvlan ipvlan phys empty; do
        {
            echo "lxc.net.0.type = $kind"
            "$BIN" reference --as examples | grep -v -e '^lxc\.net\.0\.\(type\|[a-z]*v[a-z]*lan\.\|veth\.\|vlan\.\)' \
                -e '^lxc\.environment\.' -e '^lxc\.cap\.keep' -e '^lxc\.namespace\.keep' -e '^lxc\.time'
            "$BIN" reference --as examples | grep "^lxc\.net\.0\.$kind\."
            printf 'lxc.cap.drop = kill 21\nlxc.group = one\nlxc.group = two three\nlxc.uts.name =\n'
            printf 'lxc.cgroup2.pids.max = 5\nlxc.sysctl.net.ipv4.ip_forward = 0\nlxc.sysctl.kernel.a = "x y"\n'
            printf 'lxc.prlimit.nofile = 7\nlxc.prlimit.as = unlimited\nlxc.mount.auto = sys:ro proc\n'
            printf "lxc.idmap = g 0 1 2\nlxc.hook.start = '/a b'\nlxc.hook.start = c # d\nlxc.hook.stop =\n"
            printf 'not.ours = 1\n#lxc.arch = x\n  lxc.tty.max=3  \r\nlxc.init.groups = 7\n'
        } >"$RUN/keys"
        reads_the_same "$RUN/keys"
    done
}

test_config_tells_all_errors_with_their_lines() {
    container t-wrong 'lxc.uts.nam = x' 'lxc.include = /no/such.conf' 'lxc.network.type = veth' 'lxc.net.0.link = br0'
    code 1 tool start -n t-wrong
    says 'did you mean lxc.uts.name?'
    says '/no/such.conf: ENOENT'
    says 'it is lxc.net.0.type'
    same places 3 "$(grep -c "^ *--> $LXC/t-wrong/config:[0-9]*:[0-9]*\$" "$RUN/err")"
    same carets 3 "$(grep -c '^ *| *^^*$' "$RUN/err")"
    code 1 tool info -n t-wrong -c lxc.uts.name
    says 'did you mean'
}

test_config_of_a_running_container_is_what_it_runs_with() {
    container t-now 'lxc.environment = A=1'
    code 0 tool start -n t-now
    sed -i 's/^lxc.uts.name.*/lxc.uts.name = later/' "$LXC/t-now/config"
    same file 'lxc.uts.name = later' "$(tool info -n t-now -c lxc.uts.name)"
    same theirs "$(debian info -n t-now -c lxc.uts.name)" "$(tool info -n t-now -c lxc.uts.name)"
    code 0 tool stop -k -n t-now
}
