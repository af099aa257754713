# lxc-rs run: a command in a new container of an image.

# In the run's network namespace, with the images of test_oci_layout and their like.
run_image() { # [OPTION...] IMAGE [COMMAND...]
    printf 'lxc.net.0.type = empty\n' >"$RUN/oci.conf"
    LXC_CACHE_PATH=$RUN/cache DOCKER_CONFIG=$RUN/none tool run -f "$RUN/oci.conf" "$@"
}

# The lxc-run that PID, which is timeout or nsenter, has begun.
deepest_tool() { # PID
    local pid=$1
    # Its file is a copy that nobody can reach.
    while [ "$(tr '\0' '\n' <"/proc/$pid/cmdline" | head -n 1)" != "$STAGE/bin/lxc-run" ] && pid=$(pgrep -P "$pid" | head -n 1) && [ -n "$pid" ]; do :; done
    echo "$pid"
}

containers() { (cd "$LXC" && ls); }

test_run_as_the_image_says() {
    local status
    image image
    # Standard output is the command's alone.
    same "the image's command" "a  b of 33 in /data" "$(run_image --rm "oci:$RUN/image:app" 2>"$RUN/err")"
    says 'Unpacking the rootfs'
    says 'listens on port 80/tcp: lxc-rs forward image_...... PORT:80'
    # The entrypoint gets the command.
    same "another command" "in /data" "$(run_image --rm "oci:$RUN/image:app" 'echo in $PWD' 2>/dev/null)"
    run_image --rm "oci:$RUN/image:app" 'exit 42' >/dev/null 2>&1
    same "its exit code" 42 $?
    run_image --rm "oci:$RUN/image:app" -- 'kill -TERM $$' >/dev/null 2>&1
    same "of a signal" 143 $?
    same "standard input" input "$(echo input | run_image -q --rm "oci:$RUN/image:app" cat)"
    same "what is left" "" "$(containers)"
    # It ends when it is asked to.
    run_image -q -n t-run --rm "oci:$RUN/image:app" 'trap "echo ends; exit 7" INT TERM; echo begins; while :; do sleep 0.1; done' >"$RUN/said" &
    for _ in $(seq 100); do ! grep -q begins "$RUN/said" || break; sleep 0.1; done
    # The program itself: timeout and nsenter are before it.
    kill -TERM "$(deepest_tool $!)"
    wait $!
    same "its exit code" 7 $?
    same "what it said" "begins ends" "$(xargs <"$RUN/said")"
    same "what is left" "" "$(containers)"
    # Kept, by its name, and run again.
    same "one with a name" 33 "$(run_image -n t-run "oci:$RUN/image:app" 'id -u; echo own >/data/own' 2>/dev/null)"
    same "containers" t-run "$(containers)"
    grep -q "^lxc.rootfs.path = overlay:" "$LXC/t-run/config" || fail "it is a copy"
    same "again" 33 "$(tool execute -n t-run)"
    code 1 run_image -n t-run "oci:$RUN/image:app"
    says 'already exists'
    tool destroy -n t-run
    # What cannot be made or started leaves nothing.
    code 1 run_image "oci:$RUN/image:none"
    says 'no image with the tag none'
    code 1 run_image -n t-run -s lxc.net.0.type=veth -s lxc.net.0.link=rsnone0 "oci:$RUN/image:app"
    says rsnone0
    code 1 run_image
    says 'which image'
    same "what is left" "" "$(containers)"
    image_tool prune >/dev/null
}

test_run_of_a_name() {
    image image
    rm -rf "$RUN/cache"
    serve_image
    LXC_CACHE_PATH=$RUN/cache nsenter --net="/run/netns/$NETNS" "$BIN" image pull 127.0.0.1:5001/app --plain-http >/dev/null
    end "$served"
    # From here: there is no registry any more.
    same "the command" "a  b of 33 in /data" "$(run_image -q --rm 127.0.0.1:5001/app 2>/dev/null)"
    code 1 run_image --rm --pull 127.0.0.1:5001/app
    code 0 run_image -d -n t-run -s lxc.environment=WORD=x 127.0.0.1:5001/app 'sleep 60'
    same "the name" t-run "$(cat "$RUN/out")"
    same "it runs" RUNNING "$(state t-run)"
    tool stop -k -n t-run
    tool destroy -n t-run
    code 0 run_image -d --rm 127.0.0.1:5001/app 'sleep 60'
    same "the name" "$(containers)" "$(cat "$RUN/out")"
    [[ $(cat "$RUN/out") == app_?????? ]] || fail "it is called $(cat "$RUN/out")"
    tool stop -k -n "$(cat "$RUN/out")"
    for _ in $(seq 50); do [ -n "$(containers)" ] || break; sleep 0.1; done
    same "what is left" "" "$(containers)"
    nothing_left
    LXC_CACHE_PATH=$RUN/cache "$BIN" image rm 127.0.0.1:5001/app
    image_tool prune >/dev/null
}

test_run_with_volumes() {
    image image
    printf 'lxc.net.0.type = empty\n' >"$RUN/oci.conf"
    mkdir -p "$RUN/host"
    # The first container fills it, and it stays.
    same "what the image has" "hard kept 33" "$(run_image -q --rm -v vol:/data "oci:$RUN/image:app" 'echo $(ls /data) $(stat -c %u /data); echo 1 >/data/more')"
    same "what it has then" "hard kept more" "$(run_image -q --rm -v vol:/data:ro "oci:$RUN/image:app" 'touch /data/x 2>/dev/null; echo $(ls /data)')"
    same "another place" "hard kept more" "$(run_image -q --rm -v vol:/else/where "oci:$RUN/image:app" 'echo $(ls /else/where)')"
    # With ids of their own.
    same "mapped" "33 33" "$(run_image -q --rm --idmap auto -v vol:/data "oci:$RUN/image:app" 'touch /data/mapped; echo $(stat -c %u /data/more /data/mapped)')"
    same "on the disk" "33 33 33 33" "$(stat -c %u "$LXC/.volumes/vol"/* | xargs)"
    code 0 run_image --rm -v "$RUN/host:/host" -s lxc.init.uid=0 "oci:$RUN/image:app" 'echo x >/host/file'
    same "a directory of the host" x "$(cat "$RUN/host/file")"
    code 1 run_image --rm -v "$RUN/none:/host" "oci:$RUN/image:app"
    says "none is not a directory"
    code 1 run_image --rm -v vol "oci:$RUN/image:app"
    says 'vol is not a volume'
    same "what is left" vol "$(ls -A "$LXC/.volumes")"
    rm -r "$LXC/.volumes"
    same "what is left" "" "$(ls -A "$LXC")"
    image_tool prune >/dev/null
}

test_run_by_an_ordinary_user() {
    local script
    image image
    rm -rf "$RUN/image"
    tests/images/make.py "$RUN/image" app '{"Cmd": ["/bin/cat", "/etc/changed"]}' "$RUN/image.layers"/{1,2,3}
    chmod -R go+rX "$RUN/image"
    # shellcheck disable=SC2016
    script='mkdir -p /home/t-user/.config/lxc
        printf "lxc.net.0.type = empty\nlxc.idmap = u 0 300000 65536\nlxc.idmap = g 0 300000 65536\n" >/home/t-user/.config/lxc/default.conf
        as_user lxc-rs run -q --rm "oci:$run/image:app"
        as_user lxc-rs run -q --rm -v vol:/data "oci:$run/image:app" /bin/rm /data/hard
        as_user lxc-rs run -q --rm -v vol:/data "oci:$run/image:app" /bin/ls /data
        cd /home/t-user/.local/share/lxc
        stat -c "%n %a %U" .volumes
        stat -c "%n %a %u:%g" .volumes/vol .volumes/vol/kept
        as_user lxc-ls -1 | grep -v t-own || true'
    same "what a user gets" "two
kept
.volumes 711 t-user
.volumes/vol 2750 300033:300033
.volumes/vol/kept 644 300033:300033" "$(user_world "$script" 2>"$RUN/err" || cat "$RUN/err")"
}
