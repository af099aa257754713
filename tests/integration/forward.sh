# Ports of the host that lead to containers: in the run's own network namespace, with further ones as clients.

in_netns() { # NAMESPACE COMMAND...: as a client
    local namespace=$1
    shift
    nsenter --net="/run/netns/$namespace" "$@"
}

# A host beside ours, in a network of its own: 192.0.2.9 and 2001:db8::9; we are .1 and ::1 there.
outside_of_host() {
    ip netns add "$NETNS-out"
    ip -n "$NETNS" link add t-ext type veth peer name eth0 netns "$NETNS-out"
    ip -n "$NETNS" addr add 192.0.2.1/24 dev t-ext
    ip -n "$NETNS" addr add 2001:db8::1/64 dev t-ext nodad
    ip -n "$NETNS" link set t-ext up
    ip -n "$NETNS" addr add fd79::1/64 dev $BRIDGE nodad
    ip -n "$NETNS-out" addr add 192.0.2.9/24 dev eth0
    ip -n "$NETNS-out" addr add 2001:db8::9/64 dev eth0 nodad
    ip -n "$NETNS-out" link set eth0 up
    in_netns "$NETNS" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}

no_outside() {
    in_netns "$NETNS" sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
    ip -n "$NETNS" link del t-ext
    ip -n "$NETNS" addr del fd79::1/64 dev $BRIDGE
    ip netns del "$NETNS-out"
}

forwarding() { # NAME HOST-PART CONFIG-LINE...: a container with a fixed address
    local name=$1 host=$2
    shift 2
    container "$name" 'lxc.net.0.type = veth' "lxc.net.0.link = $BRIDGE" 'lxc.net.0.flags = up' \
        "lxc.net.0.ipv4.address = 10.198.7.$host/24" 'lxc.net.0.ipv4.gateway = 10.198.7.1' \
        "lxc.net.0.ipv6.address = fd79::$host/64" 'lxc.net.0.ipv6.gateway = fd79::1' "$@"
}

# In a network namespace: says to each who connects which address it has there.
answering() { # NAMESPACE-FILE WORD...
    local namespace=$1
    shift
    rm -f "$RUN/answering"
    # No function: its pid would be that of a shell.
    nsenter --net="$namespace" python3 tests/integration/forward.py "$@" >"$RUN/answering" 2>&1 &
    answering=$!
    for _ in $(seq 100); do
        ! grep -qs ready "$RUN/answering" || return
        sleep 0.05
    done
    fail "nobody answers: $(cat "$RUN/answering")"
}

no_answering() {
    kill $answering
    wait $answering 2>/dev/null
}

network_of() { echo "/proc/$(tool info -n "$1" -pH)/ns/net"; } # NAME

elements() { # how many ports lead somewhere
    local table
    table=$(in_netns "$NETNS" nft -j list table inet lxc_forward 2>/dev/null) || { echo none; return; }
    jq '[.nftables[].map | select(.) | .elem // [] | length] | add // 0' <<<"$table"
}

test_forward_keeps_the_source_address_of_both_families() {
    outside_of_host
    forwarding t-fwd 5 'lxc.net.0.forward = 8080->80' 'lxc.net.0.forward = udp:8080-8081->81-82' \
        'lxc.net.0.forward = tcp:192.0.2.1:9000->82'
    code 0 tool start -n t-fwd
    answering "$(network_of t-fwd)" serve 80 81 82
    same 'from outside' '192.0.2.9 2001:db8::9 192.0.2.9 2001:db8::9 192.0.2.9' \
        "$(in_netns "$NETNS-out" python3 tests/integration/forward.py ask tcp:192.0.2.1:8080 tcp:2001:db8::1:8080 \
            udp:192.0.2.1:8080 udp:2001:db8::1:8081 tcp:192.0.2.1:9000 | xargs)"
    same 'a thousand from outside' '1000 192.0.2.9' \
        "$(in_netns "$NETNS-out" python3 tests/integration/forward.py many 1000 192.0.2.1 8080)"
    same 'from the host' '192.0.2.1 2001:db8::1 10.198.7.1 10.198.7.1 10.198.7.1' \
        "$(in_netns "$NETNS" python3 tests/integration/forward.py ask tcp:192.0.2.1:8080 tcp:2001:db8::1:8080 \
            tcp:10.198.7.1:8080 tcp:127.0.0.1:8080 udp:127.0.0.1:8081 | xargs)"
    same 'at the other addresses' 'refused refused refused' \
        "$(in_netns "$NETNS" python3 tests/integration/forward.py ask tcp:10.198.7.1:9000 tcp:127.0.0.1:9000 \
            tcp:::1:8080 | xargs)"
    same 'shown' "$(printf 'Forward:        %s\n' 'tcp:192.0.2.1:9000->10.198.7.5:82' 'tcp:8080->10.198.7.5:80' \
        'tcp:8080->[fd79::5]:80' 'udp:8080-8081->10.198.7.5:81-82' 'udp:8080-8081->[fd79::5]:81-82' | sort)" \
        "$(tool info -n t-fwd | grep ^Forward | sort)"
    same 'in the table' 't-fwd tcp:8080->10.198.7.5:80' \
        "$(tool ls -f -F name,forwards | sed -n 's/^\(t-fwd\) *\(tcp:8080[^,]*\),.*/\1 \2/p')"
    no_answering
    code 0 tool stop -k -n t-fwd
    same 'after the stop' none "$(elements)"
    same 'the sysctl' 0 "$(in_netns "$NETNS" cat /proc/sys/net/ipv4/conf/$BRIDGE/route_localnet)"
    no_outside
}

# A container that reaches itself and another one by the host's address, with and without bridged packets in the
# packet filter.
test_forward_within_the_bridge() {
    local mode modes=(0)
    outside_of_host
    [ ! -e /proc/sys/net/bridge/bridge-nf-call-iptables ] || modes=(0 1)
    for mode in "${modes[@]}"; do
        [ ${#modes[@]} -eq 1 ] || in_netns "$NETNS" sysctl -qw net.bridge.bridge-nf-call-iptables="$mode" \
            net.bridge.bridge-nf-call-ip6tables="$mode"
        forwarding t-fwd 5 'lxc.net.0.forward = 8080->80'
        forwarding t-fwd2 6
        code 0 tool start -n t-fwd
        code 0 tool start -n t-fwd2
        answering "$(network_of t-fwd)" serve 80 81 82
        for one in t-fwd t-fwd2; do
            same "$one, $mode" '10.198.7.1 10.198.7.1 fd79::1' \
                "$(nsenter --net="$(network_of $one)" python3 tests/integration/forward.py ask \
                    tcp:192.0.2.1:8080 tcp:10.198.7.1:8080 tcp:fd79::1:8080 | xargs)"
        done
        kill $answering
        wait $answering 2>/dev/null
        code 0 tool stop -k -n t-fwd
        code 0 tool stop -k -n t-fwd2
        rm -rf "${LXC:?}"/t-fwd*
    done
    no_outside
}

test_forward_loopback_is_not_reached_from_the_bridge() {
    forwarding t-fwd 5 'lxc.net.0.forward = 8080->80'
    code 0 tool start -n t-fwd
    nsenter --net="$(network_of t-fwd)" ip route del table local local 127.0.0.0/8 dev lo
    nsenter --net="$(network_of t-fwd)" ip route add 127.0.0.0/8 via 10.198.7.1
    nsenter --net="$(network_of t-fwd)" sysctl -qw net.ipv4.conf.eth0.route_localnet=1
    answering "/run/netns/$NETNS" serve-on 127.0.0.9 7000
    same 'the bridge has the sysctl' 1 "$(in_netns "$NETNS" cat /proc/sys/net/ipv4/conf/$BRIDGE/route_localnet)"
    same 'the host itself' 127.0.0.1 "$(in_netns "$NETNS" python3 tests/integration/forward.py ask tcp:127.0.0.9:7000)"
    same 'the container' silent \
        "$(nsenter --net="$(network_of t-fwd)" python3 tests/integration/forward.py ask tcp:127.0.0.9:7000)"
    # So the test would notice.
    in_netns "$NETNS" nft flush chain inet lxc_forward loopback
    same 'the container, without the rule' 10.198.7.5 \
        "$(nsenter --net="$(network_of t-fwd)" python3 tests/integration/forward.py ask tcp:127.0.0.9:7000)"
    no_answering
    code 0 tool stop -k -n t-fwd
}

test_forward_refuses_a_busy_port_with_its_holder() {
    local line
    forwarding t-fwd 5 'lxc.net.0.forward = 8080->80'
    forwarding t-fwd2 6 'lxc.net.0.forward = 127.0.0.1:8080->80'
    code 0 tool start -n t-fwd
    code 1 tool start -n t-fwd2
    says "tcp port 8080 of the host leads to the container $LXC/t-fwd already"
    says 'lxc.net.0.forward = 127.0.0.1:8080->80'
    code 2 tool check t-fwd2
    grep -q "leads to the container $LXC/t-fwd already" "$RUN/out" || fail "check: $(cat "$RUN/out")"
    code 0 tool check t-fwd
    sed -i 's/127.0.0.1:8080/8081/' "$LXC/t-fwd2/config"
    answering "/run/netns/$NETNS" serve-on 0.0.0.0 8081
    code 1 tool start -n t-fwd2
    says "python3 (process $answering) listens on tcp port 8081 of the host at 0.0.0.0"
    no_answering
    code 0 tool start -n t-fwd2
    code 0 tool stop -k -n t-fwd2
    echo 'lxc.net.0.forward = 8085->85' >>"$LXC/t-fwd2/config"
    echo 'lxc.net.0.forward = 8080-8090->80-90' >>"$LXC/t-fwd2/config"
    line=$(grep -n '8081->80' "$LXC/t-fwd2/config" | cut -d : -f 1)
    code 1 tool start -n t-fwd2
    says 'tcp port 8081 of the host is forwarded twice'
    says "the first line is $LXC/t-fwd2/config:$line"
    sed -i '/lxc.net.0.forward/d; /ipv6/d' "$LXC/t-fwd2/config"
    echo 'lxc.net.0.forward = [::]:8085->85' >>"$LXC/t-fwd2/config"
    code 1 tool start -n t-fwd2
    says 'lxc.net.0.forward needs an address of the container on that link'
    says 'lxc.net.0.ipv6.address = '
    same 'what is forwarded' 2 "$(elements)"
    code 0 tool stop -k -n t-fwd
    same 'at the end' none "$(elements)"
}

test_forward_is_swept_after_a_killed_monitor() {
    local one
    forwarding t-fwd 5 'lxc.net.0.forward = 8080->80'
    forwarding t-fwd2 6 'lxc.net.0.forward = 8080->80'
    for one in t-fwd t-fwd2; do
        code 0 tool start -n t-fwd
        code 0 tool forward t-fwd 127.0.0.1:9000:90
        same "before, then $one" 3 "$(elements)"
        kill -9 "$(pgrep -f "^\[lxc monitor\] $LXC t-fwd\$")"
        code 0 tool wait -n t-fwd -s STOPPED -t 20
        sleep 0.2
        same "left, then $one" 3 "$(elements)"
        # The same one without its line, or another one with its port.
        sed -i '/forward/d' "$LXC/t-fwd/config"
        code 0 tool start -n $one
        same "after the start of $one" "$([ $one = t-fwd ] && echo none || echo 2)" "$(elements)"
        code 0 tool stop -k -n $one
        same "after its stop" none "$(elements)"
        echo 'lxc.net.0.forward = 8080->80' >>"$LXC/t-fwd/config"
    done
    # What else the killed monitor left.
    code 0 tool destroy -n t-fwd
}

test_forward_while_it_runs() {
    forwarding t-fwd 5
    code 1 tool forward t-fwd 8080:80
    says 'not running'
    code 0 tool start -n t-fwd
    code 0 tool forward t-fwd 8080:80 udp:53-54:1053-1054
    answering "$(network_of t-fwd)" serve 80 81 82
    same 'it leads there' 10.198.7.1 "$(in_netns "$NETNS" python3 tests/integration/forward.py ask tcp:127.0.0.1:8080)"
    code 1 tool forward t-fwd 8081:81 8080:81
    says 'tcp port 8080 of the host leads to this container already'
    same 'listed' 'NAME FORWARD t-fwd tcp:8080->10.198.7.5:80 t-fwd tcp:8080->[fd79::5]:80 t-fwd udp:53-54->10.198.7.5:1053-1054 t-fwd udp:53-54->[fd79::5]:1053-1054' \
        "$(tool forward | xargs)"
    same 'as JSON' "$LXC t-fwd udp 0.0.0.0 53 10.198.7.5 1053 2" \
        "$(tool forward t-fwd --format json |
            jq -r '.[] | select(.protocol == "udp" and .address == "0.0.0.0") | "\(.lxcpath) \(.name) \(.protocol) \(.address) \(.port) \(.to_address) \(.to_port) \(.count)"')"
    same 'in lxc-info' 4 "$(tool info -n t-fwd --format json | jq '.forwards | length')"
    code 0 tool forward t-fwd --delete udp:53:1053 --delete '8080->80'
    same 'some are no more' 'udp:54->10.198.7.5:1054 udp:54->[fd79::5]:1054' \
        "$(tool forward t-fwd | sed -n 's/^t-fwd *//p' | xargs)"
    code 1 tool forward t-fwd --delete 8080:80
    says 'tcp:8080->80 is not forwarded to t-fwd'
    code 1 tool forward t-fwd 8080
    says 'names no ports'
    no_answering
    code 0 tool stop -k -n t-fwd
    same 'at the end' none "$(elements)"
}

# The numbers of links may have gaps.
test_forward_to_a_link_of_any_number() {
    container t-fwd 'lxc.net.1.type = empty' 'lxc.net.7.type = veth' 'lxc.net.7.name = eth0' "lxc.net.7.link = $BRIDGE" \
        'lxc.net.7.flags = up' 'lxc.net.7.ipv4.address = 10.198.7.5/24'
    code 0 tool start -n t-fwd
    code 0 tool forward t-fwd 8080:80
    same 'it leads there' 'tcp:8080->10.198.7.5:80' "$(tool forward t-fwd | sed -n 's/^t-fwd *//p' | xargs)"
    code 0 tool stop -k -n t-fwd
    same 'at the end' none "$(elements)"
}

keeps() { # PROTO WORD...: in two seconds at most, the last answers, one of them
    local got word
    for _ in $(seq 40); do
        got=$(cat "$RUN/keep-$1" 2>/dev/null)
        for word in "${@:2}"; do [ "$got" != "$word" ] || return 0; done
        sleep 0.05
    done
    fail "$1 keeps getting '$got' instead of '${*:2}'"
}

# The kernel asks once for a connection where a port leads; a client of UDP may keep one up for ever.
test_forward_leads_connections_no_longer_than_it_lasts() {
    local proto keeping=()
    outside_of_host
    forwarding t-fwd 5 'lxc.net.0.forward = udp:8080->80' 'lxc.net.0.forward = tcp:8080->80'
    forwarding t-fwd2 6 'lxc.net.0.forward = udp:8080->80'
    code 0 tool start -n t-fwd
    answering "$(network_of t-fwd)" say one 80 81
    for proto in tcp udp; do
        # No function: its pid would be that of a shell.
        nsenter --net="/run/netns/$NETNS-out" python3 tests/integration/forward.py keep "$RUN/keep-$proto" $proto:192.0.2.1:8080 &
        keeping+=($!)
    done
    sleep 0.5
    keeps tcp one
    keeps udp one
    # Another port, and a connection past the host, are left alone.
    code 0 tool forward t-fwd 8081:81
    nsenter --net="/run/netns/$NETNS" python3 tests/integration/forward.py keep "$RUN/keep-past" tcp:10.198.7.5:81 &
    keeping+=($!)
    code 0 tool forward t-fwd --delete tcp:8080:80
    keeps tcp reset
    code 0 tool forward t-fwd --delete 8081:81
    sleep 0.5
    keeps past one
    keeps udp one
    code 0 tool stop -k -n t-fwd
    no_answering
    keeps udp refused silent
    # It never paused.
    code 0 tool start -n t-fwd2
    answering "$(network_of t-fwd2)" say two 80
    keeps udp two
    no_answering
    kill "${keeping[@]}" 2>/dev/null
    wait "${keeping[@]}" 2>/dev/null
    code 0 tool stop -k -n t-fwd2
    no_outside
}

leads() { # WHERE: in two seconds at most, where port 8080 of the host leads
    local got
    for _ in $(seq 40); do
        got=$(tool forward t-fwd | sed -n 's/^t-fwd *//p' | xargs)
        [ "$got" != "$1" ] || return 0
        sleep 0.05
    done
    fail "it leads to '$got' instead of '$1'"
}

# As DHCP gives addresses: while it runs.
test_forward_follows_the_address_in_the_network_of_the_bridge() {
    local network
    container t-fwd 'lxc.net.0.type = veth' "lxc.net.0.link = $BRIDGE" 'lxc.net.0.flags = up' \
        'lxc.net.0.forward = 8080->80'
    code 0 tool start -n t-fwd
    network=$(network_of t-fwd)
    same 'without an address' none "$(elements)"
    # Anybody's.
    nsenter --net="$network" ip addr add 192.0.2.77/24 dev eth0
    nsenter --net="$network" ip addr add 10.198.7.5/24 dev eth0
    leads 'tcp:8080->10.198.7.5:80'
    answering "$network" serve 80
    same 'it answers' 10.198.7.1 "$(in_netns "$NETNS" python3 tests/integration/forward.py ask tcp:127.0.0.1:8080)"
    no_answering
    # The host's own.
    nsenter --net="$network" ip addr del 10.198.7.5/24 dev eth0
    nsenter --net="$network" ip addr add 10.198.7.1/24 dev eth0
    leads ''
    nsenter --net="$network" ip addr del 10.198.7.1/24 dev eth0
    nsenter --net="$network" ip addr add 10.198.7.6/24 dev eth0
    leads 'tcp:8080->10.198.7.6:80'
    code 0 tool stop -k -n t-fwd
    same 'at the end' none "$(elements)"
}

# What was made by command outlives a reboot: the monitor stays.
test_forward_outlives_a_reboot() {
    local wanted
    outside_of_host
    forwarding t-fwd 5 'lxc.net.0.forward = 8079->79'
    code 0 tool start -n t-fwd
    code 0 tool forward t-fwd 8080:80 udp:127.0.0.1:53:53 8090:90
    code 0 tool forward t-fwd --delete 8090:90
    wanted='tcp:8079-8080->10.198.7.5:79-80 tcp:8079-8080->[fd79::5]:79-80 udp:127.0.0.1:53->10.198.7.5:53'
    same 'before' "$wanted" "$(tool forward t-fwd | sed -n 's/^t-fwd *//p' | xargs)"
    for _ in 1 2; do
        code 0 tool stop -r -n t-fwd
        same 'after a reboot' "$wanted" "$(tool forward t-fwd | sed -n 's/^t-fwd *//p' | xargs)"
    done
    answering "$(network_of t-fwd)" serve 80
    same 'it answers' '192.0.2.9' "$(in_netns "$NETNS-out" python3 tests/integration/forward.py ask tcp:192.0.2.1:8080)"
    no_answering
    # Somebody listens there meanwhile: the container runs all the same.
    answering "/run/netns/$NETNS" serve-on 0.0.0.0 8080
    code 0 tool stop -r -n t-fwd
    same 'what is left' 'tcp:8079->10.198.7.5:79 tcp:8079-8080->[fd79::5]:79-80 udp:127.0.0.1:53->10.198.7.5:53' \
        "$(tool forward t-fwd | sed -n 's/^t-fwd *//p' | xargs)"
    no_answering
    # A stop ends them.
    code 0 tool stop -k -n t-fwd
    same 'after the stop' none "$(elements)"
    code 0 tool start -n t-fwd
    same 'at the next start' 2 "$(elements)"
    code 0 tool stop -k -n t-fwd
    no_outside
}

test_forward_outlives_a_reboot_without_a_fixed_address() {
    container t-fwd 'lxc.net.0.type = veth' "lxc.net.0.link = $BRIDGE" 'lxc.net.0.flags = up'
    code 0 tool start -n t-fwd
    nsenter --net="$(network_of t-fwd)" ip addr add 10.198.7.5/24 dev eth0
    code 0 tool forward t-fwd 8080:80 8090:90
    for _ in 1 2; do
        code 0 tool stop -r -n t-fwd
        same 'without an address' none "$(elements)"
    done
    nsenter --net="$(network_of t-fwd)" ip addr add 10.198.7.6/24 dev eth0
    leads 'tcp:8080->10.198.7.6:80 tcp:8090->10.198.7.6:90'
    # What is removed stays removed, whatever the address becomes.
    code 0 tool forward t-fwd --delete 8090:90
    sleep 1
    nsenter --net="$(network_of t-fwd)" ip addr del 10.198.7.6/24 dev eth0
    nsenter --net="$(network_of t-fwd)" ip addr add 10.198.7.7/24 dev eth0
    leads 'tcp:8080->10.198.7.7:80'
    code 0 tool stop -k -n t-fwd
    same 'at the end' none "$(elements)"
}
