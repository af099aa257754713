# lxc-rs storage check: what killed operations and other tools left is found, and fixed when that is asked for.
# `files_only`, `injected` and `clone_of_low` are in storage-interrupted.sh, `sized` and its like in storage_size.sh.

clean_check() { # WHEN
    code 0 tool storage check
    same "found $1" '' "$(cat "$RUN/out")"
}

test_storage_check_finds_and_fixes() {
    files_only t-low
    code 0 tool copy -s -n t-low -N t-over
    code 0 tool snapshot -n t-low
    clean_check 'where nothing is left'
    same 'JSON of nothing' '[]' "$(tool storage check --format json)"
    # A creation of C LXC that was killed, an empty directory, what a write began, a snapshot that was killed.
    files_only t-half
    : >"$LXC/t-half/partial"
    mkdir "$LXC/t-empty" "$LXC/t-low/snaps/snap7"
    : >"$LXC/t-low/snaps/snap7/partial"
    : >"$LXC/t-low/config.new-999999999"
    # A record of a snapshot that is gone.
    printf '%s\nt-gone\n' "$LXC" >>"$LXC/t-low/lxc_snapshots"
    # Data that no configuration names.
    mkdir -p "$LXC/t-orphan/rootfs/etc" "$LXC/t-low/overlay/delta/data"
    code 2 tool storage check
    same 'all that is left' 'an empty directory: --fix removes it
its creation or destruction was killed: --fix removes it
a file was being written: --fix removes it
storage that its configuration does not name: --fix --remove removes it, with its data
a snapshot that was killed: --fix removes it
a record of TOP/t-gone, which does not need it: --fix removes it
storage without a configuration: --fix --remove removes it, with its data' \
        "$(sed "s#^[^:]*: ##; s#$LXC#TOP#" "$RUN/out")"
    same 'of one container' 4 "$(tool storage check t-low | wc -l)"
    same JSON 'Rest rest temporary orphan snapshot record orphan' \
        "$(tool storage check --format json | jq -r '.[].kind' | xargs | sed 's/^r/R/')"
    same 'the table' 'NAME PATH LEFT OUTCOME' "$(tool storage check --format table | head -1 | xargs)"
    ! python3 -c 'import jsonschema' 2>/dev/null || tool storage check --format json | tests/integration/validate storage-check ||
        fail 'the JSON is not as its schema says'
    # No data goes unless that is said.
    code 2 tool storage check --fix
    same 'what is left then' 2 "$(tool storage check | wc -l)"
    [ -d "$LXC/t-orphan/rootfs/etc" ] && [ -d "$LXC/t-low/overlay/delta/data" ] || fail 'data is gone'
    code 0 tool storage check --fix --remove
    clean_check 'after all was fixed'
    same 'what stays' 't-low t-over' "$(ls "$LXC" | xargs)"
    same 'a record that counts' t-over "$(sed -n 2~2p "$LXC/t-low/lxc_snapshots" | xargs)"
    same 'the snapshot' snap0 "$(ls "$LXC/t-low/snaps")"
    # What a clone needs is not removed, and cannot be fixed.
    mv "$LXC/t-low" "$RUN/t-low"
    code 2 tool storage check --fix --remove
    grep -q "t-over: it needs $LXC/t-low, which is gone: left alone" "$RUN/out" || fail "$(cat "$RUN/out")"
    mv "$RUN/t-low" "$LXC/t-low"
    clean_check 'when it is back'
    code 0 tool destroy -n t-over
    code 0 tool destroy -s -n t-low
}

# What runs, and what is being done, is left alone.
test_storage_check_leaves_what_is_in_use() {
    local pid
    container t-runs
    code 0 tool start -n t-runs
    clean_check 'of a running container'
    files_only t-low
    printf '#!/bin/sh\ntouch %s\nwhile [ -e %s ]; do sleep 0.02; done\n' "$RUN/hooked" "$RUN/hooked" >"$RUN/hook"
    chmod +x "$RUN/hook"
    echo "lxc.hook.clone = $RUN/hook" >>"$LXC/t-low/config"
    "$BIN" copy -P "$LXC" -n t-low -N t-copy &
    pid=$!
    until [ -e "$RUN/hooked" ]; do sleep 0.01; done
    code 0 tool storage check --fix --remove
    same 'found of a copy that goes on' '' "$(cat "$RUN/out")"
    rm "$RUN/hooked"
    wait $pid || fail 'the copy failed'
    code 0 tool stop -k -n t-runs
    code 0 tool destroy -n t-copy
}

# OPERATION is killed at random calls, CHECKS times; what is left is found, fixed, and the base is there.
killed_and_checked() { # PREPARE OPERATION
    local round number call killed=0 name calls=(rename renameat2 unlink unlinkat mkdir mkdirat fsync syncfs write ioctl openat)
    command -v strace >/dev/null || { skipped='strace is not installed'; return; }
    for round in $(seq 300); do
        [ $killed -lt "${CHECKS:-6}" ] || break
        rm -rf "${LXC:?}"/*
        $1
        call=${calls[RANDOM % ${#calls[@]}]} number=$((RANDOM % 8 + 1))
        [ "$call" != openat ] || number=$((RANDOM % 120 + 1))
        $2 injected "$call:signal=KILL" "$number" 2>/dev/null
        [ $? = 137 ] || continue
        killed=$((killed + 1))
        code 0 tool storage check --fix
        clean_check "after $2 was killed at $call $number"
        for name in $(tool ls -1); do
            grep -q "^lxc.uts.name = $name\$" "$LXC/$name/config" || fail "$name: $(cat "$LXC/$name/config")"
        done
        [ ! -e "$LXC/t-low" ] || same 'the base' t-low "$(cat "$LXC/t-low/rootfs/etc/hostname")"
        for name in t-new t-over t-low; do
            [ ! -e "$LXC/$name" ] || code 0 tool destroy -s -n $name
        done
        same "left after $2 was killed at $call $number" '' "$(ls -A "$LXC")"
        [ "$ok" = yes ] || return
    done
    [ $killed -ge 3 ] || fail "$2 was killed only $killed times"
    rm -rf "${LXC:?}"/*
}
low_alone() { files_only t-low; }
checked_clone() {
    clone_of_low
    tool snapshot -n t-over
    echo changed >"$LXC/t-over/overlay/delta/changed"
}
op_create() { "$@" create -n t-new -t busybox -f /dev/null; }
op_copy() { "$@" copy -n t-low -N t-new; }
op_clone() { "$@" copy -s -n t-low -N t-new; }
op_rename() { "$@" copy -R -n t-over -N t-new; }
op_snapshot() { "$@" snapshot -n t-low; }
op_restore() { "$@" snapshot -n t-over -r snap0; }
op_destroy() { "$@" destroy -s -n t-over; }

test_storage_check_after_killed_operations() {
    killed_and_checked low_alone op_create
    killed_and_checked low_alone op_copy
    killed_and_checked low_alone op_clone
    killed_and_checked low_alone op_snapshot
    killed_and_checked clone_of_low op_rename
    killed_and_checked checked_clone op_restore
    killed_and_checked checked_clone op_destroy
}

# The same of what sets limits: no project is left, and a limit holds for all files.
sized_files() {
    files_only t-low
    seq 50 | sed "s#^#$LXC/t-low/rootfs/file#" | xargs touch
    printf 'lxc.rootfs.size = 40M\nlxc.idmap = u 0 200000 65536\nlxc.idmap = g 0 200000 65536\nlxc.rootfs.options = idmap=container\n' \
        >>"$LXC/t-low/config"
}
sized_and_set() {
    sized_files
    tool storage size t-low 50M
}
op_size() { "$@" storage size t-low 30M; }
op_destroy_low() { "$@" destroy -n t-low; }
test_storage_check_of_killed_limits() {
    sized_begin ext4 || return
    rmdir "$LXC/lost+found"
    local before operation number
    for operation in 'sized_files op_size' 'sized_files op_copy' 'sized_and_set op_destroy_low'; do
        # shellcheck disable=SC2086
        set -- $operation
        for number in $(seq 1 3 60); do
            $1
            $2 injected ioctl:signal=KILL "$number" 2>/dev/null
            [ $? = 137 ] || break
            code 0 tool storage check --fix
            clean_check "after $2 was killed at ioctl $number"
            if [ -e "$LXC/t-low" ]; then
                code 0 tool storage size t-low 20M
                code 0 tool destroy -n t-low
            fi
            [ ! -e "$LXC/t-new" ] || code 0 tool destroy -n t-new
            no_projects
            [ "$ok" = yes ] || break 2
        done
        [ "$number" -gt 3 ] || fail "$2 was not killed"
        rm -rf "${LXC:?}"/*
    done
    # One that was claimed and never used.
    python3 - "$LXC" <<'END'
import ctypes, os, struct, sys
libc, fd = ctypes.CDLL(None, use_errno=True), os.open(sys.argv[1], os.O_RDONLY)
if libc.syscall(443, fd, 0x800008 << 8 | 2, 0x4c580005, struct.pack('QQQQQQQQI4x', 9, 0, 0, 0, 0, 0, 0, 0, 1)) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
END
    code 2 tool storage check
    grep -q ': the project 1280835589 has a limit and no file: --fix removes it$' "$RUN/out" || fail "$(cat "$RUN/out")"
    code 0 tool storage check --fix
    no_projects
    sized_end
}

# What another tool left of an image, and an image that no configuration names.
test_storage_check_knows_images() {
    local device
    loop_container t-loop
    code 0 tool storage check
    device=$(losetup -f --show "$LXC/t-loop/rootdev")
    code 2 tool storage check
    grep -q "another tool has left the loop device $device of its image: --fix removes it" "$RUN/out" || fail "$(cat "$RUN/out")"
    # One that somebody has mounted is in use.
    mkdir "$RUN/mounted" && mount "$device" "$RUN/mounted"
    code 0 tool storage check
    umount "$RUN/mounted"
    code 0 tool storage check --fix
    no_loops 'after it was fixed'
    cp --sparse=always "$LXC/t-loop/rootdev" "$RUN/kept"
    code 0 tool destroy -n t-loop
    files_only t-dir
    mv "$RUN/kept" "$LXC/t-dir/rootdev"
    code 2 tool storage check --fix
    grep -q 'rootdev: storage that its configuration does not name' "$RUN/out" || fail "$(cat "$RUN/out")"
    code 0 tool storage check --fix --remove
    [ ! -e "$LXC/t-dir/rootdev" ] || fail 'the image is left'
    code 0 tool destroy -n t-dir
}
