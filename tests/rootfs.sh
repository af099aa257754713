# A root filesystem with nothing but busybox; sourced by what starts containers without a template.
rootfs() { # DIR
    mkdir -p "$1"/{bin,sbin,dev,etc,proc,sys,tmp,root,mnt,run}
    cp /bin/busybox "$1/bin/busybox"
    # One process for all of them: with one each this takes the best part of a minute in an emulated machine.
    /bin/busybox --list | perl -e '
        chdir shift or die;
        while (<STDIN>) { chomp; next if $_ eq "busybox"; unlink; symlink "busybox", $_ or die "$_: $!" }' "$1/bin" || return
    ln -sf ../bin/busybox "$1/sbin/init"
    printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n' >"$1/etc/passwd"
    printf '::sysinit:/bin/true\n::ctrlaltdel:/bin/reboot\n' >"$1/etc/inittab"
}

# On cgroup v2 no controller can be switched on below a cgroup with processes: an init moves them into a cgroup of their
# own, as systemd does. The tools take what is above one of this name.
rootfs_with_cgroups() { # DIR: its inittab runs what does so for busybox's, and then makes /run/booted
    cat >"$1/etc/rc" <<'RC'
#!/bin/sh
if cd /sys/fs/cgroup && [ -e cgroup.subtree_control ] && mkdir -p init.scope; then
    for pid in $(cat cgroup.procs); do echo "$pid" >init.scope/cgroup.procs; done
    for controller in $(cat cgroup.controllers); do echo "+$controller" >cgroup.subtree_control; done
fi
: >/run/booted
RC
    chmod 755 "$1/etc/rc"
    sed -i 's|^::sysinit:.*|::sysinit:/etc/rc|' "$1/etc/inittab"
}
