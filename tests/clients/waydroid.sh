# What Waydroid does, which itself needs a kernel with binder: it asks for LXC's version, writes a configuration
# for that, and keeps one container in a directory of its own with the command lines below.
packages='busybox-static'
version() { echo '(its command lines)'; }

# A configuration as Waydroid writes it: what all versions of LXC have, and that of before 2.1, or that of 3 and 4.
waydroid_config() { # VERSION
    local dir=/var/lib/waydroid/lxc/waydroid node
    mkdir -p $dir
    {
        printf '%s\n' 'lxc.rootfs.path = /var/lib/waydroid/rootfs' 'lxc.arch = x86_64' 'lxc.autodev = 0' \
            'lxc.cap.keep = audit_control sys_nice wake_alarm setpcap setgid setuid sys_ptrace sys_admin wake_alarm block_suspend sys_time net_admin net_raw net_bind_service kill dac_override dac_read_search fsetid mknod syslog chown sys_resource fowner ipc_lock sys_chroot' \
            'lxc.mount.auto = cgroup:ro sys:ro proc' 'lxc.console.path = none' \
            "lxc.include = $dir/config_nodes" "lxc.include = $dir/config_session" 'lxc.hook.post-stop = /dev/null' ''
        if [ "$1" -le 2 ]; then
            printf '%s\n' 'lxc.utsname = waydroid' 'lxc.aa_profile = unconfined' 'lxc.init_cmd = /init' 'lxc.network.type = veth' \
                'lxc.network.flags = up' 'lxc.network.link = lxcbr0' 'lxc.network.name = eth0' \
                'lxc.network.hwaddr = 00:16:3e:f9:d3:03' 'lxc.network.mtu = 1500'
        else
            printf '%s\n' 'lxc.net.0.type = veth' 'lxc.net.0.flags = up' 'lxc.net.0.link = lxcbr0' 'lxc.net.0.name = eth0' \
                'lxc.net.0.hwaddr = 00:16:3e:f9:d3:03' 'lxc.net.0.mtu = 1500' '' 'lxc.uts.name = waydroid' '' \
                'lxc.apparmor.profile = unconfined' "lxc.seccomp.profile = $dir/waydroid.seccomp" '' 'lxc.no_new_privs = 1' '' \
                'lxc.init.cmd = /init' '' 'lxc.pty.max = 10' '' 'lxc.seccomp.allow_nesting = 1' ''
        fi
    } >$dir/config
    {
        echo 'lxc.mount.entry = tmpfs dev tmpfs nosuid 0 0'
        for node in zero null full ashmem fuse ion tty char; do
            echo "lxc.mount.entry = /dev/$node dev/$node none bind,create=$([ -d /dev/$node ] && echo dir || echo file),optional 0 0"
        done
        # No binder here: /dev/zero is as good to be mounted.
        for node in binder vndbinder hwbinder; do
            echo "lxc.mount.entry = /dev/zero dev/$node none bind,create=file,optional 0 0"
        done
        printf 'lxc.mount.entry = %s\n' 'none dev/pts devpts defaults,mode=644,ptmxmode=666,create=dir 0 0' \
            '/dev/net/tun dev/tun none bind,create=file,optional 0 0' \
            '/sys/module/lowmemorykiller sys/module/lowmemorykiller none bind,create=dir,optional 0 0' \
            '/var/lib/waydroid/host-permissions vendor/etc/host-permissions none bind,optional 0 0' \
            '/sys/kernel/debug sys/kernel/debug none rbind,create=dir,optional 0 0' \
            'tmpfs mnt_extra tmpfs nodev 0 0' '/mnt/wslg mnt_extra/wslg none rbind,create=dir,optional 0 0' \
            'tmpfs tmp tmpfs nodev 0 0' 'tmpfs var tmpfs nodev 0 0' 'tmpfs run tmpfs nodev 0 0' \
            '/system/etc/libnfc-nci.conf system/etc/libnfc-nci.conf none bind,optional 0 0'
    } >$dir/config_nodes
    printf 'lxc.mount.entry = %s\n' 'tmpfs run/xdg tmpfs create=dir 0 0' "$HOME/wayland run/xdg/wayland-0 none rbind,create=file 0 0" \
        "$HOME/data data none rbind 0 0" >$dir/config_session
    printf '%s\n' 2 blacklist init_module finit_module delete_module _sysctl kexec_file_load kexec_load reboot \
        'open_by_handle_at errno 38' 'adjtimex errno 0' 'clock_adjtime errno 0' 'clock_adjtime64 errno 0' \
        'clock_settime errno 0' 'clock_settime64 errno 0' 'settimeofday errno 0' 'stime errno 0' 'add_key errno 0' \
        'keyctl errno 0' 'request_key errno 0' 'swapoff errno 0' 'swapon errno 0' >$dir/waydroid.seccomp
}

inside() { lxc-attach -P /var/lib/waydroid/lxc -n waydroid --clear-env -- "$@"; }
in_state() { # STATE: in ten seconds at most, as Waydroid asks
    local state
    for _ in $(seq 100); do
        state=$(lxc-info -P /var/lib/waydroid/lxc -n waydroid -sH)
        [ "$state" = "$1" ] && return
        sleep 0.1
    done
    fail "waydroid is $state, not $1"
}

client() {
    local version of=/var/lib/waydroid/lxc starter began
    mkdir -p /home/waydroid /var/lib/waydroid
    mount --bind /home/waydroid /var/lib/waydroid
    mkdir -p "$of" "$HOME/data"
    touch "$HOME/wayland"
    echo kept >"$HOME/data/file"
    rootfs /var/lib/waydroid/rootfs
    mkdir -p /var/lib/waydroid/rootfs/{data,var,mnt_extra,system/bin,vendor/etc/host-permissions}
    mkdir -p /var/lib/waydroid/host-permissions
    ln -s /bin/sh /var/lib/waydroid/rootfs/system/bin/sh
    printf '#!/bin/sh\necho "$container" >/data/began\nwhile :; do sleep 1; done\n' >/var/lib/waydroid/rootfs/init
    chmod 755 /var/lib/waydroid/rootfs/init
    # It takes the first character for the major version.
    version=$(lxc-info --version)
    same 'version' 5 "${version:0:1}"
    same 'state before it exists' '' "$(lxc-info -P "$of" -n waydroid -sH 2>/dev/null)"
    for version in 2 5; do
        waydroid_config $version
        [ $version != 2 ] || lxc-update-config -c "$of/waydroid/config" || fail 'lxc-update-config fails'
        in_state STOPPED
        lxc-start -P "$of" -F -n waydroid -- /init >"$RUN/waydroid.log" 2>&1 </dev/null &
        starter=$!
        in_state RUNNING
        began=no
        for _ in $(seq 50); do
            [ -s "$HOME/data/began" ] && began=yes && break
            sleep 0.1
        done
        same "init of version $version" yes "$began"
        same 'name' waydroid "$(inside /bin/hostname)"
        same 'data' kept "$(inside cat /data/file)"
        same 'link' yes "$(inside sh -c 'ip -o link show eth0 | grep -q 00:16:3e:f9:d3:03 && echo yes')"
        same 'nodes' '/dev/binder /dev/hwbinder /dev/vndbinder' "$(inside sh -c 'echo /dev/*binder')"
        same 'session' file "$(inside sh -c '[ -f /run/xdg/wayland-0 ] && grep -q " /run/xdg tmpfs" /proc/mounts && echo file')"
        [ $version = 2 ] || same 'seccomp, no_new_privs' '2 1' "$(inside awk '/^(Seccomp|NoNewPrivs):/ { print $2 }' /proc/1/status | sort -r | xargs)"
        # waydroid shell
        same 'environment' 'A=1 B=2 3' "$(lxc-attach -P "$of" -n waydroid --clear-env --set-var A=1 --set-var 'B=2 3' --uid=1000 --gid=1000 \
            -- /system/bin/sh -c 'echo A=$A B=$B')"
        same 'ids' 1000:1000 "$(lxc-attach -P "$of" -n waydroid --clear-env --uid=1000 --gid=1000 -- /system/bin/sh -c 'echo $(id -u):$(id -g)')"
        # Its option with all capabilities; that without the container's control groups.
        same 'capabilities' "$(sed -n 's/^CapBnd:\t//p' /proc/self/status)" \
            "$(lxc-attach -P "$of" -n waydroid --clear-env '--elevated-privileges=CAP' -- sed -n 's/^CapBnd:\t//p' /proc/self/status)"
        code 0 lxc-attach -P "$of" -n waydroid --clear-env '--elevated-privileges=LSM|CAP|CGROUP' -- true
        code 0 lxc-freeze -P "$of" -n waydroid
        in_state FROZEN
        code 0 lxc-unfreeze -P "$of" -n waydroid
        in_state RUNNING
        code 0 lxc-stop -P "$of" -n waydroid -k
        in_state STOPPED
        wait $starter
        rm "$HOME/data/began"
    done
    umount /var/lib/waydroid
    rmdir /var/lib/waydroid
}
