# The shipped configuration: each file loads, and means what Debian's file of that name means.

# Debian's files, those of lxc-templates included, in a directory of their own: $RUN/debians-config.
debians_configuration() {
    local cache=$PWD/target/test-cache
    mkdir -p "$cache" "$RUN/debians-config"
    cp /usr/share/lxc/config/*.conf "$RUN/debians-config/"
    if [ ! -e /usr/share/lxc/config/debian.common.conf ]; then
        if ! ls "$cache"/lxc-templates_*.deb >/dev/null 2>&1; then
            (cd "$cache" && apt-get -qq -o APT::Sandbox::User=root download lxc-templates) >/dev/null 2>&1 || return 1
        fi
        dpkg-deb -x "$cache"/lxc-templates_*.deb "$RUN/templates" || return 1
        cp "$RUN/templates"/usr/share/lxc/config/*.conf "$RUN/debians-config/"
    fi
    mkdir -p "$RUN/debians-config/common.conf.d" "$RUN/debians-config/userns.conf.d"
    sed -i "s|/usr/share/lxc/config/|$RUN/debians-config/|g" "$RUN/debians-config"/*.conf
}

# What a tool reads of a file: a line for each value of each key.
values() { # TOOL FILE KEY...
    local tool=$1 file=$2 options=() key
    shift 2
    for key in "$@"; do options+=(-c "$key"); done
    mkdir -p "$LXC/t-shipped"
    printf 'lxc.include = %s\n' "$file" >"$LXC/t-shipped/config"
    "$tool" info -n t-shipped "${options[@]}" 2>&1 | grep -v -e '^Name:' -e '^State:' -e '^$' |
        sed -e "s|$RUN/debians-config|CONFIG|g" -e "s|$STAGE/share/lxc/config|CONFIG|g" \
            -e "s|$STAGE/share/lxc/hooks|/usr/share/lxc/hooks|g" -e 's/ *$//'
}

# Not compared: cgroup2.devices.allow, which lxc-templates leaves out where ours says the same as for
# v1; cap.keep, as which LXC 5.0 reads back what is dropped.
test_shipped_configuration_means_what_debians_does() {
    local file name keys ours theirs compared=0
    [ -x /usr/bin/lxc-info ] || { skipped="Debian's lxc is not installed"; return; }
    debians_configuration || { skipped="lxc-templates cannot be fetched"; return; }
    keys=$(cat "$STAGE"/share/lxc/config/*.conf "$RUN"/debians-config/*.conf | grep -oE '^lxc\.[a-z0-9_.]+' |
        grep -vE '^lxc\.(include|cgroup2\.devices\.allow|cap\.keep)$' | sort -u)
    for file in "$STAGE"/share/lxc/config/*.conf; do
        name=${file##*/}
        [ "$name" != lxc.conf ] || continue
        # shellcheck disable=SC2086
        ours=$(values tool "$file" $keys)
        grep -qiE 'unsupported|cannot|wrong' <<<"$ours" && fail "$name: $ours"
        [ "$(values tool "$file" lxc.cgroup2.devices.allow | sed s/cgroup2/cgroup/)" = \
            "$(values tool "$file" lxc.cgroup.devices.allow)" ] || fail "$name: cgroup2 differs from cgroup"
        [ -e "$RUN/debians-config/$name" ] || continue
        # shellcheck disable=SC2086
        theirs=$(values debian "$RUN/debians-config/$name" $keys)
        [ "$ours" = "$theirs" ] || fail "$name: $(diff <(echo "$theirs") <(echo "$ours"))"
        compared=$((compared + 1))
    done
    [ $compared -ge 29 ] || fail "only $compared files compared"
    cmp <(grep -v '^#' "$STAGE/share/lxc/config/common.seccomp" | sort) \
        <(sed 's/ *#.*//' /usr/share/lxc/config/common.seccomp | grep . | sort) || fail common.seccomp
}

test_shipped_configuration_starts() {
    local file name
    # Of those that differ by nothing but their names, one.
    for file in "$STAGE"/share/lxc/config/{{alpine,debian,voidlinux}.common,gentoo.moresecure,{debian,ubuntu}.userns}.conf; do
        name=${file##*/}
        case $name in
            *.userns.conf)
                container t-ship 'lxc.idmap = u 0 200000 65536' 'lxc.idmap = g 0 200000 65536' \
                    'lxc.rootfs.options = idmap=container' \
                    "lxc.include = ${file%.userns.conf}.common.conf" "lxc.include = $file"
                ;;
            *) container t-ship "lxc.include = $file" ;;
        esac
        mkdir -p "$LXC/t-ship/rootfs/dev/shm"
        code 0 tool start -n t-ship
        [ "$(tool attach -n t-ship -- echo inside)" = inside ] || fail "$name: $(cat "$RUN/err")"
        code 0 tool stop -k -n t-ship
        rm -r "${LXC:?}/t-ship"
    done
}
