# What is generated: manual pages and completions.

test_manual_pages_format_cleanly() {
    local page count=0 tool
    for page in "$STAGE"/share/man/man?/*; do
        count=$((count + 1))
        LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" \
            2>&1 >/dev/null | grep . && fail "${page##*/}: warnings"
        ! command -v mandoc >/dev/null || mandoc -T lint -W warning "$page" || fail "${page##*/}: mandoc"
    done
    for tool in $("$BIN" --list); do
        [ -e "$STAGE/share/man/man1/lxc-$tool.1" ] || [ -e "$STAGE/share/man/man8/lxc-$tool.8" ] ||
            fail "lxc-$tool has no page"
    done
    [ $count -gt 18 ] || fail "only $count pages"
    MANWIDTH=80 man -P cat "$STAGE/share/man/man5/lxc.system.conf.5" | grep -q lxc.default_config ||
        fail 'lxc.system.conf(5) does not lead to lxc.conf(5)'
}

# What bash offers for a command line, whose last word is under the cursor.
offered() { # WORD...
    PATH="$STAGE/bin:$PATH" nsenter --net="/run/netns/$NETNS" bash --norc -c '
        . "$0/share/bash-completion/completions/$1" || exit 1
        function=$(complete -p "$1" | sed "s/.* -F \([^ ]*\) .*/\1/")
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_TYPE=9
        compopt() { :; }
        "$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf "%s\n" "${COMPREPLY[@]}"' "$STAGE" "$@" | sort
}

test_bash_completes_options_containers_and_keys() {
    container t-runs
    container t-rests
    code 0 tool start -n t-runs
    same 'all' 't-rests t-runs' "$(offered lxc-info -P "$LXC" -n t-r | xargs)"
    same 'the name without -n' 't-rests t-runs' "$(offered lxc-info -P "$LXC" t-r | xargs)"
    same 'to start' t-rests "$(offered lxc-start "-P$LXC" t-r)"
    same 'to stop' t-runs "$(offered lxc-rs stop --lxcpath "$LXC" -n t-r)"
    same 'nothing behind the name' '' "$(offered lxc-info -P "$LXC" t-runs t-r)"
    same options '--config --console --console-log --kill' \
        "$( (offered lxc-start --co; offered lxc-info --c; offered lxc-stop --ki) | sort | xargs)"
    same 'keys to set' 'lxc.uts.name=' "$(offered lxc-start -s lxc.uts)"
    same 'keys to ask for' 'lxc.uts.name' "$(offered lxc-info -c lxc.uts)"
    same templates busybox "$(offered lxc-create -t bus)"
    same commands 'start stop storage' "$(offered lxc-rs st | xargs)"
    same levels 'WARN' "$(offered lxc-stop -l W)"
    code 0 tool stop -k -n t-runs
    code 1 "$BIN" --completions csh "$RUN/none"
    says 'no completion for csh'
}
