//! Where things lie on the host.
//!
//! An installation is relocatable: shared data is found beside the running program. A program in
//! `PREFIX/bin` has its templates and shipped configuration in `PREFIX/share/lxc` and mounts root
//! filesystems at `PREFIX/lib/lxc/rootfs`; a program elsewhere uses `/usr`.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::error::{Context, Error, Result};
use crate::identity::Identity;

/// Where the helper is installed, in the order in which it is looked up; the variable is for packages.
const HELPERS: [&str; 2] = [
    match option_env!("LXC_RS_HELPER") {
        Some(path) => path,
        None => "/usr/libexec/lxc/lxc-helper",
    },
    "/usr/local/libexec/lxc/lxc-helper",
];

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
static HELPER: OnceLock<PathBuf> = OnceLock::new();

/// Says where the program `lxc-helper` is, for a program that has the library of an installation of its
/// own. The first call counts; the answer is whether this was it.
pub fn set_helper(path: impl Into<PathBuf>) -> bool {
    HELPER.set(path.into()).is_ok()
}

/// The program `lxc-helper`: that of [`set_helper`], or the one that is installed.
pub fn helper() -> Result<&'static Path> {
    if let Some(path) = HELPER.get() {
        return Ok(path);
    }
    HELPERS.iter().map(Path::new).find(|path| path.exists()).ok_or_else(|| {
        Error::new("the program lxc-helper of lxc-rs is not installed")
            .hint(format!("it is looked up as {}", HELPERS.join(" and ")))
    })
}

/// Where this package's program is: this process's own file, or what the helper of a process that runs
/// another program is a link to.
pub fn program() -> Result<PathBuf> {
    if let Some(path) = PROGRAM.get() {
        return Ok(path.clone());
    }
    let helper = helper()?;
    std::fs::canonicalize(helper).context(|| format!("cannot find {}", helper.display()))
}

/// Says that this process runs this package's program, and where that is: the kernel cannot tell where a
/// file without a path comes from.
pub fn set_program(path: PathBuf) {
    // Said once; the first is right.
    let _ = PROGRAM.set(path);
}

fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        program()
            .ok()
            .and_then(|exe| {
                let bin = exe.parent()?;
                (bin.file_name()? == "bin").then(|| bin.parent().map(Path::to_path_buf))?
            })
            .unwrap_or_else(|| PathBuf::from("/usr"))
    })
}

/// The program that makes links for ordinary users.
pub fn user_nic() -> PathBuf {
    prefix().join("libexec/lxc/lxc-user-nic")
}

/// The program that fetches and unpacks images.
pub fn images() -> PathBuf {
    prefix().join("libexec/lxc/lxc-images")
}

/// Shared data: `templates/`, `config/`, `hooks/`.
pub fn data_dir() -> PathBuf {
    prefix().join("share/lxc")
}

/// The directory of the templates, `lxc-NAME` each.
pub fn template_dir() -> PathBuf {
    data_dir().join("templates")
}

/// Where a root filesystem is mounted before `pivot_root` (default of `lxc.rootfs.mount`): the directory
/// of the installation, else `RUNDIR/lxc/rootfs`, which the start makes.
pub fn rootfs_mount() -> PathBuf {
    let installed = prefix().join("lib/lxc/rootfs");
    if installed.is_dir() { installed } else { run_dir().join("lxc/rootfs") }
}

/// The system configuration of this user: `/etc/lxc/lxc.conf`, or `~/.config/lxc/lxc.conf`.
pub fn system_config() -> PathBuf {
    user_or_root(".config/lxc/lxc.conf", "/etc/lxc/lxc.conf")
}

/// Default of `lxc.default_config`.
pub fn default_config() -> PathBuf {
    user_or_root(".config/lxc/default.conf", "/etc/lxc/default.conf")
}

/// Default of `lxc.lxcpath`.
pub fn default_lxcpath() -> PathBuf {
    user_or_root(".local/share/lxc", "/var/lib/lxc")
}

/// The runtime directory: `/run` for root, else `$XDG_RUNTIME_DIR`, else `~/.cache/lxc/run`.
pub fn run_dir() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/run");
    }
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(dir) if !dir.is_empty() => PathBuf::from(dir),
        _ => home().join(".cache/lxc/run"),
    }
}

/// The lock of one container's definition (shared with C LXC):
/// `RUNDIR/lxc/lock/LXCPATH/.NAME`, the path joined as text.
pub fn lock_file(identity: &Identity) -> PathBuf {
    PathBuf::from(format!(
        "{}/lxc/lock/{}/.{}",
        run_dir().display(),
        identity.lxcpath.display(),
        identity.name
    ))
}

/// The lock under which ids are given to containers of this user.
pub fn ids_lock() -> PathBuf {
    run_dir().join("lxc/ids.lock")
}

/// The lock under which projects are given to root filesystems.
pub fn projects_lock() -> PathBuf {
    run_dir().join("lxc/projects.lock")
}

/// What of root filesystems is attached to the host.
pub fn attached_dir() -> PathBuf {
    run_dir().join("lxc/storage")
}

/// The lock under which ports are forwarded to containers. It is there once one was.
pub fn forward_lock() -> PathBuf {
    run_dir().join("lxc/forward.lock")
}

/// Where a container's log is, unless it is named: `/var/log/lxc/NAME.log` for root with the default
/// directory of containers, else, or where that directory is missing, `LXCPATH/NAME/NAME.log`.
pub fn default_log(identity: &Identity) -> PathBuf {
    let file = format!("{}.log", identity.name);
    let system = Path::new("/var/log/lxc");
    let is_systems = nix::unistd::geteuid().is_root() && identity.lxcpath == default_lxcpath();
    if is_systems && system.is_dir() { system.join(file) } else { identity.dir().join(file) }
}

/// The fifo on which monitors announce states to `lxc-monitord` of that directory of containers.
pub fn monitor_fifo(lxcpath: &Path) -> PathBuf {
    PathBuf::from(format!("{}/lxc/{}/monitor-fifo", run_dir().display(), lxcpath.display()))
}

fn home() -> PathBuf {
    std::env::var_os("HOME")
        .filter(|home| !home.is_empty())
        .map_or_else(|| "/".into(), PathBuf::from)
}

fn user_or_root(below_home: &str, for_root: &str) -> PathBuf {
    if nix::unistd::geteuid().is_root() { for_root.into() } else { home().join(below_home) }
}
