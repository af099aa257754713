# Our packages in root filesystems of their own.

# The root of a release of Debian, with the packages that are installed in it later.
debian_root() { # RELEASE DIR
    local kept=target/root-$1.tar
    if [ ! -e "$kept" ]; then
        # shellcheck disable=SC2016
        mmdebstrap --quiet --variant=minbase --skip=cleanup/apt --format=tar --customize-hook='chroot "$1" apt-get -q -y \
            --download-only install lxc lxc-templates python3-lxc busybox-static uidmap iproute2 nftables dnsmasq-base rpm' \
            "$1" "$kept.new" >"$RUN/mmdebstrap" 2>&1 || { skipped="no Debian $1: $(tail -1 "$RUN/mmdebstrap")"; return 1; }
        mv "$kept.new" "$kept"
    fi
    mkdir "$2" && tar -C "$2" -xf "$kept"
}

# Runs tests/integration/packages/SCRIPT with DIR as its /, and processes and links of its own.
in_root() { # DIR SCRIPT [WORD...]
    cp tests/checks.sh "tests/integration/packages/$2" "$1"
    declare -f rootfs user_container given in_cgroups >"$1/functions.sh"
    # shellcheck disable=SC2016
    unshare --mount --net --pid --fork --kill-child -- sh -c 'set -e
        mount --bind "$1" "$1"
        for name in proc sysfs; do mount -t $name $name "$1/${name%fs}"; done
        mount --rbind /sys/fs/cgroup "$1/sys/fs/cgroup"
        mount --rbind /dev "$1/dev"
        mount -t tmpfs tmpfs "$1/run"
        cd "$1"
        pivot_root . mnt
        umount -l /mnt
        shift
        script=$1
        shift
        PATH=/usr/sbin:/usr/bin:/sbin:/bin exec "/$script" "$@"' sh "$@" >"$RUN/said" 2>&1 || fail "$(cat "$RUN/said")"
}

# Cgroups of what ran there.
no_cgroups_of() { # NAME...
    local name
    for name; do
        find /sys/fs/cgroup -depth -type d \( -path "*/lxc.*.$name" -o -path "*/lxc.*.$name/*" \) -exec rmdir {} + 2>/dev/null
    done
}

# Packages of a version above that of those in DIR, with something else in a profile.
newer() { # DIR TARGET
    local deb name=$RUN/unpacked version
    mkdir "$2"
    for deb in "$1"/*.deb; do
        dpkg-deb -R "$deb" "$name"
        version=$(dpkg-deb -f "$deb" Version)
        sed -i "s/\b$version\b/$version+1/" "$name/DEBIAN/control"
        [ ! -d "$name/usr/share/lxc-rs" ] || echo '# newer' >>"$name/usr/share/lxc-rs/etc/apparmor.d/lxc/lxc-default"
        dpkg-deb -Zgzip -z1 --root-owner-group -b "$name" "$2" >/dev/null || return
        rm -r "$name"
    done
}

test_deb_packages_take_the_place_of_debians() {
    local root=$RUN/debian names='t-deb1 t-deb2 t-deb3 t-deb4 t-deb5 t-deb6 t-deb7 t-deb8 t-deb9 t-debu'
    needs mmdebstrap dh || return
    debian_root bookworm "$root" || return
    debs "$root/new"
    newer "$root/new" "$root/newer" || fail 'no newer packages'
    in_root "$root" replace
    # shellcheck disable=SC2086
    no_cgroups_of $names
    find /sys/fs/cgroup -depth -type d -path '*/t-deb-given*' -exec rmdir {} + 2>/dev/null
}

# What the documentation says for the first ten minutes, in a system that has nothing else.
test_packages_come_and_go_in_a_fresh_system() {
    local release root copy=$RUN/copy
    needs mmdebstrap dh rpmbuild git cargo || return
    debs "$RUN/new"
    newer "$RUN/new" "$RUN/newer" || fail 'no newer packages'
    code 0 packaging/rpm --profile debug --no-build --output "$RUN/new"
    # RPM's take their version from the source.
    copy_of_the_source "$copy" || fail 'no copy'
    code 0 "$copy/packaging/version" 9.8.7
    CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target} code 0 "$copy/packaging/rpm" --profile debug --no-build --output "$RUN/newer"
    for release in bookworm trixie; do
        root=$RUN/$release
        debian_root $release "$root" || return
        mkdir -p "$root/tests/docs" "$root/docs"
        cp tests/docs/run "$root/tests/docs"
        cp docs/getting-started.md "$root/docs"
        cp -a "$RUN/new" "$RUN/newer" "$root"
        in_root "$root" fresh deb
        # No mirror of a distribution with RPM is needed for this: what its rpm does, Debian's does as well.
        [ $release = trixie ] || in_root "$root" fresh rpm
        rm -rf "$root"
    done
    no_cgroups_of web t-fresh
}
