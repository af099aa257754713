# Files in formats of others: what LXC's own parsers take is taken here, and means the same.

test_formats_of_seccomp_profiles() {
    local text theirs
    container t-format "lxc.seccomp.profile = $RUN/profile"
    for text in '2\ndenylist\nchroot # why\nmkdir errno 22\n' '2\n\ndenylist\nmkdir errno 22\n' '\n2\ndenylist\nmkdir errno 22\n' \
        '2\ndenylist\nmkdir errno 22 # why\n' '2\ndenylist\nmkdir errno 22#why\n' \
        '2\ndenylist\nreject_force_umount # x\n[x86_64]\n\n# c\nmkdir errno 22' '2\nblacklist allow\nnosuchcall\nmkdir errno 22\n'; do
        # shellcheck disable=SC2059
        printf "$text" >"$RUN/profile"
        same "profile $text" 'mkdir: can'\''t create directory '\''/tmp/new'\'': Invalid argument' \
            "$(tool execute -n t-format -- mkdir /tmp/new 2>&1)"
        [ -x /usr/bin/lxc-execute ] || continue
        theirs=$(debian execute -n t-format -- mkdir /tmp/new 2>&1)
        grep -q 'Invalid argument' <<<"$theirs" || fail "Debian's: profile $text: $theirs"
    done
    remove_pivot
}

test_formats_of_the_system_configuration() {
    [ -x /usr/bin/lxc-config ] || { skipped="Debian's lxc is not installed"; return; }
    unshare --mount --propagation private bash -c '
        mkdir -p /etc/lxc && mount -t tmpfs none /etc/lxc
        for text in "lxc.lxcpath = /a" "\tlxc.lxcpath\t=/a" "lxc.lxcpath = /a # c" "# c\n # c\nlxc.lxcpath = /a" \
            "; c\nlxc.lxcpath = /a" "lxc.lxcpath = /a\nlxc.lxcpath = /b" "nonsense\nlxc.lxcpath = /a" "[x]\nlxc.lxcpath = /a" \
            "lxc.lxcpath : /a" "lxc.lxcpath /a" "lxc.lxcpath = /a/" "lxc.lxcpath = \"/a\"" "lxc.lxcpathx = /a" "lxc.lxcpath = /a\\\\\n/b"; do
            printf "$text\n" >/etc/lxc/lxc.conf
            ours=$("$0" config lxc.lxcpath 2>&1) theirs=$(/usr/bin/lxc-config lxc.lxcpath)
            [ "$ours" = "$theirs" ] || echo "$text: $ours, as Debian'\''s: $theirs"
        done' "$BIN" >"$RUN/out" 2>&1
    same lxc.conf '' "$(cat "$RUN/out")"
}

test_formats_of_mount_fields() {
    container t-key "lxc.mount.fstab = $RUN/fstab"
    mkdir -p "$RUN/source/a b"
    printf '%s\n' '# a comment' '' "$RUN/source mnt/back\\\\slash none bind,create=dir" "	$RUN/source/a\\040b	mnt/tab\\011	none	bind,create=dir	0	0	# more" \
        "$RUN/source mnt/four\\134040 none ,bind,,create=dir 0" "$RUN/source mnt/cr none bind,create=dir 0 0"$'\r' $'# Gr\xfc\xdfe' \
        "$RUN/source mnt/no"$'\u00a0'"break none bind,create=dir" >"$RUN/fstab"
    # shellcheck disable=SC2016
    as_debian t-key 'cut -d" " -f2 /proc/mounts | grep mnt'
    same entries 5 "$(wc -l <<<"$facts")"
}

# Names of others in the kernel's tables and in /etc may be any bytes.
test_formats_of_tables_with_bytes_of_others() {
    local other name
    name=$(printf 'other\377')
    container t-bytes 'lxc.net.0.type = none'
    # init's own name is "\377" as well.
    cp "$LXC/t-bytes/rootfs/bin/busybox" "$LXC/t-bytes/rootfs/bin/$name"
    printf '#!/bin/sh\ntrap exit USR1\nprintf "%%b" "\\0377" >/proc/self/comm\nwhile :; do sleep 1 & wait; done\n' >"$LXC/t-bytes/rootfs/sbin/odd"
    chmod 755 "$LXC/t-bytes/rootfs/sbin/odd"
    printf 'J\374rgen:x:7:7:J\374rgen:/:/bin/false\nroot:x:0:0:root:/:/bin/other-shell\n' >"$LXC/t-bytes/rootfs/etc/passwd"
    printf '#!/bin/sh\necho the other shell\n' >"$LXC/t-bytes/rootfs/bin/other-shell"
    chmod 755 "$LXC/t-bytes/rootfs/bin/other-shell"
    nsenter --net="/run/netns/$NETNS" python3 -c '
import socket, time
s = socket.socket(socket.AF_UNIX)
s.bind(b"\0other\xff")
s.listen()
print("up", flush=True)
time.sleep(100)' >"$RUN/up" &
    other=$!
    until grep -q up "$RUN/up"; do sleep 0.1; done
    mkdir "$RUN/$name"
    code 0 nsenter --net="/run/netns/$NETNS" unshare --mount --propagation private sh -c \
        'mount -t tmpfs none "$0" && exec "$@"' "$RUN/$name" "$BIN" start -P "$LXC" -n t-bytes -- /sbin/odd
    same 'the name of init' '377' "$(tr -d '\n' <"/proc/$(tool info -n t-bytes -pH)/comm" | od -An -to1 | xargs)"
    same listed t-bytes "$(tool ls -1 --active | xargs)"
    same 'a shell' 'the other shell' "$(tool attach -n t-bytes 2>&1)"
    code 0 tool freeze -n t-bytes
    code 0 tool unfreeze -n t-bytes
    code 0 tool stop -n t-bytes -t 10
    kill $other
    wait $other 2>/dev/null
    rmdir "$RUN/$name"
    rm "$RUN/up"
}

# Lines of /etc/subuid that newuidmap takes, or does not: then the line is named.
test_formats_of_subordinate_ids() {
    command -v newuidmap >/dev/null || { skipped='newuidmap is not installed'; return; }
    cp "$BIN" "$RUN/lxc-rs"
    chmod 755 "$RUN" "$RUN/lxc-rs"
    : >"$RUN/ids"
    # shellcheck disable=SC2016
    unshare --mount --propagation private bash -c '
        mount --bind "$0/ids" /etc/subuid && mount --bind "$0/ids" /etc/subgid
        user() { setpriv --reuid=games --regid=games --clear-groups "$@"; }
        for text in "games:100000:10" "games:100000:10\\n" "#x\\n\\ngames: 100000: 10\\n" "games:0x186a0:0xa\\n" "games:100000:10:x\\n" \
            "games:bad:1\\ngames:100000:10\\n" "games:1:0\\ngames:100000:10\\n" "5:300000:10\\ngames:100000:10\\n" \
            "games:100000:10\\ngames:200000:10\\n" "5:100000:10\\n" "J\\374rgen:1:1\\ngames:100000:10\\n"; do
            printf "$text" >"$0/ids"
            map=$(user "$0/lxc-rs" usernsexec -- cat /proc/self/uid_map 2>&1 | xargs)
            [ "$map" = "0 100000 10" ] || echo "$text: $map"
        done
        for text in "games:100000:10\\r\\n" " games:100000:10\\n" "games:100000:10 # c\\n" "\\357\\273\\277games:100000:10\\n" "games::\\n"; do
            printf "x:1:1\\n$text" >"$0/ids"
            user "$0/lxc-rs" usernsexec -- true 2>&1 | grep -q "/etc/subuid:2" || echo "$text: not told"
        done' "$RUN" >"$RUN/out" 2>&1
    same 'lines of /etc/subuid' '' "$(cat "$RUN/out")"
    rm "$RUN/ids" "$RUN/lxc-rs"
}

# What sh(1) makes of a line, and what the bridge gets.
test_formats_of_lxc_net() {
    local line wanted
    for line in 'LXC_ADDR=10.197.9.1' 'export LXC_ADDR="10.197.9.1"' "LXC_ADDR='10.197.9'.1 # the host's" 'NET=10.197.9; LXC_ADDR=$NET.1' \
        'NET=10.197.9
LXC_ADDR="${NET}.1" # $(x)' 'LXC_ADDR=10.0.0.1
  LXC_ADDR=10.197.9.1;' $'# Gr\xfc\xdfe\nLXC_ADDR=10.197.9.1'; do
        wanted=$(sh -c "$line
            echo \$LXC_ADDR")
        printf 'USE_LXC_BRIDGE=true\n%s\nLXC_BRIDGE=rstestnet\n' "$line" >"$RUN/net.conf"
        code 3 in_net "$BIN" net --settings "$RUN/net.conf" --run-dir "$RUN/run" status --format json
        same "$line" "$wanted/24" "$(grep -o '"address": *"[^"]*"' "$RUN/out" | cut -d'"' -f4)"
    done
    for line in 'LXC_ADDR=$(hostname -I)' 'LXC_ADDR=$NET.1' "LXC_ADDR='10" 'LXC_ADDR=1 2' 'LXC_ADDR=ten'; do
        printf '# c\n%s\n' "$line" >"$RUN/net.conf"
        code 1 in_net "$BIN" net --settings "$RUN/net.conf" --run-dir "$RUN/run" status
        says "$RUN/net.conf:2"
    done
    # LXC's compares with "true" only.
    mkdir -p "$RUN/run"
    printf 'USE_LXC_BRIDGE=no\n' >"$RUN/net.conf"
    code 0 in_net "$BIN" net --settings "$RUN/net.conf" --run-dir "$RUN/run" start
    same left '' "$(net_left)"
    rm "$RUN/net.conf"
}
