/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Containers for programs in C.
 *
 * A method fails with false, -1 or NULL unless it says otherwise; error_num and error_string of the container tell why.
 * Texts that are char * are the caller's, who frees them; const char * are not. A list ends in NULL. The calling
 * process stays as it is, with threads or not. A container may be used by several threads. */
#ifndef LXC_CONTAINER_H
#define LXC_CONTAINER_H

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

#include <lxc/attach_options.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of clone. The copy keeps its source's host name, */
#define LXC_CLONE_KEEPNAME (1 << 0)
/* the MAC addresses; */
#define LXC_CLONE_KEEPMACADDR (1 << 1)
/* it shares with the source what neither changes; */
#define LXC_CLONE_SNAPSHOT (1 << 2)
/* it is of the same kind of storage, as it is anyway unless another one is named; */
#define LXC_CLONE_KEEPBDEVTYPE (1 << 3)
/* it shares where the storage has snapshots; */
#define LXC_CLONE_MAYBE_SNAPSHOT (1 << 4)
#define LXC_CLONE_MAXFLAGS (1 << 5)
/* the source may run. */
#define LXC_CLONE_ALLOW_RUNNING (1 << 6)

/* Flags of create. The template says nothing. */
#define LXC_CREATE_QUIET (1 << 0)
#define LXC_CREATE_MAXFLAGS (1 << 1)

/* The version of mount and umount. */
#define LXC_MOUNT_API_V1 1

struct bdev_specs;
struct lxc_console_log;
struct lxc_lock;
struct lxc_snapshot;
struct migrate_opts;

struct lxc_mount {
	/* LXC_MOUNT_API_V1. */
	int version;
};

struct lxc_container {
	/* The name. */
	char *name;
	/* The configuration file. */
	char *configfile;
	/* The file that gets the monitor's pid; of malloc. */
	char *pidfile;
	/* Not used. */
	struct lxc_lock *slock;
	struct lxc_lock *privlock;
	/* The number of references: lxc_container_get and lxc_container_put. */
	int numthreads;
	/* NULL if it has no configuration. */
	struct lxc_conf *lxc_conf;
	/* Why the last method failed that did. */
	char *error_string;
	/* Its errno, or -1; after a start in the foreground how init ended, as wait(2) has it. */
	int error_num;
	/* Whether it is started in the background. */
	bool daemonize;
	/* The directory of containers that it is in. */
	char *config_path;

	/* Whether it has a configuration file. */
	bool (*is_defined)(struct lxc_container *c);
	/* Its state: STOPPED, STARTING, RUNNING, STOPPING, ABORTING, FREEZING, FROZEN or THAWED. */
	const char *(*state)(struct lxc_container *c);
	/* Whether it is not STOPPED. */
	bool (*is_running)(struct lxc_container *c);
	bool (*freeze)(struct lxc_container *c);
	bool (*unfreeze)(struct lxc_container *c);
	/* The pid of its init. */
	pid_t (*init_pid)(struct lxc_container *c);
	/* Adds what a file says to the configuration; NULL for its own file. */
	bool (*load_config)(struct lxc_container *c, const char *file);
	/* Starts it with a command; NULL for its own. With useinit that is run by a small init, as by lxc-execute. */
	bool (*start)(struct lxc_container *c, int useinit, char *const argv[]);
	bool (*startl)(struct lxc_container *c, int useinit, ...);
	/* Kills it. */
	bool (*stop)(struct lxc_container *c);
	bool (*want_daemonize)(struct lxc_container *c, bool background);
	/* Without effect: its monitor never has descriptors of the caller. */
	bool (*want_close_all_fds)(struct lxc_container *c, bool close);
	char *(*config_file_name)(struct lxc_container *c);
	/* Waits for one of the states, with | between; -1 s for as long as it takes. */
	bool (*wait)(struct lxc_container *c, const char *states, int seconds);
	/* Sets or adds to a key; no or an empty value clears it. */
	bool (*set_config_item)(struct lxc_container *c, const char *key, const char *value);
	bool (*destroy)(struct lxc_container *c);
	/* Writes the configuration to a file; NULL for its own. */
	bool (*save_config)(struct lxc_container *c, const char *file);
	/* Makes it with a template; without one it gets its configuration only. flags: LXC_CREATE_*. */
	bool (*create)(struct lxc_container *c, const char *template_name, const char *bdevtype, struct bdev_specs *specs,
		       int flags, char *const argv[]);
	bool (*createl)(struct lxc_container *c, const char *template_name, const char *bdevtype,
			struct bdev_specs *specs, int flags, ...);
	bool (*rename)(struct lxc_container *c, const char *name);
	/* Asks init to reboot. */
	bool (*reboot)(struct lxc_container *c);
	/* Asks init to shut down, and waits; -1 s for as long as it takes, 0 not at all. */
	bool (*shutdown)(struct lxc_container *c, int seconds);
	void (*clear_config)(struct lxc_container *c);
	bool (*clear_config_item)(struct lxc_container *c, const char *key);
	/* Writes a value of the configuration to a buffer; its length, which the buffer may be too small for. */
	int (*get_config_item)(struct lxc_container *c, const char *key, char *buffer, int size);
	/* A value of the configuration that it runs with. */
	char *(*get_running_config_item)(struct lxc_container *c, const char *key);
	/* Likewise: the names of keys, a line each, all or those below a key. */
	int (*get_keys)(struct lxc_container *c, const char *key, char *buffer, int size);
	/* The names of its network interfaces. */
	char **(*get_interfaces)(struct lxc_container *c);
	/* Addresses of an interface, or of all but lo; of the family inet, inet6 or both. scope is 0 or, for link-local
	 * ones of IPv6, the number of the interface. */
	char **(*get_ips)(struct lxc_container *c, const char *interface_name, const char *family, int scope);
	/* The content of a file of its cgroup, likewise. */
	int (*get_cgroup_item)(struct lxc_container *c, const char *file, char *buffer, int size);
	bool (*set_cgroup_item)(struct lxc_container *c, const char *file, const char *value);
	const char *(*get_config_path)(struct lxc_container *c);
	/* Takes the container of this name in another directory from now on. */
	bool (*set_config_path)(struct lxc_container *c, const char *path);
	/* Copies it; no name or directory for its own. flags: LXC_CLONE_*. The copy has one reference. */
	struct lxc_container *(*clone)(struct lxc_container *c, const char *name, const char *lxcpath, int flags,
				       const char *bdevtype, const char *bdevdata, uint64_t size, char **hook_arguments);
	/* Leases a terminal, 0 for the console, -1 for any; its number and descriptor. It is free again when the
	 * descriptor that is returned is closed. */
	int (*console_getfd)(struct lxc_container *c, int *number, int *terminal);
	/* Connects a terminal of it with these descriptors until the user leaves: with Ctrl and the letter of the number
	 * escape (1 for a), and then q. */
	int (*console)(struct lxc_container *c, int number, int stdin_fd, int stdout_fd, int stderr_fd, int escape);
	/* Has a child of the caller run a function inside. */
	int (*attach)(struct lxc_container *c, lxc_attach_exec_t function, void *payload, lxc_attach_options_t *options,
		      pid_t *pid);
	/* Runs a command inside; how it ended, as wait(2) has it. */
	int (*attach_run_wait)(struct lxc_container *c, lxc_attach_options_t *options, const char *program,
			       const char *const argv[]);
	int (*attach_run_waitl)(struct lxc_container *c, lxc_attach_options_t *options, const char *program,
				const char *arg, ...);
	/* Takes a snapshot with the content of a file as comment; its number. */
	int (*snapshot)(struct lxc_container *c, const char *comment_file);
	/* The snapshots; how many. Each is to be freed by its free, the array then. */
	int (*snapshot_list)(struct lxc_container *c, struct lxc_snapshot **snapshots);
	/* Makes a container from a snapshot; without a name it takes this one's place. */
	bool (*snapshot_restore)(struct lxc_container *c, const char *snapshot, const char *name);
	bool (*snapshot_destroy)(struct lxc_container *c, const char *snapshot);
	/* Whether the caller may control it, if it runs. */
	bool (*may_control)(struct lxc_container *c);
	/* Gives it a device of the host, under another path or name if there is one, and takes it. */
	bool (*add_device_node)(struct lxc_container *c, const char *source, const char *target);
	bool (*remove_device_node)(struct lxc_container *c, const char *source, const char *target);
	/* Gives it a network link of the host; takes it, and gives it to the host. */
	bool (*attach_interface)(struct lxc_container *c, const char *link, const char *target);
	bool (*detach_interface)(struct lxc_container *c, const char *link, const char *target);
	/* Has CRIU write it to files, and make it again from them. */
	bool (*checkpoint)(struct lxc_container *c, char *directory, bool stop, bool verbose);
	bool (*restore)(struct lxc_container *c, char *directory, bool verbose);
	/* Destroys its snapshots, and it. */
	bool (*destroy_with_snapshots)(struct lxc_container *c);
	bool (*snapshot_destroy_all)(struct lxc_container *c);
	/* As checkpoint and restore, with more options. command: MIGRATE_*; size: that of the options. */
	int (*migrate)(struct lxc_container *c, unsigned int command, struct migrate_opts *options, unsigned int size);
	/* Takes what is kept of the console's output; 0, or -errno. */
	int (*console_log)(struct lxc_container *c, struct lxc_console_log *log);
	/* Asks init to reboot, and waits until it runs again, as shutdown does. */
	bool (*reboot2)(struct lxc_container *c, int seconds);
	/* mount(2) and umount2(2) in it; the source of a bind mount is on the host. */
	int (*mount)(struct lxc_container *c, const char *source, const char *target, const char *fstype,
		     unsigned long flags, const void *data, struct lxc_mount *version);
	int (*umount)(struct lxc_container *c, const char *target, unsigned long flags, struct lxc_mount *version);
	/* The listener of its seccomp filter, if this process is its monitor, or its monitor's; -errno. */
	int (*seccomp_notify_fd)(struct lxc_container *c);
	int (*seccomp_notify_fd_active)(struct lxc_container *c);
	/* A pidfd of its init, and the root of its devpts; -errno. */
	int (*init_pidfd)(struct lxc_container *c);
	int (*devpts_fd)(struct lxc_container *c);
	/* The last argument of set_timeout. */
	int rcv_timeout;
	/* How long state may take, s; -1 for as long as it takes. */
	bool (*set_timeout)(struct lxc_container *c, int seconds);
};

struct lxc_snapshot {
	/* snapN. */
	char *name;
	/* The file of its comment. */
	char *comment_pathname;
	/* When it was taken: YYYY:MM:DD hh:mm:ss. */
	char *timestamp;
	/* The directory of containers that it is in. */
	char *lxcpath;
	/* Frees these. */
	void (*free)(struct lxc_snapshot *s);
};

/* The settings of new storage; each kind has a use for some of them. */
struct bdev_specs {
	char *fstype;
	/* Bytes. */
	uint64_t fssize;
	struct {
		char *zfsroot;
	} zfs;
	struct {
		char *vg;
		char *lv;
		char *thinpool;
	} lvm;
	/* The root filesystem of the kind dir. */
	char *dir;
	struct {
		char *rbdname;
		char *rbdpool;
	} rbd;
};

/* Commands of migrate. */
enum {
	MIGRATE_PRE_DUMP = 0,
	MIGRATE_DUMP = 1,
	MIGRATE_RESTORE = 2,
	MIGRATE_FEATURE_CHECK = 3,
};

#define FEATURE_MEM_TRACK (1ULL << 0)
#define FEATURE_LAZY_PAGES (1ULL << 1)

struct migrate_opts {
	char *directory;
	bool verbose;
	/* Whether it is stopped then. */
	bool stop;
	/* The images of the dump before, relative to the directory. */
	char *predump_dir;
	/* A page server of CRIU that gets the memory. */
	char *pageserver_address;
	char *pageserver_port;
	/* Whether inode numbers are the same where it is restored. */
	bool preserves_inodes;
	/* A program that CRIU calls at each stage. */
	char *action_script;
	/* Whether it fails if there are connections that are not accepted yet. */
	bool disable_skip_in_flight;
	/* Up to what size files that are removed but open are kept; 0 for CRIU's own limit. */
	uint64_t ghost_limit;
	/* FEATURE_* to look for; those that are there. */
	uint64_t features_to_check;
};

struct lxc_console_log {
	/* Whether what is kept is forgotten then. */
	bool clear;
	/* Whether it is returned. */
	bool read;
	/* How many bytes at most, 0 for all; how many there were. */
	uint64_t *read_max;
	/* What is returned, without a NUL at its end; the caller frees it. */
	char *data;
};

/* A container, which need not exist, in a directory, NULL for the system's; NULL if its configuration cannot be read. */
struct lxc_container *lxc_container_new(const char *name, const char *lxcpath);
/* Takes a reference: 1 if that worked. */
int lxc_container_get(struct lxc_container *c);
/* Gives one back: 1 if it was the last and the container is freed, 0 if not. */
int lxc_container_put(struct lxc_container *c);

/* Writes the names of all states, if there is a place; how many there are. */
int lxc_get_wait_states(const char **states);
/* A value of lxc.conf(5), or its default. */
const char *lxc_get_global_config_item(const char *key);
const char *lxc_get_version(void);

/* The containers of a directory, NULL for the system's, with a configuration, that run, or both; how many. The names
 * and the containers are the caller's, as far as there is a place for them. */
int list_defined_containers(const char *lxcpath, char ***names, struct lxc_container ***containers);
int list_active_containers(const char *lxcpath, char ***names, struct lxc_container ***containers);
int list_all_containers(const char *lxcpath, char ***names, struct lxc_container ***containers);

struct lxc_log {
	/* The program's name, for the default file. */
	const char *name;
	const char *lxcpath;
	/* The file; none for no file. */
	const char *file;
	/* TRACE, DEBUG, INFO, NOTICE, WARN, ERROR (which NULL is), CRIT, ALERT or FATAL. */
	const char *level;
	/* What each line begins with. */
	const char *prefix;
	/* Whether nothing goes to standard error. */
	bool quiet;
};

/* Begins a log; the first call counts. 0, or -errno. */
int lxc_log_init(struct lxc_log *log);
void lxc_log_close(void);

/* Whether there is a configuration key, or an extension of this interface. */
bool lxc_config_item_is_supported(const char *key);
bool lxc_has_api_extension(const char *extension);

#ifdef __cplusplus
}
#endif

#endif
