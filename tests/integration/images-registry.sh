# Containers from images in registries: Debian's docker-registry, and one that misbehaves.

# Ends what a test has started.
end() { # PID...
    kill "$@" 2>/dev/null
    wait "$@" 2>/dev/null
}

# tests/images/registry.py with the image $RUN/image, in the run's network namespace; its process id is $served.
serve_image() { # [OPTION...]
    rm -rf "$RUN/listening" "$RUN/asked"
    nsenter --net="/run/netns/$NETNS" tests/images/registry.py "$RUN/image" "$RUN/asked" "$@" >"$RUN/listening" 2>&1 &
    served=$!
    for _ in $(seq 100); do
        [ ! -s "$RUN/listening" ] || return 0
        sleep 0.1
    done
    fail "the registry does not listen: $(cat "$RUN/listening")"
}

# Debian's docker-registry at 127.0.0.1:5000 in the run's network namespace, empty; its process id is $served.
real_registry() { # PROGRAM [CONFIGURATION-LINE...]
    rm -rf "$RUN/registry"
    {
        printf 'version: 0.1\nlog: { level: error, accesslog: { disabled: true } }\n'
        printf 'storage: { filesystem: { rootdirectory: %s } }\nhttp: { addr: 127.0.0.1:5000 }\n' "$RUN/registry"
        [ $# = 1 ] || printf '%s\n' "${@:2}"
    } >"$RUN/registry.yml"
    nsenter --net="/run/netns/$NETNS" "$1" serve "$RUN/registry.yml" >"$RUN/registry.log" 2>&1 &
    served=$!
    for _ in $(seq 100); do
        nsenter --net="/run/netns/$NETNS" bash -c ': </dev/tcp/127.0.0.1/5000' 2>/dev/null && return
        sleep 0.1
    done
    fail "docker-registry does not listen: $(cat "$RUN/registry.log")"
}

# skopeo without a policy and without encryption.
skopeo_copy() { # PROGRAM ARG...
    code 0 nsenter --net="/run/netns/$NETNS" "$1" --insecure-policy copy --quiet --src-tls-verify=false --dest-tls-verify=false "${@:2}"
}

# The lines by which docker-registry asks for the password "secret" of "user".
with_password() {
    perl -e 'print "user:", crypt("secret", "\$2y\$05\$abcdefghijklmnopqrstuu"), "\n"' >"$RUN/htpasswd"
    echo "auth: { htpasswd: { realm: tests, path: $RUN/htpasswd } }"
}

# Makes t-oci from the image app of the registry that misbehaves.
pull() { # [OPTION...]
    LXC_CACHE_PATH=$RUN/cache DOCKER_CONFIG=$RUN/none oci docker://127.0.0.1:5001/app --plain-http "$@"
}

test_oci_registry() {
    local registry skopeo url=docker://127.0.0.1:5000/some/app:1 pid
    registry=$(unpacked_program docker-registry) && skopeo=$(unpacked_program skopeo) || { skipped='docker-registry cannot be fetched here'; return; }
    image image
    (cd "$RUN" && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out ca.pem -days 2 \
        -subj /CN=registry -addext 'subjectAltName=IP:127.0.0.1' -addext basicConstraints=critical,CA:FALSE) 2>/dev/null
    with_password >"$RUN/auth.yml"
    rm -rf "$RUN/registry" "$RUN/cache"
    cat >"$RUN/registry.yml" <<YML
version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: $RUN/registry } }
$(cat "$RUN/auth.yml")
http: { addr: 127.0.0.1:5000, tls: { certificate: $RUN/ca.pem, key: $RUN/key.pem } }
YML
    nsenter --net="/run/netns/$NETNS" "$registry" serve "$RUN/registry.yml" >"$RUN/registry.log" 2>&1 &
    pid=$!
    for _ in $(seq 50); do
        nsenter --net="/run/netns/$NETNS" "$skopeo" --insecure-policy copy --quiet --dest-tls-verify=false --dest-creds user:secret \
            "oci:$RUN/image:app" "$url" >"$RUN/push" 2>&1 && break
        sleep 0.2
    done
    export SSL_CERT_FILE=$RUN/ca.pem LXC_CACHE_PATH=$RUN/cache DOCKER_CONFIG=$RUN/none
    code 0 oci "$url" --username user --password secret
    is_of_image "$LXC/t-oci/rootfs"
    same "what is kept" 5 "$(find "$RUN/cache/oci/blobs" -type f | wc -l)"
    ! grep -r secret "$LXC/t-oci/config" "$RUN/out" "$RUN/err" || fail "the password is written down"
    tool destroy -n t-oci
    # As docker login keeps it.
    mkdir -p "$RUN/docker"
    echo "{\"auths\": {\"127.0.0.1:5000\": {\"auth\": \"$(printf user:secret | base64)\"}}}" >"$RUN/docker/config.json"
    DOCKER_CONFIG=$RUN/docker code 0 oci "$url"
    is_of_image "$LXC/t-oci/rootfs"
    tool destroy -n t-oci
    code 1 oci "$url" --username user --password wrong-word
    says '401'
    says 'docker login'
    ! grep wrong-word "$RUN/out" "$RUN/err" || fail "the password is shown"
    DOCKER_CONFIG=$RUN/docker code 1 oci docker://127.0.0.1:5000/some/app:none
    says '404'
    # Another certificate, and no encryption.
    DOCKER_CONFIG=$RUN/docker SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt code 1 oci "$url"
    says 'certificate'
    [ ! -e "$LXC/t-oci" ] || fail "the container is left"
    end "$pid"
    unset SSL_CERT_FILE LXC_CACHE_PATH DOCKER_CONFIG
}

test_oci_registry_cuts() {
    image image
    rm -rf "$RUN/cache"
    serve_image --cut 12 --busy 2
    code 0 pull
    is_of_image "$LXC/t-oci/rootfs"
    [ "$(grep -c 'bytes=' "$RUN/asked")" -ge 1 ] || fail "nothing was continued: $(cat "$RUN/asked")"
    [ -z "$(find "$RUN/cache" -name '*.partial')" ] || fail "parts are left"
    tool destroy -n t-oci
    # All is there now.
    end "$served"
    serve_image
    code 0 pull
    ! grep /blobs/ "$RUN/asked" || fail "what is there was fetched again"
    tool destroy -n t-oci
    : >"$RUN/asked"
    code 0 pull --no-cache
    grep -q /blobs/ "$RUN/asked" || fail "--no-cache used the cache"
    same "what is beside it" "config rootfs" "$(ls -A "$LXC/t-oci" | xargs)"
    tool destroy -n t-oci
    end "$served"
}

test_oci_registry_killed() {
    local number pid
    image image
    rm -rf "$RUN/cache"
    serve_image
    for number in 1 2 3 4 5 6; do
        pull >/dev/null 2>&1 &
        pid=$!
        sleep "0.$number"
        # The template, by the directory of its container.
        pkill -9 -f "^$STAGE/share/lxc/templates/lxc-oci --path=$LXC/t-oci "
        wait "$pid"
        tool destroy -n t-oci 2>/dev/null
    done
    code 0 pull
    is_of_image "$LXC/t-oci/rootfs"
    [ -z "$(find "$RUN/cache" -name '*.partial')" ] || fail "parts are left"
    tool destroy -n t-oci
    end "$served"
}

test_oci_registry_token() {
    image image
    rm -rf "$RUN/cache"
    serve_image --token --redirect
    code 0 pull --username user --password secret
    is_of_image "$LXC/t-oci/rootfs"
    grep -q '^/token.* Basic$' "$RUN/asked" || fail "no token was fetched: $(cat "$RUN/asked")"
    same "tokens" 1 "$(grep -c ^/token "$RUN/asked")"
    tool destroy -n t-oci
    code 1 pull --username user --password wrong
    says 'DENIED: who?'
    [ ! -e "$LXC/t-oci" ] || fail "the container is left"
    end "$served"
    # A mirror is asked first, and not believed.
    serve_image --port 5002 --corrupt
    local mirror=$served
    serve_image
    rm -rf "$RUN/cache"
    code 1 pull --mirror http://127.0.0.1:5002
    says 'not what its digest says'
    code 0 pull --mirror http://127.0.0.1:5009
    grep -q 'not from the mirror' "$RUN/err" || fail "the mirror is not named"
    tool destroy -n t-oci
    code 1 oci docker://127.0.0.1:5001/app
    [ ! -e "$LXC/t-oci" ] || fail "the container is left"
    end "$served" "$mirror"
}

test_oci_registry_idmap() {
    image image
    rm -rf "$RUN/cache"
    printf 'lxc.net.0.type = empty\nlxc.idmap = u 0 100000 65536\nlxc.idmap = g 0 100000 65536\n' >"$RUN/mapped.conf"
    serve_image
    LXC_CACHE_PATH=$RUN/cache code 0 tool create -n t-oci -f "$RUN/mapped.conf" -t oci -- --copy --url docker://127.0.0.1:5001/app --plain-http
    is_of_image_mapped
    same "whose the cache is" 0 "$(find "$RUN/cache" -printf '%U\n' | sort -u)"
    tool destroy -n t-oci
    end "$served"
}

is_of_image_mapped() {
    same "the owner outside" "2750 100033 100033" "$(stat -c '%a %u %g' "$LXC/t-oci/rootfs/data")"
    same "a file of two layers" two "$(cat "$LXC/t-oci/rootfs/etc/changed")"
}

image_command() { # ARG...
    LXC_CACHE_PATH=$RUN/cache timeout 120 nsenter --net="/run/netns/$NETNS" "$BIN" image "$@"
}

test_images_are_kept_under_names() {
    local registry skopeo pid name=127.0.0.1:5001/app:latest layer
    image image
    rm -rf "$RUN/cache"
    code 0 image_command ls
    same "no images" "" "$(cat "$RUN/out")"
    serve_image
    code 0 image_command pull 127.0.0.1:5001/app --plain-http
    end "$served"
    code 0 image_command ls --format json
    same "what is there" "$name linux" "$(jq -r '.[] | .name + " " + (.platform | split("/")[0])' "$RUN/out")"
    code 0 image_command inspect "$name"
    same "its command" /bin/sh "$(jq -r .configuration.config.Entrypoint[0] "$RUN/out")"
    code 0 image_command tag "$name" local/own:1
    code 0 image_command rm "$name"
    code 1 image_command rm "$name"
    says 'no image 127.0.0.1:5001/app:latest'
    code 0 image_command verify
    same "no damage" "docker.io/local/own:1: sound" "$(cat "$RUN/out")"
    code 0 image_command prune
    same "nothing to remove" "0 blobs, 0.0 MiB removed" "$(cat "$RUN/out")"
    # Without any registry.
    LXC_CACHE_PATH=$RUN/cache code 0 oci image:local/own:1
    is_of_image "$LXC/t-oci/rootfs"
    tool destroy -n t-oci
    layer=$(find "$RUN/cache/oci/blobs" -size +100k | head -n 1)
    cp "$layer" "$RUN/layer.blob"
    printf x >>"$layer"
    code 1 image_command verify
    says 'own:1: .*\(digest\|bytes\|announced\)'
    mv "$RUN/layer.blob" "$layer"
    # Out again, to a real registry, where skopeo finds it.
    if registry=$(unpacked_program docker-registry) && skopeo=$(unpacked_program skopeo); then
        real_registry "$registry"
        pid=$served
        code 0 image_command push local/own:1 127.0.0.1:5000/sent:2 --plain-http
        grep -c sent "$RUN/out" | grep -qx 5 || fail "what was sent: $(cat "$RUN/out")"
        code 0 image_command push local/own:1 127.0.0.1:5000/sent:3 --plain-http
        grep -c 'is there' "$RUN/out" | grep -qx 4 || fail "it was sent again: $(cat "$RUN/out")"
        nsenter --net="/run/netns/$NETNS" "$skopeo" --insecure-policy copy --quiet --src-tls-verify=false docker://127.0.0.1:5000/sent:2 "oci:$RUN/back:x" ||
            fail "skopeo does not get it"
        same "the digest" "$(image_command ls --format json | jq -r .[0].digest)" "$(jq -r .manifests[0].digest "$RUN/back/index.json")"
        end "$pid"
    fi
    code 0 image_command rm local/own:1
    code 0 image_command prune --format json
    same "what was removed" 5 "$(jq .blobs "$RUN/out")"
    same "what is left" "" "$(find "$RUN/cache/oci/blobs" -type f)"
}

test_committed_images_and_a_registry() {
    local registry skopeo name=127.0.0.1:5000/team/app:2 number layers=() digest found
    registry=$(unpacked_program docker-registry) && skopeo=$(unpacked_program skopeo) || { skipped='docker-registry cannot be fetched here'; return; }
    export LXC_CACHE_PATH=$RUN/cache DOCKER_CONFIG=$RUN/none
    local login=(--plain-http --username user --password secret)
    rm -rf "$RUN/cache"
    real_registry "$registry" "$(with_password)"
    # Skopeo's image of ten layers.
    image image
    layers=("$RUN/image.layers"/{1,2,3})
    for number in 4 5 6 7 8 9 10; do
        mkdir -p "$RUN/image.layers/$number/srv"
        echo "$number" >"$RUN/image.layers/$number/srv/of-$number"
        layers+=("$RUN/image.layers/$number")
    done
    rm -rf "$RUN/image"
    tests/images/make.py "$RUN/image" app '{"Cmd": ["/bin/sh"]}' "${layers[@]}"
    skopeo_copy "$skopeo" --dest-creds user:secret "oci:$RUN/image:app" docker://127.0.0.1:5000/team/app:1
    code 0 image_command pull 127.0.0.1:5000/team/app:1 "${login[@]}"
    same "the layers for this one" 10 "$(image_command inspect 127.0.0.1:5000/team/app:1 | jq '.layers | length')"
    # A container of it is changed and committed, and the new image goes to the registry.
    printf 'lxc.net.0.type = empty\n' >"$RUN/oci.conf"
    code 0 tool create -n t-oci -f "$RUN/oci.conf" -t oci -- --url image:127.0.0.1:5000/team/app:1
    code 0 tool execute -n t-oci -- /bin/sh -c 'echo mine >/srv/mine; rm /srv/of-5; echo other >/srv/of-6; chmod 4755 /srv/of-7'
    code 0 tool commit -m 'with mine' t-oci "$name"
    code 1 image_command push "$name" --plain-http --username user --password wrong-word
    says '401'
    code 0 image_command push "$name" "${login[@]}"
    same "layers that were there" 10 "$(grep -c 'is there' "$RUN/out")"
    same "what was sent, with the configuration" 2 "$(grep -c ' sent$' "$RUN/out")"
    digest=$(image_command ls --format json | jq -r ".[] | select(.name == \"$name\").digest")
    same "what is told last" "$name@$digest" "$(tail -n 1 "$RUN/out")"
    # Skopeo gets the same.
    skopeo_copy "$skopeo" --src-creds user:secret "docker://$name" "oci:$RUN/back:x"
    same "the digest that skopeo has" "$digest" "$(jq -r .manifests[0].digest "$RUN/back/index.json")"
    # A host that has nothing of it: the container is the one that was committed.
    tool destroy -n t-oci
    rm -rf "$RUN/cache"
    code 0 image_command prune
    LXC_CACHE_PATH=$RUN/cache code 0 oci "docker://$name" "${login[@]}"
    found=$(cd "$LXC/t-oci/rootfs/srv" && stat -c '%n %a' * && cat mine of-6)
    same "what is in it" "$(printf '%s\n' 'mine 644' 'of-10 644' 'of-4 644' 'of-6 644' 'of-7 4755' 'of-8 644' 'of-9 644' mine other)" "$found"
    same "what skopeo's copy makes" "$found" "$(tool destroy -n t-oci; oci "oci:$RUN/back:x" >/dev/null 2>&1; cd "$LXC/t-oci/rootfs/srv" && stat -c '%n %a' * && cat mine of-6)"
    tool destroy -n t-oci
    end "$served"
    unset LXC_CACHE_PATH DOCKER_CONFIG
}
