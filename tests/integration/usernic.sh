# Links of ordinary users' containers, made by lxc-user-nic as far as /etc/lxc/lxc-usernet allows.

# As user_world, with a second user, t-other, both in the group t-group, and
#   ns USER       makes a network namespace of USER's, in a user namespace of USER's, with the process $pid
#   nic USER ...  calls lxc-user-nic as USER
#   links         those in the bridge
# What the script prints is in $RUN/out.
nic_world() { # SCRIPT
    user_world '
        useradd --create-home --shell /bin/bash t-other
        groupadd t-group
        for user in t-user t-other; do usermod -aG t-group $user; done
        program=/usr/local/libexec/lxc/lxc-user-nic records=/run/lxc/nics usernet=/etc/lxc/lxc-usernet
        ip link add rstest1 type bridge
        as() { setpriv --reuid $1 --regid $1 --init-groups -- "${@:2}"; }
        nic() { as $1 $program "${@:2}"; }
        stays() { setpriv --reuid $1 --regid $1 --init-groups -- "${@:2}" </dev/null >/dev/null 2>&1 & pid=$! pids+=($!)
            until [ "$(cat /proc/$pid/comm)" = sleep ]; do command sleep 0.01; done; }
        ns() { stays $1 unshare --user --map-root-user --net sleep 300; }
        links() { ip -br link show master rstest0 | sed "s/@.*//"; }
        pids=()
        trap "kill \${pids[*]} 2>/dev/null || true; ip link del rstest1" EXIT
        '"$1" >"$RUN/out" 2>"$RUN/err" || fail "exit code $?: $(tail -3 "$RUN/err")"
}

test_usernic_life_of_a_link() {
    no_user_tools && return
    code 0 user_world '
        echo "t-user veth rstest0 1" >/etc/lxc/lxc-usernet
        for _ in 1 2; do
            as_user lxc-start -n t-own
            as_user "lxc-attach -n t-own -- ping -c 1 -q 10.198.7.1 >/dev/null" && echo pinged
            as_user lxc-attach -n t-own -- ip -o link show dev lan | grep -o -e "mtu [0-9]*" -e "ether [^ ]*" | xargs
            as_user lxc-attach -n t-own -- ip route | sed "s/ dev.*//" | xargs
            ip -br link show master rstest0 | sed "s/_.*//"
            as_user lxc-info -n t-own | sed -n "s/Link: *\(veth[0-9]*\)_.*/\1/p"
            sed "s/_.*//" /run/lxc/nics
            as_user lxc-stop -r -n t-own
            as_user lxc-stop -k -n t-own
            echo "left $(cat /run/lxc/nics)$(ip -br link show master rstest0)"
        done' 'lxc.net.0.type = veth' 'lxc.net.0.link = rstest0' 'lxc.net.0.flags = up' 'lxc.net.0.name = lan' \
        'lxc.net.0.hwaddr = 02:00:00:00:00:17' 'lxc.net.0.mtu = 1300' 'lxc.net.0.ipv4.address = 10.198.7.5/24' \
        'lxc.net.0.ipv4.gateway = auto' 'lxc.net.0.veth.pair = ignored0'
    local uid once
    uid=$(sed -n 's/t-user veth rstest0 veth//p' "$RUN/out" | head -1)
    once="pinged|mtu 1300 ether 02:00:00:00:00:17|default via 10.198.7.1|10.198.7.0/24|veth$uid|veth$uid"
    once+="|t-user veth rstest0 veth$uid|left "
    same 'two lives' "$once|$once" "$(sed 's/^\(default via .*\) \(10.*\)$/\1\n\2/' "$RUN/out" | paste -sd '|')"
    same said '' "$(grep -v -e 'the container has no cgroup of its own' -e 'hint: run it as root' -e 'hint: log in' "$RUN/err")"
}

# Nobody gives back what a killed monitor had: its link goes with the namespace, some moments later.
test_usernic_link_of_a_killed_monitor_is_free_again() {
    no_user_tools && return
    user_world '
        echo "t-user veth rstest0 1" >/etc/lxc/lxc-usernet
        for _ in 1 2 3 4 5 6; do
            as_user lxc-start -n t-own
            kill -9 $(pgrep -u t-user -f "^.lxc monitor. .* t-own")
        done
        as_user lxc-start -n t-own
        as_user lxc-stop -k -n t-own
        echo "left $(cat /run/lxc/nics)$(ip -br link show master rstest0)$(gone)"' \
        'lxc.net.0.type = veth' 'lxc.net.0.link = rstest0' >"$RUN/out" 2>"$RUN/err" || fail "exit code $?: $(tail -3 "$RUN/err")"
    same 'what they saw' 'left ' "$(cat "$RUN/out")"
}

test_usernic_start_says_what_is_missing() {
    no_user_tools && return
    code 0 user_world '
        as_user lxc-start -n t-own || echo "failed $(ls /run/lxc)$(ip -br link show master rstest0)"
        echo "t-user veth rstest0 0" >/etc/lxc/lxc-usernet
        as_user lxc-start -n t-own || echo failed
        echo "t-user veth rstest0 1" >/etc/lxc/lxc-usernet
        for _ in 1 2; do
            as_user lxc-start -n t-own -s lxc.init.cmd=/nothing || echo "failed $(cat /run/lxc/nics)$(ip -br link show master rstest0)"
        done
        as_user lxc-start -n t-own -s lxc.net.0.veth.ipv4.route=10.9.0.0/24 || echo failed
        mount --bind /bin/true /usr/local/libexec/lxc/lxc-user-nic
        as_user lxc-start -n t-own || echo failed
        umount /usr/local/libexec/lxc/lxc-user-nic
        mv /usr/local/libexec/lxc/lxc-user-nic /usr/local/libexec/lxc/lxc-user-nic.away
        as_user lxc-start -n t-own || echo failed
        mv /usr/local/libexec/lxc/lxc-user-nic.away /usr/local/libexec/lxc/lxc-user-nic
        echo "left $(gone)"' 'lxc.net.0.type = veth' 'lxc.net.0.link = rstest0' 'lxc.net.0.flags = up'
    same 'what they saw' 'failed |failed|failed |failed |failed|failed|failed|left ' "$(paste -sd '|' "$RUN/out")"
    says 'lxc-user-nic: t-user may have no veth links on rstest0$'
    says 't-own/config:.*lxc.net.0.link\|lxc.net.0.link = rstest0'
    says 'hint: as root, add "t-user veth rstest0 10" to /etc/lxc/lxc-usernet'
    says 't-user can have no more links on rstest0: t-user has 0 of 0'
    says 'an ordinary user can add no routes to the host'
    says 'lxc-user-nic is not set-user-ID root'
    says 'lxc-user-nic is missing'
}

test_usernic_quota_and_output() {
    no_user_tools && return
    nic_world '
        try() { nic "$@" 2>/dev/null | sed -E "s/veth([0-9]+)_[0-9A-Za-z]{4}/vethUID/; s/:[0-9]+$/:N/" || true; }
        counted() { sed -E "s/veth[0-9]+_.*/LINK/" $records | sort | uniq -c | xargs; }
        ns t-user; own=$pid; ns t-other; other=$pid
        try t-user create /x c $own veth rstest0 e0
        printf "%s\n" "#t-user veth rstest0 9" "" "t-user veth rstest0 2 # two" "@t-group veth rstest0 2" "t-user veth none 1" >$usernet
        for n in 0 1 2; do try t-user create /x c $own veth rstest0 e$n; done
        for n in 0 1; do try t-other create /x c $other veth rstest0; done
        try t-user create /x c $own veth rstest0 e9
        try t-user create /x c $own veth rstest1 e9
        try t-user create /x c $own veth none e3
        counted
        ip -br link show type veth | sed "s/[_@].*//" | sort | uniq -c | awk "{ print \$1 }" | xargs
        ip -o link show type veth | grep -c "link/ether fe:"
        stat -c "%a %U" $records
        # What goes with its namespace counts no more.
        kill $own
        until [ "$(links | wc -l)" = 1 ]; do sleep 0.1; done
        ns t-user; own=$pid
        try t-user create /x c $own veth rstest0
        counted'
    same 'what they saw' 'e0:2:vethUID:N e1:3:vethUID:N e2:4:vethUID:N eth0:2:vethUID:N e3:5:vethUID:N'\
' 2 @t-group veth rstest0 LINK 1 t-user veth none LINK 2 t-user veth rstest0 LINK 4 1 5 600 root'\
' eth0:2:vethUID:N 1 @t-group veth rstest0 LINK 1 t-user veth rstest0 LINK' "$(xargs <"$RUN/out")"
}

test_usernic_counts_together_with_debians() {
    [ -u /usr/libexec/lxc/lxc-user-nic ] || { skipped="Debian's lxc is not installed"; return; }
    no_user_tools && return
    nic_world '
        echo "t-user veth rstest0 4" >$usernet
        ns t-user
        # In which Debian.s looks for links.
        mount -t sysfs none /sys
        for n in 0 1 2; do
            nic t-user create /x c $pid veth rstest0 a$n 2>/dev/null || echo ours full
            as t-user /usr/libexec/lxc/lxc-user-nic create /x c $pid veth rstest0 b$n 2>/dev/null || echo theirs full
        done | cut -d: -f1
        wc -l <$records
        # At once.
        kill $pid
        until [ -z "$(links)" ]; do sleep 0.1; done
        ns t-user
        jobs=()
        for n in $(seq 20); do
            nic t-user create /x c $pid veth rstest0 a$n >/dev/null 2>&1 & jobs+=($!)
            as t-user /usr/libexec/lxc/lxc-user-nic create /x c $pid veth rstest0 b$n >/dev/null 2>&1 & jobs+=($!)
        done
        wait ${jobs[*]} || true
        [ "$(links | wc -l)" -le 4 ] || echo "$(links | wc -l) links"
        [ "$(wc -l <$records)" -le 4 ] || echo "$(wc -l <$records) records"'
    same 'what they saw' 'a0 b0 a1 b1 ours full theirs full 4' "$(xargs <"$RUN/out")"
}

test_usernic_100_at_once() {
    no_user_tools && return
    nic_world '
        echo "t-user veth rstest0 7" >$usernet
        ns t-user; own=$pid
        jobs=()
        for n in $(seq 100); do
            nic t-user create /x c $own veth rstest0 e$n >$run/user/$n 2>/dev/null & jobs+=($!)
        done
        made=0
        for job in ${jobs[*]}; do wait $job && made=$((made + 1)) || true; done
        echo "$made made, $(links | wc -l) links, $(wc -l <$records) records, $(ip -br link show type veth | wc -l) in all"
        diff <(links | sort) <(cut -d" " -f4 $records | sort) && echo the same
        # Deleted and made anew at once.
        jobs=()
        for n in $(seq 100); do
            IFS=: read -r _ _ link _ <$run/user/$n || continue
            nic t-user delete /x c /proc/$own/ns/net veth rstest0 $link & jobs+=($!)
            nic t-user create /x c $own veth rstest0 f$n >/dev/null 2>&1 & jobs+=($!)
        done
        wait ${jobs[*]} || true
        [ "$(links | wc -l)" -le 7 ] || echo "$(links | wc -l) links"
        diff <(links | sort) <(cut -d" " -f4 $records | sort) && echo the same
        kill $own
        until [ -z "$(links)" ]; do sleep 0.1; done
        ns t-user
        nic t-user create /x c $pid veth rstest0 >/dev/null
        wc -l <$records'
    same 'what they saw' '7 made, 7 links, 7 records, 7 in all the same the same 1' "$(xargs <"$RUN/out")"
}

test_usernic_deletes_own_links_only() {
    no_user_tools && return
    nic_world '
        printf "%s\n" "@t-group veth rstest0 3" "t-user veth rstest1 3" "t-other veth rstest0 9" >$usernet
        ns t-user; own=$pid; ns t-other; other=$pid
        link() { cut -d: -f3; }
        mine=$(nic t-user create /x c $own veth rstest0 | link)
        third=$(nic t-user create /x c $own veth rstest1 | link)
        # As the bridge is, and no host: without IPv6.
        ip link set rstest1 mtu 1400
        fourth=$(nic t-user create /x c $own veth rstest1 | link)
        echo "$(cat /proc/sys/net/ipv6/conf/$fourth/disable_ipv6) $(ip -o link show $fourth | grep -o "mtu [0-9]*")" \
            "$(nsenter -t $own --user --net --preserve-credentials ip -o link show eth2 | grep -o "mtu [0-9]*")"
        nic t-user delete /x c /proc/$own/ns/net veth rstest1 $fourth
        ip link add rsplain type veth peer name rsplain1
        ip link set rsplain master rstest0
        before=$(cat $records; ip -br link)
        no() { nic "$@" && echo "done: $*" || true; [ "$before" = "$(cat $records; ip -br link)" ] || echo "changed: $*"; }
        no t-other delete /x c /proc/$other/ns/net veth rstest0 $mine
        no t-other delete /x c /proc/$own/ns/net veth rstest0 $mine
        no t-user delete /x c /proc/$own/ns/net veth rstest1 $mine
        no t-user delete /x c /proc/$own/ns/net veth none $mine
        no t-user delete /x c /proc/$own/ns/net veth rstest0 $third
        no t-user delete /x c /proc/$own/ns/net veth rstest0 rsplain
        no t-user delete /x c /proc/$own/ns/net veth rstest0 rstest0
        no t-user delete /x c /proc/$own/ns/net veth rstest0 lo
        no t-user delete /x c /proc/$own/ns/net veth rstest0 ${mine%?}
        no t-user delete /x c /proc/$own/ns/net phys rstest0 $mine
        no t-user delete /x c /proc/1/ns/net veth rstest0 $mine
        # A record that root made for another link: not one of this user by its name.
        echo "@t-group veth rstest0 rsplain" >>$records
        before=$(cat $records; ip -br link)
        no t-user delete /x c /proc/$own/ns/net veth rstest0 rsplain
        # A link that root took out of the bridge.
        ip link set $mine nomaster
        before=$(cat $records; ip -br link)
        no t-user delete /x c /proc/$own/ns/net veth rstest0 $mine
        ip link set $mine master rstest0
        nic t-user delete /x c /proc/$own/ns/net veth rstest0 $mine && echo deleted
        ip link del rsplain
        # The namespace as a descriptor, and a link that is gone already.
        ip link del $third
        nic t-user delete /x c /proc/self/fd/0 veth rstest1 $third </proc/$own/ns/net && echo forgotten
        grep -c . $records || true'
    same 'what they saw' '1 mtu 1400 mtu 1400 deleted forgotten 1' "$(xargs <"$RUN/out")"
}

# The answer to a path tells nothing of what is behind it (CVE-2022-47952), and nothing is opened with
# root's rights (CVE-2018-6556); a namespace must be the caller's (CVE-2017-5985).
test_usernic_refuses_namespaces_of_others() {
    no_user_tools && return
    nic_world '
        echo "@t-group veth rstest0 90" >$usernet
        ns t-user; own=$pid; ns t-other; other=$pid
        stays root unshare --net sleep 300; roots=$pid
        stays t-user sleep 300; plain=$pid
        mkdir -m 700 /run/lxc/secret
        ln -s /proc/$own/ns/net /run/lxc/secret/net
        mkfifo -m 666 /home/t-user/fifo
        ln -s /proc/$own/ns/net /home/t-user/link
        ln -s /home/t-user/fifo /home/t-user/to-fifo
        sleep 0.2
        answer() { nic t-user "$@" 2>&1 && echo "made: $*" || true; }
        {
            for pid in 1 $other $roots $plain $$ 2147483647; do answer create /x c $pid veth rstest0; done
            for path in /run/lxc/secret/net /run/lxc/secret/none /run/lxc/none /etc/shadow /etc/passwd /dev/tty /home/t-user/fifo \
                /home/t-user/to-fifo /home/t-user /proc/$own/ns/user /proc/$own/ns/mnt /proc/$other/ns/net /proc/$roots/ns/net \
                /proc/self/ns/net /proc/1/ns/net "" ../proc /proc/self/fd/0 /proc/self/fd/9; do
                answer delete /x c "$path" veth rstest0 veth1_abcd </dev/null
            done
        } | sort | uniq -c
        ls /run/lxc
        # Namespaces in namespaces are the user.s, too.
        stays t-user unshare -Ur unshare -Urn sleep 300
        nic t-user create /x c $pid veth rstest0 | cut -d: -f1
        nic t-user delete /x c /home/t-user/link veth rstest0 veth1_abcd 2>&1 | head -1'
    same 'what they saw' '25 hint: it must belong to a user namespace that this user made'\
' 25 lxc-user-nic: t-user has no rights over such a network namespace secret eth0'\
' lxc-user-nic: t-user has no link veth1_abcd on rstest0' "$(xargs <"$RUN/out")"
}

test_usernic_records_are_roots() {
    no_user_tools && return
    nic_world '
        echo "t-user veth rstest0 90" >$usernet
        ns t-user
        echo secret >$run/user/victim
        no() { nic t-user create /x c $pid veth rstest0 >/dev/null 2>&1 && echo "made with $1" || true
            [ -z "$(links)" ] || echo "a link with $1"; }
        ln -s $run/user/victim $records; no link; rm $records
        ln -s $run/user/nowhere $records; no dangling; [ ! -e $run/user/nowhere ] || echo made; rm $records
        mkfifo $records; no fifo; rm $records
        mkdir $records; no directory; rmdir $records
        touch $records; chown t-user $records; no owner; rm -f $records
        touch /run/lxc/other; ln /run/lxc/other $records; no hard; rm $records
        truncate -s 100M $records; no large; rm $records
        chmod 777 /run/lxc; no directory-mode; chmod 755 /run/lxc
        chown t-user /run/lxc; no directory-owner; chown root /run/lxc
        chmod 666 $usernet; no policy; chmod 644 $usernet
        rm $usernet; mkfifo $usernet; no policy-fifo; rm $usernet
        echo "t-user veth rstest0 90" >$usernet
        cat $run/user/victim; stat -c %a $run/user/victim; rm $run/user/victim
        # What is in it: half a line, other lines, lines twice, bytes.
        printf "t-user veth rstest0 veth1_aaaa\n\n\0\377 \n one two\nt-user veth rstest0 veth1_aaaa\nt-other veth br9 veth2_bbbb\nt-other veth" >$records
        chmod 644 $records
        nic t-user create /x c $pid veth rstest0 >/dev/null
        sed -E "s/veth[0-9]+_.{4}/LINK/" $records
        stat -c %a $records
        # Where the directory is missing.
        umount /run/lxc; mount -t tmpfs none /run; mkdir -p /run/user
        nic t-user create /x c $pid veth rstest0 >/dev/null
        stat -c "%a %U" /run/lxc /run/lxc/nics'
    same 'what they saw' 'secret 644 t-other veth br9 LINK t-user veth rstest0 LINK 600 755 root 600 root' "$(xargs <"$RUN/out")"
}

test_usernic_hostile_callers() {
    no_user_tools && return
    command -v strace >/dev/null || { skipped='strace is not installed'; return; }
    nic_world '
        echo "t-user veth rstest0 90" >$usernet
        ns t-user
        made=0
        expect() { made=$((made + 1)); [ "$(links | wc -l)" = $made ] && [ "$(wc -l <$records)" = $made ] || echo "not made: $1: $(links | wc -l) $(wc -l <$records)"; }
        create="create /x c $pid veth rstest0"
        nic t-user $create <&- >/dev/full 2>&- && echo "printed to a full device" || true
        [ -z "$(links)$(cat $records)" ] || echo "a link that nobody knows"
        nic t-user $create <&- >&- 2>&-; expect closed
        limited() { prlimit "$1" setpriv --reuid t-user --regid t-user --init-groups $program $create 2>&1; }
        limited --fsize=0:unlimited >/dev/null; expect "a file limit"
        limited --nofile=4:64 >/dev/null; expect descriptors
        # Root raises it, unless it is the root of a container that may not.
        if limited --fsize=0:0 >$run/user/said; then expect "a hard limit"; else grep -q "limit of the caller" $run/user/said || cat $run/user/said; fi
        (umask 777; nic t-user $create >/dev/null); expect umask
        (trap "" HUP INT QUIT PIPE ALRM TERM CHLD USR1; nic t-user $create >/dev/null); expect signals
        (mkdir /home/t-user/gone; cd /home/t-user/gone; rmdir ../gone; nic t-user $create >/dev/null); expect directory
        (nice -n 19 setpriv --reuid t-user --regid t-user --init-groups env -i LD_PRELOAD=/x.so LD_LIBRARY_PATH=/x PATH=/x IFS=x \
            GCONV_PATH=/x MALLOC_CHECK_=3 RUST_BACKTRACE=full GLIBC_TUNABLES=glibc.malloc.check=3 HOSTALIASES=/etc/shadow LOCPATH=/x \
            $program $create >/dev/null); expect environment
        python3 - "$program" $create >/dev/null <<PY && expect alarm
import os, signal, sys, pwd
user = pwd.getpwnam("t-user")
for fd in range(10, 200): os.dup2(1, fd)
os.initgroups("t-user", user.pw_gid); os.setresgid(*[user.pw_gid] * 3); os.setresuid(*[user.pw_uid] * 3)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
os.execv(sys.argv[1], sys.argv[1:])
PY
        # No arguments, not even a name.
        python3 -c "import os, sys; os.execv(sys.argv[1], [\"\"])" $program 2>/dev/null && echo "no arguments" || true
        # What it has once it runs as root: none of what the caller opened, no environment.
        HOME=/x strace -f -u t-user -o $run/user/trace -e trace=openat,sendto,setresuid,pwrite64,capset $program $create >/dev/null 7</etc/passwd
        grep -A99 "capset(" $run/user/trace | grep -q "nics" && echo "records after capset"
        grep -B99 "capset(" $run/user/trace | grep -c "openat.*/ns/net" || true
        awk "/setresuid\(0, [1-9][0-9]*, 0\)/ { user = 1 } /setresuid\(0, 0, 0\)/ { user = 0 } /ns\/net/ { print user ? \"as the user\" : \"as root\" }" $run/user/trace'
    same 'what they saw' 'records after capset 1 as the user' "$(xargs <"$RUN/out")"
}

# Killed at each of its system calls: no link is there that is not counted, no record is lost, and the next
# call works.
test_usernic_killed_at_any_moment() {
    no_user_tools && return
    command -v strace >/dev/null || { skipped='strace is not installed'; return; }
    local calls='openat read close fstat fcntl fchmod getrandom setresuid capset sendto recvfrom pwrite64 ftruncate write' least=50
    [ -z "${LXC_RS_EMULATED:-}" ] || calls='sendto pwrite64 ftruncate' least=10
    nic_world '
        echo "t-user veth rstest0 4" >$usernet
        all() { ip -br link show type veth | sed "s/@.*//"; }
        kills=0
        ns t-user
        # Two pages of records that stay, some that do not, and those of a link.
        kept=$(nic t-user create /x c $pid veth rstest0 | cut -d: -f3)
        filled=$(for n in $(seq 110 300); do echo "t-other veth rstest1 veth9999_x$n"; done
            for n in 1 2 3; do echo "t-user veth rstest0 veth9999_y$n"; done
            echo "t-user veth rstest0 $kept")
        [ ${#filled} -gt 4096 ]
        for call in '"$calls"'; do
            n=0
            while n=$((n + 1)); do
                echo "$filled" >$records
                strace -u t-user -qq -o /dev/null -e inject=$call:signal=KILL:when=$n $program create /x c $pid veth rstest0 >/dev/null 2>&1 && break
                kills=$((kills + 1))
                for link in $(all); do grep -q " $link\$" $records || echo "$call $n: $link is not counted"; done
                [ "$(sort -u $records | grep -c "^t-other veth rstest1 veth9999_x...\$")" = 191 ] || echo "$call $n: lost"
                made=$(nic t-user create /x c $pid veth rstest0 2>&1) || echo "$call $n: then $made"
                [ "$(grep -c "^t-user" $records)" = "$(all | wc -l)" ] || echo "$call $n: $(grep -c "^t-user" $records) records, $(all | wc -l) links"
                for link in $(all); do [ "$link" = $kept ] || ip link del $link; done
            done
            for link in $(all); do [ "$link" = $kept ] || ip link del $link; done
        done
        [ $kills -ge '"$least"' ] && echo enough || echo "$kills kills"'
    same 'what they saw' enough "$(xargs <"$RUN/out")"
}

test_usernic_any_arguments() {
    no_user_tools && return
    nic_world '
        echo "t-user veth rstest0 90" >$usernet
        ns t-user
        python3 - $program $pid <<PY
import os, pwd, random, subprocess, sys
program, pid = sys.argv[1:]
random.seed(17)
user = pwd.getpwnam("t-user")
words = ["create", "delete", "/x", "c", pid, "/proc/%s/ns/net" % pid, "veth", "rstest0", "none", "eth0", "veth1_abcd", "", "%s%n", "-1", "9" * 30,
    "a" * 100000, "../../etc", "eth%d", "lo", "all", "rstest0 9\n@x", "t-user veth rstest0 x\n", "\u00e4", "--help", "-", "0x11"]
def become():
    os.initgroups("t-user", user.pw_gid); os.setresgid(*[user.pw_gid] * 3); os.setresuid(*[user.pw_uid] * 3)
for _ in range(300):
    arguments = [random.choice(words) for _ in range(random.randrange(10))]
    if random.random() < 0.7:
        arguments = [random.choice(words[:2]), "/x", "c", *(random.choice(words) for _ in range(random.randrange(2, 5)))]
    if random.random() < 0.3:
        arguments = [bytes(random.randrange(1, 256) for _ in range(random.randrange(20))) for _ in range(7)]
    done = subprocess.run([program, *arguments], preexec_fn=become, capture_output=True)
    if done.returncode not in (0, 1) or (done.returncode == 0) != (done.stderr == b"") or b"panicked" in done.stderr:
        print(done.returncode, arguments, done.stderr)
PY
        diff <(ip -br link show type veth | sed "s/@.*//" | sort) <(cut -d" " -f4 $records | sort) && echo counted'
    same 'what they saw' counted "$(cat "$RUN/out")"
}

# What it is made of: libc, little code, and the system calls that its work takes.
test_usernic_holds_nothing_it_does_not_need() {
    no_user_tools && return
    command -v strace >/dev/null || { skipped='strace is not installed'; return; }
    local program=$STAGE/libexec/lxc/lxc-user-nic crates calls
    same 'mode' '4755 root' "$(stat -c '%a %U' "$program")"
    same 'libraries' 'libc.so.6' "$(ldd "$program" | awk '$2 == "=>" { print $1 }' | xargs)"
    if command -v cargo >/dev/null; then
        crates=$(cargo tree --offline -p lxc-user-nic -e normal --prefix none 2>/dev/null | awk '{ print $1 }' | xargs)
        same 'crates' 'lxc-user-nic libc' "$crates"
    fi
    strip -o "$RUN/stripped" "$program"
    [ "$(stat -c %s "$RUN/stripped")" -lt 1500000 ] || fail "$(stat -c %s "$RUN/stripped") bytes without optimisation"
    nic_world '
        echo "t-user veth rstest0 90" >$usernet
        ns t-user
        trace() { strace -f -u t-user -o $run/user/trace.$1 $program "${@:2}"; }
        link=$(trace 1 create /x c $pid veth rstest0 | cut -d: -f3)
        trace 2 delete /x c /proc/$pid/ns/net veth rstest0 $link
        trace 3 create /x c 1 veth rstest0 2>/dev/null || true
        grep -hoE "^[0-9]+ +[a-z0-9_]+\(" $run/user/trace.* | sed -E "s/.* //; s/\(//" | sort -u'
    # The loader, the C library (user and group names), Rust's start, and then what main.rs tells.
    calls='access alarm arch_prctl bind brk capset chdir clock_gettime clock_nanosleep close close_range connect execve exit_group
        fchmod fcntl fstat fstatfs ftruncate futex getegid geteuid getgid getgroups getpeername getrandom getsockname getsockopt getuid
        ioctl lseek madvise mkdir mmap mprotect mremap munmap newfstatat open openat poll ppoll prctl pread64 prlimit64 pwrite64 read
        readlink recvfrom recvmsg rseq rt_sigaction rt_sigprocmask sched_getaffinity sched_setscheduler sendmmsg sendmsg sendto set_robust_list
        set_tid_address setgroups setpriority setresgid setresuid setrlimit setsockopt sigaltstack socket stat statx umask uname write gettid'
    same 'unexpected system calls' '' "$(grep -vxF -f <(tr -s ' ' '\n' <<<"$calls") "$RUN/out" | xargs)"
    same 'programs executed' 'execve' "$(grep -x -e execve -e execveat -e fork -e vfork -e clone -e clone3 "$RUN/out" | xargs)"
}
