/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* How a process is run in a container. */
#ifndef LXC_ATTACH_OPTIONS_H
#define LXC_ATTACH_OPTIONS_H

#include <errno.h>
#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The environment that the process begins with. */
typedef enum lxc_attach_env_policy_t {
	LXC_ATTACH_KEEP_ENV = 0, /* the caller's */
#define LXC_ATTACH_KEEP_ENV LXC_ATTACH_KEEP_ENV
	LXC_ATTACH_CLEAR_ENV = 1, /* none, but for extra_keep_env */
#define LXC_ATTACH_CLEAR_ENV LXC_ATTACH_CLEAR_ENV
} lxc_attach_env_policy_t;

/* Flags. Each is a macro as well, so that a program can ask for it with #ifdef. */
enum {
	/* By default the process has these of the container: its cgroups, */
	LXC_ATTACH_MOVE_TO_CGROUP = 0x00000001,
#define LXC_ATTACH_MOVE_TO_CGROUP LXC_ATTACH_MOVE_TO_CGROUP
	/* no capabilities but those that it may have, */
	LXC_ATTACH_DROP_CAPABILITIES = 0x00000002,
#define LXC_ATTACH_DROP_CAPABILITIES LXC_ATTACH_DROP_CAPABILITIES
	/* the personality, or the one in the options, */
	LXC_ATTACH_SET_PERSONALITY = 0x00000004,
#define LXC_ATTACH_SET_PERSONALITY LXC_ATTACH_SET_PERSONALITY
	/* and its security label and seccomp filter. */
	LXC_ATTACH_LSM_EXEC = 0x00000008,
#define LXC_ATTACH_LSM_EXEC LXC_ATTACH_LSM_EXEC

	/* On request: proc and sys are mounted anew, if the mount namespace is not joined. */
	LXC_ATTACH_REMOUNT_PROC_SYS = 0x00010000,
#define LXC_ATTACH_REMOUNT_PROC_SYS LXC_ATTACH_REMOUNT_PROC_SYS
	/* As LXC_ATTACH_LSM_EXEC. */
	LXC_ATTACH_LSM_NOW = 0x00020000,
#define LXC_ATTACH_LSM_NOW LXC_ATTACH_LSM_NOW
	/* No privileges are gained by an exec (PR_SET_NO_NEW_PRIVS). */
	LXC_ATTACH_NO_NEW_PRIVS = 0x00040000,
#define LXC_ATTACH_NO_NEW_PRIVS LXC_ATTACH_NO_NEW_PRIVS
	/* A command gets a terminal of the container in place of the caller's; the call lasts until it ends. */
	LXC_ATTACH_TERMINAL = 0x00080000,
#define LXC_ATTACH_TERMINAL LXC_ATTACH_TERMINAL
	/* The label is lsm_label. */
	LXC_ATTACH_LSM_LABEL = 0x00100000,
#define LXC_ATTACH_LSM_LABEL LXC_ATTACH_LSM_LABEL
	/* The supplementary groups are those in groups; else there are none. */
	LXC_ATTACH_SETGROUPS = 0x00200000,
#define LXC_ATTACH_SETGROUPS LXC_ATTACH_SETGROUPS

	LXC_ATTACH_DEFAULT = 0x0000FFFF,
#define LXC_ATTACH_DEFAULT LXC_ATTACH_DEFAULT
};

/* Everything about security labels. */
#define LXC_ATTACH_LSM (LXC_ATTACH_LSM_EXEC | LXC_ATTACH_LSM_NOW | LXC_ATTACH_LSM_LABEL)

/* The container's personality. */
#define LXC_ATTACH_DETECT_PERSONALITY ~0L

/* What runs in the container, in a copy of the calling process; its result is the exit code. With threads in the
 * program it may do only what signal-safety(7) allows, which an exec is a part of. */
typedef int (*lxc_attach_exec_t)(void *payload);

typedef struct lxc_groups_t {
	size_t size;
	gid_t *list;
} lxc_groups_t;

typedef struct lxc_attach_options_t {
	/* LXC_ATTACH_*. */
	int attach_flags;
	/* CLONE_NEW* of the only namespaces to join; -1 for all that are not the caller's. */
	int namespaces;
	/* personality(2), or LXC_ATTACH_DETECT_PERSONALITY. */
	long personality;
	/* The directory inside; NULL for the caller's. It is / where there is none of that name. */
	char *initial_cwd;
	/* The user and group inside; -1 for root. */
	uid_t uid;
	gid_t gid;
	lxc_attach_env_policy_t env_policy;
	/* Variables to add, NAME=VALUE; ends in NULL. */
	char **extra_env_vars;
	/* Names of variables of the caller to keep; ends in NULL. */
	char **extra_keep_env;
	/* The standard descriptors, of the caller. */
	int stdin_fd;
	int stdout_fd;
	int stderr_fd;
	/* Not used. */
	int log_fd;
	/* For LXC_ATTACH_LSM_LABEL. */
	char *lsm_label;
	/* For LXC_ATTACH_SETGROUPS. */
	lxc_groups_t groups;
} lxc_attach_options_t;

/* What a program begins with. */
#define LXC_ATTACH_OPTIONS_DEFAULT { \
	.attach_flags = LXC_ATTACH_DEFAULT, \
	.namespaces = -1, \
	.personality = LXC_ATTACH_DETECT_PERSONALITY, \
	.initial_cwd = NULL, \
	.uid = (uid_t)-1, \
	.gid = (gid_t)-1, \
	.env_policy = LXC_ATTACH_KEEP_ENV, \
	.extra_env_vars = NULL, \
	.extra_keep_env = NULL, \
	.stdin_fd = 0, \
	.stdout_fd = 1, \
	.stderr_fd = 2, \
	.log_fd = -EBADF, \
	.lsm_label = NULL, \
	.groups = { 0, NULL }, \
}

/* A command. */
typedef struct lxc_attach_command_t {
	/* Its file, looked up in the container's PATH. */
	char *program;
	/* What it is told, from its name on; ends in NULL. */
	char **argv;
} lxc_attach_command_t;

/* Functions for attach: a command (payload: lxc_attach_command_t), and the user's login shell. */
extern int lxc_attach_run_command(void *payload);
extern int lxc_attach_run_shell(void *payload);

#ifdef __cplusplus
}
#endif

#endif
