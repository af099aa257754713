# Our packages in a Debian of its own, with Debian's LXC before and after them.

# The root of Debian 12, with the packages that are installed in it later.
debian_root() {
    local kept=target/debian-12.tar
    if [ ! -e $kept ]; then
        # shellcheck disable=SC2016
        mmdebstrap --quiet --variant=minbase --skip=cleanup/apt --format=tar --customize-hook='chroot "$1" apt-get -q -y \
            --download-only install lxc lxc-templates python3-lxc busybox-static' bookworm "$kept.new" >"$RUN/mmdebstrap" 2>&1 ||
            return
        mv $kept.new $kept
    fi
    mkdir "$1" && tar -C "$1" -xf $kept
}

# Packages of a version above that of those in DIR, with something else in a profile.
newer() { # DIR TARGET
    local deb name=$RUN/newer version
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
    local name root=$RUN/debian
    needs mmdebstrap dh || return
    debian_root "$root" || { skipped="no Debian 12: $(tail -1 "$RUN/mmdebstrap")"; return; }
    code 0 packaging/deb --profile debug --no-build --output "$root/new"
    newer "$root/new" "$root/newer" || fail 'no newer packages'
    cp tests/checks.sh tests/integration/packages/replace "$root"
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
        PATH=/usr/sbin:/usr/bin:/sbin:/bin exec /replace' sh "$root" >"$RUN/said" 2>&1 || fail "$(cat "$RUN/said")"
    for name in t-deb1 t-deb2; do
        find /sys/fs/cgroup -depth -type d \( -path "*/lxc.*.$name" -o -path "*/lxc.*.$name/*" \) -exec rmdir {} + 2>/dev/null
    done
}
