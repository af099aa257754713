# What holds for a link at the host's end of it: limits, isolation on its bridge, the filter of forged senders.

host_end() { # VERB ARG...: host_end.py in the run's namespace
    timeout 60 nsenter --net="/run/netns/$NETNS" python3 tests/integration/host_end.py "$@"
}

# Everything of the run's namespace that a container could leave there.
host_end_state() {
    on_host -br link | sed 's/[@ ].*//' | sort
    nsenter --net="/run/netns/$NETNS" tc qdisc show | sort
    nsenter --net="/run/netns/$NETNS" nft list ruleset
}

end_container() { # NAME NUMBER [LINE...]: 10.198.7.NUMBER and fd77::NUMBER on the run's bridge
    local name=$1 number=$2
    shift 2
    container "$name" "$(link_lines 0 "ipv4.address = 10.198.7.$number/24" "ipv6.address = fd77::$number/64" \
        "hwaddr = 02:00:00:00:00:$number" "$@")"
}

within() { # WHAT WANTED GOT PERCENT
    [ -n "$3" ] && close_to "$@"
}

test_host_end_limits_hold_in_both_directions() {
    local before pid address
    before=$(host_end_state)
    on_host addr add fd77::1/64 dev $BRIDGE nodad
    end_container t-limit 21 'limit.ingress = 8Mbit' 'limit.egress = 8000 kbit'
    code 0 tool start -n t-limit
    pid=$(tool info -n t-limit -pH)
    for address in '10.198.7.1 10.198.7.21' 'fd77::1 fd77::21'; do
        # shellcheck disable=SC2086
        within "in, $address" 8000000 "$(host_end rate "$pid" in $address)" 15
        # shellcheck disable=SC2086
        within "out, $address" 8000000 "$(host_end rate "$pid" out $address)" 15
    done
    same 'as they are read' '8Mbit' "$(tool info -n t-limit -c lxc.net.0.limit.egress -H)"
    code 0 tool stop -k -n t-limit
    on_host addr del fd77::1/64 dev $BRIDGE
    nothing_left
    same 'after the stop' "$before" "$(host_end_state)"
}

test_host_end_isolated_links_reach_the_host_alone() {
    local one
    on_host addr add fd77::1/64 dev $BRIDGE nodad
    for one in 21 22; do end_container t-apart$one $one 'isolated = 1'; done
    end_container t-apart23 23
    for one in 21 22 23; do code 0 tool start -n t-apart$one; done
    same 'each other' 'no no' "$(reaches t-apart21 10.198.7.22) $(reaches t-apart21 fd77::22)"
    same 'the host' 'yes yes' "$(reaches t-apart21 10.198.7.1) $(reaches t-apart22 fd77::1)"
    same 'one that is not isolated' 'yes yes' "$(reaches t-apart21 10.198.7.23) $(reaches t-apart23 fd77::22)"
    for one in 21 22 23; do code 0 tool stop -k -n t-apart$one; done
    on_host addr del fd77::1/64 dev $BRIDGE
}

# Frames that root makes inside, and those of them that arrive.
test_host_end_filter_drops_forged_senders() {
    local before pid words wanted all
    before=$(host_end_state)
    declare -A wanted=(
        [mac]='ipv4 ipv4-other ipv4-none arp arp-other arp-strange ipv6 ipv6-local ipv6-other ipv6-none nd-advert nd-advert-other nd-advert-from-other nd-solicit nd-probe nd-probe-other nd-router nd-redirect nd-advert-behind-options nd-advert-fragment tagged tagged-other tagged-arp-other tagged-ipv6-other service-tagged-other tagged-twice-other unknown'
        [ipv4]='ipv4 arp arp-other-mac mac-other ipv6 ipv6-local ipv6-other ipv6-none nd-advert nd-advert-other nd-advert-from-other nd-solicit nd-probe nd-probe-other nd-router nd-redirect nd-advert-behind-options nd-advert-fragment'
        [ipv6]='ipv4 ipv4-other ipv4-none arp arp-other arp-other-mac arp-strange mac-other ipv6 ipv6-local nd-advert nd-solicit nd-probe'
        ['mac ipv4 ipv6']='ipv4 arp ipv6 ipv6-local nd-advert nd-solicit nd-probe'
    )
    for words in none mac ipv4 ipv6 'mac ipv4 ipv6'; do
        if [ "$words" = none ]; then
            end_container t-forge 21
        else
            end_container t-forge 21 "filter = $words"
        fi
        code 0 tool start -n t-forge
        pid=$(tool info -n t-forge -pH)
        all=$(host_end frames "$pid" $BRIDGE 02:00:00:00:00:21 10.198.7.21 fd77::21)
        if [ "$words" = none ]; then
            same 'without a filter' 30 "$(wc -w <<<"$all")"
        else
            same "$words" "${wanted[$words]}" "$all"
        fi
        code 0 tool stop -k -n t-forge
        nothing_left
        same "after the stop, $words" "$before" "$(host_end_state)"
        rm -rf "${LXC:?}/t-forge"
    done
}

# What root of the container can do with its own tools.
test_host_end_filter_holds_against_the_containers_root() {
    on_host addr add fd77::1/64 dev $BRIDGE nodad
    end_container t-forge 21 'filter = mac ipv4 ipv6'
    end_container t-other 22
    code 0 tool start -n t-forge
    code 0 tool start -n t-other
    in_forge() { nsenter -t "$(tool info -n t-forge -pH)" -n ip "$@"; }
    same 'as it is' 'yes yes yes yes' \
        "$(reaches t-forge 10.198.7.1) $(reaches t-forge fd77::1) $(reaches t-forge 10.198.7.22) $(reaches t-other fd77::21)"
    in_forge addr add 10.198.7.77/24 dev eth0
    in_forge addr add fd77::77/64 dev eth0 nodad
    same 'another address, to it' 'no no' "$(reaches t-other 10.198.7.77) $(reaches t-other fd77::77)"
    in_forge addr del 10.198.7.21/24 dev eth0
    in_forge addr del fd77::21/64 dev eth0
    # The kernel removes it with the first of its network.
    in_forge addr add 10.198.7.77/24 dev eth0
    same 'another address, from it' 'no no' "$(reaches t-forge 10.198.7.1) $(reaches t-forge fd77::1)"
    in_forge addr del 10.198.7.77/24 dev eth0
    in_forge addr add 10.198.7.21/24 dev eth0
    same 'its own again' yes "$(reaches t-forge 10.198.7.1)"
    in_forge link set eth0 address 02:00:00:00:00:99
    same 'another hardware address' no "$(reaches t-forge 10.198.7.1)"
    same 'no rules inside' '' "$(nsenter -t "$(tool info -n t-forge -pH)" -n nft list ruleset)"
    code 0 tool stop -k -n t-forge
    code 0 tool stop -k -n t-other
    on_host addr del fd77::1/64 dev $BRIDGE
}

# One without a configured hardware address is held to the one that it got.
test_host_end_filter_without_a_configured_hardware_address() {
    container t-forge "$(link_lines 0 'ipv4.address = 10.198.7.21/24' 'filter = mac')"
    code 0 tool start -n t-forge
    same 'as it is' yes "$(reaches t-forge 10.198.7.1)"
    nsenter -t "$(tool info -n t-forge -pH)" -n ip link set eth0 address 02:00:00:00:00:99
    same 'another' no "$(reaches t-forge 10.198.7.1)"
    code 0 tool stop -k -n t-forge
}

test_host_end_leaves_nothing_after_a_killed_monitor() {
    local before
    before=$(host_end_state)
    end_container t-killed 21 'filter = mac ipv4 ipv6' 'limit.ingress = 8Mbit' 'limit.egress = 8Mbit' 'isolated = 1'
    code 0 tool start -n t-killed
    kill -9 "$(pgrep -f "^\[lxc monitor\] $LXC t-killed\$")"
    code 0 tool wait -n t-killed -s STOPPED -t 20
    code 0 tool start -n t-killed
    same 'tables of two lives' 1 "$(nsenter --net="/run/netns/$NETNS" nft list tables | grep -c "lxc-t-killed-0")"
    # The filter goes also where the line is gone meanwhile.
    kill -9 "$(pgrep -f "^\[lxc monitor\] $LXC t-killed\$")"
    code 0 tool wait -n t-killed -s STOPPED -t 20
    sed -i '/filter/d' "$LXC/t-killed/config"
    code 0 tool start -n t-killed
    code 0 tool stop -k -n t-killed
    nothing_left
    same 'in the end' "$before" "$(host_end_state)"
    # A start that fails after the link is there.
    end_container t-failed 21 'filter = mac ipv4 ipv6' 'limit.ingress = 8Mbit' 'script.up = /bin/false'
    code 1 tool start -n t-failed
    nothing_left
    same 'after a start that failed' "$before" "$(host_end_state)"
}

test_host_end_refuses_what_cannot_be() {
    local kind setting
    on_host link add t-up type veth peer name t-down
    for kind in macvlan vlan phys; do
        for setting in 'limit.ingress = 8Mbit' 'limit.egress = 8Mbit' 'isolated = 1' 'filter = mac'; do
            refused_links "of type $kind has no end on the host" "^[0-9]* | lxc.net.0.$setting" \
                "$(printf 'lxc.net.0.type = %s\nlxc.net.0.link = t-up\nlxc.net.0.vlan.id = 5\nlxc.net.0.%s\n' $kind "$setting" |
                    if [ $kind = vlan ]; then cat; else grep -v vlan.id; fi)"
        done
    done
    on_host link del t-up
    refused_links 'filter = ipv4: link 0 has no fixed ipv4 address' 'lxc.net.0.filter = mac ipv4' \
        "$(link_lines 0 'filter = mac ipv4')"
    refused_links 'filter = ipv6: link 0 has no fixed ipv6 address' 'lxc.net.0.filter = ipv6' \
        "$(link_lines 0 'filter = ipv6' 'ipv4.address = 10.198.7.5/24')"
    refused_links 'isolated: link 0 is not on a bridge' 'lxc.net.0.isolated = 1' \
        "$(printf 'lxc.net.0.type = veth\nlxc.net.0.isolated = 1')"
    refused_links "veth.vlan.id: the bridge $BRIDGE tells no VLANs apart" 'lxc.net.0.veth.vlan.id = 5' \
        "$(link_lines 0 'veth.vlan.id = 5')"
    refused_links "veth.vlan.tagged.id: the bridge $BRIDGE tells no VLANs apart" 'lxc.net.0.veth.vlan.tagged.id = 5' \
        "$(link_lines 0 'veth.vlan.tagged.id = 5')"
    refused_links 'write bits per second: 800kbit, 8Mbit, 1Gbit' 'limit.egress = 8MB' \
        "$(link_lines 0 'limit.egress = 8MB')"
}

# The VLANs of a port as Debian's LXC sets them, and who reaches whom in them.
test_host_end_vlans_of_a_port() {
    local lines which words
    on_host link set $BRIDGE type bridge vlan_filtering 1 2>/dev/null || { skipped='this kernel has no vlan_filtering'; return; }
    for lines in 'veth.vlan.id = 10' 'veth.vlan.id = 1' 'veth.vlan.tagged.id = 20' \
        'veth.vlan.id = 10|veth.vlan.tagged.id = 20|veth.vlan.tagged.id = 30' 'veth.vlan.id = none|veth.vlan.tagged.id = 20'; do
        IFS='|' read -ra words <<<"veth.pair = t-port|$lines"
        for which in debian_sys tool; do
            [ $which = tool ] || [ -x /usr/bin/lxc-start ] || continue
            container t-vlan "$(link_lines 0 "${words[@]}")"
            code 0 $which start -n t-vlan
            nsenter --net="/run/netns/$NETNS" bridge vlan show dev t-port >"$RUN/$which"
            code 0 $which stop -k -n t-vlan
            rm -rf "${LXC:?}/t-vlan"
        done
        [ ! -x /usr/bin/lxc-start ] || same "with $lines" "$(cat "$RUN/debian_sys")" "$(cat "$RUN/tool")"
        grep -q t-port "$RUN/tool" || fail "with $lines: $(cat "$RUN/tool")"
    done
    for which in 21 22; do end_container t-vlan$which $which 'veth.vlan.id = 10'; done
    end_container t-vlan23 23 'veth.vlan.id = 20'
    for which in 21 22 23; do code 0 tool start -n t-vlan$which; done
    same 'in one VLAN' 'yes yes' "$(reaches t-vlan21 10.198.7.22) $(reaches t-vlan21 fd77::22)"
    same 'in another, and the host' 'no no' "$(reaches t-vlan21 10.198.7.23) $(reaches t-vlan21 10.198.7.1)"
    for which in 21 22 23; do code 0 tool stop -k -n t-vlan$which; done
    on_host link set $BRIDGE type bridge vlan_filtering 0
}
