# Labels of security modules.

test_apparmor_confines() {
    [ -d /sys/kernel/security/apparmor ] || { skipped="this host has no AppArmor"; return; }
    grep -q '^lxc-container-default-cgns ' /sys/kernel/security/apparmor/profiles ||
        { skipped="no AppArmor profile for containers is loaded"; return; }
    container t-arm
    local words
    for words in "lxc.uts.name=t-arm" "lxc.apparmor.profile=lxc-container-default-cgns"; do
        code 0 tool start -n t-arm -s "$words"
        same "init with $words" 'lxc-container-default-cgns (enforce)' \
            "$(cat "/proc/$(tool info -n t-arm -pH)/attr/current")"
        same "attach with $words" 'lxc-container-default-cgns (enforce)' \
            "$(tool attach -n t-arm -- cat /proc/self/attr/current)"
        same 'attach with privileges' unconfined "$(tool attach -e -n t-arm -- cat /proc/self/attr/current)"
        code 1 tool attach -n t-arm -- sh -c 'mount -t securityfs none /mnt || exit 1'
        code 0 tool stop -k -n t-arm
    done
    code 0 tool start -n t-arm -s lxc.apparmor.profile=unconfined
    same unconfined unconfined "$(cat "/proc/$(tool info -n t-arm -pH)/attr/current")"
    code 0 tool stop -k -n t-arm
    code 1 tool start -n t-arm -s lxc.apparmor.profile=nosuch
    says 'the AppArmor profile nosuch is not loaded: ENOENT'
}

test_labels_that_cannot_take_effect_are_said() {
    [ ! -d /sys/kernel/security/apparmor ] || { skipped="this host has AppArmor"; return; }
    container t-arm 'lxc.apparmor.profile = somebodys-own'
    code 0 tool start -n t-arm
    says 'warning: lxc.apparmor.profile has no effect: this host has no AppArmor'
    code 0 tool stop -k -n t-arm
    code 0 tool start -n t-arm -s lxc.apparmor.profile=generated
    same 'said of the default' '' "$(cat "$RUN/err")"
    code 0 tool stop -k -n t-arm
}
