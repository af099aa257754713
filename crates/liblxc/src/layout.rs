//! The structs of the interface, as C lays them out (LXC 7.0; 64 bit).

use std::ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void};
use std::mem::offset_of;

use libc::{gid_t, pid_t, uid_t};

/// A list of texts that ends in a null pointer.
pub type List = *const *const c_char;
/// What `attach` runs in the container.
pub type ExecFunction = unsafe extern "C" fn(*mut c_void) -> c_int;

/// `struct lxc_container`. C reads and writes the data members at any time, so there is never a reference to
/// all of it.
#[repr(C)]
pub struct LxcContainer {
    /// The name.
    pub name: *mut c_char,
    /// The configuration file; a program may set another one, of `malloc`.
    pub configfile: *mut c_char,
    /// The file that gets the monitor's pid; a program may set it, of `malloc`.
    pub pidfile: *mut c_char,
    /// Not used here.
    pub slock: *mut c_void,
    /// Not used here.
    pub privlock: *mut c_void,
    /// The number of references.
    pub numthreads: c_int,
    /// Not null if there is a configuration.
    pub lxc_conf: *mut c_void,
    /// What the last call that failed said.
    pub error_string: *mut c_char,
    /// Its errno, or -1; after a start in the foreground the status of init.
    pub error_num: c_int,
    /// Whether it starts in the background.
    pub daemonize: bool,
    /// The directory of containers.
    pub config_path: *mut c_char,
    pub is_defined: unsafe extern "C" fn(*mut LxcContainer) -> bool,
    pub state: unsafe extern "C" fn(*mut LxcContainer) -> *const c_char,
    pub is_running: unsafe extern "C" fn(*mut LxcContainer) -> bool,
    pub freeze: unsafe extern "C" fn(*mut LxcContainer) -> bool,
    pub unfreeze: unsafe extern "C" fn(*mut LxcContainer) -> bool,
    pub init_pid: unsafe extern "C" fn(*mut LxcContainer) -> pid_t,
    pub load_config: unsafe extern "C" fn(*mut LxcContainer, *const c_char) -> bool,
    pub start: unsafe extern "C" fn(*mut LxcContainer, c_int, List) -> bool,
    pub startl: unsafe extern "C" fn(*mut LxcContainer) -> bool,
    pub stop: unsafe extern "C" fn(*mut LxcContainer) -> bool,
    pub want_daemonize: unsafe extern "C" fn(*mut LxcContainer, bool) -> bool,
    pub want_close_all_fds: unsafe extern "C" fn(*mut LxcContainer, bool) -> bool,
    pub config_file_name: unsafe extern "C" fn(*mut LxcContainer) -> *mut c_char,
    pub wait: unsafe extern "C" fn(*mut LxcContainer, *const c_char, c_int) -> bool,
    pub set_config_item:
        unsafe extern "C" fn(*mut LxcContainer, *const c_char, *const c_char) -> bool,
    pub destroy: unsafe extern "C" fn(*mut LxcContainer) -> bool,
    pub save_config: unsafe extern "C" fn(*mut LxcContainer, *const c_char) -> bool,
    pub create: unsafe extern "C" fn(
        *mut LxcContainer,
        *const c_char,
        *const c_char,
        *const BdevSpecs,
        c_int,
        List,
    ) -> bool,
    pub createl: unsafe extern "C" fn(*mut LxcContainer) -> bool,
    pub rename: unsafe extern "C" fn(*mut LxcContainer, *const c_char) -> bool,
    pub reboot: unsafe extern "C" fn(*mut LxcContainer) -> bool,
    pub shutdown: unsafe extern "C" fn(*mut LxcContainer, c_int) -> bool,
    pub clear_config: unsafe extern "C" fn(*mut LxcContainer),
    pub clear_config_item: unsafe extern "C" fn(*mut LxcContainer, *const c_char) -> bool,
    pub get_config_item:
        unsafe extern "C" fn(*mut LxcContainer, *const c_char, *mut c_char, c_int) -> c_int,
    pub get_running_config_item:
        unsafe extern "C" fn(*mut LxcContainer, *const c_char) -> *mut c_char,
    pub get_keys:
        unsafe extern "C" fn(*mut LxcContainer, *const c_char, *mut c_char, c_int) -> c_int,
    pub get_interfaces: unsafe extern "C" fn(*mut LxcContainer) -> *mut *mut c_char,
    pub get_ips: unsafe extern "C" fn(
        *mut LxcContainer,
        *const c_char,
        *const c_char,
        c_int,
    ) -> *mut *mut c_char,
    pub get_cgroup_item:
        unsafe extern "C" fn(*mut LxcContainer, *const c_char, *mut c_char, c_int) -> c_int,
    pub set_cgroup_item:
        unsafe extern "C" fn(*mut LxcContainer, *const c_char, *const c_char) -> bool,
    pub get_config_path: unsafe extern "C" fn(*mut LxcContainer) -> *const c_char,
    pub set_config_path: unsafe extern "C" fn(*mut LxcContainer, *const c_char) -> bool,
    pub clone: unsafe extern "C" fn(
        *mut LxcContainer,
        *const c_char,
        *const c_char,
        c_int,
        *const c_char,
        *const c_char,
        u64,
        List,
    ) -> *mut LxcContainer,
    pub console_getfd: unsafe extern "C" fn(*mut LxcContainer, *mut c_int, *mut c_int) -> c_int,
    pub console:
        unsafe extern "C" fn(*mut LxcContainer, c_int, c_int, c_int, c_int, c_int) -> c_int,
    pub attach: unsafe extern "C" fn(
        *mut LxcContainer,
        Option<ExecFunction>,
        *mut c_void,
        *const AttachOptions,
        *mut pid_t,
    ) -> c_int,
    pub attach_run_wait:
        unsafe extern "C" fn(*mut LxcContainer, *const AttachOptions, *const c_char, List) -> c_int,
    pub attach_run_waitl: unsafe extern "C" fn(*mut LxcContainer) -> c_int,
    pub snapshot: unsafe extern "C" fn(*mut LxcContainer, *const c_char) -> c_int,
    pub snapshot_list: unsafe extern "C" fn(*mut LxcContainer, *mut *mut LxcSnapshot) -> c_int,
    pub snapshot_restore:
        unsafe extern "C" fn(*mut LxcContainer, *const c_char, *const c_char) -> bool,
    pub snapshot_destroy: unsafe extern "C" fn(*mut LxcContainer, *const c_char) -> bool,
    pub may_control: unsafe extern "C" fn(*mut LxcContainer) -> bool,
    pub add_device_node:
        unsafe extern "C" fn(*mut LxcContainer, *const c_char, *const c_char) -> bool,
    pub remove_device_node:
        unsafe extern "C" fn(*mut LxcContainer, *const c_char, *const c_char) -> bool,
    pub attach_interface:
        unsafe extern "C" fn(*mut LxcContainer, *const c_char, *const c_char) -> bool,
    pub detach_interface:
        unsafe extern "C" fn(*mut LxcContainer, *const c_char, *const c_char) -> bool,
    pub checkpoint: unsafe extern "C" fn(*mut LxcContainer, *mut c_char, bool, bool) -> bool,
    pub restore: unsafe extern "C" fn(*mut LxcContainer, *mut c_char, bool) -> bool,
    pub destroy_with_snapshots: unsafe extern "C" fn(*mut LxcContainer) -> bool,
    pub snapshot_destroy_all: unsafe extern "C" fn(*mut LxcContainer) -> bool,
    pub migrate:
        unsafe extern "C" fn(*mut LxcContainer, c_uint, *mut MigrateOptions, c_uint) -> c_int,
    pub console_log: unsafe extern "C" fn(*mut LxcContainer, *mut LxcConsoleLog) -> c_int,
    pub reboot2: unsafe extern "C" fn(*mut LxcContainer, c_int) -> bool,
    pub mount: unsafe extern "C" fn(
        *mut LxcContainer,
        *const c_char,
        *const c_char,
        *const c_char,
        c_ulong,
        *const c_void,
        *mut LxcMount,
    ) -> c_int,
    pub umount:
        unsafe extern "C" fn(*mut LxcContainer, *const c_char, c_ulong, *mut LxcMount) -> c_int,
    pub seccomp_notify_fd: unsafe extern "C" fn(*mut LxcContainer) -> c_int,
    pub seccomp_notify_fd_active: unsafe extern "C" fn(*mut LxcContainer) -> c_int,
    pub init_pidfd: unsafe extern "C" fn(*mut LxcContainer) -> c_int,
    pub devpts_fd: unsafe extern "C" fn(*mut LxcContainer) -> c_int,
    /// The time that `state` waits for an answer, seconds; 0 for the library's own.
    pub rcv_timeout: c_int,
    pub set_timeout: unsafe extern "C" fn(*mut LxcContainer, c_int) -> bool,
}

/// `struct lxc_snapshot`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct LxcSnapshot {
    /// The name, `snapN`.
    pub name: *mut c_char,
    /// The file that its comment would be in: python3-lxc takes no null.
    pub comment_pathname: *mut c_char,
    /// When it was taken.
    pub timestamp: *mut c_char,
    /// The directory that it is in.
    pub lxcpath: *mut c_char,
    /// Frees the members.
    pub free: unsafe extern "C" fn(*mut LxcSnapshot),
}

/// `struct bdev_specs`, as far as every release has it.
#[repr(C)]
pub struct BdevSpecs {
    pub fstype: *const c_char,
    pub fssize: u64,
    pub zfs_root: *const c_char,
    pub lvm_vg: *const c_char,
    pub lvm_lv: *const c_char,
    pub lvm_thinpool: *const c_char,
    pub dir: *const c_char,
    pub rbd_name: *const c_char,
    pub rbd_pool: *const c_char,
}

/// `lxc_attach_options_t`.
#[repr(C)]
pub struct AttachOptions {
    pub attach_flags: c_int,
    pub namespaces: c_int,
    pub personality: c_long,
    pub initial_cwd: *const c_char,
    pub uid: uid_t,
    pub gid: gid_t,
    pub env_policy: c_uint,
    pub extra_env_vars: List,
    pub extra_keep_env: List,
    pub standard: [c_int; 3],
    pub log_fd: c_int,
    /// Programs that were built for LXC before 4.0.7 end here, so what follows is read only where a flag says
    /// that it is there.
    pub lsm_label: *const c_char,
    pub groups_size: usize,
    pub groups: *const gid_t,
}

/// `lxc_attach_command_t`.
#[repr(C)]
pub struct AttachCommand {
    pub program: *const c_char,
    pub argv: List,
}

/// `struct lxc_console_log`.
#[repr(C)]
pub struct LxcConsoleLog {
    pub clear: bool,
    pub read: bool,
    /// How much to read, 0 for all; how much was read.
    pub read_max: *mut u64,
    /// What was read, of `malloc`.
    pub data: *mut c_char,
}

/// `struct lxc_mount`.
#[repr(C)]
pub struct LxcMount {
    pub version: c_int,
}

/// `struct migrate_opts`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct MigrateOptions {
    pub directory: *const c_char,
    pub verbose: bool,
    pub stop: bool,
    pub predump_dir: *const c_char,
    pub pageserver_address: *const c_char,
    pub pageserver_port: *const c_char,
    pub preserves_inodes: bool,
    pub action_script: *const c_char,
    pub disable_skip_in_flight: bool,
    pub ghost_limit: u64,
    pub features_to_check: u64,
}

/// `struct lxc_log`.
#[repr(C)]
pub struct LxcLog {
    pub name: *const c_char,
    pub lxcpath: *const c_char,
    pub file: *const c_char,
    pub level: *const c_char,
    pub prefix: *const c_char,
    pub quiet: bool,
}

#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<LxcContainer>() == 584);
    assert!(
        offset_of!(LxcContainer, numthreads) == 40 && offset_of!(LxcContainer, config_path) == 72
    );
    assert!(offset_of!(LxcContainer, is_defined) == 80 && offset_of!(LxcContainer, create) == 216);
    assert!(offset_of!(LxcContainer, attach) == 368 && offset_of!(LxcContainer, devpts_fd) == 560);
    assert!(offset_of!(LxcContainer, set_timeout) == 576);
    assert!(size_of::<LxcSnapshot>() == 40 && size_of::<BdevSpecs>() == 72);
    assert!(size_of::<AttachOptions>() == 96 && offset_of!(AttachOptions, lsm_label) == 72);
    assert!(size_of::<AttachCommand>() == 16 && size_of::<LxcLog>() == 48);
    assert!(size_of::<LxcConsoleLog>() == 24 && size_of::<MigrateOptions>() == 80);
    assert!(offset_of!(MigrateOptions, ghost_limit) == 64 && size_of::<LxcMount>() == 4);
};
