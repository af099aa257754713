# How a test says what went wrong: it sets ok=no, and why to the first of what it says, on one line; and why it is not
# run: it sets skipped. Sourced; $RUN is a directory of the run's own.
# shellcheck disable=SC2034 # who runs the tests reads them
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
    [ "$got" -eq "$wanted" ] || fail "$*: exit code $got, wanted $wanted: $(tail -n 20 "$RUN/err" "$RUN/out")"
}
needs() { # PROGRAM...: fails, and has the test skipped, where one is missing
    local program
    for program; do
        command -v "$program" >/dev/null || { skipped="$program is not installed"; return 1; }
    done
}
says() { # PATTERN: in what the last command of 'code' printed on standard error
    grep -q -- "$1" "$RUN/err" || fail "nothing said of '$1': $(cat "$RUN/err")"
}
