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
    "$BIN" create -P "$LXC" -n t-int -t "$RUN/slow" -f /dev/null 2>/dev/null &
    sleep 0.5
    code 1 tool start -n t-int
    says 'Ongoing container creation'
    pkill -INT -P $! ; kill -INT $!
    wait $!
    same left 't-mine' "$(ls -A "$LXC")"
    "$BIN" create -P "$LXC" -n t-kill -t "$RUN/slow" -f /dev/null 2>/dev/null &
    sleep 0.5
    pkill -9 -P $! ; kill -9 $!
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
