/* The layout of the C interface on 64-bit machines: to be compiled with our headers, and with LXC's. Ours have the
 * members of LXC 6.0 as well (-DNEWER). */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <lxc/attach_options.h>
#include <lxc/lxccontainer.h>
#include <lxc/version.h>

typedef struct lxc_container lxc_container;
typedef struct lxc_snapshot lxc_snapshot;
typedef struct bdev_specs bdev_specs;
typedef struct migrate_opts migrate_opts;
typedef struct lxc_console_log lxc_console_log;
typedef struct lxc_mount lxc_mount;
typedef struct lxc_log lxc_log;

#ifdef __cplusplus
#define CHECK(condition, what) static_assert(condition, what);
#else
#define CHECK(condition, what) _Static_assert(condition, what);
#endif
#define S(type, member, offset) CHECK(offsetof(type, member) == (offset), #type "." #member)
#define SIZE(type, size) CHECK(sizeof(type) == (size), #type)
#define IS(constant, value) CHECK((constant) == (value), #constant)

S(lxc_container, name, 0)
S(lxc_container, configfile, 8)
S(lxc_container, pidfile, 16)
S(lxc_container, slock, 24)
S(lxc_container, privlock, 32)
S(lxc_container, numthreads, 40)
S(lxc_container, lxc_conf, 48)
S(lxc_container, error_string, 56)
S(lxc_container, error_num, 64)
S(lxc_container, daemonize, 68)
S(lxc_container, config_path, 72)
S(lxc_container, is_defined, 80)
S(lxc_container, state, 88)
S(lxc_container, is_running, 96)
S(lxc_container, freeze, 104)
S(lxc_container, unfreeze, 112)
S(lxc_container, init_pid, 120)
S(lxc_container, load_config, 128)
S(lxc_container, start, 136)
S(lxc_container, startl, 144)
S(lxc_container, stop, 152)
S(lxc_container, want_daemonize, 160)
S(lxc_container, want_close_all_fds, 168)
S(lxc_container, config_file_name, 176)
S(lxc_container, wait, 184)
S(lxc_container, set_config_item, 192)
S(lxc_container, destroy, 200)
S(lxc_container, save_config, 208)
S(lxc_container, create, 216)
S(lxc_container, createl, 224)
S(lxc_container, rename, 232)
S(lxc_container, reboot, 240)
S(lxc_container, shutdown, 248)
S(lxc_container, clear_config, 256)
S(lxc_container, clear_config_item, 264)
S(lxc_container, get_config_item, 272)
S(lxc_container, get_running_config_item, 280)
S(lxc_container, get_keys, 288)
S(lxc_container, get_interfaces, 296)
S(lxc_container, get_ips, 304)
S(lxc_container, get_cgroup_item, 312)
S(lxc_container, set_cgroup_item, 320)
S(lxc_container, get_config_path, 328)
S(lxc_container, set_config_path, 336)
S(lxc_container, clone, 344)
S(lxc_container, console_getfd, 352)
S(lxc_container, console, 360)
S(lxc_container, attach, 368)
S(lxc_container, attach_run_wait, 376)
S(lxc_container, attach_run_waitl, 384)
S(lxc_container, snapshot, 392)
S(lxc_container, snapshot_list, 400)
S(lxc_container, snapshot_restore, 408)
S(lxc_container, snapshot_destroy, 416)
S(lxc_container, may_control, 424)
S(lxc_container, add_device_node, 432)
S(lxc_container, remove_device_node, 440)
S(lxc_container, attach_interface, 448)
S(lxc_container, detach_interface, 456)
S(lxc_container, checkpoint, 464)
S(lxc_container, restore, 472)
S(lxc_container, destroy_with_snapshots, 480)
S(lxc_container, snapshot_destroy_all, 488)
S(lxc_container, migrate, 496)
S(lxc_container, console_log, 504)
S(lxc_container, reboot2, 512)
S(lxc_container, mount, 520)
S(lxc_container, umount, 528)
S(lxc_container, seccomp_notify_fd, 536)
S(lxc_container, seccomp_notify_fd_active, 544)
S(lxc_container, init_pidfd, 552)
S(lxc_container, devpts_fd, 560)
S(lxc_snapshot, name, 0)
S(lxc_snapshot, comment_pathname, 8)
S(lxc_snapshot, timestamp, 16)
S(lxc_snapshot, lxcpath, 24)
S(lxc_snapshot, free, 32)
S(bdev_specs, fstype, 0)
S(bdev_specs, fssize, 8)
S(bdev_specs, zfs.zfsroot, 16)
S(bdev_specs, lvm.vg, 24)
S(bdev_specs, lvm.lv, 32)
S(bdev_specs, lvm.thinpool, 40)
S(bdev_specs, dir, 48)
S(bdev_specs, rbd.rbdname, 56)
S(bdev_specs, rbd.rbdpool, 64)
S(migrate_opts, directory, 0)
S(migrate_opts, verbose, 8)
S(migrate_opts, stop, 9)
S(migrate_opts, predump_dir, 16)
S(migrate_opts, pageserver_address, 24)
S(migrate_opts, pageserver_port, 32)
S(migrate_opts, preserves_inodes, 40)
S(migrate_opts, action_script, 48)
S(migrate_opts, disable_skip_in_flight, 56)
S(migrate_opts, ghost_limit, 64)
S(migrate_opts, features_to_check, 72)
S(lxc_console_log, clear, 0)
S(lxc_console_log, read, 1)
S(lxc_console_log, read_max, 8)
S(lxc_console_log, data, 16)
S(lxc_mount, version, 0)
S(lxc_log, name, 0)
S(lxc_log, lxcpath, 8)
S(lxc_log, file, 16)
S(lxc_log, level, 24)
S(lxc_log, prefix, 32)
S(lxc_log, quiet, 40)
S(lxc_attach_options_t, attach_flags, 0)
S(lxc_attach_options_t, namespaces, 4)
S(lxc_attach_options_t, personality, 8)
S(lxc_attach_options_t, initial_cwd, 16)
S(lxc_attach_options_t, uid, 24)
S(lxc_attach_options_t, gid, 28)
S(lxc_attach_options_t, env_policy, 32)
S(lxc_attach_options_t, extra_env_vars, 40)
S(lxc_attach_options_t, extra_keep_env, 48)
S(lxc_attach_options_t, stdin_fd, 56)
S(lxc_attach_options_t, stdout_fd, 60)
S(lxc_attach_options_t, stderr_fd, 64)
S(lxc_attach_options_t, log_fd, 68)
S(lxc_attach_options_t, lsm_label, 72)
S(lxc_attach_options_t, groups.size, 80)
S(lxc_attach_options_t, groups.list, 88)
S(lxc_attach_command_t, program, 0)
S(lxc_attach_command_t, argv, 8)
S(lxc_groups_t, size, 0)
S(lxc_groups_t, list, 8)
#ifdef NEWER
S(lxc_container, rcv_timeout, 568)
S(lxc_container, set_timeout, 576)
SIZE(lxc_container, 584)
#else
SIZE(lxc_container, 568)
#endif
SIZE(lxc_snapshot, 40)
SIZE(bdev_specs, 72)
SIZE(migrate_opts, 80)
SIZE(lxc_console_log, 24)
SIZE(lxc_mount, 4)
SIZE(lxc_log, 48)
SIZE(lxc_attach_options_t, 96)
SIZE(lxc_attach_command_t, 16)
SIZE(lxc_groups_t, 16)
IS(LXC_CLONE_KEEPNAME, 1)
IS(LXC_CLONE_KEEPMACADDR, 2)
IS(LXC_CLONE_SNAPSHOT, 4)
IS(LXC_CLONE_KEEPBDEVTYPE, 8)
IS(LXC_CLONE_MAYBE_SNAPSHOT, 16)
IS(LXC_CLONE_MAXFLAGS, 32)
IS(LXC_CLONE_ALLOW_RUNNING, 64)
IS(LXC_CREATE_QUIET, 1)
IS(LXC_CREATE_MAXFLAGS, 2)
IS(LXC_MOUNT_API_V1, 1)
IS(MIGRATE_PRE_DUMP, 0)
IS(MIGRATE_DUMP, 1)
IS(MIGRATE_RESTORE, 2)
IS(MIGRATE_FEATURE_CHECK, 3)
IS(FEATURE_MEM_TRACK, 1)
IS(FEATURE_LAZY_PAGES, 2)
IS(LXC_ATTACH_KEEP_ENV, 0)
IS(LXC_ATTACH_CLEAR_ENV, 1)
IS(LXC_ATTACH_MOVE_TO_CGROUP, 1)
IS(LXC_ATTACH_DROP_CAPABILITIES, 2)
IS(LXC_ATTACH_SET_PERSONALITY, 4)
IS(LXC_ATTACH_LSM_EXEC, 8)
IS(LXC_ATTACH_REMOUNT_PROC_SYS, 0x10000)
IS(LXC_ATTACH_LSM_NOW, 0x20000)
IS(LXC_ATTACH_NO_NEW_PRIVS, 0x40000)
IS(LXC_ATTACH_TERMINAL, 0x80000)
IS(LXC_ATTACH_LSM_LABEL, 0x100000)
IS(LXC_ATTACH_SETGROUPS, 0x200000)
IS(LXC_ATTACH_DEFAULT, 0xffff)
IS(LXC_ATTACH_LSM, 0x120008)
IS(LXC_ATTACH_DETECT_PERSONALITY, -1)
IS(LXC_DEVEL, 0)
IS(LXC_VERSION_MAJOR, 5)
IS(LXC_VERSION_MINOR, 0)
IS(LXC_VERSION_MICRO, 2)

/* What was declared is there, with these types. */
static struct {
	struct lxc_container *(*make)(const char *, const char *);
	int (*get)(struct lxc_container *);
	int (*put)(struct lxc_container *);
	int (*states)(const char **);
	const char *(*item)(const char *);
	const char *(*version)(void);
	int (*list[3])(const char *, char ***, struct lxc_container ***);
	int (*log)(struct lxc_log *);
	void (*end)(void);
	bool (*is[2])(const char *);
	lxc_attach_exec_t run[2];
} all = {
	lxc_container_new, lxc_container_get, lxc_container_put, lxc_get_wait_states, lxc_get_global_config_item,
	lxc_get_version, { list_defined_containers, list_active_containers, list_all_containers }, lxc_log_init,
	lxc_log_close, { lxc_config_item_is_supported, lxc_has_api_extension },
	{ lxc_attach_run_command, lxc_attach_run_shell },
};

int main(void)
{
	lxc_attach_options_t options = LXC_ATTACH_OPTIONS_DEFAULT;

	if (options.namespaces != -1 || options.log_fd != -9 || options.stderr_fd != 2 || options.groups.size)
		return 1;
	/* The library is that of the headers. */
	return strcmp(all.version(), LXC_VERSION) || strcmp(LXC_VERSION_ABI, "1.7.0");
}
