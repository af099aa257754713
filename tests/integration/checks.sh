# Checks touch nothing; a start needs nothing prepared; a configuration loads whoever reads it.

test_checks_touch_nothing() {
    command -v strace >/dev/null || { skipped='strace is not installed'; return; }
    local name touched
    container t-plain "lxc.log.file = $RUN/never.log" "lxc.mount.entry = /etc mnt/new none bind,create=dir 0 0" \
        "lxc.mount.entry = /nothing mnt none bind,optional 0 0" "lxc.console.logfile = $RUN/never.console" \
        "lxc.mount.fstab = /etc/fstab" 'lxc.hook.pre-start = /bin/false' 'lxc.net.0.type = empty' \
        'lxc.cgroup.devices.deny = a' 'lxc.cgroup2.memory.max = 64M' 'lxc.prlimit.nofile = 100'
    container t-map 'lxc.idmap = u 0 200000 65536' 'lxc.idmap = g 0 200000 65536' 'lxc.net.0.type = veth' \
        'lxc.net.0.link = nowhere0' 'lxc.rootfs.options = idmap=container'
    container t-over
    mkdir -p "$LXC/t-over/delta0"
    sed -i "s|^lxc.rootfs.path.*|lxc.rootfs.path = overlay:$LXC/t-over/rootfs:$LXC/t-over/delta0|" "$LXC/t-over/config"
    printf '2\ndenylist\nkexec_load errno 1\n' >"$RUN/profile"
    container t-seccomp "lxc.seccomp.profile = $RUN/profile" "lxc.rootfs.mount = $RUN/nowhere" 'lxc.environment = NO_SUCH_VARIABLE'
    picture "$LXC" >"$RUN/before"
    for name in t-plain t-map t-over t-seccomp; do
        for words in "start -n $name --check" "check $name" "check $name --format json"; do
            # Memory files and the standard descriptors are nobody's.
            # shellcheck disable=SC2086
            timeout 60 nsenter --net="/run/netns/$NETNS" strace -f -qq -o "$RUN/trace" \
                -e trace=openat,openat2,open,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,link,linkat,symlink,symlinkat,mknod,mknodat,chmod,fchmod,fchmodat,chown,fchown,fchownat,lchown,truncate,ftruncate,mount,move_mount,umount2,utimensat,setxattr,bind,unshare,setns \
                "$BIN" ${words%% *} -P "$LXC" ${words#* } >"$RUN/out" 2>&1
            touched=$(grep -v ' = -1 ' "$RUN/trace" | grep -v -e '^[0-9]* *\(openat2*\|open\)(.*O_RDONLY' -e 'openat2*(.*O_PATH' \
                -e 'unshare(CLONE_THREAD)')
            same "$words" '' "$touched"
        done
    done
    same 'the directory of containers' '' "$(diff "$RUN/before" <(picture "$LXC"))"
    code 0 tool execute -n t-over -- true
    [ -d "$LXC/t-over/delta0.work" ] || fail 'the start made no working directory'
}

test_start_without_a_prepared_directory() {
    local bin=$RUN/build made
    mkdir "$bin"
    cp "$BIN" "$bin/lxc-rs"
    container t-build
    mkdir -p "$LXC/t-build/delta0"
    # A program outside of PREFIX/bin looks below /usr.
    unshare --mount --propagation private bash -ec '
        mount -t tmpfs none /run/lxc 2>/dev/null || { mkdir -p /run/lxc; mount -t tmpfs none /run/lxc; }
        [ ! -d /usr/lib/lxc ] || mount -t tmpfs none /usr/lib/lxc
        [ ! -d /usr/lib/lxc/rootfs ]
        "$0/lxc-rs" check -P "$1" t-build && [ ! -e /run/lxc/rootfs ]
        "$0/lxc-rs" execute -P "$1" -n t-build -- sh -c "echo it works"
        ls /run/lxc
        "$0/lxc-rs" execute -P "$1" -n t-build -s "lxc.rootfs.path=overlay:$1/t-build/rootfs:$1/t-build/delta0" -- echo again' \
        "$bin" "$LXC" >"$RUN/out" 2>"$RUN/err" || fail "build tree: $(cat "$RUN/out" "$RUN/err")"
    made=$(grep -v 'warnings$' "$RUN/out" | xargs)
    same 'from a build tree' 'it works rootfs again' "$made"
}

test_environment_is_taken_at_the_start() {
    container t-env 'lxc.environment = FROM_CALLER' 'lxc.environment = OWN=1'
    code 0 tool info -n t-env -c lxc.environment
    same 'as written' 'lxc.environment = FROM_CALLER OWN=1' "$(xargs <"$RUN/out")"
    code 0 tool ls -1
    same listed t-env "$(xargs <"$RUN/out")"
    code 1 tool start -n t-env
    says 'the variable FROM_CALLER is not set in the environment of this start'
    says "$LXC/t-env/config:.*"
    says 'hint: set it for the command, or write NAME=VALUE'
    code 2 tool check t-env
    grep -q 'error: the variable FROM_CALLER is not set' "$RUN/out" || fail "check: $(cat "$RUN/out")"
    same 'in a command' 'FROM_CALLER=two words' "$(FROM_CALLER='two words' tool execute -n t-env -- env | grep CALLER)"
    FROM_CALLER=here code 0 tool start -n t-env
    same 'of a running one' 'FROM_CALLER=here' "$(tool attach -n t-env -- env | grep CALLER)"
    code 0 tool stop -k -n t-env
}
