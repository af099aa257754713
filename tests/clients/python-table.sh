# Every method of python3-lxc, over Debian's liblxc.so.1 and over ours: the same answers, but for those that
# python-table.differences has; and each library on what the other one has started.
packages='python3-lxc busybox-static'
version() { echo "$(dpkg-query -W -f '${Version}' python3-lxc), liblxc1 $(dpkg-query -W -f '${Version}' liblxc1)"; }

prepare() { our_library; }

client() {
    local own=/home/run/own whose
    mkdir -p $own
    cp "$LIBRARY" $own/liblxc.so.1
    cd /home/run || return
    for whose in debian ours; do
        [ $whose = debian ] && unset LD_LIBRARY_PATH || export LD_LIBRARY_PATH=$own
        timeout 200 /usr/bin/python3 "$OLDPWD/tests/clients/python-table.py" tc-table tc-other >$whose 2>$whose.errors ||
            fail "$whose: $(tail -5 $whose.errors)"
    done
    unset LD_LIBRARY_PATH
    cd "$OLDPWD" || return
    diff /home/run/debian /home/run/ours | grep '^[<>]' >/home/run/differences
    same 'answers of Debian'"'"'s library (<) and of ours (>)' "$(grep -v '^#' tests/clients/python-table.differences)" "$(cat /home/run/differences)"

    small tc-cross
    for whose in '' $own; do
        code 0 env LD_LIBRARY_PATH=$whose /usr/bin/python3 -c 'import lxc, sys; sys.exit(not lxc.Container("tc-cross").start())'
        whose=$([ -n "$whose" ] || echo $own)
        code 0 env LD_LIBRARY_PATH="$whose" /usr/bin/python3 -c 'if True:
            import lxc, sys
            c = lxc.Container("tc-cross")
            done = [c.wait("RUNNING", 10), c.init_pid > 1, c.attach_wait(lxc.attach_run_command, ["true"]) == 0,
                c.attach_wait(lambda code: code, 5) == 5 << 8, c.get_running_config_item("lxc.uts.name") == "tc-cross",
                c.set_cgroup_item("pids.max", "50"), c.freeze(), c.state == "FROZEN", c.unfreeze(), c.stop()]
            print(done)
            sys.exit(not all(done))'
    done
    code 0 lxc-destroy -n tc-cross
}
