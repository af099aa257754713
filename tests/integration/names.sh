# Names of containers on the bridge of lxc-net.

# The tools see the run's lxc-net as the system's: in a mount namespace where its directory is that of the system.
names_world() {
    in_net sysctl -qw net.ipv4.ip_forward=0
    mkdir -p "$RUN/run" /run/lxc
    # shellcheck disable=SC2016
    unshare -m --propagation slave sh -c 'mount --bind "$1" /run/lxc && : >"$2" && exec sleep 300' sh "$RUN/run" "$RUN/world" &
    world=$!
    until [ -e "$RUN/world" ]; do sleep 0.02; done
    rm "$RUN/world"
}
in_world() { nsenter --mount="/proc/$world/ns/mnt" --net="/run/netns/$NETNS" "$@"; }
named() { # TOOL ARG...
    local tool=$1
    shift
    in_world timeout 120 "$BIN" "$tool" -P "$LXC" "$@"
}
world_net() { in_world "$BIN" net --settings "$RUN/net.conf" "$@"; } # with the system's directory
no_names_world() {
    kill "$world"
    wait "$world" 2>/dev/null
    rm -rf "$RUN/run/lock" "$RUN/run/rootfs"
    same left '' "$(net_left)"
    rm -f /var/lib/misc/dnsmasq.rstestnet.leases
}

# A container that asks for an address when it boots, and says that it is called somebody.
asking() { # NAME CONFIG-LINE...
    local name=$1
    shift
    container "$name" 'lxc.net.0.type = veth' 'lxc.net.0.link = rstestnet' 'lxc.net.0.flags = up' "$@"
    cat >"$LXC/$name/rootfs/bin/lease" <<'SCRIPT'
#!/bin/sh
[ "$1" = bound ] && ip addr add "$ip/$mask" dev eth0 && echo "nameserver $dns
search $domain" >/etc/resolv.conf
SCRIPT
    printf '#!/bin/sh\nudhcpc -q -n -f -t 20 -T 1 -A 1 -i eth0 -x hostname:somebody -s /bin/lease && : >/run/bound\n' >"$LXC/$name/rootfs/bin/ask"
    chmod 755 "$LXC/$name/rootfs/bin/lease" "$LXC/$name/rootfs/bin/ask"
    sed -i 's|^::sysinit:.*|::sysinit:/bin/ask|' "$LXC/$name/rootfs/etc/inittab"
}
bound() { # NAME: waits for its address
    for _ in $(seq 100); do
        [ ! -e "$LXC/$1/rootfs/run/bound" ] || { rm "$LXC/$1/rootfs/run/bound"; return; }
        sleep 0.1
    done
    fail "$1 gets no address"
}
address_of() { named info -n "$1" -iH | head -1; }
resolved() { # NAME [SERVER]: its addresses, IPv4 first
    in_net busybox nslookup "$1" "${2:-10.197.9.1}" 2>/dev/null |
        awk '/^Name:/ { answer = 1 } answer && /^Address/ { print $NF }' | LC_ALL=C sort | xargs
}
is_named() { # NAME ADDRESS: waits until dnsmasq says so
    for _ in $(seq 40); do
        [ "$(resolved "$1")" != "$2" ] || return
        sleep 0.05
    done
    same "addresses of $1" "$2" "$(resolved "$1")"
}

no_leases() { # dnsmasq hears it a moment after the stop
    for _ in $(seq 40); do
        # It keeps its own identifier for DHCPv6.
        grep -qsv '^duid ' /var/lib/misc/dnsmasq.rstestnet.leases || return
        sleep 0.05
    done
    fail "leases that are left: $(cat /var/lib/misc/dnsmasq.rstestnet.leases)"
}

test_names_of_fixed_addresses() {
    names_world
    ipv6_settings
    code 0 net start
    asking t-fixed 'lxc.net.0.ipv4.address = 10.197.9.5/24' 'lxc.net.0.ipv6.address = fd00:97::5/64' \
        'lxc.net.0.ipv4.address = 192.0.2.5/24' 'lxc.net.0.ipv4.address = 10.197.9.1/24'
    sed -i 's|^::sysinit:.*|::sysinit:/bin/true|' "$LXC/t-fixed/rootfs/etc/inittab"
    code 0 named start -n t-fixed
    is_named t-fixed.test.lxc '10.197.9.5 fd00:97::5'
    is_named T-Fixed '10.197.9.5 fd00:97::5'
    same 'the name of the address' 'name = t-fixed.test.lxc' \
        "$(in_net busybox nslookup 10.197.9.5 10.197.9.1 | grep -o 'name = .*')"
    # From inside, over IPv6 as well.
    tool attach -n t-fixed -- nslookup t-fixed.test.lxc fd00:97::1 | grep -q 10.197.9.5 || fail 'not resolved inside'
    # Nobody else gets its address.
    asking t-any
    in_net sh -c 'printf "LXC_DHCP_RANGE=10.197.9.5,10.197.9.6\n"' >>"$RUN/net.conf"
    code 0 net restart
    is_named t-fixed '10.197.9.5 fd00:97::5'
    code 0 named start -n t-any
    bound t-any
    is_named t-any 10.197.9.6
    code 0 named stop -k -n t-any
    code 0 named stop -k -n t-fixed
    is_named t-fixed.test.lxc ''
    is_named t-any ''
    no_leases
    code 0 net stop
    no_names_world
}

test_names_of_addresses_by_dhcp() {
    names_world
    net_settings
    code 0 net start
    asking t-web
    asking t-db 'lxc.net.0.hwaddr = 10:66:6a:01:02:03'
    code 0 named start -n t-web
    code 0 named start -n t-db
    bound t-web
    bound t-db
    is_named t-web.test.lxc "$(address_of t-web)"
    is_named t-db "$(address_of t-db)"
    same 'a name that a container gave itself' '' "$(resolved somebody)"
    code 0 tool attach -n t-web -- ping -c 1 -W 2 t-db.test.lxc
    code 0 tool attach -n t-db -- ping -c 1 -W 2 t-web
    # It has its name again after a restart of itself, and of lxc-net.
    code 0 named stop -r -n t-db
    bound t-db
    is_named t-db "$(address_of t-db)"
    code 0 net restart
    is_named t-db "$(address_of t-db)"
    # After a kill of its monitor the next start or destroy takes its name and its address back.
    kill -9 "$(pgrep -f "^\[lxc monitor\] $LXC t-web\$")"
    until [ "$(state t-web)" = STOPPED ]; do sleep 0.05; done
    code 0 named destroy -n t-web
    is_named t-web ''
    # Copies and renamed ones have theirs, by the same hardware address too.
    code 0 named stop -k -n t-db
    is_named t-db ''
    code 0 named copy -n t-db -N t-new -R
    code 0 named start -n t-new
    bound t-new
    is_named t-new "$(address_of t-new)"
    is_named t-db ''
    code 0 named stop -k -n t-new
    code 0 named copy -n t-new -N t-copy
    code 0 named start -n t-copy
    code 0 named start -n t-new
    bound t-copy
    bound t-new
    is_named t-copy "$(address_of t-copy)"
    is_named t-new "$(address_of t-new)"
    code 0 named stop -k -n t-copy
    code 0 named stop -k -n t-new
    no_leases
    code 0 net stop
    no_names_world
}

test_names_and_reserved_addresses() {
    local name
    names_world
    printf 'dhcp-host=t-byname,10.197.9.70\ndhcp-host=10:66:6a:01:02:04,10.197.9.71\n' >"$RUN/dnsmasq.conf"
    net_settings "LXC_DHCP_CONFILE=$RUN/dnsmasq.conf"
    code 0 net start
    asking t-byname
    sed -i 's/hostname:somebody/hostname:t-byname/' "$LXC/t-byname/rootfs/bin/ask"
    asking t-bymac 'lxc.net.0.hwaddr = 10:66:6a:01:02:04'
    for name in t-byname t-bymac; do code 0 named start -n $name; done
    for name in t-byname t-bymac; do bound $name; done
    is_named t-byname.test.lxc 10.197.9.70
    same 'by its name' 10.197.9.70 "$(address_of t-byname)"
    is_named t-bymac 10.197.9.71
    same 'by its hardware address' 10.197.9.71 "$(address_of t-bymac)"
    for name in t-byname t-bymac; do code 0 named stop -k -n $name; done
    is_named t-byname ''
    code 0 net stop
    no_names_world
}

# dnsmasq pings the address that a client of both makes for itself.
test_names_of_addresses_by_router_advertisement() {
    local wanted
    names_world
    ipv6_settings
    code 0 net start
    asking t-both 'lxc.net.0.hwaddr = 10:66:6a:01:02:05'
    code 0 named start -n t-both
    bound t-both
    wanted="$(address_of t-both) fd00:97::1266:6aff:fe01:205"
    for _ in $(seq 100); do
        [ "$(resolved t-both)" != "$wanted" ] || break
        sleep 0.1
    done
    same 'both addresses' "$wanted" "$(resolved t-both)"
    code 0 named stop -k -n t-both
    is_named t-both ''
    code 0 net stop
    no_names_world
}

# A real client of DHCPv6 beside the router advertisements, with a name of its own, which does not count.
test_names_of_addresses_by_dhcpv6() {
    local pid address own_made=fd00:97::1266:6aff:fe01:206
    command -v dhclient >/dev/null || { skipped='dhclient (isc-dhcp-client) is not installed'; return; }
    names_world
    ipv6_settings
    code 0 net start
    asking t-six 'lxc.net.0.hwaddr = 10:66:6a:01:02:06'
    sed -i 's|^::sysinit:.*|::sysinit:/bin/true|' "$LXC/t-six/rootfs/etc/inittab"
    code 0 named start -n t-six
    pid=$(tool info -n t-six -pH)
    for _ in $(seq 50); do
        ! nsenter -t "$pid" -n ip -6 -o addr show dev eth0 scope link | grep -q tentative || { sleep 0.1; continue; }
        break
    done
    # From outside: its network is the container's, its files are the host's.
    printf 'send fqdn.fqdn "somebody";\n' >"$RUN/dhclient.conf"
    nsenter -t "$pid" -n timeout 30 dhclient -6 -1 -sf /bin/true -cf "$RUN/dhclient.conf" -lf "$RUN/dhclient.leases" \
        -pf "$RUN/dhclient.pid" eth0 >"$RUN/err" 2>&1 || fail "dhclient: $(cat "$RUN/err")"
    address=$(sed -n 's/^ *iaaddr \(.*\) {/\1/p' "$RUN/dhclient.leases")
    [[ $address = fd00:97::???? ]] || fail "the address by DHCPv6: '$address'"
    nsenter -t "$pid" -n ip -6 addr add "$address/128" dev eth0 nodad
    same 'it is reached' yes "$(in_net busybox ping6 -c 5 -W 5 -q "$address" >/dev/null && echo yes)"
    is_named t-six.test.lxc "$address"
    same 'a name that it gave itself' '' "$(resolved somebody)"
    for _ in $(seq 100); do
        ! nsenter -t "$pid" -n ip -6 -o addr show dev eth0 | grep -qF "$own_made" || break
        sleep 0.1
    done
    same 'by router advertisement' "$own_made" \
        "$(nsenter -t "$pid" -n ip -6 -o addr show dev eth0 dynamic | awk '{ print $4 }' | cut -d / -f 1)"
    same 'shown' "t-six.test.lxc $address 10:66:6a:01:02:06" \
        "$(net status --format json | jq -r '"\(.names[0].name) \(.names[0].addresses | join(",")) \(.leases[0].mac)"')"
    python3 -c 'import jsonschema' 2>/dev/null && valid net-status net status --format json
    kill "$(cat "$RUN/dhclient.pid")"
    code 0 named stop -k -n t-six
    is_named t-six.test.lxc ''
    no_leases
    code 0 net stop
    no_names_world
}

# As with LXC's lxc-net: whoever is not known has the name that it tells, unless that is somebody else's.
test_names_that_clients_tell() {
    local own
    own=$(hostname)
    names_world
    net_settings
    # There dnsmasq can be told to forget what it read.
    code 0 world_net start
    asking t-web
    asking t-plain
    asking t-thief
    sed -i 's/hostname:somebody/hostname:t-plain/' "$LXC/t-plain/rootfs/bin/ask"
    sed -i 's/hostname:somebody/hostname:t-web/' "$LXC/t-thief/rootfs/bin/ask"
    # LXC's own tool starts it, and one of ours where no names are known.
    if [ -x /usr/bin/lxc-start ]; then
        # It looks for the bridge in sysfs.
        code 0 ip netns exec "$NETNS" /usr/bin/lxc-start -P "$LXC" -n t-plain
    else
        code 0 tool start -n t-plain
    fi
    bound t-plain
    is_named t-plain.test.lxc "$(address_of t-plain)"
    is_named t-plain "$(address_of t-plain)"
    # It runs, and has no address yet.
    sed -i '2s/^/until [ -e \/go ]; do sleep 0.1; done; /' "$LXC/t-web/rootfs/bin/ask"
    code 0 named start -n t-web
    code 0 tool start -n t-thief
    bound t-thief
    same 'the name of somebody else' '' "$(resolved t-web)"
    : >"$LXC/t-web/rootfs/go"
    bound t-web
    is_named t-web.test.lxc "$(address_of t-web)"
    code 0 tool stop -k -n t-thief
    # Whoever had it while nobody else did.
    code 0 named stop -k -n t-web
    is_named t-web ''
    code 0 tool start -n t-thief
    bound t-thief
    is_named t-web "$(address_of t-thief)"
    code 0 named start -n t-web
    bound t-web
    is_named t-web.test.lxc "$(address_of t-web)"
    code 0 tool stop -k -n t-thief
    for own in "$own" wpad localhost; do
        sed -i "s/hostname:[^ ]*/hostname:$own/" "$LXC/t-thief/rootfs/bin/ask"
        code 0 tool start -n t-thief
        bound t-thief
        same "the name $own" '' "$(resolved "$own.test.lxc")"
        code 0 tool stop -k -n t-thief
    done
    code 0 named stop -k -n t-web
    code 0 tool stop -k -n t-plain
    code 0 world_net stop
    no_names_world
}

# Nobody registers a container of an ordinary user: it has the name that it tells, and its monitor gives that back.
test_names_of_an_ordinary_users_containers() {
    no_user_tools && return
    in_net sysctl -qw net.ipv4.ip_forward=0
    net_settings
    user_world '
        echo "t-user veth rstestnet 2" >/etc/lxc/lxc-usernet
        net() { lxc-rs net --settings "$run/net.conf" "$@"; }
        asks() { as_user "lxc-attach -n t-own -- udhcpc -q -n -f -t 20 -T 1 -i eth0 -x hostname:$1 -s /bin/true 2>&1" | grep -c obtained; }
        has() { busybox nslookup $1 10.197.9.1 2>/dev/null | grep -c "^Address: *10.197.9.[0-9]*$" || true; }
        leases() { grep -c . /var/lib/misc/dnsmasq.rstestnet.leases || true; }
        net start
        # Of a container whose hardware address is chosen, and of one with its own.
        for line in "" "lxc.net.0.hwaddr = 10:66:6a:01:02:07"; do
            echo "$line" >>/home/t-user/.local/share/lxc/t-own/config
            as_user lxc-start -n t-own
            echo "asked $(asks t-own), resolved $(has t-own.test.lxc) $(has t-own), leases $(leases)"
            as_user lxc-stop -r -n t-own
            echo "rebooted: leases $(leases), asked $(asks t-own), resolved $(has t-own)"
            as_user lxc-stop -k -n t-own
            echo "stopped: resolved $(has t-own), leases $(leases)"
        done
        net status --format json | jq -c ".leases, .names"
        # Killed, it is nobody who gives that back. The next one has its name all the same.
        as_user lxc-start -n t-own
        asks t-own >/dev/null
        kill -9 $(pgrep -u t-user -f "^.lxc monitor. .* t-own")
        for _ in $(seq 50); do as_user lxc-info -n t-own -sH | grep -q STOPPED && break; sleep 0.1; done
        as_user lxc-start -n t-own
        echo "killed: asked $(asks t-own), resolved $(has t-own)"
        as_user lxc-stop -k -n t-own
        net stop
        echo "left $(ls /run/lxc | grep -v -e lock -e nics | xargs)$(gone)"
    ' 'lxc.net.0.type = veth' 'lxc.net.0.link = rstestnet' 'lxc.net.0.flags = up' >"$RUN/out" 2>"$RUN/err" ||
        fail "exit code $?: $(tail -3 "$RUN/err")"
    same 'what they saw' "$(for _ in 1 2; do
        printf '%s|' 'asked 1, resolved 1 1, leases 1' 'rebooted: leases 0, asked 1, resolved 1' 'stopped: resolved 0, leases 0'
    done)[]|[]|killed: asked 1, resolved 1|left " "$(paste -sd '|' "$RUN/out")"
    rm -f /var/lib/misc/dnsmasq.rstestnet.leases
}

test_names_belong_to_one_container() {
    names_world
    net_settings
    code 0 net start
    local fixed='lxc.net.0.ipv4.address = 10.197.9'
    asking t-same "$fixed.5/24"
    asking t-under_score "$fixed.7/24"
    mkdir "$LXC/other"
    cp -a "$LXC/t-same" "$LXC/other/"
    sed -i "s#$LXC/t-same/#$LXC/other/t-same/#; s/9\.5/9.6/" "$LXC/other/t-same/config"
    code 0 named start -n t-same
    is_named t-same 10.197.9.5
    code 0 in_world "$BIN" start -P "$LXC/other" -n t-same -d
    says "t-same is that of $LXC/t-same"
    code 0 in_world "$BIN" stop -P "$LXC/other" -n t-same -k
    is_named t-same 10.197.9.5
    # One whose monitor was killed holds none.
    kill -9 "$(pgrep -f "^\[lxc monitor\] $LXC t-same\$")"
    until [ "$(state t-same)" = STOPPED ]; do sleep 0.05; done
    code 0 in_world "$BIN" start -P "$LXC/other" -n t-same -d
    same said '' "$(cat "$RUN/err")"
    is_named t-same 10.197.9.6
    code 0 named destroy -n t-same
    is_named t-same 10.197.9.6
    # Started while lxc-net is down it has none; its stop then is as any.
    code 0 named start -n t-under_score
    same 'no name of a host' '' "$(resolved t-under_score)"
    code 0 named stop -k -n t-under_score
    code 0 net stop
    says 'the bridge is kept'
    same 'names that stay' t-same "$(ls "$RUN/run/names/records")"
    code 0 in_world "$BIN" stop -P "$LXC/other" -n t-same -k
    code 0 net start
    code 0 net stop
    no_names_world
}

test_net_status_shows_who_is_connected() {
    names_world
    net_settings
    code 3 net status
    code 0 net start
    ip -n "$NETNS" link add t-other type veth peer name t-end
    ip -n "$NETNS" link set t-other master rstestnet
    asking t-shown
    # Outside of that world it knows no names; its monitor is asked.
    container t-asked 'lxc.net.0.type = veth' 'lxc.net.0.link = rstestnet' 'lxc.net.0.veth.pair = t-askedveth'
    code 0 named start -n t-shown
    code 0 tool start -n t-asked
    bound t-shown
    is_named t-shown "$(address_of t-shown)"
    python3 -c 'import jsonschema' 2>/dev/null && valid net-status net status --format json
    net status --format json >"$RUN/status"
    same 'the bridge' 10.197.9.1/24 "$(jq -r '.addresses | join(" ")' "$RUN/status")"
    same 'connected' "t-askedveth $LXC t-asked t-other null null" \
        "$(jq -r '.connected[] | select(.link | startswith("t-")) | "\(.link) \(.container.lxcpath) \(.container.name)"' "$RUN/status" | sort | xargs)"
    same 'names' "t-shown.test.lxc t-shown $(address_of t-shown)" \
        "$(jq -r '.names[] | "\(.name) \(.container.name) \(.addresses | join(","))"' "$RUN/status")"
    same 'leases' "t-shown $(address_of t-shown)" "$(jq -r '.leases[] | "\(.name) \(.address)"' "$RUN/status")"
    code 0 net status
    grep -q "$LXC/t-shown  *t-shown.test.lxc  *$(address_of t-shown)" "$RUN/out" || fail "not in the table: $(cat "$RUN/out")"
    grep -q "^t-other  *- *- *-" "$RUN/out" || fail "not in the table: $(cat "$RUN/out")"
    code 0 named stop -k -n t-shown
    code 0 tool stop -k -n t-asked
    ip -n "$NETNS" link del t-other
    code 0 net stop
    no_names_world
}

# One that LXC's script started has no names, and no container fails for it.
test_names_beside_lxcs_script() {
    local script=/usr/libexec/lxc/lxc-net
    [ -x $script ] || { skipped='there is no lxc-net of LXC'; return; }
    names_world
    net_settings
    # shellcheck disable=SC2016
    in_world unshare -m --propagation slave sh -c '
        { echo USE_LXC_BRIDGE=true; cat "$1"; } >"$1.shell"
        mount --bind "$1.shell" /etc/default/lxc-net && exec "$2" start' sh "$RUN/net.conf" $script >"$RUN/err" 2>&1 ||
        fail "LXC's lxc-net: $(cat "$RUN/err")"
    code 0 world_net status
    grep -q 'Names: *none.*lxc-rs net restart' "$RUN/out" || fail "not said: $(cat "$RUN/out")"
    same 'names in JSON' null "$(world_net status --format json | jq -c .names)"
    asking t-plain
    code 0 named start -n t-plain
    same said '' "$(cat "$RUN/err")"
    bound t-plain
    code 0 named stop -k -n t-plain
    code 0 world_net restart
    code 0 named start -n t-plain
    bound t-plain
    is_named t-plain.test.lxc "$(address_of t-plain)"
    code 0 named stop -k -n t-plain
    code 0 world_net stop
    rm -f "$RUN/net.conf.shell"
    # It turned that on, and does not take it back.
    in_net sysctl -qw net.ipv4.ip_forward=0
    no_names_world
}

# Started at once all get an address, find each other, and leave nothing.
test_names_of_many_at_once() {
    local many=${MANY:-20} number name
    names_world
    net_settings
    code 0 net start
    asking t-many
    mkdir "$LXC/t-many/done"
    # shellcheck disable=SC2016
    printf '%s\n' '#!/bin/sh' 'udhcpc -q -f -t 20 -T 1 -A 1 -i eth0 -x hostname:somebody -s /bin/lease' \
        'until nslookup -type=a $NEIGHBOUR.test.lxc 10.197.9.1 >/tmp/$(hostname) 2>&1; do sleep 0.2; done' \
        'ip -4 -o addr show dev eth0 | sed "s|.*inet ||; s|/.*||" >/mnt/$(hostname)' \
        'mv /tmp/$(hostname) /mnt/$(hostname).found' >"$LXC/t-many/rootfs/bin/ask"
    for number in $(seq "$many"); do
        mkdir "$LXC/t-many-$number"
        {
            sed "s/lxc.uts.name.*/lxc.uts.name = t-many-$number/" "$LXC/t-many/config"
            printf '%s\n' "lxc.environment = NEIGHBOUR=t-many-$((number % many + 1))" \
                "lxc.mount.entry = $LXC/t-many/done mnt none bind" 'lxc.mount.entry = tmpfs tmp tmpfs'
        } >"$LXC/t-many-$number/config"
    done
    for number in $(seq "$many"); do named start -n "t-many-$number" & done
    wait $(jobs -p | grep -v "^$world$")
    for number in $(seq 100); do
        [ "$(ls "$LXC/t-many/done" | grep -c found)" -lt "$many" ] || break
        sleep 0.1
    done
    same addresses "$many" "$(cat "$LXC/t-many/done/"t-many-*[0-9] | sort -u | wc -l)"
    for number in $(seq "$many"); do
        name=t-many-$((number % many + 1))
        grep -q "^Address: $(cat "$LXC/t-many/done/$name")$" "$LXC/t-many/done/t-many-$number.found" ||
            fail "t-many-$number does not find $name"
    done
    for number in $(seq "$many"); do named stop -k -n "t-many-$number" & done
    wait $(jobs -p | grep -v "^$world$")
    no_leases
    same 'names that are left' '' "$(ls "$RUN/run/names/records" "$RUN/run/names/hosts" "$RUN/run/names/dhcp" | grep t-)"
    code 0 net stop
    no_names_world
}
