# Bridges of Open vSwitch, whose daemons run in the run's network namespace, with switching of their own.

ovs() { OVS_RUNDIR=$RUN/ovs ip netns exec "$NETNS" ovs-vsctl --timeout=5 "$@"; }

ovs_start() {
    mkdir -p "$RUN/ovs"
    export OVS_RUNDIR=$RUN/ovs OVS_DBDIR=$RUN/ovs OVS_LOGDIR=$RUN/ovs
    ovsdb-tool create "$RUN/ovs/conf.db" /usr/share/openvswitch/vswitch.ovsschema
    ip netns exec "$NETNS" ovsdb-server "$RUN/ovs/conf.db" --remote="punix:$RUN/ovs/db.sock" --detach --no-chdir \
        --pidfile="$RUN/ovs/db.pid" --log-file="$RUN/ovs/log" 2>/dev/null
    ovs --no-wait init
    ip netns exec "$NETNS" ovs-vswitchd "unix:$RUN/ovs/db.sock" --detach --no-chdir \
        --pidfile="$RUN/ovs/switch.pid" --log-file="$RUN/ovs/log" 2>/dev/null
    ovs add-br t-ovs -- set bridge t-ovs datapath_type=netdev
    on_host addr add 10.198.11.1/24 dev t-ovs
    on_host link set t-ovs up
}

ovs_stop() {
    ovs --if-exists del-br t-ovs
    kill "$(cat "$RUN/ovs/switch.pid")" "$(cat "$RUN/ovs/db.pid")"
    for _ in $(seq 50); do on_host link show ovs-netdev >/dev/null 2>&1 || break; sleep 0.1; done
    on_host link del ovs-netdev 2>/dev/null
    unset OVS_RUNDIR OVS_DBDIR OVS_LOGDIR
    rm -rf "$RUN/ovs"
}

ports() { ovs list-ports t-ovs | xargs; }

test_ovs_bridges_have_ports() {
    command -v ovs-vswitchd >/dev/null || { skipped='Open vSwitch is not installed'; return; }
    [ -c /dev/net/tun ] || { skipped='there is no /dev/net/tun'; return; }
    local port one
    ovs_start
    for one in 2 3; do
        container t-port$one 'lxc.net.0.type = veth' 'lxc.net.0.link = t-ovs' 'lxc.net.0.flags = up' \
            "lxc.net.0.veth.pair = t-port$one" "lxc.net.0.ipv4.address = 10.198.11.$one/24"
        code 0 tool start -n t-port$one
    done
    same 'the ports' 't-port2 t-port3' "$(ports)"
    same 'host and each other' 'yes yes' "$(reaches t-port2 10.198.11.1) $(reaches t-port2 10.198.11.3)"
    code 0 tool stop -k -n t-port3
    same 'after a stop' t-port2 "$(ports)"
    # The database keeps the port of a killed monitor, until the next start.
    kill -9 "$(pgrep -f "^\[lxc monitor\] $LXC t-port2$")"
    sed -i '/veth.pair/d' "$LXC/t-port2/config"
    code 0 tool start -n t-port2
    same 'one port' 1 "$(ovs list-ports t-ovs | wc -l)"
    same 'and not the old one' '' "$(ovs list-ports t-ovs | grep t-port2)"
    code 0 tool stop -k -n t-port2
    for _ in $(seq 30); do [ -n "$(ports)" ] || break; sleep 0.1; done
    same 'none is left' '' "$(ports)"
    # In VLANs, as Debian's LXC puts them there.
    for one in tool debian_sys; do
        [ "$one" = tool ] || [ -x /usr/bin/lxc-start ] || continue
        for port in 'id = 42' 'tagged.id = 7' 'id = 42;tagged.id = 7;tagged.id = 8' 'id = none;tagged.id = 7'; do
            container t-vlan 'lxc.net.0.type = veth' 'lxc.net.0.link = t-ovs' 'lxc.net.0.veth.pair = t-vlan' \
                "lxc.net.0.veth.vlan.${port//;/$'\n'lxc.net.0.veth.vlan.}"
            code 0 "$one" start -n t-vlan
            echo "$port: $(ovs --bare --columns=vlan_mode,tag,trunks list port t-vlan | xargs)"
            code 0 "$one" stop -k -n t-vlan
            rm -rf "${LXC:?}/t-vlan"
        done >"$RUN/vlans.$one"
    done
    [ ! -e "$RUN/vlans.debian_sys" ] || same 'in VLANs' "$(cat "$RUN/vlans.debian_sys")" "$(cat "$RUN/vlans.tool")"
    same 'and has its tag' 'id = 42: access 42' "$(head -1 "$RUN/vlans.tool")"
    container t-vlan 'lxc.net.0.type = veth' 'lxc.net.0.link = t-ovs' 'lxc.net.0.veth.vlan.id = none'
    code 1 tool start -n t-vlan
    says 'cannot be in no VLAN at all'
    # Its database does not answer.
    kill -STOP "$(cat "$RUN/ovs/db.pid")"
    code 1 tool start -n t-port3
    says 'Open vSwitch refused a port'
    says '^[0-9]* | lxc.net.0.link = t-ovs'
    kill -CONT "$(cat "$RUN/ovs/db.pid")"
    ovs_stop
}
