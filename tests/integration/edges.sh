# Every tool where something is missing or in the way: one clear line, the right exit code, no trace.

# Exit codes: TOOL | arguments | without arguments | no such container | container closed to the user,
# stopped | running | directory of the containers closed. "-" where that cannot be asked.
EDGES='
attach        | -n NAME -- true              | 1 | 1 | 1 | 1 | 1
autostart     | -L -a -A                     | 0 | 0 | 0 | 0 | 1
cgroup        | -n NAME pids.max             | 1 | 1 | 1 | 1 | 1
check         | NAME                         | 1 | 1 | 1 | 1 | 1
checkconfig   |                              | 0 | - | - | - | -
checkpoint    | -n NAME -D /nowhere          | 1 | 1 | 1 | 1 | 1
commit        | NAME t-image:1               | 1 | 1 | 1 | 1 | 1
config        | lxc.lxcpath                  | 0 | 0 | 0 | 0 | 0
console       | -n NAME                      | 1 | 1 | 1 | 1 | 1
copy          | -n NAME -N t-other           | 1 | 1 | 1 | 1 | 1
cp            | NAME:/bin /nowhere/dir       | 1 | 1 | 1 | 1 | 1
create        | -n NAME -t none              | 1 | - | 1 | 1 | 1
denials       | -n NAME                      | 1 | 1 | 1 | 1 | 1
destroy       | -n NAME                      | 1 | 1 | 1 | 1 | 1
device        | -n NAME add lo               | 1 | 1 | 1 | 1 | 1
diff          | NAME                         | 1 | 1 | 1 | 1 | 1
doctor        |                              | - | - | - | - | -
execute       | -n NAME -- true              | 1 | 1 | 1 | 1 | 1
export        | NAME /nowhere/file           | 1 | 1 | 1 | 1 | 1
forward       | NAME 8080:80                 | 0 | 1 | 1 | 1 | 1
freeze        | -n NAME                      | 1 | 1 | 1 | 1 | 1
import        | /nowhere/file                | 1 | 1 | 1 | 1 | 1
info          | -n NAME                      | 1 | 1 | 1 | 1 | 1
init          | -n NAME -- true              | 1 | - | - | - | -
ls            | -1                           | 0 | 0 | 0 | 0 | 1
monitor       | -Q                           | - | 1 | 1 | 1 | 1
net           | start --run-dir /nowhere/dir | 2 | - | 1 | 1 | 1
reference     |                              | 0 | - | - | - | -
report        | NAME --list                  | 1 | 1 | 1 | 1 | 1
run           | -n NAME oci:/nowhere:1       | 1 | 1 | 1 | 1 | 1
shift         | -n NAME                      | 1 | 1 | 1 | 1 | 1
snapshot      | -n NAME                      | 1 | 1 | 1 | 1 | 1
start         | -n NAME                      | 1 | 1 | 1 | 1 | 1
stop          | -n NAME                      | 1 | 2 | 2 | 1 | 2
storage       | size NAME                    | 1 | 1 | 1 | 1 | 1
top           |                              | 1 | 1 | 1 | 1 | 1
unfreeze      | -n NAME                      | 1 | 1 | 1 | 1 | 1
unshare       | -s UTSNAME -- true           | 1 | - | 1 | 1 | 1
update-config | -c DIR/NAME/config           | 0 | 1 | 1 | 1 | 1
usernsexec    | -m b:0:1:1 -- true           | - | - | 1 | 1 | 1
wait          | -n NAME -s STOPPED|RUNNING -t 0 | 1 | 0 | 0 | 1 | 0
'

edge() { # TOOL COLUMN
    sed 's/STOPPED|RUNNING/STOPPED%RUNNING/' <<<"$EDGES" | awk -F'|' -v tool="$1" -v column="$2" '
        { name = $1; gsub(/ /, "", name) }
        name == tool { gsub(/^ +| +$/, "", $column); sub(/%/, "|", $column); print $column; found = 1 }
        END { if (!found) print "no row" }'
}

one_line() { # WHAT [NUMBER]: standard error has at most one line that is not a hint, and no panic
    local lines
    lines=$(grep -cv '^  \(hint\|note\|-->\)' "$RUN/err")
    [ "$lines" -le "${2:-1}" ] || fail "$1: $lines lines: $(cat "$RUN/err")"
    grep -q panicked "$RUN/err" && fail "$1: $(cat "$RUN/err")"
}

test_every_tool_fails_with_one_clear_line() {
    local tool words wanted
    for tool in $("$BIN" --list); do
        [ "$(edge "$tool" 1)" = "$tool" ] || { fail "$tool has no row"; continue; }
        code 1 tool "$tool" --no-such-option </dev/null
        says 'no-such-option'
        one_line "$tool --no-such-option"
        # A wrong option is said all the same, as LXC does.
        code 1 tool "$tool" -q --no-such-option </dev/null
        says 'no-such-option'
        code 0 tool "$tool" --help </dev/null
        code 0 tool "$tool" --usage </dev/null
        grep -q "^Usage: lxc-$tool " "$RUN/err" || fail "$tool --usage: $(cat "$RUN/err")"
        code 0 tool "$tool" --version </dev/null
        same "$tool --version" 5.0.2 "$(cat "$RUN/out")"
        wanted=$(edge "$tool" 3)
        if [ "$wanted" != - ]; then
            code "$wanted" tool "$tool" </dev/null
            # What lxc-checkconfig finds is not an error.
            [ "$tool" = checkconfig ] || one_line "$tool without arguments"
            [ "$wanted" = 0 ] || [ -s "$RUN/err" ] || fail "$tool without arguments says nothing"
            code "$wanted" tool "$tool" -q </dev/null
            [ ! -s "$RUN/err" ] || fail "$tool -q says $(cat "$RUN/err")"
        fi
        wanted=$(edge "$tool" 4)
        words=$(edge "$tool" 2)
        words=${words//NAME/t-nowhere}
        if [ "$wanted" != - ]; then
            # shellcheck disable=SC2086
            code "$wanted" tool "$tool" ${words//DIR/$LXC} </dev/null
            # The template of lxc-rs run says why, too.
            one_line "$tool for no container" "$([ "$tool" = run ] && echo 2 || echo 1)"
            case $words in *t-nowhere*) [ "$wanted" = 0 ] || says t-nowhere ;; esac
            # shellcheck disable=SC2086
            code "$wanted" tool "$tool" -q ${words//DIR/$LXC} </dev/null
            # This one LXC says all the same.
            [ "$tool" = info ] || [ ! -s "$RUN/err" ] || fail "$tool -q says $(cat "$RUN/err")"
        fi
    done
    same left '' "$(ls -A "$LXC")"
}

as_nobody() { # COMMAND...
    timeout 10 nsenter --net="/run/netns/$NETNS" setpriv --reuid nobody --regid nogroup --clear-groups \
        env -u XDG_RUNTIME_DIR HOME="$RUN/nobody" "$@"
}

closed() { # COLUMN: all tools of that column as a user who may not look
    local tool words wanted
    for tool in $("$BIN" --list); do
        wanted=$(edge "$tool" "$1")
        words=$(edge "$tool" 2)
        words=${words//NAME/t-closed}
        [ "$wanted" = - ] && continue
        # shellcheck disable=SC2086
        code "$wanted" as_nobody "$BIN" "$tool" -P "$LXC" ${words//DIR/$LXC} </dev/null
        one_line "$tool as nobody"
        [ "$wanted" = 0 ] || [ -s "$RUN/err" ] || fail "$tool as nobody says nothing"
    done
}

test_a_closed_directory_is_said_to_be_closed() {
    container t-closed
    mkdir -m 777 "$RUN/nobody"
    chmod 700 "$LXC/t-closed"
    closed 5
    code 0 tool start -n t-closed
    closed 6
    [ ! -x /usr/bin/lxc-ls ] || same 'a state that is not known' "$(as_nobody /usr/bin/lxc-ls -f -P "$LXC")" "$(as_nobody "$BIN" ls -f -P "$LXC")"
    same 'as JSON' null "$(as_nobody "$BIN" ls --format json -P "$LXC" | jq '.[0].state')"
    same 'it runs on' RUNNING "$(state t-closed)"
    code 0 tool stop -k -n t-closed
    chmod 700 "$LXC"
    closed 7
    chmod 755 "$LXC"
    same left t-closed "$(ls "$LXC")"
}

test_output_that_nobody_takes_ends_a_tool() {
    container t-edge
    local words code
    code 0 tool start -n t-edge
    code 0 tool copy -n t-edge -N t-still --allowrunning
    code 0 tool snapshot -n t-still
    for words in 'ls -1' 'ls' 'ls -f' 'ls --format json' 'ls --format csv' 'info -n t-edge' 'info -n t-edge --format json' \
        'info -n t-edge -c lxc.uts.name' 'cgroup -n t-edge pids.max' 'cgroup -n t-edge pids.max --format json' \
        'autostart -L -a -A' 'autostart -L -a -A --format json' 'autostart -L -a -A -r --format csv' 'top -b -d 1 --count 2' \
        'top --format json --count 1' 'check t-edge' 'check t-edge --format json' 'start -n t-still --check' 'checkconfig' \
        'checkconfig --format json' 'config' 'config -l' 'config lxc.lxcpath' 'config --format json' 'net status' \
        'net status --format json' 'forward --format json' 'reference' 'reference --as json' 'snapshot -n t-still -L' \
        'snapshot -n t-still -L --format json' 'update-config' 'monitor -n t-edge' '--version' '--list'; do
        case $words in
            --*) set -- "$words" ;;
            # shellcheck disable=SC2086
            *) set -- ${words%% *} -P "$LXC" ${words#${words%% *}} ;;
        esac
        nsenter --net="/run/netns/$NETNS" timeout 10 "$BIN" "$@" </dev/null 2>"$RUN/err" >/dev/full &
        case $words in monitor*) sleep 0.5; tool freeze -n t-edge; tool unfreeze -n t-edge ;; esac
        wait $!
        code=$?
        same "$words to a full disk" 1 $code
        case $words in
            top*) ;;
            *) says ENOSPC ;;
        esac
        case $words in checkconfig) ;; *) one_line "$words to a full disk" ;; esac
        nsenter --net="/run/netns/$NETNS" timeout 10 "$BIN" "$@" </dev/null 2>"$RUN/err" | true &
        case $words in monitor*) sleep 0.5; tool freeze -n t-edge; tool unfreeze -n t-edge ;; esac
        wait $!
        case $words in checkconfig) ;; *) one_line "$words to a reader that left" 0 ;; esac
        case $words in
            monitor*) continue ;;
        esac
        nsenter --net="/run/netns/$NETNS" timeout 10 "$BIN" "$@" </dev/null 2>"$RUN/err" >&-
        case $words in checkconfig) ;; *) one_line "$words with standard output closed" ;; esac
    done
    tool monitor -Q 2>/dev/null
    code 0 tool stop -k -n t-edge
}

# What works with a terminal works without one, or says that it needs one.
test_no_terminal() {
    container t-pipe
    local words
    code 0 tool start -n t-pipe
    for words in '0 attach -n t-pipe -- true' '0 attach -n t-pipe -L /dev/null -- true' '1 top' '0 top -b --count 1' \
        '0 top --format json --count 1' '0 info -n t-pipe' '0 ls -f' '0 wait -n t-pipe -s RUNNING' \
        '0 autostart -L -a -A' '0 freeze -n t-pipe' '0 unfreeze -n t-pipe' '0 cgroup -n t-pipe pids.max' \
        '0 console -n t-pipe' '0 stop -r -t 5 -n t-pipe' '0 stop -k -n t-pipe' '0 snapshot -n t-pipe' \
        '0 snapshot -n t-pipe -r snap0' '0 copy -n t-pipe -N t-copied' '0 copy -e -n t-pipe -N t-shortly -- /bin/true' \
        '0 start -F -n t-pipe -- /bin/true' '0 execute -n t-pipe -- /bin/true' '0 checkconfig' '3 net status --run-dir /nowhere' \
        '1 unshare -s UTSNAME -- false' '0 usernsexec -m b:0:0:1 -- true' '0 destroy -s -n t-pipe' \
        '0 destroy -n t-copied'; do
        # shellcheck disable=SC2086
        set -- $words
        code "$1" timeout 20 setsid -w nsenter --net="/run/netns/$NETNS" "$BIN" "$2" -P "$LXC" "${@:3}" </dev/null
        case $words in *checkconfig* | *console*) ;; *) one_line "$words" ;; esac
    done
    same left '' "$(ls -A "$LXC")"
}

# A disk without room for a single block, where the tools are to write.
test_a_full_disk_is_said_to_be_full() {
    local full=$RUN/full words before
    container t-full
    printf 'lxc.network.type = empty\n' >"$LXC/old"
    printf 'lxc.net.0.type = empty\n' >"$RUN/net.conf"
    mkdir "$full" && mount -t tmpfs -o size=64k,nr_inodes=200 tmpfs "$full"
    mv "$LXC/t-full/rootfs" "$RUN/rootfs"
    sed -i "s#^lxc.rootfs.path.*#lxc.rootfs.path = dir:$RUN/rootfs#" "$LXC/t-full/config"
    mv "$LXC"/* "$full/"
    mkdir "$full/net"
    cat /dev/zero >"$full/zeros" 2>/dev/null
    before=$(cd "$full" && find . | sort)
    for words in 'snapshot -n t-full' 'copy -n t-full -N t-more' 'copy -n t-full -N t-more -s' \
        'copy -R -n t-full -N t-more' 'copy -e -n t-full -N t-more' "create -n t-more -t none -f $RUN/net.conf" \
        "create -n t-more -t busybox -f $RUN/net.conf" "update-config -c $full/old" "start -n t-full -p $full/pid" \
        "execute -n t-full -p $full/pid -- true" 'cgroup -n t-full --save pids.max 100' \
        "net start --run-dir $full/net"; do
        # shellcheck disable=SC2086
        [[ $words = execute* ]] || code 1 timeout 20 nsenter --net="/run/netns/$NETNS" "$BIN" ${words%% *} -P "$full" ${words#* } </dev/null
        case $words in cgroup*|execute*) ;; *) says ENOSPC ;; esac
        one_line "$words on a full disk"
        # Whoever removed the empty file that is locked would let another in beside the next who waits for it.
        same "left by $words" "$before" "$(cd "$full" && find . | grep -vx './net/network.lock' | sort)"
    done
    umount "$full"
    rm -rf "$RUN/rootfs" "$RUN/net.conf" "$full"
}
