# Wireless links of the host: a radio that the kernel simulates. It is in the host's own network namespace.

wifi_tool() { # TOOL ARG...: one of our tools, there
    local tool=$1
    shift
    timeout 120 "$BIN" "$tool" -P "$LXC" "$@"
}

wifi_links() { # those of simulated radios on the host, with their other names
    local link
    for link in /sys/class/net/*; do
        [ "$(basename "$(readlink -f "$link/device/driver")")" = mac80211_hwsim ] || continue
        ip link show "${link##*/}" | sed -n "1s/^[0-9]*: \([^:]*\).* mtu \([0-9]*\) .*/\1 \2/p; s/^ *altname \(.*\)/also \1/p"
    done | xargs
}

wifi_back() { # WHAT: in five seconds at most
    local _
    for _ in $(seq 50); do
        [ "$(wifi_links)" != "$before" ] || return 0
        sleep 0.1
    done
    same "$1" "$before" "$(wifi_links)"
}

test_links_of_type_phys_that_are_wireless() {
    local before nic mac how pid
    modprobe -q mac80211_hwsim radios=1 2>/dev/null
    before=$(wifi_links)
    nic=${before%% *}
    [ -n "$nic" ] || { skipped='there is no simulated radio (mac80211_hwsim)'; return; }
    mac=$(cat "/sys/class/net/$nic/address")
    container t-wifi 'lxc.net.0.type = phys' "lxc.net.0.link = $nic" 'lxc.net.0.name = wifi0' 'lxc.net.0.flags = up' \
        'lxc.net.0.ipv4.address = 10.198.9.2/24'
    for how in stop init rename reboot; do
        code 0 wifi_tool start -n t-wifi
        pid=$(wifi_tool info -n t-wifi -pH)
        same "inside, before $how" "$mac 10.198.9.2/24" \
            "$(nsenter -t "$pid" -n ip -o link show wifi0 | sed 's/.*link.ether \([^ ]*\).*/\1/') $(nsenter -t "$pid" -n ip -o -4 addr show wifi0 | awk '{ print $4 }')"
        same "on the host, before $how" '' "$(wifi_links)"
        case $how in
            stop) code 0 wifi_tool stop -k -n t-wifi ;;
            init) kill -9 "$pid" ;;
            rename)
                nsenter -t "$pid" -n ip link set wifi0 down
                nsenter -t "$pid" -n ip link set wifi0 name other
                code 0 wifi_tool stop -k -n t-wifi
                ;;
            reboot)
                code 0 wifi_tool stop -r -n t-wifi
                nsenter -t "$(wifi_tool info -n t-wifi -pH)" -n ip link show wifi0 >/dev/null || fail 'not there after a reboot'
                code 0 wifi_tool stop -k -n t-wifi
                ;;
        esac
        code 0 wifi_tool wait -n t-wifi -s STOPPED -t 20
        wifi_back "after $how"
    done
    {
        cat "$LXC/t-wifi/config"
        printf '%s\n' 'lxc.net.1.type = veth' 'lxc.net.1.name = eth7' 'lxc.net.1.link = nobridge'
    } >"$RUN/config"
    code 1 wifi_tool start -n t-wifi -f "$RUN/config"
    wifi_back 'after a start that found no bridge'
    echo 'lxc.hook.start = /bin/false' >>"$LXC/t-wifi/config"
    code 1 wifi_tool start -n t-wifi
    wifi_back 'after a start that failed inside'
    sed -i '/^lxc.hook.start/d' "$LXC/t-wifi/config"
    # One that is given while it runs, and taken.
    container t-hot 'lxc.net.0.type = empty'
    code 0 wifi_tool start -n t-hot
    pid=$(wifi_tool info -n t-hot -pH)
    code 0 wifi_tool device -n t-hot add "$nic" wifi1
    same 'given' "$mac" "$(nsenter -t "$pid" -n ip -o link show wifi1 | sed 's/.*link.ether \([^ ]*\).*/\1/')"
    same 'on the host meanwhile' '' "$(wifi_links)"
    code 0 wifi_tool device -n t-hot del wifi1 "$nic"
    wifi_back 'after it was taken'
    code 0 wifi_tool device -n t-hot add "$nic"
    code 0 wifi_tool stop -k -n t-hot
    wifi_back 'after a stop of a container that was given it'
    # The kernel gives it back when all is killed, and the next start its name.
    code 0 wifi_tool start -n t-wifi
    pid=$(wifi_tool info -n t-wifi -pH)
    kill -9 "$(pgrep -f "^\[lxc monitor\] $LXC t-wifi\$")"
    kill -9 "$pid" 2>/dev/null
    for _ in $(seq 50); do [ -z "$(wifi_links)" ] || break; sleep 0.1; done
    same 'its mark' "also lxc-phys-$nic" "$(wifi_links | grep -o 'also .*')"
    code 0 wifi_tool start -n t-wifi
    code 0 wifi_tool stop -k -n t-wifi
    wifi_back 'after a killed monitor'
}
