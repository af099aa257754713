# The kinds of links beside veth: macvlan, ipvlan, vlan and phys, on links that the test makes in the run's namespace.

on_host() { ip -n "$NETNS" "$@"; }

# Whether the kernel makes links of a kind.
has_kind() { # KIND [OPTION...]
    local known
    on_host link add t-probe0 type veth peer name t-probe1
    on_host link add link t-probe0 name t-probe2 type "$@" 2>/dev/null
    known=$?
    on_host link del t-probe0
    return $known
}

reaches() { # NAME ADDRESS: one answer within two seconds, from inside
    # An IPv6 address can be used once the kernel knows that nobody else has it (IFA_F_TENTATIVE, 0x40).
    tool attach -n "$1" -- sh -c 'for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
            grep -q "^[^ ]* .. .. .. [4-7c-f]" /proc/net/if_inet6 || break
            sleep 0.2
        done
        exec ping -c 1 -W 2 "$1"' sh "$2" >/dev/null 2>&1 && echo yes || echo no
}

# Two containers on one parent, whose other end is the host's.
test_links_of_type_macvlan() {
    local mode
    on_host link add t-up type veth peer name t-down
    on_host addr add 10.198.9.1/24 dev t-down
    on_host addr add fd79::1/64 dev t-down nodad
    on_host link set t-up up
    on_host link set t-down up
    for mode in private vepa bridge; do
        for one in 2 3; do
            container t-mac$one 'lxc.net.0.type = macvlan' 'lxc.net.0.link = t-up' 'lxc.net.0.flags = up' \
                "lxc.net.0.macvlan.mode = $mode" "lxc.net.0.hwaddr = 02:00:00:00:00:0$one" 'lxc.net.0.mtu = 1400' \
                "lxc.net.0.ipv4.address = 10.198.9.$one/24" "lxc.net.0.ipv6.address = fd79::$one/64" \
                'lxc.net.0.ipv4.gateway = 10.198.9.1'
            code 0 tool start -n t-mac$one
        done
        same "$mode: its link" '02:00:00:00:00:02 1400' \
            "$(tool attach -n t-mac2 -- cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu | xargs)"
        same "$mode: what is behind the parent" 'yes yes' "$(reaches t-mac2 10.198.9.1) $(reaches t-mac2 fd79::1)"
        same "$mode: the other container" "$([ $mode = bridge ] && echo yes || echo no)" "$(reaches t-mac2 10.198.9.3)"
        code 0 tool stop -k -n t-mac2
        code 0 tool stop -k -n t-mac3
        rm -rf "${LXC:?}"/t-mac?
    done
    container t-mac2 'lxc.net.0.type = macvlan' 'lxc.net.0.link = t-up' 'lxc.net.0.macvlan.mode = passthru' \
        'lxc.net.0.flags = up' 'lxc.net.0.ipv4.address = 10.198.9.2/24'
    container t-mac3 'lxc.net.0.type = macvlan' 'lxc.net.0.link = t-up' 'lxc.net.0.flags = up'
    code 0 tool start -n t-mac2
    same 'passthru' yes "$(reaches t-mac2 10.198.9.1)"
    code 1 tool start -n t-mac3
    says 'lxc.net.0.link = t-up'
    code 0 tool stop -k -n t-mac2
    code 0 tool start -n t-mac3
    kill -9 "$(tool info -n t-mac3 -pH)"
    code 0 tool wait -n t-mac3 -s STOPPED -t 20
    on_host link del t-up
    code 1 tool start -n t-mac3
    says 'the link t-up does not exist: ENODEV'
}

test_links_of_type_ipvlan() {
    local mode isolation
    has_kind ipvlan || { skipped='this kernel has no ipvlan'; return; }
    on_host link add t-up type veth peer name t-down
    on_host addr add 10.198.9.1/24 dev t-down
    on_host addr add fd79::1/64 dev t-down nodad
    on_host link set t-up up
    on_host link set t-down up
    for mode in l2 l3 l3s; do
        for isolation in bridge private vepa; do
            for one in 2 3; do
                container t-ipv$one 'lxc.net.0.type = ipvlan' 'lxc.net.0.link = t-up' 'lxc.net.0.flags = up' \
                    "lxc.net.0.ipvlan.mode = $mode" "lxc.net.0.ipvlan.isolation = $isolation" \
                    "lxc.net.0.ipv4.address = 10.198.9.$one/24" "lxc.net.0.ipv6.address = fd79::$one/64"
                code 0 tool start -n t-ipv$one
            done
            [ $mode != l2 ] || same "$mode $isolation: beyond the parent" 'yes yes' \
                "$(reaches t-ipv2 10.198.9.1) $(reaches t-ipv2 fd79::1)"
            same "$mode $isolation: the other container" "$([ $isolation = bridge ] && echo yes yes || echo no no)" \
                "$(reaches t-ipv2 10.198.9.3) $(reaches t-ipv2 fd79::3)"
            code 0 tool stop -k -n t-ipv2
            code 0 tool stop -k -n t-ipv3
            rm -rf "${LXC:?}"/t-ipv?
        done
    done
    container t-ipv2 'lxc.net.0.type = ipvlan' 'lxc.net.0.link = t-up' 'lxc.net.0.hwaddr = 02:00:00:00:00:02'
    code 1 tool start -n t-ipv2
    says 'lxc.net.0.hwaddr = 02:00:00:00:00:02'
    on_host link del t-up
}

test_links_of_type_vlan() {
    has_kind vlan id 5 || { skipped='this kernel has no VLANs'; return; }
    on_host link add t-up type veth peer name t-down
    on_host link add link t-down name t-down.5 type vlan id 5
    on_host addr add 10.198.9.1/24 dev t-down.5
    on_host addr add fd79::1/64 dev t-down.5 nodad
    for link in t-up t-down t-down.5; do on_host link set $link up; done
    container t-vlan 'lxc.net.0.type = vlan' 'lxc.net.0.link = t-up' 'lxc.net.0.vlan.id = 5' 'lxc.net.0.flags = up' \
        'lxc.net.0.ipv4.address = 10.198.9.2/24' 'lxc.net.0.ipv6.address = fd79::2/64'
    container t-vlan2 'lxc.net.0.type = vlan' 'lxc.net.0.link = t-up' 'lxc.net.0.flags = up'
    code 0 tool start -n t-vlan
    same 'in the VLAN' 'yes yes' "$(reaches t-vlan 10.198.9.1) $(reaches t-vlan fd79::1)"
    code 1 tool start -n t-vlan2
    says 'lxc.net.0.vlan.id = 100'
    echo 'lxc.net.0.vlan.id = 5' >>"$LXC/t-vlan2/config"
    code 1 tool start -n t-vlan2
    says 'is VLAN 5 of that parent'
    code 0 tool stop -k -n t-vlan
    code 0 tool start -n t-vlan2
    code 0 tool stop -k -n t-vlan2
    on_host link del t-up
}

test_links_of_types_that_this_kernel_lacks() {
    on_host link add t-up type veth peer name t-down
    container t-lack 'lxc.net.0.type = ipvlan' 'lxc.net.0.link = t-up'
    container t-lack2 'lxc.net.0.type = vlan' 'lxc.net.0.link = t-up' 'lxc.net.0.vlan.id = 5'
    if ! has_kind ipvlan; then
        code 1 tool start -n t-lack
        says 'this kernel does not know links of type ipvlan'
    fi
    if ! has_kind vlan id 5; then
        code 1 tool start -n t-lack2
        says 'this kernel does not know links of type vlan'
    fi
    on_host link del t-up
}

# PREFIX+ is the last link of the host with that prefix, as with Debian's.
test_links_of_type_phys_by_prefix() {
    local which number
    for number in 1 2 3; do on_host link add t-nic$number type veth peer name t-peer$number; done
    container t-phys 'lxc.net.0.type = phys' 'lxc.net.0.link = t-nic+' 'lxc.net.0.name = eth0'
    for which in debian tool; do
        [ $which = tool ] || [ -x /usr/bin/lxc-start ] || continue
        code 0 $which start -n t-phys
        same "those left by $which" 't-nic1 t-nic2' "$(on_host -br link | sed -n 's/^\(t-nic[0-9]\).*/\1/p' | sort | xargs)"
        code 0 $which stop -k -n t-phys
        same "back from $which" 't-nic1 t-nic2 t-nic3' "$(on_host -br link | sed -n 's/^\(t-nic[0-9]\).*/\1/p' | sort | xargs)"
    done
    for number in 1 2 3; do on_host link del t-nic$number; done
    code 1 tool start -n t-phys
    says 'no link of the host is called t-nic...'
}

# A link of the host is back under its name, with its MTU, whatever ended the container.
test_links_of_type_phys_come_back() {
    local pid how
    on_host link add t-nic type veth peer name t-down
    on_host addr add 10.198.9.1/24 dev t-down
    on_host link set t-down up
    container t-phys 'lxc.net.0.type = phys' 'lxc.net.0.link = t-nic' 'lxc.net.0.name = eth0' 'lxc.net.0.flags = up' \
        'lxc.net.0.mtu = 1400' 'lxc.net.0.hwaddr = 02:00:00:00:00:09' 'lxc.net.0.ipv4.address = 10.198.9.2/24'
    container t-other 'lxc.net.0.type = phys' 'lxc.net.0.link = t-nic'
    for how in stop init rename; do
        code 0 tool start -n t-phys
        same 'inside' '02:00:00:00:00:09 1400 yes' \
            "$(tool attach -n t-phys -- cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu | xargs) $(reaches t-phys 10.198.9.1)"
        same 'on the host' '' "$(on_host -br link show t-nic 2>/dev/null)"
        code 1 tool start -n t-other
        says 'the link t-nic does not exist'
        case $how in
            stop) code 0 tool stop -k -n t-phys ;;
            init) kill -9 "$(tool info -n t-phys -pH)" ;;
            rename)
                tool attach -n t-phys -- ip link set eth0 down
                tool attach -n t-phys -- ip link set eth0 name other
                code 0 tool stop -k -n t-phys
                ;;
        esac
        code 0 tool wait -n t-phys -s STOPPED -t 20
        same "after $how" '1500' "$(on_host link show t-nic | sed -n 's/.* mtu \([0-9]*\) .*/\1/p')"
        same "other names after $how" '' "$(on_host link show t-nic | grep altname)"
    done
    # A start that fails after the link has moved.
    echo 'lxc.net.1.type = veth' >>"$LXC/t-phys/config"
    echo 'lxc.net.1.link = t-nobridge' >>"$LXC/t-phys/config"
    sed -i 's/^lxc.net.0.name.*/lxc.hook.start = \/bin\/false/; /^lxc.net.1/d' "$LXC/t-phys/config"
    code 1 tool start -n t-phys
    same 'after a start that failed' '1500' "$(on_host link show t-nic | sed -n 's/.* mtu \([0-9]*\) .*/\1/p')"
    # Its name is taken meanwhile.
    sed -i '/^lxc.hook/d' "$LXC/t-phys/config"
    code 0 tool start -n t-phys
    same 'its own name inside' yes "$(tool attach -n t-phys -- test -e /sys/class/net/t-nic && echo yes)"
    code 0 tool stop -k -n t-phys
    on_host link del t-nic
}

# The kernel gives the link of a killed monitor's container back under the name it had inside. (A virtual link, as a
# test has it, is deleted with its namespace: so what the kernel does is done by hand.)
test_links_of_type_phys_after_a_killed_monitor() {
    local pid
    on_host link add t-nic type veth peer name t-down
    container t-phys 'lxc.net.0.type = phys' 'lxc.net.0.link = t-nic' 'lxc.net.0.name = eth0' 'lxc.net.0.flags = up'
    code 0 tool start -n t-phys
    pid=$(tool info -n t-phys -pH)
    same 'its mark inside' 'altname lxc-phys-t-nic' "$(nsenter -t "$pid" -n ip link show eth0 | sed -n 's/^ *\(altname .*\)/\1/p')"
    kill -9 "$(pgrep -f "^\[lxc monitor\] $LXC t-phys\$")"
    code 0 tool wait -n t-phys -s STOPPED -t 20
    for _ in $(seq 100); do on_host link show t-down >/dev/null 2>&1 || break; sleep 0.05; done
    on_host link add eth0 type veth peer name t-down
    on_host link property add dev eth0 altname lxc-phys-t-nic
    code 0 tool start -n t-phys
    same 'it was found' '' "$(on_host -br link show eth0 2>/dev/null)"
    code 0 tool stop -k -n t-phys
    same 'and is back' 't-nic' "$(on_host -o link show t-nic | sed 's/^[0-9]*: \([^:@]*\).*/\1/')"
    same 'without a mark' '' "$(on_host link show t-nic | grep altname)"
    on_host link del t-nic
}
