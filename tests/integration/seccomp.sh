# Seccomp profiles: what they allow, beside Debian's LXC, and the calls that another program answers.

SECCOMP=tests/integration/seccomp

# What the filters of a container do with every call, as tried inside by a process that is started and by
# one that attaches. What this kernel does with a call whatever the filter is left out.
tried() { # TOOLS CONTAINER VALUE...: "tool" or "share_debian", which has ids to map
    local tools=$1 name=$2
    shift 2
    "$tools" execute -n "$name" -- /calls "$@" >"$RUN/tried" 2>"$RUN/err" || fail "$tools: $name: $(head -3 "$RUN/err")"
    grep -vxFf "$RUN/unfiltered" "$RUN/tried"
}

calls_program() { # VALUE...
    command -v gcc >/dev/null && [ "$(uname -m)" = x86_64 ] || { skipped='needs x86-64 and a compiler'; return 1; }
    gcc -static -O1 -o "$RUN/calls" "$SECCOMP/calls.c" || fail 'cannot compile it'
    "$RUN/calls" "$@" >"$RUN/unfiltered"
}

test_seccomp_allows_the_calls_that_lxc_allows() {
    calls_program 0 1 0xffffffffffffffff || return
    local map=('lxc.idmap = u 0 100000 65536' 'lxc.idmap = g 0 100000 65536' 'lxc.rootfs.options = idmap=container')
    local name wanted shipped=$STAGE/share/lxc/config/common.seccomp theirs=/usr/share/lxc/config/common.seccomp
    [ -f "$theirs" ] || { skipped='no profile of Debian to compare with'; return; }
    for name in t-filter t-filter-mapped; do
        if [ $name = t-filter ]; then container $name; else container $name "${map[@]}"; fi
        cp "$RUN/calls" "$LXC/$name/rootfs/calls"
        echo "lxc.seccomp.profile = $theirs" >>"$LXC/$name/config"
        wanted=$(tried share_debian $name 0 1 0xffffffffffffffff)
        [ "$(grep -c 'errno 1$' <<<"$wanted")" -gt 30 ] || fail "theirs refuses nothing: $wanted"
        same "$name, with theirs" "$wanted" "$(tried tool $name 0 1 0xffffffffffffffff)"
        sed -i "s|^lxc.seccomp.profile.*|lxc.seccomp.profile = $shipped|" "$LXC/$name/config"
        same "$name, with ours" "$wanted" "$(tried tool $name 0 1 0xffffffffffffffff)"
        code 0 tool start -n $name
        same "$name, attached" "$wanted" "$(tool attach -n $name -- /calls 0 1 0xffffffffffffffff | grep -vxFf "$RUN/unfiltered")"
        code 0 tool stop -k -n $name
    done
}

# Profiles, one a paragraph.
seccomp_profiles() {
    cat <<'PROFILES'
2
denylist
mkdir kill
mkdirat trap
rmdir errno 7
unlink errno 39
capset errno 2

2
denylist errno 5
# A rule may have a comment # at its end
[x86_64]
read allow # reads
write allow
exit_group allow
execve allow
mmap allow
[x86]
write errno 9
[X32]
write errno 11
[arm]
nonsense kill
[all]
clone allow
fork allow
wait4 allow
brk allow
arch_prctl allow
seccomp allow
prctl allow
rt_sigaction allow
rt_sigprocmask allow
munmap allow
mprotect allow
close allow
dup2 allow
dup3 allow
fcntl allow
ioctl allow
setsid allow
fstat allow
newfstatat allow
getrandom allow
set_tid_address allow
set_robust_list allow
rseq allow
prlimit64 allow
readlink allow
readlinkat allow
getpid allow
getuid allow
setuid allow
setgid allow
setgroups allow
setresuid allow
setresgid allow
kill allow
close_range allow
openat allow
open allow
sendmsg allow
recvmsg allow
sendto allow
recvfrom allow
poll allow
ppoll allow
rt_sigtimedwait allow
signalfd4 allow
waitid allow
chdir allow
fchdir allow
exit allow
execveat allow
lseek allow
umask allow
getppid allow
capget allow
capset allow
tgkill allow
gettid allow
mount allow
umount2 allow
unshare allow
clone3 allow
vfork allow
sigaltstack allow
rt_sigreturn allow
fchown allow
chown allow
lchown allow
statx allow
geteuid allow
getgid allow
getegid allow
getdents64 allow
access allow
faccessat allow
faccessat2 allow
stat allow
lstat allow
writev allow
pread64 allow
ftruncate allow
memfd_create allow
keyctl allow
futex allow
getpgrp allow
setpgid allow
nanosleep allow
clock_nanosleep allow
clock_gettime allow
pipe allow
pipe2 allow
setresgid allow
socketpair allow

2
denylist
mkdir errno 1 [0,1,==]
rmdir errno 2 [0,1,!=]
unlink errno 3 [0,1,<]
symlink errno 4 [0,1,<=]
link errno 5 [0,1,>]
chmod errno 6 [0,1,>=]
fchmod errno 7 [0,1,&=,1]
mknod errno 8 [0,0x1,SCMP_CMP_EQ] [1,1,SCMP_CMP_EQ]
setns errno 9 [0,0,SCMP_CMP_NE]
chroot errno 10 [0,0,SCMP_CMP_GT]
acct errno 11 [0,1,SCMP_CMP_LT]
swapon errno 12 [0,0,SCMP_CMP_LE]
swapoff errno 13 [0,1,SCMP_CMP_GE]
sethostname errno 14 [1,1,SCMP_CMP_MASKED_EQ,3]

2
blacklist
reject_force_umount
[all]
kexec_load errno 1
kexec_load errno 1
unknown_call errno 1
[x86]
socketcall errno 3
ipc errno 4
[x86_64]
setxattr errno 5
PROFILES
}

test_seccomp_profiles_mean_what_they_mean_to_lxc() {
    calls_program 0 1 2 0xffffffffffffffff || return
    local number=0 wanted
    mkdir "$RUN/profiles"
    seccomp_profiles | awk -v dir="$RUN/profiles" 'BEGIN { RS = "" } { print >(dir "/" NR) }'
    container t-profiles
    cp "$RUN/calls" "$LXC/t-profiles/rootfs/calls"
    for number in $(cd "$RUN/profiles" && echo *); do
        sed -i '/^lxc.seccomp/d' "$LXC/t-profiles/config"
        echo "lxc.seccomp.profile = $RUN/profiles/$number" >>"$LXC/t-profiles/config"
        wanted=$(tried share_debian t-profiles 0 1 2 0xffffffffffffffff)
        [ "$(wc -l <<<"$wanted")" -gt 5 ] || fail "profile $number refuses nothing in Debian's"
        same "profile $number" '' "$(diff <(echo "$wanted") <(tried tool t-profiles 0 1 2 0xffffffffffffffff))"
    done
    rm -r "$RUN/profiles"
}

# Makes a directory inside, with a cache of the test's own, and leaves a trace.
kept_mkdir() {
    # shellcheck disable=SC2016 # expanded there
    unshare --mount --propagation private sh -c 'mount --bind "$1" /var/cache && shift && exec "$@"' sh "$RUN/cache" \
        nsenter --net="/run/netns/$NETNS" strace -f -qq -e trace=memfd_create -o "$RUN/trace" \
        "$BIN" execute -P "$LXC" -n t-kept -- mkdir /tmp/made
}

# A long profile is compiled once, whatever somebody does to what is kept of it.
test_seccomp_filters_are_kept() {
    command -v strace >/dev/null || { skipped='strace is not installed'; return; }
    local number file kept="$RUN/cache/lxc/seccomp"
    mkdir "$RUN/cache"
    container t-kept "lxc.seccomp.profile = $RUN/long"
    { printf '2\ndenylist\nmkdir errno 7\n'; for number in {1..60}; do echo "acct errno 1 [0,$number,==]"; done; } >"$RUN/long"
    code 1 kept_mkdir
    says 'Argument list too long'
    file=$(echo "$kept"/*)
    same 'of others' '600 0' "$(stat -c '%a %u' "$file")"
    grep -q '"seccomp"' "$RUN/trace" || fail 'it was not compiled'
    code 1 kept_mkdir
    says 'Argument list too long'
    ! grep '"seccomp"' "$RUN/trace" || fail 'it was compiled again'
    # Of another text; what is kept of the first is no answer, in its place either.
    sed -i 's/errno 7/errno 11/' "$RUN/long"
    for number in "$kept"/{0..63}; do [ "$number" -ef "$file" ] || cp "$file" "$number"; done
    code 1 kept_mkdir
    says 'Resource temporarily unavailable'
    sed -i 's/errno 11/errno 7/' "$RUN/long"
    rm -f "$kept"/*
    code 1 kept_mkdir
    # Of another user, a link, damaged: compiled anew.
    for number in 'chown games "$1"' 'chmod 666 "$1"' 'mv "$1" "$1.moved"; ln -s "$1.moved" "$1"' 'truncate -s -8 "$1"' \
        'printf XXXXXXXX | dd of="$1" bs=1 conv=notrunc seek=$(($(stat -c %s "$1") - 8)) 2>/dev/null' ': >"$1"'; do
        sh -c "$number" sh "$file"
        code 1 kept_mkdir
        says 'Argument list too long'
        grep -q '"seccomp"' "$RUN/trace" || fail "believed after: $number"
        same "kept anew after: $number" '600 0 regular file' "$(stat -c '%a %u %F' "$file")"
    done
    # The shipped one has few rules.
    rm -f "$kept"/*
    sed -i "s|^lxc.seccomp.profile.*|lxc.seccomp.profile = $STAGE/share/lxc/config/common.seccomp|" "$LXC/t-kept/config"
    code 0 kept_mkdir
    same 'kept of the shipped one' '' "$(ls "$kept")"
    rm -r "$RUN/cache" "$RUN/long"
}

# The program that answers; ends with `unanswered`.
answered() { # MODE
    python3 "$SECCOMP/proxy.py" "$RUN/proxy" "$1" >"$RUN/asked" 2>"$RUN/proxy.err" &
    proxy=$!
    for _ in $(seq 50); do grep -q listening "$RUN/asked" && return; sleep 0.1; done
    fail "no proxy: $(cat "$RUN/proxy.err")"
}
unanswered() {
    pkill -P $proxy
    kill $proxy 2>/dev/null
    wait $proxy 2>/dev/null
    [ ! -s "$RUN/proxy.err" ] || fail "the proxy: $(cat "$RUN/proxy.err")"
}
notifying() { # NAME [CONFIG-LINE...]
    printf '2\ndenylist\nmknod notify\nmknodat notify\n' >"$RUN/notify"
    container "$@" "lxc.seccomp.profile = $RUN/notify" "lxc.seccomp.notify.proxy = unix:$RUN/proxy" \
        'lxc.seccomp.notify.cookie = of t-notify'
}

test_seccomp_proxy_answers_calls() {
    command -v python3 >/dev/null || { skipped='no python3 for the proxy'; return; }
    local tools made='character special file 1:3'
    notifying t-notify 'lxc.idmap = u 0 100000 65536' 'lxc.idmap = g 0 100000 65536'
    chmod 755 "$RUN" "$LXC" "$LXC/t-notify"
    answered answer
    chown -R 100000:100000 "$LXC/t-notify/rootfs"
    for tools in share_debian tool; do
        same "$tools: made" "$made" "$($tools execute -n t-notify -- sh -c "mknod /tmp/$tools c 1 3; stat -c '%F %t:%T' /tmp/$tools" 2>&1)"
        code 1 $tools execute -n t-notify -- mknod /tmp/kmsg c 1 11
        says 'Permission denied'
        same "$tools: asked" "of t-notify /tmp/$tools 0 of t-notify /tmp/kmsg -13" "$(tail -2 "$RUN/asked" | awk '{ print $1, $2, $4, $5 }' | xargs)"
    done
    code 0 tool start -n t-notify
    same attached "$made" "$(tool attach -n t-notify -- sh -c "mknod /tmp/attached c 1 3; stat -c '%F %t:%T' /tmp/attached" 2>&1)"
    same 'many at once' 20 "$(tool attach -n t-notify -- sh -c '
        for one in $(seq 20); do mknod /tmp/many$one c 1 3 & done; wait; ls /tmp/many* | wc -l')"
    code 0 tool stop -k -n t-notify
    unanswered
}

test_seccomp_proxy_that_fails_holds_nobody_up() {
    command -v python3 >/dev/null || { skipped='no python3 for the proxy'; return; }
    local mode attached
    notifying t-notify
    rm -f "$RUN/proxy"
    code 1 tool start -n t-notify
    says "cannot connect to the seccomp proxy $RUN/proxy: ENOENT"
    says 'lxc.seccomp.notify.proxy'
    for mode in rubbish strange close; do
        answered $mode
        code 0 tool start -n t-notify
        code 1 tool attach -n t-notify -- mknod /tmp/no-$mode c 1 3
        says 'Function not implemented'
        unanswered
        # None at all: init's own listener is there, and another one is for nobody.
        code 1 tool attach -n t-notify -- mknod /tmp/one c 1 3
        says 'Function not implemented\|ECONNREFUSED'
        answered answer
        code 0 tool attach -n t-notify -- mknod /tmp/$mode c 1 3
        code 0 tool stop -k -n t-notify
        unanswered
    done
    answered hang
    code 0 tool start -n t-notify
    tool attach -n t-notify -- mknod /tmp/one c 1 3 2>"$RUN/hanging" &
    attached=$!
    for _ in $(seq 50); do grep -q asked "$RUN/asked" && break; sleep 0.1; done
    same 'meanwhile' RUNNING "$(tool info -n t-notify -sH | xargs)"
    same 'others' works "$(tool attach -n t-notify -- echo works)"
    kill -0 $attached || fail 'the call does not wait'
    unanswered
    wait $attached
    grep -q 'Function not implemented' "$RUN/hanging" || fail "without a proxy: $(cat "$RUN/hanging")"
    code 0 tool stop -k -n t-notify
}

# What differs by design, in what LXC gives: the mounts of /proc/sys and /proc/sysrq-trigger keep the flags of /proc;
# the tmpfs around v1 hierarchies is read-only in every set of capabilities; the console has the mode of a terminal.
INSIDE_DIFFERENT='
    s#^mount /proc/\(sys\|sysrq-trigger\) ro,relatime #mount /proc/\1 ro,nosuid,nodev,noexec,relatime #
    s|^mount /sys/fs/cgroup rw,\(.*tmpfs\)$|mount /sys/fs/cgroup ro,\1|
    s|^\(device /dev/console character special file\) 700 |\1 620 |'

# Says where the second report has more than the first, LXC's.
inside_more() { # WHAT
    local line theirs ours
    same "$1" '' "$(diff <(sed "$INSIDE_DIFFERENT" "$RUN/report.share_debian" | grep -v '^Cap') \
        <(grep -v '^Cap' "$RUN/report.tool"))"
    [ "$(grep -c '^Cap' "$RUN/report.tool")" -eq 5 ] || fail "$1: no capabilities"
    # A user namespace has them all in LXC; here those that the host has not itself are missing.
    while read -r line; do
        theirs=$(awk -v set="$line" '$1 == set { print $2 }' "$RUN/report.share_debian")
        ours=$(awk -v set="$line" '$1 == set { print $2 }' "$RUN/report.tool")
        [ $((0x$ours & ~0x$theirs)) -eq 0 ] || fail "$1: $line ours $ours, theirs $theirs"
        [ $((0x$theirs & ~0x$ours & 0x$INSIDE_HELD)) -eq 0 ] || fail "$1: $line ours $ours misses some of $theirs"
    done < <(awk '/^Cap/ { print $1 }' "$RUN/report.tool")
}

reported() { # NAME [TOOL-ARG...]
    local name=$1 tools
    shift
    cp "$SECCOMP/inside.sh" "$LXC/$name/rootfs/inside.sh"
    for tools in share_debian tool; do
        code 0 "$tools" execute -n "$name" "$@" -- sh /inside.sh
        mv "$RUN/out" "$RUN/report.$tools"
        [ "$(grep -c ^mount "$RUN/report.$tools")" -gt 5 ] || fail "$tools reports nothing: $(cat "$RUN/report.$tools")"
    done
    inside_more "$name $*"
    for tools in share_debian tool; do
        code 0 "$tools" start -n "$name" "$@"
        code 0 "$tools" attach -n "$name" -- sh /inside.sh
        mv "$RUN/out" "$RUN/report.$tools"
        code 0 "$tools" stop -k -n "$name"
    done
    inside_more "$name $*, attached"
}

test_inside_is_never_more_than_with_lxc() {
    local set INSIDE_HELD
    INSIDE_HELD=$(awk '/^CapBnd/ { print $2 }' /proc/self/status)
    container t-inside 'lxc.apparmor.profile = unchanged'
    container t-inside-mapped 'lxc.apparmor.profile = unchanged' 'lxc.idmap = u 0 100000 65536' 'lxc.idmap = g 0 100000 65536'
    chown -Rh 100000:100000 "$LXC/t-inside-mapped/rootfs"
    chmod 755 "$RUN" "$LXC" "$LXC/t-inside-mapped"
    reported t-inside
    reported t-inside-mapped
    for set in 'lxc.cap.drop=net_raw mknod 21' 'lxc.no_new_privs=1'; do
        reported t-inside -s "$set"
    done
    sed -i '/^lxc.cap.drop/d' "$LXC/t-inside/config"
    for set in 'lxc.cap.keep=chown kill 7 setgid sys_chroot sys_admin' lxc.cap.keep=none; do
        reported t-inside -s "$set"
    done
}
