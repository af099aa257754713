# Containers that run containers: nesting.conf, with these tools inside.

# The programs of this host (read-only), with these tools, below an /etc and a /var of its own.
nesting() { # NAME [CONFIG-LINE]...
    local name=$1 root=$LXC/$1/rootfs program
    shift
    mkdir -p "$root"/{dev,etc/lxc,home,mnt,opt,proc,root,run,sys,tmp,usr,var/{cache,lib/lxc,log,tmp}} "$root$STAGE" "$root/init"
    chmod 1777 "$root/tmp" "$root/var/tmp"
    for program in bin sbin lib lib64; do ln -sfn "usr/$program" "$root/$program"; done
    cp /bin/busybox "$root/init/init"
    cp -a /etc/ld.so.conf /etc/ld.so.conf.d /etc/ld.so.cache "$root/etc"
    printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
    printf 'root:x:0:\n' >"$root/etc/group"
    printf 'root:1000:30000\n' | tee "$root/etc/subuid" >"$root/etc/subgid"
    printf '::sysinit:/bin/true\n::ctrlaltdel:/init/reboot\n' >"$root/etc/inittab"
    rootfs_with_cgroups "$root"
    printf 'lxc.net.0.type = empty\n' >"$root/etc/lxc/default.conf"
    {
        printf '%s\n' "lxc.rootfs.path = dir:$root" "lxc.uts.name = $name" 'lxc.init.cmd = /init/init' \
            "lxc.include = $STAGE/share/lxc/config/common.conf"
        ! grep -q idmap <<<"$*" || printf '%s\n' "lxc.include = $STAGE/share/lxc/config/userns.conf" 'lxc.rootfs.options = idmap=container'
        # busybox's init mounts no cgroups.
        printf '%s\n' "lxc.include = $STAGE/share/lxc/config/nesting.conf" 'lxc.mount.auto = cgroup:rw:force' 'lxc.signal.halt = SIGUSR1' \
            'lxc.mount.entry = /usr usr none ro,bind 0 0' "lxc.mount.entry = $STAGE ${STAGE#/} none ro,bind 0 0" \
            'lxc.mount.entry = tmpfs dev/shm tmpfs create=dir 0 0' "$@"
    } >"$LXC/$name/config"
}

# A whole life of a container in the container NAME, whose name is t-inner.
nested_life() { # NAME [OPTION OF LXC-CREATE]...
    local name=$1
    shift
    for _ in $(seq 600); do
        [ ! -e "$LXC/$name/rootfs/run/booted" ] || break
        sleep 0.1
    done
    # With no bound of its own: in an emulated machine the template takes minutes.
    inside() { nsenter --net="/run/netns/$NETNS" "$BIN" attach -P "$LXC" -n "$name" --clear-env -v "PATH=$STAGE/bin:/usr/sbin:/usr/bin:/sbin:/bin" -v HOME=/root -- "$@"; }
    inside lxc-create -n t-inner -t busybox "$@" >"$RUN/out" 2>&1 || fail "$name: create: $(cat "$RUN/out")"
    inside lxc-start -n t-inner >"$RUN/out" 2>&1 || fail "$name: start: $(cat "$RUN/out")"
    inside lxc-wait -n t-inner -s RUNNING -t 20
    same "$name: host name" t-inner "$(inside lxc-attach -n t-inner -- hostname)"
    same "$name: root" 0 "$(inside lxc-attach -n t-inner -- id -u)"
    inside lxc-freeze -n t-inner >"$RUN/out" 2>&1 || fail "$name: freeze: $(cat "$RUN/out")"
    same "$name: frozen" FROZEN "$(inside lxc-info -n t-inner -sH)"
    inside lxc-unfreeze -n t-inner
    inside lxc-cgroup -n t-inner pids.max 77 >"$RUN/out" 2>&1 || fail "$name: limit: $(cat "$RUN/out")"
    same "$name: limit" 77 "$(inside lxc-cgroup -n t-inner pids.max)"
    inside lxc-stop -n t-inner -k >"$RUN/out" 2>&1 || fail "$name: stop: $(cat "$RUN/out")"
    inside lxc-destroy -n t-inner >"$RUN/out" 2>&1 || fail "$name: destroy: $(cat "$RUN/out")"
    same "$name: left inside" '' "$(inside sh -c 'ls /var/lib/lxc; find /sys/fs/cgroup -name "lxc.*t-inner*"')"
}

test_nesting_privileged() {
    nesting t-nest
    code 0 tool start -n t-nest
    nested_life t-nest
    code 0 tool stop -k -n t-nest
}

test_nesting_of_an_idmapped_container() {
    nesting t-nest
    printf 'lxc.net.0.type = empty\nlxc.idmap = u 0 1000 30000\nlxc.idmap = g 0 1000 30000\n' >"$LXC/t-nest/rootfs/etc/lxc/mapped.conf"
    code 0 tool start -n t-nest
    nested_life t-nest -f /etc/lxc/mapped.conf
    code 0 tool stop -k -n t-nest
}

test_nesting_in_an_idmapped_container() {
    nesting t-nest 'lxc.idmap = u 0 300000 65536' 'lxc.idmap = g 0 300000 65536'
    code 0 tool start -n t-nest
    nested_life t-nest
    code 0 tool stop -k -n t-nest
}

test_nesting_of_an_idmapped_container_in_one() {
    nesting t-nest 'lxc.idmap = u 0 300000 65536' 'lxc.idmap = g 0 300000 65536'
    printf 'lxc.net.0.type = empty\nlxc.idmap = u 0 1000 30000\nlxc.idmap = g 0 1000 30000\n' >"$LXC/t-nest/rootfs/etc/lxc/mapped.conf"
    code 0 tool start -n t-nest
    nested_life t-nest -f /etc/lxc/mapped.conf
    code 0 tool stop -k -n t-nest
}
