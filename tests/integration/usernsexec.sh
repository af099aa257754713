# lxc-usernsexec beside Debian's, as root and as an ordinary user; Debian's own test of it.

# A user with ids to map, and our commands in /usr/local/bin, where sudo looks first: in a mount
# namespace of its own, over copies of /etc and /home. USER_IDS: without newuidmap if "none".
user_shell() { # SCRIPT: run by sh as root; su t-user -c … is an ordinary user
    timeout 60 unshare --mount --propagation private sh -ec '
        mkdir -p "$1/user"
        mount -t tmpfs none "$1/user"
        mkdir "$1/user/upper" "$1/user/work"
        mount -t overlay -o "lowerdir=/etc,upperdir=$1/user/upper,workdir=$1/user/work" none /etc
        mount -t tmpfs -o mode=755 none /home
        mount --bind "$2" /usr/local/bin
        useradd --create-home --shell /bin/sh t-user
        sed -i "/^t-user:/d" /etc/subuid /etc/subgid
        echo "t-user:300000:10" >>/etc/subuid
        echo "t-user:400000:10" >>/etc/subgid
        sh -c "$3"' sh "$RUN" "$STAGE/bin" "$1"
}

no_uidmap() {
    command -v newuidmap >/dev/null && command -v newgidmap >/dev/null && return 1
    skipped='newuidmap and newgidmap are not installed (package uidmap)'
}

USERNSEXEC_LINES=$(cat <<'LINES'
-- true
-m b:0:300000 -- true
-m x:0:300000:1 -- true
-m b:0:300000:1x -z -- true
-m b:0:1:1 -- true
-m u:0:300000:20 -m g:0:400000:1 -- true
-m b:1:300000:1 -- true
-m u:0:300000:1 -- true
-- no-such-command
-- /etc/passwd
-- sh -c 'exit 7'
-- sh -c 'id; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; pwd'
-- sh -c 'grep -E "^(Groups|Cap...|Sig(Blk|Ign))" /proc/self/status'
-s -- cat /proc/self/uid_map
-s -m u:0:300000:3 -m g:5:400000:1 -m g:0:400001:1 -- cat /proc/self/gid_map
-m b:0:$(id -u):1 -- sh -c 'id; cat /proc/self/uid_map /proc/self/setgroups'
-mu:0:300000:1 -mg:0:400000:1 whoami
-m u:0:$(id -u):1 -m u:5:300000:1 -m g:0:400005:1 -- cat /proc/self/uid_map
LINES
)

# The same lines to both, their output and exit code into a file.
lines_to() { # PROGRAM FILE
    printf 'cd /\n'
    while IFS= read -r line; do printf 'echo; %s %s 2>/dev/null; echo "exit $?"\n' "$1" "$line"; done <<<"$USERNSEXEC_LINES"
}

test_usernsexec_as_debians() {
    [ -x /usr/bin/lxc-usernsexec ] || { skipped="Debian's lxc is not installed"; return; }
    no_uidmap && return
    lines_to /usr/bin/lxc-usernsexec >"$RUN/theirs.sh"
    lines_to /usr/local/bin/lxc-usernsexec >"$RUN/ours.sh"
    # The run's directory is root's only.
    user_shell "su t-user -s /bin/bash -c 'bash -s' <$RUN/theirs.sh" >"$RUN/theirs"
    user_shell "su t-user -s /bin/bash -c 'bash -s' <$RUN/ours.sh" >"$RUN/ours"
    same 'number of lines run' "$(wc -l <<<"$USERNSEXEC_LINES")" "$(grep -c '^exit' "$RUN/theirs")"
    same 'as an ordinary user' '' "$(diff "$RUN/theirs" "$RUN/ours")"
}

test_usernsexec_as_root_and_without_uidmap() {
    same 'maps any ids' '0 100000 10' "$("$STAGE/bin/lxc-usernsexec" -m b:0:100000:10 -- cat /proc/self/uid_map | xargs)"
    same 'chosen ids' 3:4 "$("$STAGE/bin/lxc-usernsexec" -m b:0:100000:10 -u 3 -g 4 -- sh -c 'echo $(id -u):$(id -g)')"
    same 'a shell by default' 'hello /bin/sh' "$(echo 'echo hello $0' | "$STAGE/bin/lxc-usernsexec" -m b:0:100000:10)"
    code 137 "$STAGE/bin/lxc-usernsexec" -m b:0:100000:10 -- sh -c 'kill -9 $$'
    code 1 "$STAGE/bin/lxc-usernsexec" -m b:1:100000:10 -- true
    says 'no user is mapped to id 0 inside'
    code 1 user_shell 'sed -i /^root:/d /etc/subuid; lxc-usernsexec -- true'
    says 'Failed to find subuid or subgid allocation'
    says '/etc/subuid'
    code 1 user_shell 'echo t-user:x >/etc/subgid; su t-user -c "lxc-usernsexec -- true"'
    says 'no range of ids in /etc/subgid'
    says '/etc/subgid:1:1'
    # A search path with our commands and nothing but links to the few programs used.
    local path=/home/bin
    local bare="mkdir $path; ln -s /bin/sh /bin/cat /usr/bin/id $STAGE/bin/lxc-rs $path/; mount --bind $STAGE/bin/lxc-rs /usr/local/bin/lxc-rs"
    code 0 user_shell "$bare; su t-user -c 'PATH=$path /usr/local/bin/lxc-usernsexec -m u:0:\$(id -u):1 -m g:0:\$(id -g):1 -- id -u'"
    same 'own ids' 0 "$(cat "$RUN/out")"
    # It is looked for in the system's directories as well.
    local hidden='for program in newuidmap newgidmap; do mount --bind /dev/null /usr/bin/$program; done'
    code 1 user_shell "$bare; $hidden; su t-user -c 'PATH=$path /usr/local/bin/lxc-usernsexec -- id -u'"
    says 'cannot find newuidmap'
    says 'install the package uidmap'
}

# It wants sudo, uidmap, and a user with at least one subordinate id, whom it makes by itself.
test_debians_own_test_of_usernsexec() {
    local test=/usr/bin/lxc-test-usernsexec
    [ -x $test ] || { skipped='lxc-tests is not installed'; return; }
    no_uidmap && return
    command -v sudo >/dev/null || { skipped='sudo is not installed'; return; }
    code 0 user_shell "$test --user t-user"
    same passed 'nouidgid: PASS myuidgid: PASS subuidgid: PASS bothsets: PASS mismatch: PASS' "$(grep ' PASS$' "$RUN/err" | xargs)"
    # Ours was run: it is what sudo finds.
    same found /usr/local/bin/lxc-usernsexec "$(user_shell 'sudo -Hu t-user sh -c "command -v lxc-usernsexec"')"
}
