# Containers of an ordinary user: without a cgroup, in one that root gave, in a scope that systemd made.

# Runs SCRIPT as root in the run's network namespace and a mount namespace of its own, where our commands
# are in PATH and t-user, with ids to map, has the container t-own; `as_user WORDS` in it is a login of that
# user.
user_world() { # SCRIPT [CONFIG-LINE...]
    local script=$1 patience=300
    shift
    [ -z "${LXC_RS_EMULATED:-}" ] || patience=1800
    timeout $patience nsenter --net="/run/netns/$NETNS" unshare --mount --propagation private bash -ec '
        run=$1 stage=$2 script=$3
        shift 3
        mkdir -p "$run/user"
        mount -t tmpfs none "$run/user"
        mkdir "$run/user/upper" "$run/user/work"
        mount -t overlay -o "lowerdir=/etc,upperdir=$run/user/upper,workdir=$run/user/work" none /etc
        mount -t tmpfs -o mode=755 none /home
        mount --bind "$stage" /usr/local
        mkdir -p /run/lxc /etc/lxc
        mount -t tmpfs -o mode=755 none /run/lxc
        useradd --create-home --shell /bin/bash t-user
        for file in /etc/subuid /etc/subgid; do
            sed -i "/^t-user:/d" $file
            echo "t-user:300000:65536" >>$file
        done
        as_user() { su -l t-user -s /bin/bash -c "$*"; }
        gone() { for _ in $(seq 20); do pgrep -u t-user >/dev/null || return 0; sleep 0.1; done; pgrep -a -u t-user; }
        '"$(declare -f rootfs user_container given in_cgroups)"'
        user_container t-user 300000 t-own "$@"
        # The next test would find what a script that fails leaves running.
        stop_all() { for name in $(as_user lxc-ls -1 --running); do as_user lxc-stop -k -n $name; done; }
        trap "[ \$? -eq 0 ] || stop_all" EXIT
        eval "$script"' bash "$RUN" "$STAGE" "$script" "$@"
}

user_container() { # USER FIRST-ID NAME [CONFIG-LINE...]
    local user=$1 first=$2 name=$3 home
    shift 3
    home=$(getent passwd "$user" | cut -d: -f6)
    local dir=$home/.local/share/lxc/$name
    mkdir -p "$dir"
    rootfs "$dir/rootfs"
    printf '%s\n' "lxc.idmap = u 0 $first 65536" "lxc.idmap = g 0 $first 65536" \
        "lxc.rootfs.path = dir:$dir/rootfs" "lxc.uts.name = $name" 'lxc.net.0.type = empty' \
        'lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed' 'lxc.signal.halt = SIGUSR1' \
        'lxc.pty.max = 8' "$@" >"$dir/config"
    chown -R "$user:" "$home/.local"
    chown -R "$first:$first" "$dir/rootfs"
    chmod 755 "$home"
}

# Gives USER a cgroup called NAME in every hierarchy, beside those of root's containers; prints them.
given() { # NAME USER
    local point type options names path dir file
    while read -r _ point type options _; do
        [ "$type" = cgroup ] || [ "$type" = cgroup2 ] || continue
        while IFS=: read -r _ names path; do
            if [ "$type" = cgroup2 ]; then [ -z "$names" ] || continue
            else [ -n "$names" ] && [[ ,$options, = *,${names%%,*},* ]] || continue; fi
            dir=$point${path%/init.scope}/$1
            mkdir "$dir"
            if [ -e "$dir/cpuset.mems" ] && [ "$type" = cgroup ]; then
                cat "${dir%/*}/cpuset.cpus" >"$dir/cpuset.cpus"
                cat "${dir%/*}/cpuset.mems" >"$dir/cpuset.mems"
            fi
            for file in . cgroup.procs tasks cgroup.subtree_control cgroup.threads; do
                [ ! -e "$dir/$file" ] || chown "$2" "$dir/$file"
            done
            echo "$dir"
        done </proc/1/cgroup
    done </proc/mounts
}

# Removes those called t-own-given…, which the user's processes may leave some moments later.
no_given() {
    for _ in $(seq 20); do
        find /sys/fs/cgroup -depth -type d -path '*/t-own-given*' -exec rmdir {} + 2>/dev/null && break
        sleep 0.1
    done
    same 'cgroups left' '' "$(find /sys/fs/cgroup -path '*t-own-given*' | head -3)"
}

# Runs WORDS as USER in the cgroups DIRS, or in their leaves where cgroups want no processes.
in_cgroups() { # DIRS USER WORDS...
    (
        for dir in $1; do
            [ ! -d "$dir/.lxc" ] || dir=$dir/.lxc
            echo $BASHPID >"$dir/cgroup.procs"
        done
        export HOME="/home/$2"
        exec setpriv --reuid "$2" --regid "$2" --init-groups "${@:3}"
    )
}

booted_by_systemd() { [ -d /run/systemd/system ]; }
no_user_tools() {
    command -v newuidmap >/dev/null && command -v newgidmap >/dev/null && return 1
    skipped='newuidmap and newgidmap are not installed (package uidmap)'
}

test_cgroup_user_without_systemd() {
    no_user_tools && return
    booted_by_systemd && { skipped='systemd runs here'; return; }
    command -v strace >/dev/null || { skipped='strace is not installed'; return; }
    code 0 user_world '
        as_user lxc-start -n t-own
        echo "attached $(as_user "lxc-attach -n t-own -- id -u; lxc-attach -n t-own -- sh -c \"exit 7\"; echo \$?" | xargs)"
        as_user lxc-freeze -n t-own || echo "not frozen"
        echo "info $(as_user lxc-info -n t-own -sH) $(as_user lxc-ls -f -F name,state,unprivileged | tail -1 | xargs)"
        as_user lxc-stop -k -n t-own
        as_user lxc-start -n t-own -s lxc.cgroup.memory.limit_in_bytes=64M || echo refused
        chmod 700 /home/t-user/.local
        as_user lxc-start -n t-own || echo closed
        chmod 755 /home/t-user/.local
        HOME=/home/t-user strace -f -u t-user -e trace=connect -o "$run/user/connects" lxc-execute -n t-own -- id -u
        echo "asked $(grep -ciE "dbus|/bus\"|systemd" "$run/user/connects")"
        as_user lxc-destroy -n t-own
        echo "left $(find /home/t-user/.local/share/lxc -mindepth 1)$(gone)"'
    same 'what they saw' 'attached 0 7|not frozen|info RUNNING t-own RUNNING true|refused|closed|0|asked 0|left ' \
        "$(paste -sd '|' "$RUN/out")"
    says 'warning: the container has no cgroup of its own, .*: this user may not make any here'
    says 'hint: run it as root, or in a cgroup that root made and gave to this user'
    says 'Failed to freeze .*: the container has no cgroup of its own'
    says 'cannot set lxc.cgroup.memory.limit_in_bytes to "64M"'
    says 'root must get there: chmod o+x /home/t-user/.local$'
    says '-s: lxc.cgroup.memory.limit_in_bytes = 64M'
}

test_cgroup_user_creates_and_destroys() {
    no_user_tools && return
    code 0 user_world '
        mkdir -p /home/t-user/.config/lxc
        printf "lxc.idmap = %s\n" "u 0 300000 65536" "g 0 300000 65536" >/home/t-user/.config/lxc/default.conf
        printf "#!/bin/sh\nmkdir \$LXC_ROOTFS_PATH/a; id -u >\$LXC_ROOTFS_PATH/a/b; exit 3\n" >/home/t-user/bad
        chmod 755 /home/t-user/bad
        as_user lxc-create -q -n t-own-made -t busybox
        home=/home/t-user/.local/share/lxc/t-own-made
        echo "$(stat -c "%U:%g %a" $home) $(stat -c "%U:%G %a" $home/config) $(stat -c %u:%g $home/rootfs $home/rootfs/bin/busybox | xargs)"
        echo "$(as_user lxc-execute -n t-own-made -s lxc.net.0.type=empty -- stat -c %u:%g /bin/busybox 2>/dev/null)"
        as_user lxc-destroy -q -n t-own-made
        as_user lxc-create -q -n t-own-over -t busybox -B overlay
        echo "$(as_user "lxc-execute -n t-own-over -- sh -c \"touch /made && stat -c %u:%g /made\"" 2>/dev/null)"
        as_user lxc-destroy -q -n t-own-over
        as_user lxc-create -q -n t-own-bad -t /home/t-user/bad || echo failed
        echo "left $(ls /home/t-user/.local/share/lxc)"'
    same 'what they saw' 't-user:300000 710 t-user:t-user 640 300000:300000 300000:300000|0:0|0:0|failed|left t-own' "$(paste -sd '|' "$RUN/out")"
}

test_cgroup_user_beside_debians_tools() {
    no_user_tools && return
    [ -x /usr/bin/lxc-start ] || { skipped="Debian's lxc is not installed"; return; }
    code 0 user_world '
        as_user lxc-start -n t-own 2>/dev/null
        # The program that only root may write needs no copy.
        echo "$(readlink "/proc/$(pgrep -u t-user -f "lxc monitor")/exe")"
        echo "$(as_user "cd /usr/bin; ./lxc-attach -n t-own -- id -u; ./lxc-info -n t-own -sH; ./lxc-ls -1 --running; ./lxc-stop -k -n t-own" | xargs)"
        as_user /usr/bin/lxc-start -n t-own
        echo "$(as_user "lxc-attach -n t-own -- id -u; lxc-info -n t-own -sH; lxc-ls -1 --running; lxc-stop -k -n t-own" | xargs)"
        echo "left $(gone)"'
    same 'what they saw' '/usr/local/bin/lxc-rs|0 RUNNING t-own|0 RUNNING t-own|left ' "$(paste -sd '|' "$RUN/out")"
}

# As where systemd runs: with a bus that does not answer, one that nobody serves, and none.
test_cgroup_user_with_a_systemd_that_does_not_help() {
    no_user_tools && return
    booted_by_systemd && { skipped='systemd runs here'; return; }
    local begin=$SECONDS
    code 0 user_world '
        mount -t tmpfs none /run
        mkdir -p /run/systemd/system /run/user/1
        chown t-user: /run/user/1
        bus=/run/user/1/bus start="XDG_RUNTIME_DIR=/run/user/1 lxc-execute -n t-own -- true"
        as_user "$start"
        python3 -c "import socket, sys, time; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); time.sleep(60)" $bus &
        until [ -e $bus ]; do sleep 0.1; done
        chmod 777 $bus
        as_user "$start"
        kill $!
        wait $! || true
        as_user "$start"
        echo "left $(gone)"'
    [ $((SECONDS - begin)) -le 6 ] || [ -n "${LXC_RS_EMULATED:-}" ] || fail "$((SECONDS - begin)) s"
    same 'what they saw' 'left ' "$(cat "$RUN/out")"
    says 'this user has no systemd'
    says 'let root keep this user.s systemd running: loginctl enable-linger'
    says 'systemd did not make a scope in 2 s'
    says 'hint: run: systemd-run --user --scope -p Delegate=yes -- lxc-execute -n t-own'
    says 'cannot connect to the bus /run/user/1/bus: ECONNREFUSED'
}

test_cgroup_user_in_a_given_cgroup() {
    no_user_tools && return
    code 0 user_world '
        dirs=$(given t-own-given t-user)
        here() { in_cgroups "$dirs" t-user "$@"; }
        here lxc-start -n t-own
        echo "pids $(here lxc-cgroup -n t-own pids.max | xargs)"
        here lxc-cgroup -n t-own pids.max 70
        echo "pids $(here lxc-cgroup -n t-own pids.max | xargs)"
        here lxc-freeze -n t-own
        echo "$(here lxc-info -n t-own -sH)"
        here lxc-unfreeze -n t-own
        # From elsewhere, which v2 does not allow.
        [ ! -e /sys/fs/cgroup/cgroup.controllers ] || as_user lxc-attach -n t-own -- echo attached || true
        # What the container makes in its own cgroup goes with it.
        here lxc-attach -n t-own -- sh -c "grep -c t-own-given /proc/self/cgroup; mkdir /run/c
            mount -t cgroup -o pids none /run/c 2>/dev/null || mount -t cgroup2 none /run/c; mkdir -p /run/c/a/b && echo made"
        here lxc-stop -r -n t-own
        here lxc-stop -k -n t-own
        echo "left $(find $dirs -path "*/lxc.payload*" | head -3)$(gone)"
        # Where somebody else is in it.
        dirs=$(given t-own-given-busy t-user)
        in_cgroups "$dirs" t-user sleep 60 &
        sleep 0.5
        here lxc-start -n t-own && here lxc-stop -k -n t-own || true
        kill -PIPE "$(cat ${dirs##*[[:space:]]}/cgroup.procs)"
        wait' \
        'lxc.cgroup.pids.max = 60'
    same 'what they saw' 'pids 60|pids 70|FROZEN|0|made|left ' "$(paste -sd '|' "$RUN/out")"
    if [ "$(layout)" = v2 ]; then
        says 'cannot enter the container.s cgroup: EACCES'
        says 'hint: run it from the cgroup that the container was started in'
        says 'cannot set lxc.cgroup.pids.max to "60"'
        says 't-own-given-busy gives no controllers to others, as there are processes in it'
    else
        same 'nothing said' '' "$(cat "$RUN/err")"
    fi
    no_given
}

# A login of the guest's user, with our commands in PATH; its systemd runs.
login() { # WORDS
    timeout 120 unshare --mount --propagation private bash -c '
        mount --bind "$1" /usr/local && exec su -l user -s /bin/bash -c "$2"' bash "$STAGE" "$*"
}

scopes() { login systemctl --user --no-legend --plain list-units "'lxc-t-scope-*.scope'" | awk '{ print $1, $3 }' | xargs; }
# Where a process is: in v2 or, beside v1, in systemd's own hierarchy.
place() { sed -nE 's/^(0:|[0-9]+:name=systemd):.*user@1000.service(.*)/\2/p' "/proc/$1/cgroup" | tail -1; }

test_cgroup_user_gets_a_scope() {
    booted_by_systemd || { skipped='no systemd runs here'; return; }
    grep -q '^user:100000:' /etc/subuid 2>/dev/null || { skipped='no user called user with ids to map, as in tests/vm'; return; }
    loginctl enable-linger user
    for _ in $(seq 100); do [ -S /run/user/1000/bus ] && break; sleep 0.1; done
    user_container user 100000 t-scope 'lxc.mount.entry = tmpfs tmp tmpfs rw,mode=1777'
    local limits='' where init
    [ "$(layout)" != v2 ] || limits='-s lxc.cgroup2.memory.max=64M -s lxc.cgroup2.pids.max=60'
    code 0 login lxc-start -n t-scope "$limits"
    same 'nothing said' '' "$(cat "$RUN/err")"
    same 'a scope' 'lxc-t-scope-0.scope active' "$(scopes)"
    init=$(login lxc-info -n t-scope -pH)
    where=$(place "$init")
    same 'init' lxc-t-scope-0.scope/lxc.payload.t-scope "${where#*app.slice/}"
    same 'in ls' 'RUNNING true' "$(login lxc-ls -f -F state,unprivileged | tail -1 | xargs)"
    # From another session's scope, into the container's.
    code 0 login lxc-attach -n t-scope -- cat /proc/self/cgroup
    same 'attached' '' "$(grep -E '^(0:|[0-9]+:name=systemd):' "$RUN/out" | grep -v ':/$')"
    if [ "$(layout)" = v2 ]; then
        code 137 login lxc-attach -n t-scope -- awk "'BEGIN { s = \"x\"; while (length(s) < 134217728) s = s s }'"
        login lxc-info -n t-scope | grep -q '^Memory kills:  *1 killed' || fail "info: $(login lxc-info -n t-scope)"
        same 'the other limit' 60 "$(login lxc-cgroup -n t-scope pids.max | xargs)"
        code 0 login lxc-cgroup -n t-scope pids.max 50
        same 'changed' 50 "$(login lxc-cgroup -n t-scope pids.max | xargs)"
        code 0 login lxc-freeze -n t-scope
        same frozen FROZEN "$(login lxc-info -n t-scope -sH)"
        code 0 login lxc-unfreeze -n t-scope
        # What the container makes in its own cgroup goes with it.
        code 0 login lxc-attach -n t-scope -- sh -c "'mkdir -p /sys/fs/cgroup/a/b'"
    fi
    code 0 login lxc-stop -r -t 60 -n t-scope
    where=$(place "$(login lxc-info -n t-scope -pH)")
    same 'after a reboot' lxc-t-scope-0.scope/lxc.payload.t-scope "${where#*app.slice/}"
    code 0 login lxc-stop -k -n t-scope
    if [ "$(layout)" != v2 ]; then
        code 1 login lxc-start -n t-scope -s lxc.cgroup.memory.limit_in_bytes=64M
        says 'this user may not use the memory controller: it takes a delegated cgroup'
    fi
    for _ in $(seq 100); do [ -z "$(scopes)" ] && break; sleep 0.1; done
    same 'no scope left' '' "$(scopes)"
    # In a scope that the user made nobody is asked for another one.
    code 0 login systemd-run --user --scope -q --unit t-scope-given -p Delegate=yes -- lxc-start -n t-scope "$limits"
    where=$(place "$(login lxc-info -n t-scope -pH)")
    same 'in the given one' t-scope-given.scope/lxc.payload.t-scope "${where#*app.slice/}"
    [ "$(layout)" != v2 ] || same 'its limit' 60 "$(login lxc-cgroup -n t-scope pids.max | xargs)"
    code 0 login lxc-attach -n t-scope -- true
    code 0 login lxc-destroy -f -n t-scope
    same 'left' '' "$(find /home/user/.local/share/lxc -mindepth 1; pgrep -u user -f 'lxc monitor')"
}
