// What root of a container may try on its host. Each attempt is a line: its name, and the error with which the kernel
// refused it, or "done".
//
//     reach HOSTDIR PID KEY MAJOR:MINOR
//     reach key                           makes a key in the keyring of the user, and says its number
//
// HOSTDIR has the host's files "secret" and "public", PID is a process of the host's root, KEY a key of its, and
// MAJOR:MINOR a block device. Whoever has the right to do all this changes nothing but these with it: the kernel
// looks for the right first, and then what is asked for has no effect, or is wrong in another way.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

static void tell(const char *name, long result) {
    printf("%s %s\n", name, result < 0 ? strerrorname_np(errno) : "done");
    fflush(stdout);
}

// Descriptors stay open: the attempts are few.
static int opens(int flags, const char *format, const char *first, const char *second) {
    char path[4096];
    snprintf(path, sizeof path, format, first, second);
    return open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
}

static void files(const char *host) {
    char secret[4096], public[4096], other[4096];
    snprintf(secret, sizeof secret, "%s/secret", host);
    snprintf(public, sizeof public, "%s/public", host);
    snprintf(other, sizeof other, "%s/other", host);
    tell("file-read", open(secret, O_RDONLY));
    tell("file-write", open(public, O_WRONLY));
    tell("file-truncate", truncate(public, 0));
    tell("file-create", open(other, O_CREAT | O_WRONLY, 0600));
    unlink(other);
    tell("file-link", link(secret, other));
    unlink(other);
    tell("file-rename", rename(public, other));
    rename(other, public);
    tell("file-chmod", chmod(public, 04755));
    tell("file-chown", chown(public, 0, 0));
    struct vfs_cap_data all = {.magic_etc = VFS_CAP_REVISION_2, .data[0].permitted = -1};
    tell("file-capability", setxattr(public, "security.capability", &all, XATTR_CAPS_SZ_2, 0));

    struct { struct file_handle handle; unsigned char bytes[MAX_HANDLE_SZ]; } handle = {.handle.handle_bytes = MAX_HANDLE_SZ};
    int mount, directory = open(host, O_RDONLY | O_DIRECTORY);
    if (name_to_handle_at(AT_FDCWD, secret, &handle.handle, &mount, 0) < 0)
        tell("file-by-handle", -1);
    else
        tell("file-by-handle", open_by_handle_at(directory, &handle.handle, O_RDONLY));
    tell("file-remove", unlink(public));
}

static void mounts(void) {
    static const char *types[] = {"devtmpfs", "debugfs", "tracefs", "securityfs", "configfs", "pstore", "ext4", "vfat", NULL};
    char name[64];
    mkdir("/tmp", 0777);
    for (int i = 0; types[i]; i++) {
        snprintf(name, sizeof name, "mount-%s", types[i]);
        // Without a right to mount there is no answer about the source either.
        tell(name, mount("/nothing", "/tmp", types[i], MS_RDONLY, NULL));
        umount2("/tmp", MNT_DETACH);
    }
    tell("mount-proc", mount("proc", "/tmp", "proc", 0, NULL));
    umount2("/tmp", MNT_DETACH);
}

static void processes(const char *text) {
    static const char *entries[] = {"root/etc/shadow", "cwd/.", "exe", "mem", "environ", "maps", "fd/0", "syscall", "stack",
                                    "ns/mnt", "ns/net", "ns/pid", "ns/user", "ns/uts", "ns/ipc", "ns/cgroup", NULL};
    static const char *written[] = {"oom_score_adj", "mem", "uid_map", "gid_map", "setgroups", "coredump_filter", "comm", NULL};
    char name[64], byte;
    pid_t pid = atoi(text);
    for (int i = 0; entries[i]; i++) {
        snprintf(name, sizeof name, "process-open-%s", entries[i]);
        for (char *at = name; *at; at++) *at = *at == '/' ? '-' : *at;
        tell(name, opens(O_RDONLY, "/proc/%s/%s", text, entries[i]));
    }
    for (int i = 0; written[i]; i++) {
        snprintf(name, sizeof name, "process-write-%s", written[i]);
        tell(name, opens(O_WRONLY, "/proc/%s/%s", text, written[i]));
    }
    tell("process-signal", kill(pid, 0));
    tell("process-signal-thread", syscall(SYS_tgkill, pid, pid, 0));
    siginfo_t info = {.si_code = SI_QUEUE};
    tell("process-signal-queue", syscall(SYS_rt_sigqueueinfo, pid, 0, &info));
    int fd = syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0) {
        tell("process-signal-pidfd", -1);
        tell("process-take-descriptor", -1);
        tell("process-enter", -1);
    } else {
        tell("process-signal-pidfd", syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
        tell("process-take-descriptor", syscall(SYS_pidfd_getfd, fd, 1, 0));
        // Its own namespace of host names is the host's: nothing else of this program changes.
        tell("process-enter", setns(fd, CLONE_NEWUTS));
    }
    tell("process-trace", ptrace(PTRACE_SEIZE, pid, NULL, NULL));
    ptrace(PTRACE_DETACH, pid, NULL, NULL);
    struct iovec here = {&byte, 1}, there = {(void *)0x400000, 1};
    tell("process-memory", process_vm_readv(pid, &here, 1, &there, 1, 0));
    tell("process-compare", syscall(SYS_kcmp, pid, getpid(), 2 /* KCMP_VM */, 0, 0));
    struct rlimit limit;
    tell("process-limit", prlimit(pid, RLIMIT_CORE, NULL, &limit));
    cpu_set_t cpus;
    memset(&cpus, 0xff, sizeof cpus);
    tell("process-cpus", sched_setaffinity(pid, sizeof cpus, &cpus));
    tell("process-nice", setpriority(PRIO_PROCESS, pid, 0));
    tell("process-io-priority", syscall(SYS_ioprio_set, 1, pid, 0));
    tell("process-pages", syscall(SYS_migrate_pages, pid, 0UL, NULL, NULL));
    tell("namespace-above", ioctl(open("/proc/self/ns/user", O_RDONLY), NS_GET_PARENT));
}

static void kernel(void) {
    static const char *paths[] = {
        "kernel/core_pattern", "kernel/core_pipe_limit", "kernel/modprobe", "kernel/hotplug", "kernel/panic", "kernel/sysrq",
        "kernel/randomize_va_space", "kernel/dmesg_restrict", "kernel/kptr_restrict", "kernel/printk", "kernel/threads-max",
        "kernel/perf_event_paranoid", "kernel/unprivileged_bpf_disabled", "kernel/yama/ptrace_scope", "kernel/ctrl-alt-del",
        "kernel/modules_disabled", "kernel/kexec_load_disabled", "kernel/tainted", "kernel/usermodehelper/bset",
        "vm/overcommit_memory", "vm/drop_caches", "vm/mmap_min_addr", "vm/swappiness", "fs/suid_dumpable",
        "fs/protected_symlinks", "fs/protected_hardlinks", "fs/file-max", "fs/nr_open", "dev/tty/ldisc_autoload", NULL};
    static const char *others[] = {"/proc/sysrq-trigger", "/proc/kcore", "/proc/kmsg", "/proc/irq/default_smp_affinity",
                                   "/proc/mtrr", "/proc/timer_list", "/proc/vmallocinfo", "/proc/slabinfo", "/proc/pagetypeinfo", NULL};
    static const char *system[] = {"/sys/kernel/uevent_helper", "/sys/kernel/mm/ksm/run", "/sys/kernel/profiling",
                                   "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/kernel/rcu_expedited",
                                   "/sys/module/kernel/parameters/panic", "/sys/module/printk/parameters/time", "/sys/power/state",
                                   "/sys/power/pm_async", "/sys/devices/system/cpu/cpu1/online", "/sys/bus/pci/rescan",
                                   "/sys/block/loop0/queue/read_ahead_kb", "/sys/block/loop0/uevent", "/sys/class/mem/null/uevent", NULL};
    char name[128];
    for (int i = 0; paths[i]; i++) {
        snprintf(name, sizeof name, "sysctl-%s", paths[i]);
        tell(name, opens(O_WRONLY, "/proc/sys/%s", paths[i], ""));
    }
    // Those that say something are read, the others written.
    for (int i = 0; others[i]; i++)
        tell(others[i], opens(i == 0 || i == 3 || i == 4 ? O_WRONLY : O_RDONLY, "%s", others[i], ""));
    for (int i = 0; system[i]; i++) tell(system[i], opens(O_WRONLY, "%s", system[i], ""));

    // Each with arguments that are looked at only after the right to call it.
    tell("module-load", syscall(SYS_init_module, "none", 4, ""));
    tell("module-load-file", syscall(SYS_finit_module, -1, "", 0));
    tell("module-remove", syscall(SYS_delete_module, "no_such_module", O_NONBLOCK));
    tell("kexec", syscall(SYS_kexec_load, 0, 1000, NULL, 0));
    tell("kexec-file", syscall(SYS_kexec_file_load, -1, -1, 0, NULL, -1L));
    tell("reboot", syscall(SYS_reboot, 0xfee1dead, 672274793, 0x89abcdef /* CAD_ON */, NULL));
    struct timezone zone = {.tz_minuteswest = 100000};
    tell("clock-set", settimeofday(NULL, &zone));
    struct timex adjust = {.modes = ADJ_TICK, .tick = 1};
    tell("clock-adjust", adjtimex(&adjust));
    tell("log-level", klogctl(8, NULL, 0));
    tell("swap-on", swapon("/no/such/file", 0));
    tell("swap-off", swapoff("/no/such/file"));
    tell("accounting", acct("/no/such/file"));
    tell("ports", iopl(3));
    tell("port", ioperm(0x80, 1, 1));
    tell("fanotify-content", syscall(SYS_fanotify_init, 4 /* FAN_CLASS_CONTENT */, 0));
    union bpf_attr bpf = {.start_id = 0};
    tell("bpf-programs", syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &bpf, sizeof bpf) < 0 && errno == ENOENT ? 0 : -1);
    union bpf_attr program = {.prog_type = BPF_PROG_TYPE_KPROBE, .insn_cnt = 1};
    tell("bpf-kprobe", syscall(SYS_bpf, BPF_PROG_LOAD, &program, sizeof program));
    struct perf_event_attr event = {.type = PERF_TYPE_SOFTWARE, .size = sizeof event, .config = PERF_COUNT_SW_CPU_CLOCK};
    tell("perf-of-all", syscall(SYS_perf_event_open, &event, -1, 0, -1, 0));
    tell("faults-of-the-kernel", syscall(SYS_userfaultfd, 0));
    struct rlimit limit;
    getrlimit(RLIMIT_RTPRIO, &limit);
    limit.rlim_max++;
    tell("limit-raised", setrlimit(RLIMIT_RTPRIO, &limit));
    setpriority(PRIO_PROCESS, 0, 1);
    tell("nice", setpriority(PRIO_PROCESS, 0, -20));
    tell("io-priority-realtime", syscall(SYS_ioprio_set, 1, 0, 1 << 13));
    struct sched_param fifo = {.sched_priority = 1};
    tell("realtime", sched_setscheduler(0, SCHED_FIFO, &fifo));
    sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){0});
}

static void devices(const char *block) {
    static const char *nodes[] = {"mem", "port", "kmsg", "loop-control", "loop0", "tty0", "tty1", "vcs", "btrfs-control", "kvm",
                                  "cpu_dma_latency", "hwrng", "nvram", "rtc0", "vda", NULL};
    unsigned number[2];
    char name[64];
    sscanf(block, "%u:%u", &number[0], &number[1]);
    struct { const char *name; mode_t type; dev_t number; } made[] = {
        {"disk", S_IFBLK, makedev(number[0], number[1])}, {"loop", S_IFBLK, makedev(7, 0)}, {"memory", S_IFCHR, makedev(1, 1)},
        {"log", S_IFCHR, makedev(1, 11)}, {"vt", S_IFCHR, makedev(4, 0)}, {"loop-control", S_IFCHR, makedev(10, 237)},
        {"kvm", S_IFCHR, makedev(10, 232)}, {"cuse", S_IFCHR, makedev(10, 203)}};
    for (unsigned i = 0; i < sizeof made / sizeof *made; i++) {
        // A node that may be made must not be one that opens.
        snprintf(name, sizeof name, "node-%s", made[i].name);
        unlink("/root/node");
        long result = mknod("/root/node", made[i].type | 0600, made[i].number);
        tell(name, result < 0 ? result : open("/root/node", O_RDONLY | O_NONBLOCK));
        unlink("/root/node");
    }
    for (int i = 0; nodes[i]; i++) {
        snprintf(name, sizeof name, "/dev/%s", nodes[i]);
        tell(name, opens(O_RDONLY, "%s", name, ""));
    }
}

static void keys(const char *text) {
    long key = atol(text);
    char byte;
    tell("key-read", syscall(SYS_keyctl, 11 /* READ */, key, &byte, 1));
    tell("key-describe", syscall(SYS_keyctl, 6 /* DESCRIBE */, key, &byte, 1));
    tell("key-link", syscall(SYS_keyctl, 8 /* LINK */, key, -2 /* process keyring */));
    tell("key-permissions", syscall(SYS_keyctl, 5 /* SETPERM */, key, 0x3f3f0000));
    tell("key-invalidate", syscall(SYS_keyctl, 21 /* INVALIDATE */, key));
}

static void cgroups(void) {
    static const char *files[] = {"cgroup.procs", "release_agent", "memory.max", "memory/memory.limit_in_bytes", "pids/pids.max",
                                  "pids/release_agent", "pids/notify_on_release", "devices/devices.allow", NULL};
    char name[128];
    for (int i = 0; files[i]; i++) {
        snprintf(name, sizeof name, "cgroup-%s", files[i]);
        tell(name, opens(O_WRONLY, "/sys/fs/cgroup/%s", files[i], ""));
    }
    // A mount of its own shows its own part, whose limits are the host's to set.
    static const char *own[][3] = {{"cgroup", "memory", "memory.limit_in_bytes"}, {"cgroup", "devices", "devices.allow"},
                                   {"cgroup", "pids", "release_agent"}, {"cgroup2", NULL, "memory.max"},
                                   {"cgroup2", NULL, "cgroup.freeze"}};
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "own-cgroup-%s", own[i][2]);
        if (mount("cgroup", "/tmp", own[i][0], 0, own[i][1]) < 0) {
            tell(name, -1);
        } else {
            tell(name, opens(O_WRONLY, "/tmp/%s", own[i][2], ""));
            umount2("/tmp", MNT_DETACH);
        }
    }
}

int main(int count, char **words) {
    if (count == 2) return printf("%ld\n", syscall(SYS_add_key, "user", "lxc-rs:reach", "secret", 6, -4 /* of the user */)) < 0;
    if (count != 5) return 2;
    files(words[1]);
    mounts();
    processes(words[2]);
    kernel();
    devices(words[4]);
    keys(words[3]);
    cgroups();
    return 0;
}
