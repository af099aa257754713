// Tries inside a container what AppArmor decides on, and says of each whether it was denied: EACCES, which the
// kernel answers before it looks at anything else. What was mounted is unmounted, and no file is written. `try mounts`, `try nested-mounts`, `try files`.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

// The errno of a mount that is undone.
static int mounted(const char *source, const char *target, const char *type, unsigned long flags) {
    if ((flags & (MS_MOVE | MS_PRIVATE | MS_SLAVE | MS_SHARED | MS_UNBINDABLE)) == 0 && strcmp(target, "/") != 0) {
        if (mount(source, target, type, flags, NULL) != 0) return errno;
        if ((flags & MS_REMOUNT) == 0) umount2(target, MNT_DETACH);
        return 0;
    }
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) != 0) _exit(255);
        _exit(mount(source, target, type, flags, NULL) == 0 ? 0 : errno);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

static void attempt(const char *what, const char *source, const char *target, const char *type, unsigned long flags) {
    printf("%s %s %s -> %s\n", mounted(source, target, type, flags) == EACCES ? "denied" : "allowed", what, source, target);
}

static void mounts(int nested) {
    // What goes wrong here is nobody else's; not every profile lets the mounts be made slaves.
    if (unshare(CLONE_NEWNS) != 0) { perror("unshare"); return; }
    mount("none", "/", NULL, MS_SLAVE | MS_REC, NULL);
    static const char *types[] = {"proc", "sysfs", "tmpfs", "ramfs", "devpts", "devtmpfs", "mqueue", "securityfs", "debugfs",
        "tracefs", "cgroup", "cgroup2", "overlay", "fuse", "fuse.lxcfs", "fuseblk", "fusectl", "binfmt_misc", "efivarfs",
        "configfs", "pstore", "bpf", "hugetlbfs", "ext4", "btrfs", "nfs", "9p", "autofs"};
    static const char *targets[] = {"/t/b", "/t", "/proc", "/proc/sys", "/proc/sys/fs/binfmt_misc", "/proc/tty", "/proc/1",
        "/sys", "/sys/fs", "/sys/fs/cgroup", "/sys/fs/cgroup/a", "/sys/kernel/security", "/sys/kernel/debug", "/sys/fs/fuse/connections",
        "/sys/fs/pstore", "/sys/firmware", "/sys/kernel/config", "/sys/devices/virtual/net", "/dev", "/dev/pts", "/dev/shm",
        "/dev/mqueue", "/dev/null", "/dev/.lxc", "/dev/.lxc/proc", "/dev/.lxc/sys", "/run", "/run/a", "/tmp", "/var", "/etc", "/usr",
        "/mnt", "/root", "/srv", "/p", "/pr/a", "/proca", "/s", "/sysa", "/d", "/dev1", "/sy/fs"};
    static const struct { const char *name; unsigned long flags; } options[] = {{"ro", MS_RDONLY}, {"nosuid", MS_NOSUID},
        {"nosuid,nodev", MS_NOSUID | MS_NODEV}, {"nosuid,nodev,noexec", MS_NOSUID | MS_NODEV | MS_NOEXEC},
        {"ro,nosuid,nodev,noexec", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC}, {"relatime", MS_RELATIME},
        {"ro,nosuid,nodev,relatime", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_RELATIME}, {"noatime", MS_NOATIME}, {"ro,nosuid", MS_RDONLY | MS_NOSUID}, {"ro,noexec", MS_RDONLY | MS_NOEXEC}, {"noexec", MS_NOEXEC},
        {"nodev", MS_NODEV}, {"sync", MS_SYNCHRONOUS}, {"strictatime", MS_STRICTATIME}, {"rw", 0}, {"silent", MS_SILENT},
        {"nosuid,noexec", MS_NOSUID | MS_NOEXEC}, {"nodev,noexec", MS_NODEV | MS_NOEXEC},
        {"ro,nosuid,nodev", MS_RDONLY | MS_NOSUID | MS_NODEV}, {"ro,nodev", MS_RDONLY | MS_NODEV}, {"ro,nosuid,noexec", MS_RDONLY | MS_NOSUID | MS_NOEXEC}};
    static const char *sources[] = {"/t/a", "/", "/proc", "/proc/sys", "/proc/1", "/proc/sysrq-trigger", "/sys", "/sys/fs/cgroup",
        "/sys/kernel", "/sys/kernel/security", "/dev", "/dev/null", "/dev/pts", "/dev/.lxc/proc", "/etc", "/run", "/var", "/tmp", "/usr", "/root",
        "/srv", "/p", "/pr/a", "/proca", "/s", "/sysa", "/d", "/dev1", "/sy/fs"};
    static const char *made[] = {"/t", "/t/a", "/t/b", "/run", "/run/a", "/srv", "/p", "/pr", "/pr/a", "/proca", "/s", "/sysa", "/d", "/dev1", "/sy", "/sy/fs",
        "/root", "/var", "/dev/.lxc", "/dev/.lxc/proc", "/dev/.lxc/sys"};
    for (size_t i = 0; i < COUNT(made); i++) mkdir(made[i], 0755);
    char what[200];
    for (size_t i = 0; i < COUNT(types); i++)
        for (size_t j = 0; j < COUNT(targets); j++) {
            struct stat found;
            if (stat(targets[j], &found) != 0) continue;
            attempt(types[i], "/dev/null", targets[j], types[i], 0);
        }
    for (size_t i = 0; i < COUNT(options); i++) {
        for (size_t j = 0; j < 13; j += 1) {
            snprintf(what, sizeof what, "%s %s", types[j], options[i].name);
            const char *own = !strcmp(types[j], "sysfs") ? "/sys" : !strcmp(types[j], "proc") ? "/proc" : !strcmp(types[j], "securityfs") ? "/sys/kernel/security" : "/sys/fs/cgroup";
            attempt(what, "/dev/null", "/t/b", types[j], options[i].flags);
            attempt(what, "/dev/null", own, types[j], options[i].flags);
        }
        static const char *remounted[] = {"/", "/t", "/proc", "/proc/sys", "/sys", "/sys/fs/cgroup", "/dev", "/dev/pts", "/dev/shm", "/run", "/etc"};
        for (size_t j = 0; j < COUNT(remounted); j++) {
            snprintf(what, sizeof what, "remount,%s", options[i].name);
            // Where that is allowed it changes the host's own file systems.
            if (!nested) attempt(what, "none", remounted[j], NULL, MS_REMOUNT | options[i].flags);
            snprintf(what, sizeof what, "remount,bind,%s", options[i].name);
            attempt(what, "none", remounted[j], NULL, MS_REMOUNT | MS_BIND | options[i].flags);
        }
        for (size_t j = 0; j < 19; j += 3) {
            snprintf(what, sizeof what, "bind,%s", options[i].name);
            attempt(what, "/t/a", targets[j], NULL, MS_BIND | options[i].flags);
            attempt(what, "/proc", targets[j], NULL, MS_BIND | options[i].flags);
        }
    }
    static const struct { const char *name; unsigned long flags; } kinds[] = {{"bind", MS_BIND}, {"rbind", MS_BIND | MS_REC}, {"move", MS_MOVE}};
    for (size_t i = 0; i < COUNT(kinds); i++)
        for (size_t j = 0; j < COUNT(sources); j++)
            for (size_t k = 0; k < COUNT(targets); k++) {
                struct stat found;
                if (kinds[i].flags == MS_MOVE && (j % 3 != 2 || k % 2)) continue;
                if (stat(sources[j], &found) == 0 && stat(targets[k], &found) == 0)
                    attempt(kinds[i].name, sources[j], targets[k], NULL, kinds[i].flags);
            }
    static const struct { const char *name; unsigned long flags; } propagations[] = {{"private", MS_PRIVATE}, {"slave", MS_SLAVE},
        {"shared", MS_SHARED}, {"unbindable", MS_UNBINDABLE}};
    static const char *propagated[] = {"/", "/t", "/proc", "/proc/sys", "/sys", "/sys/fs/cgroup", "/dev", "/run", "/etc"};
    for (size_t i = 0; i < COUNT(propagations); i++)
        for (size_t j = 0; j < COUNT(propagated); j++) {
            attempt(propagations[i].name, "none", propagated[j], NULL, propagations[i].flags);
            snprintf(what, sizeof what, "r%s", propagations[i].name);
            attempt(what, "none", propagated[j], NULL, propagations[i].flags | MS_REC);
            snprintf(what, sizeof what, "silent r%s", propagations[i].name);
            attempt(what, "none", propagated[j], NULL, propagations[i].flags | MS_REC | MS_SILENT);
        }
}

static void opened(const char *path) {
    struct stat is;
    int fd = -1;
    // Some file systems answer EACCES, too, where nobody can write.
    if (stat(path, &is) == 0 && (is.st_mode & 0222) != 0) {
        fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd >= 0) close(fd);
        else printf("%s write %s\n", errno == EACCES ? "denied" : "other", path);
    }
    if ((is.st_mode & 0444) == 0) return;
    if (strstr(path, "kmsg") || !strncmp(path, "/sys/kernel/slab", 16) || strstr(path, "trace_pipe")) return;
    fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0) close(fd);
    else if (errno == EACCES) printf("denied read %s\n", path);
}

static void walk(const char *dir, int depth) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/aa-new", dir);
    int fd = depth > 2 ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd >= 0) { close(fd); unlink(path); }
    else if (depth <= 2 && errno == EACCES) printf("denied new %s\n", dir);
    snprintf(path, sizeof path, "%s/aa-dir", dir);
    if (depth < 3 && strncmp(path, "/sys/", 5) != 0 && strncmp(path, "/sys/fs/cgroup", 14) != 0) {
        if (mkdir(path, 0700) == 0) rmdir(path);
        else if (errno == EACCES) printf("denied mkdir %s\n", dir);
    }
    struct dirent **found;
    int count = scandir(dir, &found, NULL, alphasort);
    if (count < 0 && errno == EACCES) printf("denied list %s\n", dir);
    for (int i = 0; i < count; i++) {
        const char *name = found[i]->d_name;
        if (!strcmp(name, ".") || !strcmp(name, "..")) continue;
        if (!strcmp(dir, "/proc") && (strspn(name, "0123456789") == strlen(name))) continue;
        snprintf(path, sizeof path, "%s/%s", dir, name);
        struct stat is;
        if (lstat(path, &is) != 0) continue;
        if (S_ISDIR(is.st_mode) && depth < 9) walk(path, depth + 1);
        else if (S_ISREG(is.st_mode)) opened(path);
    }
}

static void label(const char *how, const char *profile) {
    char text[200];
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        int length = snprintf(text, sizeof text, "%s %s", how, profile);
        int fd = open(!strcmp(how, "exec") ? "/proc/self/attr/exec" : "/proc/self/attr/current", O_WRONLY);
        _exit(fd >= 0 && write(fd, text, length) == length ? 0 : 1);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    printf("%s %s %s\n", WEXITSTATUS(status) == 0 ? "allowed" : "denied", how, profile);
}

static void files(void) {
    mkdir("/t", 0755);
    fflush(stdout);
    walk("/proc", 0);
    walk("/sys", 0);
    static const char *more[] = {"/proc/self/attr/current", "/proc/self/attr/exec", "/proc/self/attr/apparmor/current", "/proc/self/oom_score_adj",
        "/proc/self/mem", "/proc/self/uid_map", "/proc/self/comm", "/proc/self/net/dev", "/proc/1/mem", "/proc/1/attr/current", "/proc/1/oom_score_adj", "/proc/1/environ", "/proc/1/comm",
        "/proc/1/root/proc/sysrq-trigger", "/proc/1/ns/mnt", "/proc/self/task/1/comm",
        "/dev/.lxc/proc/sysrq-trigger", "/dev/.lxc/proc/version", "/dev/.lxc/proc/1/comm", "/dev/.lxc/sys/power/state", "/dev/.lxc/sys/kernel/notes"};
    for (size_t i = 0; i < COUNT(more); i++) opened(more[i]);
    fflush(stdout);
    if (fork() == 0) {
        if (unshare(CLONE_NEWNS) != 0) _exit(1);
        errno = 0;
        int failed = syscall(SYS_pivot_root, "/t", "/t");
        printf("%s pivot_root\n", failed && errno == EACCES ? "denied" : "allowed");
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    static const char *hows[] = {"changeprofile", "exec", "stack"};
    static const char *profiles[] = {"unconfined", "lxc-container-default", "lxc-container-default-cgns", "/usr/bin/man", "nosuch", ":lxc-a1_<-var-lib-lxc>:unconfined"};
    for (size_t i = 0; i < COUNT(hows); i++)
        for (size_t j = 0; j < COUNT(profiles); j++) label(hows[i], profiles[j]);
}

int main(int count, char **words) {
    umask(0);
    if (count == 2 && !strcmp(words[1], "mounts")) mounts(0);
    else if (count == 2 && !strcmp(words[1], "nested-mounts")) mounts(1);
    else if (count == 2 && !strcmp(words[1], "files")) files();
    else return 2;
    return 0;
}
