# Images that are interrupted on their way, and disks that become full. IMAGES=N takes an image of 1 GiB, N times.

# A large image: ten layers of SIZE each, which cannot be packed.
large_image() { # SIZE
    local number
    rm -rf "$RUN/image" "$RUN/image.layers"
    for number in $(seq 10); do
        mkdir -p "$RUN/image.layers/$number/data"
        head -c "$1" /dev/urandom >"$RUN/image.layers/$number/data/$number"
        echo "$number" >"$RUN/image.layers/$number/data/last"
    done
    rootfs "$RUN/image.layers/1"
    tests/images/make.py "$RUN/image" app '{"Cmd": ["/bin/cat", "/data/last"]}' --pack none "$RUN/image.layers"/{1,2,3,4,5,6,7,8,9,10}
    rm -rf "$RUN/image.layers"
}

# The size of its layers, and how often something is interrupted.
how_much() { [ -n "${IMAGES:-}" ] && echo "102M $IMAGES" || echo '2M 10'; }

# All blobs with a whole name are what it says.
blobs_are_whole() {
    local blob
    for blob in "$RUN"/cache/oci/blobs/sha256/*; do
        case $blob in
            *.* | *'*') ;;
            *) same "a blob" "${blob##*/}" "$(sha256sum <"$blob" | cut -d ' ' -f 1)" ;;
        esac
    done
}

# Runs COMMAND and kills what it executed, after a part of the time that it takes, unless it has ended by then.
interrupted() { # SIGNAL MILLISECONDS COMMAND...
    local signal=$1 until pid
    until=$(($(now) + $2 * RANDOM / 32768))
    shift 2
    "$@" >/dev/null 2>&1 &
    pid=$!
    while [ "$(now)" -lt $until ] && kill -0 $pid 2>/dev/null; do command sleep 0.005; done
    # It is a program in the place of its shell, or a tool that timeout runs: the program itself is at its end.
    kill "-$signal" "$(deepest $pid)" 2>/dev/null
    wait $pid
}

now() { echo $(($(date +%s%N) / 1000000)); }

# The last of the processes that PID began.
deepest() { # PID
    local pid=$1 child
    while child=$(pgrep -P "$pid" | head -n 1) && [ -n "$child" ]; do pid=$child; done
    echo "$pid"
}

milliseconds() { # COMMAND...
    local begin
    begin=$(now)
    "$@" >/dev/null 2>&1
    echo $(($(now) - begin))
}

pull_large() { image_command pull 127.0.0.1:5001/app --plain-http; }
push_large() { image_command push 127.0.0.1:5001/app "127.0.0.1:5000/app:$1" --plain-http; } # TAG

test_pulls_interrupted_go_on() {
    local size count number time resumed=0 signals=(KILL TERM INT)
    read -r size count <<<"$(how_much)"
    large_image "$size"
    rm -rf "$RUN/cache"
    serve_image
    time=$(milliseconds pull_large)
    for number in $(seq "$count"); do
        if image_command inspect 127.0.0.1:5001/app >/dev/null 2>&1; then
            image_command verify >"$RUN/out" 2>&1 || fail "an image is damaged: $(cat "$RUN/out")"
            image_command rm 127.0.0.1:5001/app
            image_command prune >/dev/null
        fi
        # Also before anything is there.
        [ $((number % 5)) -ne 0 ] || rm -rf "$RUN/cache"
        : >"$RUN/asked"
        interrupted "${signals[number % 3]}" "$time" pull_large
        blobs_are_whole
        ! grep -q bytes= "$RUN/asked" || resumed=$((resumed + 1))
    done
    code 0 pull_large
    code 0 image_command verify
    blobs_are_whole
    [ -z "$(find "$RUN/cache" -name '*.partial')" ] || fail "parts are left"
    same "the digest" "$(jq -r .manifests[0].digest "$RUN/image/index.json")" "$(image_command inspect 127.0.0.1:5001/app | jq -r .digest)"
    echo "    $resumed of $count pulls went on where another one had ended"
    [ -z "${IMAGES:-}" ] || [ $((resumed * 10)) -ge "$count" ] || fail "only $resumed went on where another one had ended"
    end "$served"
    image_command rm 127.0.0.1:5001/app
    image_command prune >/dev/null
}

# To Debian's docker-registry, and back by skopeo: each repository is empty before the first of two.
test_pushes_interrupted_go_on() {
    local registry skopeo size count number time digest sent=0 there=0 to signals=(KILL TERM INT)
    registry=$(unpacked_program docker-registry) && skopeo=$(unpacked_program skopeo) || { skipped='docker-registry cannot be fetched here'; return; }
    read -r size count <<<"$(how_much)"
    large_image "$size"
    rm -rf "$RUN/cache"
    serve_image
    code 0 pull_large
    end "$served"
    digest=$(jq -r .manifests[0].digest "$RUN/image/index.json")
    real_registry "$registry"
    time=$(milliseconds push_large first)
    for number in $(seq "$count"); do
        [ $((number % 2)) -ne 1 ] || { to=$number; rm -rf "$RUN/registry"; }
        interrupted "${signals[number % 3]}" "$time" push_large "$to"
        # A tag is there when all is there that it names.
        if nsenter --net="/run/netns/$NETNS" "$skopeo" inspect --tls-verify=false --raw "docker://127.0.0.1:5000/app:$to" >"$RUN/raw" 2>/dev/null; then
            same "what the tag names" "${digest#*:}" "$(sha256sum <"$RUN/raw" | cut -d ' ' -f 1)"
        fi
        [ $((number % 2)) -eq 0 ] || continue
        code 0 push_large "$to"
        sent=$((sent + $(grep -c ' sent$' "$RUN/out"))) there=$((there + $(grep -c 'is there' "$RUN/out")))
        rm -rf "$RUN/back"
        skopeo_copy "$skopeo" --preserve-digests "docker://127.0.0.1:5000/app:$to" "oci:$RUN/back:x"
        same "the digest that skopeo has" "$digest" "$(jq -r .manifests[0].digest "$RUN/back/index.json")"
        same "what skopeo has" "$(ls "$RUN/image/blobs/sha256")" "$(cd "$RUN/back/blobs/sha256" && sha256sum -- * | cut -d ' ' -f 1)"
    done
    echo "    of $((sent + there)) blobs $there were there after interrupted pushes"
    [ $there -gt 0 ] || fail "nothing was there"
    end "$served"
    code 0 image_command rm 127.0.0.1:5001/app
    code 0 image_command prune
}

test_creates_interrupted_leave_whole_layers() {
    local size count number time signals=(KILL KILL TERM)
    read -r size count <<<"$(how_much)"
    large_image "$size"
    rm -rf "$RUN/cache"
    time=$(milliseconds layered t-large)
    for number in $(seq "$count"); do
        tool destroy -n t-large 2>/dev/null
        # What is whole is whole, and what is used by nobody goes with all that was left.
        image_tool verify >"$RUN/out" 2>&1 || fail "a layer is damaged: $(cat "$RUN/out")"
        [ $((number % 3)) -ne 0 ] || image_tool prune >/dev/null || fail "prune fails"
        interrupted "${signals[number % 3]}" "$time" layered t-large
    done
    tool destroy -n t-large 2>/dev/null
    code 0 layered t-large
    same "what it says" 10 "$(tool execute -n t-large)"
    tool destroy -n t-large
    image_tool prune >/dev/null
    same "what is left" "places" "$(ls "$LXC_LAYERS_PATH")"
    nothing_left
}

test_two_creates_of_one_image_at_once() {
    local number pids=()
    large_image 2M
    for number in 1 2 3 4; do layered "t-$number" >"$RUN/out.$number" 2>&1 & pids+=($!); done
    for number in 1 2 3 4; do wait "${pids[number - 1]}" || fail "$number: $(cat "$RUN/out.$number")"; done
    same "layers" 10 "$(unpacked)"
    for number in 1 2 3 4; do
        same "what it says" 10 "$(tool execute -n "t-$number")"
        tool destroy -n "t-$number"
    done
    image_tool prune >/dev/null
}

# The store of layers, and that of blobs, on a disk of their own that is too small.
test_stores_on_a_full_disk() {
    local kind
    large_image 2M
    for kind in tmpfs ext4; do
        mkdir -p "$RUN/small"
        if [ $kind = tmpfs ]; then
            mount -t tmpfs -o size=12M none "$RUN/small"
        else
            truncate -s 14M "$RUN/small.image"
            mkfs.ext4 -q "$RUN/small.image"
            mount -o loop "$RUN/small.image" "$RUN/small"
        fi
        export LXC_LAYERS_PATH=$RUN/small/layers
        code 1 layered t-large
        says 'ENOSPC'
        says "make room in $RUN/small/layers: lxc-rs image prune"
        [ ! -e "$LXC/t-large" ] || fail "the container is left"
        [ "$(unpacked)" -ge 1 ] || fail "what was whole is gone"
        [ -z "$(find "$RUN/small" -name '.new-*')" ] || fail "parts are left: $(find "$RUN/small" -name '.new-*')"
        code 0 image_tool verify
        # It has not become better.
        code 1 layered t-large
        if [ $kind = tmpfs ]; then
            mount -o remount,size=40M "$RUN/small"
        else
            umount "$RUN/small"
            truncate -s 60M "$RUN/small.image"
            e2fsck -fp "$RUN/small.image" >/dev/null 2>&1
            resize2fs "$RUN/small.image" >/dev/null 2>&1
            mount -o loop "$RUN/small.image" "$RUN/small"
        fi
        code 0 layered t-large
        same "what it says" 10 "$(tool execute -n t-large)"
        code 0 image_tool verify
        tool destroy -n t-large
        code 0 image_tool prune
        export LXC_LAYERS_PATH=$RUN/unpacked
        umount "$RUN/small"
    done
    # The blobs.
    mount -t tmpfs -o size=12M none "$RUN/small"
    rm -rf "$RUN/cache"
    mkdir "$RUN/small/cache"
    ln -s "$RUN/small/cache" "$RUN/cache"
    serve_image
    code 1 pull_large
    says 'ENOSPC'
    blobs_are_whole
    code 0 image_command ls
    mount -o remount,size=40M "$RUN/small"
    code 0 pull_large
    code 0 image_command verify
    blobs_are_whole
    end "$served"
    rm "$RUN/cache"
    umount "$RUN/small"
}
