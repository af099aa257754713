# Configuration keys of mounts, root filesystems and /dev; see keys.sh for probe, as_debian, has.

# Root, target, options, type and super block's options of each mount, whoever made it.
mounts='awk "{ for (i = 7; \$i != \"-\"; i++); print \$4, \$5, \$6, \$(i + 1), \$(i + 3) }" /proc/self/mountinfo |
    sed "s#^\(/sys\|/sysrq-trigger\) \(/proc/[^ ]*\) ro.*relatime #\1 \2 ro,relatime #; s#,inode64##"'

test_keys_of_automatic_mounts() {
    local auto
    container t-key
    for auto in 'proc:rw sys:ro cgroup' 'proc sys cgroup:ro:force' 'proc:mixed sys:mixed cgroup:rw:force' \
        'proc sys:rw cgroup-full:mixed:force' 'proc sys cgroup-full:ro:force' 'proc sys cgroup:mixed:force' 'proc sys cgroup2' \
        'proc sys cgroup2:ro' 'proc sys cgroup-full:rw' 'proc:rw sys:rw cgroup:mixed'; do
        sed -i '/^lxc.mount.auto/d' "$LXC/t-key/config"
        printf 'lxc.mount.auto = %s\n' "$auto" >>"$LXC/t-key/config"
        # The tmpfs over the hierarchies is read-only with ours where they are.
        as_debian t-key "$mounts | grep -v -e ' /sys/fs/cgroup .* tmpfs ' -e ' /dev' | sort; ls /sys/fs/cgroup 2>/dev/null
            (echo 1 >/proc/sys/kernel/msg_next_id) 2>/dev/null && echo writable"
        [ $ok = yes ] || { fail "$auto"; return; }
        case $auto in
        *proc:rw*) has writable ;;
        proc*) has '/sys /proc/sys ro,relatime proc rw' && has '/sys/net /proc/sys/net rw,nosuid,nodev,noexec,relatime proc rw' ;;
        esac
        case $auto in
        *sys:ro*) has '/ /sys ro,relatime sysfs ro' ;;
        *sys:rw*) has '/ /sys rw,relatime sysfs rw' ;;
        *) has '/ /sys ro,nosuid,nodev,noexec,relatime sysfs rw' &&
            has '/devices/virtual/net /sys/devices/virtual/net rw,nosuid,nodev,noexec,relatime sysfs rw' ;;
        esac
    done
    code 1 tool start -n t-key -s lxc.namespace.keep=cgroup -s lxc.mount.auto=cgroup:mixed
    says 'needs a cgroup namespace'
    code 1 tool start -n t-key -s lxc.namespace.keep=cgroup -s lxc.mount.auto=cgroup2:mixed
    code 1 tool start -n t-key -s lxc.mount.auto=proc:force
    code 1 tool start -n t-key -s lxc.mount.auto=dev
}

test_keys_of_shared_mounts() {
    mkdir -p "$RUN/shared"
    mount -t tmpfs -o size=64k none "$RUN/shared" && mount --make-shared "$RUN/shared"
    container t-key "lxc.mount.auto = shmounts:$RUN/shared"
    code 0 tool start -n t-key
    mkdir "$RUN/shared/late"
    mount -t tmpfs -o size=64k none "$RUN/shared/late"
    echo through >"$RUN/shared/late/file"
    same 'a later mount of the host' through "$(tool attach -n t-key -- cat /dev/.lxc-mounts/late/file)"
    code 0 tool attach -n t-key -- mkdir /dev/.lxc-mounts/back
    code 0 tool attach -n t-key -- mount -t tmpfs none /dev/.lxc-mounts/back
    ! grep -q "$RUN/shared/back" /proc/self/mountinfo || fail 'a mount of the container reached the host'
    code 0 tool stop -k -n t-key
    code 0 tool start -n t-key -s "lxc.mount.auto=shmounts:$RUN/shared:/srv/in"
    same elsewhere through "$(tool attach -n t-key -- cat /srv/in/late/file)"
    code 0 tool stop -k -n t-key
    umount -R "$RUN/shared"
    rmdir "$RUN/shared"
    code 1 tool start -n t-key
    says 'cannot bind the directory of shared mounts'
}

test_keys_of_mount_entries() {
    local options number=0 fstab=$RUN/fstab lines=()
    mkdir -p "$RUN/source/sub dir"
    echo data >"$RUN/source/file"
    # A host may have mounted its file system with noatime.
    mount --bind "$RUN/source" "$RUN/source" && mount --make-private "$RUN/source" && mount -o remount,bind,atime,relatime "$RUN/source" ||
        { fail 'cannot bind the source'; return; }
    # What Debian's does as well; of the rest it drops all but ro in silence.
    for options in bind bind,ro bind,rw rbind bind,defaults bind,ro,rw bind,norelatime bind,private \
        bind,shared bind,slave bind,unbindable bind,rprivate bind,rshared bind,rslave bind,runbindable; do
        lines+=("lxc.mount.entry = $RUN/source mnt/b$((number += 1)) none $options,create=dir 0 0")
    done
    for options in defaults ro rw size=1m nosuid,nodev,noexec noatime strictatime nodiratime mode=0700 \
        size=64k,mode=0750,uid=5,gid=7 private shared slave unbindable nr_inodes=100; do
        lines+=("lxc.mount.entry = tmpfs mnt/t$((number += 1)) tmpfs $options,create=dir 0 0")
    done
    lines+=("lxc.mount.entry = $RUN/source/file mnt/deep/file none bind,ro,create=file 0 0"
        "lxc.mount.entry = $RUN/nothing mnt/optional none bind,optional 0 0"
        'lxc.mount.entry = root mnt/relative none bind,relative,create=dir 0 0'
        "lxc.mount.entry = $RUN/source/sub\\040dir $LXC/t-key/rootfs/mnt/absolute\\040path none bind,create=dir"
        'lxc.mount.entry = proc mnt/proc proc nosuid,create=dir 0 0' "lxc.mount.fstab = $fstab")
    printf '# a comment\n\n%s mnt/fstab none bind,create=dir 0 0\n' "$RUN/source" >"$fstab"
    container t-key "${lines[@]}"
    # shellcheck disable=SC2016
    as_debian t-key 'awk "{ for (i = 7; \$i != \"-\"; i++); sub(\":.*\", \"\", \$7); print \$4, \$5, \$6, (i > 7 ? \$7 : \"-\"), \$(i + 1), \$(i + 3) }" /proc/self/mountinfo | grep /mnt | sort
        ls -1 /mnt; stat -c "%n %u %g %a" /mnt/t*'
    has "$(printf '%s' "$RUN/source/sub" '\040dir /mnt/absolute\040path')$(grep -o ' rw,relatime.*' <<<"$(grep absolute <<<"$facts")")"
    grep -q ' /mnt/b2 ro,relatime shared ' <<<"$facts" || fail "bind,ro: $(grep b2 <<<"$facts")"
    code 0 tool start -n t-key
    same fstab data "$(tool attach -n t-key -- cat /mnt/fstab/file)"
    code 1 tool attach -n t-key -- sh -c 'echo more >>/mnt/deep/file'
    code 0 tool stop -k -n t-key

    number=0 lines=()
    for options in nosuid nodev,noexec noatime strictatime nodiratime nosymfollow ro,nosuid,nodev,noexec; do
        lines+=("lxc.mount.entry = $RUN/source mnt/b$((number += 1)) none bind,$options,create=dir 0 0")
    done
    for options in sync dirsync lazytime; do
        lines+=("lxc.mount.entry = tmpfs mnt/t$((number += 1)) tmpfs $options,create=dir 0 0")
    done
    lines+=('lxc.mount.entry = mnt/b1 mnt/moved none move,relative,create=dir 0 0'
        "lxc.mount.entry = none mnt/b3 none remount,bind,ro,nosuid 0 0")
    container t-key "${lines[@]}"
    facts=$(probe tool t-key "$mounts | grep -o '/mnt/.*' | sed 's/ ext4 .*//' | sort")
    for options in '/mnt/moved rw,nosuid,relatime' '/mnt/b2 rw,nodev,noexec,relatime' '/mnt/b3 ro,nosuid,noatime' \
        '/mnt/b4 rw' '/mnt/b5 rw,nodiratime,relatime' '/mnt/b6 rw,relatime,nosymfollow' \
        '/mnt/b7 ro,nosuid,nodev,noexec,relatime' '/mnt/t8 rw,relatime tmpfs rw,sync' \
        '/mnt/t9 rw,relatime tmpfs rw,dirsync' '/mnt/t10 rw,relatime tmpfs rw,lazytime'; do
        has "$options"
    done
    umount "$RUN/source"
    rm -rf "$RUN/source" "$fstab"
}

test_keys_of_mount_entries_that_cannot_be() {
    local entry error
    container t-key
    for entry in '/nothing/here mnt none bind=/nothing/here does not exist on the host' \
        '/etc/passwd mnt none bind=/mnt is a directory, and what is mounted on it is not' \
        '/etc newdir none bind=add create=dir' '/etc mnt none bind,create=pipe=write create=dir or create=file' \
        'x mnt nofs defaults=does not know the file system nofs' '/etc mnt=incomplete mount entry' \
        'nothing mnt none bind,relative=ENOENT' '/etc ../up none bind,create=dir=/up'; do
        error=${entry##*=} entry=${entry%=*}
        code 1 tool start -n t-key -s "lxc.mount.entry=$entry"
        says "$error"
    done
    code 1 tool start -n t-key -s lxc.mount.fstab=/nothing/here
    says 'cannot read /nothing/here: ENOENT'
    nothing_left
}

test_keys_of_mount_ids() {
    local ids=('lxc.idmap = u 0 100000 65536' 'lxc.idmap = g 0 100000 65536')
    mkdir -p "$RUN/data"
    echo data >"$RUN/data/file"
    chown 7:8 "$RUN/data/file"
    container t-user "${ids[@]}" 'lxc.rootfs.options = idmap=container' \
        "lxc.mount.entry = $RUN/data mnt none bind,idmap=container 0 0" \
        "lxc.mount.entry = $RUN/data plain none bind,create=dir 0 0"
    chmod 755 "$RUN" "$LXC" "$LXC/t-user"
    code 0 tool start -n t-user
    same 'with the ids' '7 8' "$(tool attach -n t-user -- stat -c '%u %g' /mnt/file)"
    same 'without' '65534 65534' "$(tool attach -n t-user -- stat -c '%u %g' /plain/file)"
    code 0 tool attach -n t-user -- touch /mnt/made
    same 'written with the ids' 0 "$(stat -c %u "$RUN/data/made")"
    container t-key
    local whose
    whose="$RUN/data mnt none bind,idmap=/proc/$(tool info -n t-user -pH)/ns/user 0 0"
    same "another's ids" 100007 "$(tool execute -n t-key -s "lxc.mount.entry=$whose" -- stat -c %u /mnt/file)"
    code 1 tool start -n t-key -s "lxc.mount.entry=$RUN/data mnt none bind,idmap=container 0 0"
    says 'the container has no id map'
    code 0 tool stop -k -n t-user
    rm -rf "$RUN/data"
}

test_keys_of_the_rootfs() {
    local options
    container t-key
    for options in ro nosuid,nodev noatime nodiratime,ro; do
        code 0 tool start -n t-key -s "lxc.rootfs.options=$options"
        tool attach -n t-key -- sh -c "$mounts" | grep ' / ' >"$RUN/facts"
        for word in ${options//,/ }; do
            grep -q "[ ,]$word[ ,]" "$RUN/facts" || fail "$word: $(cat "$RUN/facts")"
        done
        code 0 tool stop -k -n t-key
    done
    rm "$RUN/facts"
    for options in optional relative create=dir; do
        code 1 tool start -n t-key -s "lxc.rootfs.options=$options"
        says 'only lxc.mount.entry has this option'
    done
    mkdir -p "$RUN/point"
    printf '#!/bin/sh\necho "$LXC_ROOTFS_MOUNT $(ls $LXC_ROOTFS_MOUNT/probe)" >%s\n' "$RUN/hooked" >"$RUN/hook"
    chmod 755 "$RUN/hook"
    : >"$LXC/t-key/rootfs/probe"
    code 0 tool execute -n t-key -s "lxc.rootfs.mount=$RUN/point" -s "lxc.hook.mount=$RUN/hook" -- true
    same 'where it was mounted' "$RUN/point $RUN/point/probe" "$(cat "$RUN/hooked")"
    rmdir "$RUN/point"
    code 1 tool start -n t-key -s "lxc.rootfs.mount=$RUN/point"
    says "create the directory $RUN/point"
    mkdir -p "$LXC/kept"
    mv "$LXC/t-key/rootfs" "$LXC/kept/rootfs"
    sed -i "s,^lxc.rootfs.path.*,lxc.rootfs.path = $LXC/kept/rootfs\nlxc.rootfs.managed = 0," "$LXC/t-key/config"
    code 0 tool destroy -n t-key
    [ -x "$LXC/kept/rootfs/bin/busybox" ] || fail 'an unmanaged root filesystem is gone'
    rm -f "$RUN/hook" "$RUN/hooked"
}

test_keys_of_dev() {
    container t-key 'lxc.autodev.tmpfs.size = 1000000'
    as_debian t-key "df -k /dev | tail -1 | tr -s ' '; ls -l /dev | awk '!/console/ { print \$1, \$3, \$4, \$5, \$NF }' | sort"
    has 'none 980 4 976 0% /dev'
    grep -q 'crw-rw-rw- root 0 1, null' <<<"$facts" || fail "no null: $facts"
    sed -i 's/^lxc.autodev.*/lxc.autodev = 0/' "$LXC/t-key/config"
    as_debian t-key "$mounts | grep dev | sed 's/rw,discard.*//'; ls /dev"
    ! grep -q ' /dev .* tmpfs' <<<"$facts" || fail 'a tmpfs on /dev without autodev'
    ! grep -qx null <<<"$facts" || fail 'nodes without autodev'
}
