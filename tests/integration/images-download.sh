# Containers from images made for LXC: archives on this host, and a server of images.

# The archives of an image made for LXC, meta.tar.xz and rootfs.tar.xz in DIR. Its configuration is standard input, or the usual one.
lxc_image() { # DIR
    local work=$RUN/lxc-image
    rm -rf "$work"
    mkdir -p "$work/meta" "$1"
    rootfs "$work/rootfs"
    mkdir -p "$work/rootfs/dev/pts" "$work/rootfs/var/cache/apt"
    mknod "$work/rootfs/dev/null" c 1 3
    echo 'name=LXC_NAME hooks=LXC_HOOK_DIR' >"$work/rootfs/etc/info"
    echo left-out >"$work/rootfs/var/cache/apt/x"
    install -o 33 -g 33 -m 4750 /dev/null "$work/rootfs/etc/owned"
    printf 'lxc.include = LXC_TEMPLATE_CONFIG/common.conf\nlxc.arch = x86_64\nlxc.signal.halt = SIGUSR1\n' >"$work/meta/config"
    printf 'lxc.include = LXC_TEMPLATE_CONFIG/common.conf\nlxc.include = LXC_TEMPLATE_CONFIG/userns.conf\nlxc.arch = x86_64\n' >"$work/meta/config-user"
    [ -t 0 ] || cat >"$work/meta/config.new"
    [ ! -s "$work/meta/config.new" ] || mv "$work/meta/config.new" "$work/meta/config"
    rm -f "$work/meta/config.new"
    printf './var/cache/apt/*\n' >"$work/meta/excludes"
    echo /etc/info >"$work/meta/templates"
    echo 'You just made a container' >"$work/meta/create-message"
    echo 4000000000 >"$work/meta/expiry"
    tar -C "$work/meta" -cJf "$1/meta.tar.xz" .
    # No strong compression: it takes time.
    tar -C "$work/rootfs" --numeric-owner -cf - . | xz -0 >"$1/rootfs.tar.xz"
}

is_of_lxc_image() { # OWNER
    local root=$LXC/t-image/rootfs
    same "words of the host" "name=t-image hooks=$STAGE/share/lxc/hooks" "$(cat "$root/etc/info")"
    same "mode and owner" "4750 $1 $1" "$(stat -c '%a %u %g' "$root/etc/owned")"
    [ -d "$root/dev/pts" ] || fail "dev/pts is missing"
    [ -d "$root/var/cache/apt" ] && [ ! -e "$root/var/cache/apt/x" ] || fail "what is to be left out is there"
    grep -q "^lxc.include = $STAGE/share/lxc/config/common.conf" "$LXC/t-image/config" || fail "the image's configuration is missing"
    grep -q '^lxc.uts.name = t-image' "$LXC/t-image/config" || fail "the name is missing"
}

test_local_image() {
    lxc_image "$RUN/local" </dev/null
    printf 'lxc.net.0.type = empty\n' >"$RUN/image.conf"
    code 0 tool create -n t-image -f "$RUN/image.conf" -t local -- -m "$RUN/local/meta.tar.xz" -f "$RUN/local/rootfs.tar.xz"
    is_of_lxc_image 33
    grep -q 'You just made a container' "$RUN/out" || fail "the message is missing: $(cat "$RUN/out")"
    [ -c "$LXC/t-image/rootfs/dev/null" ] || fail "the device is missing"
    grep -q '^lxc.net.0.type = empty' "$LXC/t-image/config" || fail "the caller's configuration is lost"
    code 0 tool start -n t-image
    same "it runs" t-image "$(tool attach -n t-image -- hostname)"
    tool stop -k -n t-image
    tool destroy -n t-image
    code 0 debian create -n t-image -f "$RUN/image.conf" -t "$STAGE/share/lxc/templates/lxc-local" -- -f "$RUN/local/rootfs.tar.xz" --no-dev
    [ ! -e "$LXC/t-image/rootfs/dev/null" ] || fail "--no-dev left a device"
    code 0 debian start -n t-image
    debian stop -k -n t-image
    tool destroy -n t-image
    # Cut off, and nothing at all.
    head -c 100000 "$RUN/local/rootfs.tar.xz" >"$RUN/cut.tar.xz"
    code 1 tool create -n t-image -t local -- -f "$RUN/cut.tar.xz"
    says "the archive is $RUN/cut.tar.xz"
    code 1 tool create -n t-image -t local -- -f "$RUN/none"
    says 'ENOENT'
    [ ! -e "$LXC/t-image" ] || fail "the container is left"
}

test_local_image_reaches_nothing_of_the_host() {
    local line wanted
    printf 'lxc.net.0.type = empty\n' >"$RUN/image.conf"
    for line in "lxc.hook.pre-start = touch $RUN/evil" 'lxc.mount.entry = / mnt none bind 0 0' 'lxc.include = /etc/passwd'; do
        echo "$line" | lxc_image "$RUN/local"
        code 1 tool create -n t-image -t local -- -m "$RUN/local/meta.tar.xz" -f "$RUN/local/rootfs.tar.xz"
        says "reaches the host: \"${line%%=*}"
        says '--trust-config'
        [ ! -e "$LXC/t-image" ] || fail "the container is left"
    done
    echo 'lxc.hook.pre-start = /bin/true' | lxc_image "$RUN/local"
    code 0 tool create -n t-image -t local -- -m "$RUN/local/meta.tar.xz" -f "$RUN/local/rootfs.tar.xz" --trust-config
    tool destroy -n t-image
    # Devices and capabilities are closed without id maps, whatever the image says of them.
    while read -r line wanted; do
        echo "lxc.include = LXC_TEMPLATE_CONFIG/$line.conf" | lxc_image "$RUN/local"
        code 0 tool create -n t-image -f "$RUN/image.conf" -t local -- -m "$RUN/local/meta.tar.xz" -f "$RUN/local/rootfs.tar.xz"
        same "what an image with $line includes" "$wanted" "$(sed -n "s:^lxc.include = $STAGE/share/lxc/config/\(.*\).conf:\1:p" "$LXC/t-image/config" | xargs)"
        tool destroy -n t-image
    done <<'LINES'
userns common
oci.common common oci.common
debian.common debian.common
LINES
    for line in 'lxc.cap.drop =' 'lxc.mount.auto = sys:rw' 'lxc.include = LXC_TEMPLATE_CONFIG/nesting.conf'; do
        echo "$line" | lxc_image "$RUN/local"
        code 1 tool create -n t-image -t local -- -m "$RUN/local/meta.tar.xz" -f "$RUN/local/rootfs.tar.xz"
        says "reaches the host: \"${line%% =*}"
    done
}

# An archive of so many entries, a third of which are links to a place outside, with as much memory as a small host has.
# IMAGES=N makes it a million.
test_local_archive_of_many_entries() {
    local many=20000
    [ -z "${IMAGES:-}" ] || many=1000000
    mkdir -p "$RUN/outside"
    echo untouched >"$RUN/outside/file"
    python3 - "$RUN/many.tar.gz" "$RUN/outside" $many <<'PYTHON'
import sys, tarfile
name, outside, many = sys.argv[1], sys.argv[2], int(sys.argv[3])
with tarfile.open(name, "w:gz", compresslevel=1, format=tarfile.GNU_FORMAT) as tar:
    tar.members = type("Forgetful", (list,), {"append": lambda *_: None})()
    for number in range(many):
        info = tarfile.TarInfo(f"d{number % 1000}/{number // 1000}")
        if number < 1000:
            info.name, info.type, info.mode = f"d{number}", tarfile.DIRTYPE, 0o755
        elif number % 3 == 0:
            info.type, info.linkname = tarfile.SYMTYPE, outside
        elif number % 3 == 1 and number > 2000:
            # Of a link to the outside, or of a file.
            info.type, info.linkname = tarfile.LNKTYPE, f"d{number % 1000}/1"
        tar.addfile(info)
PYTHON
    printf 'lxc.net.0.type = empty\n' >"$RUN/image.conf"
    begin=$(date +%s%N)
    (ulimit -v 1000000 && timeout 500 "$BIN" create -P "$LXC" -n t-image -f "$RUN/image.conf" -t local -- -f "$RUN/many.tar.gz") >"$RUN/out" 2>"$RUN/err" ||
        fail "it is not unpacked: $(cat "$RUN/err")"
    echo "    $many entries in $((($(date +%s%N) - begin) / 1000000)) ms"
    same "entries" $many "$(find "$LXC/t-image/rootfs"/d[0-9]* | wc -l)"
    same "what is outside" "file untouched" "$(cd "$RUN/outside" && echo * "$(cat file)")"
    same "links of what is outside" 1 "$(stat -c %h "$RUN/outside/file")"
    tool destroy -n t-image
    rm "$RUN/many.tar.gz"
}

# Serves $RUN/server in the run's network namespace; its process id is $served.
serve_images() {
    rm -rf "$RUN/server"
    mkdir -p "$RUN/server/meta/1.0"
    lxc_image "$RUN/server/images/test/1/amd64/default/20240101_07:42" </dev/null
    cat >"$RUN/server/meta/1.0/index-system" <<'INDEX'
test;1;amd64;default;20240101_07:42;/images/test/1/amd64/default/20240101_07:42/
test;2;amd64;default;20240101_07:42;/images/none/
INDEX
    cp "$RUN/server/meta/1.0/index-system" "$RUN/server/meta/1.0/index-user"
    nsenter --net="/run/netns/$NETNS" python3 -m http.server -d "$RUN/server" 5003 >"$RUN/served" 2>&1 &
    served=$!
    for _ in $(seq 100); do
        nsenter --net="/run/netns/$NETNS" bash -c ': </dev/tcp/127.0.0.1/5003' 2>/dev/null && break
        sleep 0.1
    done
}

download() { # OPTION...
    LXC_CACHE_PATH=$RUN/cache tool create -n t-image -f "$RUN/image.conf" -t download -- --server 127.0.0.1:5003 --plain-http "$@"
}

test_download() {
    local served
    rm -rf "$RUN/cache"
    printf 'lxc.net.0.type = empty\n' >"$RUN/image.conf"
    serve_images
    code 0 download -d test -r 1 -a amd64
    is_of_lxc_image 33
    same "what it tells" 'Downloading the image index;Downloading the metadata;Downloading the rootfs;The image cache is now ready;Unpacking the rootfs;;---;You just made a container;' \
        "$(tr '\n' ';' <"$RUN/out")"
    same "what is kept" 20240101_07:42 "$(cat "$RUN/cache/download/test/1/amd64/default/build_id")"
    tool destroy -n t-image
    code 0 debian create -n t-image -f "$RUN/image.conf" -t "$STAGE/share/lxc/templates/lxc-download" -- -h
    tool destroy -n t-image
    LXC_CACHE_PATH=$RUN/cache code 0 debian create -n t-image -f "$RUN/image.conf" -t "$STAGE/share/lxc/templates/lxc-download" -- \
        --server 127.0.0.1:5003 --plain-http -d test -r 1 -a amd64
    grep -q 'Using image from local cache' "$RUN/out" || fail "the cache was not used"
    is_of_lxc_image 33
    tool destroy -n t-image
    code 1 download -d test -r 2 -a amd64
    says '/images/none/meta.tar.xz: 404'
    code 1 download -d test -r 3 -a amd64
    says 'no image test 3 amd64 default'
    code 1 download --list
    grep -q '^test             1           amd64  default  20240101_07:42$' "$RUN/out" || fail "the list: $(cat "$RUN/out")"
    LXC_CACHE_PATH=$RUN/cache code 1 tool create -n t-image -t download -- --server 127.0.0.1:5003 -d test -r 1 -a amd64 --flush-cache
    [ ! -e "$LXC/t-image" ] || fail "the container is left"
    # Asked, with the answers on standard input.
    code 0 download <<<$'test\n1\namd64'
    grep -q '^Distribution: Release: Architecture: ' "$RUN/out" || fail "it did not ask: $(cat "$RUN/out")"
    tool destroy -n t-image
    # Too old: from the server again, unless told otherwise.
    echo 1 >"$RUN/cache/download/test/1/amd64/default/expiry"
    code 0 download -d test -r 1 -a amd64 --force-cache
    tool destroy -n t-image
    # An index of before is not believed, though somebody signed it then.
    sed -i 's/20240101_07:42;/20230101_07:42;/' "$RUN"/server/meta/1.0/index-*
    code 1 download -d test -r 1 -a amd64
    says 'index is old: it has the build 20230101_07:42, here is 20240101_07:42'
    [ ! -e "$LXC/t-image" ] || fail "the container is left"
    code 0 download -d test -r 1 -a amd64 --flush-cache
    same "what is kept" 20230101_07:42 "$(cat "$RUN/cache/download/test/1/amd64/default/build_id")"
    tool destroy -n t-image
    sed -i 's/20230101_07:42;/20240101_07:42;/' "$RUN"/server/meta/1.0/index-*
    echo 1 >"$RUN/cache/download/test/1/amd64/default/expiry"
    # What has no end is not fetched for ever.
    truncate -s 2M "$RUN/server/images/test/1/amd64/default/20240101_07:42/SHA256SUMS"
    code 1 download -d test -r 1 -a amd64
    says 'SHA256SUMS has more than 1048576 bytes'
    rm "$RUN/server/images/test/1/amd64/default/20240101_07:42/SHA256SUMS"
    kill "$served"
    wait "$served" 2>/dev/null
    code 1 download -d test -r 1 -a amd64
    says 'cannot reach'
    code 0 download -d test -r 1 -a amd64 --force-cache
    tool destroy -n t-image
}

test_download_signed() {
    local served file home=$RUN/gnupg key
    command -v gpg >/dev/null || { skipped='there is no gpg here'; return; }
    rm -rf "$RUN/cache" "$home"
    printf 'lxc.net.0.type = empty\n' >"$RUN/image.conf"
    serve_images
    mkdir -m 700 "$home"
    for key in good other; do
        gpg --homedir "$home" --batch --quiet --passphrase '' --quick-gen-key "$key" ed25519 sign never 2>/dev/null
        gpg --homedir "$home" --export "$key" >"$RUN/$key.gpg"
    done
    (cd "$RUN/server" && find . -type f) | while read -r file; do
        gpg --homedir "$home" --batch --quiet -u good --armor --detach-sign "$RUN/server/$file"
    done
    gpgconf --homedir "$home" --kill all
    code 0 download -d test -r 1 -a amd64 --keyring "$RUN/good.gpg"
    tool destroy -n t-image
    rm -r "$RUN/cache"
    code 1 download -d test -r 1 -a amd64 --keyring "$RUN/other.gpg"
    says 'is not signed by a key of'
    printf x >>"$RUN/server/images/test/1/amd64/default/20240101_07:42/rootfs.tar.xz"
    code 1 download -d test -r 1 -a amd64 --keyring "$RUN/good.gpg"
    says 'rootfs.tar.xz is not signed by a key of'
    [ -z "$(find "$RUN/cache" -name '*.xz')" ] || fail "what is not signed is kept"
    rm "$RUN/server/meta/1.0/index-system.asc"
    code 1 download -d test -r 1 -a amd64 --keyring "$RUN/good.gpg"
    says 'index-system.asc: 404'
    [ ! -e "$LXC/t-image" ] || fail "the container is left"
    kill "$served"
    wait "$served" 2>/dev/null
}

test_download_idmap() {
    local served
    rm -rf "$RUN/cache"
    printf 'lxc.net.0.type = empty\nlxc.idmap = u 0 100000 65536\nlxc.idmap = g 0 100000 65536\n' >"$RUN/image.conf"
    serve_images
    code 0 download -d test -r 1 -a amd64
    is_of_lxc_image 100033
    says '1 device nodes are left out'
    grep -q "^lxc.include = $STAGE/share/lxc/config/userns.conf" "$LXC/t-image/config" || fail "the configuration is not the one for users"
    same "whose the cache is" 0 "$(find "$RUN/cache" -printf '%U\n' | sort -u)"
    code 0 tool start -n t-image
    same "it runs" t-image "$(tool attach -n t-image -- hostname)"
    tool stop -k -n t-image
    tool destroy -n t-image
    kill "$served"
    wait "$served" 2>/dev/null
}
