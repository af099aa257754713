# An ordinary user's containers with a link, from the first command to the last.

test_usernic_whole_life_of_a_users_container() {
    no_user_tools && return
    user_world '
        echo "t-user veth rstest0 1" >/etc/lxc/lxc-usernet
        home=/home/t-user containers=/home/t-user/.local/share/lxc
        # On the disk: in memory files have had attributes of users since Linux 6.6 only.
        mkdir -p $run/lxc/disk/share/lxc
        chown -R t-user: $run/lxc/disk
        mount --bind $run/lxc/disk $home/.local
        mkdir -p $home/.config/lxc
        printf "%s\n" "lxc.idmap = u 0 300000 65536" "lxc.idmap = g 0 300000 65536" "lxc.net.0.type = veth" \
            "lxc.net.0.link = rstest0" "lxc.net.0.flags = up" "lxc.net.0.ipv4.address = 10.198.7.9/24" \
            "lxc.net.0.hwaddr = 02:00:00:xx:xx:xx" >$home/.config/lxc/default.conf
        chown -R t-user: $home/.config
        dirs=$(given t-own-given t-user)
        here() { in_cgroups "$dirs" t-user "$@"; }
        pings() { here lxc-attach -n $1 -- ping -c 1 -q 10.198.7.1 >/dev/null && echo "$1 pings"; }
        here lxc-create -q -n t-own-a -t busybox
        here lxc-start -n t-own-a
        pings t-own-a
        here lxc-attach -n t-own-a -- sh -c "id -u; echo kept >/root/file"
        # Once it answers; the key that ends it.
        (sleep 2; printf "\r"; sleep 1; printf "\001q"; sleep 0.3) | here script -qec "lxc-console -n t-own-a -t 1" /dev/null |
            tr -d "\r" | grep -o -m1 -e "Connected to tty 1" || echo "no console"
        here lxc-freeze -n t-own-a && here lxc-info -n t-own-a -sH && here lxc-unfreeze -n t-own-a
        here lxc-cgroup -n t-own-a pids.max 50 && here lxc-cgroup -n t-own-a pids.max | xargs
        here lxc-ls -f -F name,state,unprivileged | tail -n +2 | sort | grep t-own-a | xargs
        here lxc-copy -n t-own-a -N t-own-x 2>/dev/null && echo copied || echo "runs: not copied"
        # With one link allowed, a second container has none.
        here lxc-stop -r -n t-own-a && pings t-own-a
        here lxc-stop -n t-own-a -t 10
        [ -z "$(cat /run/lxc/nics)$(ip -br link show master rstest0)" ] && echo "given back"
        here lxc-copy -n t-own-a -N t-own-b
        here lxc-copy -s -B overlay -n t-own-a -N t-own-c
        # Of the layer below a directory is removed, made anew and renamed; what is in it comes not back.
        here lxc-start -n t-own-c
        pings t-own-c
        here lxc-attach -n t-own-c -- sh -c "cat /root/file && rm -r /root && mkdir /root && touch /root/new && mkdir /mnt/a && mv /mnt/a /mnt/b"
        here lxc-start -n t-own-b 2>&1 | grep -o "can have no more links on rstest0" || true
        here lxc-stop -k -n t-own-c
        here lxc-start -n t-own-c
        here lxc-attach -n t-own-c -- ls -A /root
        here lxc-stop -k -n t-own-c
        here lxc-copy -n t-own-c -N t-own-d -B dir
        ls $containers/t-own-d/rootfs/root
        here lxc-snapshot -n t-own-b
        here lxc-snapshot -n t-own-b -L | sed "s/ .*//"
        here lxc-snapshot -n t-own-b -r snap0 -N t-own-e
        echo "lxc.start.auto = 1" >>$containers/t-own-e/config
        here lxc-autostart
        here lxc-ls -1 --running | xargs
        pings t-own-e
        here lxc-autostart -s -t 10
        for name in d c e; do here lxc-destroy -q -n t-own-$name; done
        here lxc-destroy -q -s -n t-own-b
        here lxc-destroy -q -f -n t-own-a
        echo "left $(ls $containers)$(cat /run/lxc/nics)$(ip -br link show master rstest0)$(gone)"
        ' >"$RUN/out" 2>"$RUN/err" || fail "exit code $?: $(tail -3 "$RUN/err")"
    same 'what they saw' "t-own-a pings|0|Connected to tty 1|FROZEN|50|t-own-a RUNNING true|runs: not copied|t-own-a pings|given back|\
t-own-c pings|kept|can have no more links on rstest0|new|new|snap0|t-own-e|t-own-e pings|left " "$(paste -sd '|' "$RUN/out")"
    same said '' "$(grep -v "^  hint: stop a container" "$RUN/err")"
    no_given
}

# A Debian with systemd, whose user has a systemd session of their own and nothing of root's but a line in
# lxc-usernet. Without sys_rawio systemd does not try to mount what only the host's root may.
test_usernic_debian_of_a_systemd_user() {
    local debian=/srv/rootfs/debian dir=/home/user/.local/share/lxc/t-debian state
    booted_by_systemd || { skipped='no systemd runs here'; return; }
    [ -x $debian/sbin/init ] || { skipped="no Debian with systemd in $debian, as in tests/vm"; return; }
    grep -q '^user:100000:' /etc/subuid 2>/dev/null || { skipped='no user called user with ids to map, as in tests/vm'; return; }
    loginctl enable-linger user
    for _ in $(seq 100); do [ -S /run/user/1000/bus ] && break; sleep 0.1; done
    mkdir -p "$RUN/lxc-etc" "$RUN/lxc-run" /etc/lxc /run/lxc
    echo "user veth $BRIDGE 1" >"$RUN/lxc-etc/lxc-usernet"
    session() { # WORDS: in a login of the user
        # shellcheck disable=SC2016
        timeout 300 nsenter --net="/run/netns/$NETNS" unshare --mount --propagation private bash -c '
            mount --bind "$1" /usr/local && mount --bind "$2/lxc-etc" /etc/lxc && mount --bind "$2/lxc-run" /run/lxc &&
                exec su -l user -c "$3"' bash "$STAGE" "$RUN" "$*"
    }
    mkdir -p $dir/rootfs
    chown -R user: /home/user/.local
    chmod 755 /home/user
    chown 100000:100000 $dir/rootfs
    tar -C $debian --exclude './dev/*' -c . | session "lxc-usernsexec -- tar -x -p --numeric-owner -C $dir/rootfs" ||
        fail 'no root filesystem'
    printf '%s\n' "lxc.include = $STAGE/share/lxc/config/debian.common.conf" "lxc.include = $STAGE/share/lxc/config/debian.userns.conf" \
        "lxc.rootfs.path = dir:$dir/rootfs" 'lxc.uts.name = t-debian' \
        'lxc.idmap = u 0 100000 65536' 'lxc.idmap = g 0 100000 65536' 'lxc.net.0.type = veth' "lxc.net.0.link = $BRIDGE" \
        'lxc.cap.drop = sys_rawio' \
        'lxc.net.0.flags = up' 'lxc.net.0.ipv4.address = 10.198.7.20/24' 'lxc.net.0.ipv4.gateway = 10.198.7.1' |
        session "cat >$dir/config"
    code 0 session lxc-start -n t-debian
    # A command that finds its systemd too busy to let it in says so at once: an emulated one often is.
    inside() { for _ in $(seq 30); do session lxc-attach -n t-debian -- "$@" 2>/dev/null && break; done; }
    for _ in $(seq 120); do
        state=$(session lxc-attach -n t-debian -- systemctl is-system-running 2>/dev/null)
        case $state in running | degraded) break ;; esac
        sleep 1
    done
    same 'systemd' running "$state"
    [ "$state" != degraded ] || session lxc-attach -n t-debian -- systemctl --failed --no-legend --plain
    same 'its link' '1 10.198.7.20/24' "$(ip -n "$NETNS" -br link show master $BRIDGE | wc -l) $(inside \
        ip -4 -br address show dev eth0 | awk '{ print $3 }')"
    nsenter --net="/run/netns/$NETNS" busybox ping -c 1 -q 10.198.7.20 >/dev/null || fail 'it does not answer'
    same 'root inside' '100000 denied' "$(stat -c %u "/proc/$(session lxc-info -n t-debian -pH)") $(inside \
        sh -c "'echo 7 2>/dev/null >/proc/sys/kernel/panic || echo denied'")"
    code 0 session lxc-stop --nokill -t 120 -n t-debian
    same 'stopped' STOPPED "$(session lxc-info -n t-debian -sH)"
    same 'left' '' "$(cat "$RUN/lxc-run/nics"; ip -n "$NETNS" -br link show master $BRIDGE)"
    code 0 session lxc-destroy -n t-debian
}

# The same where no systemd runs: in the cgroups that root gave to the user.
test_usernic_debian_of_a_user_without_systemd() {
    no_user_tools && return
    booted_by_systemd && { skipped='systemd runs here'; return; }
    debian_is_made t-deb || return
    user_world '
        echo "t-user veth rstest0 1" >/etc/lxc/lxc-usernet
        # On the disk: some hundred megabytes.
        mkdir -p $run/lxc/disk
        chown t-user: $run/lxc/disk
        mount --bind $run/lxc/disk /home/t-user/.local
        dir=/home/t-user/.local/share/lxc/t-debian
        mkdir -p $dir/rootfs
        chown -R t-user: /home/t-user/.local
        chown 300000:300000 $dir/rootfs
        dirs=$(given t-own-given t-user)
        here() { in_cgroups "$dirs" t-user "$@"; }
        tar -C $run/lxc/t-deb/rootfs --exclude "./dev/*" -c . | here lxc-usernsexec -- tar -x -p --numeric-owner -C $dir/rootfs
        printf "%s\n" "lxc.include = /usr/local/share/lxc/config/debian.common.conf" \
            "lxc.include = /usr/local/share/lxc/config/debian.userns.conf" "lxc.rootfs.path = dir:$dir/rootfs" \
            "lxc.uts.name = t-debian" "lxc.idmap = u 0 300000 65536" "lxc.idmap = g 0 300000 65536" \
            "lxc.net.0.type = veth" "lxc.net.0.link = rstest0" "lxc.net.0.flags = up" \
            "lxc.net.0.ipv4.address = 10.198.7.20/24" "lxc.net.0.ipv4.gateway = 10.198.7.1" >$dir/config
        chown t-user: $dir/config
        here lxc-start -n t-debian
        inside() { here lxc-attach -n t-debian -- "$@"; }
        for _ in $(seq 600); do
            state=$(inside systemctl is-system-running 2>/dev/null) || true
            case $state in running | degraded) break ;; esac
            sleep 0.1
        done
        echo "systemd $state $(inside systemctl --failed --no-legend --plain | xargs)"
        ip -br link show master rstest0 | wc -l
        inside ip -4 -br address show dev eth0 | awk "{ print \$3 }"
        inside ping -c 1 -q 10.198.7.1 >/dev/null && echo pings
        echo "root is $(stat -c %u /proc/$(here lxc-info -n t-debian -pH))"
        inside sh -c "echo 7 2>/dev/null >/proc/sys/kernel/panic || echo denied"
        here lxc-stop --nokill -t 30 -n t-debian
        here lxc-info -n t-debian -sH
        echo "left $(cat /run/lxc/nics)$(ip -br link show master rstest0)"
        here lxc-destroy -q -n t-debian
        ' >"$RUN/out" 2>"$RUN/err" || fail "exit code $?: $(tail -3 "$RUN/err")"
    same 'what they saw' 'systemd running |1|10.198.7.20/24|pings|root is 300000|denied|STOPPED|left ' "$(paste -sd '|' "$RUN/out")"
    same said '' "$(cat "$RUN/err")"
    no_given
    code 0 tool destroy -n t-deb
}

# Two bridges, each with a quota of its own; a container that gets one link of two keeps none.
test_usernic_links_on_several_bridges() {
    no_user_tools && return
    user_world '
        ip link add rstest1 type bridge
        ip addr add 10.198.8.1/24 dev rstest1
        ip link set rstest1 up
        trap "ip link del rstest1" EXIT
        on() { ip -br link show master $1 | wc -l; }
        for quotas in "2 1" "2 0"; do
            printf "t-user veth rstest0 %s\nt-user veth rstest1 %s\n" $quotas >/etc/lxc/lxc-usernet
            as_user lxc-start -n t-own 2>&1 | grep -o -e "can have no more links on rstest1" || true
            echo "$(on rstest0) $(on rstest1)"
            for address in 10.198.7.1 10.198.8.1; do
                as_user "lxc-attach -n t-own -- ping -c 1 -q $address >/dev/null 2>&1" && echo "reaches $address"
            done
            as_user lxc-stop -k -n t-own 2>/dev/null || true
            echo "left $(cat /run/lxc/nics)$(on rstest0)$(on rstest1)"
        done' 'lxc.net.0.type = veth' 'lxc.net.0.link = rstest0' 'lxc.net.0.flags = up' 'lxc.net.0.ipv4.address = 10.198.7.5/24' \
        'lxc.net.1.type = veth' 'lxc.net.1.link = rstest1' 'lxc.net.1.flags = up' 'lxc.net.1.ipv4.address = 10.198.8.5/24' \
        >"$RUN/out" 2>"$RUN/err" || fail "exit code $?: $(tail -3 "$RUN/err")"
    same 'what they saw' '1 1|reaches 10.198.7.1|reaches 10.198.8.1|left 00|can have no more links on rstest1|0 0|left 00' \
        "$(paste -sd '|' "$RUN/out")"
}
