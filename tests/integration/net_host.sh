# The host's side of lxc-net: the programs it runs, and hosts that lack something.

test_net_runs_the_programs_of_the_system() {
    local program
    mkdir -p "$RUN/fake"
    for program in nft dnsmasq; do
        # shellcheck disable=SC2016
        printf '#!/bin/sh\ntouch "$0.ran"\nexec /usr/sbin/%s "$@"\n' $program >"$RUN/fake/$program"
        chmod 755 "$RUN/fake/$program"
    done
    net_settings
    in_net sysctl -qw net.ipv4.ip_forward=0
    PATH=$RUN/fake:$PATH code 0 net start
    PATH=$RUN/fake:$PATH code 0 net status
    PATH=$RUN/fake:$PATH code 0 net stop
    same 'programs of the PATH of the caller that ran as root' '' "$(ls "$RUN/fake" | grep ran)"
    same left '' "$(net_left)"
    rm -f /var/lib/misc/dnsmasq.rstestnet.leases
}

ipv6_settings() {
    net_settings 'LXC_IPV6_ADDR=fd00:97::1' 'LXC_IPV6_MASK=64' 'LXC_IPV6_NETWORK=fd00:97::/64' 'LXC_IPV6_NAT=true' "$@"
}

# What the bridge has: addresses of IPv4 and IPv6, forwarding of IPv6, rules of IPv6.
bridge_has() {
    ip -n "$NETNS" -o addr show dev rstestnet scope global | awk '{ print $4 }' | xargs
    in_net cat /proc/sys/net/ipv6/conf/all/forwarding 2>/dev/null
    in_net nft list table inet lxc | grep -c 'ip6 saddr'
}

test_net_on_a_host_without_ipv6() {
    in_net sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
    ipv6_settings
    code 0 net start
    same 'with IPv6' '10.197.9.1/24 fd00:97::1/64 1 1' "$(bridge_has | xargs)"
    code 0 net stop
    same 'forwarding after the stop' 0 "$(in_net cat /proc/sys/net/ipv6/conf/all/forwarding)"
    # Turned off for all links.
    in_net sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
    code 0 net start
    says 'warning: no IPv6 on the bridge: net.ipv6.conf.default.disable_ipv6 is set'
    says 'LXC_IPV6_ADDR=fd00:97::1'
    says LXC_IPV6_ENABLE=false
    code 0 net status
    same 'with IPv6 turned off' '10.197.9.1/24 0 0' "$(bridge_has | xargs)"
    code 0 net stop
    ipv6_settings 'LXC_IPV6_ENABLE="false"'
    code 0 net start
    same 'said when it is not wanted' '' "$(cat "$RUN/err")"
    code 0 net stop
    in_net sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0
    code 0 net start
    same 'when it is not wanted' '10.197.9.1/24 0 0' "$(bridge_has | xargs)"
    code 0 net stop
    # A kernel without it has none of its files.
    ipv6_settings
    code 0 in_net unshare -m sh -c "mount -t tmpfs none /proc/sys/net/ipv6 && exec $BIN net --settings $RUN/net.conf --run-dir $RUN/run start"
    says 'warning: no IPv6 on the bridge: the kernel has no IPv6'
    same 'without IPv6' '10.197.9.1/24 0 0' "$(bridge_has | xargs)"
    code 0 net stop
    same left '' "$(net_left)"
    rm -f /var/lib/misc/dnsmasq.rstestnet.leases
}

test_net_tells_of_settings_that_mean_nothing() {
    in_net sysctl -qw net.ipv4.ip_forward=0
    net_settings 'LXC_IPV6_ENABEL=false' 'LXC_IPV6_ADDR=fd00:97::1'
    code 0 net start
    says 'warning: LXC_IPV6_ENABEL is not a setting of lxc-net'
    says 'net.conf:7'
    says 'did you mean LXC_IPV6_ENABLE?'
    says 'LXC_IPV6_NETWORK is not set'
    code 0 net stop
    # A link that is not a bridge is not used as one.
    ip -n "$NETNS" link add rstestnet type veth peer name rstestpeer
    code 1 net start
    says 'rstestnet is a link of another kind'
    same 'the link' 0 "$(ip -n "$NETNS" -br link show rstestpeer | grep -c ' UP ')"
    ip -n "$NETNS" link del rstestpeer
    same left '' "$(net_left)"
    rm -f /var/lib/misc/dnsmasq.rstestnet.leases
}

# A process that has a port of the network namespace, on all addresses, until it is ended.
hold_port() { # KIND PORT
    # shellcheck disable=SC2016
    nsenter --net="/run/netns/$NETNS" python3 -c '
import socket, sys, time
held = socket.socket(socket.AF_INET, getattr(socket, "SOCK_" + sys.argv[1]))
held.bind(("0.0.0.0", int(sys.argv[2])))
if sys.argv[1] == "STREAM": held.listen()
open(sys.argv[3], "w").close()
time.sleep(60)' "$1" "$2" "$RUN/held" &
    holder=$!
    until [ -e "$RUN/held" ]; do sleep 0.05; done
    rm "$RUN/held"
}

test_net_names_who_has_its_port() {
    local kind port holder
    in_net sysctl -qw net.ipv4.ip_forward=0
    net_settings
    for kind in 'DGRAM 53' 'STREAM 53' 'DGRAM 67'; do
        port=${kind#* }
        hold_port "${kind% *}" "$port"
        code 1 net start
        says "port $port is held by python3, process $holder"
        kill "$holder"
        wait "$holder" 2>/dev/null
        same left '' "$(net_left)"
    done
    rm -f /var/lib/misc/dnsmasq.rstestnet.leases
}

test_net_start_restores_what_is_gone() {
    in_net sysctl -qw net.ipv4.ip_forward=0
    net_settings
    code 0 net start
    in_net nft delete table inet lxc
    code 3 net status
    code 0 net start
    code 0 net status
    kill -9 "$(cat "$RUN/run/dnsmasq.pid")"
    until [ "$(net status --format json | jq .dnsmasq)" = null ]; do sleep 0.05; done
    code 0 net start
    code 0 net status
    ip -n "$NETNS" link del rstestnet
    code 0 net start
    code 0 net status
    in_net sysctl -qw net.ipv4.ip_forward=0
    code 0 net start
    code 0 net status
    code 1 net start
    says 'lxc-net is already running'
    # One that cannot be restored is taken away.
    in_net nft delete table inet lxc
    net_settings 'LXC_DHCP_CONFILE=/nonexistent'
    code 1 net start
    net_settings
    same left '' "$(net_left)"
    code 1 net stop
    says "lxc-net isn't running"
    rm -f /var/lib/misc/dnsmasq.rstestnet.leases
}

# Whoever may open a file or a directory can hold a lock of it.
test_net_waits_for_nobody_elses_lock() {
    in_net sysctl -qw net.ipv4.ip_forward=0
    net_settings
    code 0 net start
    code 0 net stop
    chmod 755 "$RUN" "$RUN/run"
    local holder
    setpriv --reuid=65534 --clear-groups flock -F "$RUN/run" sh -c 'exec sleep 20' &
    holder=$!
    while flock -n "$RUN/run" true; do sleep 0.05; done
    code 66 setpriv --reuid=65534 --clear-groups flock -n "$RUN/run/network.lock" true
    says 'Permission denied'
    code 0 net start
    code 0 net stop
    kill "$holder" || fail 'the lock of somebody else was gone'
    wait "$holder" 2>/dev/null
    same left '' "$(net_left)"
}

test_net_fifty_starts_and_stops_leave_nothing() {
    in_net sysctl -qw net.ipv4.ip_forward=0
    net_settings
    # shellcheck disable=SC2034
    for round in $(seq 50); do
        code 0 net start
        code 0 net stop
    done
    same left '' "$(net_left)"
    rm -f /var/lib/misc/dnsmasq.rstestnet.leases
}

# What another table drops ours cannot accept.
test_net_tells_of_rules_that_undo_its_own() {
    in_net sysctl -qw net.ipv4.ip_forward=0
    net_settings
    code 0 net start
    same 'said without any' '' "$(cat "$RUN/err")"
    code 0 net stop
    in_net nft -f - <<'RULES'
table ip filter {
  chain INPUT { type filter hook input priority filter; policy drop; }
  chain FORWARD { type filter hook forward priority filter; policy drop; }
}
RULES
    container t-wall 'lxc.net.0.type = veth' 'lxc.net.0.link = rstestnet' 'lxc.net.0.flags = up' 'lxc.net.0.ipv4.address = 10.197.9.5/24'
    code 0 net start
    says 'chain ip filter INPUT drops what it does not know: containers may get no address'
    says 'chain ip filter FORWARD drops what it does not know: containers may reach nobody'
    code 0 tool start -n t-wall
    code 1 tool attach -n t-wall -- ping -c 1 -W 1 10.197.9.1
    code 0 net restart
    sed -n "s/.*hint: nft '\(.*\)'$/\1/p" "$RUN/err" >"$RUN/hints"
    same 'rules that are proposed' 2 "$(wc -l <"$RUN/hints")"
    while read -r rules; do code 0 in_net nft "$rules"; done <"$RUN/hints"
    code 0 tool attach -n t-wall -- ping -c 1 -W 2 10.197.9.1
    code 0 net restart
    same 'said when they are there' '' "$(cat "$RUN/err")"
    code 0 tool stop -k -n t-wall
    code 0 net stop
    in_net nft delete table ip filter
    rm "$RUN/hints"
    same left '' "$(net_left)"
}

test_net_has_ipv6_of_its_own() {
    in_net sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
    net_settings LXC_IPV6_ENABLE=true
    code 0 net start
    local network
    network=$(ip -n "$NETNS" -o -6 addr show dev rstestnet scope global | awk '{ print $4 }')
    [[ $network = fd*::1/64 ]] || fail "the bridge's address: '$network'"
    in_net nft list table inet lxc | grep -q "ip6 saddr ${network%1/64}/64 .*masquerade" || fail 'not translated'
    # The kernel of the container is the client: address, route and name come by themselves.
    container t-six 'lxc.net.0.type = veth' 'lxc.net.0.link = rstestnet' 'lxc.net.0.flags = up'
    code 0 tool start -n t-six
    for _ in $(seq 80); do
        tool attach -n t-six -- ip -6 -o addr show dev eth0 | grep -qF "${network%:1/64}" && break
        sleep 0.1
    done
    tool attach -n t-six -- ip -6 -o addr show dev eth0 | grep -qF "${network%:1/64}" || fail 'no address'
    tool attach -n t-six -- ip -6 route show default | grep -q 'via fe80::' || fail 'no default route by router advertisement'
    code 0 tool attach -n t-six -- ping6 -c 1 -W 2 "${network%/64}"
    code 0 tool stop -k -n t-six
    code 0 net stop
    net_settings LXC_IPV6_ENABLE=true LXC_IPV6_NAT=false
    code 0 net start
    in_net nft list table inet lxc | grep -q 'ip6 saddr' && fail 'translated'
    code 0 net stop
    same left '' "$(net_left)"
}
