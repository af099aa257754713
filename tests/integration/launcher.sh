# What lxc-start and its like are links to.

# The mount of the program that a process runs from: none that belongs to a place.
runs_from() { # PID
    readlink "/proc/$1/exe"
}

test_launched_tools_run_from_a_protected_file() {
    container t-launch
    local monitor way
    for way in lxc-start 'lxc-rs start'; do
        # shellcheck disable=SC2086
        code 0 timeout 20 nsenter --net="/run/netns/$NETNS" "$STAGE"/bin/$way -P "$LXC" -n t-launch
        monitor=$(pgrep -f "^\[lxc monitor\] $LXC t-launch\$")
        same "title of the monitor, $way" "[lxc monitor] $LXC t-launch" "$(tr '\0' ' ' <"/proc/$monitor/cmdline" | sed 's/ *$//')"
        # A mount without a place has no path.
        same "file of the monitor, $way" / "$(runs_from "$monitor")"
        same "command line of init, $way" 0 "$(tr '\0' '\n' <"/proc/$(tool info -n t-launch -pH)/environ" | grep -c LXC_RS)"
        code 0 tool stop -k -n t-launch
    done
}

test_the_launcher_hands_on_what_it_is_given() {
    container t-launch "lxc.hook.pre-start = $RUN/hook"
    printf '#!/bin/sh\nenv >%s/env\n' "$RUN" >"$RUN/hook"
    chmod 755 "$RUN/hook"
    # Neither more variables than the launcher has room for, nor none, nor a long name change what it does.
    local many
    many=$(seq 5000 | sed 's/.*/V&=&/')
    local ip=(nsenter --net="/run/netns/$NETNS")
    # shellcheck disable=SC2086
    code 0 "${ip[@]}" env $many "$STAGE/bin/lxc-start" -P "$LXC" -n t-launch
    same 'variables of a hook' 5000 "$(grep -c '^V[0-9]*=[0-9]*$' "$RUN/env")"
    same 'variables of ours' 0 "$(grep -c '^LXC_RS_\(ROOM\|PROGRAM\)=' "$RUN/env")"
    code 0 tool stop -k -n t-launch
    code 0 "${ip[@]}" env -i "$STAGE/bin/lxc-start" -P "$LXC" -n t-launch
    same 'variables of a hook without any' 0 "$(grep -vc '^\(LXC_.*\|PWD\|SHLVL\|_\)=' "$RUN/env")"
    same 'one monitor' 1 "$(pgrep -c -f "^\[lxc monitor\] $LXC t-launch\$")"
    code 0 tool stop -k -n t-launch
    # Without an lxc-rs in its place, the launcher fails and says why.
    install -D "$STAGE/libexec/lxc/lxc-launcher" "$RUN/elsewhere/libexec/lxc/lxc-launcher"
    code 255 "$RUN/elsewhere/libexec/lxc/lxc-launcher" -n t-launch
    says 'lxc-launcher: cannot execute ../../bin/lxc-rs'
}

# /dev/null is opened in the place of closed standard descriptors: no file that the tool opens later takes their numbers.
test_standard_descriptors_that_are_closed_are_not_taken() {
    container t-launch
    code 0 tool start -n t-launch
    local way
    for way in 'lxc-attach' 'lxc-rs attach'; do
        # shellcheck disable=SC2086
        nsenter --net="/run/netns/$NETNS" "$STAGE"/bin/$way -P "$LXC" -n t-launch -- /bin/sh -c 'for fd in 0 1 2; do readlink /proc/$$/fd/$fd; done | cat >/found' <&- >&- 2>&-
        same "exit code, $way" 0 $?
        same "descriptors, $way" '/dev/null /dev/null /dev/null' "$(tool attach -n t-launch -- cat /found | xargs)"
    done
    code 0 tool stop -k -n t-launch
}
