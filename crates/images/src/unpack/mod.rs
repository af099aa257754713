//! Archives of strangers, unpacked below a root.
//!
//! Every name is looked up from one descriptor of the root, as a process inside would look it up
//! (openat2(2), `RESOLVE_IN_ROOT`): a link leads nowhere outside, whatever was unpacked before it. What
//! already has a name is removed first, never written through. Names with `..` are refused.

pub(crate) mod attributes;
mod file;
mod limits;
pub(crate) mod name;
mod whiteout;

use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lxc_sys::beneath;
use lxc_sys::visible::visible;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, makedev, mkdirat, mknodat};
use nix::unistd::{Gid, Uid, linkat, symlinkat};

use crate::archive::{Entries, Entry, Kind, Reader};
use crate::{Context, Error, Result};
use attributes::Attributes;
use limits::Budget;
pub use limits::Limits;
use name::Name;
use whiteout::{Layer, Whiteout};

/// What was made, and what could not be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Entries that were made.
    pub entries: u64,
    /// Bytes of files, with their holes.
    pub bytes: u64,
    /// Devices that were left out: the caller may make none (mknod(2), EPERM). A container gets those
    /// that it needs when it starts.
    pub devices: u64,
    /// Extended attributes that were left out: of a kind that belongs to the host (see
    /// `unpack/attributes.rs`), or without a place in this file system.
    pub attributes: u64,
}

/// Unpacks archives, each over the one before it.
pub struct Unpacker<'a> {
    root: OwnedFd,
    budget: Budget,
    report: Report,
    /// Whether everything becomes the caller's, without any rights for others.
    own: bool,
    /// The caller's own ids in the container's user namespace, if it is in one.
    callers: Option<(Uid, Gid)>,
    /// Whether an entry is left out, by its name in the archive.
    excluded: Box<dyn Fn(&Path) -> bool + 'a>,
    /// The directory in which the last entry was made.
    last: Option<(PathBuf, OwnedFd)>,
    buffer: Vec<u8>,
}

impl<'a> Unpacker<'a> {
    /// Unpacks below the existing directory `root`.
    pub fn new(root: &Path, limits: Limits) -> Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = nix::fcntl::open(root, flags, Mode::empty())
            .context(|| format!("cannot open {}", root.display()))?;
        Ok(Self {
            root,
            budget: Budget::new(limits),
            report: Report::default(),
            own: false,
            callers: None,
            excluded: Box::new(|_| false),
            last: None,
            buffer: vec![0; file::BUFFER],
        })
    }

    /// Makes everything the caller's own, for the caller alone: to look into an archive that is not a root
    /// filesystem. Devices and extended attributes are left out.
    #[must_use]
    pub const fn as_own(mut self) -> Self {
        self.own = true;
        self
    }

    /// Lets nothing belong to `callers`: in the user namespace of a template the caller has ids that the
    /// container has not, and on the host they may be root's.
    #[must_use]
    pub const fn not_of(mut self, callers: Option<(Uid, Gid)>) -> Self {
        self.callers = callers;
        self
    }

    /// Leaves out what `excluded` says, by the name in the archive.
    #[must_use]
    pub fn without(mut self, excluded: impl Fn(&Path) -> bool + 'a) -> Self {
        self.excluded = Box::new(excluded);
        self
    }

    /// Unpacks a plain archive; `packed` tells how many bytes of it were read so far.
    pub fn archive(&mut self, input: impl Read, packed: impl Fn() -> u64) -> Result<()> {
        self.tree(&mut Reader::new(input), packed)
    }

    /// The same of the entries that `source` gives.
    pub fn tree(&mut self, source: &mut impl Entries, packed: impl Fn() -> u64) -> Result<()> {
        let ended = self.entries(source, &packed, &mut Layer::plain())?;
        if !ended {
            return Err(Error::new("the archive was cut off").hint("it has no end; fetch it again"));
        }
        Ok(())
    }

    /// Unpacks a layer of an image: its whiteouts remove what layers before it have. Whether it is whole
    /// is told by its digest; `input` is read to its end for that.
    pub fn layer(&mut self, input: impl Read, packed: impl Fn() -> u64) -> Result<()> {
        self.entries(&mut Reader::new(input), &packed, &mut Layer::of_image()).map(drop)
    }

    /// What was made so far.
    pub const fn report(&self) -> Report {
        self.report
    }

    fn entries(
        &mut self,
        reader: &mut impl Entries,
        packed: &dyn Fn() -> u64,
        layer: &mut Layer,
    ) -> Result<bool> {
        self.budget.begin();
        // Whatever is made in a directory changes its time, so that comes last.
        let mut times = Vec::new();
        while let Some(entry) = reader.next()? {
            self.budget.entry(&entry, packed())?;
            let name = Name::of(&entry.path, self.budget.depth())?;
            if (self.excluded)(name.path()) {
                continue;
            }
            let entry = if self.own { attributes::of_caller(entry) } else { entry };
            self.entry(&entry, &name, reader, packed, layer)
                .map_err(|error| described(error, &entry))?;
            if entry.kind == Kind::Dir {
                times.push((name.path().to_owned(), entry.modified));
            }
        }
        self.last = None;
        for (path, modified) in times {
            self.settle_time(&path, modified)?;
        }
        reader.end()
    }

    fn entry(
        &mut self,
        entry: &Entry,
        name: &Name,
        data: &mut impl Entries,
        packed: &dyn Fn() -> u64,
        layer: &mut Layer,
    ) -> Result<()> {
        let Some(last) = name.last() else {
            // The root itself.
            return match entry.kind {
                Kind::Dir => {
                    let attributes = Attributes::of(entry)?;
                    attributes.refuse_ids(self.callers)?;
                    self.set(&attributes, None, entry)
                }
                _ => Err(Error::new("the root is not a directory")),
            };
        };
        let parent = self.parent(name, layer)?;
        let parent = parent.as_fd();
        if let Some(whiteout) = layer.whiteout(last)? {
            self.last = None;
            return match whiteout {
                Whiteout::Entry(name) => layer.remove(parent, name),
                Whiteout::Opaque => layer.remove_content(parent),
                Whiteout::Reserved => Ok(()),
            };
        }
        let attributes = Attributes::of(entry)?;
        attributes.refuse_ids(self.callers)?;
        let existing = lstat(parent, last)?;
        let is_dir = existing.is_some_and(|stat| kind_of(&stat) == SFlag::S_IFDIR);
        layer.made(parent, last)?;
        if entry.kind == Kind::Dir && is_dir {
            self.report.entries += 1;
            return self.set(&attributes, Some((parent, last)), entry);
        }
        // Found before the name goes: it may be the same.
        let target = match &entry.kind {
            Kind::Hardlink(target) => Some(self.target(target, layer)?),
            _ => None,
        };
        if let Some((dir, name)) = &target
            && let (Some(one), Some(other)) = (existing, lstat(dir.as_fd(), name)?)
            && (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
        {
            return Ok(());
        }
        if existing.is_some() {
            self.last = None;
            whiteout::remove_whole(parent, last)?;
        }
        let made = match (&entry.kind, target) {
            (Kind::File, _) => {
                let room = |bytes| self.budget.bytes(bytes, packed());
                let made = file::make(parent, last, entry, data, &mut self.buffer, &room)?;
                self.budget.count(entry.size);
                self.report.bytes += entry.size;
                self.report.entries += 1;
                return self.apply(&attributes, made.as_fd());
            }
            (Kind::Dir, _) => mkdirat(parent, last, Mode::S_IRWXU),
            (Kind::Symlink(target), _) => symlinkat(OsStr::from_bytes(target), parent, last),
            (Kind::Hardlink(_), Some((dir, old))) => {
                linkat(dir, old.as_os_str(), parent, last, AtFlags::empty())
                    .map(|()| self.report.entries += 1)
                    .context(|| "cannot link it")?;
                // It has the attributes of what it links to.
                return Ok(());
            }
            (Kind::Hardlink(_), None) => unreachable!("a hard link's target was found above"),
            (Kind::Fifo, _) => {
                mknodat(parent, last, SFlag::S_IFIFO, Mode::S_IRUSR | Mode::S_IWUSR, 0)
            }
            (&Kind::Char(major, minor), _) => {
                return self.device(SFlag::S_IFCHR, (major, minor), (parent, last), &attributes);
            }
            (&Kind::Block(major, minor), _) => {
                return self.device(SFlag::S_IFBLK, (major, minor), (parent, last), &attributes);
            }
        };
        made.context(|| "cannot make it")?;
        self.report.entries += 1;
        self.set(&attributes, Some((parent, last)), entry)
    }

    fn device(
        &mut self,
        kind: SFlag,
        (major, minor): (u32, u32),
        (parent, name): (BorrowedFd<'_>, &OsStr),
        attributes: &Attributes<'_>,
    ) -> Result<()> {
        // In an overlay this one hides files of the layers below.
        let hides = kind == SFlag::S_IFCHR && (major, minor) == (0, 0);
        let number = makedev(major.into(), minor.into());
        let made = if hides || self.own {
            Err(Errno::EPERM)
        } else {
            mknodat(parent, name, kind, Mode::S_IRUSR | Mode::S_IWUSR, number)
        };
        match made {
            Ok(()) => {
                self.report.entries += 1;
                self.report.attributes += attributes.of_node(parent, name)?;
                return Ok(());
            }
            Err(Errno::EPERM) => {}
            Err(errno) => return Err(Error::new("cannot make the device").errno(errno)),
        }
        self.report.devices += 1;
        Ok(())
    }

    /// Gives attributes to an entry that was made, or to the root.
    fn set(
        &mut self,
        attributes: &Attributes<'_>,
        place: Option<(BorrowedFd<'_>, &OsStr)>,
        entry: &Entry,
    ) -> Result<()> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        match (place, &entry.kind) {
            (None, _) => {
                let root = beneath::open(self.root.as_fd(), Path::new("."), flags)
                    .context(|| "cannot open it")?;
                self.apply(attributes, root.as_fd())
            }
            (Some((parent, name)), Kind::Dir) => {
                let dir =
                    beneath::open(parent, Path::new(name), flags).context(|| "cannot open it")?;
                self.apply(attributes, dir.as_fd())
            }
            (Some((parent, name)), _) => {
                self.report.attributes += attributes.of_node(parent, name)?;
                Ok(())
            }
        }
    }

    fn apply(&mut self, attributes: &Attributes<'_>, open: BorrowedFd<'_>) -> Result<()> {
        attributes.take_others(open)?;
        self.report.attributes += attributes.of_open(open)?;
        Ok(())
    }

    fn settle_time(&self, path: &Path, modified: (i64, u32)) -> Result<()> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        match beneath::open_in_root(self.root.as_fd(), path, flags) {
            Ok(dir) => attributes::set_time(dir.as_fd(), modified),
            // A later entry took its place.
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(()),
            Err(errno) => Err(Error::new("cannot open it").errno(errno)),
        }
        .map_err(|error| within(error, path.as_os_str().as_bytes()))
    }

    /// The directory of `name`, made where it is missing.
    fn parent(&mut self, name: &Name, layer: &mut Layer) -> Result<OwnedFd> {
        if let Some((path, dir)) = &self.last
            && path == name.parent()
        {
            return dir.try_clone().context(|| "cannot open its directory");
        }
        let dir = self.open_dir(name.parent(), layer)?;
        self.refuse_depth(dir.as_fd())?;
        let kept = dir.try_clone().context(|| "cannot open its directory")?;
        self.last = Some((name.parent().to_owned(), kept));
        Ok(dir)
    }

    fn open_dir(&self, path: &Path, layer: &mut Layer) -> Result<OwnedFd> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        let open = |path: &Path| {
            let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
            beneath::open_in_root(self.root.as_fd(), path, flags)
        };
        match open(path) {
            Err(Errno::ENOENT) => {}
            result => return result.context(|| "cannot open its directory"),
        }
        let mut dir = open(Path::new("")).context(|| "cannot open the root")?;
        let mut done = PathBuf::new();
        for component in path {
            done.push(component);
            dir = match open(&done) {
                Err(Errno::ENOENT) => {
                    let mode = Mode::from_bits_truncate(0o755);
                    mkdirat(dir.as_fd(), component, mode)
                        .context(|| "cannot make its directory")
                        .map_err(|error| {
                        error.hint(format!("see {}: it may be a link to nothing", shown(&done)))
                    })?;
                    layer.made(dir.as_fd(), component)?;
                    open(&done)
                }
                result => result,
            }
            .context(|| "cannot open its directory")?;
        }
        Ok(dir)
    }

    /// Fails if `dir` is too deep below the root. Its name does not tell: chains of links lead deeper than
    /// any name, to where nobody can remove it.
    fn refuse_depth(&self, dir: BorrowedFd<'_>) -> Result<()> {
        let depth = |fd: BorrowedFd<'_>| {
            let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
            let path =
                nix::fcntl::readlink(link.as_str()).context(|| "cannot find its directory")?;
            Ok::<_, Error>(Path::new(&path).components().count())
        };
        let most = depth(self.root.as_fd())? + self.budget.depth();
        if depth(dir)? > most {
            return Err(Error::new(format!(
                "it is more than {} directories deep",
                self.budget.depth()
            )));
        }
        Ok(())
    }

    /// The target of a hard link.
    fn target(&self, target: &[u8], layer: &mut Layer) -> Result<(OwnedFd, std::ffi::OsString)> {
        let name = Name::of(target, self.budget.depth())?;
        let last = name.last().ok_or_else(|| Error::new("cannot link it to the root"))?;
        Ok((self.open_dir(name.parent(), layer)?, last.to_owned()))
    }
}

/// What `name` in `dir` is; `None` if there is nothing.
fn lstat(dir: BorrowedFd<'_>, name: &OsStr) -> Result<Option<FileStat>> {
    match fstatat(dir, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(Error::new("cannot look for it").errno(errno)),
    }
}

fn kind_of(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

/// What tells a directory from all others on its file system.
fn inode(dir: BorrowedFd<'_>) -> Result<(u64, u64)> {
    let stat = fstat(dir).context(|| "cannot look at its directory")?;
    Ok((stat.st_dev, stat.st_ino))
}

fn shown(path: &Path) -> String {
    String::from_utf8_lossy(&visible(path.as_os_str().as_bytes())).replace(['\n', '\t'], "?")
}

/// Says which entry failed, and what a full disk or a missing id means.
fn described(error: Error, entry: &Entry) -> Error {
    let unmapped = error.is(Errno::EINVAL) && error.what.contains("owner");
    let error = within(error, &entry.path);
    if unmapped {
        return error.hint(format!(
            "the container's id map (lxc.idmap) has no user {} or no group {}",
            entry.uid, entry.gid
        ));
    }
    error
}

fn within(error: Error, path: &[u8]) -> Error {
    let path = shown(Path::new(OsStr::from_bytes(path)));
    Error { what: format!("cannot unpack {path}: {}", error.what), ..error }
}

#[cfg(test)]
mod tests;
