/* The least that a container costs: new namespaces, ten cgroups, a root filesystem with proc, sys and
 * dev, pivot_root and exec; then a command that joins its namespaces and cgroups; then its kill and the removal of
 * the cgroups. Prints the times of start, stop and command of each round in microseconds.
 *
 *   bare ROOTFS ROUNDS
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *hierarchies[] = { "cpu", "cpuacct", "cpuset", "memory", "devices",
				     "freezer", "blkio", "pids", "systemd", "unified" };
enum { COUNT = sizeof hierarchies / sizeof *hierarchies };

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static void need(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		_exit(1);
	}
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (write(fd, text, strlen(text)) < 0)
			perror(path);
		close(fd);
	}
}

static pid_t owner;

static void cgroup_path(char *path, size_t size, int index, const char *file)
{
	snprintf(path, size, "/sys/fs/cgroup/%s/bare-%d%s", hierarchies[index], owner, file);
}

/* The cgroup in the hierarchy of v2, to be cloned into. */
static int open_unified(void)
{
	char path[256];
	cgroup_path(path, sizeof path, COUNT - 1, "");
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	need(dir >= 0, path);
	return dir;
}

/* Each process moves itself: a thread that writes 0 to a v1 tasks file waits for no lock of the kernel. That of v2 is
 * entered by the clone, for the same reason. */
static void enter_cgroups(void)
{
	char path[256];
	for (int i = 0; i < COUNT; i++) {
		cgroup_path(path, sizeof path, i, "/tasks");
		/* An empty cpuset takes nobody. */
		if (strcmp(hierarchies[i], "cpuset") && strcmp(hierarchies[i], "unified"))
			write_text(path, "0");
	}
}

static void child(const char *rootfs)
{
	enter_cgroups();
	need(!mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL), "slave");
	need(!mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL), "bind");
	need(!chdir(rootfs), "chdir");
	need(!mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "proc");
	need(!mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "sysfs");
	need(!mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755"), "dev");
	mkdir("dev/pts", 0755);
	need(!mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance"), "devpts");
	need(!syscall(SYS_pivot_root, ".", "."), "pivot_root");
	need(!umount2(".", MNT_DETACH), "umount");
	need(!sethostname("bare", 4), "sethostname");
	execl("/bin/busybox", "busybox", "sleep", "1000", NULL);
	need(0, "exec");
}

/* Joins the container of `pid` and executes `true` there. Pid namespaces are entered by a child. */
static void attach(pid_t pid)
{
	int target = syscall(SYS_pidfd_open, pid, 0);
	need(target >= 0, "pidfd_open");
	pid_t joined = fork();
	need(joined >= 0, "fork");
	if (!joined) {
		enter_cgroups();
		int unified = open_unified();
		need(!setns(target, CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET |
				    CLONE_NEWCGROUP), "setns");
		struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = unified };
		pid_t command = syscall(SYS_clone3, &args, sizeof args);
		need(command >= 0, "clone3");
		if (!command) {
			execl("/bin/busybox", "true", NULL);
			need(0, "exec");
		}
		int status;
		waitpid(command, &status, 0);
		_exit(status != 0);
	}
	int status;
	waitpid(joined, &status, 0);
	need(status == 0, "attach");
	close(target);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 1;
	for (int round = atoi(argv[2]); round > 0; round--) {
		char path[256];
		int executed[2];
		need(!pipe2(executed, O_CLOEXEC), "pipe");
		double begin = now();
		for (int i = 0; i < COUNT; i++) {
			cgroup_path(path, sizeof path, i, "");
			mkdir(path, 0755);
		}
		int unified = open_unified();
		struct clone_args args = { .flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID |
						    CLONE_NEWNET | CLONE_NEWCGROUP | CLONE_INTO_CGROUP,
					   .exit_signal = SIGCHLD,
					   .cgroup = unified };
		pid_t pid = syscall(SYS_clone3, &args, sizeof args);
		need(pid >= 0, "clone3");
		close(unified);
		if (!pid) {
			close(executed[0]);
			child(argv[1]);
		}
		close(executed[1]);
		char byte;
		need(read(executed[0], &byte, 1) == 0, "exec");
		double started = now();
		close(executed[0]);
		usleep(20000);
		double attaching = now();
		attach(pid);
		double attached = now();
		double stopping = now();
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		for (int i = 0; i < COUNT; i++) {
			cgroup_path(path, sizeof path, i, "");
			if (rmdir(path) && errno != ENOENT)
				perror(path);
		}
		printf("%.0f %.0f %.0f\n", started - begin, now() - stopping, attached - attaching);
		usleep(20000);
	}
	return 0;
}
