# What containers use, by lxc-info, lxc-ls and lxc-top.

json_figure() { # NAME PATH...: a figure of lxc-info's JSON
    tool info -n "$1" --format json | python3 -c '
import json, sys
value = json.load(sys.stdin)
for key in sys.argv[1:]:
    value = value[key]
print(json.dumps(value))' "${@:2}"
}

payload_file() { # NAME FILE: the text of a file of the container's limiting cgroup, wherever it is
    local init path
    init=$(tool info -n "$1" -pH)
    while IFS=: read -r _ controllers path; do
        for path in /sys/fs/cgroup/{"$controllers","unified",}"$path/$2"; do
            [ -f "$path" ] && { cat "$path"; return; }
        done
    done <"/proc/$init/cgroup"
    return 1
}

close_to() { # WHAT WANTED GOT PERCENT
    python3 -c 'import sys; w, g, p = map(float, sys.argv[1:]); sys.exit(abs(w - g) > w * p / 100)' \
        "$2" "$3" "$4" || fail "$1: wanted $2 within $4 %, got $3"
}

# Both say the same once the kernel has settled what it charges to the frozen container: each of its
# processors gives back what it keeps in stock, one after the other.
alike() { # WHAT COMMAND OTHER-COMMAND
    local wanted got
    for _ in $(seq 8); do
        wanted=$($2) got=$($3)
        [ "$wanted" = "$got" ] && return
        sleep 0.2
    done
    same "$1" "$wanted" "$got"
}

# A container that has used known amounts: 30 MiB of memory, half a second of processor time, a few
# processes.
busy_container() { # NAME [CONFIG-LINE...]
    container "$@" 'lxc.net.0.type = veth' "lxc.net.0.link = $BRIDGE" 'lxc.net.0.flags = up' \
        'lxc.net.0.ipv4.address = 10.198.7.9/24' 'lxc.mount.entry = tmpfs tmp tmpfs rw,size=64m'
}

use_some() { # NAME
    # shellcheck disable=SC2016
    tool attach -n "$1" -- sh -c '
        dd if=/dev/zero of=/tmp/filled bs=1M count=30 2>/dev/null
        end=$(($(cut -d. -f1 /proc/uptime) + 1))
        while [ "$(cut -d. -f1 /proc/uptime)" -le "$end" ]; do :; done
        sleep 30 & sleep 30 & ping -c 3 -i 0.1 -q 10.198.7.1 >/dev/null'
}

test_statistics_are_the_kernels() {
    busy_container t-figures
    code 0 tool start -n t-figures
    code 0 use_some t-figures
    local memory
    memory=$(json_figure t-figures memory usage_bytes)
    [ "$memory" -gt $((30 << 20)) ] && [ "$memory" -lt $((40 << 20)) ] || fail "memory: $memory"
    if [ -e "$(hierarchy memory)/cgroup.controllers" ]; then
        close_to memory "$(payload_file t-figures memory.current)" "$memory" 2
        # The kernel counts it since Linux 5.19.
        same peak "$(payload_file t-figures memory.peak || echo null)" "$(json_figure t-figures memory peak_bytes)"
        close_to cpu "$(payload_file t-figures cpu.stat | awk '$1 == "usage_usec" { print $2 * 1000 }')" \
            "$(json_figure t-figures cpu usage_nanoseconds)" 2
    else
        close_to memory "$(payload_file t-figures memory.usage_in_bytes)" "$memory" 2
        close_to peak "$(payload_file t-figures memory.max_usage_in_bytes)" \
            "$(json_figure t-figures memory peak_bytes)" 2
        close_to cpu "$(payload_file t-figures cpuacct.usage)" \
            "$(json_figure t-figures cpu usage_nanoseconds)" 2
    fi
    # busybox init, and two sleeps.
    same pids "$(payload_file t-figures pids.current)" "$(json_figure t-figures pids current)"
    [ "$(json_figure t-figures pids current)" -ge 3 ] || fail 'pids: fewer than three'
    same 'pids limit' '"max"' "$(json_figure t-figures pids limit)"
    same 'no kills' 0 "$(json_figure t-figures memory oom_kills)"
    local stalled
    stalled=$(json_figure t-figures pressure cpu some)
    case $stalled in
        null) [ ! -f /proc/pressure/cpu ] || fail 'pressure: the kernel has it' ;;
        *) [ -f /proc/pressure/cpu ] || fail "pressure: the kernel has none: $stalled" ;;
    esac
    code 0 tool stop -k -n t-figures
    same stopped null "$(json_figure t-figures cpu usage_nanoseconds)"
}

debian_net() { # TOOL ARG...: one of Debian's, with the /sys of the run's network namespace: it looks there
    # shellcheck disable=SC2016
    unshare -m sh -c 'cgroups=$1 net=$2 && shift 2 && mkdir -p "$cgroups" && mount --make-rslave / &&
        mount --rbind /sys/fs/cgroup "$cgroups" && nsenter --net="$net" mount -t sysfs sysfs /sys &&
        mount --rbind "$cgroups" /sys/fs/cgroup && umount -R -l "$cgroups" &&
        exec timeout 120 nsenter --net="$net" "$@"' \
        sh "$RUN/cgroups" "/run/netns/$NETNS" "/usr/bin/lxc-$1" -P "$LXC" "${@:2}"
}

top_screen() { # tool|debian: the first screen of lxc-top on a terminal
    # LXC takes what is not counted for 0.
    first_screen "$1" 'top -d 5' | sed 's/  -      /  0.00   /g'
}

# The same text of the same container, whoever asks and whoever started it.
test_statistics_as_debian_prints_them() {
    [ -x /usr/bin/lxc-info ] || { skipped="Debian's lxc is not installed"; return; }
    [ ! -e "$(hierarchy memory)/cgroup.controllers" ] || { skipped='LXC 5 knows no statistics of v2'; return; }
    local starter
    busy_container t-both
    container t-stopped
    for starter in tool debian_net; do
        code 0 $starter start -n t-both
        code 0 use_some t-both
        code 0 tool freeze -n t-both
        alike "info of $starter's" 'debian_net info -n t-both' 'tool info -n t-both'
        alike "plain of $starter's" 'debian_net info -n t-both -SH' 'tool info -n t-both -SH'
        alike "top of $starter's" 'top_screen debian' 'top_screen tool'
        alike "list of $starter's" 'debian_net ls -f -F name,ram,swap,state' 'tool ls -f -F name,ram,swap,state'
        code 0 tool unfreeze -n t-both
        code 0 tool stop -k -n t-both
    done
    find /sys/fs/cgroup -maxdepth 2 -name lxc.pivot -exec rmdir {} + 2>/dev/null
}

# Each link of the configuration, whatever its number, and the addresses of all, of every kind.
test_statistics_name_all_links_of_a_container() {
    ip -n "$NETNS" link add t-up type veth peer name t-down
    container t-links "$(link_lines 0 'ipv4.address = 10.198.7.21/24' 'veth.pair = rspair0')
$(link_lines 7 'ipv4.address = 10.198.7.31/24' 'ipv6.address = fd77::31/64' 'veth.pair = rspair7')" \
        'lxc.net.9.type = macvlan' 'lxc.net.9.link = t-up' 'lxc.net.9.flags = up' 'lxc.net.9.ipv4.address = 10.198.9.2/24' \
        'lxc.net.12.type = phys' 'lxc.net.12.link = t-down' 'lxc.net.12.flags = up' 'lxc.net.12.ipv4.address = 10.198.10.2/24'
    code 0 tool start -n t-links
    same links 'rspair0 rspair7 t-up' "$(tool info -n t-links | sed -n 's/^Link: *//p' | xargs)"
    same addresses '10.198.7.21 10.198.7.31 10.198.9.2 10.198.10.2 fd77::31' "$(tool info -n t-links -iH | xargs)"
    same 'in the list' '10.198.7.21, 10.198.7.31, 10.198.9.2, 10.198.10.2' \
        "$(tool ls -f -F ipv4 | tail -1 | sed 's/ *$//')"
    [ ! -x /usr/bin/lxc-info ] || same "by Debian's lxc-info" "$(tool info -n t-links -iH | sort)" "$(debian info -n t-links -iH | sort)"
    code 0 tool stop -k -n t-links
    ip -n "$NETNS" link del t-up
}
