# Packages: built, looked into, and run from the directory they are unpacked to.

# Those of Debian, made once for all tests of a run: two at a time would be made in the same directories.
debs() { # DIR
    # shellcheck disable=SC2016
    code 0 flock "$QUEUE/debs.lock" sh -c '[ -d "$1" ] || { packaging/deb --profile debug --no-build --output "$1.new" && mv "$1.new" "$1"; }' \
        sh "$QUEUE/debs"
    mkdir -p "$1" && cp "$QUEUE"/debs/* "$1"
}

# Position independent, tables read-only once it runs, no stack that can be executed, no path to libraries of its own.
hardened() { # FILE
    local facts
    facts=$(readelf -hldW "$1")
    grep -q '^ *Type: *DYN ' <<<"$facts" || fail "$1 is not position independent"
    [[ $1 = *.so* ]] || grep -q 'Flags:.* PIE' <<<"$facts" || fail "$1 is no PIE"
    grep -q '^ *GNU_RELRO ' <<<"$facts" || fail "$1 has no RELRO"
    grep -q 'FLAGS.*BIND_NOW' <<<"$facts" || fail "$1 binds late, so that its tables stay writable"
    grep -q '^ *GNU_STACK .* RW ' <<<"$facts" || fail "the stack of $1 can be executed"
    ! grep -E '\((RPATH|RUNPATH|TEXTREL)\)' <<<"$facts" >&2 || fail "$1 has what a program must not have"
}

test_deb_package_is_complete_and_runs() {
    needs dh || return
    local deb root=$RUN/unpacked unit name
    debs "$RUN"
    deb=$(echo "$RUN"/lxc-rs_*.deb)
    for name in Conflicts Replaces; do same "$name" 'liblxc-common, lxc' "$(dpkg-deb -f "$deb" $name)"; done
    same Provides 'liblxc-common (= 1:5.0.2), lxc (= 1:5.0.2)' "$(dpkg-deb -f "$deb" Provides)"
    dpkg-deb -f "$deb" Depends | grep -q libseccomp2 || fail "Depends: $(dpkg-deb -f "$deb" Depends)"
    # dpkg would ask about them where another LXC has left its own.
    same 'conffiles' '' "$(dpkg-deb --ctrl-tarfile "$deb" | tar -t | grep conffiles)"
    same 'what goes to /etc' "$(cd config/apparmor && find . -type f | sort | sed 's|^\.|apparmor.d|' | xargs) "'default/lxc default/lxc-net init.d/lxc init.d/lxc-net lxc/default.conf lxc/lxc-usernet lxc/lxc.conf' \
        "$(dpkg-deb -c "$deb" | sed -n 's|.* ./usr/share/lxc-rs/etc/\(.*[^/]\)$|\1|p' | sort | xargs)"
    same 'files that are not root'"'"'s' '' "$(dpkg-deb -c "$deb" | grep -v ' root/root ')"
    same 'set-user-ID' '-rwsr-xr-x ./usr/libexec/lxc/lxc-user-nic' "$(dpkg-deb -c "$deb" | awk '$1 ~ /[sS]/ { print $1, $6 }')"
    for name in postinst prerm postrm; do
        dpkg-deb --ctrl-tarfile "$deb" | tar -xO "./$name" | sh -n || fail "$name is not a script"
    done

    for name in liblxc-rs1 liblxc-rs-dev lxc-rs-templates; do dpkg-deb -x "$RUN/${name}"_*.deb "$root"; done
    same 'what the library provides' 'liblxc1 (= 1:5.0.2), liblxc1t64 (= 1:5.0.2)' "$(dpkg-deb -f "$RUN"/liblxc-rs1_*.deb Provides)"
    dpkg-deb -f "$RUN"/liblxc-rs1_*.deb Depends | grep -q libseccomp2 || fail 'the library depends on no library'
    same 'symbols of the library' "$(cat crates/liblxc/symbols)" \
        "$(dpkg-deb --ctrl-tarfile "$RUN"/liblxc-rs1_*.deb | tar -xO ./symbols | sed -n 's/^ \(.*\)@Base .*/\1/p')"
    # What Debian's own builds fail at: a symbol that is new, or gone.
    dpkg-deb --ctrl-tarfile "$RUN"/liblxc-rs1_*.deb | tar -xO ./symbols >"$RUN/symbols"
    code 0 dpkg-gensymbols -c4 -pliblxc-rs1 "-v$(dpkg-deb -f "$deb" Version)" "-I$RUN/symbols" "-P$RUN/none" \
        "-e$(echo "$root"/usr/lib/*-linux-gnu/liblxc.so.1)" "-O$RUN/symbols.new"
    dpkg-deb -x "$deb" "$root"
    same 'broken links' '' "$(find "$root" -xtype l)"
    for name in $("$root/usr/bin/lxc-rs" --list | grep -vx init); do
        [ -x "$root/usr/bin/lxc-$name" ] || fail "no lxc-$name"
        ls "$root"/usr/share/man/man?/"lxc-$name".?.gz >/dev/null || fail "no page of lxc-$name"
    done
    same 'a page by its other name' 'lxc.conf' \
        "$(MANWIDTH=80 man -P cat "$root/usr/share/man/man5/lxc.system.conf.5.gz" | sed -n 's/^ *\(lxc.conf\) - .*/\1/p')"
    # Where the programs are now, beside this host's own units.
    mkdir "$RUN/units"
    for unit in "$root"/lib/systemd/system/*.service; do
        sed "s|=/usr/|=$root/usr/|" "$unit" >"$RUN/units/${unit##*/}"
    done
    same 'what systemd says of the units' '' "$(systemd-analyze verify --man=no "$RUN/units"/*.service 2>&1)"
    code 2 "$root/usr/libexec/lxc/lxc-containers" nonsense
    says 'Usage: '

    # What each program that comes in a package must have, and none may have.
    for name in lxc-rs lxc-images lxc-user-nic liblxc.so.1; do
        hardened "$(find "$root" -name $name -path '*/usr/[bl]i*' ! -path '*/doc/*')"
    done

    if command -v gcc >/dev/null && command -v pkg-config >/dev/null; then
        # shellcheck disable=SC2046
        gcc -DNEWER -o "$RUN/headers" tests/library/headers.c \
            $(PKG_CONFIG_LIBDIR=$(echo "$root"/usr/lib/*/pkgconfig) pkg-config --define-variable="prefix=$root/usr" --cflags --libs lxc) ||
            fail 'lxc.pc does not lead to headers and library'
        LD_LIBRARY_PATH=$(echo "$root"/usr/lib/*-linux-gnu) code 0 "$RUN/headers"
    fi

    # A debug build keeps its symbols, and what strip(1) takes away with them. All else that Debian's checker has to say is in debian/, with the reason.
    if command -v lintian >/dev/null; then
        code 0 lintian --allow-root --no-cfg --display-info --suppress-tags unstripped-binary-or-object,binary-has-unneeded-section --fail-on info "$RUN"/*.changes
        same 'what lintian says' '' "$(cat "$RUN/out")"
    fi

    # Programs that were made for LXC's library stay where they are installed.
    if dpkg-query -W -f '${Status}' python3-lxc 2>/dev/null | grep -q 'ok installed'; then
        apt-get --simulate --no-download --no-install-recommends install "$RUN"/*lxc-rs*.deb >"$RUN/apt" 2>&1 || fail "apt: $(tail -1 "$RUN/apt")"
        same 'programs that would go' '' "$(grep -E '^Remv (python3-lxc|lxd) ' "$RUN/apt")"
        same 'packages that would come' 'liblxc-rs-dev liblxc-rs1 lxc-rs lxc-rs-templates' \
            "$(sed -n 's/^Inst \([^ ]*lxc-rs[^ ]*\) .*/\1/p' "$RUN/apt" | sort | xargs)"
    fi

    container t-deb
    BIN=$root/usr/bin/lxc-rs code 0 tool start -n t-deb
    same state RUNNING "$(BIN=$root/usr/bin/lxc-rs state t-deb)"
    BIN=$root/usr/bin/lxc-rs code 0 tool stop -n t-deb -k
}

test_uninstall_names_what_runs() {
    local own=$RUN/own name
    code 0 packaging/install --no-build --profile debug --prefix "$own"
    container t-here
    container t-other
    BIN=$own/bin/lxc-rs code 0 tool start -n t-here
    # Its commands stay.
    code 0 tool start -n t-other
    same 'what has no commands then' "$LXC t-here" "$("$own/libexec/lxc/lxc-containers" running | grep " t-")"

    code 1 packaging/uninstall --prefix "$own"
    says "$LXC t-here\$"
    says 'Stop them first (lxc-stop)'
    ! grep -q t-other "$RUN/err" || fail 'it names a container that it has nothing to do with'
    for name in lxc-rs lxc-stop; do [ -x "$own/bin/$name" ] || fail "$name is gone all the same"; done

    # After an update, too: the monitor keeps the file that it runs.
    code 0 packaging/install --no-build --profile debug --prefix "$own"
    code 1 packaging/uninstall --prefix "$own"
    says "$LXC t-here\$"

    # Of a unit that was enabled nothing stays in /etc; this host's is another.
    # shellcheck disable=SC2016
    code 0 unshare --mount -- sh -c '
        mount -t tmpfs tmpfs /etc/systemd && mkdir -p /etc/systemd/system/multi-user.target.wants &&
            cd /etc/systemd/system/multi-user.target.wants &&
            ln -s "$1/lib/systemd/system/lxc.service" /lib/systemd/system/lxc-net.service . && cd "$OLDPWD" &&
            packaging/uninstall --prefix "$1" --force && ls -1 /etc/systemd/system/multi-user.target.wants' sh "$own"
    says "$LXC t-here\$"
    says 'They run on'
    same 'units that are enabled' lxc-net.service "$(cat "$RUN/out")"
    same 'what is left' '' "$(find "$own" ! -type d)"
    for name in t-here t-other; do
        same "state of $name" RUNNING "$(state $name)"
        code 0 tool stop -n $name -k
    done
}

test_boot_script_starts_and_stops_what_is_meant_to_run() {
    [ -e "$STAGE/bin/lxc-autostart" ] || { skipped="there is no lxc-autostart yet"; return; }
    # shellcheck disable=SC2016
    same 'states' 'RUNNING STOPPED RUNNING STOPPED' "$(WORLD_NAMES='boots*' tests/world ours sh -c '
        for name in boots boots-not; do
            lxc-create -n $name -t busybox
        done >/dev/null
        echo lxc.start.auto = 1 >>/var/lib/lxc/boots/config
        script=/usr/libexec/lxc/lxc-containers
        states() { lxc-info -n boots -sH; }
        $script start && states
        lxc-info -n boots-not -sH
        $script start && states
        $script stop && states
        ' 2>&1 | xargs)"
}
