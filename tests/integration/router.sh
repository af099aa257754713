# Links that the host routes to (veth.mode = router), and addresses for which it answers (l2proxy).

net_sysctl() { ip netns exec "$NETNS" sysctl -qw "$@"; }

# A neighbour of the host, in a network namespace of its own, on the link t-up.
neighbour() {
    ip netns add "$NETNS-peer"
    on_host link add t-up type veth peer name t-down netns "$NETNS-peer"
    on_host addr add 10.198.9.1/24 dev t-up
    on_host addr add fd79::1/64 dev t-up nodad
    on_host link set t-up up
    ip -n "$NETNS-peer" addr add 10.198.9.9/24 dev t-down
    ip -n "$NETNS-peer" addr add fd79::9/64 dev t-down nodad
    ip -n "$NETNS-peer" link set t-down up
}

neighbour_gone() {
    ip netns del "$NETNS-peer"
    for _ in $(seq 50); do on_host link show t-up >/dev/null 2>&1 || return; sleep 0.1; done
    fail 't-up is left'
}

from_neighbour() { ip netns exec "$NETNS-peer" busybox ping -c 1 -W 3 "$1" >/dev/null 2>&1 && echo yes || echo no; }

test_router_links_and_proxies() {
    local before how
    neighbour
    net_sysctl net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.t-up.proxy_ndp=1
    before=$(host_table)
    local lines=('lxc.net.0.type = veth' 'lxc.net.0.veth.mode = router' 'lxc.net.0.link = t-up' 'lxc.net.0.l2proxy = 1'
        'lxc.net.0.flags = up' 'lxc.net.0.ipv4.address = 10.198.9.5/32' 'lxc.net.0.ipv4.gateway = 10.198.9.1'
        'lxc.net.0.ipv6.address = fd79::5/128' 'lxc.net.0.ipv6.gateway = fd79::1')
    container t-rt "${lines[@]}"
    code 0 tool start -n t-rt
    # To a neighbour of the host, and from it: it sees the container as one of its own network.
    same 'out' 'yes yes' "$(reaches t-rt 10.198.9.9) $(reaches t-rt fd79::9)"
    same 'in' 'yes yes' "$(from_neighbour 10.198.9.5) $(from_neighbour fd79::5)"
    same 'default routes' 'default via 10.198.9.1 dev eth0 default via fd79::1 dev eth0 metric 1024 pref medium' \
        "$(tool attach -n t-rt -- sh -c 'ip route; ip -6 route' | grep ^default | sed 's/ *$/ /; s/1024 $/1024 pref medium/' | xargs)"
    # Stopped and started in one go: what the first life held is free for the second.
    for how in 1 2 3; do
        code 0 tool stop -k -n t-rt
        code 0 tool start -n t-rt
        same "life $how" yes "$(from_neighbour 10.198.9.5)"
    done
    # Another container cannot have its address.
    container t-rt2 "${lines[@]}"
    code 1 tool start -n t-rt2
    says 'the host has this route already'
    says '^[0-9]* | lxc.net.0.ipv4.address = 10.198.9.5/32'
    # A killed monitor: the next start finds nothing in its way.
    kill -9 "$(pgrep -f "^\[lxc monitor\] $LXC t-rt$")"
    code 0 tool start -n t-rt
    same 'after kill -9' yes "$(from_neighbour 10.198.9.5)"
    code 0 tool stop -k -n t-rt
    for _ in $(seq 20); do [ "$(host_table)" != "$before" ] || break; sleep 0.1; done
    same 'the host afterwards' "$before" "$(host_table)"
    net_sysctl net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
    code 1 tool start -n t-rt
    says 'net.ipv4.conf.t-up.forwarding=1\|net.ipv6.conf.all.forwarding=1'
    same 'the host after a refused start' "$before" "$(host_table)"
    neighbour_gone
}

# Root inside tells the host of a router: it does not believe it.
test_router_links_do_not_advise_the_host() {
    local line
    for line in 'lxc.net.0.veth.mode = router' ''; do
        container t-ra 'lxc.net.0.type = veth' 'lxc.net.0.flags = up' 'lxc.net.0.veth.pair = t-ra-host' "$line"
        code 0 tool start -n t-ra
        same "accept_ra with '$line'" 0 "$(ip netns exec "$NETNS" cat /proc/sys/net/ipv6/conf/t-ra-host/accept_ra)"
        code 0 tool stop -k -n t-ra
        rm -rf "${LXC:?}/t-ra"
    done
}

test_router_links_as_debians() {
    [ -x /usr/bin/lxc-start ] || { skipped="Debian's LXC is not installed"; return; }
    local line
    neighbour
    net_sysctl net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.t-up.proxy_ndp=1
    for line in '' 'ipv4.gateway = 169.254.0.1' 'ipv4.gateway = dev' 'ipv6.gateway = fe80::1' 'ipv6.gateway = dev' \
        'ipv4.gateway = auto' 'ipv6.gateway = auto' 'l2proxy = 1' 'veth.ipv4.route = 192.0.2.0/28'; do
        as_debians veth 'veth.mode = router' 'link = t-up' 'flags = up' 'ipv4.address = 10.198.9.5/24' \
            'ipv6.address = fd79::5/64' "$line"
    done
    net_sysctl net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
    neighbour_gone
}

# Some moments pass between the host's end and the container's.
test_router_links_of_a_slow_start() {
    neighbour
    # The host answers for an IPv4 address that it has a route to.
    on_host route add default via 10.198.9.9
    net_sysctl net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.t-up.proxy_ndp=1
    container t-rt 'lxc.net.0.type = veth' 'lxc.net.0.veth.mode = router' 'lxc.net.0.link = t-up' 'lxc.net.0.flags = up' \
        'lxc.net.0.l2proxy = 1' 'lxc.net.0.veth.pair = t-rt-host' 'lxc.net.0.ipv4.address = 10.198.9.5/32' 'lxc.net.0.ipv4.gateway = 169.254.0.1' \
        'lxc.net.0.ipv6.address = fd79::5/128' 'lxc.net.0.ipv6.gateway = fe80::1' \
        'lxc.net.0.script.up = /bin/sh -c "sleep 1.5"' 'lxc.hook.pre-mount = /bin/sh -c "sleep 1.5"'
    code 0 tool start -n t-rt
    same 'answered for' '169.254.0.1 fe80::1' "$({ on_host neigh show proxy; on_host -6 neigh show proxy; } |
        sed -n 's/ dev t-rt-host.*//p' | sort -u | xargs)"
    same 'out' 'yes yes' "$(reaches t-rt 10.198.9.9) $(reaches t-rt fd79::9)"
    code 0 tool stop -k -n t-rt
    net_sysctl net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
    neighbour_gone
}
