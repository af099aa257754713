# A host without systemd: a container of ours that is booted by sysvinit or OpenRC, in which the installed scripts start
# and stop a container.

# The root of a Debian 12 with that init, and with what our packages depend on.
init_root() { # sysvinit|openrc DIR
    local kept=target/root-$1.tar init=openrc
    [ "$1" = openrc ] || init=initscripts
    if [ ! -e "$kept" ]; then
        mmdebstrap --quiet --variant=minbase --format=tar \
            --include=sysvinit-core,$init,busybox-static,iproute2,nftables,dnsmasq-base,libseccomp2,init-system-helpers \
            bookworm "$kept.new" >"$RUN/mmdebstrap" 2>&1 || { skipped="no Debian with $1: $(tail -1 "$RUN/mmdebstrap")"; return 1; }
        mv "$kept.new" "$kept"
    fi
    mkdir -p "$2" && tar -C "$2" -xf "$kept"
}

# Boots and shuts down the container NAME, whose scripts are installed; in it t-inner starts by itself.
boots_and_stops() { # NAME
    local name=$1 root=$LXC/$1/rootfs inner
    inner=$root/var/lib/lxc/t-inner
    # It says that it was shut down and not killed.
    rootfs "$inner/rootfs"
    echo '::shutdown:/bin/touch /stopped' >>"$inner/rootfs/etc/inittab"
    printf '%s\n' 'lxc.rootfs.path = dir:/var/lib/lxc/t-inner/rootfs' 'lxc.uts.name = t-inner' 'lxc.signal.halt = SIGUSR1' \
        'lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed' 'lxc.start.auto = 1' 'lxc.net.0.type = veth' \
        'lxc.net.0.link = lxcbr0' 'lxc.net.0.flags = up' >"$inner/config"
    # What SIGPWR does there, as in the templates of LXC.
    sed -i '/^p[fnow]:/d; /getty/d' "$root/etc/inittab"
    echo 'p0::powerfail:/sbin/init 0' >>"$root/etc/inittab"
    printf '%s\n' "lxc.rootfs.path = dir:$root" "lxc.uts.name = $name" "lxc.include = $STAGE/share/lxc/config/common.conf" \
        "lxc.include = $STAGE/share/lxc/config/nesting.conf" 'lxc.mount.auto = cgroup:rw:force' 'lxc.net.0.type = empty' \
        "lxc.console.logfile = $RUN/$name.console" >"$LXC/$name/config"
    code 0 tool start -n "$name"
    for _ in $(seq 300); do
        [ "$(tool attach -n "$name" -- lxc-info -n t-inner -sH 2>/dev/null)" != RUNNING ] || break
        sleep 0.1
    done
    same "$name: the container inside" 't-inner RUNNING 1' "$(tool attach -n "$name" -- lxc-ls -f -F name,state,autostart | tail -n 1 | xargs)"
    same "$name: a command there" t-inner "$(tool attach -n "$name" -- lxc-attach -n t-inner -- hostname)"
    same "$name: its bridge" lxcbr0 "$(tool attach -n "$name" -- ip -o link show master lxcbr0 | grep -o 'master lxcbr0' | cut -d ' ' -f 2)"
    [ ! -e "$inner/rootfs/stopped" ] || fail "$name: it has been stopped already"
    code 0 tool stop -n "$name" -t 60
    [ -e "$inner/rootfs/stopped" ] || fail "$name: the container inside was killed, not shut down"
    [ $ok = yes ] || tail -n 40 "$RUN/$name.console"
}

test_sysvinit_starts_and_stops_containers() {
    local root=$LXC/t-sysv/rootfs
    needs mmdebstrap dh || return
    init_root sysvinit "$root" || return
    code 0 packaging/deb --profile debug --no-build --output "$root/new"
    code 0 chroot "$root" sh -c 'dpkg --install /new/lxc-rs_*.deb'
    boots_and_stops t-sysv
}

test_openrc_starts_and_stops_containers() {
    local root=$LXC/t-openrc/rootfs name
    needs mmdebstrap || return
    init_root openrc "$root" || return
    code 0 packaging/install --profile debug --no-build --prefix /usr --destdir "$root" --init openrc
    mkdir -p "$root/var/lib/lxc"
    for name in lxc-net lxc; do code 0 chroot "$root" rc-update add $name default; done
    boots_and_stops t-openrc
}
