# What the keys of links come to, beside Debian's LXC: the same links, addresses and routes inside and outside.

# One of Debian's tools, with the /sys of the run's network namespace, in which it looks for bridges.
debian_sys() { timeout 120 ip netns exec "$NETNS" "/usr/bin/lxc-$1" -P "$LXC" "${@:2}"; }

# The host's routes and proxy entries of both families, without whether a bridge has a port that is up.
host_table() {
    { on_host route; on_host -6 route | grep -v -e '^fe80' -e '^ff00'; } | sed 's/ linkdown//'
    on_host neigh show proxy
    # Listed once more in the answer about IPv4.
    on_host -6 neigh show proxy | sort -u
}

# A link a line: its kind and settings, without what is random or counts. Of the host's end of a pair also what its
# bridge is.
link_details() { # LINK
    on_host -d link show "$1" 2>/dev/null | sed 's/^[0-9]*: //; s/@[^:]*:/:/; s/link-netns.*//; s/ether [0-9a-f:]* /ether MAC /' |
        grep -o -e '^[^:]*: <[^>]*> mtu [0-9]*' -e 'master [^ ]*' -e 'numtxqueues [0-9]*' -e 'numrxqueues [0-9]*'
}

# What is inside, without what the kernel may not have done yet, and the scope of a route without a gateway.
inside_table() { # TOOL NAME
    # shellcheck disable=SC2016 # expanded inside
    "$1" attach -n "$2" -- sh -c 'ip -o addr; ip route; ip -6 route
        for link in /sys/class/net/*; do echo "${link##*/} $(cat $link/mtu $link/addr_len $link/flags | xargs)"; done' |
        awk '/fe80::/ || /ff00::/ { next } /^default dev/ { sub(" scope link", "") } $3 ~ /^inet/ { print $2, $3, $4; next } { print }'
}

# The pair of links of the table. On a slow machine Debian's LXC does not give one back before its namespace is gone, and
# both are lost.
table_links() {
    local _
    for _ in $(seq 20); do
        ! on_host link show t-down >/dev/null 2>&1 || return 0
        sleep 0.1
    done
    on_host link add t-up type veth peer name t-down
    on_host addr add 10.198.9.1/24 dev t-up
    on_host addr add fd79::1/64 dev t-up nodad
    on_host link set t-up up
    on_host link set t-down up
}

# A container with one link as ours and as Debian's.
as_debians() { # TYPE LINE...: lines without lxc.net.0.
    local which line lines=("lxc.net.0.type = $1")
    for line in "${@:2}"; do lines+=("${line:+lxc.net.0.$line}"); done
    [ "$1" != veth ] || lines+=('lxc.net.0.veth.pair = t-both')
    for which in debian_sys tool; do
        [ "$1" != phys ] || table_links
        container t-both "${lines[@]}"
        code 0 "$which" start -n t-both
        {
            # The kernel is told who has made a route.
            host_table | sed 's/ proto static//'
            link_details t-both
            inside_table "$which" t-both
        } >"$RUN/$which" 2>&1
        code 0 "$which" stop -k -n t-both
        # LXC leaves them.
        on_host neigh flush proxy dev t-up 2>/dev/null
        rm -rf "${LXC:?}/t-both"
    done
    same "with '$*'" "$(cat "$RUN/debian_sys")" "$(cat "$RUN/tool")"
    grep -q '127.0.0.1' "$RUN/tool" || [ "$ok" = no ] || grep -q '^lo ' "$RUN/tool" || fail "with '$*': nothing inside"
}

test_links_table_of_keys() {
    [ -x /usr/bin/lxc-start ] || { skipped="Debian's LXC is not installed"; return; }
    local line address='ipv4.address = 10.198.9.5/24'
    table_links
    ip -n "$NETNS" addr add fd77::1/64 dev $BRIDGE nodad
    # A pair.
    as_debians veth
    for line in '' 'flags = up' 'flags = whatever' 'mtu = 1400' 'hwaddr = 02:00:00:00:00:01' 'name = lan0' \
        'ipv4.address = 10.198.7.5' 'ipv4.address = 10.198.7.5/32' 'ipv4.address = 10.198.7.5/31' \
        'ipv4.address = 10.198.7.5/24 10.198.7.255' 'ipv6.address = fd77::5' 'ipv6.address = fd77::5/128' \
        'veth.n_rxqueues = 2' 'veth.ipv4.route = 192.0.2.0/24' 'veth.ipv6.route = fd99::/64'; do
        as_debians veth "link = $BRIDGE" "$line"
        [ -z "$line" ] || as_debians veth "link = $BRIDGE" 'flags = up' "$line"
    done
    for line in 10.198.7.1 192.0.2.1 auto dev; do
        as_debians veth "link = $BRIDGE" 'flags = up' 'ipv4.address = 10.198.7.5/24' "ipv4.gateway = $line"
    done
    for line in fd77::1 fd88::1 auto dev; do
        as_debians veth "link = $BRIDGE" 'flags = up' 'ipv6.address = fd77::5/64' "ipv6.gateway = $line"
    done
    as_debians veth "link = $BRIDGE" 'flags = up' 'ipv4.address = 10.198.7.5/24' 'ipv4.address = 10.198.7.6/24' \
        'ipv4.address = 192.0.2.5/28' 'ipv6.address = fd77::5/64' 'ipv6.address = fd78::5/64'
    # A link of the host, and one on it.
    for line in private vepa bridge passthru; do
        as_debians macvlan 'link = t-up' 'flags = up' "macvlan.mode = $line" "$address" 'ipv4.gateway = auto'
    done
    as_debians macvlan 'link = t-up' 'mtu = 1400' 'hwaddr = 02:00:00:00:00:01' 'name = lan0'
    as_debians phys 'link = t-down' 'flags = up' 'ipv4.address = 10.198.9.5/24' 'mtu = 1300'
    as_debians phys 'link = t-down' 'name = lan0'
    table_links
    if has_kind ipvlan; then
        for line in 'ipvlan.mode = l2' 'ipvlan.mode = l3' 'ipvlan.mode = l3s'; do
            as_debians ipvlan 'link = t-up' 'flags = up' "$line" "$address" 'ipv4.gateway = dev'
        done
        as_debians ipvlan 'link = t-up' 'flags = up' 'ipvlan.mode = l3' 'ipvlan.isolation = private' "$address" 'ipv4.gateway = dev'
    fi
    ! has_kind vlan id 9 || as_debians vlan 'link = t-up' 'flags = up' 'vlan.id = 9' "$address"
    as_debians empty 'flags = up'
    on_host addr del fd77::1/64 dev $BRIDGE
    on_host link del t-up
}
