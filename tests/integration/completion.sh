# Completion, typed into the shells themselves.

test_shells_complete_what_is_typed() {
    local shell typed=$RUN/typed
    needs bash zsh fish python3 || return
    [ -e /usr/share/bash-completion/bash_completion ] || { skipped='bash-completion is not installed'; return; }
    container t-runs
    container t-rests
    code 0 tool start -n t-runs
    # Completed are the words of commands that only print them.
    mkdir "$typed"
    printf '#!/bin/sh\necho "<${0##*/} $*>"\n' >"$typed/lxc-start"
    chmod 755 "$typed/lxc-start"
    for shell in create info stop; do ln "$typed/lxc-start" "$typed/lxc-$shell"; done
    cat >"$typed/lines" <<END
lxc-start -P $LXC -n t-⇥
lxc-start -P $LXC t-⇥
lxc-stop -P $LXC --ki⇥ t-⇥
lxc-info -P $LXC -n t-⇥u⇥ -c lxc.uts⇥
lxc-start -s lxc.uts⇥
lxc-create -t bus⇥
lxc-rs wai⇥ --version | sed 's/.*/<&>/'
END
    for shell in bash zsh fish; do
        nsenter --net="/run/netns/$NETNS" timeout 120 python3 tests/integration/shells.py $shell "$STAGE" "$typed" <"$typed/lines" >"$typed/$shell" ||
            fail "$shell cannot be driven"
        same "what $shell completes" "lxc-start -P $LXC -n t-rests
lxc-start -P $LXC t-rests
lxc-stop -P $LXC --kill t-runs
lxc-info -P $LXC -n t-runs -c lxc.uts.name
lxc-start -s lxc.uts.name=
lxc-create -t busybox
5.0.2" "$(cat "$typed/$shell")"
    done
    code 0 tool stop -k -n t-runs
}
