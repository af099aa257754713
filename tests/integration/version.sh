# Programs compare the version with LXC's (1.0, 2.1, 4.0): it is that of the interface.

test_version_is_that_of_the_interface() {
    local tool own
    own=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
    same 'lxc-rs --version' "lxc-rs $own (LXC 5.0.2)" "$("$BIN" --version)"
    for tool in $("$BIN" --list | grep -vx init); do
        same "lxc-$tool --version" 5.0.2 "$("$STAGE/bin/lxc-$tool" --version)"
    done
    same init.lxc 5.0.2 "$("$STAGE/sbin/init.lxc" --version)"
    same lxc-checkconfig 'LXC version 5.0.2' "$("$STAGE/bin/lxc-checkconfig" 2>/dev/null | head -1)"
    c_library
    same 'lxc_get_version()' 5.0.2 "$(python3 -c 'import ctypes, sys
version = ctypes.CDLL(sys.argv[1]).lxc_get_version
version.restype = ctypes.c_char_p
print(version().decode())' "$STAGE/lib/liblxc.so.1")"
    [ -x /usr/bin/lxc-start ] || return
    same "Debian's release" "$(/usr/bin/lxc-start --version)" "$("$STAGE/bin/lxc-start" --version)"
}
