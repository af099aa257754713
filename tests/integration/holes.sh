# More holes of the past, of LXC, runc, crun, incus and LXD: see the table in docs/security.md, which names
# the test of each. tests/holes/run shows that these and those in security*.sh fail where they should.

# Whether anything below DIR of this container is a mount of the host that can be written, but the rootfs.
test_holes_2013_6441_templates_give_nothing_of_the_host_to_write() {
    local template config mounts
    code 0 tool create -n t-given -t busybox -f /dev/null
    ! grep -E '^lxc\.(mount\.entry *= */|mount.fstab|hook|rootfs.mount)' "$LXC/t-given/config" ||
        fail 'the template gives mounts of the host, or hooks'
    # What is executed inside is a copy: nothing that is the host's can be opened for writing by way of it.
    same 'files with a link outside' '' "$(find "$LXC/t-given/rootfs" -xdev -type f -links +1)"
    same 'mounts of the template' '' "$(grep "$LXC/t-given" /proc/self/mountinfo)"
    for config in "$STAGE"/share/lxc/config/*.conf; do
        mounts=$(sed -n 's/^lxc\.mount\.entry *= *//p' "$config" | awk '$1 ~ "^/" && $1 !~ "^/(proc|sys)/" && "," $4 "," !~ ",ro,"')
        same "writable mounts of the host in ${config##*/}" '' "$mounts"
    done
    for template in "$STAGE"/share/lxc/templates/lxc-*; do
        ! grep -nE '(mount +--bind|lxc\.mount\.entry *= */)' "$template" || fail "$template mounts"
    done
    code 0 tool destroy -n t-given
}

test_holes_2015_1331_links_for_locks_are_not_followed() {
    command -v strace >/dev/null || { skipped='no strace(1) to see what is locked'; return; }
    local lock dir
    victim
    container t-lock
    timeout 60 strace -f -qq -s 300 -e trace=openat,open -o "$RUN/trace" "$BIN" destroy -P "$LXC" -n t-lock
    lock=$(grep -o '"[^"]*lxc/lock/[^"]*/\.t-lock"' "$RUN/trace" | head -1 | tr -d '"')
    [ -n "$lock" ] || { fail 'no lock was opened'; return; }
    container t-lock
    # Up to it nobody but root can put anything.
    dir=${lock//\/\//\/}
    while dir=$(dirname "$dir") && [ "$dir" != / ]; do
        [ -z "$(find "$dir" -maxdepth 0 \( -perm /022 -o ! -uid 0 \))" ] || fail "others can write $dir"
    done
    for link in "$RUN/victim/secret" "$RUN/victim/new"; do
        ln -sf "$link" "$lock"
        code 1 tool destroy -n t-lock
        says "cannot open the lock $lock: ELOOP"
        [ -e "$LXC/t-lock/config" ] || fail 'it was destroyed'
        unharmed keep
    done
    rm -f "$lock" "$RUN/trace"
    unharmed
}

# Attaches to whatever new process comes up inside, by ptrace(2) and through its files in /proc.
tracer() { # FILE
    program "$1" <<'C'
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
/* Whether it has not executed another program yet: what was opened may have waited for that. */
static int is_ours(int pid) {
    char path[64], name[32] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    int fd = open(path, O_RDONLY);
    if (fd < 0) return 0;
    int got = read(fd, name, sizeof name - 1);
    close(fd);
    return got > 0 && !strncmp(name, "lxc-", 4);
}
int main(void) {
    int tried = 0, self = getpid();
    FILE *log = fopen("/traced", "w");
    for (int round = 0; round < 4000; round++, usleep(1000)) {
        DIR *proc = opendir("/proc");
        for (struct dirent *entry; (entry = readdir(proc));) {
            char path[64], byte, *files[] = {"mem", "environ", "maps", "auxv"};
            int pid = atoi(entry->d_name);
            if (pid < 2 || pid == self || pid == getppid() || !is_ours(pid)) continue;
            tried++;
            if (ptrace(PTRACE_SEIZE, pid, 0, 0) == 0 && is_ours(pid)) fprintf(log, "ptrace\n");
            for (int i = 0; i < 4; i++) {
                snprintf(path, sizeof path, "/proc/%d/%s", pid, files[i]);
                int fd = open(path, O_RDONLY);
                if (fd >= 0 && (i == 0 || read(fd, &byte, 1) == 1) && is_ours(pid)) fprintf(log, "%s\n", files[i]);
                if (fd >= 0) close(fd);
            }
            snprintf(path, sizeof path, "/proc/%d/fd", pid);
            DIR *fds = opendir(path);
            if (fds && is_ours(pid)) fprintf(log, "fd\n");
            if (fds) closedir(fds);
            snprintf(path, sizeof path, "/proc/%d/root", pid);
            if (readlink(path, path, 60) > 0 && is_ours(pid)) fprintf(log, "root\n");
        }
        closedir(proc);
        if (!access("/enough", F_OK)) break;
    }
    fprintf(log, tried ? "seen\n" : "nobody\n");
    fclose(log);
    return 0;
}
C
}

test_holes_2016_9962_a_process_that_joins_cannot_be_traced() {
    command -v gcc >/dev/null || { skipped='no compiler for the tracing program'; return; }
    command -v strace >/dev/null || { skipped='no strace(1) to stop it just before the end'; return; }
    local words hook rootfs=$LXC/t-join/rootfs
    container t-join 'lxc.idmap = u 0 100000 65536' 'lxc.idmap = g 0 100000 65536' 'lxc.rootfs.options = idmap=container'
    chmod 755 "$RUN" "$LXC" "$LXC/t-join"
    tracer "$rootfs/bin/trace"
    code 0 tool start -n t-join
    # As root, and as a user of the container, whose process is that user's from a moment on.
    for words in '' '-u 1000' '-eCAP'; do
        rm -f "$rootfs/enough" "$rootfs/traced"
        tool attach -n t-join -- /bin/trace </dev/null >/dev/null 2>&1 &
        hook=$!
        for _ in $(seq 50); do [ -e "$rootfs/traced" ] && break; sleep 0.1; done
        # shellcheck disable=SC2086
        timeout 30 nsenter --net="/run/netns/$NETNS" strace -qq -f -o /dev/null -P /bin/true -e trace=execve \
            -e inject=execve:delay_enter=500ms "$BIN" attach -P "$LXC" -n t-join $words -- /bin/true </dev/null 2>"$RUN/err"
        same "attach $words" 0 $?
        touch "$rootfs/enough"
        wait $hook
        same "what root inside can do to lxc-attach $words" seen "$(sort -u "$rootfs/traced" | xargs)"
    done
    code 0 tool stop -k -n t-join
}

test_holes_2017_18641_nothing_unsigned_is_unpacked() {
    command -v mmdebstrap >/dev/null || { skipped='no mmdebstrap(1) to fetch packages'; return; }
    local mirror=$RUN/mirror dists=$RUN/mirror/dists/trixie kind
    rm -rf "$RUN/cache"
    mkdir -p "$dists/main/binary-amd64" "$RUN/cache"
    : >"$dists/main/binary-amd64/Packages"
    {
        printf 'Origin: Debian\nLabel: Debian\nSuite: stable\nCodename: trixie\nArchitectures: amd64\nComponents: main\n'
        printf 'Date: %s\nSHA256:\n' "$(date -Ru)"
        printf ' %s 0 main/binary-amd64/Packages\n' "$(sha256sum <"$dists/main/binary-amd64/Packages" | cut -d' ' -f1)"
    } >"$dists/Release"
    for kind in none false; do
        [ $kind = none ] || printf -- '-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n' >"$dists/Release.gpg"
        chmod -R a+rX "$RUN"
        code 1 env LXC_CACHE_PATH="$RUN/cache" timeout 100 nsenter --net="/run/netns/$NETNS" "$BIN" create -P "$LXC" -n t-signed -t debian -f /dev/null -- \
            --release=trixie --arch=amd64 --mirror="file://$mirror"
        says 'apt-get update .*failed'
        [ ! -e "$LXC/t-signed" ] || fail 'a container is left'
    done
    # Nothing else is wrong with that mirror, but that it has no packages.
    rm -f "$dists/Release.gpg"
    code 25 timeout 100 mmdebstrap --mode=root --variant=minbase --format=tar --architectures=amd64 \
        --aptopt='Acquire::AllowInsecureRepositories "true"' trixie "$RUN/cache/tree.tar" "file://$mirror"
    says 'did not find any indices'
    rm -rf "$mirror" "$RUN/cache"
}

# Every command of the socket, with every wrong kind of data: too short, too long, without its NUL, with a
# length that is not that of the data. Those that end, freeze or change the container as well.
test_holes_2026_every_command_with_wrong_data() {
    command -v python3 >/dev/null || { skipped='python3 is not installed'; return; }
    local monitor before
    container t-frame 'lxc.console.buffer.size = 4096'
    code 0 tool start -n t-frame
    monitor=$(pgrep -f "^\[lxc monitor\] $LXC t-frame\$")
    before=$(find "/proc/$monitor/fd" -mindepth 1 | wc -l)
    code 0 nsenter --net="/run/netns/$NETNS" python3 - "$LXC/t-frame/command" <<'PYTHON'
import array, os, socket, struct, sys
address = "\0" + sys.argv[1]
STOP, STATE, ITEM, CLIENT, LOG, SERVE, RULE, FREEZE, THAW, CONTEXT, FD, LIMIT = 2, 3, 7, 10, 11, 12, 14, 15, 16, 23, 24, 25
# The length that each takes; the others take none.
exact = {CLIENT: 32, LOG: 24, RULE: 48, CONTEXT: 96, FD: 80, LIMIT: 80}

def ask(header, body, close=True):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(10)
    client.connect(address)
    try:
        client.sendall(header + body)
        if close: client.shutdown(socket.SHUT_WR)
        data, fds, _, _ = socket.recv_fds(client, 65536, 32)
    except (ConnectionResetError, BrokenPipeError):
        data, fds = b"", []
    for fd in fds: os.close(fd)
    client.close()
    return data

def alive():
    data = ask(struct.pack("<iiq", STATE, 0, 0), b"")
    assert len(data) == 16 and struct.unpack("<iiq", data)[2] == 2, data

for command in range(-3, 40):
    wanted = exact.get(command, 0)
    lengths = {0, 1, 2, 7, 8, 15, 16, 31, 33, 63, 64, 79, 81, 95, 97, 255, 256, 4095, 4096, 4097, 8191, 8192, wanted - 1, wanted + 1}
    for length in sorted(n for n in lengths if n >= 0):
        for fill in (b"\0", b"\xff", b"x", b"lxc.uts.name=\n"):
            body = (fill * length)[:length]
            # One that is well formed is no mistake; and with no data these have an effect.
            if command in (STOP, FREEZE, THAW) and length <= 8192: continue
            if command == SERVE: continue
            ask(struct.pack("<iiq", command, length, -1), body)
    # More and less than was said, and lengths that there are not.
    for said, sent in [(0, 64), (64, 0), (64, 63), (8192, 100), (8193, 8193), (1 << 20, 5000), (-1, 16), (-(1 << 31), 0),
                       ((1 << 31) - 1, 8192)]:
        if command in (STOP, FREEZE, THAW, SERVE) and 0 <= said <= 8192 and sent >= said: continue
        ask(struct.pack("<iiq", command, said, -1), b"\xff" * sent)
    for cut in range(16):
        ask(struct.pack("<iiq", command, 16, 0)[:cut], b"")
    alive()
# A state that there is not is none.
for number in (-1, 9, 1 << 30, -(1 << 31)):
    ask(struct.pack("<iiq", SERVE, 0, number), b"")
    alive()
PYTHON
    same state RUNNING "$(state t-frame)"
    same 'the monitor' "$monitor" "$(pgrep -f "^\[lxc monitor\] $LXC t-frame\$")"
    for _ in $(seq 30); do [ "$(find "/proc/$monitor/fd" -mindepth 1 | wc -l)" -le "$before" ] && break; sleep 0.1; done
    same 'descriptors of the monitor' "$before" "$(find "/proc/$monitor/fd" -mindepth 1 | wc -l)"
    code 0 tool stop -k -n t-frame
}

test_holes_2023_25809_cgroups_of_the_host_are_not_writable_inside() {
    local kind ids lines mounts
    for ids in no yes; do
        for kind in cgroup:mixed cgroup:ro cgroup cgroup-full:ro; do
            lines=("lxc.mount.auto = $kind")
            [ $ids = no ] || lines+=('lxc.idmap = u 0 100000 65536' 'lxc.idmap = g 0 100000 65536' 'lxc.rootfs.options = idmap=container')
            container t-groups "${lines[@]}"
            chmod 755 "$RUN" "$LXC" "$LXC/t-groups"
            code 0 tool start -n t-groups
            # What is above its own cgroup: neither made nor written.
            mounts=$(tool attach -n t-groups -- sh -c '
                for dir in $(awk "\$3 ~ /^cgroup/ { print \$2 }" /proc/mounts); do
                    for up in "$dir/.." "$dir/../.."; do
                        case $(stat -f -c %t "$up" 2>/dev/null) in 27e0eb | 63677270) ;; *) continue ;; esac
                        mkdir "$up/t-groups-made" 2>/dev/null && { echo "$up"; rmdir "$up/t-groups-made"; }
                    done
                    # The limits of its own: those are the host'"'"'s word.
                    for file in memory.max memory.limit_in_bytes pids.max devices.allow; do
                        [ -e "$dir/$file" ] && [ "$(stat -c %u "$dir/$file")" = 0 ] && [ '"$ids"' = yes ] &&
                            (echo 1 >"$dir/$file") 2>/dev/null && echo "$dir/$file"
                    done
                done' 2>/dev/null)
            same "writable with $kind, idmap $ids" '' "$mounts"
            code 0 tool stop -k -n t-groups
            case $kind in
                cgroup:mixed)
                    # Without a cgroup namespace it would show the whole host.
                    code 1 tool start -n t-groups -s lxc.namespace.keep=cgroup
                    says 'needs a cgroup namespace'
                    ;;
            esac
            rm -rf "${LXC:?}/t-groups"
        done
    done
}

test_holes_2026_30892_ids_are_numbers_or_nothing_runs() {
    local id
    container t-ids
    code 0 tool start -n t-ids
    for id in '' -1 -0 +0 +5 0x0 1e3 '0 ' ' 0' 0: 0:0 root 4294967295 4294967296 18446744073709551616 99999999999999999999999 0.0 ٣ 1_0; do
        for option in -u -g; do
            code 1 tool attach -n t-ids "$option$id" -- true
            [ ! -s "$RUN/out" ] || fail "attach $option$id said $(cat "$RUN/out")"
        done
        [ -z "$id" ] || [ "$id" = '0 ' ] || [ "$id" = ' 0' ] || for key in lxc.init.uid lxc.init.gid; do
            code 1 tool execute -n t-run -f "$LXC/t-ids/config" -s "$key=$id" -- true
        done
    done
    same 'one that is' '7 8' "$(tool attach -n t-ids -u 7 -g 8 -- sh -c 'echo $(id -u) $(id -g)')"
    same 'the largest' 4294967294 "$(tool attach -n t-ids -u 4294967294 -- awk '/^Uid/ { print $2 }' /proc/self/status)"
    code 0 tool stop -k -n t-ids
}

test_holes_2026_23953_no_line_comes_of_a_value() {
    local value key before
    container t-line
    before=$(cat "$LXC/t-line/config")
    for value in $'a\nlxc.hook.pre-start = /bin/touch '"$RUN/ran" $'a\rlxc.hook.pre-start = /bin/touch '"$RUN/ran" \
        $'a\n\nlxc.include = /etc/passwd'; do
        for key in lxc.uts.name lxc.environment lxc.group lxc.mount.entry lxc.init.cmd lxc.net.0.name; do
            code 1 tool execute -n t-line -s "$key=$value" -- true
            says 'a line break in the value'
        done
        code 1 tool create -n $'t-line\nlxc.net.0.type = none' -t none -f /dev/null
        says 'control character'
        code 1 tool copy -n t-line -N $'t-line\nlxc.x = 1'
    done
    # A file has the lines that it has, and so it is with names from before 2.1.
    printf 'lxc.utsname = a\rlxc.hook.pre-start = /bin/true\nlxc.network.type = empty\n' >"$RUN/given"
    code 0 "$BIN" update-config -c "$RUN/given"
    same 'lines after the update' 2 "$(wc -l <"$RUN/given")"
    same 'the configuration' "$before" "$(cat "$LXC/t-line/config")"
    [ ! -e "$RUN/ran" ] || fail 'a hook ran'
    rm -f "$RUN/given" "$RUN/given.backup"
}

test_holes_2026_23953_no_line_comes_of_a_value_in_c() {
    c_library || return
    container t-cline
    command -v gcc >/dev/null || { skipped='no compiler for the caller'; return; }
    [ -f /usr/include/lxc/lxccontainer.h ] || { skipped='the header is not installed (lxc-dev)'; return; }
    cat >"$RUN/caller.c" <<'C'
#include <lxc/lxccontainer.h>
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv) {
    (void)argc;
    const char *keys[] = {"lxc.uts.name", "lxc.environment", "lxc.group", "lxc.mount.entry", "lxc.init.cmd", "lxc.net.0.name", 0};
    const char *values[] = {"a\nlxc.hook.pre-start = /bin/true", "a\r\nlxc.hook.pre-start = /bin/true", "a\n", "\n", "\r", 0};
    struct lxc_container *c = lxc_container_new("t-cline", argv[1]);
    if (!c) return 2;
    for (const char **key = keys; *key; key++)
        for (const char **value = values; *value; value++)
            if (c->set_config_item(c, *key, *value)) printf("%s took %s\n", *key, *value);
    if (c->set_config_item(c, "lxc.uts.name\nlxc.hook.pre-start", "/bin/true")) puts("a key was taken");
    if (!c->save_config(c, NULL)) puts("not saved");
    char text[256] = "";
    c->get_config_item(c, "lxc.hook.pre-start", text, sizeof text);
    if (*text) printf("hook %s\n", text);
    lxc_container_put(c);
    return 0;
}
C
    gcc -o "$RUN/caller" "$RUN/caller.c" -L"$STAGE/lib" -l:liblxc.so.1 || fail 'the caller cannot be built'
    LD_LIBRARY_PATH=$STAGE/lib code 0 alone "$RUN/caller" "$LXC"
    same 'what the library took' '' "$(cat "$RUN/out")"
    same 'lines of hooks' 0 "$(grep -c hook "$LXC/t-cline/config")"
    rm -f "$RUN/caller" "$RUN/caller.c"
}

# Outputs and trees that are links: a console log and a copy's target that lie where somebody else can put links.
test_holes_2026_48749_a_link_for_the_rootfs_or_an_output() {
    local uid=100000 name
    victim
    container t-links "lxc.idmap = u 0 $uid 65536" "lxc.idmap = g 0 $uid 65536" 'lxc.rootfs.options = idmap=container'
    chmod 755 "$RUN" "$LXC" "$LXC/t-links"
    # Root inside, out of its namespace: the place of its rootfs and of its outputs is not its own.
    for name in rootfs config t-links.log snaps console.log; do
        ! setpriv --reuid=$uid --regid=$uid --clear-groups ln -sfn "$RUN/victim" "$LXC/t-links/$name" 2>/dev/null ||
            [ ! -L "$LXC/t-links/$name" ] || fail "root inside put a link at $name"
    done
    # A tree that was made a link between: what is destroyed is the link.
    rm -rf "$LXC/t-links/rootfs"
    ln -s "$RUN/victim" "$LXC/t-links/rootfs"
    code 0 tool destroy -n t-links
    unharmed keep
    # Links inside are copied as links.
    container t-links
    ln -s "$RUN/victim" "$LXC/t-links/rootfs/out"
    ln -s "$RUN/victim/secret" "$LXC/t-links/rootfs/file"
    code 0 tool copy -n t-links -N t-linked
    same 'in the copy' "$RUN/victim $RUN/victim/secret" "$(readlink "$LXC/t-linked/rootfs/out" "$LXC/t-linked/rootfs/file" | xargs)"
    code 0 tool snapshot -n t-links
    # A snapshot's name is no path.
    for name in .. ../.. ../../t-linked ../snaps/snap0 /etc '' "../../../../../../../..$RUN/victim"; do
        code 1 tool snapshot -n t-links -d "$name"
        code 1 tool snapshot -n t-links -r "$name" -N t-restored
        code 1 tool snapshot -n t-links -r snap0 -N "$name/t-restored"
    done
    [ -d "$LXC/t-linked/rootfs" ] && [ -d "$LXC/t-links/snaps/snap0/rootfs" ] || fail 'a path as name removed something'
    code 0 tool destroy -s -n t-links
    code 0 tool destroy -n t-linked
    unharmed
}
