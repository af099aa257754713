// Times calls of two builds of liblxc.so.1 in turn, in one process, each library on a container of its own.
//
//     library FIRST LXCPATH SECOND LXCPATH NAME ROUNDS
//
// Prints a line for each call: the operation, 0 or 1 for the library, nanoseconds. With `asks` as the first
// word only running containers are asked, by each library the monitor of either.
#include <dlfcn.h>
#include <lxc/lxccontainer.h>
#include <lxc/attach_options.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct lxc_container *new_function(const char *, const char *);

// Calls of one kind in a row, before the other library has its turn.
enum { BATCH = 20, BATCHES = 5 };

static new_function *library(const char *file)
{
	void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	new_function *function = handle ? (new_function *)dlsym(handle, "lxc_container_new") : NULL;
	if (!function) {
		fprintf(stderr, "%s: %s\n", file, dlerror());
		exit(1);
	}
	return function;
}

static struct lxc_container *container(new_function *create, const char *path, const char *name)
{
	struct lxc_container *c = create(name, path);
	if (!c || !c->is_defined(c)) {
		fprintf(stderr, "%s in %s is not defined\n", name, path);
		exit(1);
	}
	return c;
}

static long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000L + time.tv_nsec;
}

static void pause_for(long milliseconds)
{
	struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
	nanosleep(&time, NULL);
}

static void check(bool worked, const char *operation, int which)
{
	if (!worked) {
		fprintf(stderr, "%s of library %d failed\n", operation, which);
		exit(1);
	}
}

static bool asks_state(struct lxc_container *c)
{
	return strcmp(c->state(c), "RUNNING") == 0;
}

static bool asks_init_pid(struct lxc_container *c)
{
	return c->init_pid(c) > 1;
}

static bool asks_item(struct lxc_container *c)
{
	char value[64];
	return c->get_config_item(c, "lxc.uts.name", value, sizeof(value)) > 0;
}

static bool asks_running_item(struct lxc_container *c)
{
	char *value = c->get_running_config_item(c, "lxc.uts.name");
	bool is_there = value != NULL;
	free(value);
	return is_there;
}

static bool asks_keys(struct lxc_container *c)
{
	return c->get_keys(c, "lxc.net.0", NULL, 0) > 0;
}

static bool attaches(struct lxc_container *c)
{
	lxc_attach_options_t options = LXC_ATTACH_OPTIONS_DEFAULT;
	const char *const argv[] = { "/bin/true", NULL };
	return c->attach_run_wait(c, &options, "/bin/true", argv) == 0;
}

static bool starts(struct lxc_container *c)
{
	return c->start(c, 0, NULL);
}

static bool stops(struct lxc_container *c)
{
	return c->stop(c);
}

struct operation {
	const char *name;
	bool (*call)(struct lxc_container *);
};

static const struct operation quick[] = {
	{ "state", asks_state },
	{ "init_pid", asks_init_pid },
	{ "get_running_config_item", asks_running_item },
	{ "get_config_item", asks_item },
	{ "get_keys", asks_keys },
};
enum { QUICK = sizeof(quick) / sizeof(*quick) };

static void timed(const struct operation *operation, struct lxc_container *c, int which)
{
	long begin = now();
	bool worked = operation->call(c);
	long took = now() - begin;
	check(worked, operation->name, which);
	printf("%s %d %ld\n", operation->name, which, took);
}

// By a child: Debian's start moves its caller into the cgroups of the monitor, and two processes of one memory cgroup talk to
// each other a tenth faster than those of two.
static void timed_in_child(const struct operation *operation, struct lxc_container *c, int which)
{
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		timed(operation, c, which);
		fflush(stdout);
		_exit(0);
	}
	int status;
	check(child > 0 && waitpid(child, &status, 0) == child && status == 0, operation->name, which);
}

// Each library is first as often as second, and in between the kernel finishes what the other one left.
static void slow(struct lxc_container *c[2], const char *name, bool (*call)(struct lxc_container *), int first, long pause)
{
	struct operation operation = { name, call };
	for (int turn = 0; turn < 2; turn++) {
		int which = (first + turn) % 2;
		timed_in_child(&operation, c[which], which);
		pause_for(pause);
	}
}

static void ask_all(struct lxc_container *c[2], int first)
{
	for (int kind = 0; kind < QUICK; kind++)
		for (int batch = 0; batch < 2 * BATCHES; batch++) {
			int which = (first + batch) % 2;
			for (int call = 0; call < BATCH; call++)
				timed(&quick[kind], c[which], which);
		}
}

int main(int argc, char *argv[])
{
	bool only_asks = argc > 1 && strcmp(argv[1], "asks") == 0;
	if (only_asks) {
		argv++;
		argc--;
	}
	if (argc != 7)
		return 1;
	new_function *create[2] = { library(argv[1]), library(argv[3]) };
	struct lxc_container *c[2] = { container(create[0], argv[2], argv[5]), container(create[1], argv[4], argv[5]) };
	int rounds = atoi(argv[6]);
	for (int round = 0; round < rounds; round++) {
		int first = round % 2;
		if (only_asks) {
			ask_all(c, first);
			continue;
		}
		slow(c, "start", starts, first, 100);
		ask_all(c, first);
		slow(c, "attach", attaches, first, 20);
		slow(c, "stop", stops, first, 100);
	}
	return 0;
}
