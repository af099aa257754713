# Output for programs: JSON by its schema in docs/schema, CSV by RFC 4180.

valid() { # SCHEMA COMMAND...
    local schema=$1
    shift
    "$@" 2>"$RUN/err" | tests/integration/validate "$schema" >"$RUN/out" 2>&1 ||
        fail "$*: $(cat "$RUN/out" "$RUN/err")"
}

test_json_is_as_its_schema_says() {
    python3 -c 'import jsonschema' 2>/dev/null || { skipped="python3-jsonschema is not installed"; return; }
    valid ls tool ls --format json
    container t-m1 'lxc.net.0.type = veth' "lxc.net.0.link = $BRIDGE" 'lxc.net.0.flags = up' \
        'lxc.net.0.ipv4.address = 10.198.7.8/24' 'lxc.start.auto = 1' 'lxc.group = a, "b"' 'lxc.group = c'
    container t-m2 'lxc.start.order = -5' 'lxc.start.delay = 2'
    tool monitor --format json >"$RUN/events" 2>/dev/null &
    local monitor=$!
    sleep 0.5
    code 0 tool start -n t-m1
    valid ls tool ls --format json
    valid info tool info -n t-m1 --format json
    valid info tool info -n t-m2 --format json
    valid autostart tool autostart -L -a -A --format json
    valid cgroup tool cgroup -n t-m1 pids.max --format json
    valid top tool top --format json --count 1
    valid net-status tool net status --format json
    same 'csv of ls' 't-m1 RUNNING a,, "b", c' "$(tool ls --format csv |
        python3 -c 'import csv, sys
for row in csv.DictReader(sys.stdin):
    if row["NAME"] == "t-m1": print(row["NAME"], row["STATE"], row["GROUPS"])')"
    same 'csv of autostart' $'name,order,delay,group\nt-m2,-5,2,' "$(tool autostart -L -a -A --format csv)"
    code 0 tool stop -k -n t-m1
    sleep 0.3
    kill $monitor
    wait $monitor 2>/dev/null
    grep -q exit_code "$RUN/events" || fail "no exit among the events: $(cat "$RUN/events")"
    tests/integration/validate --lines monitor <"$RUN/events" || fail "monitor: $(cat "$RUN/events")"
    tool monitor -Q 2>/dev/null
    code 0 true
}
