# What a terminal gets to see of names, values and messages that others wrote: nothing that it obeys.

# Prints what a terminal gets from one of our tools.
shown_on_terminal() { # TOOL WORDS...
    local words
    words=$(printf '%q ' timeout 30 nsenter --net="/run/netns/$NETNS" "$BIN" "$1" -P "$LXC" "${@:2}")
    SHELL=/bin/bash LC_ALL=C.UTF-8 script -qec "$words" /dev/null </dev/null
}
# C0 but tab and newline (a terminal has a carriage return before it), DEL, C1, marks of the reading direction.
no_controls() { # WHAT FILE
    python3 - "$1" "$2" <<'PYTHON' || fail "$1: a terminal gets $(cat -v "$2")"
import sys
# A terminal has a carriage return before a newline; \r\x1b[K takes our own progress away.
text = open(sys.argv[2], 'rb').read().replace(b'\r\n', b'\n').replace(b'\r\x1b[K', b'').decode()
wrong = [c for c in text if ord(c) < 32 and c not in '\t\n' or 127 <= ord(c) < 160
         or c in '\u061c\u200e\u200f' or '\u202a' <= c <= '\u202e' or '\u2066' <= c <= '\u2069']
sys.exit(bool(wrong))
PYTHON
}

test_holes_terminals_get_nothing_to_obey() {
    command -v python3 >/dev/null || { skipped='no python3 to look at the output'; return; }
    local bad=$'\e]0;owned\a\e[2J\u009b31m\u202etxt\x7f' words snaps=$LXC/t-shown/snaps/snap0 name=$'t-shown\u202emore'
    container t-shown "lxc.environment = A=$bad" "lxc.group = g$bad" 'lxc.start.auto = 1' 'lxc.net.0.type = empty'
    container "$name"
    mkdir -p "$snaps/rootfs"
    cp "$LXC/t-shown/config" "$snaps/config"
    echo '2026:01:01 00:00:00' >"$snaps/ts"
    echo "comment $bad" >"$snaps/comment"
    printf '#!/bin/no%s\n' "$bad" >"$LXC/t-shown/rootfs/bin/script"
    chmod 755 "$LXC/t-shown/rootfs/bin/script"
    code 0 tool start -n t-shown
    code 0 tool start -n "$name"
    # A link whose name root inside chose.
    tool attach -n t-shown -- ip link add $'e\e[2J' type dummy || echo '    (no dummy links here)'
    printf 'lxc.uts.name = a\nlxc.%s = 1\nlxc.signal.halt = %s\n' "$bad" "$bad" >"$RUN/broken"
    while IFS='|' read -r words wanted; do
        eval "words=($words)"
        shown_on_terminal "${words[@]}" >"$RUN/shown"
        no_controls "${words[*]}" "$RUN/shown"
        grep -qF -- "$wanted" "$RUN/shown" || fail "${words[*]}: without $wanted: $(cat -v "$RUN/shown")"
    done <<'COMMANDS'
info -n t-shown -c lxc.environment|A=\x1b]0;owned\x07\x1b[2J\u009b31m\u202etxt\u007f
ls -f -F NAME,GROUPS|g\x1b]0;owned
ls -f -F NAME|t-shown\u202emore
ls -1|t-shown\u202emore
ls -f -F INTERFACE,NAME|t-shown
ls --format json|t-shown\u202emore
ls --format csv -F NAME,GROUPS|\x1b]0;owned
top -b --count 1|t-shown\u202emore
snapshot -n t-shown -L -C|comment \x1b]0;owned
info -n t-shown --rcfile "$RUN/broken" -c lxc.uts.name|\x1b]0;owned
start -n "$name" -f "$RUN/broken"|
check --rcfile "$RUN/broken" t-shown|\x1b]0;owned
execute -n t-shown -f "$LXC/t-shown/config" -s lxc.uts.name=x -- /bin/script|
attach -n $'t-none\e[2J' -- true|
destroy -n $'t-none\u202e'|t-none\u202e
cgroup -n t-shown $'memory.\e[2J'|memory.\x1b[2J
COMMANDS
    # Still JSON, with the same text.
    shown_on_terminal ls --format json >"$RUN/shown"
    same 'the name in JSON' "$name" "$(python3 -c 'import json, sys
print([c["name"] for c in json.load(open(sys.argv[1])) if c["name"] != "t-shown"][0])' "$RUN/shown")"
    # Nobody else's bytes are changed.
    same 'to a pipe' "A=$bad" "$(tool info -n t-shown -H -c lxc.environment)"
    same 'to a file' "lxc.environment = A=$bad" "$(tool info -n t-shown -c lxc.environment >"$RUN/shown"; cat "$RUN/shown")"
    # Logs are read on terminals.
    tool start -n t-none -f "$RUN/broken" -o "$RUN/log" -l TRACE 2>/dev/null
    no_controls 'the log' "$RUN/log"
    grep -qF '\x1b]0;owned' "$RUN/log" || fail "the log: $(cat -v "$RUN/log")"
    code 0 tool stop -k -n t-shown
    code 0 tool stop -k -n "$name"
    rm -f "$RUN/shown" "$RUN/broken" "$RUN/log"
}
