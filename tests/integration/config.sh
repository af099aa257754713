# The configuration language: every key read as Debian's LXC reads it, errors, saved files.

# The keys that LXC does not have, a link's as those of link 0.
own_keys() {
    "$BIN" reference --as json | jq -r '.[] | select(.since == "none").name' | sed 's/\.N\./.0./'
}

# Names of all others, and one name of each family beside it.
key_names() {
    {
        "$BIN" reference --as keys | sed 's/\.$//; s/\.N\./.0./; /^lxc.include$/d; /\.N$/d'
        "$BIN" reference --as examples | sed 's/ = .*//'
    } | grep -vxF -f <(own_keys)
}

# What of 5.0.2's answers is a mistake that later releases fixed: null pointers, the dropped
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
    code 0 tool create -n t-lot -t none -f "$STAGE/share/lxc/config/default.conf"
    grep -q '^lxc.net.0.hwaddr = 10:66:6a:[0-9a-f:]\{8\}$' "$LXC/t-lot/config" || fail "the address is drawn at each start"
}

test_config_every_key_reads_as_debians_lxc_reads_it() {
    [ -x /usr/bin/lxc-info ] || { skipped="Debian's lxc is not installed"; return; }
    local kind
    : >"$RUN/keys"
    reads_the_same "$RUN/keys"
    for kind in veth vlan macvlan ipvlan phys empty; do
        {
            echo "lxc.net.0.type = $kind"
            "$BIN" reference --as examples | grep -vF -f <(own_keys) | grep -v -e '^lxc\.net\.0\.\(type\|[a-z]*v[a-z]*lan\.\|veth\.\|vlan\.\)' \
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

test_config_check_tells_what_would_go_wrong() {
    container t-check 'lxc.net.0.type = empty'
    code 0 tool check t-check
    printf 'uts.name = x\n' >>"$LXC/t-check/config"
    code 1 tool check t-check
    same warning 'write lxc.uts.name' "$(sed -n 's/^  hint: //p' "$RUN/out")"
    container t-check 'lxc.net.0.type = veth' 'lxc.net.0.link = nobr9' 'lxc.start.auto = yes' 'lxc.init.cmd = /no/init' \
        'lxc.mount.entry = /no/such mnt none bind 0 0' 'lxc.prlimit.files = 3' 'lxc.idmap = u 1 100000 65536'
    code 2 tool start --check -n t-check
    local what
    for what in 'bridge nobr9 does not exist' 'write 0 or 1' '/no/init is not in' '/no/such does not exist' \
        'unknown limit lxc.prlimit.files' 'maps no user to id 0'; do
        grep -q "$what" "$RUN/out" || fail "not told: $what: $(cat "$RUN/out")"
    done
    code 2 tool check --format json "$LXC/t-check/config"
    same json "$LXC/t-check/config 10 18 write 0 or 1" \
        "$(jq -r '.[] | select(.hint == "write 0 or 1") | "\(.file) \(.line) \(.column) \(.hint)"' "$RUN/out")"
    same state STOPPED "$(state t-check)"
    code 1 tool check t-none
    says 'neither a container nor a file'
}

test_config_of_before_2_1_is_rewritten() {
    mkdir "$LXC/t-old"
    local file=$LXC/t-old/config
    {
        printf '# a web server\nlxc.utsname = web\nlxc.rootfs = /srv/web\nlxc.tty = 4\n#lxc.pts = 9\n\n'
        printf 'lxc.network.type = veth\nlxc.network.link = br0\nlxc.network.ipv4 = 10.0.0.2/24\n'
        printf 'lxc.network.type = empty\nlxc.network.flags = up\nlxc.kmsg = 0\nlxc.limit.nofile = 64\n'
    } >"$file"
    cp "$file" "$RUN/old"
    chmod 600 "$file"
    code 1 tool info -n t-old -c lxc.uts.name
    says 'lxc-update-config'
    code 0 tool update-config -c "$file"
    cmp "$RUN/old" "$file.backup" || fail "the backup differs"
    same mode 600 "$(stat -c %a "$file")"
    if [ -x /usr/bin/lxc-update-config ]; then
        cp "$RUN/old" "$RUN/theirs"
        (cd "$RUN" && lxc-update-config -c theirs)
        # Theirs leaves limits as they are.
        sed -i 's/^lxc.limit/lxc.prlimit/' "$RUN/theirs"
        diff "$RUN/theirs" "$file" >"$RUN/diff" || fail "differs from Debian's: $(cat "$RUN/diff")"
    fi
    same name 'lxc.uts.name = web' "$(tool info -n t-old -c lxc.uts.name)"
    code 0 tool update-config -c "$file"
    cmp "$RUN/old" "$file.backup" || fail "a second run took the backup away"
    rm -f "$RUN/theirs.backup"
}

test_config_tool_shows_the_systems_values() {
    same list "$(lxc-config -l)" "$(tool config -l)"
    local item
    for item in $(lxc-config -l) lxc lxc.bdev; do
        same "$item" "$(lxc-config "$item")" "$(tool config "$item")"
    done
    code 1 tool config lxc.nothing
    same unknown 'Unknown configuration item: lxc.nothing' "$(cat "$RUN/out")"
}
