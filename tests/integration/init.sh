# init.lxc, the small init as a program, beside Debian's: pid 1 of a pid namespace.

test_init_as_debians() {
    [ -x /usr/sbin/init.lxc ] || { skipped="Debian's lxc is not installed"; return; }
    local line ours='' theirs program
    while IFS= read -r line; do
        for program in /usr/sbin/init.lxc "$STAGE/sbin/init.lxc"; do
            eval "set -- $line"
            theirs=$ours
            ours=$(timeout 20 unshare --pid --fork --mount-proc "$program" "$@" 2>/dev/null)
            ours+=" exit $?"
        done
        same "init.lxc $line" "$theirs" "$ours"
    done <<'LINES'
-- true

-n any
-n any -x -- true
any echo a
-n any -- no-such-command
-n any -- /etc/passwd
-n any echo a
--name=any --quiet --lxcpath=/x -o /dev/null -l DEBUG -- sh -c 'exit 7'
-n any -- sh -c 'kill -9 $$'
-n any -- sh -c 'echo $$; kill -0 1'
-n any -- sh -c 'sleep 0.3 & exit 3'
-n any -- sh -c 'trap "echo usr1; exit 8" USR1; kill -USR1 1; sleep 1 & wait'
-n any -- sh -c 'trap "echo term; exit 9" TERM; kill -TERM 1; sleep 3 & wait'
-n any -- sh -c 'trap "" TERM; kill -TERM 1; sleep 5'
-n any -- sh -c 'grep -E "^Sig(Blk|Ign)" /proc/self/status; cut -d" " -f6 /proc/self/stat'
LINES
    code 1 "$STAGE/sbin/init.lxc" -- true
    says '^lxc-init: missing container name, use --name option$'
    code 255 unshare --pid --fork --mount-proc "$STAGE/sbin/init.lxc" -n any -- no-such-command
    says 'looked in'
    [ ! -e "$STAGE/bin/lxc-init" ] || fail 'lxc-init is a command of users'
}
