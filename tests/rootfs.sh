# A root filesystem with nothing but busybox; sourced by what starts containers without a template.
rootfs() { # DIR
    mkdir -p "$1"/{bin,sbin,dev,etc,proc,sys,tmp,root,mnt,run}
    cp /bin/busybox "$1/bin/busybox"
    for applet in $(/bin/busybox --list | grep -vx busybox); do ln -sf busybox "$1/bin/$applet"; done
    ln -sf ../bin/busybox "$1/sbin/init"
    printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n' >"$1/etc/passwd"
    printf '::sysinit:/bin/true\n::ctrlaltdel:/bin/reboot\n' >"$1/etc/inittab"
}
