# Small things that programs see, as under LXC; and what errors of the kernel's settings advise.

test_small_devpts_of_an_entry_is_replaced() {
    container t-key 'lxc.autodev = 0' 'lxc.mount.entry = devpts dev/pts devpts newinstance,ptmxmode=0666,create=dir 0 0'
    as_debian t-key 'cut -d" " -f2-4 /proc/mounts | grep pts; ls /dev/pts | xargs'
    same 'instances on /dev/pts' 1 "$(grep -c '^/dev/pts ' <<<"$facts")"
}

test_small_environment_of_init() {
    container t-key 'lxc.tty.max = 2'
    as_debian t-key 'tr "\0" "\n" </proc/1/environ | sort'
    same environment container=lxc "$facts"
}

test_small_hints_of_sysctls_and_proc() {
    local setting
    container t-key 'lxc.net.0.type = empty'
    while IFS='|' read -r setting wanted; do
        # shellcheck disable=SC2086
        code 1 tool start -n t-key ${setting//+/ -s }
        says "hint: .*$wanted"
    done <<'SETTINGS'
+lxc.sysctl.kernel.msgmax=9000|proc:mixed: write proc:rw
+lxc.sysctl.net.ipv4.ip_forward=1+lxc.cap.drop=net_admin|capability net_admin
+lxc.sysctl.net.ipv4.nothing=1|the kernel has none of that name
+lxc.sysctl.net.ipv4.ip_forward=abc|does not take this value
+lxc.proc.oom_score_adj=5000|does not take this value
+lxc.proc.nothing=1|proc_pid(5)
SETTINGS
    code 0 tool execute -n t-key -s lxc.mount.auto=proc:rw -s lxc.sysctl.kernel.msgmax=9000 -- true
}

test_small_common_configuration_reads_the_systems_additions() {
    local count
    mkdir -p "$RUN/conf.d"
    echo 'lxc.environment = ADDED=yes' >"$RUN/conf.d/00-other.conf"
    container t-key "lxc.include = $STAGE/share/lxc/config/common.conf"
    count=$(unshare --mount --propagation private sh -c '
        mkdir -p /usr/share/lxc/config/common.conf.d && mount --bind "$0" /usr/share/lxc/config/common.conf.d
        "$1" info -P "$2" -n t-key -c lxc.environment' "$RUN/conf.d" "$BIN" "$LXC" | grep -c ADDED=yes)
    same 'an addition' 1 "$count"
    packaging/install --prefix /usr --destdir "$RUN/usr" --profile debug --no-build
    same 'directories below /usr' 1 "$(grep -c '^lxc.include' "$RUN/usr/usr/share/lxc/config/common.conf")"
}
