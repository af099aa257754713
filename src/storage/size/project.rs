//! Limits of directories, by the quotas of projects on ext4 and XFS.
//!
//! A project is a number that files and directories carry. New entries of a directory get its project.
//! Which one is a root filesystem's is recorded in its directory and nowhere else: it follows a rename,
//! a copy gets one of its own, and with the last file it is free again. A number is taken if it has a
//! limit or a file; both are asked of the file system, and one is chosen [under a lock](paths::projects_lock).

use std::fs::File;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::statfs::{FsType, fstatfs};

use super::{Usage, not_permitted, too_small};
use crate::error::{Context, Error, Result};
use crate::storage::tree;
use crate::sys::lock::FileLock;
use crate::sys::quota::{self, Attributes, Support};
use crate::{paths, table};

/// The projects that these tools give: "LX" in the upper half, far from those that people write into
/// /etc/projid.
pub(in crate::storage) const OWN: RangeInclusive<u32> = 0x4c58_0000..=0x4c58_ffff;

const EXT4: FsType = FsType(0xef53);
const XFS: FsType = FsType(0x5846_5342);

/// A directory whose content is limited.
struct Place<'a> {
    path: &'a Path,
    dir: File,
    attributes: Option<Attributes>,
}

impl<'a> Place<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        let dir = File::open(path)
            .context(|| format!("cannot open the root filesystem {}", path.display()))?;
        let attributes = Attributes::of(dir.as_fd()).ok();
        Ok(Self { path, dir, attributes })
    }

    fn project(&self) -> u32 {
        self.attributes.map_or(0, |found| found.project)
    }

    fn is_own(&self) -> bool {
        OWN.contains(&self.project())
    }

    fn failed(&self) -> String {
        format!("cannot limit the size of {}", self.path.display())
    }

    /// Fails unless it is on a file system whose quotas hold.
    fn check(&self) -> Result<()> {
        let kind = fstatfs(&self.dir).context(|| self.failed())?.filesystem_type();
        let why = |why: &str| Error::new(format!("{}: {why}", self.failed()));
        if ![EXT4, XFS].contains(&kind) {
            let fstype = filesystem(self.path);
            return Err(why(&format!("its file system ({fstype}) has no quotas of projects"))
                .hint("ext4 and XFS have them; on btrfs take storage of type btrfs"));
        }
        match quota::support(self.dir.as_fd()) {
            Ok(Support::Enforced) => {}
            Ok(Support::Counted) => {
                return Err(why("the quotas of projects on its file system do not hold").hint(
                    format!(
                        "mount it with the option prjquota, or quotaon -P {}",
                        mount(self.path)
                    ),
                ));
            }
            Ok(Support::Nothing) if kind == EXT4 => {
                return Err(why("its file system has no quotas of projects").hint(format!(
                    "while it is not mounted: tune2fs -O project,quota -Q prjquota DEVICE; then mount \
                     it ({}) with the option prjquota",
                    mount(self.path)
                )));
            }
            Ok(Support::Nothing) => {
                return Err(why("its file system has no quotas of projects").hint(format!(
                    "mount it ({}) with the option prjquota; a change of a mounted one takes none",
                    mount(self.path)
                )));
            }
            Err(Errno::EPERM) => return Err(not_permitted(self.failed())),
            Err(Errno::ENOSYS) => {
                return Err(why("this kernel has no quotas by descriptor").hint("Linux 5.14 has"));
            }
            Err(errno) => return Err(Error::new(self.failed()).errno(errno)),
        }
        let above = self.path.parent().and_then(|above| File::open(above).ok());
        let above = above.and_then(|above| Attributes::of(above.as_fd()).ok());
        let theirs = above.filter(|above| above.is_inherited() && above.project != 0);
        let theirs = theirs.map(|above| above.project);
        let other = Some(self.project()).filter(|project| *project != 0 && !self.is_own());
        match theirs.or(other) {
            Some(project) => {
                Err(why(&format!("it belongs to the project {project} of somebody else"))
                    .hint("a file has one project only; xfs_quota(8) or chattr(1) take it away"))
            }
            None => Ok(()),
        }
    }

    fn set(&self, project: u32, inherited: bool) -> Result<()> {
        let attributes = self.attributes.unwrap_or_default().with(project, inherited);
        attributes.set(self.dir.as_fd()).context(|| self.failed())
    }
}

/// The type of the file system of `path`.
fn filesystem(path: &Path) -> String {
    mounted(path).map_or_else(|| "of unknown type".to_owned(), |(_, fstype)| fstype)
}

/// Where the file system of `path` is mounted.
fn mount(path: &Path) -> String {
    mounted(path).map_or_else(|| path.display().to_string(), |(place, _)| place)
}

fn mounted(path: &Path) -> Option<(String, String)> {
    let path = path.canonicalize().ok()?;
    let table = table::read("/proc/self/mountinfo").ok()?;
    let entries = table.lines().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        Some((before.split(' ').nth(4)?, after.split(' ').next()?))
    });
    let found = entries.filter(|(place, _)| path.starts_with(place));
    // Of two mounts on one place the later one is on top.
    let (place, fstype) = found.max_by_key(|(place, _)| place.len())?;
    Some((place.to_owned(), fstype.to_owned()))
}

/// Fails unless the content of the directories `paths` can have a limit that holds for root inside, who
/// `is_held` by limits: ext4 lets whoever has CAP_SYS_RESOURCE have more.
pub(in crate::storage) fn check(paths: &[PathBuf], is_held: bool) -> Result<()> {
    for path in paths {
        let place = Place::open(path)?;
        place.check()?;
        let kind = fstatfs(&place.dir).context(|| place.failed())?.filesystem_type();
        if kind == EXT4 && !is_held {
            return Err(Error::new(format!(
                "{}: ext4 lets root of this container have more",
                place.failed()
            ))
            .hint(
                "lxc.cap.drop = sys_resource, or give it ids of its own: lxc-rs shift --idmap auto NAME",
            ));
        }
    }
    Ok(())
}

/// Lets the content of the directories `paths`, which are on one file system, have `size` bytes in all, or
/// as many as there are.
pub(in crate::storage) fn limit(paths: &[PathBuf], size: Option<u64>) -> Result<()> {
    let Some(size) = size else { return unlimit(paths) };
    let places = paths.iter().map(|path| Place::open(path)).collect::<Result<Vec<_>>>()?;
    let Some(first) = places.first() else { return Ok(()) };
    places.iter().try_for_each(Place::check)?;
    let is_done = |place: &Place<'_>| {
        place.project() == first.project() && place.attributes.is_some_and(|it| it.is_inherited())
    };
    let (root, project) = (first.dir.as_fd(), first.project());
    if first.is_own() && places.iter().all(is_done) {
        return resize(first, size);
    }
    let project = match project {
        0 => claim(&places, size)?,
        // That of a process that was killed.
        project => project,
    };
    places.iter().try_for_each(|place| {
        give(place.dir.as_fd(), project)
            .context(|| format!("cannot count what is in {}", place.path.display()))
    })?;
    let used = quota::record(root, project).context(|| first.failed())?.used;
    if used > size {
        quota::limit(root, project, 0).context(|| first.failed())?;
        return Err(too_small(&first.path.display().to_string(), used, size));
    }
    quota::limit(root, project, size).context(|| first.failed())?;
    // Last, for this says that all in it is counted.
    places.iter().try_for_each(|place| place.set(project, true))
}

fn resize(place: &Place<'_>, size: u64) -> Result<()> {
    let (dir, project) = (place.dir.as_fd(), place.project());
    let record = quota::record(dir, project).context(|| place.failed())?;
    if record.limit == size {
        return Ok(());
    }
    if record.used > size && (record.limit == 0 || record.limit > size) {
        return Err(too_small(&place.path.display().to_string(), record.used, size));
    }
    quota::limit(dir, project, size).context(|| place.failed())
}

/// Takes the limit away; the project stays.
fn unlimit(paths: &[PathBuf]) -> Result<()> {
    for path in paths {
        // What cannot be opened is the start's to say.
        let Ok(place) = Place::open(path) else { continue };
        if place.is_own() {
            release(place.dir.as_fd(), place.project())
                .context(|| format!("cannot take the limit of {} away", path.display()))?;
        }
    }
    Ok(())
}

/// Takes away the limit of the project `project` on the file system of `dir`.
fn release(dir: BorrowedFd<'_>, project: u32) -> nix::Result<()> {
    match quota::record(dir, project) {
        Ok(record) if record.limit != 0 => quota::limit(dir, project, 0),
        // No quotas any more, or an ordinary user, who cannot have set it.
        Ok(_) | Err(Errno::EPERM | Errno::ENOSYS | Errno::ESRCH | Errno::EINVAL) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// The projects with a limit and without a file on the file system of `path`: of processes that were killed
/// while they made or removed a container.
pub fn unused(path: &Path) -> Result<Vec<u32>> {
    let dir = File::open(path).context(|| format!("cannot open {}", path.display()))?;
    let mut found = Vec::new();
    let mut from = *OWN.start();
    // No quotas, no projects; an ordinary user has none.
    while let Ok(Some((project, record))) = quota::next(dir.as_fd(), from) {
        if !OWN.contains(&project) {
            break;
        }
        if record.files == 0 && record.limit != 0 {
            found.push(project);
        }
        from = project + 1;
    }
    Ok(found)
}

/// Takes the limit of `project` away on the file system of `path`, if it has no file.
pub fn forget(path: &Path, project: u32) -> Result<()> {
    let failed = || format!("cannot take the limit of project {project} away");
    let dir = File::open(path).context(|| format!("cannot open {}", path.display()))?;
    // Who is about to use it has the lock until it has a file.
    let _lock = lock()?;
    match quota::record(dir.as_fd(), project).context(failed)? {
        record if record.files == 0 => quota::limit(dir.as_fd(), project, 0).context(failed),
        _ => Ok(()),
    }
}

/// Whether a process was killed that gave the content of `path` its project.
pub(in crate::storage) fn is_partly_given(path: &Path) -> bool {
    let place = Place::open(path);
    place.is_ok_and(|it| it.is_own() && !it.attributes.is_some_and(|found| found.is_inherited()))
}

fn lock() -> Result<FileLock> {
    let path = paths::projects_lock();
    let failed = || format!("cannot lock {}", path.display());
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).context(failed)?;
    FileLock::own(&path).context(failed)
}

/// Takes the limit away of the directory `dir`, which is being removed: with its files its project is free
/// then. `last` is the project of the directory before.
pub(in crate::storage) fn give_up(dir: BorrowedFd<'_>, last: &mut u32) {
    let Ok(found) = Attributes::of(dir) else { return };
    if found.project != *last && OWN.contains(&found.project) {
        *last = found.project;
        if let Err(errno) = release(dir, found.project) {
            log::warn!("cannot take the limit of project {} away: {errno}", found.project);
        }
    }
}

/// Finds a free project and gives it to `places`, which are empty of it still.
fn claim(places: &[Place<'_>], size: u64) -> Result<u32> {
    let Some(first) = places.first() else { return Ok(0) };
    let _lock = lock()?;
    let dir = first.dir.as_fd();
    let mut free = *OWN.start();
    while let Some((taken, _)) = quota::next(dir, free).context(|| first.failed())? {
        if taken != free {
            break;
        }
        free += 1;
    }
    if !OWN.contains(&free) {
        return Err(Error::new(format!("{}: all projects are taken", first.failed()))
            .hint("lxc-rs storage check --fix gives back those that nothing has"));
    }
    // From here on it is taken.
    quota::limit(dir, free, size).context(|| first.failed())?;
    places.iter().try_for_each(|place| place.set(free, false))?;
    Ok(free)
}

/// Gives everything in `dir` to `project`, but not `dir` itself. Links, devices and their like cannot be
/// opened and are not counted.
fn give(dir: BorrowedFd<'_>, project: u32) -> nix::Result<()> {
    let mut listing = Dir::from_fd(tree::open_dir(dir, c".")?)?;
    for entry in listing.iter() {
        let entry = entry?;
        let name = entry.file_name();
        let is_dir = match entry.file_type() {
            _ if name == c"." || name == c".." => continue,
            Some(Type::Directory) => true,
            Some(Type::File) => false,
            _ => continue,
        };
        let kind = if is_dir { OFlag::O_DIRECTORY } else { OFlag::empty() };
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let resolve = ResolveFlag::RESOLVE_BENEATH
            | ResolveFlag::RESOLVE_NO_SYMLINKS
            | ResolveFlag::RESOLVE_NO_XDEV;
        let file = match openat2(dir, name, OpenHow::new().flags(flags | kind).resolve(resolve)) {
            // Gone, or on another file system.
            Err(Errno::ENOENT | Errno::EXDEV) => continue,
            opened => opened?,
        };
        let found = Attributes::of(file.as_fd())?;
        let wanted = found.with(project, is_dir);
        if found != wanted {
            wanted.set(file.as_fd())?;
        }
        if is_dir {
            give(file.as_fd(), project)?;
        }
    }
    Ok(())
}

/// What the content of the directory `path` takes and may take; `None` if it has no limit.
pub(in crate::storage) fn usage(path: &Path) -> Result<Option<Usage>> {
    let place = Place::open(path)?;
    if !place.is_own() {
        return Ok(None);
    }
    let record = quota::record(place.dir.as_fd(), place.project())
        .context(|| format!("cannot look at the quotas of {}", path.display()))?;
    let usage = Usage { used_bytes: record.used, limit_bytes: record.limit };
    Ok((record.limit != 0).then_some(usage))
}
