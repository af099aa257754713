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
    valid config tool config --format json
    valid config tool config --format json -l
    valid config tool config lxc.cgroup.use --format json
    same 'config as JSON' "$(tool config lxc.lxcpath)" "$(tool config lxc.lxcpath --format json | jq -r '."lxc.lxcpath"')"
    same 'all of config' "$(tool config -l | sort)" "$(tool config --format json | jq -r 'keys[]' | sort)"
    valid checkconfig tool checkconfig --format json
    valid doctor tool doctor --format json
    valid reference tool reference --as json
    valid denials tool denials t-m1 --format json
    valid report tool report t-m1 --list --format json
    mkdir "$LXC/t-left"
    valid storage-check tool storage check --format json
    rmdir "$LXC/t-left"
    code 0 tool forward t-m1 8080-8081:80-81
    valid forward tool forward --format json
    valid info tool info -n t-m1 --format json
    valid ls tool ls --format json
    valid snapshot tool snapshot -n t-m2 -L --format json
    echo 'a comment' >"$RUN/comment"
    code 0 tool snapshot -n t-m2
    code 0 tool snapshot -n t-m2 -c "$RUN/comment"
    valid snapshot tool snapshot -n t-m2 -L --format json
    same snapshots "snap0 $LXC/t-m2/snaps/snap0 null|snap1 $LXC/t-m2/snaps/snap1 a comment" \
        "$(tool snapshot -n t-m2 -L --format json | jq -r '[.[] | "\(.name) \(.path) \(.comment)" | rtrimstr("\n")] | join("|")')"
    same 'csv of ls' 't-m1 RUNNING a,, "b", c' "$(tool ls --format csv |
        python3 -c 'import csv, sys
for row in csv.DictReader(sys.stdin):
    if row["NAME"] == "t-m1": print(row["NAME"], row["STATE"], row["GROUPS"])')"
    same 'csv of autostart' $'name,order,delay,group\nt-m2,-5,2,' "$(tool autostart -L -a -A --format csv)"
    echo 'lxc.net.0.hwadd = 1' >>"$LXC/t-m2/config"
    tool check t-m2 --format json >"$RUN/findings"
    same findings "error $(wc -l <"$LXC/t-m2/config")" "$(jq -r '.[0] | "\(.severity) \(.line)"' "$RUN/findings")"
    tests/integration/validate check <"$RUN/findings" || fail "check: $(cat "$RUN/findings")"
    tool start -n t-m2 --check --format json | tests/integration/validate check || fail 'start --check'
    code 0 tool stop -k -n t-m1
    sleep 0.3
    kill $monitor
    wait $monitor 2>/dev/null
    grep -q exit_code "$RUN/events" || fail "no exit among the events: $(cat "$RUN/events")"
    tests/integration/validate --lines monitor <"$RUN/events" || fail "monitor: $(cat "$RUN/events")"
    tool monitor -Q 2>/dev/null
    code 0 true
}

test_json_of_images_is_as_its_schema_says() {
    python3 -c 'import jsonschema' 2>/dev/null || { skipped="python3-jsonschema is not installed"; return; }
    local LXC_CACHE_PATH=$RUN/cache name=docker.io/team/app:1
    export LXC_CACHE_PATH
    rm -rf "$RUN/cache"
    image image
    valid image-ls tool_image ls --format json
    keep_image "$name"
    printf 'lxc.net.0.type = empty\n' >"$RUN/oci.conf"
    # Before anything is unpacked, with containers, and with a step that made no layer.
    valid image-ls tool_image ls --format json
    valid image-inspect tool_image inspect "$name"
    valid image-history tool_image history "$name" --format json
    code 0 tool create -n t-oci -f "$RUN/oci.conf" -t oci -- --url "image:$name"
    valid image-ls tool_image ls --format json
    valid image-inspect tool_image inspect "$name"
    same "who uses it" "$LXC/t-oci" "$(tool_image inspect "$name" | jq -r '.layers[2].containers[]')"
    code 0 tool commit -m 'a remark' t-oci team/app:2
    valid image-ls tool_image ls --format json
    valid image-history tool_image history team/app:2 --format json
    same "the remark" 'a remark' "$(tool_image history team/app:2 --format json | jq -r '.[-1].step.comment')"
    valid image-prune tool_image prune --format json --dry-run
    code 0 tool destroy -n t-oci
    code 0 tool_image rm team/app:2 "$name"
    valid image-prune tool_image prune --format json
    # One whose manifest is damaged.
    rm -rf "$RUN/cache"
    keep_image "$name"
    find "$RUN/cache/oci/blobs/sha256" -type f -size -2k -exec truncate -s 10 {} +
    valid image-ls tool_image ls --format json
    same "what a damaged one has" null "$(tool_image ls --format json | jq '.[0].size')"
    rm -rf "$RUN/cache"
}

schema_is_tried() { # SCHEMA
    [ -s "docs/schema/$1.json" ] || fail "there is no schema $1"
    grep -qE "(valid|validate|validate --lines) $1 " tests/integration/machine.sh || fail "$1 is not tried"
}

test_json_of_every_tool_has_a_schema() {
    local tool schema
    for tool in $("$BIN" --list); do
        tool "$tool" --help 2>&1 | grep -q -e '--format=' || continue
        case $tool in
            net) schema=net-status ;;
            start) schema=check ;;
            storage) schema=storage-check ;;
            # The format of an archive.
            export) continue ;;
            *) schema=$tool ;;
        esac
        schema_is_tried "$schema"
    done
    schema_is_tried image-inspect
    for tool in $("$BIN" image --help | sed -n 's/^  \([a-z-]*\)  .*/\1/p'); do
        ! "$BIN" image "$tool" --help | grep -q -e '--format' || schema_is_tried "image-$tool"
    done
}
