# What a hostile container left in its root filesystem, met by the host's tools: no file of the host is
# read, written or made by way of it, and nothing blocks them or fills their memory.

# Links and special files in the place of every file that the clone hook looks at.
hostile_etc() { # DIR NAME
    local etc=$1/etc name
    rm -rf "$etc"/{hostname,hosts,mailname,HOSTNAME,sysconfig,dhcp,network}
    mkdir -p "$etc/dhcp" "$etc/network/interfaces"
    echo "$2" >"$etc/hostname"
    # Where a copy of the changed file might be written first.
    for name in new tmp bak "lxc-$2"; do ln -s "$RUN/victim/secret" "$etc/hostname.$name"; done
    ln -s "$RUN/victim/secret" "$etc/hosts"
    mkfifo "$etc/mailname"
    ln -s /dev/zero "$etc/HOSTNAME"
    ln -s "$RUN/victim" "$etc/sysconfig"
    truncate -s 1T "$etc/dhcp/dhclient.conf"
}

test_security_clone_hook_follows_nothing_of_the_container() {
    local hook=${CLONE_HOOK:-$STAGE/share/lxc/hooks/clonehostname} tool name=t-hostile
    victim
    # The name of the source, so that there is something to replace in each.
    echo "$name" | tee "$RUN/victim/secret" >"$RUN/victim/network"
    victim_before=$(picture "$RUN/victim")
    container $name "lxc.hook.clone = $hook"
    hostile_etc "$LXC/$name/rootfs" $name
    for tool in tool debian; do
        [ $tool = tool ] || [ -x /usr/bin/lxc-copy ] || continue
        if [ $tool = debian ]; then
            # It copies what has no end, and so does its way with /etc/hostname.
            rm "$LXC/$name/rootfs/etc/dhcp/dhclient.conf"
        fi
        code 0 $tool copy -n $name -N t-made
        same "hostname by $tool" t-made "$(cat "$LXC/t-made/rootfs/etc/hostname")"
        unharmed keep
        [ -p "$LXC/t-made/rootfs/etc/mailname" ] || fail 'the FIFO is not copied'
        code 0 tool destroy -n t-made
    done
    # A hostname that is none.
    for kind in 'mkfifo' 'ln -s /dev/zero' 'mkdir' "ln -s $RUN/victim/secret" 'truncate -s 1T'; do
        rm -rf "$LXC/$name/rootfs/etc/hostname"
        $kind "$LXC/$name/rootfs/etc/hostname"
        code 0 tool copy -n $name -N t-made
        says 'is left as it is'
        unharmed keep
        code 0 tool destroy -n t-made
    done
    unharmed
}

test_security_clone_hook_renames_in_all_files() {
    local name=t-named file
    container $name "lxc.hook.clone = $STAGE/share/lxc/hooks/clonehostname"
    mkdir -p "$LXC/$name/rootfs/etc/"{sysconfig,dhcp,network}
    for file in hosts mailname sysconfig/network HOSTNAME dhcp/dhclient.conf network/interfaces; do
        printf 'a %s.lan %s %s2 my-%s\n' $name $name $name $name >"$LXC/$name/rootfs/etc/$file"
        chmod 604 "$LXC/$name/rootfs/etc/$file"
        chown 7:8 "$LXC/$name/rootfs/etc/$file"
    done
    code 0 tool copy -n $name -N t-new
    for file in hosts mailname sysconfig/network HOSTNAME dhcp/dhclient.conf network/interfaces; do
        same "$file" "a t-new.lan t-new ${name}2 my-$name" "$(cat "$LXC/t-new/rootfs/etc/$file")"
        same "owner and mode of $file" '7:8 604' "$(stat -c '%u:%g %a' "$LXC/t-new/rootfs/etc/$file")"
    done
    same 'files' '' "$(find "$LXC/t-new/rootfs/etc" -name '.*')"
}

test_security_attach_reads_no_endless_passwd() {
    local kind
    container t-passwd
    code 0 tool start -n t-passwd
    for kind in 'mkfifo' 'ln -s /dev/zero' 'mkdir' 'truncate -s 1024G'; do
        code 0 tool attach -n t-passwd -- sh -c "rm -rf /etc/passwd; $kind /etc/passwd"
        same "shell with $kind" ok "$(echo 'echo ok' | (ulimit -v 4000000 && timeout 10 nsenter --net="/run/netns/$NETNS" "$BIN" attach -P "$LXC" -n t-passwd))"
    done
    code 0 tool stop -k -n t-passwd
}

test_security_create_fills_no_tree_of_somebody_else() {
    victim
    rm -rf "$RUN/tree"
    mkdir -p "$RUN/tree/usr"
    ln -s "$RUN/victim" "$RUN/tree/etc"
    ln -s "$RUN/victim/sub" "$RUN/tree/bin"
    code 1 tool create -n t-filled -t busybox -f /dev/null --dir "$RUN/tree"
    says "$RUN/tree is not empty"
    unharmed keep
    [ ! -e "$LXC/t-filled" ] || fail 'a container is left'
    [ -L "$RUN/tree/etc" ] || fail 'the tree was changed'
    rm -rf "$RUN/tree"
    # A new file system has this.
    mkdir -p "$RUN/tree/lost+found"
    code 0 tool create -n t-filled -t busybox -f /dev/null --dir "$RUN/tree"
    code 0 tool destroy -n t-filled
    rm -rf "$RUN/tree"
    unharmed
}

# Files that the configuration names in the root filesystem: an fstab, a seccomp profile.
test_security_rootfs_has_the_files_of_the_configuration() {
    local name=t-given key plant words place=$LXC/t-given/rootfs/etc/given
    mkdir "$RUN/aside"
    for key in lxc.mount.fstab lxc.seccomp.profile; do
        case $key in
            *fstab) echo 'tmpfs mnt tmpfs size=1M 0 0' >"$RUN/aside/given" ;;
            *) printf '2\ndenylist\nkexec_load errno 1\n' >"$RUN/aside/given" ;;
        esac
        for plant in "ln -s $RUN/aside/given" mkfifo 'ln -s /dev/zero' 'mkdir' 'truncate -s 1T' parent; do
            container $name "$key = $place"
            cp "$RUN/aside/given" "$place"
            code 0 tool start -n $name
            [ $key = lxc.seccomp.profile ] || tool attach -n $name -- grep -q ' /mnt tmpfs' /proc/mounts || fail 'nothing is mounted'
            if [ "$plant" = parent ]; then
                mv "$LXC/$name/rootfs/etc" "$LXC/$name/rootfs/moved"
                ln -s "$RUN/aside" "$LXC/$name/rootfs/etc"
            else
                rm "$place"
                # shellcheck disable=SC2086
                $plant "$place"
            fi
            for words in "attach -n $name -- true" "stop -k -n $name" "start -n $name" "copy -n $name -N t-made"; do
                case $key,$words in
                    *,stop*)
                        code 0 tool stop -k -n $name
                        continue
                        ;;
                    *profile,copy* | *fstab,attach*) continue ;;
                esac
                # shellcheck disable=SC2086
                code 1 timeout 20 nsenter --net="/run/netns/$NETNS" "$BIN" ${words%% *} -P "$LXC" ${words#* }
                says "cannot read $place: it "
                says 'hint: it lies in the root filesystem'
            done
            [ ! -e "$LXC/t-made" ] || fail "$plant: there is a copy"
            rm -rf "${LXC:?}/$name"
        done
    done
    # One that is what it seems is copied.
    container $name "lxc.mount.fstab = $place"
    echo 'tmpfs mnt tmpfs size=1M 0 0' >"$place"
    code 0 tool copy -n $name -N t-made
    same 'the copy of the fstab' 'tmpfs mnt tmpfs size=1M 0 0' "$(cat "$LXC/t-made/given")"
    rm -r "$RUN/aside"
}
