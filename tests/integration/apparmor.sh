# Profiles that are made for one container.

no_apparmor() { # whether the test is skipped
    [ -d /sys/kernel/security/apparmor ] || { skipped="this host has no AppArmor"; return; }
    command -v apparmor_parser >/dev/null || { skipped="apparmor_parser is not installed"; return; }
    return 1
}

PROFILES=/sys/kernel/security/apparmor/profiles
NAMESPACES=/sys/kernel/security/apparmor/policy/namespaces

test_apparmor_generated() {
    ! no_apparmor || return 0
    local name="lxc-t-aa_<$LXC>" namespace="lxc-t-aa_<${LXC//\//-}>" monitor cache inode
    local label="$name//&:$namespace:unconfined (enforce)"
    cache=/var/cache/lxc/apparmor/$namespace
    container t-aa 'lxc.apparmor.profile = generated'
    code 0 tool start -n t-aa
    same 'init outside' "$label" "$(cat "/proc/$(tool info -n t-aa -pH)/attr/current")"
    # The policy namespace of the container is all that it sees.
    same 'init inside' unconfined "$(tool attach -n t-aa -- cat /proc/1/attr/current)"
    same 'an attached process' unconfined "$(tool attach -n t-aa -- cat /proc/self/attr/current)"
    same 'an attached process with privileges' unconfined "$(tool attach -e -n t-aa -- cat /proc/self/attr/current)"
    code 1 tool attach -n t-aa -- sh -c 'echo 1 >/proc/sys/kernel/sysrq'
    code 1 tool attach -n t-aa -- sh -c 'echo h >/proc/sysrq-trigger'
    code 1 tool attach -n t-aa -- sh -c 'mount -t securityfs none /mnt || exit 1'
    code 0 tool attach -n t-aa -- sh -c 'kill -0 1 && cat /proc/1/environ >/dev/null'
    code 0 tool attach -n t-aa -- mount -t tmpfs none /mnt
    monitor=$(pgrep -f "^\[lxc monitor\] $LXC t-aa")
    inode=$(stat -c %i "$cache")
    same 'of others' '600 0' "$(stat -c '%a %u' "$cache")"
    code 0 tool stop -k -n t-aa
    ! grep -F "$name" $PROFILES || fail 'the profile is loaded after the stop'
    [ ! -e "$NAMESPACES/$namespace" ] || fail 'the policy namespace is there after the stop'

    # What is kept is used: nothing is compiled again.
    if command -v strace >/dev/null; then
        code 0 nsenter --net="/run/netns/$NETNS" strace -f -qq -e trace=execve -o "$RUN/trace" \
            "$BIN" execute -P "$LXC" -n t-aa -- true
        same 'programs of a start' '' "$(grep apparmor_parser "$RUN/trace")"
    fi
    code 0 tool start -n t-aa
    same 'the compiled file' "$inode" "$(stat -c %i "$cache")"
    # A monitor that is killed leaves it to the next command.
    monitor=$(pgrep -f "^\[lxc monitor\] $LXC t-aa")
    kill -9 "$monitor"
    until [ "$(state t-aa)" = STOPPED ]; do sleep 0.1; done
    grep -qF "$name (enforce)" $PROFILES || fail 'the profile is gone with the killed monitor'
    code 0 tool start -n t-aa
    same 'after the kill' "$label" "$(cat "/proc/$(tool info -n t-aa -pH)/attr/current")"
    kill -9 "$(pgrep -f "^\[lxc monitor\] $LXC t-aa")"
    until [ "$(state t-aa)" = STOPPED ]; do sleep 0.1; done
    code 0 tool destroy -n t-aa
    ! grep -F "$name" $PROFILES || fail 'the profile is loaded after the container was destroyed'
    [ ! -e "$cache" ] || fail 'the compiled profile is there after the container was destroyed'
    nothing_left
}

test_apparmor_raw_rules() {
    ! no_apparmor || return 0
    local program
    container t-aar 'lxc.apparmor.profile = generated' 'lxc.apparmor.raw = deny /etc/passwd r,'
    code 0 tool start -n t-aar
    code 1 tool attach -n t-aar -- cat /etc/passwd
    code 0 tool stop -k -n t-aar
    # A changed rule counts at the next start.
    sed -i 's|passwd|group|' "$LXC/t-aar/config"
    code 0 tool start -n t-aar
    code 0 tool attach -n t-aar -- cat /etc/passwd
    code 0 tool stop -k -n t-aar
    # A file that it includes counts as its text does, and is compiled once.
    echo 'deny /etc/inittab r,' >"$RUN/included"
    echo "lxc.apparmor.raw = include \"$RUN/included\"" >>"$LXC/t-aar/config"
    for program in 2 0; do
        code 1 nsenter --net="/run/netns/$NETNS" strace -f -qq -e trace=execve -o "$RUN/trace" \
            "$BIN" execute -P "$LXC" -n t-aar -- cat /etc/inittab
        same 'programs of a start' $program "$(grep -c 'apparmor_parser.*= 0$' "$RUN/trace")"
    done
    echo 'deny /etc/other r,' >"$RUN/included"
    code 0 tool execute -n t-aar -- cat /etc/inittab
    sed -i '$d' "$LXC/t-aar/config"
    echo 'lxc.apparmor.raw = no rule at all' >>"$LXC/t-aar/config"
    code 1 tool start -n t-aar
    says 'the AppArmor profile of the container does not compile'
    says "$LXC/t-aar/config:$(wc -l <"$LXC/t-aar/config")"
    says 'apparmor_parser: .*'
    # Nor does it replace one of the host's.
    sed -i '$d' "$LXC/t-aar/config"
    printf 'lxc.apparmor.raw = }\nlxc.apparmor.raw = profile lxc-container-default-cgns {\n' >>"$LXC/t-aar/config"
    code 1 tool start -n t-aar
    says 'lxc.apparmor.raw defines another profile: lxc-container-default-cgns'
    nothing_left
}

test_apparmor_of_ordinary_users() {
    ! no_apparmor || return 0
    container t-aau 'lxc.apparmor.profile = generated' 'lxc.net.0.type = none'
    chmod -R a+rX "$BASE"
    code 1 runuser -u nobody -- "$BIN" start -P "$LXC" -n t-aau
    says 'only root can load a generated AppArmor profile'
    says 'hint: use one that is loaded: lxc.apparmor.profile = lxc-container-default-cgns'
}

# The same names are the shipped profiles and Debian's: loaded in turn.
profiles_of_tool() {
    local file
    for file in config/apparmor/lxc/*; do
        apparmor_parser --replace --skip-cache --base "$PWD/config/apparmor" "$file" || fail "cannot load $file"
    done
}
profiles_of_debian() { apparmor_parser --replace --skip-cache /etc/apparmor.d/lxc-containers || fail "cannot load Debian's"; }

# tries PREFIX NAME WORDS...: what is denied in a container of this configuration, by ours and by Debian's
tries() {
    local what who prefix=$1
    shift
    gcc -O1 -static -o "$RUN/try" tests/integration/apparmor/try.c
    container "$@" 'lxc.mount.auto = proc:rw sys:rw cgroup:rw'
    sed -i '/^lxc.mount.auto = proc:mixed/d' "$LXC/$1/config"
    mkdir -p "$LXC/$1/rootfs/root"
    cp "$RUN/try" "$LXC/$1/rootfs/try"
    # Mounting loads modules, whose files the other would see.
    for what in files "${prefix}mounts"; do
        for who in tool debian; do
            [ -z "${named:-}" ] || "profiles_of_$who"
            code 0 $who start -n "$1"
            $who attach -n "$1" -- /try "$what" </dev/null >"$RUN/$who.${what#nested-}" 2>"$RUN/err"
            [ -s "$RUN/$who.${what#nested-}" ] || fail "nothing tried ($what, $who): $(cat "$RUN/err")"
            code 0 $who stop -k -n "$1"
        done
    done
    [ -z "${LXC_RS_KEEP:-}" ] || for what in {tool,debian}.{mounts,files}; do cp "$RUN/$what" "$LXC_RS_KEEP/$1-$what"; done
    diff <(sort "$RUN/debian.files") <(sort "$RUN/tool.files") | grep '^[<>]' >"$RUN/diff"
    # Containers inside are not unconfined here, as LXC's profile for nesting lets them be.
    same 'files: <Debian, >ours' '' "$(grep -vE '^> denied [a-z]* /dev/.lxc/|^(> denied|< allowed) [a-z]+ unconfined$' "$RUN/diff")"
    # The rules of LXC for binding also let any file system be mounted anywhere, if without any option
    # (CVE-2016-1585 of apparmor_parser); ours do not. There is no other difference between profiles that are made.
    # LXC's shipped ones keep systemd inside from changing how mounts are passed on from its own root; and that
    # compiler makes of their rules for binding that /proc and /sys may be bound everywhere.
    diff <(sort "$RUN/debian.mounts") <(sort "$RUN/tool.mounts") >"$RUN/diff"
    same 'mounts that only ours allows' '' \
        "$(grep '^> allowed' "$RUN/diff" | grep -vE "${named:+ r?(private|slave|shared|unbindable) none -> /\$|}^$")"
    if [ -n "${named:-}" ]; then
        for what in 'tmpfs /dev/null -> /mnt' 'proc /dev/null -> /proc' 'bind /etc -> /mnt' 'bind,ro /t/a -> /t/b' 'move /tmp -> /mnt'; do
            grep -qxF "allowed $what" "$RUN/tool.mounts" || fail "ours denies $what"
        done
        return
    fi
    same 'mounts that only ours denies' '' \
        "$(sed -n 's/^> denied //p' "$RUN/diff" | grep -vE '^[a-z0-9_.]+( rw)? /dev/null -> ')"
}

test_apparmor_allows_what_lxc_allows() {
    ! no_apparmor || return 0
    { [ -x /usr/bin/lxc-start ] && command -v gcc >/dev/null; } || { skipped="needs Debian's lxc and gcc"; return; }
    tries '' t-aaa 'lxc.apparmor.profile = generated'
}

test_apparmor_allows_what_lxc_allows_nested() {
    ! no_apparmor || return 0
    { [ -x /usr/bin/lxc-start ] && command -v gcc >/dev/null; } || { skipped="needs Debian's lxc and gcc"; return; }
    tries nested- t-aan 'lxc.apparmor.profile = generated' 'lxc.apparmor.allow_nesting = 1'
}

# tries_named NAME PROFILE: the same of a shipped profile
tries_named() {
    ! no_apparmor || return 0
    { [ -x /usr/bin/lxc-start ] && command -v gcc >/dev/null; } || { skipped="needs Debian's lxc and gcc"; return; }
    local named=yes
    tries '' "$1" "lxc.apparmor.profile = lxc-container-$2"
}
test_apparmor_default_is_that_of_lxc() { tries_named t-aad default; }
test_apparmor_default_cgns_is_that_of_lxc() { tries_named t-aac default-cgns; }
test_apparmor_with_mounting_is_that_of_lxc() { tries_named t-aam default-with-mounting; }
test_apparmor_with_nesting_is_that_of_lxc() { tries_named t-aas default-with-nesting; }

# Ours is enough for containers inside, whole lives of them.
test_apparmor_with_nesting_runs_containers() {
    ! no_apparmor || return 0
    profiles_of_tool
    nesting t-nest
    code 0 tool start -n t-nest
    same 'confined' 'lxc-container-default-with-nesting (enforce)' "$(cat "/proc/$(tool info -n t-nest -pH)/attr/current")"
    nested_life t-nest
    code 0 tool stop -k -n t-nest
    [ ! -x /usr/bin/lxc-start ] || profiles_of_debian
}
