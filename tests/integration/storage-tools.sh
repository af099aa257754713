# The storage back-ends rbd and zfs where neither Ceph nor ZFS can be had: their tools are replaced by small programs that
# record their command lines and do what is asked for with a loop device and with directories. This shows which commands
# are run and in which order, and that containers live on what these make. It does not show that Ceph or ZFS takes them.

# A program that root's tools find only if there is none of that name: of all directories this is one of the last.
RECORDED=/usr/local/sbin
recorded_begin() { # TOOL
    if command -v "$1" >/dev/null; then
        skipped="$1 is installed here; what it does is not recorded"
        return 1
    fi
    mkdir -p "$RUN/$1" "$RECORDED"
    cat >"$RUN/$1/tool"
    sed -i "2i exec 9>>$RUN/$1/commands; echo \"\$*\" >\&9; exec 9>\&-\nSTATE=$RUN/$1" "$RUN/$1/tool"
    chmod 755 "$RUN/$1/tool"
    ln -sfn "$RUN/$1/tool" "$RECORDED/$1"
    : >"$RUN/$1/commands"
}
recorded_end() { rm "$RECORDED/$1"; }
# What was run since the last look, without what only asks.
recorded() { # TOOL
    grep -v -E '^(info|get|list) ' "$RUN/$1/commands" | sed "s#$LXC#TOP#g"
    : >"$RUN/$1/commands"
}

rbd_tool() {
    cat <<'TOOL'
#!/bin/bash
words=()
for word; do case $word in --no-progress) ;; *) words+=("$word") ;; esac; done
set -- "${words[@]}"
name=${!#}
bytes() { numfmt --from=iec "${1%B}"; }
no_image() { echo "rbd: error opening image $1: (2) No such file or directory" >&2; exit 2; }
case $1 in
    create)
        [ ! -e "$STATE/$name" ] || { echo "rbd: create error: (17) File exists" >&2; exit 17; }
        mkdir -p "$STATE/${name%/*}" && truncate -s "$(bytes "$3")" "$STATE/$name" ;;
    info) [ -e "$STATE/$name" ] || no_image "$name"; printf '{"name":"%s","size":%s}\n' "$name" "$(stat -c %s "$STATE/$name")" ;;
    resize) truncate -s "$(bytes "$3")" "$STATE/$name"; losetup -c "$(readlink "/dev/rbd/$name")" ;;
    map) [ -e "$STATE/$name" ] || no_image "$name"; mkdir -p "/dev/rbd/${name%/*}"; ln -sfn "$(losetup -f --show "$STATE/$name")" "/dev/rbd/$name"; echo /dev/rbd0 ;;
    unmap) losetup -d "$(readlink "$name")" && rm "$name" ;;
    rm) [ -e "$STATE/$name" ] || no_image "$name"; rm "$STATE/$name" ;;
    *) echo "rbd: unknown command $1" >&2; exit 1 ;;
esac
TOOL
}

ROWS+=([rbd]='-B rbd --rbdpool lxc --fssize 96M' [zfs]='-B zfs --zfsroot tank/lxc')

test_recorded_every_operation_on_rbd() {
    rbd_tool | recorded_begin rbd || return
    table_template
    row rbd dir loop same
    same 'images left' '' "$(ls "$RUN/rbd/lxc")"
    same 'devices left' '' "$(ls /dev/rbd/lxc)"
    rm -r /dev/rbd
    recorded_end rbd
}

test_recorded_commands_of_rbd() {
    rbd_tool | recorded_begin rbd || return
    table_template
    code 0 tool create -n t-a -t "$RUN/template" -f /dev/null -B rbd --rbdpool pool --rbdname image --fssize 64M
    same 'the path' rbd:/dev/rbd/pool/image "$(path_in t-a)"
    same 'a creation' "create --size 64M pool/image
map pool/image
unmap /dev/rbd/pool/image
map pool/image
unmap /dev/rbd/pool/image" "$(recorded rbd)"
    code 0 tool start -n t-a
    same 'a start' 'map pool/image' "$(recorded rbd)"
    code 0 tool stop -k -n t-a
    for _ in $(seq 50); do [ -e /dev/rbd/pool/image ] || break; sleep 0.1; done
    same 'a stop' 'unmap /dev/rbd/pool/image' "$(recorded rbd)"
    code 1 tool copy -s -n t-a -N t-b
    says 'images of Ceph get no snapshots here'
    recorded rbd >/dev/null
    code 1 tool create -n t-b -t "$RUN/template" -f /dev/null -B rbd --rbdpool pool --rbdname image
    says 'the image pool/image exists'
    code 1 tool create -n t-b -t "$RUN/template" -f /dev/null -B dir --rbdname image
    says '--rbdname is not valid with -B dir'
    same 'what was refused' '' "$(recorded rbd)"
    if capsh --has-p=cap_sys_resource 2>/dev/null; then
        # In whole mebibytes.
        code 0 tool storage size t-a 98000K
        same 'a growth' "map pool/image
resize --no-progress --size 96M pool/image
unmap /dev/rbd/pool/image" "$(recorded rbd)"
    fi
    code 0 tool destroy -n t-a
    same 'a destruction' 'rm --no-progress pool/image' "$(recorded rbd)"
    # What Ceph says is shown.
    sed -i "s#rbd:.*#rbd:/dev/rbd/pool/nowhere#" "$LXC/t-a/config" 2>/dev/null
    container t-b
    sed -i 's#^lxc.rootfs.path.*#lxc.rootfs.path = rbd:/dev/rbd/pool/nowhere#' "$LXC/t-b/config"
    code 1 tool start -n t-b
    says 'rbd: error opening image pool/nowhere: (2) No such file or directory'
    code 0 tool destroy -n t-b
    rm -r /dev/rbd
    recorded_end rbd
}

zfs_tool() {
    cat <<'TOOL'
#!/bin/bash
# A dataset is a directory data/NAME (its slashes are commas) with its files, beside one of properties; so is a snapshot.
at() { echo "$STATE/data/${1//\//,}"; }
prop() { cat "$(at "$1").$2" 2>/dev/null || echo "${3:--}"; }
all() { (cd "$STATE/data" && ls -d -- * | grep -v -e @ -e '\.\(origin\|mountpoint\|mounted\|refquota\)$' | sed 's#,#/#g'); }
gone() { echo "cannot open '$1': dataset does not exist" >&2; exit 1; }
mkdir -p "$STATE/data/tank,lxc"
case $1 in
    create | clone)
        name=${!#} from=
        [ "$1" = create ] || from=${*: -2:1}
        [ ! -e "$(at "$name")" ] || { echo "cannot create '$name': dataset already exists" >&2; exit 1; }
        if [ -n "$from" ]; then cp -a "$(at "$from")" "$(at "$name")"; echo "$from" >"$(at "$name").origin"; else mkdir "$(at "$name")"; fi
        for word; do case $word in mountpoint=*) echo "${word#*=}" >"$(at "$name").mountpoint" ;; esac; done ;;
    snapshot) cp -a "$(at "${2%@*}")" "$(at "$2")" ;;
    mount) mkdir -p "$(prop "$2" mountpoint)"; mount --bind "$(at "$2")" "$(prop "$2" mountpoint)"; echo yes >"$(at "$2").mounted" ;;
    unmount) umount "$(prop "$2" mountpoint)" && rm "$(at "$2").mounted" ;;
    get)
        name=${!#} property=${*: -2:1}
        [ -e "$(at "$name")" ] || gone "$name"
        case $property in
            mounted) prop "$name" mounted no ;;
            referenced) du -sb "$(at "$name")" | cut -f1 ;;
            refquota) prop "$name" refquota 0 ;;
            clones) grep -lxF -- "$name" "$STATE"/data/*.origin 2>/dev/null | sed 's#.*/##; s#\.origin$##; s#,#/#g' | paste -sd , ;;
            *) prop "$name" "$property" ;;
        esac ;;
    list)
        name=${!#}
        [ "$name" = filesystem ] || [ -e "$(at "$name")" ] || gone "$name"
        case " $* " in
            *' snapshot '*)
                for snapshot in "$(at "$name")"@*; do
                    case $snapshot in *.origin | *.mountpoint | *'@*') continue ;; esac
                    snapshot=${snapshot##*/}
                    "$0" get -H clones "${snapshot//,//}"
                done ;;
            *' name,mounted,mountpoint '*)
                all | while read -r name; do printf '%s\t%s\t%s\n' "$name" "$(prop "$name" mounted no)" "$(prop "$name" mountpoint)"; done ;;
            *) all | grep -E "^$name(/[^/]*)?\$" ;;
        esac ;;
    set) echo "${2#*=}" | sed 's/^none$/0/' >"$(at "$3").${2%%=*}" ;;
    promote) # what the origin has is the clone's
        origin=$(prop "$2" origin) base=${origin%@*}
        mv "$(at "$origin")" "$(at "$2@${origin#*@}")" && rm "$(at "$2").origin"
        echo "$2@${origin#*@}" >"$(at "$base").origin" ;;
    destroy)
        name=${!#}
        [ -e "$(at "$name")" ] || gone "$name"
        [ -z "$("$0" list -H -o clones -t snapshot "$name" | xargs)" ] || { echo "cannot destroy '$name': filesystem has dependent clones" >&2; exit 1; }
        rm -rf "$(at "$name")" "$(at "$name")".* "$(at "$name")"@* ;;
    *) echo "unrecognized command '$1'" >&2; exit 2 ;;
esac
TOOL
}

test_recorded_every_operation_on_zfs() {
    zfs_tool | recorded_begin zfs || return
    table_template
    row zfs dir loop same
    same 'datasets left' tank,lxc "$(ls "$RUN/zfs/data")"
    recorded_end zfs
}

test_recorded_commands_of_zfs() {
    local place=/run/lxc/storage/tank!lxc!t-a
    zfs_tool | recorded_begin zfs || return
    table_template
    code 0 tool create -n t-a -t "$RUN/template" -f /dev/null -B zfs --zfsroot tank/lxc --rootfs-size 1G
    same 'the path' zfs:tank/lxc/t-a "$(path_in t-a)"
    same 'a creation' "create -o canmount=noauto -o mountpoint=$place tank/lxc/t-a
set refquota=1073741824 tank/lxc/t-a
mount tank/lxc/t-a
unmount tank/lxc/t-a" "$(recorded zfs)"
    same 'the limit' $((1 << 30)) "$(tool info -n t-a --format json | jq .storage.limit_bytes)"
    code 1 tool storage size t-a 100K
    says 'tank/lxc/t-a takes .* already, more than 100 KiB: EDQUOT'
    same 'a limit that is too small' '' "$(recorded zfs)"
    code 0 tool storage size t-a none
    same 'no limit' 'set refquota=none tank/lxc/t-a' "$(recorded zfs)"
    code 0 tool start -n t-a
    same 'a start' 'mount tank/lxc/t-a' "$(recorded zfs)"
    code 0 tool stop -k -n t-a
    for _ in $(seq 50); do mountpoint -q $place || break; sleep 0.1; done
    same 'a stop' 'unmount tank/lxc/t-a' "$(recorded zfs)"
    code 1 tool create -n t-b -t "$RUN/template" -f /dev/null -B zfs --zfsroot nowhere
    says "zfs: cannot open 'nowhere': dataset does not exist"
    code 1 tool create -n t-b -t "$RUN/template" -f /dev/null -B zfs --zfsroot tank/-r/../x@y
    says 'is no name of a dataset of ZFS'
    recorded zfs >/dev/null
    code 0 tool destroy -n t-a
    same 'a destruction' 'destroy -r tank/lxc/t-a' "$(recorded zfs)"
    recorded_end zfs
}
