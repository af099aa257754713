# lxc-create --idmap auto: ids of its own for each container.

# Runs the script $3 with $1 as /etc/subuid and $2 as /etc/subgid; its $0 is $RUN.
with_ids() {
    printf "$1" >"$RUN/uids"
    printf "$2" >"$RUN/gids"
    # shellcheck disable=SC2016
    BIN=$BIN LXC=$LXC unshare --mount --propagation private bash -c '
        mount --bind "$0/uids" /etc/subuid && mount --bind "$0/gids" /etc/subgid
        create() { "$BIN" create -P "$LXC" -t none -f "$0/ids.conf" --idmap auto -n "$@"; }
        first() { "$BIN" info -P "$LXC" -n "$1" -c lxc.idmap | sed "s/^lxc.idmap = //" | xargs; }
        '"$3" "$RUN" >"$RUN/out" 2>"$RUN/err"
}
ids_conf() { printf 'lxc.net.0.type = empty\n' >"$RUN/ids.conf"; }

test_idmap_auto_gives_ids_of_the_default_range() {
    printf 'lxc.idmap = u 0 100000 65536\n' >"$RUN/included"
    printf 'lxc.net.0.type = empty\nlxc.include = %s\nlxc.idmap = g 0 100000 65536\nlxc.rootfs.options = noatime\n' "$RUN/included" >"$RUN/ids.conf"
    code 0 tool create -n t-idmap-a -t busybox -f "$RUN/ids.conf" --idmap auto
    code 0 tool info -n t-idmap-a -c lxc.idmap
    local maps
    maps=$(sed 's/^lxc.idmap = //' "$RUN/out" | xargs)
    same 'both kinds, and no other' 'u 0 N 65536 g 0 N 65536' "$(sed -E 's/ 2[0-9]{9} / N /g' <<<"$maps")"
    local first=${maps#u 0 }
    first=${first%% *}
    [ "$first" -ge 2000224256 ] && [ "$first" -lt 2147352576 ] || fail "not of the default range: $first"
    same options noatime,idmap=container "$(tool info -n t-idmap-a -c lxc.rootfs.options | sed 's/^[^=]*= //')"
    same 'ids in the root filesystem' 0:0 "$(stat -c %u:%g "$LXC/t-idmap-a/rootfs/bin")"
    code 0 tool start -n t-idmap-a
    same 'root outside' "$first" "$(stat -c %u "/proc/$(tool info -n t-idmap-a -pH)")"
    code 0 tool attach -n t-idmap-a -- touch /by-root
    same 'root inside is root on the disk' 0 "$(stat -c %u "$LXC/t-idmap-a/rootfs/by-root")"
    code 0 tool stop -k -n t-idmap-a
    # Another one gets others, and those of one that is gone are free.
    code 0 tool create -n t-idmap-b -t none -f "$RUN/ids.conf" --idmap auto
    [ "$(tool info -n t-idmap-b -c lxc.idmap)" != "$(tool info -n t-idmap-a -c lxc.idmap)" ] || fail 'the same ids twice'
    code 0 tool check -n t-idmap-b
    code 0 tool destroy -n t-idmap-a
    code 0 tool create -n t-idmap-c -t none -f "$RUN/ids.conf" --idmap auto
    same 'given back' "$maps" "$(tool info -n t-idmap-c -c lxc.idmap | sed 's/^lxc.idmap = //' | xargs)"
}

# What /etc/subuid gives, until nothing is left; what others have is passed over.
test_idmap_auto_takes_what_subuid_gives() {
    ids_conf
    # shellcheck disable=SC2016
    with_ids 'root:1300000:196608\nanna:1365536:65536\n' 'root:1300000:196608\n' '
        create t-idmap-a && first t-idmap-a
        create t-idmap-b && first t-idmap-b
        create t-idmap-c; echo $?
        "$BIN" destroy -P "$LXC" -n t-idmap-a
        create t-idmap-c && first t-idmap-c'
    same 'given ids' 'u 0 1300000 65536 g 0 1300000 65536 u 0 1431072 65536 g 0 1431072 65536 1 u 0 1300000 65536 g 0 1300000 65536' \
        "$(grep -v ^Destroyed "$RUN/out" | xargs)"
    says 'no 65536 user ids in a row are free for another container of root'
    says 'root has 1300000-1496607'
    says 'anna in /etc/subuid, the container t-idmap-a, the container t-idmap-b'
    says "as root: echo 'root:100000:65536' >>/etc/subuid"
    [ ! -e "$LXC/t-idmap-x" ] || fail 'a container is left'
    # Users and groups may get different ones.
    # shellcheck disable=SC2016
    with_ids 'root:1600000:65536\n' 'root:1700000:65536\n' 'create t-idmap-d && first t-idmap-d
        printf "anna:1:1\n" >/etc/subuid; printf "anna:2000224256:655360\n" >/etc/subgid
        create t-idmap-e && first t-idmap-e'
    same 'of each kind' 'u 0 1600000 65536 g 0 1700000 65536' "$(head -n 1 "$RUN/out")"
    local first
    first=$(sed -n '2s/^u 0 \(2[0-9]*\) .*/\1/p' "$RUN/out")
    [ "$first" -ge 2000879616 ] || fail "anna's ids were taken: $(cat "$RUN/out")"
}

# What runs elsewhere, and snapshots, have their ids.
test_idmap_auto_passes_over_what_runs() {
    ids_conf
    mkdir "$RUN/elsewhere"
    container t-idmap-r 'lxc.idmap = u 0 1800000 65536' 'lxc.idmap = g 0 1800000 65536' 'lxc.rootfs.options = idmap=container'
    mv "$LXC/t-idmap-r" "$RUN/elsewhere"
    sed -i "s|$LXC|$RUN/elsewhere|" "$RUN/elsewhere/t-idmap-r/config"
    code 0 "$BIN" start -P "$RUN/elsewhere" -n t-idmap-r
    container t-idmap-s 'lxc.idmap = u 0 1865536 65536' 'lxc.idmap = g 0 1865536 65536'
    code 0 tool snapshot -n t-idmap-s
    sed -i '/^lxc.idmap/d' "$LXC/t-idmap-s/config"
    # shellcheck disable=SC2016
    with_ids 'root:1800000:655360\n' 'root:1800000:655360\n' 'create t-idmap-a && first t-idmap-a'
    same 'after those that are in use' 'u 0 1931072 65536 g 0 1931072 65536' "$(cat "$RUN/out" "$RUN/err" | xargs)"
    code 0 "$BIN" stop -k -P "$RUN/elsewhere" -n t-idmap-r
    rm -r "$RUN/elsewhere"
}

test_idmap_auto_at_once_gives_each_its_own() {
    ids_conf
    # shellcheck disable=SC2016
    with_ids 'root:1300000:655360\n' 'root:1300000:655360\n' '
        for name in a b c d e f g h i j; do create t-idmap-$name & done
        wait
        for name in a b c d e f g h i j; do first t-idmap-$name; done'
    same 'ranges' 10 "$(sort -u "$RUN/out" | wc -l)"
    same 'nothing said' '' "$(cat "$RUN/err")"
    same 'first and last' 'u 0 1300000 65536 g 0 1300000 65536 u 0 1889824 65536 g 0 1889824 65536' "$(sort "$RUN/out" | sed -n '1p;$p' | xargs)"
}

test_idmap_auto_of_an_ordinary_user() {
    command -v newuidmap >/dev/null || { skipped='newuidmap is not installed'; return; }
    ids_conf
    mkdir -p "$RUN/own/lxc" "$RUN/own/run"
    cp "$BIN" "$RUN/own/lxc-rs"
    chown -R games "$RUN/own"
    chmod 755 "$RUN"
    # shellcheck disable=SC2016
    with_ids 'games:1300000:131072\n' 'games:1300000:131072\n' '
        user() { setpriv --reuid=games --regid=games --clear-groups env HOME="$0/own" XDG_RUNTIME_DIR="$0/own/run" "$0/own/lxc-rs" "$@"; }
        for name in t-idmap-a t-idmap-b t-idmap-c; do
            user create -P "$0/own/lxc" -t none -f "$0/ids.conf" --idmap auto -n "$name"
            user info -P "$0/own/lxc" -n "$name" -c lxc.idmap
        done
        user destroy -P "$0/own/lxc" -n t-idmap-a
        printf "" >/etc/subgid
        user create -P "$0/own/lxc" -t none -f "$0/ids.conf" --idmap auto -n t-idmap-c'
    same maps 'lxc.idmap = u 0 1300000 65536 g 0 1300000 65536 lxc.idmap = u 0 1365536 65536 g 0 1365536 65536' \
        "$(grep -v ^Destroyed "$RUN/out" | xargs)"
    says 'no 65536 user ids in a row are free for another container of games'
    says '/etc/subgid gives games no group ids that this system has'
    rm -r "$RUN/own"
}

test_idmap_check_warns_of_shared_ids() {
    ids_conf
    container t-idmap-a 'lxc.idmap = u 0 2000224256 65536' 'lxc.idmap = g 0 2000224256 65536' 'lxc.rootfs.options = idmap=container' 'lxc.net.0.type = empty'
    code 0 tool check -n t-idmap-a
    container t-idmap-b 'lxc.idmap = u 0 2000289791 10' 'lxc.idmap = g 0 2000224256 1' 'lxc.rootfs.options = idmap=container' 'lxc.net.0.type = empty'
    code 1 tool check -n t-idmap-a
    grep -q 'the ids 2000289791-2000289791 are not this container.s alone: the container t-idmap-b has them too' "$RUN/out" ||
        fail "not told: $(cat "$RUN/out")"
    container t-idmap-c 'lxc.idmap = u 0 700000000 65536' 'lxc.idmap = g 0 200000 65536' 'lxc.rootfs.options = idmap=container' 'lxc.net.0.type = empty'
    # shellcheck disable=SC2016
    with_ids 'root:1:1\n' 'anna:1:1\n' '"$BIN" check -P "$LXC" -n t-idmap-c
        echo anna:200000:65536 >>/etc/subgid; "$BIN" check -P "$LXC" -n t-idmap-c
        echo root:200000:65536 >/etc/subgid; "$BIN" check -P "$LXC" -n t-idmap-c'
    same told "warning: useradd(8) may give the ids 200000-265535 to a new user
warning: the ids 200000-265535 are not this container's alone: anna in /etc/subgid too
$LXC/t-idmap-c/config: 0 errors, 0 warnings" "$(grep -e ^warning -e ' 0 warnings' "$RUN/out")"
    grep -q "reserve them: echo 'root:200000:65536' >>/etc/subgid" "$RUN/out" || fail 'no command to reserve them'
}

# The layers of an overlay are mounted with the ids, which an overlay itself cannot have.
test_idmap_of_an_overlay() {
    container t-idmap-a 'lxc.idmap = u 0 1200000 65536' 'lxc.idmap = g 0 1200000 65536' 'lxc.rootfs.options = idmap=container' \
        'lxc.net.0.type = empty'
    echo below >"$LXC/t-idmap-a/rootfs/below"
    code 0 tool copy -s -B overlay -n t-idmap-a -N t-idmap-b
    code 0 tool start -n t-idmap-b
    same 'ids inside' '0:0 0:0' "$(tool attach -n t-idmap-b -- stat -c %u:%g /below /bin | xargs)"
    code 0 tool attach -n t-idmap-b -- sh -c 'echo more >>/below && echo new >/new && chown 7:8 /new && rm /etc/passwd'
    code 0 tool stop -k -n t-idmap-b
    same 'ids on the disk' '0:0 7:8' "$(stat -c %u:%g "$LXC/t-idmap-b/overlay/delta/"{below,new} | xargs)"
    same 'the layer below' below "$(cat "$LXC/t-idmap-a/rootfs/below")"
    [ -c "$LXC/t-idmap-b/overlay/delta/etc/passwd" ] || fail 'no whiteout'
    # Others for the copy cost nothing.
    code 0 tool copy -s -n t-idmap-b -N t-idmap-c --idmap auto
    code 0 tool start -n t-idmap-c
    same 'ids inside the copy' '0:0 7:8' "$(tool attach -n t-idmap-c -- stat -c %u:%g /below /new | xargs)"
    [ "$(stat -c %u "/proc/$(tool info -n t-idmap-c -pH)")" -ge 2000224256 ] || fail 'no ids of its own'
    code 0 tool stop -k -n t-idmap-c
    ids_conf
    code 0 tool create -n t-idmap-d -t busybox -B overlay -f "$RUN/ids.conf" --idmap auto
    code 0 tool start -n t-idmap-d
    code 0 tool stop -k -n t-idmap-d
    same options idmap=container "$(tool info -n t-idmap-d -c lxc.rootfs.options | sed 's/^[^=]*= //')"
    code 0 tool destroy -n t-idmap-c
    code 0 tool destroy -n t-idmap-b
    same 'mounts that are left' '' "$(grep t-idmap /proc/self/mountinfo)"
}
