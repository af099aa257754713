# A start of which a request about links fails, or at which everything is killed: whichever it is, nothing is left on the
# host, at the latest after the next start.

# All that links leave on the host.
links_state() {
    host_end_state
    host_table
}

unchanged() { # WHAT BEFORE: now, or in three seconds at most
    local _
    for _ in $(seq 30); do
        [ "$(links_state)" != "$2" ] || return 0
        sleep 0.1
    done
    same "$1" "$2" "$(links_state)"
}

fault_at_each_request() { # NAME LEAST FAULT...: of strace(1)'s --inject; at least so many requests
    local name=$1 least=$2 before fault number failures=0 status _
    shift 2
    before=$(links_state)
    for fault in "$@"; do
        for number in $(seq 60); do
            rm -f "$RUN/status"
            # strace ends with the last process that it follows, the monitor; and it ignores SIGTERM.
            nsenter --net="/run/netns/$NETNS" strace -f -qq -o /dev/null -e trace=sendto -e inject="sendto:$fault:when=$number" \
                sh -c '"$@" >/dev/null 2>&1; echo $? >"$0"' "$RUN/status" "$BIN" start -P "$LXC" -n "$name" </dev/null &
            for _ in $(seq 300); do
                [ ! -s "$RUN/status" ] || break
                sleep 0.02
            done
            status=$(cat "$RUN/status") || break
            [ "$status" -ne 0 ] || break
            failures=$((failures + 1))
            [ "$fault" != signal=KILL ] || code 0 tool start -n "$name"
            tool stop -k -n "$name" 2>/dev/null
            unchanged "after $fault at request $number" "$before"
            [ $ok = yes ] || break
        done
        # Now the fault is at a request of the end.
        code 0 tool stop -k -n "$name"
        wait
        code 0 tool start -n "$name"
        code 0 tool stop -k -n "$name"
        unchanged "after $fault at the end" "$before"
    done
    [ $failures -ge "$least" ] || fail "only $failures faults"
    echo "    $failures faults"
}

test_link_faults_of_routers_and_parents() {
    command -v strace >/dev/null || { skipped='strace is not installed'; return; }
    neighbour
    net_sysctl net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.t-up.proxy_ndp=1
    container t-fault 'lxc.net.0.type = veth' 'lxc.net.0.veth.mode = router' 'lxc.net.0.link = t-up' 'lxc.net.0.l2proxy = 1' \
        'lxc.net.0.flags = up' 'lxc.net.0.ipv4.address = 10.198.9.5/32' 'lxc.net.0.ipv4.gateway = 169.254.0.1' \
        'lxc.net.0.ipv6.address = fd79::5/128' 'lxc.net.1.type = macvlan' 'lxc.net.1.link = t-up' \
        'lxc.net.2.type = veth' "lxc.net.2.link = $BRIDGE" 'lxc.net.2.veth.ipv4.route = 192.0.2.0/28'
    fault_at_each_request t-fault 31 error=ENOBUFS error=EPERM signal=KILL
    net_sysctl net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
    neighbour_gone
}

test_link_faults_of_guarded_ports() {
    command -v strace >/dev/null || { skipped='strace is not installed'; return; }
    end_container t-fault 21 'limit.ingress = 8Mbit' 'limit.egress = 8Mbit' 'isolated = 1' 'filter = mac ipv4 ipv6' 'l2proxy = 0'
    fault_at_each_request t-fault 15 error=ENOBUFS signal=KILL
}

# Without kill -9: the kernel deletes a link of ours with its namespace, not a network card.
test_link_faults_of_a_link_of_the_host() {
    command -v strace >/dev/null || { skipped='strace is not installed'; return; }
    on_host link add t-nic type veth peer name t-nic-peer
    container t-fault 'lxc.net.0.type = phys' 'lxc.net.0.link = t-nic' 'lxc.net.0.name = eth0' 'lxc.net.0.flags = up' \
        'lxc.net.0.ipv4.address = 10.198.9.5/24' 'lxc.net.0.mtu = 1300' 'lxc.net.0.hwaddr = 02:00:00:00:00:21'
    fault_at_each_request t-fault 8 error=ENOBUFS error=EPERM
    on_host link del t-nic
}

test_link_faults_of_ipvlan_and_vlan() {
    command -v strace >/dev/null || { skipped='strace is not installed'; return; }
    has_kind ipvlan || { skipped='this kernel has no ipvlan'; return; }
    has_kind vlan id 9 || { skipped='this kernel has no VLANs'; return; }
    on_host link add t-up type veth peer name t-down
    on_host addr add 10.198.9.1/24 dev t-up
    on_host link set t-up up
    on_host link set t-down up
    container t-fault 'lxc.net.0.type = ipvlan' 'lxc.net.0.link = t-up' 'lxc.net.0.flags = up' \
        'lxc.net.0.ipv4.address = 10.198.9.5/24' 'lxc.net.0.ipv4.gateway = dev' 'lxc.net.1.type = vlan' \
        'lxc.net.1.link = t-up' 'lxc.net.1.vlan.id = 9' 'lxc.net.1.flags = up' 'lxc.net.1.ipv4.address = 10.198.8.5/24'
    fault_at_each_request t-fault 12 error=ENOBUFS signal=KILL
    on_host link del t-up
}
