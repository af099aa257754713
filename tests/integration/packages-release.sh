# What a release is made of.

test_rpm_packages_are_what_the_installer_installs() {
    needs rpmbuild || return
    local rpms=$RUN/rpm name version
    code 0 packaging/rpm --profile debug --no-build --output "$rpms"
    read -r version _ < <(packaging/version)
    for name in lxc-rs liblxc-rs liblxc-rs-devel lxc-rs-templates; do
        [ -f "$(echo "$rpms/$name-$version-1".*.rpm)" ] || fail "no package $name"
    done
    rpm -qp --provides "$rpms/liblxc-rs-$version"*.rpm | grep -q '^liblxc.so.1' || fail 'no liblxc.so.1 in its package'
    same 'the release of LXC' "lxc = $(sed -n 's/^#define LXC_VERSION "\(.*\)"/\1/p' crates/liblxc/include/lxc/version.h)" \
        "$(rpm -qp --provides "$rpms/lxc-rs-$version"*.rpm | grep '^lxc = ')"
    same 'set-user-ID' '-rwsr-xr-x root root /usr/libexec/lxc/lxc-user-nic' "$(rpm -qplv "$rpms/lxc-rs-$version"*.rpm |
        awk '$1 ~ /[sS]/ { print $1, $3, $4, $NF }')"
    same 'settings' "$(find config/apparmor -type f | sed 's|^config/apparmor|/etc/apparmor.d|' | sort | xargs) /etc/lxc/default.conf /etc/lxc/lxc-usernet /etc/lxc/lxc.conf /etc/sysconfig/lxc /etc/sysconfig/lxc-net" \
        "$(rpm -qpc "$rpms/lxc-rs-$version"*.rpm | sort | xargs)"
    # A debug build keeps its symbols. All else that RPM's checker has to say is in its configuration, with the reason.
    if command -v rpmlint >/dev/null; then
        echo "addFilter('unstripped-binary-or-object')" >"$RUN/debug"
        code 0 rpmlint --config packaging/rpmlint.toml --rpmlintrc "$RUN/debug" "$rpms"/*.rpm packaging/lxc-rs.spec
        tail -1 "$RUN/out" | grep -q ' 0 errors, 0 warnings' || fail "rpmlint: $(grep -E ': [EW]: ' "$RUN/out")"
    fi
}

# A copy of what is committed here, with a commit of its own.
copy_of_the_source() { # DIR
    mkdir "$1" && git ls-files -z | tar --null -T - -c | tar -C "$1" -x &&
        git -C "$1" init -q && git -C "$1" add -A &&
        git -C "$1" -c user.name=t -c user.email=t@localhost commit -qm source
}

test_version_is_written_in_one_place() {
    needs git jq cargo || return
    local copy=$RUN/copy file
    copy_of_the_source "$copy" || fail 'no copy'
    same 'version and date' "$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)" "$("$copy/packaging/version" | cut -d ' ' -f 1)"
    code 0 "$copy/packaging/version" 9.8.7 2031-02-03
    same 'what it says then' "9.8.7 $(date -u -d 2031-02-03 +%s)" "$(cat "$RUN/out")"
    same 'what cargo says' 9.8.7 "$(cd "$copy" && cargo metadata --locked --offline --no-deps --format-version 1 | jq -r '.packages[].version' | sort -u)"
    same 'the changelog' '## [9.8.7] - 2031-02-03' "$(grep '^## \[9' "$copy/CHANGELOG.md")"
    for file in Cargo.toml packaging/lxc-rs.spec CHANGELOG.md; do
        sed -i 's/9\.8\.7/9.8.8/' "$copy/$file"
        code 1 "$copy/packaging/version"
        says "$file has '.*9.8.8"
        sed -i 's/9\.8\.8/9.8.7/' "$copy/$file"
    done
}

test_release_is_complete_and_the_same_bytes_twice() {
    needs dh rpmbuild jq git cargo || return
    local copy name version
    # Two checkouts, of other times; the programs are the same, which have been built already.
    for copy in one two; do
        copy_of_the_source "$RUN/$copy" || fail 'no copy'
        # As a checkout has it: no file is older than the commit.
        find "$RUN/$copy" -exec touch -h -d "$([ $copy = one ] && echo '5 minutes' || echo tomorrow)" {} +
        CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target} code 0 "$RUN/$copy/packaging/release" --profile debug --no-build --output "$RUN/$copy.files"
    done
    read -r version _ < <(packaging/version)
    same 'the two' '' "$(diff "$RUN/one.files/SHA256SUMS" "$RUN/two.files/SHA256SUMS")"
    (cd "$RUN/one.files" && sha256sum --quiet -c SHA256SUMS) || fail 'SHA256SUMS are not those of the files'
    same 'files' "SHA256SUMS lxc-rs-$version.cdx.json lxc-rs-$version.tar.gz" \
        "$(find "$RUN/one.files" -type f ! -name '*.deb' ! -name '*.rpm' -printf '%f\n' | LC_ALL=C sort | xargs)"
    same 'packages' '4 4' "$(find "$RUN/one.files" -name '*.deb' | wc -l) $(find "$RUN/one.files" -name '*.rpm' | wc -l)"

    # What the archive has is enough to build it without a network and without what cargo has fetched before.
    tar -C "$RUN" -xf "$RUN/one.files/lxc-rs-$version.tar.gz"
    (cd "$RUN/lxc-rs-$version" && CARGO_HOME=$RUN/cargo unshare --net cargo metadata --locked --offline --format-version 1) >"$RUN/metadata" ||
        fail 'crates are missing in the archive'
    same 'crates from elsewhere' 0 "$(jq '[.packages[] | select(.source and (.manifest_path | contains("/vendor/") | not))] | length' "$RUN/metadata")"

    # The list of components has each crate that is in a program, with its digest and licence.
    same 'components without a digest' 'liblxc lxc-images lxc-rs lxc-sys lxc-user-nic' \
        "$(jq -r '.components[] | select(.hashes == []).name' "$RUN/one.files/"*.cdx.json | sort | xargs)"
    same 'components without a licence' '' "$(jq -r '.components[] | select(.licenses == []).name' "$RUN/one.files/"*.cdx.json)"
    same 'digests' "$(awk -F '"' '/^name/ { n = $2 } /^version/ { v = $2 } /^checksum/ { print n, v, $2 }' Cargo.lock | sort)" \
        "$(awk -F '"' '/^name/ { n = $2 } /^version/ { v = $2 } /^checksum/ { print n, v, $2 }' Cargo.lock |
            cat - <(jq -r '.components[] | select(.hashes != []) | "\(.name) \(.version) \(.hashes[0].content)"' "$RUN/one.files/"*.cdx.json) | sort -u)"
    # The first is in the programs, the second only in tests.
    same 'what is in it' '1 0' "$(for name in tokio proptest; do
        jq "[.components[] | select(.name == \"$name\")] | length" "$RUN/one.files/"*.cdx.json
    done | xargs)"
}
