# SELinux: contexts of init, of keyrings, of attached commands. In a guest, which gets a small policy:
#
#   tests/vm/vm run --append 'security=selinux selinux=1 apparmor=0' --share . -- env LXC_RS_STAGED=yes LXC_RS_EMULATED=yes
#       tests/integration/run selinux

# In $policy; made on the host, since a guest can fetch nothing.
selinux_policy() {
    local cache=$PWD/target/test-cache compiler source=$PWD/tests/fixtures/selinux/policy.conf
    policy=$cache/selinux.policy
    [ "$policy" -nt "$source" ] && return
    mkdir -p "$cache"
    compiler=$(command -v checkpolicy) || {
        compiler=$cache/checkpolicy/usr/bin/checkpolicy
        [ -x "$compiler" ] || { (cd "$cache" && apt-get -qq -o APT::Sandbox::User=root download checkpolicy &&
            dpkg-deb -x checkpolicy_*.deb checkpolicy) >/dev/null 2>&1 || return; }
    }
    "$compiler" -U allow -c 30 -o "$policy" "$source" >/dev/null 2>&1
}

test_selinux_contexts() {
    local policy security
    selinux_policy || { skipped="checkpolicy cannot be had"; return; }
    [ -d /sys/fs/selinux ] && grep -qw selinuxfs /proc/filesystems || { skipped="this host has no SELinux"; return; }
    [ -n "${LXC_RS_EMULATED:-}" ] || { skipped="the policy is for a guest"; return; }
    [ -e /sys/fs/selinux/enforce ] || mount -t selinuxfs selinuxfs /sys/fs/selinux || { fail 'no selinuxfs'; return; }
    command -v python3 >/dev/null || { skipped="python3 is not installed"; return; }
    # Without a policy every context is that of the kernel.
    container t-sel
    code 0 tool start -n t-sel
    same 'without a policy' kernel "$(tr -d '\0\n' <"/proc/$(tool info -n t-sel -pH)/attr/current")"
    same 'attached without a policy' kernel "$(tool attach -n t-sel -- cat /proc/self/attr/current | tr -d '\0\n')"
    code 0 tool stop -k -n t-sel

    dd if="$policy" of=/sys/fs/selinux/load bs=1M 2>/dev/null || { fail "the policy is refused"; return; }
    echo 1 >/sys/fs/selinux/enforce
    same 'this shell' base_u:base_r:base_t "$(tr -d '\0\n' </proc/self/attr/current)"
    echo 'lxc.selinux.context = base_u:base_r:inner_t' >>"$LXC/t-sel/config"
    code 0 tool start -n t-sel
    same 'init' base_u:base_r:inner_t "$(tr -d '\0\n' <"/proc/$(tool info -n t-sel -pH)/attr/current")"
    same 'attached' base_u:base_r:inner_t "$(tool attach -n t-sel -- cat /proc/self/attr/current | tr -d '\0\n')"
    same 'attached with privileges' base_u:base_r:base_t "$(tool attach -e -n t-sel -- cat /proc/self/attr/current | tr -d '\0\n')"
    code 0 tool stop -k -n t-sel
    code 0 tool start -n t-sel -s lxc.selinux.context=unconfined_t
    same "LXC's word" base_u:base_r:base_t "$(tr -d '\0\n' <"/proc/$(tool info -n t-sel -pH)/attr/current")"
    code 0 tool stop -k -n t-sel

    # Before the start, with the line.
    sed -i 's/inner_t$/nosuch_t/' "$LXC/t-sel/config"
    code 1 tool start -n t-sel
    says 'the SELinux policy has no context base_u:base_r:nosuch_t: EINVAL'
    says "$LXC/t-sel/config:[0-9]*"
    # One that the policy has, but not for this; the log says so.
    sed -i 's/nosuch_t$/other_t/' "$LXC/t-sel/config"
    code 1 tool start -n t-sel
    says "$LXC/t-sel/config:[0-9]*"
    says 'hint: the SELinux policy may not allow this context: see lxc-rs denials'
    sed -i 's/other_t$/inner_t/' "$LXC/t-sel/config"
    code 0 tool start -n t-sel
    code 126 tool attach -n t-sel -c base_u:base_r:other_t -- true
    code 0 tool stop -k -n t-sel

    # What the kernel says of the session keyring, of attached commands and of init.
    nesting t-sel 'lxc.selinux.context = base_u:base_r:inner_t' 'lxc.apparmor.profile = unconfined'
    security='import ctypes
text = ctypes.create_string_buffer(200)
ctypes.CDLL(None).syscall(250, 17, -3, text, 200)
print(text.value.decode())'
    code 0 tool start -n t-sel
    same "the keyring without a context of its own" base_u:base_r:inner_t "$(tool attach -n t-sel -- python3 -c "$security")"
    code 0 tool stop -k -n t-sel
    echo 'lxc.selinux.context.keyring = base_u:base_r:keys_t' >>"$LXC/t-sel/config"
    code 0 tool start -n t-sel
    same "an attached command's keyring" base_u:base_r:keys_t "$(tool attach -n t-sel -- python3 -c "$security")"
    same "its context" base_u:base_r:inner_t "$(tool attach -n t-sel -- cat /proc/self/attr/current | tr -d '\0\n')"
    code 0 tool stop -k -n t-sel
    same "init's keyring" base_u:base_r:keys_t "$(tool execute -n t-sel -s lxc.init.cmd=/bin/true -- python3 -c "$security")"
    sed -i 's/keys_t$/nosuch_t/' "$LXC/t-sel/config"
    code 1 tool start -n t-sel
    says 'the SELinux policy has no context base_u:base_r:nosuch_t: EINVAL'
}

test_selinux_denials() {
    [ -n "${LXC_RS_EMULATED:-}" ] && [ "$(cat /sys/fs/selinux/enforce 2>/dev/null)" = 1 ] && grep -q base_t /proc/self/attr/current ||
        { skipped="the policy of the test of contexts is not loaded"; return; }
    container t-sel 'lxc.selinux.context = base_u:base_r:inner_t'
    code 0 tool start -n t-sel
    # Init of the container has no right to become another type.
    tool attach -n t-sel -- sh -c 'echo base_u:base_r:other_t >/proc/self/attr/current' >/dev/null 2>&1
    tool denials t-sel --format json >"$RUN/json" || fail 'no report'
    same 'the denial' 'refused dyntransition of process (inner_t to other_t) false' \
        "$(jq -r '.denials[] | select(.source == "selinux") | "\(.effect) \(.what) \(.certain)"' "$RUN/json" | head -1)"
    same 'the rule' 'policy allow inner_t other_t:process { dyntransition };' \
        "$(jq -r '.denials[].allow[] | select(.place == "policy") | "\(.place) \(.text)"' "$RUN/json" | head -1)"
    code 0 tool stop -k -n t-sel
}
