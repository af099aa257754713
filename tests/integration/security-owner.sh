# The directory and the configuration of a container with id maps belong to the host's user: nobody with
# an id of the container can write them, wherever in the container's life.

OWNER_UID=100000 OWNER_GID=200000

owner_ids() { printf 'lxc.idmap = u 0 %s 65536\nlxc.idmap = g 0 %s 65536\n' $OWNER_UID $OWNER_GID >"$RUN/ids"; }

as_mapped_root() { setpriv --reuid=$OWNER_UID --regid=$OWNER_GID --clear-groups -- "$@"; }

# What the mapped root, out of its root filesystem, can do to the container in DIR.
kept_from_mapped_root() { # DIR
    local dir=$1 what
    for what in "echo >>$dir/config" "chmod 666 $dir/config" "chmod 777 $dir" "touch $dir/made" \
        "mv $dir/config $dir/moved" "rm -f $dir/config" "mv $dir/rootfs $dir/moved" "ls $dir"; do
        as_mapped_root sh -c "$what" >/dev/null 2>&1 && fail "the mapped root may: $what"
    done
    same "owner and mode of $dir" "0:$OWNER_GID 710" "$(stat -c '%u:%g %a' "$dir")"
    same "files of the container's ids in $dir" '' "$(find "$dir" \( -path "$dir/rootfs" -o -path "$dir/snaps" \
        -o -path "$dir/overlay/delta" -o -path "$dir/overlay/work" \) -prune -o \( -uid $OWNER_UID -o -perm /o+w -not -type l \) -print)"
}

works() { # NAME
    code 0 tool start -n "$1"
    same "said of $1" '' "$(cat "$RUN/err")"
    same "inside $1" 0:0 "$(tool attach -n "$1" -- sh -c 'touch /made && stat -c %u:%g /made')"
    code 0 tool stop -k -n "$1"
}

test_security_owner_of_the_directory() {
    local backend
    owner_ids
    for backend in dir overlay; do
        code 0 tool create -n t-owned -t busybox -B $backend -f "$RUN/ids"
        kept_from_mapped_root "$LXC/t-owned"
        works t-owned
        kept_from_mapped_root "$LXC/t-owned"

        code 0 tool snapshot -n t-owned
        kept_from_mapped_root "$LXC/t-owned"
        kept_from_mapped_root "$LXC/t-owned/snaps/snap0"
        code 0 tool snapshot -n t-owned -r snap0
        kept_from_mapped_root "$LXC/t-owned"
        works t-owned
        code 0 tool snapshot -n t-owned -r snap0 -N t-restored
        kept_from_mapped_root "$LXC/t-restored"
        works t-restored
        code 0 tool destroy -n t-restored

        [ $backend = overlay ] || code 0 tool copy -n t-owned -N t-copied
        [ $backend = dir ] || code 0 tool copy -n t-owned -N t-copied -B dir
        kept_from_mapped_root "$LXC/t-copied"
        works t-copied
        code 0 tool destroy -n t-copied
        code 0 tool copy -n t-owned -N t-copied -s -B overlay
        kept_from_mapped_root "$LXC/t-copied"
        works t-copied
        kept_from_mapped_root "$LXC/t-copied"
        code 0 tool copy -R -n t-copied -N t-renamed
        kept_from_mapped_root "$LXC/t-renamed"
        works t-renamed
        code 0 tool destroy -n t-renamed
        code 0 tool destroy -s -n t-owned
    done
    same left '' "$(ls -A "$LXC")"
}

# Tries a template that runs the words given.
owner_template() { # WORDS
    printf '#!/bin/sh\nset -e\ncd "%s"\n%s\n' "$LXC/t-planted" "$1" >"$RUN/template"
    chmod 755 "$RUN/template"
    owner_ids
    tool create -n t-planted -t "$RUN/template" -f "$RUN/ids"
}

test_security_owner_of_what_a_template_made() {
    local made
    made=$(printf '%s\n' 'umask 0' 'mkdir -p sub/rootfs' 'touch sub/fstab' 'cp /bin/true tool; chmod 4777 tool' \
        'ln -s /etc/hostname link' 'rm config' 'echo "lxc.tty.max = 1" >config' 'mkdir rootfs/inside')
    owner_template "$made" >/dev/null 2>"$RUN/err" || fail "not created: $(cat "$RUN/err")"
    kept_from_mapped_root "$LXC/t-planted"
    same 'set-user-ID' 775 "$(stat -c %a "$LXC/t-planted/tool")"
    same 'in the root filesystem' $OWNER_UID:$OWNER_GID "$(stat -c %u:%g "$LXC/t-planted/rootfs/inside")"
    grep -q '^lxc.tty.max = 1' "$LXC/t-planted/config" || fail "not the template's configuration"
    code 0 tool destroy -n t-planted
}

test_security_owner_follows_no_planted_config() {
    local plant before
    victim
    echo 'lxc.tty.max = 1' >"$RUN/victim/secret"
    chmod 640 "$RUN/victim/secret"
    before=$(stat -c '%u:%g %a %i %h %Y' "$RUN/victim/secret"; cat "$RUN/victim/secret")
    for plant in "ln -s $RUN/victim/secret config" "ln $RUN/victim/secret config" "mkdir config" "mkfifo config" \
        "echo lxc.tty.max = 1 >config; ln $RUN/victim/secret beside"; do
        code 1 owner_template "rm config; $plant"
        case $plant in
            *beside | ln\ /*) says 'has more than one hard link' ;;
            *) says 'is not a regular file' ;;
        esac
        same "the host's file after $plant" "$before" "$(stat -c '%u:%g %a %i %h %Y' "$RUN/victim/secret"; cat "$RUN/victim/secret")"
        [ ! -e "$LXC/t-planted" ] || fail "left after $plant"
    done
    rm -r "$RUN/victim"
}

# As containers that were made before, or by others, may be.
test_security_owner_says_who_can_write() {
    local dir=$LXC/t-old fix
    owner_ids
    code 0 tool create -n t-old -t busybox -f "$RUN/ids"
    can_be_written() { tool check -n t-old | grep -q 'can write'; }
    ! can_be_written || fail 'a new one can be written'
    chown $OWNER_UID:$OWNER_GID "$dir"
    chmod 770 "$dir"
    code 0 tool start -n t-old
    same 'lines said' 1 "$(wc -l <"$RUN/err")"
    says "ids of the container can write $dir, .*; as root: chown 0:$OWNER_GID $dir && chmod 710 $dir && chown 0:0 $dir/config"
    code 0 tool stop -k -n t-old
    code 1 tool check -n t-old
    fix=$(sed -n 's/.*hint: as root: //p' "$RUN/out")
    sh -c "$fix" || fail "the fix '$fix' failed"
    kept_from_mapped_root "$dir"
    ! can_be_written || fail 'said still'
    chown $OWNER_UID "$dir/config"
    code 1 tool check -n t-old
    grep -q "can write $dir/config" "$RUN/out" || fail "$(cat "$RUN/out")"
    code 0 tool start -n t-old -F -s lxc.init.cmd=/bin/true
    says "warning: ids of the container can write $dir/config"
    sh -c "$(sed -n 's/.*; as root: //p' "$RUN/err")"
    works t-old
    # The old owner does not matter.
    chown $OWNER_UID:$OWNER_GID "$dir"
    chmod 770 "$dir"
    code 0 tool snapshot -n t-old
    code 0 tool snapshot -n t-old -r snap0
    code 0 tool destroy -s -n t-old
    same left '' "$(ls -A "$LXC")"
}

test_security_owner_beside_debians_tools() {
    [ -x /usr/bin/lxc-start ] || { skipped="Debian's lxc is not installed"; return; }
    owner_ids
    code 0 tool create -n t-both -t busybox -f "$RUN/ids"
    code 0 share_debian start -n t-both
    same 'inside' 0 "$(share_debian attach -n t-both -- id -u)"
    same 'listed' t-both "$(share_debian ls -1 --running)"
    code 0 share_debian stop -k -n t-both
    code 0 share_debian destroy -n t-both
    same left '' "$(ls -A "$LXC")"
}

# An ordinary user's: what belongs to the ids of the container is copied in a user namespace.
test_security_owner_of_an_ordinary_users_copies() {
    no_user_tools && return
    code 0 user_world '
        path=/home/t-user/.local/share/lxc
        printf "#!/bin/sh\nid -u >\$LXC_ROOTFS_MOUNT/etc/hooked\n" >$path/t-own/hook
        echo "lxc.hook.clone = $path/t-own/hook" >>$path/t-own/config
        echo t-own >$path/t-own/rootfs/etc/hostname
        echo content >$path/t-own/rootfs/etc/data
        ln $path/t-own/rootfs/etc/data $path/t-own/rootfs/etc/same
        ln -s /etc/data $path/t-own/rootfs/etc/link
        chown -Rh 300000:300000 $path/t-own/rootfs
        chown -h 300007:300008 $path/t-own/rootfs/etc/link
        chown 301000:301000 $path/t-own/rootfs/etc/data
        chmod 4600 $path/t-own/rootfs/etc/data
        chown t-user: $path/t-own/hook
        chmod 755 $path/t-own/hook
        seen() { # NAME
            as_user lxc-execute -n $1 -- stat -c %u:%g:%a:%h /etc/data /etc/link 2>/dev/null | xargs
            as_user lxc-execute -n $1 -- cat /etc/hostname /etc/data /etc/hooked 2>/dev/null | xargs
            stat -c %U:%g:%a $path/$1
            find $path/$1 \( -path $path/$1/rootfs -o -path $path/$1/snaps -o -path $path/$1/overlay/delta -o -path $path/$1/overlay/work \) \
                -prune -o ! -user t-user -print
        }
        for words in "lxc-copy -n t-own -N t-new" "lxc-copy -s -B overlay -n t-own -N t-layer" "lxc-copy -s -n t-layer -N t-second" \
            "lxc-copy -B dir -n t-layer -N t-flat" "lxc-copy -R -n t-flat -N t-moved"; do
            as_user $words || echo "$words: $?"
            echo "${words##* }: $(seen ${words##* } | paste -sd ,)"
        done
        as_user lxc-snapshot -n t-new
        rm $path/t-new/rootfs/etc/data
        as_user lxc-snapshot -n t-new -r snap0
        echo "restored: $(seen t-new | paste -sd ,)"
        as_user lxc-snapshot -n t-new -r snap0 -N t-two
        echo "another: $(seen t-two | paste -sd ,)"
        # One that fails leaves nothing.
        printf "#!/bin/sh\nexit 1\n" >$path/t-own/hook
        as_user lxc-copy -n t-own -N t-none && echo made
        # What a killed one leaves has no configuration.
        if command -v strace >/dev/null; then
            killed() { HOME=/home/t-user strace -qq -f -u t-user -o /dev/null -P $path/t-none/config -e inject=openat:signal=KILL lxc-copy -n t-own -N t-none; }
            killed && echo "not killed"
            [ -d $path/t-none/rootfs/etc ] && [ ! -e $path/t-none/config ] || echo "nothing is left"
            as_user lxc-destroy -n t-none || echo "not removed"
            killed && echo "not killed"
            as_user lxc-copy -n t-own -N t-other && echo made
        fi
        for name in t-second t-layer t-two t-moved; do as_user lxc-destroy -n $name; done
        as_user lxc-destroy -s -n t-new
        echo "left $(ls $path | xargs)$(gone)"'
    local inside='1000:1000:4600:2 7:8:777:1'
    same 'what they saw' "$(
        for name in t-new t-layer t-second t-flat t-moved; do echo "$name: $inside,${name}content 0,t-user:300000:710"; done
        echo "restored: $inside,t-newcontent 0,t-user:300000:710"
        echo "another: $inside,t-twocontent 0,t-user:300000:710"
        echo 'left t-own')" "$(cat "$RUN/out")"
    says 'clone hook'
}
