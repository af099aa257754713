# Start, stop, list, execute, reboot.

test_lifecycle() {
    container t-life
    code 0 tool start -n t-life
    same state RUNNING "$(state t-life)"
    same list "t-life" "$(tool ls -1)"
    same hostname t-life "$(tool attach -n t-life -- hostname)"
    code 0 tool freeze -n t-life
    same frozen FROZEN "$(state t-life)"
    code 0 tool unfreeze -n t-life
    same thawed RUNNING "$(state t-life)"
    code 0 tool stop -n t-life
    same stopped STOPPED "$(state t-life)"
    code 2 tool stop -n t-life
}

test_start_twice_is_no_error() {
    container t-twice
    code 0 tool start -n t-twice
    code 0 tool start -n t-twice
    says "Container is already running"
    code 0 tool stop -k -n t-twice
}

test_execute_passes_status() {
    container t-exec
    code 7 tool execute -n t-exec -- sh -c 'exit 7'
    code 143 tool execute -n t-exec -- sh -c 'kill -15 $$'
    code 255 tool execute -n t-exec -- no-such-command
    same output '1' "$(tool execute -n t-exec -- sh -c 'cat /proc/1/comm >/dev/null && echo 1')"
    same orphans 'done' "$(tool execute -n t-exec -- sh -c '(sleep 0.3; echo done) &')"
}

test_stop_escalates_only_when_it_may() {
    container t-deaf
    # An init that no signal but SIGKILL reaches, with children that would outlive it.
    printf '#!/bin/sh\ntrap "" USR1 PWR TERM INT\nsleep 1000 & sleep 1000 & while :; do sleep 1; done\n' \
        >"$LXC/t-deaf/rootfs/deaf"
    chmod 755 "$LXC/t-deaf/rootfs/deaf"
    code 0 tool start -n t-deaf -s lxc.init.cmd=/deaf
    code 0 tool stop -W -n t-deaf
    same 'after -W' RUNNING "$(state t-deaf)"
    code 1 tool stop -t 1 --nokill -n t-deaf
    same 'after --nokill' RUNNING "$(state t-deaf)"
    local pids
    pids=$(cat "$(hierarchy pids)/lxc.payload.t-deaf/cgroup.procs")
    same processes 4 "$(wc -w <<<"$pids")"
    code 0 tool stop -t 1 -n t-deaf
    same 'after the time' STOPPED "$(state t-deaf)"
    for pid in $pids; do [ ! -e "/proc/$pid" ] || fail "process $pid lives on"; done
    code 0 tool start -n t-deaf -s lxc.init.cmd=/deaf
    code 0 tool freeze -n t-deaf
    code 0 tool stop -k -n t-deaf
    same 'frozen and killed' STOPPED "$(state t-deaf)"
}

test_reboot_inside() {
    container t-boot
    code 0 tool start -n t-boot
    local before after
    before=$(tool info -n t-boot -pH)
    tool attach -n t-boot -- reboot -f
    sleep 1
    same state RUNNING "$(state t-boot)"
    after=$(tool info -n t-boot -pH)
    [ "$before" != "$after" ] || fail "init is still $before"
    code 0 tool stop -k -n t-boot
}

test_hooks_run_in_order() {
    container t-hook
    local stage
    for stage in pre-start start-host stop post-stop; do
        echo "lxc.hook.$stage = /bin/sh -c 'echo \$3 \$LXC_TARGET >>$RUN/hooks' --" \
            >>"$LXC/t-hook/config"
    done
    for stage in pre-mount mount autodev; do
        echo "lxc.hook.$stage = /bin/sh -c 'echo \$3 >>$RUN/hooks' --" >>"$LXC/t-hook/config"
    done
    code 0 tool start -n t-hook
    code 0 tool stop -k -n t-hook
    # The post-stop hooks run when the container is stopped already.
    nothing_left
    same order 'pre-start pre-mount mount autodev start-host stop stop post-stop stop' \
        "$(xargs <"$RUN/hooks")"
    rm -f "$RUN/hooks"
}

test_rounds_leave_nothing() {
    container t-round 'lxc.net.0.type = veth' "lxc.net.0.link = $BRIDGE" 'lxc.net.0.flags = up'
    local i
    for i in $(seq "${ROUNDS:-20}"); do
        code 0 tool start -n t-round
        same "round $i" "$i" "$(tool attach -n t-round -- echo "$i")"
        code 0 tool stop -k -n t-round
        [ $ok = yes ] || return
    done
}

test_many_at_once() {
    local many=${MANY:-50} name
    container t-many-1
    for number in $(seq 2 "$many"); do
        mkdir -p "$LXC/t-many-$number"
        cp -a "$LXC/t-many-1/rootfs" "$LXC/t-many-$number/"
        sed "s/t-many-1/t-many-$number/g" "$LXC/t-many-1/config" >"$LXC/t-many-$number/config"
    done
    for name in $(tool ls -1); do tool start -n "$name" & done
    wait
    same running "$many" "$(tool ls -f | grep -c ' RUNNING ')"
    same 'running by name' "$many" "$(tool ls --running -1 | wc -l)"
    for name in $(tool ls -1); do tool stop -k -n "$name" & done
    wait
    same stopped "$many" "$(tool ls -f | grep -c ' STOPPED ')"
}

# Monitors that are copies of one image are as those that were executed by themselves.
test_autostart_makes_monitors() {
    local name pid
    for name in t-auto1 t-auto2 t-auto3; do container $name 'lxc.start.auto = 1'; done
    sed -i "s#^lxc.rootfs.path.*#lxc.rootfs.path = dir:/nowhere#" "$LXC/t-auto2/config"
    code 2 tool autostart -j 1
    says 't-auto2: cannot use the root filesystem /nowhere: ENOENT'
    for name in t-auto1 t-auto3; do
        same "$name" RUNNING "$(state $name)"
        pid=$(pgrep -f "^\[lxc monitor\] $LXC $name\$")
        same 'its session' "$pid" "$(ps -o sid= -p "$pid" | tr -d ' ')"
        same 'its name' lxc-monitor "$(cat "/proc/$pid/comm")"
        same 'its title' "[lxc monitor] $LXC $name" "$(tr '\0' '\n' <"/proc/$pid/cmdline")"
        same 'its directory' / "$(readlink "/proc/$pid/cwd")"
    done
    same 'images that are left' '' "$(pgrep -f '^\[lxc monitor\] *$')"
    code 0 tool autostart -k
}

# What the start needed of it is given back before the long wait.
test_a_monitors_stack_is_small() {
    local kept
    container t-stack
    code 0 tool start -n t-stack
    kept=$(awk '/\[stack\]$/ { found = 1 } found && $1 == "Rss:" { print $2; exit }' \
        "/proc/$(pgrep -f "^\[lxc monitor\] $LXC t-stack\$")/smaps")
    [ "${kept:-999}" -le 64 ] || fail "kB of stack: ${kept:-none}"
    code 0 tool stop -k -n t-stack
}

# A list made right after the stop does not show a container that is about to be destroyed.
test_stop_waits_until_an_ephemeral_container_is_destroyed() {
    local options
    for options in -k '-t 10' -k '-t 10'; do
        container t-brief 'lxc.ephemeral = 1' "lxc.hook.destroy = /bin/sh -c 'sleep 0.3' --"
        code 0 tool start -n t-brief
        # shellcheck disable=SC2086
        code 0 tool stop -n t-brief $options
        [ ! -e "$LXC/t-brief" ] || fail "it is there after lxc-stop $options"
    done
}
