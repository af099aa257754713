# Id maps: their forms, what is refused before anything is touched.

# The maps of a configuration, as a start with --check finds them.
map_check() {
    local lines=("$@")
    container t-idmap "${lines[@]/#/lxc.idmap = }" 'lxc.net.0.type = empty'
    code 2 tool start --check -n t-idmap
}

test_idmap_forms() {
    container t-idmap 'lxc.idmap = u 0 1 1' 'lxc.idmap =' 'lxc.idmap = u 0x0 0303240 65536' 'lxc.idmap =  g	0   100000  0x10000' \
        'lxc.rootfs.options = idmap=container'
    code 0 tool info -n t-idmap -c lxc.idmap
    same 'as Debian prints them' "$(debian info -n t-idmap -c lxc.idmap)" "$(cat "$RUN/out")"
    code 0 tool execute -n t-idmap -- cat /proc/self/uid_map /proc/self/gid_map
    same maps '0 100000 65536 0 100000 65536' "$(xargs <"$RUN/out")"
    # Lines of their own are mapped in any order.
    container t-idmap 'lxc.idmap = u 1000 300000 1' 'lxc.idmap = g 0 100000 65536' 'lxc.idmap = u 1001 101001 64535' \
        'lxc.idmap = u 0 100000 1000' 'lxc.rootfs.options = idmap=container'
    code 0 tool execute -n t-idmap -- cat /proc/self/uid_map
    same 'sorted by the kernel or not' '0 100000 1000 1000 300000 1 1001 101001 64535' "$(sort -n <"$RUN/out" | xargs)"
}

test_idmap_mistakes_name_their_line() {
    map_check 'u 0 100000 65536' 'g 0 100000 65536' 'u 65535 300000 10'
    grep -q 'maps the user ids 65535 of the container twice' "$RUN/out" || fail "inside twice: $(cat "$RUN/out")"
    grep -q 'lxc.idmap = u 65535 300000 10' "$RUN/out" || fail 'the line is not shown'
    grep -q 'lxc.idmap = u 0 100000 65536 (.*/t-idmap/config:' "$RUN/out" || fail 'the other line is not named'
    map_check 'u 0 100000 65536' 'g 0 100000 65536' 'g 65536 165530 10'
    grep -q 'maps the group ids 165530-165535 of the host twice' "$RUN/out" || fail "outside twice: $(cat "$RUN/out")"
    code 1 tool start -n t-idmap
    says 'maps the group ids 165530-165535 of the host twice'
    same 'nothing started' STOPPED "$(state t-idmap)"
    local number lines=('g 0 100000 65536')
    for number in {0..340}; do
        lines+=("u $number $((number + 1000)) 1")
    done
    map_check "${lines[@]}"
    grep -q 'the kernel takes 340 for users' "$RUN/out" || fail "too many: $(cat "$RUN/out")"
    for number in 'u 0 4294967000 65536' 'u 0 0 0' 'b 0 0 1' 'u 0 0' 'u 0 1 4294967295'; do
        container t-idmap "lxc.idmap = $number"
        code 1 tool start -n t-idmap
        says "lxc.idmap = $number"
    done
}

# An ordinary user is told before the start which line is missing where; root needs none.
test_idmap_of_an_ordinary_user_is_checked_before_the_start() {
    command -v newuidmap >/dev/null || { skipped='newuidmap is not installed'; return; }
    mkdir -p "$RUN/idmap/c"
    cp "$BIN" "$RUN/idmap/lxc-rs"
    printf 'lxc.idmap = u 0 100000 20\nlxc.idmap = g 0 100000 20\nlxc.rootfs.path = dir:/\nlxc.net.0.type = empty\n' \
        >"$RUN/idmap/c/config"
    chown -R games "$RUN/idmap"
    chmod 755 "$RUN"
    # shellcheck disable=SC2016
    unshare --mount --propagation private bash -c '
        : >"$0/uids"; : >"$0/gids"
        mount --bind "$0/uids" /etc/subuid && mount --bind "$0/gids" /etc/subgid
        start() { setpriv --reuid=games --regid=games --clear-groups env HOME="$0" "$0/lxc-rs" "$@" -P "$0" c; }
        start start 2>&1
        # Two ranges that adjoin are as good as one.
        printf "games:100010:10\ngames:100000:10\n" >"$0/uids"
        start start 2>&1
        echo games:100000:20 >"$0/gids"
        start check' "$RUN/idmap" >"$RUN/out"
    local line
    for line in "/etc/subuid does not give the user ids 100000-100019 to games" \
        "as root: echo 'games:100000:20' >>/etc/subuid" 'lxc.idmap = u 0 100000 20' \
        "/etc/subgid does not give the group ids 100000-100019 to games" "as root: echo 'games:100000:20' >>/etc/subgid"; do
        same "told once: $line" 1 "$(grep -cF -- "$line" "$RUN/out")"
    done
    rm -r "$RUN/idmap"
}

# A system that is in a user namespace itself has not all ids.
test_idmap_beyond_the_own_namespace() {
    container t-idmap 'lxc.idmap = u 0 100000 65536' 'lxc.idmap = g 0 100000 65536'
    code 1 unshare --user --map-root-user "$BIN" start -P "$LXC" -n t-idmap
    says 'this system has no user ids 100000-165535: it is in a user namespace with the ids 0-0'
    says 'lxc.idmap = u 0 100000 65536'
}
