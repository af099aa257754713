# Vagrant with the provider of vagrant-lxc: a box made here, up, ssh, reload, halt, destroy.
packages='vagrant vagrant-lxc dropbear-bin busybox-static openssh-client'
version() { echo "$(dpkg-query -W -f '${Version}' vagrant), vagrant-lxc $(dpkg-query -W -f '${Version}' vagrant-lxc)"; }

# What the box is: busybox, and dropbear with the libraries it needs.
vagrant_box() { # FILE
    local box=$HOME/box keys library
    keys=$(echo /usr/share/rubygems-integration/all/gems/vagrant-2*/keys)
    rootfs "$box/rootfs"
    mkdir -p "$box"/rootfs/{usr/sbin,usr/bin,etc/dropbear,etc/init.d,root/.ssh,var/log}
    for library in /usr/sbin/dropbear $(ldd /usr/sbin/dropbear | grep -o '/[^ ]*'); do
        mkdir -p "$box/rootfs${library%/*}"
        cp -L "$library" "$box/rootfs$library"
    done
    cp -L /lib/x86_64-linux-gnu/libnss_files.so.2 "$box/rootfs/lib/x86_64-linux-gnu/" 2>/dev/null
    cp "$keys/vagrant.pub" "$box/rootfs/root/.ssh/authorized_keys"
    chmod -R go= "$box/rootfs/root"
    echo root:x:0: >"$box/rootfs/etc/group"
    echo /bin/sh >"$box/rootfs/etc/shells"
    touch "$box/rootfs/etc/fstab"
    printf '#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do shift; done\nexec "$@"\n' >"$box/rootfs/usr/bin/sudo"
    # The attached halt is through before the container is.
    printf '#!/bin/sh\n(sleep 1; exec /bin/busybox halt) &\n' >"$box/rootfs/sbin/shutdown"
    cp "$box/rootfs/sbin/shutdown" "$box/rootfs/sbin/halt"
    chmod 755 "$box"/rootfs/usr/bin/sudo "$box"/rootfs/sbin/{shutdown,halt}
    sed -i 's/^::sysinit.*/::sysinit:\/bin\/mkdir -p \/dev\/shm\n::respawn:\/usr\/sbin\/dropbear -F -R/' "$box/rootfs/etc/inittab"
    echo '{"provider": "lxc", "version": "1.0.0"}' >"$box/metadata.json"
    # A box of the time before LXC 2.1: vagrant-lxc has the keys rewritten.
    printf '%s\n' 'lxc.tty = 1' 'lxc.pts = 16' 'lxc.cap.drop = sys_module mac_admin' 'lxc.haltsignal = SIGUSR1' \
        'lxc.mount.auto = proc:mixed sys:ro' 'lxc.network.type = veth' 'lxc.network.link = lxcbr0' \
        'lxc.network.flags = up' 'lxc.network.ipv4 = 10.0.3.77/24' >"$box/lxc-config"
    tar -C "$box" -czf "$box/rootfs.tar.gz" ./rootfs
    tar -C "$box" -czf "$1" ./metadata.json ./lxc-config ./rootfs.tar.gz
}

client() {
    export VAGRANT_HOME=$HOME/vagrant.d VAGRANT_CHECKPOINT_DISABLE=1 VAGRANT_DEFAULT_PROVIDER=lxc
    local name='' config
    # It rewrites its list of plugins, which is below /usr.
    mkdir "$HOME/plugins" "$HOME/work"
    mount -t overlay overlay -o "lowerdir=/usr/share/vagrant-plugins,upperdir=$HOME/plugins,workdir=$HOME/work" /usr/share/vagrant-plugins
    vagrant_box "$HOME/tiny.box"
    mkdir "$HOME/project"
    echo 'from the host' >"$HOME/project/note"
    cd "$HOME/project" || return
    cat >Vagrantfile <<RUBY
Vagrant.configure("2") do |config|
  config.vm.box = "tiny"
  config.vm.box_url = "file://$HOME/tiny.box"
  config.vm.box_check_update = false
  config.vm.boot_timeout = 60
  config.ssh.username = "root"
  config.vm.guest = :linux
  config.ssh.shell = "sh"
  config.ssh.insert_key = false
  config.vm.provider :lxc do |lxc|
    lxc.container_name = "tc-vagrant"
    lxc.tmpfs_mount_size = "8M"
    lxc.customize "cgroup.pids.max", "123"
  end
end
RUBY
    # It writes a configuration with old keys below those of default.conf.
    : >/etc/lxc/default.conf
    code 0 vagrant up
    [ $ok = yes ] || { cat "$RUN/out" "$RUN/err"; return; }
    config=/var/lib/lxc/tc-vagrant/config
    same 'keys of before 2.1' '' "$(grep -E '^lxc\.(network|tty |pts|utsname|rootfs )' $config)"
    same 'vagrant status' tc-vagrant,running "$(vagrant status --machine-readable | grep -o ',state,.*' | sed 's/,state,/tc-vagrant,/')"
    same 'synced folder' 'from the host' "$(vagrant ssh -c 'cat /vagrant/note' 2>/dev/null)"
    same customized 123 "$(lxc-cgroup -n tc-vagrant pids.max)"
    code 0 vagrant ssh -c 'echo kept >/root/kept'
    code 0 vagrant reload
    same 'after reload' kept "$(vagrant ssh -c 'cat /root/kept' 2>/dev/null)"
    code 0 vagrant halt
    same 'after halt' STOPPED "$(state tc-vagrant)"
    code 0 vagrant halt
    code 0 vagrant up
    code 0 vagrant destroy -f
    code 0 vagrant destroy -f
}
