# Packages: built, looked into, and run from the directory they are unpacked to.

test_deb_package_is_complete_and_runs() {
    command -v dpkg-shlibdeps >/dev/null || { skipped="dpkg-dev is not installed"; return; }
    local deb root=$RUN/unpacked unit name
    code 0 packaging/deb --profile debug --no-build --output "$RUN"
    deb=$(echo "$RUN"/lxc-rs_*.deb)
    for name in Provides Conflicts Replaces; do same "$name" lxc "$(dpkg-deb -f "$deb" $name)"; done
    dpkg-deb -f "$deb" Depends | grep -q libseccomp2 || fail "Depends: $(dpkg-deb -f "$deb" Depends)"
    same 'what users may change' "$(cd config/apparmor && find . -type f | sort | sed 's|^\.|/etc/apparmor.d|' | xargs) "'/etc/default/lxc /etc/default/lxc-net /etc/lxc/default.conf /etc/lxc/lxc-usernet /etc/lxc/lxc.conf' \
        "$(dpkg-deb --ctrl-tarfile "$deb" | tar -xO ./conffiles | xargs)"
    same 'files that are not root'"'"'s' '' "$(dpkg-deb -c "$deb" | grep -v ' root/root ')"
    same 'set-user-ID' '-rwsr-xr-x ./usr/libexec/lxc/lxc-user-nic' "$(dpkg-deb -c "$deb" | awk '$1 ~ /[sS]/ { print $1, $6 }')"
    for name in postinst prerm postrm; do
        dpkg-deb --ctrl-tarfile "$deb" | tar -xO "./$name" | sh -n || fail "$name is not a script"
    done

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

    container t-deb
    BIN=$root/usr/bin/lxc-rs code 0 tool start -n t-deb
    same state RUNNING "$(BIN=$root/usr/bin/lxc-rs state t-deb)"
    BIN=$root/usr/bin/lxc-rs code 0 tool stop -n t-deb -k
}

test_rpm_package_is_what_the_installer_installs() {
    command -v rpmbuild >/dev/null || { skipped="rpmbuild is not installed"; return; }
    local top=$RUN/rpm version
    version=$(sed -n 's/^Version: *//p' packaging/lxc-rs.spec)
    same 'the version' "$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)" "$version"
    mkdir -p "$top/SOURCES" "$top/BUILD/lxc-rs-$version/target"
    # The program is built already; the rest of the recipe runs as it stands.
    cp -r Cargo.toml LICENSE-* README.md CHANGELOG.md config packaging templates "$top/BUILD/lxc-rs-$version/"
    mkdir "$top/BUILD/lxc-rs-$version/target/release"
    cp "${CARGO_TARGET_DIR:-target}"/debug/lxc-{rs,user-nic} "$top/BUILD/lxc-rs-$version/target/release/"
    sed -e '/^BuildRequires/d' -e '/^%autosetup/d' -e 's/^cargo build.*/:/' \
        -e "s|^%install|&\ncd lxc-rs-$version|" packaging/lxc-rs.spec >"$top/lxc-rs.spec"
    sed -i 's/^%license.*//; s/^%doc.*//' "$top/lxc-rs.spec"
    code 0 env -u CARGO_TARGET_DIR rpmbuild --define "_topdir $top" --nodeps -bb "$top/lxc-rs.spec"
    [ -f "$(echo "$top"/RPMS/*/lxc-rs-"$version"*.rpm)" ] || fail 'no package'
    same 'set-user-ID' '-rwsr-xr-x root root /usr/libexec/lxc/lxc-user-nic' "$(rpm -qplv "$top"/RPMS/*/lxc-rs-*.rpm |
        awk '$1 ~ /[sS]/ { print $1, $3, $4, $NF }')"
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
