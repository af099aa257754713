# autopkgtest with its virtualisation server "lxc": a source package's tests in a copy of a container, and
# in an ephemeral one; a test reboots its testbed.
packages='autopkgtest busybox-static'
version() { dpkg-query -W -f '${Version}' autopkgtest; }

client() {
    local how
    large tc-testbed
    mkdir -p "$HOME/package/debian/tests"
    cd "$HOME/package" || return
    printf 'Source: tiny\nMaintainer: Nobody <nobody@localhost>\n\nPackage: tiny\nArchitecture: all\nDescription: tiny\n' >debian/control
    printf 'tiny (1) unstable; urgency=low\n\n  * First.\n\n -- Nobody <nobody@localhost>  Thu, 01 Jan 2026 00:00:00 +0000\n' >debian/changelog
    printf 'Tests: rebooting\nDepends:\nRestrictions: needs-root, needs-reboot, isolation-container\n\nTests: output\nDepends:\nRestrictions: allow-stderr\n' >debian/tests/control
    cat >debian/tests/rebooting <<'SH'
#!/bin/sh
set -e
if [ -z "$AUTOPKGTEST_REBOOT_MARK" ]; then
    echo before >/root/kept
    /tmp/autopkgtest-reboot second
fi
[ "$AUTOPKGTEST_REBOOT_MARK" = second ] && [ "$(cat /root/kept)" = before ]
SH
    printf '#!/bin/sh\necho from the testbed; echo to stderr >&2; head -c 300000 /dev/zero >$AUTOPKGTEST_ARTIFACTS/zeros\n' >debian/tests/output
    chmod 755 debian/tests/rebooting debian/tests/output
    for how in '' -e; do
        # shellcheck disable=SC2086
        code 0 autopkgtest --no-built-binaries --output-dir "$HOME/result$how" "$HOME/package" -- lxc $how tc-testbed
        [ $ok = yes ] || { cat "$RUN/out"; cat "$RUN/err"; }
        same "tests passed $how" 2 "$(grep -c ' PASS$' "$HOME/result$how/summary")"
        same "output $how" 'from the testbed' "$(cat "$HOME/result$how/output-stdout")"
        same "artifact $how" 300000 "$(stat -c %s "$HOME/result$how/artifacts/zeros")"
        same "what is left $how" tc-testbed "$(lxc-ls -1)"
    done
    code 0 lxc-destroy -n tc-testbed
}
