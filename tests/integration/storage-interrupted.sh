# Operations on a container's files are done or not done, whatever ends them, and what a killed one
# leaves is completed or removed by the tools.

# A container that is only files: quick to make, to copy and to compare.
files_only() { # NAME
    mkdir -p "$LXC/$1/rootfs/etc"
    echo "$1" >"$LXC/$1/rootfs/etc/hostname"
    printf 'lxc.rootfs.path = dir:%s\nlxc.uts.name = %s\n' "$LXC/$1/rootfs" "$1" >"$LXC/$1/config"
}

# The tool, ended by INJECTION (strace(1)) at the Nth of its calls of that kind; its exit code.
injected() { # INJECTION N TOOL ARG...
    local injection=$1 number=$2 tool=$3
    shift 3
    strace -f -qq -o /dev/null -e trace="${injection%%:*}" -e inject="$injection:when=$number" \
        "$BIN" "$tool" -P "$LXC" "$@" >"$RUN/out" 2>"$RUN/err"
}

CHANGING='rename renameat2 link unlink unlinkat rmdir mkdir mkdirat fchmod fsync syncfs ftruncate write ioctl'

# Ends OPERATION at each of its calls that change something: PREPARE, OPERATION and CHECK are functions,
# the second gets the words 'injected INJECTION N'. CHECK sees what is left and clears up.
at_each_call() { # signal=KILL|error=ERRNO PREPARE OPERATION CHECK
    local what=$1 prepare=$2 operation=$3 check=$4 call number got
    command -v strace >/dev/null || { skipped='no strace'; return; }
    for call in $CHANGING; do
        for number in $(seq 60); do
            rm -rf "${LXC:?}"/*
            $prepare
            $operation injected "$call:$what" "$number" 2>/dev/null
            got=$?
            at="$call $number ($what)"
            [[ $got = 137 || $what = error=* && $got = 1 ]] || break
            $check
            [ "$ok" = yes ] || { echo "    at $at"; return; }
        done
    done
    [ "$got" = "${ends_with:-0}" ] || fail "$operation without an interruption: exit code $got: $(cat "$RUN/err")"
    rm -rf "${LXC:?}"/*
}

destroyed() { # NAME...: the tools remove them, and nothing is left
    local name
    for name in "$@"; do code 0 tool destroy -n "$name"; done
    same "left at $at" '' "$(ls -A "$LXC")"
}

clone_of_low() {
    files_only t-low
    tool copy -s -n t-low -N t-over
}

# The clone has one of both names, its base knows, and its configuration is that of its name.
renamed_or_not() {
    local name
    name=$(basename "$(ls -d "$LXC"/t-over/overlay "$LXC"/t-new/overlay 2>/dev/null | xargs -r dirname)")
    code 1 tool destroy -n t-low
    says 'has clones'
    # Any operation completes it first.
    code 0 tool snapshot -n "$name"
    same "configuration at $at" "lxc.uts.name = $name" "$(grep uts "$LXC/$name/config")"
    grep -q "$LXC/$name/overlay/delta" "$LXC/$name/config" || fail "$at: $(cat "$LXC/$name/config")"
    same "left in it at $at" 'config lxc_rdepends overlay rootfs snaps' "$(ls -A "$LXC/$name" | xargs)"
    same "clones at $at" "$name snap0" "$(sed -n 2~2p "$LXC/t-low/lxc_snapshots" | xargs)"
    code 0 tool snapshot -n "$name" -d ALL
    destroyed "$name" t-low
}
renaming() { "$@" copy -R -n t-over -N t-new; }

test_killed_rename_of_a_clone_is_completed_or_undone_and_its_base_knows() {
    at_each_call signal=KILL clone_of_low renaming renamed_or_not
}

not_renamed() {
    [ -d "$LXC/t-new" ] && [ ! -d "$LXC/t-over" ] && { renamed_or_not; return; }
    same "left in it at $at" 'config lxc_rdepends overlay rootfs' "$(ls -A "$LXC/t-over" | grep -v '\.rename\|partial\|\.new-' | xargs)"
    renamed_or_not
}

test_rename_on_a_full_disk_is_undone() {
    at_each_call error=ENOSPC clone_of_low renaming not_renamed
}

# A hook that says that it runs, and runs until that is taken away.
waiting_hook() {
    printf '#!/bin/sh\ntouch %s\nwhile [ -e %s ]; do sleep 0.02; done\n' "$RUN/hooked" "$RUN/hooked" >"$RUN/hook"
    chmod +x "$RUN/hook"
    echo "$RUN/hook"
}

test_rename_ended_by_a_signal_or_a_failing_hook_is_undone() {
    clone_of_low
    local before hook
    before=$(find "$LXC" -printf '%P %m %i\n' | grep -v '^ ' | sort)
    local config
    config=$(cat "$LXC/t-over/config")
    for hook in clone destroy; do
        printf 'lxc.hook.%s = /bin/false\n' $hook >>"$LXC/t-over/config"
        code 1 tool copy -R -n t-over -N t-new
        says "$hook hook"
        sed -i /hook/d "$LXC/t-over/config"
        same "configuration after a failing $hook hook" "$config" "$(cat "$LXC/t-over/config")"
        same "clones after a failing $hook hook" t-over "$(sed -n 2~2p "$LXC/t-low/lxc_snapshots")"
    done
    printf 'lxc.hook.clone = %s\n' "$(waiting_hook)" >>"$LXC/t-over/config"
    "$BIN" copy -P "$LXC" -R -n t-over -N t-new 2>/dev/null &
    until [ -e "$RUN/hooked" ]; do sleep 0.01; done
    kill -TERM $!
    rm "$RUN/hooked"
    wait $!
    same 'code after SIGTERM' 1 $?
    sed -i /hook/d "$LXC/t-over/config"
    same 'configuration after SIGTERM' "$config" "$(cat "$LXC/t-over/config")"
    same 'clones after SIGTERM' t-over "$(sed -n 2~2p "$LXC/t-low/lxc_snapshots")"
    same 'files' "$(cut -d' ' -f1,2 <<<"$before")" "$(find "$LXC" -printf '%P %m\n' | grep -v '^ ' | sort)"
}

# What changes the files of a container keeps it from being started, and says who that is.
test_start_is_refused_while_the_files_change() {
    container t-held
    code 0 tool snapshot -n t-held
    local words pid name
    for words in 'snapshot -n t-held -r snap0' 'destroy -n t-held -s' 'copy -R -n t-held -N t-moved'; do
        printf 'lxc.hook.destroy = %s\n' "$(waiting_hook)" >>"$LXC/t-held/config"
        [[ $words != copy* ]] || code 0 tool snapshot -n t-held -d ALL
        # shellcheck disable=SC2086
        tool ${words%% *} ${words#* } &
        until [ -e "$RUN/hooked" ]; do sleep 0.01; done
        if [[ $words = copy* ]]; then
            code 1 tool start -n t-moved
        else
            code 1 tool start -n t-held
        fi
        says 'is being changed by lxc-.* (pid [0-9]*)'
        same "state while lxc-$words" STOPPED "$(state t-held)$(state t-moved)"
        same "active while lxc-$words" '' "$(tool ls --active)"
        pid=$(pgrep -f "^$STAGE/bin/lxc-${words%% *} -P $LXC ")
        # The kernel frees what a killed one has.
        kill -9 "$pid"
        wait "$!" 2>/dev/null
        rm "$RUN/hooked"
        name=t-held
        [[ $words != copy* ]] || name=t-moved
        code 0 tool start -n $name
        code 0 tool stop -k -n $name
        sed -i /hook.destroy/d "$LXC/$name/config"
    done
}

over_with_snapshot() {
    clone_of_low
    echo old >"$LXC/t-over/overlay/delta/file"
    tool snapshot -n t-over
    echo new >"$LXC/t-over/overlay/delta/file"
    printf '# newer\n' >>"$LXC/t-over/config"
}
restoring() { "$@" snapshot -n t-over -r snap0; }
restored_or_not() {
    code 1 tool destroy -n t-low
    says 'has clones'
    # A start completes what is left to be done, and fails here for want of an init.
    tool start -n t-over 2>/dev/null
    case $(cat "$LXC/t-over/overlay/delta/file")$(grep -c newer "$LXC/t-over/config") in
        new1 | old0) ;;
        *) fail "$at: $(cat "$LXC/t-over/overlay/delta/file" "$LXC/t-over/config")" ;;
    esac
    code 0 tool snapshot -n t-over -r snap0
    same "restored at $at" old0 "$(cat "$LXC/t-over/overlay/delta/file")$(grep -c newer "$LXC/t-over/config")"
    same "left in it at $at" 'config lxc_rdepends overlay rootfs snaps' "$(ls -A "$LXC/t-over" | grep -v '\.log$' | xargs)"
    code 1 tool destroy -n t-low
    code 0 tool snapshot -n t-over -d ALL
    destroyed t-over t-low
}

test_killed_restore_is_completed_or_undone_and_its_base_knows() {
    at_each_call signal=KILL over_with_snapshot restoring restored_or_not
}
test_restore_on_a_full_disk_is_undone_or_can_be_completed() {
    at_each_call error=ENOSPC over_with_snapshot restoring restored_or_not
}

clone_with_snapshot() {
    clone_of_low
    tool snapshot -n t-over
}
destroying_all() { "$@" destroy -s -n t-over; }
destroyable() {
    # Alone if its snapshot is gone.
    tool destroy -s -n t-over 2>/dev/null
    destroyed t-low
}
test_killed_destroy_of_a_clone_with_snapshots_keeps_no_base_for_ever() {
    at_each_call signal=KILL clone_with_snapshot destroying_all destroyable
}

files_of_one() { files_only t-one; }
destroying() { "$@" destroy -n t-one; }
rest_destroyable() {
    [ ! -d "$LXC/t-one" ] || code 0 tool destroy -n t-one
    same "left at $at" '' "$(ls -A "$LXC")"
}
test_killed_destroy_can_be_repeated() {
    at_each_call signal=KILL files_of_one destroying rest_destroyable
}
test_destroy_on_a_full_disk() {
    at_each_call error=ENOSPC files_of_one destroying rest_destroyable
}

snapshotting() { "$@" snapshot -n t-over; }
snapshot_or_rest() {
    if [ -d "$LXC/t-over/snaps/snap0" ] && [ ! -e "$LXC/t-over/snaps/snap0/partial" ] && [ -e "$LXC/t-over/snaps/snap0/config" ]; then
        [ -s "$LXC/t-over/snaps/snap0/ts" ] || fail "no time at $at"
    fi
    if [ -d "$LXC/t-over/snaps/snap0" ]; then
        code 0 tool snapshot -n t-over -d snap0
    fi
    same "snapshots at $at" '' "$(ls -A "$LXC/t-over/snaps" 2>/dev/null)"
    destroyed t-over t-low
}
test_killed_snapshot_can_be_removed() {
    at_each_call signal=KILL clone_of_low snapshotting snapshot_or_rest
}
failed_snapshot() {
    same "left of a failed snapshot at $at" '' "$(ls -A "$LXC/t-over/snaps" 2>/dev/null | grep -v partial)"
    destroyed t-over t-low
}
test_snapshot_on_a_full_disk_leaves_nothing() {
    at_each_call error=ENOSPC clone_of_low snapshotting failed_snapshot
}

low() { files_only t-low; }
copying() { "$@" copy -s -n t-low -N t-over; }
copy_or_rest() {
    if [ -d "$LXC/t-over" ]; then
        code 0 tool destroy -n t-over
    fi
    destroyed t-low
}
test_killed_copy_can_be_removed() {
    at_each_call signal=KILL low copying copy_or_rest
}
test_copy_on_a_full_disk_can_be_removed() {
    at_each_call error=ENOSPC low copying copy_or_rest
}

nothing() { :; }
creating() { "$@" create -n t-made -t none -f /dev/null; }
creation_or_rest() {
    [ ! -d "$LXC/t-made" ] || code 0 tool destroy -n t-made
    same "left at $at" '' "$(ls -A "$LXC")"
}
test_killed_creation_can_be_removed() {
    at_each_call signal=KILL nothing creating creation_or_rest
}

elsewhere() { rm -rf "$RUN/elsewhere"; }
creating_elsewhere() { "$@" create -n t-made -t "$RUN/template" -f /dev/null --dir "$RUN/elsewhere/root"; }
creation_elsewhere_or_rest() {
    creation_or_rest
    [ ! -e "$RUN/elsewhere/root" ] || fail "the storage is left at $at"
}
test_killed_or_failing_creation_elsewhere_can_be_removed() {
    printf '#!/bin/sh\n:\n' >"$RUN/template"
    chmod +x "$RUN/template"
    at_each_call signal=KILL elsewhere creating_elsewhere creation_elsewhere_or_rest
    # While a failed one is undone, too.
    printf '#!/bin/sh\nfor arg; do case $arg in --rootfs=*) touch "${arg#*=}/file" ;; esac; done; exit 1\n' >"$RUN/template"
    local ends_with=1
    at_each_call signal=KILL elsewhere creating_elsewhere creation_elsewhere_or_rest
}

# The same operations on a btrfs, where storage goes at a stroke.
subvolume_of_it() {
    for volume in $(btrfs subvolume list -o "$LXC" | sed 's/.* path //' | sort -r); do btrfs -q subvolume delete "$LXC/$volume"; done
    rm -rf "${LXC:?}"/*
    mkdir "$LXC/t-sub" && btrfs subvolume create "$LXC/t-sub/rootfs" >/dev/null && echo old >"$LXC/t-sub/rootfs/file"
    printf 'lxc.rootfs.path = btrfs:%s\nlxc.uts.name = t-sub\n' "$LXC/t-sub/rootfs" >"$LXC/t-sub/config"
    tool snapshot -n t-sub
    echo new >"$LXC/t-sub/rootfs/file"
}
sub_copying() { "$@" copy -s -n t-sub -N t-copy; }
sub_snapshotting() { "$@" snapshot -n t-sub; }
sub_restoring() { "$@" snapshot -n t-sub -r snap0; }
sub_renaming() { code 0 tool snapshot -n t-sub -d ALL; "$@" copy -R -n t-sub -N t-copy; }
sub_destroying() { "$@" destroy -s -n t-sub; }
sub_clear() {
    local name
    for name in t-sub t-copy; do
        [ ! -e "$LXC/$name" ] || code 0 tool destroy -s -n $name
    done
    same "left at $at" '' "$(ls -A "$LXC")$(subvolumes)"
}
sub_restored() {
    tool start -n t-sub 2>/dev/null
    code 0 tool snapshot -n t-sub -r snap0
    same "restored at $at" old "$(cat "$LXC/t-sub/rootfs/file")"
    sub_clear
}
test_killed_operations_on_btrfs_are_completed_or_removed() {
    btrfs_begin || return
    local operation
    for operation in copying snapshotting renaming destroying; do
        at_each_call signal=KILL subvolume_of_it sub_$operation sub_clear
    done
    at_each_call signal=KILL subvolume_of_it sub_restoring sub_restored
    btrfs_end
}

test_two_at_once() {
    local number
    files_only t-low
    head -c 3000000 /dev/urandom >"$LXC/t-low/rootfs/data"
    for number in 1 2 3 4; do
        tool copy -n t-low -N t-copy 2>>"$RUN/err" && touch "$RUN/copied-$number" &
        tool snapshot -n t-low &
    done
    wait
    same 'copies to one name' 1 "$(ls "$RUN"/copied-* | wc -l)"
    cmp "$LXC/t-low/rootfs/data" "$LXC/t-copy/rootfs/data" || fail 'the copy is not complete'
    same 'snapshots at once' 4 "$(tool snapshot -n t-low -L | grep -c .)"
    rm "$RUN"/copied-*
    # What is being copied is destroyed afterwards, or not copied.
    for number in 1 2 3 4 5 6; do
        tool copy -n t-copy -N t-of-$number 2>/dev/null &
        tool snapshot -n t-copy 2>/dev/null &
        tool copy -s -n t-copy -N t-over-$number 2>/dev/null &
        [ $number != 3 ] || tool destroy -s -n t-copy 2>/dev/null &
    done
    wait
    for number in 1 2 3 4 5 6; do
        [ ! -e "$LXC/t-of-$number" ] || cmp "$LXC/t-low/rootfs/data" "$LXC/t-of-$number/rootfs/data" || fail "copy $number is not complete"
        [ ! -e "$LXC/t-over-$number" ] || [ -e "$LXC/t-copy/rootfs/data" ] || fail "clone $number has lost its base"
    done
    tool destroy -s -n t-copy 2>/dev/null
    for number in 1 2 3 4 5 6; do tool destroy -n t-of-$number 2>/dev/null; done
    code 0 tool destroy -s -n t-low
    same left '' "$(ls -A "$LXC")"
}

test_ephemeral_copy_that_cannot_say_its_name_is_removed() {
    files_only t-low
    tool copy -n t-low -e -N t-over >/dev/full 2>"$RUN/err"
    same 'exit code' 1 $?
    says ENOSPC
    tool copy -n t-low -e -N t-over 2>"$RUN/err" | :
    same 'exit code for a reader that went away' 1 "${PIPESTATUS[0]}"
    same left 'config rootfs' "$(ls "$LXC" "$LXC/t-low" | grep -v : | xargs | sed 's/t-low *//')"
}

# In a cgroup of its own in which there can be no more than one or two processes.
test_copy_and_snapshot_with_no_room_for_threads() {
    local pids most words
    pids=$(hierarchy pids)/t-threads
    mkdir "$pids"
    [ -e "$pids/pids.max" ] || { rmdir "$pids"; skipped="no number of processes can be limited in ${pids%/*}"; return; }
    files_only t-low
    for most in 1 2; do
        echo $most >"$pids/pids.max"
        for words in 'copy -n t-low -N t-copy' 'snapshot -n t-low' 'snapshot -n t-low -r snap0' 'copy -n t-copy -N t-new -R'; do
            # shellcheck disable=SC2086
            code 0 sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' sh "$pids" "$BIN" ${words%% *} -P "$LXC" ${words#* }
        done
        same 'host name of the copy' t-new "$(cat "$LXC/t-new/rootfs/etc/hostname")"
        code 0 tool destroy -n t-new
        code 0 tool snapshot -n t-low -d ALL
    done
    rmdir "$pids"
}

# LXCPATH becomes an ext4 on a disk in a file, of which it can be seen what has come to it.
disk_begin() {
    truncate -s 64M "$RUN/disk.img" && mkfs.ext4 -q "$RUN/disk.img" && mount -o loop "$RUN/disk.img" "$LXC" &&
        rmdir "$LXC/lost+found"
}
after_power_cut() { # COMMAND...: in the directory of containers as a power cut right now leaves it
    cp --sparse=always "$RUN/disk.img" "$RUN/cut.img"
    mkdir -p "$RUN/cut"
    mount -o loop "$RUN/cut.img" "$RUN/cut" || { fail 'the disk cannot be mounted'; return; }
    (cd "$RUN/cut" && "$@")
    umount "$RUN/cut"
    rm "$RUN/cut.img"
}

test_what_was_reported_done_outlives_a_power_cut() {
    disk_begin 2>"$RUN/err" || { skipped="no ext4 on a loop device: $(tail -1 "$RUN/err")"; return; }
    local content words
    content() { (cd "$1" && find . -type f ! -name '*.log' ! -name ts -exec cksum {} + | sort -k3); }
    files_only t-one
    head -c 300000 /dev/urandom >"$LXC/t-one/rootfs/data"
    sync -f "$LXC"
    for words in 'copy -n t-one -N t-copy' 'copy -s -n t-one -N t-over' 'copy -R -n t-over -N t-moved' 'snapshot -n t-one' \
        'snapshot -n t-copy' 'snapshot -n t-copy -r snap0' 'create -n t-made -t busybox -f /dev/null' \
        'snapshot -n t-copy -d snap0' 'destroy -n t-moved'; do
        [[ $words != *-r* ]] || { echo newer >"$LXC/t-copy/rootfs/data" && sync -f "$LXC"; }
        # shellcheck disable=SC2086
        code 0 tool ${words%% *} ${words#* }
        same "after lxc-$words and a power cut" "$(content "$LXC")" "$(after_power_cut content .)"
    done
    # A file that is replaced.
    echo 'lxc.utsname = t-copy' >>"$LXC/t-copy/config"
    sync -f "$LXC"
    code 0 "$BIN" update-config -c "$LXC/t-copy/config"
    ! grep -q utsname "$LXC/t-copy/config" || fail 'not updated'
    same 'after lxc-update-config and a power cut' "$(content "$LXC")" "$(after_power_cut content .)"
    umount "$LXC"
    rm "$RUN/disk.img"
}
