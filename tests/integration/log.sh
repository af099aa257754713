# Log files.

test_logs_tell_the_story() {
    container t-log "lxc.log.file = $RUN/log" 'lxc.log.level = info' 'lxc.hook.stop = /bin/false'
    code 0 tool start -n t-log
    code 0 tool stop -k -n t-log
    nothing_left
    same states 'STARTING RUNNING STOPPING' \
        "$(sed -n 's/^lxc-start t-log [0-9]\{14\}\.[0-9]\{3\} INFO     monitor - [^ ]* - \([A-Z]*\)$/\1/p' "$RUN/log" | xargs)"
    grep -q 'ERROR .*the stop hook ended with code 1; --> .*/t-log/config:[0-9:]*; [0-9]* | lxc.hook.stop' "$RUN/log" ||
        fail "no failed hook: $(cat "$RUN/log")"
    same mode 640 "$(stat -c %a "$RUN/log")"
    # The command line wins over the configuration.
    code 0 tool start -n t-log -o "$RUN/log2" -l DEBUG
    code 0 tool stop -k -n t-log
    nothing_left
    grep -q 'DEBUG .*first process' "$RUN/log2" || fail "no details: $(cat "$RUN/log2")"
    code 1 tool start -n t-log -o "$RUN/none/log"
    says 'cannot open the log file .*/none/log: ENOENT'
    code 1 tool start -n t-log -l loud
    says 'wrong value "loud" for lxc.log.level'
    # A level alone leaves the configured file.
    rm -f "$RUN/log"
    code 0 tool start -n t-log -l TRACE
    code 0 tool stop -k -n t-log
    nothing_left
    grep -q 'DEBUG .*first process' "$RUN/log" || fail "-l alone: $(ls -l "$RUN/log" "$LXC/t-log")"
    # Where none is configured it asks for the container's own log; errors of every tool go there as well.
    code 1 tool attach -q -n t-log -l ERROR -- true
    grep -q '^lxc-attach t-log .* ERROR .*is not running' "$LXC/t-log/t-log.log" || fail "no log of lxc-attach"
    rm -f "$RUN"/log*
}
