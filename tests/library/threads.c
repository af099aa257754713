/* Calls the methods of one container from several threads at once, through one handle and through one of each thread's:
 * `threads LXCPATH NAME`; the container runs. Ends with 1 at a wrong answer, or if there are more descriptors or
 * children afterwards. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lxc/lxccontainer.h>

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

static void *thread(void *unused)
{
	(void)unused;
	for (int round = 0; round < ROUNDS; round++) {
		struct lxc_container *own = lxc_container_new(name, lxcpath);

		check(own != NULL, "lxc_container_new", NULL);
		check(lxc_container_get(shared) == 1, "lxc_container_get", shared);
		use(round % 2 ? own : shared, round);
		check(lxc_container_put(shared) == 0, "lxc_container_put", shared);
		check(lxc_container_put(own) == 1, "lxc_container_put", NULL);
		check(list_active_containers(lxcpath, NULL, NULL) > 0, "list_active_containers", NULL);
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
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, thread, NULL);
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
