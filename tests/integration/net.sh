# lxc-net, and DHCP, DNS and the way out through it.

in_net() { nsenter --net="/run/netns/$NETNS" "$@"; }
net() { in_net "$BIN" net --settings "$RUN/net.conf" --run-dir "$RUN/run" "$@"; }
net_settings() { # LINE...
    {
        printf 'LXC_BRIDGE=rstestnet\nLXC_ADDR="10.197.9.1"\nLXC_NETWORK="10.197.9.0/24"\n'
        printf 'LXC_DHCP_RANGE=10.197.9.2,10.197.9.99\nLXC_DHCP_PING=false\nLXC_DOMAIN=test.lxc\n'
        printf '%s\n' "$@"
    } >"$RUN/net.conf"
}
net_left() {
    in_net nft list tables | grep -q . && echo table
    ip -n "$NETNS" -br link show rstestnet 2>/dev/null
    pgrep -af "^dnsmasq .*$RUN/run/"
    ls "$RUN/run" | grep -vxF network.lock
    [ "$(in_net cat /proc/sys/net/ipv4/ip_forward)" = 0 ] || echo forwarding
}

test_net_serves_containers() {
    net_settings
    in_net sysctl -qw net.ipv4.ip_forward=0
    code 3 net status
    code 0 net start
    code 0 net status
    same status "true 10.197.9.1/24 true" "$(net status --format json | jq -r '"\(.started) \(.address) \(.rules)"')"
    code 1 net start
    says 'lxc-net is already running'
    container t-dhcp 'lxc.net.0.type = veth' 'lxc.net.0.link = rstestnet' 'lxc.net.0.flags = up'
    # shellcheck disable=SC2016
    printf '#!/bin/sh\n[ "$1" = bound ] && ip addr add "$ip/$mask" dev eth0 && echo "nameserver $dns" >/etc/resolv.conf\n' \
        >"$LXC/t-dhcp/rootfs/bin/lease"
    chmod 755 "$LXC/t-dhcp/rootfs/bin/lease"
    code 0 tool start -n t-dhcp
    code 0 tool attach -n t-dhcp -- udhcpc -q -n -t 20 -T 1 -i eth0 -s /bin/lease
    local address
    address=$(tool info -n t-dhcp -iH)
    [[ $address = 10.197.9.* ]] || fail "no address from DHCP: '$address'"
    same 'in the list' "$address" "$(tool ls -f -F ipv4 | tail -1 | xargs)"
    code 0 tool attach -n t-dhcp -- ping -c 1 -W 2 10.197.9.1
    # Its packets leave the bridge's network under the host's address.
    ip netns add "$NETNS-out"
    ip -n "$NETNS" link add out0 type veth peer name out1 netns "$NETNS-out"
    ip -n "$NETNS" addr add 10.196.1.1/24 dev out0
    ip -n "$NETNS" link set out0 up
    ip -n "$NETNS-out" addr add 10.196.1.2/24 dev out1
    ip -n "$NETNS-out" link set out1 up
    tool attach -n t-dhcp -- ip route add default via 10.197.9.1
    code 0 tool attach -n t-dhcp -- ping -c 1 -W 2 10.196.1.2
    ip netns del "$NETNS-out"
    net stop 2>"$RUN/err"
    same 'exit code of stop' 0 $?
    says 'the bridge is kept, veth'
    code 0 tool stop -k -n t-dhcp
    code 0 net start
    code 0 net stop
    same left '' "$(net_left)"
    code 1 net stop
    says "lxc-net isn't running"
    rm -f /var/lib/misc/dnsmasq.rstestnet.leases
}

test_net_that_fails_leaves_nothing() {
    in_net sysctl -qw net.ipv4.ip_forward=0
    net_settings 'LXC_DHCP_CONFILE=/nonexistent'
    code 1 net start
    says 'dnsmasq does not start'
    same left '' "$(net_left)"
    net_settings 'LXC_NETMASK=255.0.255.0'
    code 1 net start
    says "net.conf:7"
    # shellcheck disable=SC2016
    net_settings 'LXC_DHCP_MAX=$((1 + 1))'
    code 1 net start
    says 'LXC_DHCP_MAX is not a plain value'
    code 2 net begin
    # A start that was killed is completed by the next.
    net_settings
    for delay in 0.01 0.02 0.05; do
        (
            timeout -s KILL $delay nsenter --net="/run/netns/$NETNS" \
                "$BIN" net --settings "$RUN/net.conf" --run-dir "$RUN/run" start
            true
        ) 2>/dev/null
    done
    net start 2>/dev/null
    code 0 net status
    code 0 net stop
    same left '' "$(net_left)"
    rm -f /var/lib/misc/dnsmasq.rstestnet.leases
}
