# Limits in the words of both cgroup versions, on whatever layout the host has.

layout() {
    if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then echo v2
    elif grep -q ' cgroup2 ' /proc/self/mountinfo; then echo hybrid
    else echo v1; fi
}

# What a file of the container's cgroup says: its first line.
item() { tool cgroup -n "$1" "$2" 2>"$RUN/err" | head -1; }

test_cgroup_limits_in_the_words_of_v1() {
    container t-one 'lxc.cgroup.memory.limit_in_bytes = 64M' 'lxc.cgroup.pids.max = 50' \
        'lxc.cgroup.cpu.shares = 512' 'lxc.cgroup.cpu.cfs_quota_us = 40000' \
        'lxc.cgroup.cpu.cfs_period_us = 80000' 'lxc.cgroup.cpuset.cpus = 0'
    code 0 tool start -n t-one
    same cpus 0 "$(tool attach -n t-one -- awk '/Cpus_allowed_list/ { print $2 }' /proc/self/status)"
    case $(layout) in
        v2) says "lxc.cgroup.cpu.shares as cpu.weight = 50" ;;
        *) same 'nothing said' '' "$(cat "$RUN/err")" ;;
    esac
    for pair in 'memory.limit_in_bytes 67108864' 'memory.max 67108864' 'pids.max 50' 'cpu.shares 512' \
        'cpu.weight 50' 'cpu.cfs_quota_us 40000' 'cpu.max 40000 80000' 'cpuset.cpus 0'; do
        same "${pair%% *}" "${pair#* }" "$(item t-one "${pair%% *}")"
    done
    code 0 tool stop -k -n t-one
}

test_cgroup_limits_in_the_words_of_v2() {
    container t-two 'lxc.cgroup2.memory.max = 64M' 'lxc.cgroup2.pids.max = 50' \
        'lxc.cgroup2.cpu.weight = 50' 'lxc.cgroup2.cpu.max = 40000 80000' 'lxc.cgroup2.cpuset.cpus = 0'
    code 0 tool start -n t-two
    case $(layout) in
        v2) same 'nothing said' '' "$(cat "$RUN/err")" ;;
        *) says "lxc.cgroup2.memory.max as memory.limit_in_bytes = 67108864" ;;
    esac
    for pair in 'memory.limit_in_bytes 67108864' 'memory.max 67108864' 'cpu.shares 512' \
        'cpu.cfs_period_us 80000' 'cpu.max 40000 80000'; do
        same "${pair%% *}" "${pair#* }" "$(item t-two "${pair%% *}")"
    done
    code 0 tool stop -k -n t-two
    # Also in the foreground.
    code 0 tool execute -n t-two -- true
    [ "$(layout)" = v2 ] || says 'lxc-execute: t-two: warning: .*lxc.cgroup2.memory.max as memory.limit_in_bytes'
}

test_cgroup_said_in_both_words_is_written_once() {
    container t-both 'lxc.cgroup2.pids.max = 30' 'lxc.cgroup.pids.max = 30' \
        'lxc.cgroup.cpu.shares = 256' 'lxc.cgroup2.cpu.weight = 25'
    code 0 tool start -n t-both
    same 'nothing said' '' "$(cat "$RUN/err")"
    same shares 256 "$(item t-both cpu.shares)"
    code 0 tool stop -k -n t-both
}

test_cgroup_refusals_name_the_line_and_what_to_write() {
    case $(layout) in
        v2)
            container t-no 'lxc.cgroup.net_cls.classid = 0x10001'
            code 1 tool start -n t-no
            says 'cannot set lxc.cgroup.net_cls.classid to "0x10001": it has no counterpart on cgroup v2'
            says 'instead: match the container.s cgroup in nftables' ;;
        *)
            container t-no 'lxc.cgroup2.memory.low = 1M'
            code 1 tool start -n t-no
            says 'cannot set lxc.cgroup2.memory.low to "1M": it has no counterpart on cgroup v1'
            says 'instead: memory.high' ;;
    esac
    says 't-no/config:'
    # The kernel makes 2 of this, or its counterpart refuses it.
    sed -i '$d' "$LXC/t-no/config"
    echo 'lxc.cgroup.cpu.shares = 1' >>"$LXC/t-no/config"
    code 1 tool start -n t-no
    says 'cannot set lxc.cgroup.cpu.shares to "1"'
    sed -i '$d' "$LXC/t-no/config"
    echo 'lxc.cgroup2.pids.max = many' >>"$LXC/t-no/config"
    code 1 tool start -n t-no
    says 'cannot set lxc.cgroup2.pids.max to "many": EINVAL'
    same 'state' STOPPED "$(state t-no)"
}

test_cgroup_changes_of_a_running_container() {
    container t-live
    code 0 tool start -n t-live
    for change in 'cpu.shares 512' 'cpu.weight 50' 'memory.limit_in_bytes 33554432' 'memory.max 67108864' \
        'pids.max 40' 'cpu.cfs_quota_us 30000' 'cpu.max 20000 50000'; do
        code 0 tool cgroup -n t-live "${change%% *}" "${change#* }"
        same "${change%% *}" "${change#* }" "$(item t-live "${change%% *}")"
    done
    same 'the other words' 20000 "$(item t-live cpu.cfs_quota_us)"
    code 1 tool cgroup -n t-live cpu.rt_nonsense 1
    code 1 tool cgroup -n t-live pids.max many
    says "Failed to assign 'many' value to 'pids.max' for 't-live'"
    code 1 tool cgroup -n t-live no.such
    code 0 tool cgroup -n t-live --save cpu.shares 768
    code 0 tool cgroup -n t-live --save cpu.shares 256
    same saved 'lxc.cgroup.cpu.shares = 256' "$(grep shares "$LXC/t-live/config")"
    code 0 tool stop -k -n t-live
    code 0 tool start -n t-live
    same 'after a start' 256 "$(item t-live cpu.shares)"
    code 0 tool stop -k -n t-live
}

device_in() { # OPERATION NODE: in t-dev
    case $1 in
        read) tool attach -n t-dev -- head -c 1 "$2" >/dev/null 2>&1 ;;
        write) tool attach -n t-dev -- sh -c "echo >$2" 2>/dev/null ;;
        make) tool attach -n t-dev -- sh -c "rm -f $2; mknod $2 c 1 8" 2>/dev/null ;;
    esac && echo yes || echo no
}

test_cgroup_devices() {
    local words
    for words in cgroup cgroup2; do
        container t-dev "lxc.$words.devices.deny = a" "lxc.$words.devices.allow = c 1:3 rwm" \
            "lxc.$words.devices.allow = c 1:5 r" "lxc.$words.devices.allow = c 5:* rwm" \
            "lxc.$words.devices.allow = c 136:* rwm"
        code 0 tool start -n t-dev
        same "$words: null" yes "$(device_in write /dev/null)"
        same "$words: zero is read" yes "$(device_in read /dev/zero)"
        same "$words: zero is not written" no "$(device_in write /dev/zero)"
        same "$words: random is not read" no "$(device_in read /dev/urandom)"
        same "$words: no node" no "$(device_in make /tmp/random)"
        code 0 tool cgroup -n t-dev devices.allow 'c 1:8 m'
        same "$words: a node" yes "$(device_in make /tmp/random)"
        same "$words: only the node" no "$(device_in read /tmp/random)"
        code 0 tool cgroup -n t-dev devices.allow 'c 1:8 r'
        same "$words: and now read" yes "$(device_in read /tmp/random)"
        code 0 tool cgroup -n t-dev devices.deny 'c 1:8 rw'
        same "$words: and no more" no "$(device_in read /tmp/random)"
        code 0 tool cgroup -n t-dev devices.allow a
        same "$words: everything" yes "$(device_in read /dev/urandom)"
        code 1 tool cgroup -n t-dev devices.allow 'x 1:8 r'
        code 0 tool stop -k -n t-dev
    done
}

test_the_monitor_outlives_its_starters_cgroup() {
    container t-home
    local pids home monitor
    pids=$(awk '$3 == "cgroup" && $4 ~ /(^|,)pids(,|$)/ { print $2; exit }' /proc/mounts)
    [ -n "$pids" ] || pids=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
    home=$pids/t-starter-$$
    mkdir "$home"
    # The harness's own shell goes there and starts the container, as a service would.
    ( echo "$BASHPID" >"$home/cgroup.procs" && tool start -n t-home ) || fail 'no start'
    for _ in $(seq 50); do [ -d "$pids/lxc.monitor.t-home" ] && break; sleep 0.1; done
    monitor=$(pgrep -f "^\[lxc monitor\] $LXC t-home\$")
    same 'monitor in its own cgroup' "$monitor" "$(cat "$pids/lxc.monitor.t-home/cgroup.procs")"
    rmdir "$home" || fail "left in the starter's cgroup: $(cat "$home/cgroup.procs")"
    code 0 tool stop -k -n t-home
    nothing_left
    code 0 tool start -n t-home -s lxc.cgroup.dir=t-home-box
    [ -d "$pids/t-home-box/lxc.monitor.t-home" ] || fail 'no monitor below lxc.cgroup.dir'
    [ -d "$pids/t-home-box/lxc.payload.t-home" ] || fail 'no payload below lxc.cgroup.dir'
    code 0 tool stop -k -n t-home
    for _ in $(seq 30); do [ ! -e "$pids/t-home-box" ] && break; sleep 0.1; done
    same 'left of lxc.cgroup.dir' '' "$(ls -d "$pids"/t-home-box 2>/dev/null)"
}
