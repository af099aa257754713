# lxc.namespace.share.*: every kind, with and without id maps, of a container that has some or none.

SHARED_SETS='net ipc uts pid cgroup time mnt user net,ipc,uts user,net user,net,ipc,uts mnt,pid,net'

share_container() { # NAME MAPPED SET OWNER
    local kind lines=('lxc.mount.auto =' 'lxc.net.0.type = empty' 'lxc.init.cmd = /bin/sleep 301')
    [ "$2" = no ] || lines+=('lxc.idmap = u 0 200000 65536' 'lxc.idmap = g 0 200000 65536')
    for kind in ${3//,/ }; do lines+=("lxc.namespace.share.$kind = $4"); done
    container "$1" "${lines[@]}"
    [ "$2" = no ] || chown -Rh 200000:200000 "$LXC/$1/rootfs"
}

# Debian's needs root's ids in /etc/subuid.
share_debian() { # TOOL ARG...
    echo root:100000:1000000 >"$RUN/subid"
    timeout 120 unshare --mount --propagation private sh -ec '
        mount --bind "$0" /etc/subuid; mount --bind "$0" /etc/subgid
        netns=$1 lxc=$2 tool=$3; shift 3
        exec nsenter --net="/run/netns/$netns" "/usr/bin/lxc-$tool" -P "$lxc" "$@"' "$RUN/subid" "$NETNS" "$LXC" "$@"
}

share_common() { # NAME OWNER: the kinds of namespaces that both are in
    local kind pid owner
    pid=$(tool info -n "$1" -pH) owner=$(tool info -n "$2" -pH)
    for kind in user mnt pid uts ipc net cgroup; do
        [ "$(readlink "/proc/$pid/ns/$kind")" != "$(readlink "/proc/$owner/ns/$kind")" ] || echo $kind
    done
    ! grep -q boottime.*3600 "/proc/$pid/timens_offsets" || echo time
}

test_share_every_kind_with_and_without_id_maps() {
    local owner mapped set wanted got theirs has_debian=no
    [ ! -x /usr/bin/lxc-start ] || has_debian=yes
    chmod 755 "$RUN" "$LXC"
    share_container t-own no ''
    share_container t-ownmap yes ''
    for owner in t-own t-ownmap; do
        code 0 tool start -n $owner -s lxc.time.offset.boot=1h
        for mapped in no yes; do
            for set in $SHARED_SETS; do
                share_container t-guest$mapped $mapped "$set" $owner
                # A user namespace of its own is the default with an id map, else the host's.
                wanted=${set//,/ }
                [ "$owner $mapped" != 't-own no' ] || wanted+=' user'
                case "$set $owner $mapped" in
                    *user*' no')
                        code 1 tool start -n t-guest$mapped
                        says 'lxc.namespace.share.user needs the id map of that namespace'
                        continue
                        ;;
                    *user*' t-own '*)
                        code 1 tool start -n t-guest$mapped
                        says 'cannot join the user namespace of t-own: EINVAL'
                        says 'hint: the other container has no user namespace of its own'
                        continue
                        ;;
                esac
                code 0 tool start -n t-guest$mapped
                got=$(share_common t-guest$mapped $owner)
                same "$set of $owner, id map: $mapped" "$(tr ' ' '\n' <<<"$wanted" | sort -u | xargs)" "$(sort <<<"$got" | xargs)"
                code 0 tool stop -k -n t-guest$mapped
                # LXC makes a new cgroup namespace anyway, and fails with mnt and time; with pid and an
                # id map it fails to mount proc, which it needs for itself.
                [ $has_debian = yes ] || continue
                case $set,$mapped in *time* | *mnt* | cgroup,* | pid,yes) continue ;; esac
                share_debian start -n t-guest$mapped 2>"$RUN/err" || fail "Debian's: $set of $owner, id map: $mapped: $(cat "$RUN/err")"
                theirs=$(share_common t-guest$mapped $owner)
                same "$set of $owner as Debian's, id map: $mapped" "$theirs" "$got"
                code 0 tool stop -k -n t-guest$mapped
            done
        done
        code 0 tool stop -k -n $owner
    done
}

test_share_says_what_the_kernel_refuses() {
    chmod 755 "$RUN" "$LXC"
    share_container t-own no ''
    code 0 tool start -n t-own
    share_container t-guest yes net t-own
    code 1 tool start -n t-guest -s lxc.mount.auto=sys:mixed
    says 'cannot mount a sysfs file system: EPERM'
    says 'hint: .*no network namespace of its own: bind the host'
    code 0 tool start -n t-guest -s 'lxc.mount.entry=/sys sys none rbind 0 0'
    code 0 tool stop -k -n t-guest
    share_container t-guest yes pid t-own
    code 1 tool start -n t-guest -s lxc.mount.auto=proc:mixed
    says 'cannot mount a proc file system: EPERM'
    says 'hint: .*no pid namespace of its own: bind the host'
    code 0 tool stop -k -n t-own
}

test_share_by_an_ordinary_user() {
    no_user_tools && return
    code 0 user_world '
        for name in t-guest t-alone; do user_container t-user 300000 $name lxc.mount.auto= "lxc.init.cmd = /bin/sleep 301"; done
        share() { # SET
            local kind share= common= own guest
            for kind in ${1//,/ }; do share="$share -s lxc.namespace.share.$kind=t-own"; done
            as_user lxc-start -n t-guest $share || { echo "refused $1"; return; }
            own=$(as_user lxc-info -n t-own -pH) guest=$(as_user lxc-info -n t-guest -pH)
            for kind in user net ipc uts pid mnt cgroup time; do
                [ "$(readlink /proc/$own/ns/$kind)" != "$(readlink /proc/$guest/ns/$kind)" ] || common="$common $kind"
            done
            echo "$1:$common"
            as_user lxc-stop -k -n t-guest
        }
        as_user lxc-start -n t-own -s lxc.time.offset.boot=1h
        for set in user user,net user,ipc,uts user,pid user,mnt user,cgroup user,time user,net,ipc,uts,pid,cgroup,time net time; do
            share $set
        done
        as_user lxc-stop -k -n t-own
        # The host'\''s time is every container'\''s.
        as_user lxc-start -n t-own
        share time
        share user,time
        as_user lxc-stop -k -n t-own
        echo "left $(gone)"'
    same 'what they saw' "$(paste -sd '|' <<'SEEN'
user: user
user,net: user net
user,ipc,uts: user ipc uts
user,pid: user pid
user,mnt: user mnt
user,cgroup: user cgroup
user,time: user time
user,net,ipc,uts,pid,cgroup,time: user net ipc uts pid cgroup time
refused net
refused time
time: time
user,time: user time
left 
SEEN
)" "$(paste -sd '|' "$RUN/out")"
    says 'cannot join the net namespace of t-own: EPERM'
    says 'cannot join the time namespace of t-own: EPERM'
    says 'hint: .*lxc.namespace.share.user = t-own'
}
