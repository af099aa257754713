# Networks, user namespaces, limits.

test_network_on_a_bridge() {
    container t-net 'lxc.net.0.type = veth' "lxc.net.0.link = $BRIDGE" 'lxc.net.0.flags = up' \
        'lxc.net.0.hwaddr = 00:16:3e:xx:xx:xx' 'lxc.net.0.name = lan' \
        'lxc.net.0.ipv4.address = 10.198.7.5/24' 'lxc.net.0.ipv4.gateway = auto' \
        'lxc.net.0.ipv6.address = fd97::5/64'
    code 0 tool start -n t-net
    code 0 tool attach -n t-net -- ping -c 1 -W 5 10.198.7.1
    same addresses '10.198.7.5 fd97::5' "$(tool info -n t-net -iH | xargs)"
    same route 'default via 10.198.7.1 dev lan' "$(tool attach -n t-net -- ip route | grep default | xargs)"
    same mac '00:16:3e' "$(tool attach -n t-net -- cat /sys/class/net/lan/address | cut -c1-8)"
    local peer
    peer=$(tool info -n t-net | awk '/^Link:/ { print $2 }')
    same 'in the bridge' 1 "$(ip -n "$NETNS" -br link show master $BRIDGE | grep -c "^$peer@")"
    code 0 tool stop -k -n t-net
}

test_network_types_none_and_empty() {
    container t-empty 'lxc.net.0.type = empty'
    code 0 tool start -n t-empty
    same 'links of type empty' 'lo' "$(tool attach -n t-empty -- ls /sys/class/net | xargs)"
    same 'loopback is up' 1 "$(tool attach -n t-empty -- ip -o link show up | wc -l)"
    code 0 tool stop -k -n t-empty
    container t-none 'lxc.net.0.type = none'
    code 0 tool start -n t-none
    same 'network of the starter' "$(nsenter --net="/run/netns/$NETNS" readlink /proc/self/ns/net)" \
        "$(readlink /proc/"$(tool info -n t-none -pH)"/ns/net)"
    code 0 tool stop -k -n t-none
}

test_overlay_keeps_the_lower_tree() {
    container t-over
    mv "$LXC/t-over/rootfs" "$LXC/t-over/lower"
    mkdir "$LXC/t-over/delta0"
    code 0 tool start -n t-over -s "lxc.rootfs.path=overlay:$LXC/t-over/lower:$LXC/t-over/delta0"
    code 0 tool attach -n t-over -- sh -c 'echo new >/etc/passwd && rm /bin/ls'
    code 0 tool stop -k -n t-over
    same 'lower file' root:x:0:0:root:/root:/bin/sh "$(head -1 "$LXC/t-over/lower/etc/passwd")"
    [ -L "$LXC/t-over/lower/bin/ls" ] || fail 'a lower file is gone'
    same 'upper file' new "$(cat "$LXC/t-over/delta0/etc/passwd")"
    [ -c "$LXC/t-over/delta0/bin/ls" ] || fail 'no whiteout'
    code 0 tool start -n t-over -s "lxc.rootfs.path=overlay:$LXC/t-over/lower:$LXC/t-over/delta0"
    same 'second start' new "$(tool attach -n t-over -- cat /etc/passwd)"
    code 0 tool stop -k -n t-over
    code 1 tool start -n t-over -s "lxc.rootfs.path=overlay:$LXC/t-over/none:$LXC/t-over/delta0"
    says "$LXC/t-over/none.*ENOENT"
}

# The kernel takes 255 bytes of an option; that is not the end of an overlay.
test_overlay_of_many_layers_with_long_names() {
    local length long value lower number
    container t-over
    for length in 60 240; do
        long=$LXC/t-over/$(printf "%0${length}d" 0)/$(printf '%0120d' 0)
        lower=
        for number in 1 2 3 4 5 6 7 8 9; do
            mkdir -p "$long-$number"
            echo $number >"$long-$number/layer$number"
            echo $number >"$long-$number/all"
            lower+=$long-$number:
        done
        value=overlay:$lower$LXC/t-over/rootfs:$long-upper/delta
        mkdir -p "$long-upper/delta"
        code 0 tool start -n t-over -s "lxc.rootfs.path=$value"
        same "layers of $length" '1 2 3 4 5 6 7 8 9' "$(tool attach -n t-over -- sh -c 'cat /layer?' | xargs)"
        same 'the topmost' 1 "$(tool attach -n t-over -- cat /all)"
        code 0 tool attach -n t-over -- touch /written
        [ -e "$long-upper/delta/written" ] || fail 'nothing came to the upper layer'
        code 0 tool stop -k -n t-over
        sed -i '/^lxc.rootfs.path/d' "$LXC/t-over/config"
        echo "lxc.rootfs.path = $value" >>"$LXC/t-over/config"
        code 0 tool copy -n t-over -N t-whole -B dir
        same 'a copy of all layers' '1 1 2 3 4 5 6 7 8 9' "$(cd "$LXC/t-whole/rootfs" && cat all layer? | xargs)"
        code 0 tool destroy -n t-whole
    done
}

test_check_looks_for_init_in_overlays() {
    container t-over
    mkdir "$LXC/t-over/delta"
    sed -i "s#^lxc.rootfs.path.*#lxc.rootfs.path = overlay:$LXC/t-over/rootfs:$LXC/t-over/delta#" "$LXC/t-over/config"
    code 0 tool check t-over
    rm "$LXC/t-over/rootfs/sbin/init"
    code 2 tool check t-over
    grep -q "/sbin/init is not in overlay of $LXC/t-over/rootfs and $LXC/t-over/delta" "$RUN/out" || fail "$(cat "$RUN/out")"
    ln -s /bin/busybox "$LXC/t-over/delta/sbin-init" && mkdir "$LXC/t-over/delta/sbin"
    mv "$LXC/t-over/delta/sbin-init" "$LXC/t-over/delta/sbin/init"
    code 0 tool check t-over
}

test_idmap_is_refused_where_the_file_system_cannot() {
    # ramfs has no idmapped mounts (mount_setattr(2)).
    mkdir -p "$LXC/t-ram" && mount -t ramfs ramfs "$LXC/t-ram"
    container t-ram 'lxc.idmap = u 0 100000 65536' 'lxc.idmap = g 0 100000 65536' \
        'lxc.rootfs.options = idmap=container'
    code 1 tool start -n t-ram
    says 'EINVAL'
    says 't-ram/config:[0-9]*:[0-9]*$'
    says ' | lxc.rootfs.options = idmap=container$'
    says 'hint: .*id'
    umount "$LXC/t-ram"
}

test_default_seccomp_profile_filters() {
    container t-sec "lxc.seccomp.profile = $STAGE/share/lxc/config/common.seccomp"
    code 0 tool start -n t-sec
    local pid
    pid=$(tool info -n t-sec -pH)
    same 'filter of init' 2 "$(awk '/^Seccomp:/ { print $2 }' "/proc/$pid/status")"
    same 'filter of attach' 2 "$(tool attach -n t-sec -- awk '/^Seccomp:/ { print $2 }' /proc/self/status)"
    mkdir "$LXC/t-sec/rootfs/forced"
    code 0 tool attach -n t-sec -- mount -t tmpfs tmpfs /forced
    code 1 tool attach -n t-sec -- umount -f /forced
    says 'Permission denied'
    code 0 tool attach -n t-sec -- umount /forced
    code 0 tool stop -k -n t-sec
}

test_user_namespace() {
    container t-user 'lxc.idmap = u 0 100000 65536' 'lxc.idmap = g 0 100000 65536' \
        'lxc.rootfs.options = idmap=container'
    chmod 755 "$RUN" "$LXC" "$LXC/t-user"
    code 0 tool start -n t-user
    same 'root inside' 0 "$(tool attach -n t-user -- id -u)"
    same 'root outside' 100000 "$(stat -c %u /proc/"$(tool info -n t-user -pH)")"
    code 0 tool attach -n t-user -- touch /root/made
    same 'owner on disk' 0 "$(stat -c %u "$LXC/t-user/rootfs/root/made")"
    code 1 tool attach -n t-user -- sh -c 'echo 1 >/proc/sysrq-trigger'
    code 0 tool stop -k -n t-user
}

# What root inside may do to its host: every attempt of reach.c, each with the error that isolation/refused says. What this
# kernel does not have at all (as the host's root is told) it does not have inside.
test_root_inside_is_not_root_outside() {
    command -v gcc >/dev/null || { skipped='no compiler for the program that tries'; return; }
    local map=('lxc.idmap = u 0 100000 65536' 'lxc.idmap = g 0 100000 65536' 'lxc.rootfs.options = idmap=container')
    local host="lxc.mount.entry = $RUN/host host none bind,create=dir 0 0"
    local name pid key block got wanted attempt outside pattern inside seen privileged rule rules able=0 tried=0
    mapfile -t rules < <(grep -v '^#' tests/integration/isolation/refused)
    gcc -static -O1 -o "$RUN/reach" tests/integration/isolation/reach.c || fail 'cannot compile it'
    container t-inside "${map[@]}" "$host"
    container t-seeing "${map[@]}" "$host" 'lxc.mount.auto =' 'lxc.namespace.keep = pid' 'lxc.autodev = 0' \
        'lxc.mount.entry = /proc proc none rbind' 'lxc.mount.entry = /sys sys none rbind' 'lxc.mount.entry = /dev dev none rbind'
    # Without lxcfs, which hands on to the host what is written to a processor's file.
    container t-priv "lxc.include = $STAGE/share/lxc/config/common.conf" 'lxc.hook.mount =' "$host"
    mkdir "$RUN/host"
    chmod 755 "$RUN" "$LXC" "$LXC"/t-* "$RUN/host"
    sleep 120 &
    pid=$!
    key=$("$RUN/reach" key)
    block=$(awk '$4 ~ /^[a-z]/ && $4 !~ /^(name|zram|loop)/ { print $1 ":" $2; exit }' /proc/partitions)
    # The host's root is the last: it takes the key away.
    for name in t-inside t-seeing t-priv outside; do
        echo secret >"$RUN/host/secret"
        echo public >"$RUN/host/public"
        chmod 600 "$RUN/host/secret"
        if [ $name = outside ]; then
            unshare --mount "$RUN/reach" "$RUN/host" $pid "$key" "${block:-7:0}" >"$RUN/$name"
        else
            cp "$RUN/reach" "$LXC/$name/rootfs/reach"
            tool execute -n $name -- /reach /host $pid "$key" "${block:-7:0}" >"$RUN/$name" 2>"$RUN/err" ||
                fail "$name: $(cat "$RUN/err")"
            [ $name = t-priv ] || same "$name: the file" "public secret" "$(cat "$RUN/host"/* | xargs)"
        fi
    done
    kill $pid
    while read -r attempt outside; do
        for rule in "${rules[@]}" '* ? ? ?'; do
            read -r pattern inside seen privileged <<<"$rule"
            # shellcheck disable=SC2053 # a pattern
            [[ $attempt != $pattern ]] || break
        done
        [ "$outside" = "$seen" ] || able=$((able + 1))
        tried=$((tried + 1))
        for name in t-inside t-seeing t-priv; do
            case $name in t-inside) wanted=$inside ;; t-seeing) wanted=$seen ;; *) wanted=$privileged ;; esac
            got=$(awk -v name="$attempt" '$1 == name { print $2 }' "$RUN/$name")
            case $outside in ENOENT | ENOSYS | ENODEV | ENXIO) [ "$got" != "$outside" ] || continue ;; esac
            [ "$wanted" = - ] || [[ "|$wanted|" = *"|$got|"* ]] || fail "$name: $attempt: wanted $wanted, got $got"
        done
    done <"$RUN/outside"
    rm "$RUN"/{t-inside,t-seeing,t-priv,outside}
    # Not refused for another reason: the host's root can do it.
    [ $tried -ge 165 ] && [ $able -ge 120 ] || fail "of $tried attempts, $able are refused inside and not outside"
}

test_limits() {
    container t-limit 'lxc.cgroup.pids.max = 20' 'lxc.cgroup.memory.limit_in_bytes = 64M' \
        'lxc.cgroup.devices.deny = a' 'lxc.cgroup.devices.allow = c 1:3 rwm' \
        'lxc.cgroup.devices.allow = c 5:* rwm' 'lxc.cgroup.devices.allow = c 136:* rwm' \
        'lxc.prlimit.nofile = 77:88'
    code 0 tool start -n t-limit
    same pids 20 "$(tool cgroup -n t-limit pids.max | head -1)"
    same memory 67108864 "$(tool cgroup -n t-limit memory.limit_in_bytes | head -1)"
    code 0 tool cgroup -n t-limit cpu.shares 512
    same shares 512 "$(tool cgroup -n t-limit cpu.shares | head -1)"
    code 0 tool attach -n t-limit -- sh -c 'echo >/dev/null'
    code 1 tool attach -n t-limit -- sh -c 'head -c 1 /dev/zero'
    same 'soft limit of init' 77 "$(awk '/Max open files/ { print $4 }' /proc/"$(tool info -n t-limit -pH)"/limits)"
    code 0 tool stop -k -n t-limit
    sed -i 's/pids.max = 20/pids.max = many/' "$LXC/t-limit/config"
    code 1 tool start -n t-limit
    says 'cannot set lxc.cgroup.pids.max to "many": EINVAL'
}
