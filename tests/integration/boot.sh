# A host that boots: a container of ours with systemd, sysvinit or OpenRC, in which the installed units or scripts start and
# stop containers.

# The root of a Debian 12 with that init, and with what our packages depend on.
init_root() { # systemd|sysvinit|openrc DIR
    local kept=target/root-$1.tar packages=systemd-sysv,systemd
    case $1 in
        sysvinit) packages=sysvinit-core,initscripts ;;
        openrc) packages=sysvinit-core,openrc ;;
    esac
    if [ ! -e "$kept" ]; then
        mmdebstrap --quiet --variant=minbase --format=tar \
            --include=$packages,busybox-static,iproute2,nftables,dnsmasq-base,libseccomp2,init-system-helpers \
            bookworm "$kept.new" >"$RUN/mmdebstrap" 2>&1 || { skipped="no Debian with $1: $(tail -1 "$RUN/mmdebstrap")"; return 1; }
        mv "$kept.new" "$kept"
    fi
    mkdir -p "$2" && tar -C "$2" -xf "$kept"
}

# A container in that root which starts by itself, and says when it starts and that it was shut down, not killed.
container_inside() { # ROOT NAME ORDER
    local dir=$1/var/lib/lxc/$2
    rootfs "$dir/rootfs"
    echo '::shutdown:/bin/touch /stopped' >>"$dir/rootfs/etc/inittab"
    printf '%s\n' "lxc.rootfs.path = dir:/var/lib/lxc/$2/rootfs" "lxc.uts.name = $2" 'lxc.signal.halt = SIGUSR1' \
        'lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed' 'lxc.net.0.type = veth' 'lxc.net.0.link = lxcbr0' \
        'lxc.net.0.flags = up' 'lxc.start.auto = 1' "lxc.start.order = $3" \
        "lxc.hook.pre-start = /bin/sh -c 'echo $2 >>/started'" >"$dir/config"
}

# Boots and shuts down the container NAME, in whose root our commands are installed.
boots_and_stops() { # NAME [CONFIG-LINE...]
    local name=$1 root=$LXC/$1/rootfs one
    shift
    container_inside "$root" t-inner 20
    container_inside "$root" t-inner2 10
    printf '%s\n' "lxc.rootfs.path = dir:$root" "lxc.uts.name = $name" "lxc.include = $STAGE/share/lxc/config/common.conf" \
        "lxc.include = $STAGE/share/lxc/config/nesting.conf" 'lxc.mount.auto = cgroup:rw:force' 'lxc.net.0.type = empty' \
        "lxc.console.logfile = $RUN/$name.console" "$@" >"$LXC/$name/config"
    code 0 tool start -n "$name"
    for _ in $(seq 300); do
        [ "$(tool attach -n "$name" -- lxc-ls -f -F state 2>/dev/null | grep -cw RUNNING)" != 2 ] || break
        sleep 0.1
    done
    same "$name: the containers inside" 't-inner RUNNING 1 t-inner2 RUNNING 1' \
        "$(tool attach -n "$name" -- lxc-ls -f -F name,state,autostart | tail -n +2 | xargs)"
    same "$name: their order" 't-inner2 t-inner' "$(xargs <"$root/started")"
    same "$name: a command there" t-inner "$(tool attach -n "$name" -- lxc-attach -n t-inner -- hostname)"
    same "$name: links at the bridge" 2 "$(tool attach -n "$name" -- ip -o link show master lxcbr0 | wc -l)"
    code 0 tool stop -n "$name" -t 60
    for one in t-inner t-inner2; do
        [ -e "$root/var/lib/lxc/$one/rootfs/stopped" ] || fail "$name: $one was killed, not shut down"
    done
    [ $ok = yes ] || tail -n 40 "$RUN/$name.console"
}

# What SIGPWR does there, as in the templates of LXC; and no login on terminals that are not there.
powers_off() { # ROOT
    sed -i '/^p[fnow]:/d; /getty/d' "$1/etc/inittab"
    echo 'p0::powerfail:/sbin/init 0' >>"$1/etc/inittab"
}

# The root DIR, with systemd or sysvinit, in which our packages are installed.
packaged_root() { # systemd|sysvinit DIR
    needs mmdebstrap dh && init_root "$1" "$2" || return
    debs "$2/new"
    code 0 chroot "$2" sh -c 'dpkg --install /new/lxc-rs_*.deb'
}

test_systemd_units_start_and_stop_containers() {
    local root=$LXC/t-sysd/rootfs
    packaged_root systemd "$root" || return
    # In a container lxc-net.service is skipped. This one takes the place of a host.
    mkdir "$root/etc/systemd/system/lxc-net.service.d"
    printf '[Unit]\nConditionVirtualization=\n' >"$root/etc/systemd/system/lxc-net.service.d/host.conf"
    same 'units that are enabled' 'lxc-net.service lxc.service' \
        "$(chroot "$root" systemctl list-unit-files --no-legend --state=enabled 'lxc*' | awk '{ print $1 }' | sort | xargs)"
    boots_and_stops t-sysd "lxc.include = $STAGE/share/lxc/config/debian.common.conf"
}

test_sysvinit_starts_and_stops_containers() {
    local root=$LXC/t-sysv/rootfs
    packaged_root sysvinit "$root" || return
    powers_off "$root"
    boots_and_stops t-sysv
}

test_openrc_starts_and_stops_containers() {
    local root=$LXC/t-openrc/rootfs name
    needs mmdebstrap || return
    init_root openrc "$root" || return
    code 0 packaging/install --profile debug --no-build --prefix /usr --destdir "$root" --init openrc
    mkdir -p "$root/var/lib/lxc"
    for name in lxc-net lxc; do code 0 chroot "$root" rc-update add $name default; done
    powers_off "$root"
    boots_and_stops t-openrc
}
