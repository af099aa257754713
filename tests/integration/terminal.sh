# lxc-console and lxc-attach under a real terminal.

screen() { tmux -L "$NETNS" capture-pane -p -t "$1" 2>/dev/null; }
keys() { tmux -L "$NETNS" send-keys -t "$@"; }
shows() { # WINDOW PATTERN: within five seconds
    for _ in $(seq 50); do
        screen "$1" | grep -q -- "$2" && return
        sleep 0.1
    done
    fail "no '$2' on the screen: $(screen "$1" | grep -v '^$')"
}
window() { # NAME COMMAND...: a terminal of 80 by 24; says the exit code at the end
    local name=$1
    shift
    tmux -L "$NETNS" -f /dev/null new-session -d -x 80 -y 24 -s "$name" \
        "nsenter --net=/run/netns/$NETNS $* ; echo left \$?; stty -a | grep -o '.icanon'; sleep 60"
}

# Where the container has no terminal left an attached command gets one of the host, from both.
test_attach_without_a_terminal_left() {
    local other
    container t-few 'lxc.tty.max = 1'
    sed -i /lxc.pty.max/d "$LXC/t-few/config"
    code 0 tool start -n t-few
    for other in tool debian; do
        [ $other = tool ] || [ -x /usr/bin/lxc-attach ] || continue
        same "on a terminal, by $other" 'a terminal' \
            "$(on_terminal $other '' attach -n t-few -- "sh -c 'test -t 0 && test -t 1 && echo a terminal'" | tr -d '\r')"
    done
    code 0 tool stop -k -n t-few
}

test_terminals() {
    container t-term 'lxc.tty.max = 2'
    printf '::sysinit:/bin/true\ntty1::respawn:/bin/sh\n::respawn:/bin/sh\n' >"$LXC/t-term/rootfs/etc/inittab"
    code 0 tool start -n t-term
    window shell "$BIN attach -P $LXC -n t-term"
    shows shell '/ #'
    keys shell 'stty size' Enter
    shows shell '^24 80$'
    tmux -L "$NETNS" resize-window -t shell -x 100 -y 30
    keys shell 'stty size' Enter
    shows shell '^30 100$'
    keys shell 'tty; exit 5' Enter
    shows shell '^/dev/pts/'
    shows shell 'left 5'
    shows shell ' icanon'
    window tty "$BIN console -P $LXC -n t-term -t 1"
    shows tty 'Connected to tty 1'
    shows tty 'Type <Ctrl+a q> to exit the console, <Ctrl+a Ctrl+a> to enter Ctrl+a itself'
    keys tty Enter
    keys tty 'echo on $(tty)' Enter
    shows tty 'on /dev/tty1'
    code 1 tool console -n t-term -t 1
    says 'Denied access to tty'
    keys tty C-a q
    shows tty 'left 0'
    shows tty ' icanon'
    window main "$BIN console -P $LXC -n t-term -t 0 -e ^b"
    shows main 'Connected to tty 0'
    keys main Enter
    keys main 'echo on $((40 + 2))' Enter
    shows main '^on 42'
    keys main C-b q
    shows main 'left 0'
    # Without an escape key all that is typed is the container's.
    window all "$BIN console -P $LXC -n t-term -t 0 -e -1"
    keys all Enter
    keys all 'read -rn 2 pressed; echo "got $pressed" | od -c' Enter
    keys all C-a q
    shows all 'g   o   t     001   q'
    code 1 tool console -n t-term -e -2
    says "invalid escape character '-2'"
    code 0 tool stop -k -n t-term
    code 1 tool console -n t-term
    says 't-term is not running'
    tmux -L "$NETNS" kill-server
}

test_template_has_logins() {
    code 0 tool create -n t-login -t busybox -f /dev/null
    code 0 tool start -n t-login
    for tty in 0 1; do
        window "login$tty" "$BIN console -P $LXC -n t-login -t $tty"
        shows "login$tty" "Connected to tty $tty"
        keys "login$tty" Enter
        shows "login$tty" 't-login login:'
        keys "login$tty" root Enter
        shows "login$tty" '#'
        # shellcheck disable=SC2016
        keys "login$tty" 'echo "at $((40 + 2))"' Enter
        shows "login$tty" 'at 42'
        keys "login$tty" C-a q
        shows "login$tty" 'left 0'
    done
    code 0 tool stop -n t-login
    code 0 tool destroy -n t-login
    tmux -L "$NETNS" kill-server
}
