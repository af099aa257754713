# Containers whose configuration was broken, or removed, after they had started.

# Running, in group web, with a file that does not load.
broken() { # NAME [CONFIG-LINE...]
    container "$@" 'lxc.start.auto = 1' 'lxc.group = web'
    code 0 tool start -n "$1"
    echo 'lxc.no.such.key = 1' >>"$LXC/$1/config"
}

test_broken_configuration_does_not_keep_it_running() {
    local options
    # What the host's shutdown calls, and what names groups of the running configuration.
    for options in '-a -A -s -t 5' '-a -A -k' '-s -g web -t 5' '-k -a'; do
        broken t-broken
        # shellcheck disable=SC2086
        code 0 tool autostart $options
        says 't-broken: .*lxc.no.such.key'
        says 't-broken/config:10'
        same "after autostart $options" STOPPED "$(state t-broken)"
        rm -rf "${LXC:?}/t-broken"
    done
    broken t-broken
    code 0 tool autostart -s -g other
    same 'of another group' RUNNING "$(state t-broken)"
    code 0 tool autostart -a -r -t 10
    same 'after a reboot' RUNNING "$(state t-broken)"
    # The file is gone.
    rm "$LXC/t-broken/config"
    same 'listed to be stopped' t-broken "$(tool autostart -L -a -A -s)"
    code 0 tool autostart -a -A -s -t 5
    same 'without a file' '' "$(tool ls --active)"
}

# A file that loads for who started the container, and not for who stops it: the host's shutdown has
# another environment and working directory.
test_broken_for_the_caller_of_the_shutdown_only() {
    local line words
    mkdir -p "$RUN/place"
    for line in 'lxc.environment = FROM_CALLER' 'lxc.include = here.conf' "lxc.include = $RUN/place/gone.conf"; do
        for words in 'autostart -A -s -t 5' 'autostart -A -k' 'stop -n t-caller -t 5'; do
            echo 'lxc.start.auto = 1' | tee "$RUN/place/here.conf" >"$RUN/place/gone.conf"
            container t-caller "$line"
            (cd "$RUN/place" && FROM_CALLER=set code 0 tool start -n t-caller && [ $ok = yes ]) || fail "$line: not started"
            rm "$RUN/place/gone.conf"
            # shellcheck disable=SC2086
            (cd / && unset FROM_CALLER && code 0 tool $words && [ $ok = yes ]) || fail "$line: $words failed"
            same "$line: after $words" STOPPED "$(cd "$RUN/place" && state t-caller)"
            code 0 tool ls -1 --active
            same "$line: active after $words" '' "$(cat "$RUN/out")"
        done
    done
    rm -r "$RUN/place"
}

test_broken_configuration_is_a_failed_start() {
    container t-broken 'lxc.start.auto = 1' 'lxc.no.such.key = 1'
    code 1 tool autostart -a
    says 't-broken: .*lxc.no.such.key'
    # Nothing runs, so there is nothing to stop.
    code 0 tool autostart -a -A -s
    says 't-broken: .*lxc.no.such.key'
}

test_broken_configuration_is_shown_as_it_runs() {
    broken t-broken
    same 'list' 't-broken RUNNING 1 web' "$(tool ls -f -F name,state,autostart,groups | tail -1 | xargs)"
    same 'of its group' t-broken "$(tool ls -1 -g web)"
    same state RUNNING "$(state t-broken)"
    code 0 tool info -n t-broken -c lxc.group -c lxc.uts.name
    says 'lxc.no.such.key'
    same 'values' 'lxc.group = web lxc.uts.name = t-broken' "$(xargs <"$RUN/out")"
    same 'a value' web "$(tool info -n t-broken -H -c lxc.group 2>/dev/null)"
    # All that needs its monitor only.
    code 0 tool freeze -n t-broken
    code 0 tool unfreeze -n t-broken
    code 0 tool attach -n t-broken -- true
    code 0 tool cgroup -n t-broken pids.max 100
    code 0 tool device -n t-broken add /dev/zero /dev/zero2
    code 0 tool stop -n t-broken -r
    code 0 tool console -n t-broken -t 0 </dev/null
    code 0 tool stop -n t-broken
    # Not running, it has nobody to tell.
    code 1 tool info -n t-broken -c lxc.group
    says 'lxc.no.such.key'
}

# In a world of its own, where /etc and /var/lib are copies.
test_broken_configuration_is_a_failed_service() {
    # shellcheck disable=SC2016
    same 'states and exit codes' 'start 1 restart 1 start 2 RUNNING stop 0 STOPPED' "$(WORLD_NAMES='boots*' tests/world ours sh -c '
        lxc-create -n boots-bad -t busybox >/dev/null
        printf "lxc.start.auto = 1\nlxc.no.such.key = 1\n" >>/var/lib/lxc/boots-bad/config
        script=/usr/libexec/lxc/lxc-containers
        $script start 2>/dev/null; echo start $?
        $script restart 2>/dev/null; echo restart $?
        lxc-create -n boots -t busybox >/dev/null
        echo lxc.start.auto = 1 >>/var/lib/lxc/boots/config
        $script start 2>/dev/null; echo start $?
        lxc-info -n boots -sH
        echo lxc.no.such.key = 1 >>/var/lib/lxc/boots/config
        $script stop 2>/dev/null; echo stop $?
        lxc-info -n boots -sH
        ' 2>&1 | xargs)"
}
