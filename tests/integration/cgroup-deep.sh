# What a container's root makes of its own cgroups, as deep and as wide as it likes.

# Below DIR: WIDTH cgroups, and LEVELS within each other; their paths are longer than PATH_MAX.
grow() { # DIR LEVELS WIDTH
    python3 - "$@" <<'PYTHON'
import os, sys
top, levels, width = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.chdir(top)
for number in range(width):
    os.makedirs(f"wide{number}/below")
for number in range(levels):
    os.mkdir("deep" * 20)
    os.chdir("deep" * 20)
PYTHON
}

test_cgroup_trees_deeper_than_a_path_and_wide() {
    local dir idmap options begin
    for idmap in no yes; do
        options=()
        [ $idmap = no ] || options=('lxc.idmap = u 0 200000 65536' 'lxc.idmap = g 0 200000 65536' \
            'lxc.rootfs.options = idmap=container')
        container t-deep "${options[@]}"
        code 0 tool start -n t-deep
        for dir in $(find /sys/fs/cgroup -maxdepth 2 -type d -name lxc.payload.t-deep | grep -e unified -e freezer -e '^/sys/fs/cgroup/lxc'); do
            grow "$dir" 200 300 || fail "cannot make cgroups below $dir"
        done
        begin=$SECONDS
        code 0 tool stop -k -n t-deep
        [ $((SECONDS - begin)) -lt 20 ] || fail "the stop took $((SECONDS - begin)) s"
        same "cgroups that are left, idmap: $idmap" '' "$(find /sys/fs/cgroup -maxdepth 2 -name 'lxc.payload.t-deep*')"
        rm -rf "${LXC:?}/t-deep"
    done
}

# Those of a container whose monitor was killed, which the next start removes, with processes in them.
test_cgroup_trees_that_a_killed_monitor_left() {
    local dir
    container t-deep
    code 0 tool start -n t-deep
    dir=$(find /sys/fs/cgroup -maxdepth 2 -type d -name lxc.payload.t-deep | head -1)
    grow "$dir" 200 10
    kill -9 "$(pgrep -f "^\[lxc monitor\] $LXC t-deep\$")" "$(tool info -n t-deep -pH)"
    sleep 0.3
    code 0 tool start -n t-deep
    same 'the name' "$dir" "$(find /sys/fs/cgroup -maxdepth 2 -type d -name 'lxc.payload.t-deep*' | grep -x "${dir%/*}/.*")"
    code 0 tool stop -k -n t-deep
}
