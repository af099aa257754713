# Where cgroups go, what they are called, and that none is left.

# The cgroup of process PID in a hierarchy that holds limits.
cgroup_of() { awk -F: '$2 == "" || $2 ~ /(^|,)pids(,|$)/ { path = $3 } $2 ~ /pids/ { exit } END { print path }' "/proc/$1/cgroup"; }

cgroups() { # NAME...: how many directories of these names there are
    local name count=0
    for name in "$@"; do
        count=$((count + $(find /sys/fs/cgroup -maxdepth 7 -type d -name "$name" 2>/dev/null | wc -l)))
    done
    echo "$count"
}

monitor_of() { pgrep -f "^\[lxc monitor\] $LXC $1$"; }

test_cgroup_directories_as_configured() {
    container t-dir 'lxc.cgroup.dir = t-group/sub'
    code 0 tool start -n t-dir
    same 'in the group' 1 "$(cgroup_of "$(tool info -n t-dir -pH)" | grep -c '/t-group/sub/lxc.payload.t-dir$')"
    code 0 tool stop -k -n t-dir
    nothing_left
    same 'the group is gone' 0 "$(cgroups t-group)"

    container t-exact 'lxc.cgroup.dir.container = t-c/payload' 'lxc.cgroup.dir.monitor = t-m/monitor' \
        'lxc.cgroup.dir.container.inner = inside' 'lxc.cgroup2.pids.max = 40'
    code 0 tool start -n t-exact
    same inner 1 "$(cgroup_of "$(tool info -n t-exact -pH)" | grep -c '/t-c/payload/inside$')"
    same monitor 1 "$(cgroup_of "$(monitor_of t-exact)" | grep -c '/t-m/monitor$')"
    same 'the limit is above' 40 "$(item t-exact pids.max)"
    code 0 tool attach -n t-exact -- true
    code 0 tool stop -k -n t-exact
    for _ in $(seq 20); do [ "$(cgroups t-c t-m)" = 0 ] || sleep 0.1; done
    same 'all gone' 0 "$(cgroups t-c t-m)"
}

# A tool on another directory of containers.
other() {
    local tool=$1
    shift
    timeout 60 nsenter --net="/run/netns/$NETNS" "$BIN" "$tool" -P "$RUN/other" "$@"
}

test_cgroup_taken_names_get_a_suffix() {
    container t-same
    code 0 tool start -n t-same
    mkdir -p "$RUN/other"
    cp -r "$LXC/t-same" "$RUN/other/"
    sed -i "s|$LXC|$RUN/other|" "$RUN/other/t-same/config"
    code 0 other start -n t-same
    same suffix 1 "$(cgroup_of "$(other info -n t-same -pH)" | grep -c '/lxc.payload.t-same-1$')"
    code 0 tool stop -k -n t-same
    code 0 other stop -k -n t-same
    rm -rf "$RUN/other"
    same 'both gone' 0 "$(cgroups 't-same*' 'lxc.payload.t-same*')"
}

test_cgroup_what_a_killed_monitor_left_is_swept() {
    container t-swept
    local end all
    for end in 'start -n t-swept' 'destroy -n t-swept'; do
        code 0 tool start -n t-swept
        all=$(cgroups 'lxc.payload.t-swept*')
        # Cgroups of its own inside, as an init system makes them.
        find /sys/fs/cgroup -type d -name lxc.payload.t-swept -exec mkdir -p {}/a/b \;
        kill -9 "$(monitor_of t-swept)"
        for _ in $(seq 50); do [ "$(state t-swept)" = STOPPED ] && break; sleep 0.1; done
        same 'left behind' "$all" "$(cgroups 'lxc.payload.t-swept*')"
        # shellcheck disable=SC2086 # a command and its options
        code 0 tool $end
        case $end in
            start*)
                same 'not one more' "$all" "$(cgroups 'lxc.payload.t-swept*')"
                same 'none inside' 0 "$(find /sys/fs/cgroup -path '*/lxc.payload.t-swept/a' | wc -l)"
                code 0 tool stop -k -n t-swept ;;
            *) same 'swept' 0 "$(cgroups 'lxc.payload.t-swept*')" ;;
        esac
    done
}

# As in a container whose first process is a shell: the cgroup of pid 1 has processes in it.
test_cgroup_with_processes_in_it_has_containers_below() {
    local dir
    dir=$(hierarchy pids)/t-crowd
    [ -e "${dir%/*}/cgroup.controllers" ] || { skipped='no controllers in a hierarchy of v2'; return; }
    container t-crowd
    mkdir "$dir"
    # shellcheck disable=SC2016 # expanded inside
    code 0 timeout 60 nsenter --net="/run/netns/$NETNS" sh -c 'echo $$ >"$1/cgroup.procs" && shift &&
        exec unshare --mount --pid --fork --kill-child --mount-proc sh -c "\"\$@\"; exit" sh "$@"' \
        sh "$dir" "$BIN" execute -P "$LXC" -n t-crowd -- echo inside
    same 'what it says' inside "$(cat "$RUN/out")"
    same 'the type of the cgroup' domain "$(cat "$dir/cgroup.type")"
    for _ in $(seq 30); do rmdir "$dir" 2>/dev/null && break; sleep 0.1; done
    same 'left' 0 "$(cgroups t-crowd)"
}
