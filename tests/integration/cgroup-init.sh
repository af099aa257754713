# What a container's init finds of cgroups: the automatic mounts in all their variants, and systemd as init.

# Its cgroup mounts: how many, of which kind, and whether cgroups can be made there.
cgroup_mounts() { # TOOL NAME
    # shellcheck disable=SC2016 # for the container's shell
    "$1" execute -n "$2" -- /bin/sh -c '
        awk '\''{ for (i = 7; $i != "-"; i++); if ($(i + 1) ~ /^cgroup/) print $4, $5, substr($6, 1, 2), $(i + 1) }'\'' /proc/self/mountinfo |
            sort | while read -r root point mode kind; do
            made=no
            ! mkdir "$point/made" 2>/dev/null || { rmdir "$point/made"; made=made; }
            echo "$root $point $mode $kind $made"
        done' 2>"$RUN/err"
}

test_cgroup_mounts_in_all_variants() {
    container t-mounts
    sed -i '/^lxc.mount.auto/d' "$LXC/t-mounts/config"
    local all which mode force drop word ours theirs
    all=$(awk '{ for (i = 7; $i != "-"; i++); if ($(i + 1) ~ /^cgroup/) n++ } END { print n }' /proc/self/mountinfo)
    for word in cgroup{,-full}{,:ro,:rw,:mixed}{,:force} cgroup2{,:ro}{,:force} \
        drop-cgroup{,-full}{,:ro,:rw,:mixed}; do
        drop=''
        [[ $word != drop-* ]] || drop=sys_admin
        word=${word#drop-} mode=rw force=no which=all
        [[ $word != *:ro* ]] || mode=ro
        [[ $word != *:force ]] || force=yes
        [[ $word != cgroup2* && $(layout) != v2 ]] || which=v2
        sed -i -e '/^lxc.mount.auto/d' -e '/^lxc.cap.drop/d' "$LXC/t-mounts/config"
        printf 'lxc.mount.auto = proc:mixed sys:mixed %s\nlxc.cap.drop = %s\n' "$word" "$drop" >>"$LXC/t-mounts/config"
        ours=$(cgroup_mounts tool t-mounts)
        # With a cgroup namespace an init that may mount does so itself, but for a pure v2.
        if [ $which = v2 ] && [ "$(layout)" = v1 ]; then
            same "$word" '' "$ours"
            says 'cgroup2 needs a host with cgroup v2'
        elif [ $which = v2 ]; then
            same "$word $drop" "/ /sys/fs/cgroup $mode cgroup2 $([ $mode = ro ] && echo no || echo made)" "$ours"
        elif [ $force = no ] && [ -z "$drop" ]; then
            same "$word" '' "$ours"
        else
            same "$word $drop: mounts" "$all" "$(wc -l <<<"$ours")"
            same "$word $drop: their kind" "/ $mode $([ $mode = ro ] && echo no || echo made)" \
                "$(awk '{ print $1, $3, $5 }' <<<"$ours" | sort -u)"
        fi
        [ -x /usr/bin/lxc-execute ] || continue
        theirs=$(cgroup_mounts debian t-mounts)
        same "$word $drop: Debian's" "$theirs" "$ours"
        [ $ok = yes ] || break
    done
    find /sys/fs/cgroup -maxdepth 2 -name lxc.pivot -exec rmdir {} + 2>/dev/null
}

# Boots the Debian of the guest in t-systemd; what is seen of it.
systemd_in() { # TOOL
    local state
    code 0 "$1" start -n t-systemd
    for _ in $(seq 60); do
        state=$("$1" attach -n t-systemd -- systemctl is-system-running 2>/dev/null)
        case $state in running | degraded) break ;; esac
        sleep 1
    done
    echo "$state, pid 1 is $("$1" attach -n t-systemd -- cat /proc/1/comm)"
    "$1" attach -n t-systemd -- systemctl --failed --no-legend --plain
    # It has cgroups of its own making, one for each service.
    "$1" attach -n t-systemd -- sh -c 'grep -m1 -o "/system.slice/systemd-journald.service" /proc/$(pidof systemd-journald)/cgroup'
    "$1" stop -r -t 90 -n t-systemd
    echo "reboot $?, $("$1" info -n t-systemd -sH)"
    "$1" stop --nokill -t 90 -n t-systemd
    echo "stop $?, $("$1" info -n t-systemd -sH)"
}

test_cgroup_systemd_as_init() {
    local debian=/srv/rootfs/debian auto seen
    [ -x $debian/sbin/init ] || { skipped="no Debian with systemd in $debian, as in tests/vm"; return; }
    for auto in 'cgroup:mixed' 'cgroup:rw:force'; do
        mkdir -p "$LXC/t-systemd/delta"
        printf '%s\n' "lxc.rootfs.path = overlayfs:$debian:$LXC/t-systemd/delta" 'lxc.uts.name = t-systemd' \
            'lxc.net.0.type = empty' 'lxc.tty.max = 1' 'lxc.pty.max = 64' \
            "lxc.mount.auto = proc:mixed sys:mixed $auto" >"$LXC/t-systemd/config"
        seen=$(systemd_in tool)
        same "$auto" 'running, pid 1 is systemd|/system.slice/systemd-journald.service|reboot 0, RUNNING|stop 0, STOPPED' \
            "$(paste -sd '|' <<<"$seen")"
        [ ! -x /usr/bin/lxc-start ] || same "$auto: Debian's" "$(systemd_in debian)" "$seen"
        rm -rf "$LXC/t-systemd"
    done
    find /sys/fs/cgroup -maxdepth 2 -name lxc.pivot -exec rmdir {} + 2>/dev/null
}

# In a user namespace systemd has what was given to the container's root. Not beside Debian's LXC, which
# asks newuidmap as root, too, and root has no ids in the guest's /etc/subuid.
test_cgroup_systemd_in_a_user_namespace() {
    local debian=/srv/rootfs/debian seen
    [ -x $debian/sbin/init ] || { skipped="no Debian with systemd in $debian, as in tests/vm"; return; }
    mkdir -p "$LXC/t-systemd"
    chmod 755 "$RUN" "$LXC" "$LXC/t-systemd"
    printf '%s\n' "lxc.rootfs.path = dir:$debian" 'lxc.rootfs.options = idmap=container' 'lxc.uts.name = t-systemd' \
        'lxc.net.0.type = empty' 'lxc.tty.max = 1' 'lxc.pty.max = 64' 'lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed' \
        'lxc.idmap = u 0 100000 65536' 'lxc.idmap = g 0 100000 65536' >"$LXC/t-systemd/config"
    seen=$(systemd_in tool)
    # Nobody may mount the kernel's own file systems in there, so it is called degraded.
    same 'in a user namespace' 'degraded, pid 1 is systemd|/system.slice/systemd-journald.service|reboot 0, RUNNING|stop 0, STOPPED' \
        "$(grep -v '^sys-kernel-[a-z]*.mount ' <<<"$seen" | paste -sd '|')"
}
