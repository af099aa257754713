//! One cgroup directory: made, told apart from those of dead containers by a lock and a mark, removed.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use rustix::fs::{XattrFlags, fgetxattr, fsetxattr};

use super::layout::{Hierarchy, Version};
use super::verify;
use super::walk::{Visitor, walk};
use crate::error::{Context, Error, Result};
use crate::sys::lock::FileLock;

/// One cgroup directory, held open.
#[derive(Debug)]
pub struct CgroupDir {
    /// The hierarchy it is in.
    pub hierarchy: Hierarchy,
    /// Its path below the hierarchy's base; limits go here.
    pub path: PathBuf,
    /// The directory that limits.
    pub limit: OwnedFd,
    /// The directory that init is in, where `lxc.cgroup.dir.container.inner` sets one below.
    pub inner: Option<OwnedFd>,
}

impl CgroupDir {
    /// The directory that init is in.
    pub fn payload(&self) -> BorrowedFd<'_> {
        self.inner.as_ref().unwrap_or(&self.limit).as_fd()
    }
}

/// Makes `path` (and, after `prepare_limit`, `inner` below) in `hierarchy`; `None` where this user may not.
pub(super) fn create_dir(
    hierarchy: &Hierarchy,
    path: &Path,
    inner: Option<&Path>,
    prepare_limit: impl FnOnce(BorrowedFd<'_>) -> Result<()>,
) -> Result<Option<CgroupDir>> {
    if let Some(parent) = path.parent() {
        match make_dirs(hierarchy, parent) {
            Err(error) if is_not_ours(&error) => return Ok(None),
            result => result?,
        }
    }
    let at = hierarchy.dir(path);
    let failed = || format!("cannot create cgroup {}", at.display());
    match mkdir(&at) {
        Err(Errno::EEXIST) if remove_dead(&at) => mkdir(&at).context(failed)?,
        result => match result.context(failed) {
            Err(error) if is_not_ours(&error) => return Ok(None),
            result => result?,
        },
    }
    prepare(hierarchy, &at)?;
    let limit = open_dir(&at)?;
    let inner = match inner {
        None => None,
        Some(inner) => {
            prepare_limit(limit.as_fd())?;
            let inner = at.join(inner);
            mkdir(&inner).context(|| format!("cannot create cgroup {}", inner.display()))?;
            prepare(hierarchy, &inner)?;
            Some(open_dir(&inner)?)
        }
    };
    Ok(Some(CgroupDir { hierarchy: hierarchy.clone(), path: path.to_path_buf(), limit, inner }))
}

/// Users other than root may write only the hierarchies that were delegated to them.
fn is_not_ours(error: &Error) -> bool {
    (error.lacks_rights() || error.is(Errno::EROFS)) && !nix::unistd::geteuid().is_root()
}

/// Makes the directory `path` in `hierarchy` and those above it, as far as they are missing.
fn make_dirs(hierarchy: &Hierarchy, path: &Path) -> Result<()> {
    let mut at = hierarchy.dir(Path::new(""));
    for component in path.components() {
        at.push(component);
        match mkdir(&at) {
            Ok(()) => prepare(hierarchy, &at)?,
            // The cgroup is somebody else's, who may not have given it all controllers.
            Err(Errno::EEXIST) if hierarchy.version == Version::V2 => prepare(hierarchy, &at)?,
            Err(Errno::EEXIST) => {}
            Err(errno) => {
                let what = format!("cannot create cgroup {}", at.display());
                return Err(Error::new(what).errno(errno));
            }
        }
    }
    Ok(())
}

/// Makes the new cgroup `at` fit for processes and cgroups below.
fn prepare(hierarchy: &Hierarchy, at: &Path) -> Result<()> {
    let Some(parent) = at.parent() else { return Ok(()) };
    match hierarchy.version {
        Version::V1 if hierarchy.has("cpuset") => inherit_cpuset(parent, at),
        Version::V2 if !hierarchy.controllers.is_empty() => {
            enable_controllers(parent, &hierarchy.controllers)
        }
        _ => Ok(()),
    }
}

fn mkdir(path: &Path) -> nix::Result<()> {
    nix::unistd::mkdir(path, Mode::from_bits_truncate(0o755))
}

pub(super) fn open_dir(path: &Path) -> Result<OwnedFd> {
    nix::fcntl::open(path, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .context(|| format!("cannot open cgroup {}", path.display()))
}

/// Fills the new v1 cpuset `child`: it may hold no process before it has cpus and memory nodes
/// (cpuset(7)), and unlike other controllers it does not inherit them.
fn inherit_cpuset(parent: &Path, child: &Path) -> Result<()> {
    let read = |dir: &Path, file: &str| {
        let path = dir.join(file);
        std::fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))
    };
    let write = |file: &str, value: &str| {
        let path = child.join(file);
        std::fs::write(&path, value)
            .context(|| format!("cannot write {value:?} to {}", path.display()))
    };
    if read(parent, "cgroup.clone_children")?.trim() == "1" {
        return Ok(());
    }
    write("cpuset.cpus", &usable_cpus(read(parent, "cpuset.cpus")?.trim()))?;
    write("cpuset.mems", read(parent, "cpuset.mems")?.trim())?;
    write("cgroup.clone_children", "1")
}

/// Those of `cpus` that are online and not set apart at boot (`isolcpus`), if there are any.
fn usable_cpus(cpus: &str) -> String {
    let read = |file: &str| {
        let text = std::fs::read_to_string(format!("/sys/devices/system/cpu/{file}"));
        verify::list(&text.unwrap_or_default()).unwrap_or_default()
    };
    without(cpus, &read("isolated"), &read("offline"))
}

fn without(cpus: &str, isolated: &BTreeSet<u32>, offline: &BTreeSet<u32>) -> String {
    let Some(all) = verify::list(cpus) else { return cpus.to_owned() };
    let usable = all.iter().filter(|cpu| !isolated.contains(cpu) && !offline.contains(cpu));
    let usable: Vec<String> = usable.map(u32::to_string).collect();
    if usable.is_empty() { cpus.to_owned() } else { usable.join(",") }
}

/// Lets the children of the v2 cgroup `parent` have `controllers`. What the kernel does not allow
/// there (a cgroup with processes in it, a controller that v1 holds) stays off, and so does what would
/// make a cgroup with processes in it a threaded domain, below which there can be no container.
fn enable_controllers(parent: &Path, controllers: &[String]) -> Result<()> {
    let path = parent.join("cgroup.subtree_control");
    let enabled =
        std::fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))?;
    for controller in controllers {
        if !enabled.split_whitespace().any(|one| one == controller) {
            // The limits of this container say so if they need one that is missing.
            if std::fs::write(&path, format!("+{controller}")).is_ok() && is_threaded(parent) {
                std::fs::write(&path, format!("-{controller}"))
                    .context(|| format!("cannot write \"-{controller}\" to {}", path.display()))?;
            }
        }
    }
    Ok(())
}

fn is_threaded(dir: &Path) -> bool {
    // The root cgroup has no such file.
    std::fs::read_to_string(dir.join("cgroup.type")).is_ok_and(|kind| kind.trim() != "domain")
}

/// The mark, an extended attribute: that of the host's root, and that of everybody else (Linux 5.7).
const MARKS: [&str; 2] = ["trusted.lxc-rs", "user.lxc-rs"];

/// Marks the cgroup `dir`, whose lock this process has.
pub(super) fn mark(dir: BorrowedFd<'_>) {
    let set = |name: &&str| fsetxattr(dir, *name, b"", XattrFlags::empty()).is_ok();
    if !MARKS.iter().any(set) {
        log::debug!("the kernel takes no mark for a cgroup");
    }
}

/// Whether the cgroup `dir` has the mark.
pub(super) fn is_marked(dir: BorrowedFd<'_>) -> bool {
    MARKS.iter().any(|name| fgetxattr(dir, *name, &mut [0_u8; 0]).is_ok())
}

/// Takes the lock that marks a cgroup directory as a living container's; `None` if another process has
/// it. The lock is not on the descriptor `dir`, which init may keep open longer than the monitor.
pub(super) fn lock(dir: BorrowedFd<'_>) -> Result<Option<FileLock>> {
    let failed = || "cannot lock the container's cgroup";
    let own = openat(dir, c".", OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
    FileLock::try_exclusive(File::from(own.context(failed)?)).context(failed)
}

/// The lock of the cgroup `dir` that was just made. Fails with EEXIST if another container took the
/// cgroup for a dead one's, and has its name now.
pub(super) fn hold(dir: &CgroupDir) -> Result<FileLock> {
    let path = dir.hierarchy.dir(&dir.path);
    let failed = || format!("cannot create cgroup {}", path.display());
    let held = lock(dir.limit.as_fd())?;
    let own = nix::sys::stat::fstat(&dir.limit).context(failed)?;
    let is_there = nix::sys::stat::stat(&path).is_ok_and(|there| there.st_ino == own.st_ino);
    held.filter(|_| is_there).ok_or_else(|| Error::new(failed()).errno(Errno::EEXIST))
}

/// Removes the cgroup at `path`, with those below, if no container lives in it. Says whether the
/// name is free now.
pub(super) fn remove_dead(path: &Path) -> bool {
    let Ok(dir) = open_dir(path) else {
        return false;
    };
    match lock(dir.as_fd()) {
        Ok(Some(_lock)) => remove_tree(path).is_ok(),
        _ => false,
    }
}

/// Removes a directory just made, with nothing in it.
pub(super) fn remove_dir(dir: &CgroupDir) {
    // Only undoing: the error that led here is the one to report.
    let _ = remove_tree(&dir.hierarchy.dir(&dir.path));
}

/// Removes the cgroup at `path` and those below it; a cgroup with a process inside stays (EBUSY).
fn remove_tree(path: &Path) -> nix::Result<()> {
    match rmdir(path) {
        Ok(()) | Err(Errno::ENOENT) => return Ok(()),
        Err(Errno::EBUSY) => {}
        Err(errno) => return Err(errno),
    }
    // It has cgroups below it, or processes.
    remove_below(path)?;
    match rmdir(path) {
        Err(Errno::ENOENT) => Ok(()),
        result => result,
    }
}

/// Removes the cgroups below the one at `path`.
pub(super) fn remove_below(path: &Path) -> nix::Result<()> {
    struct Remove;
    impl Visitor for Remove {
        fn wants(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> nix::Result<bool> {
            match unlinkat(parent, name, UnlinkatFlags::RemoveDir) {
                Ok(()) | Err(Errno::ENOENT) => Ok(false),
                Err(Errno::EBUSY) => Ok(true),
                Err(errno) => Err(errno),
            }
        }

        fn leave(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> nix::Result<()> {
            match unlinkat(parent, name, UnlinkatFlags::RemoveDir) {
                Err(Errno::ENOENT) => Ok(()),
                result => result,
            }
        }
    }
    match open_dir(path) {
        Ok(dir) => walk(dir.as_fd(), &mut Remove),
        Err(error) => Err(error.errno.map_or(Errno::EIO, Errno::from_raw)),
    }
}

fn rmdir(path: &Path) -> nix::Result<()> {
    unlinkat(nix::fcntl::AT_FDCWD, path, UnlinkatFlags::RemoveDir)
}

/// As [`remove_tree`], waiting until `deadline` for processes that are dying.
pub(super) fn remove_patiently(path: &Path, deadline: Instant) -> nix::Result<()> {
    let mut pause = Duration::from_micros(50);
    loop {
        match remove_tree(path) {
            Err(Errno::EBUSY) if Instant::now() < deadline => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(5));
            }
            result => return result,
        }
    }
}

/// Removes the directories between the base and the container's cgroup (`lxc.cgroup.dir`), as far
/// as no other container uses them.
pub(super) fn remove_empty_parents(hierarchy: &Hierarchy, path: &Path) {
    let mut parent = path.parent();
    while let Some(path) = parent.filter(|path| !path.as_os_str().is_empty()) {
        if rmdir(&hierarchy.dir(path)).is_err() {
            return;
        }
        parent = path.parent();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpuset_inherits_what_can_be_used() {
        let set = |cpus: &[u32]| cpus.iter().copied().collect::<BTreeSet<u32>>();
        assert_eq!(without("0-3", &set(&[1]), &set(&[3])), "0,2");
        assert_eq!(without("0-1", &set(&[]), &set(&[])), "0,1");
        // Where nothing would be left, the parent's will do.
        assert_eq!(without("1", &set(&[1]), &set(&[])), "1");
    }
}
