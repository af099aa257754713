# Addresses, routes and names of links, each tried against the kernel, both families alike.

# What the container's network shows of routes: one a line.
routes() { # NAME -4|-6
    tool attach -n "$1" -- ip "$2" route show | grep -v -e '^fe80:' -e 'ff00:' | sed 's/ *metric [0-9]*//; s/ *$//' | sort
}

link_lines() { # N LINE...: of a link on the run's bridge
    local number=$1
    shift
    printf 'lxc.net.%s.type = veth\nlxc.net.%s.link = %s\nlxc.net.%s.flags = up\n' "$number" "$number" "$BRIDGE" "$number"
    for line in "$@"; do printf 'lxc.net.%s.%s\n' "$number" "$line"; done
}

gateways() { # WHAT CONFIG-LINES ROUTES-OF-IPV4 ROUTES-OF-IPV6
    container t-route "$2"
    code 0 tool start -n t-route
    same "IPv4, $1" "$3" "$(routes t-route -4 | paste -sd ';')"
    same "IPv6, $1" "$4" "$(routes t-route -6 | paste -sd ';')"
    tool stop -k -n t-route
    rm -rf "${LXC:?}/t-route"
}

test_network_gateways_of_both_families() {
    ip -n "$NETNS" addr add fd77::1/64 dev $BRIDGE nodad
    gateways 'in the network' \
        "$(link_lines 0 'ipv4.address = 10.198.7.5/24' 'ipv4.gateway = 10.198.7.1' \
            'ipv6.address = fd77::5/64' 'ipv6.gateway = fd77::1')" \
        '10.198.7.0/24 dev eth0 scope link  src 10.198.7.5;default via 10.198.7.1 dev eth0' \
        'default via fd77::1 dev eth0;fd77::/64 dev eth0'
    gateways 'out of the network' \
        "$(link_lines 0 'ipv4.address = 10.198.7.5/24' 'ipv4.gateway = 192.0.2.1' \
            'ipv6.address = fd77::5/64' 'ipv6.gateway = fd88::1')" \
        '10.198.7.0/24 dev eth0 scope link  src 10.198.7.5;192.0.2.1 dev eth0 scope link;default via 192.0.2.1 dev eth0' \
        'default via fd88::1 dev eth0;fd77::/64 dev eth0;fd88::1 dev eth0'
    gateways 'auto, for one address' \
        "$(link_lines 0 'ipv4.address = 10.198.7.5/32' 'ipv4.gateway = auto' \
            'ipv6.address = fd77::5/128' 'ipv6.gateway = auto')" \
        '10.198.7.1 dev eth0 scope link;default via 10.198.7.1 dev eth0' \
        'default via fd77::1 dev eth0;fd77::1 dev eth0;fd77::5 dev eth0'
    gateways 'the link itself' \
        "$(link_lines 0 'ipv4.address = 10.198.7.5/24' 'ipv4.gateway = dev' \
            'ipv6.address = fd77::5/64' 'ipv6.gateway = dev')" \
        '10.198.7.0/24 dev eth0 scope link  src 10.198.7.5;default dev eth0 scope link' \
        'default dev eth0;fd77::/64 dev eth0'
    # Both links are in the network of the gateway, which the second has.
    gateways 'of the second link' \
        "$(link_lines 0 'ipv4.address = 10.198.7.5/24' 'ipv6.address = fd77::5/64')
$(link_lines 1 'ipv4.address = 10.198.7.6/24' 'ipv4.gateway = 10.198.7.1' 'ipv6.address = fd77::6/64' 'ipv6.gateway = fd77::1')" \
        '10.198.7.0/24 dev eth0 scope link  src 10.198.7.5;10.198.7.0/24 dev eth1 scope link  src 10.198.7.6;default via 10.198.7.1 dev eth1' \
        'default via fd77::1 dev eth1;fd77::/64 dev eth0;fd77::/64 dev eth1'
    ip -n "$NETNS" addr del fd77::1/64 dev $BRIDGE
}

test_network_routes_over_the_end_in_a_bridge() {
    local pair
    container t-route "$(link_lines 0 'veth.ipv4.route = 192.0.2.0/24' 'veth.ipv6.route = fd99::/64' \
        'veth.ipv6.route = fd9a::/64')"
    code 0 tool start -n t-route
    pair=$(tool info -n t-route | sed -n 's/^Link: *//p')
    same IPv4 "192.0.2.0/24 dev $pair scope link" "$(ip -n "$NETNS" -4 route show dev "$pair" | sed "s/^\S*/& dev $pair/; s/ proto static//; s/ linkdown//; s/ *$//")"
    same IPv6 'fd99::/64 fd9a::/64' "$(ip -n "$NETNS" -6 route show dev "$pair" | cut -d ' ' -f 1 | xargs)"
    same 'its addresses' '' "$(ip -n "$NETNS" -o addr show dev "$pair")"
    tool stop -k -n t-route
}

refused_links() { # WHAT KEY CONFIG-LINES
    container t-double "$3"
    code 1 tool start -n t-double
    says "$1"
    says "$2"
    code 2 tool start -n t-double --check
    rm -rf "${LXC:?}/t-double"
}

test_network_names_what_is_taken() {
    refused_links 'links 0 and 1 are both called eth0' '^[0-9]* | lxc.net.1.name = eth0' \
        "$(link_lines 0 'name = eth0')
$(link_lines 1 'name = eth0')"
    refused_links 'no link can be called lo inside' 'lxc.net.0.name = lo' "$(link_lines 0 'name = lo')"
    refused_links 'links 0 and 1 are both called rspair on the host' 'lxc.net.1.veth.pair = rspair' \
        "$(link_lines 0 'veth.pair = rspair')
$(link_lines 1 'veth.pair = rspair')"
    refused_links 'links 0 and 1 both have a default gateway' 'lxc.net.1.ipv6.gateway = fd77::2' \
        "$(link_lines 0 'ipv6.address = fd77::5/64' 'ipv6.gateway = fd77::1')
$(link_lines 1 'ipv6.address = fd77::6/64' 'ipv6.gateway = fd77::2')"
    # One that the host has.
    container t-double "$(link_lines 0 "veth.pair = $BRIDGE")"
    code 1 tool start -n t-double
    says "another link has this name; see: ip link show $BRIDGE"
    says "lxc.net.0.veth.pair = $BRIDGE"
    # One that is in the container when its link comes, which no check can see.
    container t-double 'lxc.hook.version = 1' "$(link_lines 0 'name = one')
$(link_lines 1 'name = two')"
    # shellcheck disable=SC2016
    printf '#!/bin/sh\nnsenter -t "$LXC_PID" -n ip link add two type veth peer name three\n' >"$LXC/t-double/up"
    chmod 755 "$LXC/t-double/up"
    echo "lxc.net.0.script.up = $LXC/t-double/up" >>"$LXC/t-double/config"
    code 1 tool start -n t-double
    says "the container's network has a link called two already"
    says 'lxc.net.1.name = two'
}

# As LXC gives them out, whose links without a name come last.
test_network_numbers_in_names_of_links() {
    [ -x /usr/bin/lxc-start ] || { skipped="Debian's LXC is not installed"; return; }
    local which
    for which in debian tool; do
        # Down: LXC finds no link with a number in its name again to bring it up.
        container t-number "$(printf 'lxc.net.%d.type = veth\n' 0 1 2 3 4)" 'lxc.net.0.name = eth0' \
            'lxc.net.1.name = eth%d' 'lxc.net.2.name = a%db' 'lxc.net.3.name = a%db'
        code 0 "$which" start -n t-number
        "$which" attach -n t-number -- sh -c 'for link in /sys/class/net/*; do echo "$(cat $link/ifindex) ${link##*/}"; done' |
            sort -n | grep -v lo | cut -d ' ' -f 2 | xargs >"$RUN/$which"
        code 0 "$which" stop -k -n t-number
        rm -rf "${LXC:?}/t-number"
    done
    same 'their names, in their order' "$(cat "$RUN/debian")" "$(cat "$RUN/tool")"
    same 'how many' 5 "$(wc -w <"$RUN/tool")"
    container t-number "$(link_lines 0 'name = up%d' 'ipv4.address = 10.198.7.5/24')"
    code 0 tool start -n t-number
    same 'up' '10.198.7.0/24 dev up0 scope link  src 10.198.7.5' "$(routes t-number -4)"
    code 0 tool stop -k -n t-number
    refused_links 'no link can be called %d%d inside' 'lxc.net.0.name = %d%d' "$(link_lines 0 'name = %d%d')"
}

# The monitor's next step fails as well, and does not say why init is gone: it has gone before the link pair is
# made, or after that, or after the monitor's message to it.
test_an_init_that_is_gone_tells_its_error() {
    local delay
    command -v strace >/dev/null || { skipped='strace is not installed'; return; }
    container t-gone 'lxc.net.0.type = veth' "lxc.net.0.link = $BRIDGE" 'lxc.net.0.flags = up'
    for delay in sendto:delay_enter=1000000 sendto:delay_enter=1000000:when=3+ setsid:error=EPERM:delay_enter=1000000; do
        # In the foreground only the container's side makes a session.
        code 1 timeout 60 nsenter --net="/run/netns/$NETNS" strace -f -qq -o /dev/null -e trace=setsid,sendto \
            -e inject=setsid:error=EPERM -e inject="$delay" "$BIN" start -P "$LXC" -n t-gone -F </dev/null
        says 'cannot start a session: EPERM'
    done
}
