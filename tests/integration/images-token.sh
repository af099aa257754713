# Debian's docker-registry with tokens, and an image of several platforms in it.

# docker-registry, which believes the tokens of tests/images/tokens.py; both listen in the run's network namespace.
# Their process ids are $served and $giver.
token_registry() { # PROGRAM
    (cd "$RUN" && openssl req -x509 -newkey rsa:2048 -nodes -keyout token.key -out token.pem -days 2 -subj /CN=tokens) 2>/dev/null
    nsenter --net="/run/netns/$NETNS" tests/images/tokens.py "$RUN/token.pem" "$RUN/token.key" "$RUN/tokens" >"$RUN/giving" 2>&1 &
    giver=$!
    for _ in $(seq 100); do
        [ ! -s "$RUN/giving" ] || break
        sleep 0.1
    done
    real_registry "$1" 'auth:' '  token:' '    realm: http://127.0.0.1:5003/token' '    service: tests' '    issuer: tests' \
        "    rootcertbundle: $RUN/token.pem"
}

# Makes one entry of those of $RUN/image, an index: skopeo sends no others as one.
one_index() {
    local dir=$RUN/image digest kind=application/vnd.oci.image.index.v1+json
    jq -c "{schemaVersion, mediaType: \"$kind\", manifests: [.manifests[] | del(.annotations)]}" "$dir/index.json" >"$dir/index"
    digest=$(sha256sum "$dir/index" | cut -d' ' -f1)
    jq -nc --arg digest "sha256:$digest" --argjson size "$(stat -c %s "$dir/index")" "{schemaVersion: 2, manifests: [
        {mediaType: \"$kind\", digest: \$digest, size: \$size, annotations: {\"org.opencontainers.image.ref.name\": \"app\"}}]}" >"$dir/index.json"
    mv "$dir/index" "$dir/blobs/sha256/$digest"
}

test_tokens_and_platforms_of_a_real_registry() {
    local registry skopeo arch digest name=127.0.0.1:5000/team/many:1 login=(--plain-http --username user --password secret)
    registry=$(unpacked_program docker-registry) && skopeo=$(unpacked_program skopeo) || { skipped='docker-registry cannot be fetched here'; return; }
    export LXC_CACHE_PATH=$RUN/cache DOCKER_CONFIG=$RUN/none
    rm -rf "$RUN/cache"
    image image
    for arch in s390x riscv64; do
        mkdir -p "$RUN/image.layers/$arch"
        echo $arch >"$RUN/image.layers/$arch/for"
        tests/images/make.py "$RUN/image" app '{"Cmd": ["/bin/sh"]}' --arch $arch "$RUN/image.layers/1" "$RUN/image.layers/$arch"
    done
    one_index
    token_registry "$registry"
    skopeo_copy "$skopeo" --all --dest-creds user:secret "oci:$RUN/image:app" "docker://$name"
    # Nobody is let in without a name, and not with a wrong password.
    code 1 image_command pull "$name" --plain-http
    says '401'
    says 'docker login'
    code 1 image_command pull "$name" --plain-http --username user --password wrong-word
    says 'who are you'
    ! grep wrong-word "$RUN/out" "$RUN/err" "$RUN/tokens" || fail "the password is shown"
    # One platform of the index, and another.
    for arch in s390x riscv64; do
        code 0 image_command pull "$name" "${login[@]}" --platform "linux/$arch"
        same "the platform that was pulled" "linux/$arch" "$(image_command ls --format json | jq -r ".[] | select(.name == \"$name\").platform")"
        digest=$(nsenter --net="/run/netns/$NETNS" "$skopeo" inspect --tls-verify=false --creds user:secret --raw "docker://$name" |
            jq -r ".manifests[] | select(.platform.architecture == \"$arch\").digest")
        same "its digest" "$digest" "$(image_command ls --format json | jq -r ".[] | select(.name == \"$name\").digest")"
    done
    code 0 oci "docker://$name" "${login[@]}"
    is_of_image "$LXC/t-oci/rootfs"
    [ ! -e "$LXC/t-oci/rootfs/for" ] || fail "it is the image of another platform"
    tool destroy -n t-oci
    code 1 oci "docker://$name" "${login[@]}" --platform linux/mips64
    says 'no image for linux/mips64'
    says 'there are: .*linux/riscv64 linux/s390x'
    # Of one platform only, without an index.
    skopeo_copy "$skopeo" --src-creds user:secret --dest-creds user:secret --override-arch s390x "docker://$name" docker://127.0.0.1:5000/team/other:1
    code 1 oci docker://127.0.0.1:5000/team/other:1 "${login[@]}"
    says 'the image is for linux/s390x, not for linux/'
    code 0 oci docker://127.0.0.1:5000/team/other:1 "${login[@]}" --platform s390x
    same "which it is" s390x "$(cat "$LXC/t-oci/rootfs/for")"
    tool destroy -n t-oci
    # A push asks for more than a pull.
    code 0 image_command tag "$name" public/app:1
    : >"$RUN/tokens"
    code 1 image_command push public/app:1 127.0.0.1:5000/public/app:1 --plain-http
    says '401'
    code 0 image_command push public/app:1 127.0.0.1:5000/public/app:1 "${login[@]}"
    grep -q '^user .*repository:public/app:.*push' "$RUN/tokens" || fail "what was asked for: $(cat "$RUN/tokens")"
    code 0 image_command pull 127.0.0.1:5000/public/app:1 --plain-http
    same "what anybody gets" "$(image_command ls --format json | jq -r '.[] | select(.name | endswith("public/app:1")).digest' | sort -u | wc -l)" 1
    end "$served" "$giver"
    unset LXC_CACHE_PATH DOCKER_CONFIG
}
