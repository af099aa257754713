//! `lxc.mount.entry` and `lxc.mount.fstab`: lines of fstab(5), mounted below the rootfs.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::idmapped::SetIds;
use super::long;
use super::options::{Options, Recursive};
use super::root::{Missing, Root, explain_kinds};
use super::roots::Roots;
use crate::config::{Config, Located, Origin};
use crate::error::{Context, Error, Result};
use crate::namespace::set;
use crate::sys::mount::{self as sys, MountAttr, attr};
use crate::table;

/// What separates the fields of a line, as for getmntent(3): other blanks are part of a name.
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What is mounted: a path of the host, or a word.
    pub source: String,
    /// Where, below the rootfs.
    pub target: PathBuf,
    /// The target is absolute and not below the rootfs: nothing is mounted.
    pub elsewhere: bool,
    /// The type of file system; `none` for bind mounts.
    pub fstype: String,
    /// The options.
    pub options: Options,
    /// The line it came from.
    pub origin: Option<Origin>,
}

impl Entry {
    /// Parses a line; `None` for a comment or an empty line. `roots`: what an absolute target begins
    /// with to mean the rootfs.
    fn parse(line: &str, roots: &[&Path], origin: Option<&Origin>) -> Result<Option<Self>> {
        let line = line.trim_matches(BLANKS);
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let mut fields = line.split(BLANKS).filter(|field| !field.is_empty()).map(table::unescape);
        let (Some(source), Some(target), Some(fstype)) =
            (fields.next(), fields.next(), fields.next())
        else {
            return Err(Error::new(format!("incomplete mount entry {line:?}"))
                .at(origin)
                .hint("write: SOURCE TARGET TYPE OPTIONS"));
        };
        let options =
            Options::parse(&fields.next().unwrap_or_default()).map_err(|error| error.at(origin))?;
        let target = Path::new(&target);
        let below = roots.iter().find_map(|root| target.strip_prefix(root).ok());
        let elsewhere = below.is_none() && target.is_absolute();
        let target = below.unwrap_or(target).to_path_buf();
        Ok(Some(Self { source, target, elsewhere, fstype, options, origin: origin.cloned() }))
    }

    /// What to say of an entry that is ignored.
    pub fn ignored(&self) -> Error {
        Error::new(format!(
            "ignoring the mount point {}: it is not below the root filesystem",
            self.target.display()
        ))
        .at(self.origin.as_ref())
        .hint("write the path inside the container without the leading /")
    }

    /// What to say of one that fails.
    pub(super) fn describe(&self) -> String {
        format!("cannot mount {} on {}", self.source, Path::new("/").join(&self.target).display())
    }
}

/// All entries of the configuration: the fstab file's, then the lines, in order.
pub fn of_config(config: &Config, rootfs_mount: &Path) -> Result<Vec<Entry>> {
    let source = config.rootfs.path.as_ref().map(|path| PathBuf::from(&path.source));
    let mut roots = vec![rootfs_mount];
    roots.extend(source.as_deref().filter(|path| path.is_absolute()));
    // The container's root is the host's.
    roots.extend(source.is_none().then_some(Path::new("/")));
    let mut entries = Vec::new();
    if let Some(path) = &config.mount_fstab {
        let text = Roots::of(config)
            .mounted_at(rootfs_mount)
            .read_text(path)
            .map_err(|error| error.at(config.origin("lxc.mount.fstab")))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        for (line, number) in text.lines().zip(1..) {
            let origin = Origin::new(path.display().to_string(), number, line);
            let entry = Entry::parse(line, &roots, Some(&origin))?;
            if entry.is_some() && line.contains(['\0', '\u{fffd}']) {
                return Err(Error::new("a mount entry that is not UTF-8 text")
                    .at(Some(&origin))
                    .hint("save the file in UTF-8"));
            }
            entries.extend(entry);
        }
    }
    for Located { value, origin } in &config.mount_entries {
        entries.extend(Entry::parse(value, &roots, origin.as_ref())?);
    }
    Ok(entries)
}

/// Mounts `entry` below `root`.
pub fn mount(root: &Root, entry: &Entry, set_ids: &SetIds<'_>) -> Result<()> {
    if entry.elsewhere {
        log::warn!("{}", entry.ignored());
        return Ok(());
    }
    match mount_one(root, entry, set_ids) {
        Err(error) if entry.options.optional => {
            log::info!("optional: {}", error.at(entry.origin.as_ref()));
            // What is missing is the mount: a program inside may count on the place.
            if let Some(missing) = entry.options.create
                && let Err(error) = root.target(&entry.target, missing)
            {
                log::info!("optional: {}", error.at(entry.origin.as_ref()));
            }
            Ok(())
        }
        result => result.map_err(|error| error.at(entry.origin.as_ref())),
    }
}

fn mount_one(root: &Root, entry: &Entry, set_ids: &SetIds<'_>) -> Result<()> {
    let options = &entry.options;
    let missing = options.create.unwrap_or(Missing::Fail);
    if options.remount {
        let target = root.target(&entry.target, Missing::Fail)?;
        let recursive = options.bind == Some(Recursive::Yes);
        return sys::mount_setattr(target.as_fd(), recursive, &options.attributes())
            .context(|| format!("cannot remount /{}", entry.target.display()))
            .map_err(|error| match Errno::EINVAL {
                errno if error.is(errno) => {
                    error.hint("nothing is mounted there that could be changed")
                }
                _ => error,
            });
    }
    let is_bind = options.bind.is_some() || options.moved;
    let only_propagation = options.propagation.is_some() && !is_bind && entry.fstype == "none";
    let tree = if only_propagation {
        root.target(&entry.target, missing)?
    } else if is_bind {
        bind_source(root, entry)?
    } else {
        new_instance(root, entry)?
    };
    if let Some(ids) = &options.idmap {
        set_ids(tree.as_fd(), options.bind.unwrap_or_default(), ids)?;
    }
    if is_bind && (options.set | options.clear) != 0 {
        sys::mount_setattr(tree.as_fd(), false, &options.attributes())
            .context(|| format!("cannot set the options of /{}", entry.target.display()))?;
    }
    if !only_propagation {
        let target = root.target(&entry.target, missing)?;
        sys::move_mount(tree.as_fd(), target.as_fd(), Path::new(""))
            .context(|| entry.describe())
            .map_err(|error| explain_kinds(error, tree.as_fd(), target.as_fd(), &entry.target))?;
    }
    if let Some((propagation, recursive)) = options.propagation {
        let attr = MountAttr { propagation, ..MountAttr::default() };
        sys::mount_setattr(tree.as_fd(), recursive == Recursive::Yes, &attr)
            .context(|| format!("cannot set the propagation of /{}", entry.target.display()))?;
    }
    Ok(())
}

/// What `entry` mounts, not mounted yet: a source of the host, or a new instance of a file system. `root` is
/// where the mounts of this process lie.
pub fn detached(root: &Root, entry: &Entry) -> Result<OwnedFd> {
    let options = &entry.options;
    if options.bind.is_none() {
        return new_instance(root, entry);
    }
    let tree = bind_source(root, entry)?;
    if (options.set | options.clear) != 0 {
        sys::mount_setattr(tree.as_fd(), false, &options.attributes())
            .context(|| format!("cannot set the options of /{}", entry.target.display()))?;
    }
    Ok(tree)
}

fn bind_source(root: &Root, entry: &Entry) -> Result<OwnedFd> {
    let mut flags = if entry.options.moved { 0 } else { sys::OPEN_TREE_CLONE };
    if entry.options.bind == Some(Recursive::Yes) {
        flags |= sys::AT_RECURSIVE;
    }
    let source = Path::new(&entry.source);
    if entry.options.relative {
        let below = root.target(source, Missing::Fail)?;
        return sys::open_tree(below.as_fd(), Path::new(""), flags).context(|| entry.describe());
    }
    // A relative source is relative to the host's root: the monitor's directory is `/`.
    let source = Path::new("/").join(source);
    sys::open_tree(sys::at_cwd(), &source, flags).context(|| entry.describe()).map_err(|error| {
        if error.is(Errno::ENOENT) {
            error.hint(format!("{} does not exist on the host", source.display()))
        } else {
            error
        }
    })
}

fn new_instance(root: &Root, entry: &Entry) -> Result<OwnedFd> {
    let options = &entry.options;
    let mut data: Vec<sys::FsOption<'_>> =
        options.data.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
    let has = |wanted: &str| data.iter().any(|(key, _)| *key == wanted);
    // As for a root filesystem: nothing inside could remove a directory of the layers below.
    if entry.fstype == "overlay"
        && has("upperdir")
        && !has("userxattr")
        && !set::in_initial_user_namespace()
    {
        data.push(("userxattr", None));
    }
    // A read-only mount of a new instance has a read-only super block too, as with mount(8).
    if options.set & attr::RDONLY != 0 {
        data.push(("ro", None));
    }
    let fits = data.iter().all(|(key, value)| sys::fits(key) && value.is_none_or(sys::fits));
    let tree = if fits && sys::fits(&entry.source) {
        let with_source = [&[("source", Some(entry.source.as_str()))], &*data].concat();
        let new = sys::new_mount(&entry.fstype, &with_source, options.set);
        let comma = data.iter().any(|(_, value)| value.is_some_and(|value| value.contains(',')));
        new.context(|| entry.describe()).or_else(|error| {
            // Of a file system that knows text only, as overlay before Linux 6.5, fsconfig(2) takes no comma.
            let retry = comma && error.is(Errno::EINVAL);
            if retry {
                long::new_instance(root, entry, &data).map_err(|_| error)
            } else {
                Err(error)
            }
        })
    } else {
        long::new_instance(root, entry, &data)
    };
    tree.map_err(|error| match error.errno.map(Errno::from_raw) {
        Some(Errno::ENODEV) => {
            error.hint(format!("the kernel does not know the file system {}", entry.fstype))
        }
        Some(Errno::ENOTBLK) => {
            error.hint("loop is not set up here: make a loop device with losetup(8) and mount that")
        }
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_below_the_rootfs_however_written() {
        let roots = [Path::new("/lib/rootfs"), Path::new("/srv/c/rootfs")];
        for target in ["mnt/a", "/srv/c/rootfs/mnt/a", "/lib/rootfs/mnt/a"] {
            let line = format!("/srv/my\\040data {target} none ro,bind 0 0");
            let entry = Entry::parse(&line, &roots, None).unwrap().unwrap();
            assert_eq!(entry.target, Path::new("mnt/a"), "{target}");
            assert_eq!(entry.source, "/srv/my data");
            assert!(!entry.elsewhere);
        }
        let parse =
            |roots: &[&Path]| Entry::parse("none /mnt/a tmpfs", roots, None).unwrap().unwrap();
        assert!(parse(&roots).elsewhere);
        let on_host = parse(&[Path::new("/")]);
        assert_eq!((on_host.target.as_path(), on_host.elsewhere), (Path::new("mnt/a"), false));
    }

    #[test]
    fn only_blanks_of_ascii_separate() {
        let line = "\t/srv/a\u{a0}b\u{3000}c mnt none bind \r";
        let entry = Entry::parse(line, &[], None).unwrap().unwrap();
        assert_eq!((&*entry.source, entry.options.data.len()), ("/srv/a\u{a0}b\u{3000}c", 0));
    }

    #[test]
    fn an_fstab_is_read_by_lines() {
        let path = std::env::temp_dir().join(format!("lxc-rs-fstab-{}", std::process::id()));
        let config = Config { mount_fstab: Some(path.clone()), ..Config::default() };
        std::fs::write(&path, b"\xef\xbb\xbf# \xfc\n\n/a b none bind\r\n/c d none bind").unwrap();
        assert_eq!(of_config(&config, Path::new("/r")).unwrap().len(), 2);
        for odd in [&b"/a b\xfc none bind"[..], b"/a b\0 none bind", b"/a b"] {
            std::fs::write(&path, [b"# c\n", odd, b"\n"].concat()).unwrap();
            let origin = of_config(&config, Path::new("/r")).unwrap_err().origin.unwrap();
            assert_eq!((&*origin.file, origin.line), (path.to_str().unwrap(), 2));
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn incomplete_lines_are_errors_and_comments_are_not() {
        assert_eq!(Entry::parse("# x", &[], None).unwrap(), None);
        let origin = Origin::new("config", 3, "lxc.mount.entry = proc proc");
        let error = Entry::parse("proc proc", &[], Some(&origin)).unwrap_err();
        assert_eq!(error.origin, Some(origin));
    }
}
