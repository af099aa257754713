# lxc-create and lxc-destroy.

test_create_and_destroy() {
    code 0 tool create -n t-made -t busybox -f /dev/null
    same 'made of' 'config rootfs' "$(ls "$LXC/t-made" | xargs)"
    same modes '770 640 755' "$(stat -c %a "$LXC"/t-made{,/config,/rootfs} | xargs)"
    code 1 tool create -n t-made -t busybox -f /dev/null
    says 'Container already exists'
    code 0 tool start -n t-made
    same shell t-made "$(tool attach -n t-made -- hostname)"
    code 1 tool destroy -n t-made
    says 'is running'
    local before
    before=$(tool info -n t-made -pH)
    # Before its init waits for SIGTERM that has no effect on it. While it sleeps there, SigBlk does not show what it
    # waits for.
    for _ in $(seq 100); do
        { has_signal SigBlk 15 "$before" || grep -q sigtimedwait "/proc/$before/wchan"; } && break
        sleep 0.1
    done
    code 0 tool stop -r -n t-made
    [ "$before" != "$(tool info -n t-made -pH)" ] || fail "no reboot: init is still $before"
    before=$(tool info -n t-made -pH)
    tool attach -n t-made -- reboot
    for _ in $(seq 50); do
        sleep 0.1
        [ -n "$(tool info -n t-made -pH)" ] && [ "$before" != "$(tool info -n t-made -pH)" ] && break
    done
    same 'after reboot' RUNNING "$(state t-made)"
    code 0 tool stop -n t-made
    code 0 tool destroy -n t-made
    same left '' "$(ls -A "$LXC")"
    code 1 tool destroy -n t-made
    says 'not defined'
    code 0 tool create -n t-none -t none -f /dev/null
    same 'made of' config "$(ls "$LXC/t-none")"
    code 0 tool destroy -n t-none
}

test_failed_create_leaves_what_was_there() {
    local template
    code 1 tool create -n t-fail -f /dev/null
    says 'A template must be specified'
    says 'there are: .*busybox'
    code 1 tool create -n t-fail -t nosuch -f /dev/null
    says 'Template "nosuch" not found'
    code 1 tool create -n t-fail -t busybox -f /no/such/file
    says 'ENOENT'
    mkdir -p "$LXC/t-mine/rootfs" && touch "$LXC/t-mine/rootfs/precious"
    code 1 tool create -n t-mine -t busybox -f /dev/null
    code 1 tool create -n t-other -t busybox -f /dev/null --dir "$LXC/t-mine/rootfs" -- --no-such-option
    [ -e "$LXC/t-mine/rootfs/precious" ] || fail 'lxc/lxc#2752: somebody else'"'"'s file is gone'
    same left 't-mine' "$(ls -A "$LXC")"
    mkdir "$RUN/full" && mount -t tmpfs -o size=600k tmpfs "$RUN/full"
    code 1 timeout 60 "$BIN" create -P "$RUN/full" -n t-full -t busybox -f /dev/null
    says ENOSPC
    same 'left on the full disk' '' "$(ls -A "$RUN/full")"
    umount "$RUN/full"
    rmdir "$RUN/full"
    printf '#!/bin/sh\nexec sleep 60\n' >"$RUN/slow" && chmod +x "$RUN/slow"
    # What runs in the background of a script ignores it otherwise, and its children do.
    env --default-signal=INT "$BIN" create -P "$LXC" -n t-int -t "$RUN/slow" -f /dev/null 2>/dev/null &
    sleep 0.5
    code 1 tool start -n t-int
    says 'Ongoing container creation'
    pkill -INT -P $! ; kill -INT $!
    wait $!
    same left 't-mine' "$(ls -A "$LXC")"
    "$BIN" create -P "$LXC" -n t-kill -t "$RUN/slow" -f /dev/null 2>/dev/null &
    until template=$(pgrep -P $!); do sleep 0.05; done
    # The creation first: it would remove what a killed template has left.
    kill -9 $! $template
    wait $! 2>/dev/null
    code 0 tool destroy -n t-kill
    same left 't-mine' "$(ls -A "$LXC")"
}

test_destroy_follows_no_link() {
    container t-links
    mkdir "$RUN/victim" && touch "$RUN/victim/kept"
    ln -s "$RUN/victim" "$LXC/t-links/rootfs/link"
    rm -r "$LXC/t-links/rootfs/mnt" && ln -s "$RUN/victim" "$LXC/t-links/rootfs/mnt"
    code 0 tool destroy -n t-links
    [ -e "$RUN/victim/kept" ] || fail 'destroy followed a link'
    rm -r "$RUN/victim"
}

test_busybox_template_in_rounds() {
    code 0 tool create -n t-box -t busybox -f /dev/null
    printf 'lxc.net.0.type = veth\nlxc.net.0.link = %s\nlxc.net.0.flags = up\n' "$BRIDGE" >>"$LXC/t-box/config"
    local round begin took slowest=0
    for round in $(seq "${ROUNDS:-20}"); do
        code 0 tool start -n t-box
        same "round $round" t-box "$(tool attach -n t-box -- hostname)"
        begin=$(date +%s%N)
        code 0 tool stop -n t-box
        took=$((($(date +%s%N) - begin) / 1000000))
        [ $took -le $slowest ] || slowest=$took
        [ $ok = yes ] || return
    done
    # A minute later it would have been killed instead.
    [ $slowest -lt 30000 ] || fail "a stop took $slowest ms"
    code 0 tool destroy -n t-box
}

# A root filesystem that is not mounted with ids has them on disk: it is the mapped root's, and what is
# beside it the caller's.
test_create_with_ids_gives_to_the_mapped_root() {
    local backend
    printf 'lxc.idmap = u 0 100000 65536\nlxc.idmap = g 0 200000 65536\n' >"$RUN/ids"
    for backend in dir overlay; do
        code 0 tool create -n t-ids -t busybox -B $backend -f "$RUN/ids"
        same "not the mapped root's, of $backend" '' "$(find "$LXC/t-ids" -mindepth 1 -not -path "$LXC/t-ids/config" \
            -not -path "$LXC/t-ids/overlay" \( -not -uid 100000 -o -not -gid 200000 \) -not -path '*/overlay/work*')"
        same 'container directory' '0:200000 710' "$(stat -c '%u:%g %a' "$LXC/t-ids")"
        same configuration '0:0 640' "$(stat -c '%u:%g %a' "$LXC/t-ids/config")"
        code 0 tool start -n t-ids
        code 0 tool attach -n t-ids -- sh -c 'touch /made && chown 5:6 /made'
        same 'what it makes' '100005:200006' "$(find "$LXC/t-ids" -name made -exec stat -c %u:%g {} +)"
        code 0 tool stop -n t-ids -t 10
        code 0 tool copy -n t-ids -N t-upper -s -B overlay
        code 0 tool start -n t-upper
        same 'over an overlay of it' '5:6' "$(tool attach -n t-upper -- stat -c %u:%g /made)"
        code 0 tool attach -n t-upper -- touch /above
        code 0 tool stop -k -n t-upper
        code 0 tool destroy -n t-upper
        code 0 tool destroy -n t-ids
    done
    # The template fails as the mapped root, and nothing is left.
    printf '#!/bin/sh\nexit 7\n' >"$RUN/template"
    chmod 755 "$RUN/template"
    code 1 tool create -n t-ids -t "$RUN/template" -f "$RUN/ids"
    says "the template $RUN/template ended with code 7"
    code 0 tool create -q -n t-ids -t busybox -f "$RUN/ids"
    code 0 tool destroy -n t-ids
    # With ids in the mount the files stay the host's.
    echo 'lxc.rootfs.options = idmap=container' >>"$RUN/ids"
    code 0 tool create -n t-ids -t busybox -f "$RUN/ids"
    same 'with an idmapped mount' 0:0 "$(stat -c %u:%g "$LXC/t-ids/rootfs")"
    code 0 tool start -n t-ids
    code 0 tool stop -n t-ids -t 10
    code 0 tool destroy -n t-ids
    same left '' "$(ls -A "$LXC")"
}

test_create_runs_the_programs_of_the_system() {
    mkdir -p "$RUN/fake"
    # shellcheck disable=SC2016
    printf '#!/bin/sh\ntouch "$0.ran"\nexec /bin/busybox cp "$@"\n' >"$RUN/fake/cp"
    chmod 755 "$RUN/fake/cp"
    PATH=$RUN/fake:$PATH code 0 tool create -n t-path -t busybox -f /dev/null
    [ ! -e "$RUN/fake/cp.ran" ] || fail 'a program from the PATH of the caller ran as root'
    code 0 tool destroy -n t-path
}
