# What a container uses: lxc-info, lxc-top, lxc-ls, on every layout.

hog() { # CONTAINER: takes 128 MiB or more
    tool attach -n "$1" -- awk 'BEGIN { s = "x"; while (length(s) < 134217728) s = s s }' >/dev/null 2>&1
}

test_cgroup_memory_limit_kills_and_says_so() {
    container t-hog 'lxc.cgroup.memory.limit_in_bytes = 64M' 'lxc.cgroup.memory.memsw.limit_in_bytes = 64M'
    code 0 tool start -n t-hog
    hog t-hog
    same 'the hog' 137 $?
    same 'it runs on' RUNNING "$(state t-hog)"
    tool info -n t-hog | grep -q '^Memory kills:  *1 killed by the memory limit' || fail "info: $(tool info -n t-hog)"
    local kills limit
    read -r kills limit <<<"$(tool info -n t-hog --format json | jq -r '"\(.memory.oom_kills) \(.memory.limit_bytes)"')"
    same 'in JSON' '1 67108864' "$kills $limit"
    code 0 tool stop -k -n t-hog
    code 137 tool execute -n t-hog -- awk 'BEGIN { s = "x"; while (length(s) < 134217728) s = s s }'
    says 'lxc-execute: t-hog: a process was killed by the memory limit'
    code 0 tool start -F -n t-hog -- /bin/awk 'BEGIN { s = "x"; while (length(s) < 134217728) s = s s }'
    says 'lxc-start: t-hog: init was killed by the memory limit'
}

test_cgroup_statistics_in_json() {
    container t-stat 'lxc.cgroup.pids.max = 77'
    code 0 tool start -n t-stat
    tool attach -n t-stat -- sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done'
    tool info -n t-stat --format json >"$RUN/json"
    local check pressure='.pressure.cpu.some.total_microseconds >= 0'
    # Only cgroup v2 has it.
    [ "$(layout)" != v1 ] || pressure='.pressure.cpu.some.total_microseconds == null'
    for check in '.cpu.usage_nanoseconds > 10000000' '.memory.usage_bytes > 100000' '.memory.anon_bytes > 0' \
        '.memory.kernel_bytes > 0' '.memory.oom_kills == 0' '.memory.limit_bytes == "max"' '.pids.current == 1' \
        '.pids.limit == 77' "$pressure" '.links == []'; do
        same "$check" true "$(jq "$check" "$RUN/json")"
    done
    # Nothing that cannot be read is 0: a stopped container uses nothing that is known.
    code 0 tool stop -k -n t-stat
    same 'stopped' 'null null null' \
        "$(tool info -n t-stat --format json | jq -r '"\(.cpu.usage_nanoseconds) \(.memory.usage_bytes) \(.pids.current)"')"
}

test_cgroup_top_streams_and_metrics() {
    container t-a
    container t-b
    code 0 tool start -n t-a
    code 0 tool start -n t-b
    tool top -b -d 0 --count 2 >"$RUN/csv"
    same header 'time_ms,container,cpu_nanos,cpu_sys_userhz,cpu_user_userhz,blkio_bytes,blkio_iops,mem_used_bytes,memsw_used_bytes,kernel_mem_used_bytes' \
        "$(head -1 "$RUN/csv")"
    same rows 't-a t-b t-a t-b' "$(tail -n +2 "$RUN/csv" | cut -d, -f2 | xargs)"
    same fields 10 "$(tail -1 "$RUN/csv" | awk -F, '{ print NF }')"
    same 'JSON lines' 't-a t-b' "$(tool top --format json --count 1 | jq -r 'select(.cpu.usage_nanoseconds > 0).name' | xargs)"
    same 'with few descriptors' 't-a t-b' \
        "$(ulimit -Sn 20; tool top --format json --count 1 | jq -r 'select(.pids.current > 0).name' | xargs)"
    tool top --metrics >"$RUN/metrics"
    same 'in metrics' 2 "$(grep -c '^lxc_cpu_usage_seconds_total{container="t-[ab]"}' "$RUN/metrics")"
    # A container that is started again has another cgroup, and one that stopped has no lines.
    code 0 tool stop -k -n t-b
    same 'the other is gone' t-a "$(tool top -b --count 1 | tail -n +2 | cut -d, -f2)"
    same 'memory in ls' MB "$(tool ls -f -F name,ram | awk '/t-a/ { print substr($2, length($2) - 1) }')"
    code 0 tool stop -k -n t-a
}

test_cgroup_metrics_are_open_metrics() {
    local parser='import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
print(len(list(parse(sys.stdin.read()))))'
    /usr/bin/python3 -c 'import prometheus_client.openmetrics.parser' 2>/dev/null ||
        { skipped="python3-prometheus-client is not installed"; return; }
    container t-metric "lxc.net.0.type = veth" "lxc.net.0.link = $BRIDGE"
    code 0 tool start -n t-metric
    same 'parsed families' 12 "$(tool top --metrics | /usr/bin/python3 -c "$parser")"
    code 0 tool stop -k -n t-metric
}

test_cgroup_top_on_a_terminal_is_lxcs() {
    [ -x /usr/bin/lxc-top ] || { skipped="Debian's LXC is not installed"; return; }
    container t-top
    code 0 tool start -n t-top
    local which
    for which in tool debian; do
        first_screen "$which" 'top -d 1' >"$RUN/screen.$which"
    done
    # The first screen of each, up to the values. LXC 5 knows no statistics of v2.
    if [ ! -e "$(hierarchy memory)/cgroup.controllers" ]; then
        same 'the screens' "$(head -2 "$RUN/screen.debian")" "$(head -2 "$RUN/screen.tool")"
        same 'the widths' "$(widths "$RUN/screen.debian")" "$(widths "$RUN/screen.tool")"
    fi
    grep -q $'\e\\[0mt-top  ' "$RUN/screen.tool" || fail "no row: $(cat -A "$RUN/screen.tool")"
    code 0 tool stop -k -n t-top
    code 1 tool top </dev/null
    says 'stdin is not a tty'
}

# A tool's first screen on a terminal of 24 lines and 130 columns.
first_screen() { # WHICH COMMAND
    local command
    case $1 in tool) command="$BIN ${2%% *}" ;; *) command="/usr/bin/lxc-${2%% *}" ;; esac
    timeout 20 script -qec "stty rows 24 cols 130; timeout --foreground 1.5 nsenter --net=/run/netns/$NETNS $command -P $LXC ${2#* }" \
        /dev/null </dev/null | awk -v RS='\033\\[H\033\\[J' 'NR == 2'
}

# What a screen looks like with every number and blank the same; LXC takes what is not counted for 0.
widths() { tail -n +3 "$1" | sed 's/  -      /  0.00   /g' | tr '0-9' 9 | tr -s '9 ' | sed 's/[GMK]iB/iB/g'; }
