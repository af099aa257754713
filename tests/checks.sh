# How a test says what went wrong: it sets ok=no, and why to the first of what it says, on one line. Sourced;
# $RUN is a directory of the run's own.
# shellcheck disable=SC2034 # who runs the tests reads both
fail() {
    echo "    $*"
    [ "$ok" = no ] || { why=${*//$'\n'/ }; why=${why:0:300}; }
    ok=no
}
same() { # WHAT WANTED GOT
    [ "$2" = "$3" ] || fail "$1: wanted '$2', got '$3'"
}
code() { # WANTED COMMAND...
    local wanted=$1 got
    shift
    "$@" >"$RUN/out" 2>"$RUN/err"
    got=$?
    [ "$got" -eq "$wanted" ] || fail "$*: exit code $got, wanted $wanted: $(cat "$RUN/err")"
}
says() { # PATTERN: in what the last command of 'code' printed on standard error
    grep -q -- "$1" "$RUN/err" || fail "nothing said of '$1': $(cat "$RUN/err")"
}
