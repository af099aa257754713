# A Debian of the template, booted by systemd.

# Made once for all runs: the packages come from Debian's mirror.
debian_create() { # NAME [OPTION...]
    LXC_CACHE_PATH=$PWD/target/test-cache timeout 900 "$BIN" create -P "$LXC" -n "$1" -t debian -f /dev/null -- "${@:2}" >"$RUN/out" 2>"$RUN/err"
}

# Fails the test, or skips it where there is no network.
debian_is_made() { # NAME [OPTION...]
    debian_create "$@" && return
    if [ -z "$(ip route show default)" ]; then
        skipped="no network to fetch Debian's packages from: $(tail -1 "$RUN/err")"
    else
        fail "lxc-create -t debian: $(cat "$RUN/err")"
    fi
    return 1
}

booted() { # NAME: what systemd says when it is through, in a minute at most
    local state
    for _ in $(seq 600); do
        state=$(tool attach -n "$1" -- systemctl is-system-running 2>/dev/null)
        case $state in running | degraded | maintenance) break ;; esac
        sleep 0.1
    done
    echo "$state"
}

test_debian_boots_and_stops() {
    debian_is_made t-deb || return
    net_settings
    names_world
    code 0 net start
    printf 'lxc.net.0.type = veth\nlxc.net.0.link = rstestnet\nlxc.net.0.flags = up\n' >>"$LXC/t-deb/config"
    local begin took state
    for round in $(seq "${DEBIAN_ROUNDS:-20}"); do
        code 0 named start -n t-deb
        state=$(booted t-deb)
        same "state in round $round" running "$state"
        [ "$state" = running ] || tool attach -n t-deb -- systemctl --failed --no-legend
        if [ "$round" = 1 ]; then
            [[ $(tool info -n t-deb -iH) = 10.197.9.* ]] || fail "no address: $(tool info -n t-deb -iH)"
            code 0 tool attach -n t-deb -- ping -c 1 -W 2 10.197.9.1
            tool attach -n t-deb -- getent hosts t-deb.test.lxc | grep -q 10.197.9. ||
                fail "it cannot resolve its own name"
            same gettys 4 "$(tool attach -n t-deb -- systemctl list-units --no-legend --state=active 'getty@tty*' | wc -l)"
        fi
        begin=$(date +%s%N)
        code 0 tool stop -n t-deb
        took=$((($(date +%s%N) - begin) / 1000000))
        [ $took -lt 10000 ] || fail "stop took $took ms: it was killed"
        nothing_left ' rstestnet '
        [ $ok = yes ] || break
    done
    code 0 net stop
    code 0 tool destroy -n t-deb
    no_names_world
}

test_debian_template_refuses_what_it_cannot() {
    code 1 tool create -n t-deb -t debian -f /dev/null -- --release='no such'
    says 'is not a release of Debian or Ubuntu'
    code 1 tool create -n t-deb -t debian -f /dev/null -- --release=noble --keyring=/nowhere/keys
    says 'cannot read the keyring /nowhere/keys'
    if [ ! -e /usr/share/keyrings/ubuntu-archive-keyring.gpg ]; then
        code 1 tool create -n t-deb -t debian -f /dev/null -- --release=noble
        says 'the keys of Ubuntu are not here: install ubuntu-keyring'
    fi
    code 1 tool create -n t-deb -t debian -f /dev/null -- --colour=red
    says 'unknown option --colour'
    same left '' "$(ls -A "$LXC")"
    code 0 tool create -h -t debian
    says '--security-mirror=URL'
}

# Each release that there is; what was fetched for it serves the next container, and one with further packages.
test_debian_releases() {
    local release begin took fetched state cache=$PWD/target/test-cache/debian
    [ -n "${DEBIAN_RELEASES:-}" ] || { skipped='it fetches for minutes, when asked: DEBIAN_RELEASES="bullseye trixie"'; return; }
    net_settings
    for release in $DEBIAN_RELEASES; do
        debian_is_made t-deb --release="$release" || return
        same "the release" "$release" "$(sed -n 's/^VERSION_CODENAME=//p' "$LXC/t-deb/rootfs/etc/os-release")"
        [ -z "$(ls "$LXC/t-deb/rootfs/var/cache/apt/archives" | grep deb)" ] || fail "packages are left in the container"
        begin=$(date +%s%N)
        code 0 debian_create t-deb2 --release="$release"
        took=$((($(date +%s%N) - begin) / 1000000))
        echo "    a second container of $release: $took ms"
        code 0 tool destroy -n t-deb2
        names_world
        code 0 net start
        printf 'lxc.net.0.type = veth\nlxc.net.0.link = rstestnet\nlxc.net.0.flags = up\n' >>"$LXC/t-deb/config"
        code 0 named start -n t-deb
        state=$(booted t-deb)
        same "what systemd of $release says" running "$state"
        [ "$state" = running ] || tool attach -n t-deb -- sh -c 'systemctl --failed --no-legend --plain; journalctl -p warning --no-pager | tail -20'
        code 0 tool stop -n t-deb
        code 0 tool destroy -n t-deb
        code 0 net stop
        no_names_world
    done
    # Of the packages only those are fetched that are new.
    find "$cache/packages/$release-"* -name '*.deb' >"$RUN/before"
    [ "$(wc -l <"$RUN/before")" -gt 50 ] || fail "the packages are not kept"
    # shellcheck disable=SC2046
    touch -d 2001-01-01 $(cat "$RUN/before")
    code 0 debian_create t-deb --release="$release" --packages=less
    [ -x "$LXC/t-deb/rootfs/usr/bin/less" ] || fail "the further package is not there"
    fetched=$(find "$cache/packages/$release-"* -name '*.deb' -newermt 2002-01-01 -printf '%f\n' | cut -d _ -f 1)
    same "what was fetched" less "$fetched"
    code 0 tool destroy -n t-deb
    rm -f "$cache/$release"-*"$(cd "$cache" && ls -t "$release"-*.tar | head -n 1 | sed "s/.*-//")" "$cache/packages/$release-"*/less_*
}
