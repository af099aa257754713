# Every tool where something is missing or in the way: one clear line, the right exit code, no trace.

# TOOL | arguments without a container | exit code without arguments | exit code for no such container
# "-" where that cannot be asked; a tool without a row is asked for nothing but its options.
EDGES='
attach    | -n NAME -- true           | 1 | 1
autostart | -                         | 0 | -
cgroup    | -n NAME pids.max          | 1 | 1
console   | -n NAME                   | 1 | 1
copy      | -n NAME -N t-other        | 1 | 1
create    | -                         | 1 | -
destroy   | -n NAME                   | 1 | 1
device    | -n NAME add lo            | 1 | 1
execute   | -n NAME -- true           | 1 | 1
freeze    | -n NAME                   | 1 | 1
info      | -n NAME                   | 1 | 1
ls        | -                         | 0 | -
monitor   | -Q                        | - | -
net       | -                         | 2 | -
snapshot  | -n NAME                   | 1 | 1
start     | -n NAME                   | 1 | 1
stop      | -n NAME                   | 1 | 2
top       | -                         | 1 | -
unfreeze  | -n NAME                   | 1 | 1
unshare   | -                         | 1 | -
usernsexec | -                        | - | -
wait      | -n NAME -s RUNNING -t 0   | 1 | 1
'

edge() { # TOOL COLUMN
    awk -F'|' -v tool="$1" -v column="$2" '
        { name = $1; gsub(/ /, "", name) }
        name == tool { gsub(/^ +| +$/, "", $column); print $column }' <<<"$EDGES"
}

one_line() { # WHAT: standard error has at most one line that is no hint, and no panic
    local lines
    lines=$(grep -cv '^  \(hint\|note\|-->\)' "$RUN/err")
    [ "$lines" -le "${2:-1}" ] || fail "$1: $lines lines: $(cat "$RUN/err")"
    grep -q panicked "$RUN/err" && fail "$1: $(cat "$RUN/err")"
}

test_every_tool_fails_with_one_clear_line() {
    local tool words wanted
    for tool in $("$BIN" --list); do
        if [ "$tool" != usernsexec ]; then
            code 1 tool "$tool" --no-such-option </dev/null
            says 'no-such-option'
            one_line "$tool --no-such-option"
            code 0 tool "$tool" --help </dev/null
            code 0 tool "$tool" --usage </dev/null
            grep -q "^Usage: lxc-$tool " "$RUN/err" || fail "$tool --usage: $(cat "$RUN/err")"
            code 0 tool "$tool" --version </dev/null
            same "$tool --version" "$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)" "$(cat "$RUN/out")"
        fi
        wanted=$(edge "$tool" 3)
        if [ "${wanted:--}" != - ]; then
            code "$wanted" tool "$tool" </dev/null
            one_line "$tool without arguments"
            [ "$wanted" = 0 ] || [ -s "$RUN/err" ] || fail "$tool without arguments says nothing"
        fi
        wanted=$(edge "$tool" 4)
        words=$(edge "$tool" 2)
        if [ "${wanted:--}" != - ]; then
            # shellcheck disable=SC2086
            code "$wanted" tool "$tool" ${words//NAME/t-nowhere} </dev/null
            one_line "$tool for no container"
            case $tool in wait) ;; *) says t-nowhere ;; esac
            # shellcheck disable=SC2086
            code "$wanted" tool "$tool" -q ${words//NAME/t-nowhere} </dev/null
            case $tool in info) ;; *) [ ! -s "$RUN/err" ] || fail "$tool -q says $(cat "$RUN/err")" ;; esac
        fi
    done
    same left '' "$(ls -A "$LXC")"
}

test_output_that_nobody_takes_ends_a_tool() {
    container t-edge
    local words code
    code 0 tool start -n t-edge
    for words in 'ls -1' 'ls -f' 'ls --format json' 'info -n t-edge' 'info -n t-edge --format json' \
        'cgroup -n t-edge pids.max' 'autostart -L -a -A -r' 'top -b -d 1' '--version' '--list'; do
        case $words in
            --*) set -- "$words" ;;
            # shellcheck disable=SC2086
            *) set -- ${words%% *} -P "$LXC" ${words#* } ;;
        esac
        nsenter --net="/run/netns/$NETNS" timeout 10 "$BIN" "$@" </dev/null 2>"$RUN/err" >/dev/full
        code=$?
        same "$words to a full disk" 1 $code
        case $words in
            top*) ;;
            *) says ENOSPC ;;
        esac
        one_line "$words to a full disk"
        nsenter --net="/run/netns/$NETNS" timeout 10 "$BIN" "$@" </dev/null 2>"$RUN/err" | true
        one_line "$words to a reader that left" 0
        nsenter --net="/run/netns/$NETNS" timeout 10 "$BIN" "$@" </dev/null 2>"$RUN/err" >&-
        one_line "$words with standard output closed"
    done
    code 0 tool stop -k -n t-edge
}

test_a_closed_directory_is_said_to_be_closed() {
    container t-closed
    local words
    chmod 700 "$LXC/t-closed"
    for words in 'attach -n t-closed -- true' 'cgroup -n t-closed pids.max' 'destroy -n t-closed' \
        'execute -n t-closed -- true' 'info -n t-closed' 'start -n t-closed' 'freeze -n t-closed' \
        'copy -n t-closed -N t-other' 'create -n t-new -t none'; do
        # shellcheck disable=SC2086
        code 1 su -s /bin/sh nobody -c "exec $BIN ${words%% *} -P $LXC ${words#* }" </dev/null
        one_line "$words as nobody"
    done
    code 0 su -s /bin/sh nobody -c "exec $BIN ls -1 -P $LXC" </dev/null
    same left t-closed "$(ls "$LXC")"
}
