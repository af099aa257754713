/* A program with threads of its own that uses containers through liblxc.so.1, and looks after each call whether
 * it is still what it was: `program LXCPATH LINK`; LINK is a network link that a container may have for a while.
 * Compiled with the header of LXC. Prints a line for each call and ends with 1 at a change or a wrong answer. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lxc/lxccontainer.h>

#include "listens.h"

#define AT(member, offset) \
	_Static_assert(offsetof(struct lxc_container, member) == (offset), #member)
AT(name, 0);
AT(configfile, 8);
AT(pidfile, 16);
AT(numthreads, 40);
AT(lxc_conf, 48);
AT(error_string, 56);
AT(error_num, 64);
AT(daemonize, 68);
AT(config_path, 72);
AT(is_defined, 80);
AT(start, 136);
AT(create, 216);
AT(get_config_item, 272);
AT(clone, 344);
AT(attach, 368);
AT(snapshot, 392);
AT(migrate, 496);
AT(devpts_fd, 560);
_Static_assert(sizeof(struct lxc_snapshot) == 40, "lxc_snapshot");
_Static_assert(sizeof(struct bdev_specs) >= 72, "bdev_specs");
_Static_assert(offsetof(struct bdev_specs, dir) == 48, "bdev_specs.dir");
_Static_assert(sizeof(lxc_attach_options_t) == 96, "lxc_attach_options_t");
_Static_assert(offsetof(lxc_attach_options_t, env_policy) == 32, "env_policy");
_Static_assert(offsetof(lxc_attach_options_t, stdin_fd) == 56, "stdin_fd");
_Static_assert(offsetof(lxc_attach_options_t, groups) == 80, "groups");
_Static_assert(sizeof(struct lxc_log) == 48, "lxc_log");

/* How many threads there are beside the first. */
#define THREADS 7

static int wrong;

/* What a caller would notice if it changed. */

static void add_file(FILE *all, const char *key, const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	if (!file) {
		fprintf(all, "%s: %s\n", key, strerror(errno));
		return;
	}
	while (getline(&line, &size, file) > 0)
		fprintf(all, "%s: %s", key, line);
	fprintf(all, "%s ends\n", key);
	free(line);
	fclose(file);
}

static void add_status(FILE *all, const char *task)
{
	static const char *const kept[] = {
		"Umask", "SigBlk", "SigIgn", "SigCgt", "Uid", "Gid", "Groups", "NoNewPrivs", "CapInh",
		"CapPrm", "CapEff", "CapBnd", "CapAmb", "Seccomp", "Cpus_allowed",
	};
	char path[300], *line = NULL;
	size_t size = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/status", task);
	file = fopen(path, "re");
	while (file && getline(&line, &size, file) > 0)
		for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
			if (!strncmp(line, kept[i], strlen(kept[i])) && line[strlen(kept[i])] == ':')
				fprintf(all, "%s %s", task, line);
	free(line);
	if (file)
		fclose(file);
}

static void add_links(FILE *all, const char *dir)
{
	struct dirent **entries;
	int count = scandir(dir, &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		char path[600], target[4096];
		ssize_t length;

		snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
		length = readlink(path, target, sizeof(target));
		/* The directory that is being read is one of the descriptors, and closed by now. */
		if (length > 0)
			fprintf(all, "%s -> %.*s\n", path, (int)length, target);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

static char *facts(void)
{
	static const char *const files[] = {
		"/proc/self/limits", "/proc/self/oom_score_adj", "/proc/self/mountinfo", "/proc/self/environ",
	};
	char *text = NULL, directory[4096], root[4096];
	size_t size;
	FILE *all = open_memstream(&text, &size);
	struct dirent **tasks;
	int count = scandir("/proc/self/task", &tasks, NULL, alphasort), number;
	ssize_t length;

	add_links(all, "/proc/self/fd");
	for (int i = 0; i < count; i++) {
		static const char *const of_task[] = { "children", "cgroup", "comm" };
		char task[280], path[300];

		snprintf(task, sizeof(task), "/proc/self/task/%s", tasks[i]->d_name);
		if (*tasks[i]->d_name != '.') {
			add_status(all, task);
			snprintf(path, sizeof(path), "%s/ns", task);
			add_links(all, path);
			for (size_t j = 0; j < sizeof(of_task) / sizeof(*of_task); j++) {
				snprintf(path, sizeof(path), "%s/%s", task, of_task[j]);
				add_file(all, path, path);
			}
		}
		free(tasks[i]);
	}
	free(tasks);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		add_file(all, files[i], files[i]);
	for (char **variable = environ; *variable; variable++)
		fprintf(all, "environment: %s\n", *variable);
	for (int signal = 1; signal < NSIG; signal++) {
		struct sigaction action;

		if (!sigaction(signal, NULL, &action))
			fprintf(all, "signal %d: %p %x\n", signal, (void *)action.sa_sigaction,
				(unsigned)action.sa_flags);
	}
	length = readlink("/proc/self/root", root, sizeof(root));
	fprintf(all, "directory: %s\nroot: %.*s\n", getcwd(directory, sizeof(directory)), (int)length, root);
	fprintf(all, "dumpable: %d\n", prctl(PR_GET_DUMPABLE));
	if (!prctl(PR_GET_PDEATHSIG, &number))
		fprintf(all, "pdeathsig: %d\n", number);
	if (!prctl(PR_GET_CHILD_SUBREAPER, &number))
		fprintf(all, "subreaper: %d\n", number);
	fprintf(all, "session: %d\ngroup: %d\n", getsid(0), getpgrp());
	fclose(all);
	return text;
}

static void compare(const char *call, const char *before, const char *after)
{
	size_t same = 0;

	if (!strcmp(before, after))
		return;
	/* From the beginning of the first line that differs. */
	while (before[same] && before[same] == after[same])
		same++;
	while (same && before[same - 1] != '\n')
		same--;
	printf("changed by %s: %.*s => %.*s\n", call, (int)strcspn(before + same, "\n"), before + same,
	       (int)strcspn(after + same, "\n"), after + same);
	wrong = 1;
}

/* Calls, and looks whether anything changed; `wanted` is a condition on `got`. */
#define CALL(type, call, wanted) \
	do { \
		char *before = facts(), *after; \
		type got = (call); \
		after = facts(); \
		compare(#call, before, after); \
		free(before); \
		free(after); \
		if (wanted) { \
			printf("%s\n", #call); \
		} else { \
			printf("wrong answer of %s: not %s: %s\n", #call, #wanted, \
			       c && c->error_string ? c->error_string : "no error"); \
			wrong = 1; \
		} \
	} while (0)
#define TRUE(call) CALL(bool, call, got)
#define FALSE(call) CALL(bool, call, !got)
#define IS(call, value) CALL(long, call, got == (value))
#define TEXT(call, value) CALL(const char *, call, got && !strcmp(got, value))
#define FREED(call, part) CALL(char *, call, got && strstr(got, part) && (free(got), true))
/* Of a call that fails: its error has this in it. */
#define ERROR(call, value, part) \
	do { \
		CALL(long, call, got == (value)); \
		if (!c->error_string || !strstr(c->error_string, part)) { \
			printf("wrong error of %s: %s\n", #call, c->error_string); \
			wrong = 1; \
		} \
	} while (0)

static void *thread(void *barrier)
{
	pthread_barrier_wait(barrier);
	while (!usleep(1000)) {
		/* Allocates, as threads do. */
		char *some = malloc(4096);

		memset(some, 1, 4096);
		free(some);
	}
	return NULL;
}

static void handler(int signal)
{
	(void)signal;
}

/* Runs in the container, in a copy of this process. */
static int callback(void *payload)
{
	char host[100], directory[100], *from = getenv("FROM");

	if (gethostname(host, sizeof(host)) || !getcwd(directory, sizeof(directory)) || !from)
		return 1;
	printf("%s %s %s %s %d\n", (char *)payload, host, directory, from, getppid());
	fflush(stdout);
	return getuid() ? 2 : 7;
}

/* The value of an item by way of its length, as programs do; a new text. */
static char *item(struct lxc_container *c, int (*get)(struct lxc_container *, const char *, char *, int),
		  const char *key)
{
	int length = get(c, key, NULL, 0), again;
	char *value;

	if (length < 0)
		return strdup("no value");
	value = malloc(length + 1);
	again = get(c, key, value, length + 1);
	if (again != length || strlen(value) != (size_t)length) {
		printf("wrong length of %s: %d, then %d\n", key, length, again);
		wrong = 1;
	}
	return value;
}

static bool has_line(char *text, const char *wanted)
{
	bool found = false;

	for (char *rest = text, *line; (line = strsep(&rest, "\n"));)
		found |= !strcmp(line, wanted);
	free(text);
	return found;
}

/* Whether the texts of a list are these; the list is freed. */
static bool is_list(char **list, const char *wanted)
{
	char all[1000] = "";

	for (char **one = list; list && *one; one++) {
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s ", *one);
		free(*one);
	}
	free(list);
	if (strcmp(all, wanted))
		printf("the list is: %s\n", all);
	return !strcmp(all, wanted);
}

static int listed(int (*list)(const char *, char ***, struct lxc_container ***), const char *lxcpath)
{
	char **names = NULL;
	struct lxc_container **containers = NULL;
	int count = list(lxcpath, &names, &containers);

	for (int i = 0; i < count; i++) {
		if (strcmp(names[i], containers[i]->name))
			return -2;
		free(names[i]);
		lxc_container_put(containers[i]);
	}
	free(names);
	free(containers);
	return list(lxcpath, NULL, NULL) == count ? count : -3;
}

/* Attaches and waits; the status, with what was written in `output`. */
static int attach(struct lxc_container *c, lxc_attach_exec_t function, void *payload, const char *input,
		  char *output, size_t size)
{
	lxc_attach_options_t options = LXC_ATTACH_OPTIONS_DEFAULT;
	int in[2], out[2], status = -1;
	ssize_t length;
	pid_t pid = -1;

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return -2;
	options.stdin_fd = in[0];
	options.stdout_fd = out[1];
	if (write(in[1], input, strlen(input)) < 0)
		return -3;
	close(in[1]);
	if (c->attach(c, function, payload, &options, &pid))
		status = -4;
	else if (waitpid(pid, &status, 0) != pid)
		status = -5;
	close(in[0]);
	close(out[1]);
	length = read(out[0], output, size - 1);
	output[length < 0 ? 0 : length] = 0;
	close(out[0]);
	return status;
}

/* A pseudo terminal of this process; both ends. */
static bool terminal(int *here, int *there)
{
	*here = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*here < 0 || grantpt(*here) || unlockpt(*here))
		return false;
	*there = ioctl(*here, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	return *there >= 0;
}

/* Whether what came to the terminal has this in it; the terminal is closed. */
static bool shows(int here, int there, const char *part)
{
	char text[1000];
	struct pollfd readable = { here, POLLIN, 0 };
	size_t length = 0;
	ssize_t more;

	while (length + 1 < sizeof(text) && poll(&readable, 1, 300) > 0 &&
	       (more = read(here, text + length, sizeof(text) - 1 - length)) > 0)
		length += more;
	text[length] = 0;
	close(here);
	close(there);
	if (!strstr(text, part))
		printf("the terminal shows: %s\n", text);
	return strstr(text, part);
}

/* Whether a command gets a terminal of the container's. */
static bool has_terminal(struct lxc_container *c)
{
	lxc_attach_options_t options = LXC_ATTACH_OPTIONS_DEFAULT;
	int here, there, status;

	if (!terminal(&here, &there))
		return false;
	options.attach_flags |= LXC_ATTACH_TERMINAL;
	options.stdin_fd = options.stdout_fd = options.stderr_fd = there;
	status = c->attach_run_waitl(c, &options, "sh", "sh", "-c", "tty; exit 3", NULL);
	return shows(here, there, "/dev/pts/") && status == 3 << 8;
}

static bool has_console(struct lxc_container *c)
{
	int here, there, result;

	if (!terminal(&here, &there) || write(here, "\002q", 2) != 2)
		return false;
	result = c->console(c, 1, there, there, there, 2);
	return shows(here, there, "") && !result && c->console(c, 9, 0, 1, 2, 2) == -1;
}

static bool logs_console(struct lxc_container *c)
{
	uint64_t size = 0;
	struct lxc_console_log log = { .read = true, .read_max = &size };
	bool is_right = false;

	for (int i = 0; i < 50 && !is_right; i++, usleep(100000)) {
		size = 0;
		is_right = !c->console_log(c, &log) && log.data && memmem(log.data, size, "shown", 5);
		free(log.data);
		log.data = NULL;
	}
	log.clear = true;
	log.read = false;
	is_right = is_right && !c->console_log(c, &log);
	log.read = true;
	return is_right && c->console_log(c, &log) == -ENODATA && !size && !log.data;
}

static bool closes(int fd)
{
	return fd >= 0 && !close(fd);
}

static bool leases(struct lxc_container *c, int number)
{
	int ptx = -1, lease = c->console_getfd(c, &number, &ptx);

	return lease >= 0 && number == 1 && isatty(ptx) && !close(ptx) && !close(lease);
}

static bool logs(const char *file)
{
	struct lxc_log log = { .name = "t-cone", .file = file, .level = "info", .prefix = "program", .quiet = true };
	struct lxc_container *c = lxc_container_new("a/b", NULL);
	struct stat found;
	bool is_right = !c && !lxc_log_init(&log) && !lxc_log_init(&log);

	c = lxc_container_new("a/b", NULL);
	lxc_log_close();
	return is_right && !c && !stat(file, &found) && found.st_size > 0 && !unlink(file);
}

static bool no_snapshots(struct lxc_container *c)
{
	struct lxc_snapshot *all = (void *)1;

	return c->snapshot_list(c, &all) == 0 && !all;
}

static bool snapshots(struct lxc_container *c)
{
	struct lxc_snapshot *all = NULL;
	int count = c->snapshot_list(c, &all);
	bool is_right = count == 1 && !strcmp(all[0].name, "snap0") &&
			strstr(all[0].comment_pathname, "/snap0/comment") &&
			strlen(all[0].timestamp) == 19 && strstr(all[0].lxcpath, "/t-cone/snaps");

	for (int i = 0; i < count; i++)
		all[i].free(&all[i]);
	free(all);
	return is_right;
}

static bool is_copy(struct lxc_container *copy, const char *name)
{
	bool is_right = copy && !strcmp(copy->name, name) && copy->lxc_conf && copy->is_defined(copy);

	return copy && lxc_container_put(copy) == 1 && is_right;
}

int main(int argc, char *argv[])
{
	const char *lxcpath = argv[1], *link = argv[2];
	lxc_attach_options_t options = LXC_ATTACH_OPTIONS_DEFAULT;
	struct lxc_container *c = NULL, *two;
	char output[1000], path[900], *template[] = { "--busybox-path=/bin/busybox", NULL };
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	char *command_words[] = { "sh", "-c", "read line; echo $line $FROM; exit 4", NULL };
	lxc_attach_command_t command = { "sh", command_words };
	pthread_barrier_t barrier;
	sigset_t blocked;

	if (argc != 3)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* Odd, so that a change shows. */
	umask(0026);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &blocked, NULL);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++) {
		pthread_t new_thread;

		pthread_create(&new_thread, NULL, thread, &barrier);
	}
	pthread_barrier_wait(&barrier);

	CALL(const char *, lxc_get_version(), got && *got);
	IS(lxc_get_wait_states(NULL), 8);
	CALL(const char *, lxc_get_global_config_item("lxc.lxcpath"), got && *got == '/');
	TRUE(lxc_config_item_is_supported("lxc.uts.name"));
	TRUE(lxc_has_api_extension("pidfd"));
	FALSE(lxc_has_api_extension("nothing"));
	snprintf(path, sizeof(path), "%s/program.log", lxcpath);
	TRUE(logs(path)); /* lxc_log_init, lxc_log_close */
	CALL(struct lxc_container *, lxc_container_new("a/b", lxcpath), !got);
	CALL(struct lxc_container *, c = lxc_container_new("t-cone", lxcpath), got);
	IS(lxc_container_get(c), 1);
	IS(lxc_container_put(c), 0);
	IS(lxc_container_put(NULL), -1);

	/* Before it exists. */
	TEXT(c->name, "t-cone");
	TEXT(c->get_config_path(c), lxcpath);
	FALSE(c->is_defined(c));
	FREED(c->config_file_name(c), "/t-cone/config");
	FALSE(c->is_running(c));
	TEXT(c->state(c), "STOPPED");
	IS(c->init_pid(c), -1);
	IS(c->init_pidfd(c), -EBADF);
	IS(c->devpts_fd(c), -EBADF);
	TRUE(!c->lxc_conf && c->daemonize);
	FALSE(c->want_daemonize(c, true));
	FALSE(c->start(c, 0, NULL));
	CALL(char *, c->error_string, got && strstr(got, "t-cone/config does not exist"));
	TRUE(c->stop(c));
	TRUE(c->shutdown(c, 1));
	FALSE(c->freeze(c));
	FALSE(c->reboot(c));
	TRUE(c->may_control(c));
	IS(c->get_config_item(c, "lxc.uts.name", NULL, 0), -1);
	FALSE(c->is_defined(NULL));
	TRUE(!c->state(NULL) && c->init_pid(NULL) == -1 && !c->clone(NULL, "x", NULL, 0, NULL, NULL, 0, NULL));

	/* The configuration. */
	TRUE(c->set_config_item(c, "lxc.net.0.type", "empty"));
	FALSE(c->set_config_item(c, "lxc.nonsense", "1"));
	CALL(char *, c->error_string, got && strstr(got, "lxc.nonsense"));
	TRUE(c->set_config_item(c, "lxc.environment", "FROM=program"));
	TRUE(c->set_config_item(c, "lxc.environment", "TO=container"));
	TRUE(c->set_config_item(c, "lxc.tty.max", "1"));
	TRUE(c->set_config_item(c, "lxc.console.buffer.size", "64kB"));
	TRUE(c->want_daemonize(c, true) && c->want_close_all_fds(c, true) && c->lxc_conf);
	TRUE(has_line(item(c, c->get_config_item, "lxc.environment"), "TO=container"));
	TRUE(has_line(item(c, c->get_keys, NULL), "lxc.uts.name"));
	TRUE(has_line(item(c, c->get_keys, "lxc.net.0"), "hwaddr"));
	IS(c->get_keys(c, "lxc.nonsense", NULL, 0), -1);
	IS(c->get_config_item(c, "lxc.nonsense", NULL, 0), -1);
	snprintf(path, sizeof(path), "%s/other.conf", lxcpath);
	TRUE(c->save_config(c, path));
	TRUE((c->clear_config(c), true));
	IS(c->get_config_item(c, "lxc.environment", NULL, 0), 0);
	TRUE(c->load_config(c, path));
	TRUE(c->set_config_item(c, "lxc.uts.name", "gone") && c->clear_config_item(c, "lxc.uts.name"));
	IS(c->get_config_item(c, "lxc.uts.name", NULL, 0), 0);
	TRUE(!unlink(path));
	FALSE(c->load_config(c, path));

	/* Made with what was set, started, looked at. */
	TRUE(c->create(c, "busybox", "dir", NULL, LXC_CREATE_QUIET, template));
	TRUE(c->is_defined(c));
	FALSE(c->create(c, "busybox", NULL, NULL, LXC_CREATE_QUIET, template));
	TRUE(c->startl(c, 0, NULL));
	IS(c->error_num, 0);
	TEXT(c->state(c), "RUNNING");
	TRUE(c->is_running(c));
	FALSE(c->start(c, 0, NULL));
	CALL(pid_t, c->init_pid(c), got > 1);
	TRUE(c->wait(c, "RUNNING|FROZEN", 10));
	FALSE(c->wait(c, "NONSENSE", 0));
	TRUE(closes(c->init_pidfd(c)));
	TRUE(closes(c->devpts_fd(c)));
	TRUE(has_line(c->get_running_config_item(c, "lxc.environment"), "FROM=program"));
	CALL(char *, c->get_running_config_item(c, "lxc.nonsense"), !got);
	TRUE(is_list(c->get_interfaces(c), "lo "));
	CALL(char **, c->get_ips(c, NULL, NULL, 0), !got);
	TRUE(c->set_cgroup_item(c, "pids.max", "100"));
	TRUE(has_line(item(c, c->get_cgroup_item, "pids.max"), "100"));
	IS(c->get_cgroup_item(c, "pids.nonsense", NULL, 0), -1);
	TRUE(c->add_device_node(c, "/dev/null", "/dev/other-null"));
	TRUE(c->remove_device_node(c, "/dev/null", "/dev/other-null"));
	TRUE(c->attach_interface(c, link, "given0"));
	TRUE(is_list(c->get_interfaces(c), "lo given0 "));
	TRUE(c->detach_interface(c, "given0", link));
	TRUE(leases(c, -1));
	FALSE(leases(c, 9));
	IS(listed(list_defined_containers, lxcpath), 1);
	IS(listed(list_active_containers, lxcpath), 1);
	IS(listed(list_all_containers, lxcpath), 1);

	/* Commands. */
	IS(c->attach_run_waitl(c, NULL, "sh", "sh", "-c", "exit $#", "0", "1", "2", "3", "4", "5", "6", NULL), 6 << 8);
	IS(c->attach_run_wait(c, &options, "sh", (const char *const[]){ "sh", "-c", "kill -9 $$", NULL }), 9);
	IS(c->attach_run_wait(c, &options, "/nowhere", (const char *const[]){ "/nowhere", NULL }), 127 << 8);
	CALL(char *, c->error_string, got && strstr(got, "Failed to exec"));
	IS(attach(c, lxc_attach_run_command, &command, "word\n", output, sizeof(output)), 4 << 8);
	TEXT(output, "word program\n");
	IS(attach(c, lxc_attach_run_shell, NULL, "pwd; id -u; exit 3\n", output, sizeof(output)), 3 << 8);
	TEXT(output, "/\n0\n");
	options.uid = 1000;
	options.gid = 1001;
	options.initial_cwd = "/tmp";
	options.groups = (lxc_groups_t){ 2, (gid_t[]){ 5, 6 } };
	options.attach_flags |= LXC_ATTACH_SETGROUPS | LXC_ATTACH_NO_NEW_PRIVS;
	options.env_policy = LXC_ATTACH_CLEAR_ENV;
	options.extra_env_vars = (char *[]){ "A=b c", NULL };
	IS(c->attach_run_waitl(c, &options, "sh", "sh", "-c",
			       "[ \"$(id -u) $(id -g) $(id -G) $A $(pwd) $HOME\" = '1000 1001 1001 5 6 b c /tmp ' ] && "
			       "grep -q 'NoNewPrivs:.1' /proc/self/status", NULL), 0);
	IS(attach(c, callback, "called", "", output, sizeof(output)), 7 << 8);
	TEXT(output, "called t-cone / program 0\n");
	command = (lxc_attach_command_t){ "/bin/sh", (char *[]){ "pwd", NULL } };
	IS(attach(c, lxc_attach_run_command, &command, "", output, sizeof(output)), 0);
	TEXT(output, "/\n");
	IS(c->attach_run_wait(c, NULL, "/bin/sh", (const char *const[]){ "false", NULL }), 1 << 8);
	TRUE(has_terminal(c));
	TRUE(has_console(c));

	/* What is on the console; mounts. */
	IS(c->attach_run_waitl(c, NULL, "sh", "sh", "-c", "echo shown >/dev/console", NULL), 0);
	TRUE(logs_console(c));
	snprintf(path, sizeof(path), "%s/shared", lxcpath);
	TRUE(!mkdir(path, 0755));
	IS(c->mount(c, path, "/mnt/new/place", NULL, MS_BIND, NULL, &(struct lxc_mount){ 1 }), 0);
	IS(c->attach_run_waitl(c, NULL, "sh", "sh", "-c", "mkdir /mnt/new/place/made", NULL), 0);
	snprintf(output, sizeof(output), "%s/made", path);
	TRUE(!rmdir(output) && !rmdir(path));
	IS(c->umount(c, "/mnt/new/place", 0, &(struct lxc_mount){ 1 }), 0);
	ERROR(c->umount(c, "/mnt/new/place", 0, &(struct lxc_mount){ 1 }), -1, "cannot unmount /mnt/new/place");
	IS(c->mount(c, "none", "/mnt", "tmpfs", MS_NOEXEC, "size=4k", &(struct lxc_mount){ 0 }), 0);
	IS(c->attach_run_waitl(c, NULL, "grep", "grep", "-q", " /mnt tmpfs rw,noexec.*size=4k", "/proc/mounts", NULL), 0);
	IS(c->umount(c, "/mnt", MNT_DETACH, &(struct lxc_mount){ 1 }), 0);
	ERROR(c->mount(c, "none", "/mnt", "tmpfs", 0, NULL, &(struct lxc_mount){ 2 }), -1, "version");
	ERROR(c->mount(c, "none", "/mnt", "tmpfs", MS_MOVE, NULL, &(struct lxc_mount){ 1 }), -1, "flags 0x2000");
	ERROR(c->seccomp_notify_fd(c), -EBADF, "seccomp_notify_fd_active");
	ERROR(c->seccomp_notify_fd_active(c), -EBADF, "notifies nobody");

	/* It has a console, so it cannot be checkpointed. */
	ERROR(c->checkpoint(c, "/tmp", false, false), false, "cannot be checkpointed");
	ERROR(c->restore(c, "/tmp", false), false, "cannot be checkpointed");
	ERROR(c->migrate(c, MIGRATE_DUMP, &(struct migrate_opts){ .directory = "/tmp" }, sizeof(struct migrate_opts)), -1,
	      "cannot be checkpointed");
	ERROR(c->migrate(c, MIGRATE_RESTORE, &(struct migrate_opts){ .directory = "/tmp" }, 8), -1, "cannot be checkpointed");
	ERROR(c->migrate(c, 4, &(struct migrate_opts){ .directory = "/tmp" }, 8), -1, "4 is no command");
	ERROR(c->migrate(c, MIGRATE_DUMP, &(struct migrate_opts){ .directory = "/tmp" }, 0), -1, "no directory");
	ERROR(c->migrate(c, MIGRATE_DUMP, NULL, 0), -1, "no options");

	/* Its states. */
	TRUE(c->freeze(c));
	TEXT(c->state(c), "FROZEN");
	TRUE(c->freeze(c));
	TRUE(c->unfreeze(c));
	TRUE(listens(c) && c->reboot2(c, 20));
	TRUE(listens(c) && c->shutdown(c, 20));
	TRUE(c->wait(c, "STOPPED", 20));
	TRUE(c->startl(c, 0, "/bin/sleep", "600", NULL));
	TRUE(c->stop(c));
	TRUE(c->want_daemonize(c, false));
	TRUE(c->startl(c, 1, "/bin/sh", "-c", "exit 5", NULL));
	IS(c->error_num, 5 << 8);
	TRUE(c->want_daemonize(c, true));

	/* Copies. */
	TRUE(is_copy(c->clone(c, "t-ctwo", NULL, LXC_CLONE_KEEPMACADDR, NULL, NULL, 0, NULL), "t-ctwo"));
	CALL(struct lxc_container *, c->clone(c, "t-ctwo", NULL, 0, NULL, NULL, 0, NULL), !got);
	ERROR((long)c->clone(c, "t-cfive", NULL, 1 << 20, NULL, NULL, 0, NULL), 0, "0x100000 is no flag");
	TRUE(c->set_config_item(c, "lxc.group", "unsaved"));
	CALL(struct lxc_container *, two = c->clone(c, "t-cfive", NULL, LXC_CLONE_MAYBE_SNAPSHOT, NULL, NULL, 0, NULL), got);
	TRUE(has_line(item(two, two->get_config_item, "lxc.group"), "unsaved"));
	TRUE(two->destroy(two) && lxc_container_put(two) == 1);
	two = lxc_container_new("t-ctwo", lxcpath);
	TRUE(two->rename(two, "t-cthree"));
	TEXT(two->name, "t-cthree");
	CALL(char *, two->configfile, strstr(got, "/t-cthree/config"));
	IS(listed(list_all_containers, lxcpath), 2);
	TRUE(two->destroy(two));
	FALSE(two->is_defined(two));
	IS(lxc_container_put(two), 1);
	TRUE(no_snapshots(c));
	IS(c->snapshot(c, NULL), 0);
	TRUE(snapshots(c));
	FALSE(c->destroy(c));
	TRUE(c->snapshot_restore(c, "snap0", "t-cfour"));
	TRUE(c->snapshot_restore(c, "snap0", NULL));
	TRUE(c->snapshot_destroy(c, "snap0"));
	FALSE(c->snapshot_destroy(c, "snap0"));
	IS(c->snapshot(c, NULL), 0);
	TRUE(c->snapshot_destroy_all(c));
	IS(c->snapshot(c, NULL), 0);
	TRUE(c->destroy_with_snapshots(c));

	/* Without a template; another directory; what is saved before it is made. */
	two = lxc_container_new("t-cfour", lxcpath);
	TRUE(two->destroy(two));
	TRUE(two->createl(two, NULL, NULL, NULL, 0, NULL));
	TRUE(two->destroy(two));
	TRUE(two->set_config_item(two, "lxc.group", "four") && two->save_config(two, NULL));
	TRUE(two->is_defined(two));
	FALSE(two->create(two, "nowhere", NULL, NULL, LXC_CREATE_QUIET, NULL));
	FALSE(two->create(two, "busybox", NULL, NULL, LXC_CREATE_QUIET, (char *[]){ "--nonsense", NULL }));
	TRUE(has_line(item(two, two->get_config_item, "lxc.group"), "four"));
	TRUE(two->load_config(two, NULL) && two->create(two, "busybox", NULL, NULL, LXC_CREATE_QUIET, template));
	TRUE(has_line(item(two, two->get_config_item, "lxc.group"), "four"));
	TRUE(two->destroy(two));
	TRUE(two->createl(two, "busybox", "dir", NULL, LXC_CREATE_QUIET, "--busybox-path", "/bin/busybox", NULL));
	TRUE(two->destroy(two));
	snprintf(path, sizeof(path), "%s/elsewhere", lxcpath);
	TRUE(two->set_config_path(two, path));
	TEXT(two->config_path, path);
	IS(lxc_container_put(two), 1);
	IS(lxc_container_put(c), 1);
	printf("%s\n", wrong ? "changed" : "unchanged");
	return wrong;
}
