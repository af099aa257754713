# lxc.mount.entry as LXC takes it: words for mount(8), absolute targets, long options, optional ones.

test_entries_ignore_words_for_user_space() {
    local word lines=() number=0
    for word in defaults auto noauto nofail user nouser users owner group _netdev x-systemd.automount loop silent iversion; do
        lines+=("lxc.mount.entry = tmpfs mnt/t$((number += 1)) tmpfs $word,size=64k,create=dir 0 0")
        lines+=("lxc.mount.entry = /etc mnt/b$number none bind,$word,create=dir 0 0")
    done
    # shellcheck disable=SC2016
    local script='awk "\$2 ~ \"^/mnt\" { print \$2, \$3, \$3 == \"tmpfs\" ? \$4 : \"\" }" /proc/mounts'
    container t-key "${lines[@]}"
    as_debian t-key "$script"
    same entries $((number * 2)) "$(grep -c '^/mnt' <<<"$facts")"
    # With a value they go to the file system under LXC, and fail.
    container t-key 'lxc.mount.entry = tmpfs mnt tmpfs x-a=b,X-mount.mkdir=0700,comment=mine,size=64k 0 0'
    # How the kernel counts its inodes by default.
    facts=$(tool execute -n t-key -- grep /mnt /proc/mounts | sed 's/,inode64//')
    [ "$(cut -d' ' -f3,4 <<<"$facts")" = 'tmpfs rw,relatime,size=64k' ] || fail "words with a value: $facts"
    code 1 tool start -n t-key -s 'lxc.mount.entry=tmpfs mnt tmpfs nonsense'
    says "hint: the kernel says: .*nonsense"
}

test_entries_with_absolute_targets() {
    container t-key "lxc.mount.entry = tmpfs $LXC/t-key/rootfs/mnt/below tmpfs create=dir 0 0" \
        'lxc.mount.entry = tmpfs /run/xdg none create=dir' 'lxc.mount.entry = tmpfs /mnt tmpfs defaults 0 0'
    as_debian t-key 'grep -o " /mnt[^ ]* \| /run[^ ]* " /proc/mounts; ls /run'
    same below ' /mnt/below ' "$facts"
    code 0 tool execute -n t-key -o "$RUN/log" -l WARN -- true
    grep -q 'ignoring the mount point /run/xdg: it is not below the root filesystem' "$RUN/log" || fail "log: $(cat "$RUN/log")"
    code 1 tool check t-key
    grep -q 'warning: ignoring the mount point /mnt' "$RUN/out" || fail "check: $(cat "$RUN/out")"
}

test_entries_with_long_options() {
    local name layers=() number
    name=$(printf 'l%.0s' $(seq 100))
    for number in 1 2 3; do
        mkdir -p "$RUN/$name$number"
        echo $number >"$RUN/$name$number/file$number"
        layers+=("$RUN/$name$number")
    done
    mkdir -p "$RUN/upper" "$RUN/work" "$RUN/comma,layer"
    touch "$RUN/comma,layer/comma"
    local lower
    lower=$(IFS=:; echo "${layers[*]}")
    container t-key "lxc.mount.entry = overlay mnt/long overlay lowerdir=$lower,upperdir=$RUN/upper,workdir=$RUN/work,nosuid,create=dir 0 0" \
        "lxc.mount.entry = overlay mnt/ro overlay ro,lowerdir=$lower,create=dir 0 0"
    as_debian t-key 'ls /mnt/long/file*; touch /mnt/long/new; touch /mnt/ro/new 2>/dev/null || echo read-only; grep -c /mnt /proc/mounts
        grep -o "/mnt/[a-z]* overlay r[ow][nosuid,]*" /proc/mounts'
    has /mnt/long/file3
    has read-only
    has '/mnt/long overlay rw,nosuid,'
    [ -e "$RUN/upper/new" ] || fail 'nothing was written to the upper layer'
    container t-key "lxc.mount.entry = overlay mnt overlay lowerdir=$RUN/comma\\,layer:$RUN/upper 0 0"
    same 'a comma' 'comma new' "$(tool execute -n t-key -- ls /mnt | xargs)"
    code 1 tool start -n t-key -s "lxc.mount.entry=overlay mnt overlay lowerdir=$(printf "$lower:%.0s" $(seq 12))/etc"
    says 'bytes of options, of which the kernel reads 4095'
}

test_entries_that_are_optional_are_in_the_log() {
    container t-key 'lxc.mount.entry = /nothing/here mnt none bind,optional 0 0' 'lxc.mount.entry = none mnt nofs optional 0 0' \
        'lxc.mount.entry = tmpfs mnt/nowhere tmpfs optional 0 0'
    code 0 tool execute -n t-key -o "$RUN/log" -l INFO -- true
    local wanted
    for wanted in '/nothing/here on /mnt: ENOENT' 'none on /mnt: ENODEV' 'mnt/nowhere in the root filesystem: ENOENT'; do
        grep "optional: cannot .*$wanted" "$RUN/log" | grep -q "$LXC/t-key/config:" || fail "no '$wanted' in $(cat "$RUN/log")"
    done
}

# A program inside may count on the place, also where there is nothing to be mounted on it.
test_entries_that_are_optional_make_their_place() {
    container t-key "lxc.mount.entry = $RUN/nothing mnt/place/file none bind,optional,create=file 0 0" \
        "lxc.mount.entry = $RUN/nothing mnt/place/dir none bind,optional,create=dir 0 0" \
        "lxc.mount.entry = $RUN/nothing dev/device none bind,optional,create=file 0 0" \
        "lxc.mount.entry = $RUN/nothing mnt/place/none none bind,optional 0 0"
    # shellcheck disable=SC2016
    as_debian t-key 'stat -c "%n %F %a %u %g" /mnt/place /mnt/place/* /dev/device; rm -r /mnt/place'
    has '/dev/device regular empty file 0 0 0'
    has '/mnt/place/dir directory 755 0 0'
}
