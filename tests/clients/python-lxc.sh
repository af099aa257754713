# Debian's liblxc.so.1, through python3-lxc, on the command socket of containers that lxc-start started.
packages='python3-lxc busybox-static'
version() { echo "$(dpkg-query -W -f '${Version}' python3-lxc), liblxc1 $(dpkg-query -W -f '${Version}' liblxc1)"; }

client() {
    small tc-python 'lxc.tty.max = 2' 'lxc.net.0.type = veth' 'lxc.net.0.link = lxcbr0' 'lxc.net.0.flags = up' \
        'lxc.net.0.ipv4.address = 10.0.3.8/24' 'lxc.hook.version = 1' \
        "lxc.hook.post-stop = /bin/sh -c 'echo \$LXC_TARGET >>/home/run/ends'"
    up tc-python
    code 0 /usr/bin/python3 tests/clients/python-lxc.py tc-python
    same 'after its reboot and shutdown' $'reboot\nstop' "$(cat "$RUN/ends")"
    code 0 lxc-start -n tc-python
    code 0 /usr/bin/python3 -c 'import lxc, sys; sys.exit(not lxc.Container("tc-python").stop())'
    same 'after its stop' STOPPED "$(state tc-python)"
    code 0 lxc-destroy -n tc-python
}
