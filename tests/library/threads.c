/* Calls the methods of one container from several threads at once, through one handle and through one of each thread's,
 * while each thread has another container live a whole life, in which every function and method is called:
 * `threads LXCPATH NAME`; the container NAME runs, those of the threads are NAME-0 and so on. Ends with 1 at a wrong
 * answer, or if there are more descriptors or children afterwards. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lxc/attach_options.h>
#include <lxc/lxccontainer.h>
#include <lxc/version.h>

#include "listens.h"

#define THREADS 4
#define ROUNDS 6

static struct lxc_container *shared;
static const char *lxcpath, *name;
static atomic_int wrong;

static void check(bool is_right, const char *what, struct lxc_container *c)
{
	if (is_right)
		return;
	printf("wrong: %s: %s\n", what, c && c->error_string ? c->error_string : "no error");
	wrong = 1;
}

static int callback(void *payload)
{
	return *(int *)payload;
}

static void use(struct lxc_container *c, int round)
{
	lxc_attach_options_t options = LXC_ATTACH_OPTIONS_DEFAULT;
	char value[100];
	const char *state = c->state(c);
	int status = 0, code = round + 1;
	pid_t pid = -1;

	check(state && !strcmp(state, "RUNNING"), "state", c);
	check(c->init_pid(c) > 1, "init_pid", c);
	check(c->get_config_item(c, "lxc.uts.name", value, sizeof(value)) > 0 && !strcmp(value, name), "get_config_item", c);
	check(c->set_config_item(c, "lxc.environment", "A=b"), "set_config_item", c);
	check(c->clear_config_item(c, "lxc.environment"), "clear_config_item", c);
	check(c->get_cgroup_item(c, "pids.max", value, sizeof(value)) > 0, "get_cgroup_item", c);
	check(c->attach_run_waitl(c, NULL, "true", "true", NULL) == 0, "attach_run_waitl", c);
	check(!c->attach(c, callback, &code, &options, &pid) && waitpid(pid, &status, 0) == pid && status == code << 8,
	      "attach", c);
	check(!c->set_config_item(c, "lxc.nonsense", "1"), "set_config_item of a bad key", c);
}

/* A call of this thread's container, and what holds of it. */
#define IS(what) check(what, #what, c)

static bool closes(int fd)
{
	return fd >= 0 && !close(fd);
}

static bool frees(char *text)
{
	bool is_there = text != NULL;

	free(text);
	return is_there;
}

static bool frees_list(char **list)
{
	bool is_there = list != NULL;

	for (char **one = list; one && *one; one++)
		free(*one);
	free(list);
	return is_there;
}

static bool is_listed(int (*list)(const char *, char ***, struct lxc_container ***), const char *wanted)
{
	struct lxc_container **all = NULL;
	char **names = NULL;
	bool is_there = false;
	int count = list(lxcpath, &names, &all);

	for (int i = 0; i < count; i++) {
		is_there = is_there || !strcmp(names[i], wanted);
		free(names[i]);
		lxc_container_put(all[i]);
	}
	free(names);
	free(all);
	return is_there;
}

static bool leases(struct lxc_container *c)
{
	int number = -1, ptx = -1, lease = c->console_getfd(c, &number, &ptx);

	return closes(lease) && closes(ptx);
}

static bool shows(struct lxc_container *c)
{
	uint64_t size = 0;
	struct lxc_console_log log = { .read = true, .read_max = &size };
	int result = c->console_log(c, &log);

	free(log.data);
	return result == 0 || result == -ENODATA;
}

static void functions(struct lxc_container *c)
{
	struct lxc_log log = { .name = "threads", .file = "none", .level = "error", .prefix = "threads", .quiet = true };
	const char *states[8];

	IS(!strcmp(lxc_get_version(), LXC_VERSION));
	IS(lxc_get_wait_states(states) == 8);
	IS(lxc_get_global_config_item("lxc.lxcpath") != NULL);
	IS(lxc_config_item_is_supported("lxc.uts.name") && !lxc_config_item_is_supported("lxc.nonsense"));
	IS(lxc_has_api_extension("pidfd"));
	IS(lxc_log_init(&log) == 0);
	lxc_log_close();
}

static void before_start(struct lxc_container *c, const char *own)
{
	char *template[] = { "--busybox-path=/bin/busybox", NULL }, value[100], path[900];

	IS(!c->is_defined(c) && !c->is_running(c));
	IS(!strcmp(c->get_config_path(c), lxcpath));
	IS(c->set_config_path(c, lxcpath));
	IS(frees(c->config_file_name(c)));
	IS(c->set_config_item(c, "lxc.net.0.type", "empty"));
	IS(c->set_config_item(c, "lxc.tty.max", "1"));
	IS(c->set_config_item(c, "lxc.console.buffer.size", "64kB"));
	IS(c->get_config_item(c, "lxc.net.0.type", value, sizeof(value)) == 5);
	IS(c->get_keys(c, "lxc.net.0", NULL, 0) > 0);
	IS(c->want_daemonize(c, true) && c->want_close_all_fds(c, true));
	snprintf(path, sizeof(path), "%s/%s.conf", lxcpath, own);
	IS(c->save_config(c, path));
	c->clear_config(c);
	IS(c->load_config(c, path) && !unlink(path));
	IS(c->clear_config_item(c, "lxc.uts.name"));
	IS(c->create(c, "busybox", "dir", NULL, LXC_CREATE_QUIET, template));
	IS(c->is_defined(c) && is_listed(list_defined_containers, own) && is_listed(list_all_containers, own));
}

static void running(struct lxc_container *c, const char *own)
{
	lxc_attach_options_t options = LXC_ATTACH_OPTIONS_DEFAULT;
	struct migrate_opts images = { .directory = "/tmp" };
	struct lxc_mount version = { LXC_MOUNT_API_V1 };
	lxc_attach_command_t command = { "true", (char *[]){ "true", NULL } };
	int status = -1, code = 9;
	pid_t pid = -1;
	char value[100];

	IS(c->wait(c, "RUNNING", 20) && !strcmp(c->state(c), "RUNNING") && c->is_running(c) && c->may_control(c));
	IS(is_listed(list_active_containers, own));
	IS(c->init_pid(c) > 1 && closes(c->init_pidfd(c)) && closes(c->devpts_fd(c)));
	IS(c->seccomp_notify_fd(c) == -EBADF && c->seccomp_notify_fd_active(c) == -EBADF);
	IS(frees(c->get_running_config_item(c, "lxc.net.0.type")));
	IS(frees_list(c->get_interfaces(c)) && !frees_list(c->get_ips(c, NULL, NULL, 0)));
	IS(c->set_cgroup_item(c, "pids.max", "100"));
	IS(c->get_cgroup_item(c, "pids.max", value, sizeof(value)) == 4);
	IS(c->add_device_node(c, "/dev/null", "/dev/other") && c->remove_device_node(c, "/dev/null", "/dev/other"));
	IS(!c->attach_interface(c, "no-link", "no-link") && !c->detach_interface(c, "no-link", "no-link"));
	IS(leases(c) && shows(c) && c->console(c, 9, 0, 1, 2, 2) == -1);
	IS(c->attach_run_wait(c, &options, "true", (const char *const[]){ "true", NULL }) == 0);
	IS(c->attach_run_waitl(c, NULL, "false", "false", NULL) == 1 << 8);
	IS(!c->attach(c, callback, &code, &options, &pid) && waitpid(pid, &status, 0) == pid && status == code << 8);
	IS(!c->attach(c, lxc_attach_run_command, &command, &options, &pid) && waitpid(pid, &status, 0) == pid && !status);
	options.stdin_fd = options.stdout_fd = options.stderr_fd = -1;
	IS(!c->attach(c, lxc_attach_run_shell, NULL, &options, &pid) && waitpid(pid, &status, 0) == pid && !status);
	IS(!c->mount(c, "none", "/mnt", "tmpfs", MS_NOEXEC, NULL, &version) && !c->umount(c, "/mnt", 0, &version));
	IS(!c->checkpoint(c, "/tmp", false, false) && !c->restore(c, "/tmp", false));
	IS(c->migrate(c, MIGRATE_DUMP, &images, sizeof(images)) == -1);
	IS(c->freeze(c) && !strcmp(c->state(c), "FROZEN") && c->unfreeze(c));
	IS(c->set_timeout(c, 20));
	IS(listens(c) && c->reboot2(c, 30));
	IS(listens(c) && c->shutdown(c, 30) && c->start(c, 0, NULL));
	IS(c->reboot(c) && c->stop(c));
}

static void copies(struct lxc_container *c, const char *own)
{
	struct lxc_snapshot *all = NULL;
	struct lxc_container *copy;
	char name[100];

	snprintf(name, sizeof(name), "%s-copy", own);
	copy = c->clone(c, name, NULL, 0, NULL, NULL, 0, NULL);
	IS(copy != NULL);
	snprintf(name, sizeof(name), "%s-renamed", own);
	IS(copy && copy->rename(copy, name) && copy->destroy(copy) && lxc_container_put(copy) == 1);
	IS(c->snapshot(c, NULL) == 0 && c->snapshot_list(c, &all) == 1);
	if (all) {
		all->free(all);
		free(all);
	}
	IS(c->snapshot_restore(c, "snap0", NULL) && c->snapshot_destroy(c, "snap0"));
	IS(c->snapshot(c, NULL) == 0 && c->snapshot_destroy_all(c));
	IS(c->snapshot(c, NULL) == 0 && c->destroy_with_snapshots(c));
	IS(c->createl(c, NULL, NULL, NULL, 0, NULL) && c->destroy(c));
}

/* A whole life of the container of thread NUMBER. */
static void life(long number)
{
	char own[100];
	struct lxc_container *c;

	snprintf(own, sizeof(own), "%s-%ld", name, number);
	c = lxc_container_new(own, lxcpath);
	check(c != NULL, "lxc_container_new", NULL);
	functions(c);
	before_start(c, own);
	IS(c->start(c, 0, NULL));
	running(c, own);
	IS(c->startl(c, 0, "/bin/sleep", "600", NULL) && c->stop(c));
	copies(c, own);
	IS(lxc_container_put(c) == 1);
}

static void *thread(void *number)
{
	for (int round = 0; round < ROUNDS; round++) {
		struct lxc_container *own = lxc_container_new(name, lxcpath);

		check(own != NULL, "lxc_container_new", NULL);
		check(lxc_container_get(shared) == 1, "lxc_container_get", shared);
		use(round % 2 ? own : shared, round);
		check(lxc_container_put(shared) == 0, "lxc_container_put", shared);
		check(lxc_container_put(own) == 1, "lxc_container_put", NULL);
		check(list_active_containers(lxcpath, NULL, NULL) > 0, "list_active_containers", NULL);
		if (round == (long)number)
			life((long)number);
	}
	return NULL;
}

static int descriptors(void)
{
	struct dirent **entries;
	int count = scandir("/proc/self/fd", &entries, NULL, NULL);

	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	return count;
}

int main(int argc, char *argv[])
{
	pthread_t threads[THREADS];
	int before;

	if (argc != 3)
		return 2;
	lxcpath = argv[1];
	name = argv[2];
	shared = lxc_container_new(name, lxcpath);
	if (!shared)
		return 2;
	use(shared, 0);
	before = descriptors();
	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, thread, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	if (descriptors() != before)
		printf("wrong: %d descriptors became %d\n", before, descriptors());
	if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
		printf("wrong: a child is left\n");
	wrong |= descriptors() != before || waitpid(-1, NULL, WNOHANG) != -1;
	check(lxc_container_put(shared) == 1, "lxc_container_put", NULL);
	return wrong;
}
