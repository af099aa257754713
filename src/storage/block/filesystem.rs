//! Types of file systems that root filesystems on block devices have: how each is told by what it has
//! on the disk, and how it is made.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::growth::{self, Growth};
use crate::error::{Context, Error, Result};
use crate::programs;
use crate::storage::tool;
use crate::sys::mount::FsOption;

/// One type.
#[derive(Debug)]
pub(in crate::storage) struct Filesystem {
    /// Its name, to the kernel as well.
    pub(in crate::storage) name: &'static str,
    /// Where on the disk is what tells it (linux/magic.h, and the headers of each).
    magic: (u64, &'static [u8]),
    /// Whether it can only be read.
    pub(in crate::storage) is_read_only: bool,
    /// Options that it is always mounted with.
    pub(super) options: &'static [FsOption<'static>],
    /// How it gets more of its device while it is mounted, if it can.
    pub(super) growth: Option<&'static Growth>,
}

const FILESYSTEMS: [Filesystem; 6] = [
    Filesystem {
        // The driver of ext2 and ext3 as well.
        name: "ext4",
        magic: (0x438, &[0x53, 0xef]),
        is_read_only: false,
        // Whatever the image says: it could say that the host panics.
        options: &[("errors", Some("remount-ro"))],
        growth: Some(&growth::EXT4),
    },
    Filesystem {
        name: "xfs",
        magic: (0, b"XFSB"),
        is_read_only: false,
        // A copy of an image has the same, and it would be mounted once only.
        options: &[("nouuid", None)],
        growth: Some(&growth::XFS),
    },
    Filesystem {
        name: "btrfs",
        magic: (0x1_0040, b"_BHRfS_M"),
        is_read_only: false,
        options: &[],
        growth: Some(&growth::BTRFS),
    },
    Filesystem {
        name: "f2fs",
        magic: (0x400, &[0x10, 0x20, 0xf5, 0xf2]),
        is_read_only: false,
        options: &[],
        growth: None,
    },
    Filesystem {
        name: "squashfs",
        magic: (0, b"hsqs"),
        is_read_only: true,
        options: &[],
        growth: None,
    },
    Filesystem {
        name: "erofs",
        magic: (0x400, &[0xe2, 0xe1, 0xf5, 0xe0]),
        is_read_only: true,
        options: &[],
        growth: None,
    },
];

/// The type of the file system on `device`, which is called `path`.
pub(in crate::storage) fn probe(device: &File, path: &Path) -> Result<&'static Filesystem> {
    for filesystem in &FILESYSTEMS {
        let (at, magic) = filesystem.magic;
        let mut found = vec![0; magic.len()];
        match device.read_exact_at(&mut found, at) {
            Ok(()) if found == magic => return Ok(filesystem),
            Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
                return Err(error).context(|| format!("cannot read {}", path.display()));
            }
            _ => {}
        }
    }
    let names: Vec<&str> = FILESYSTEMS.iter().map(|filesystem| filesystem.name).collect();
    Err(Error::new(format!("there is no file system on {}", path.display()))
        .hint(format!("these are known: {}", names.join(", "))))
}

/// How one is made: by which program of which package, with which arguments, and others where all is zero.
struct Maker {
    name: &'static str,
    package: &'static str,
    arguments: &'static [&'static str],
    where_zero: &'static [&'static str],
}

impl Maker {
    const fn new(
        name: &'static str,
        package: &'static str,
        arguments: &'static [&'static str],
    ) -> Self {
        Self { name, package, arguments, where_zero: arguments }
    }
}

const MAKERS: [Maker; 6] = [
    Maker { where_zero: ZERO_EXT, ..Maker::new("ext4", "e2fsprogs", EXT) },
    Maker { where_zero: ZERO_EXT, ..Maker::new("ext3", "e2fsprogs", EXT) },
    Maker::new("ext2", "e2fsprogs", EXT),
    Maker::new("xfs", "xfsprogs", &["-q", "-f", "-K"]),
    Maker::new("btrfs", "btrfs-progs", &["-q", "-f", "-K"]),
    Maker::new("f2fs", "f2fs-tools", &["-q", "-f"]),
];

const EXT: &[&str] = &["-q", "-F", "-E", "nodiscard"];
/// The journal is empty already.
const ZERO_EXT: &[&str] = &["-q", "-F", "-E", "nodiscard,lazy_journal_init=1,lazy_itable_init=1"];

/// Fails unless a file system of the type `name` could be made here.
pub(in crate::storage) fn check(name: &str) -> Result<()> {
    maker(name).and_then(|maker| programs::find(&maker.program(), maker.package)).map(drop)
}

/// Makes an empty file system of the type `name` on `path`, of which all may be zero.
pub(super) fn make(name: &str, path: &Path, is_zero: bool) -> Result<()> {
    let maker = maker(name)?;
    let arguments = if is_zero { maker.where_zero } else { maker.arguments };
    let arguments = arguments.iter().map(Path::new).chain([path]);
    tool::run(&maker.program(), maker.package, arguments).map(drop).map_err(|error| Error {
        what: format!("cannot make a file system in {}: {}", path.display(), error.what),
        ..error
    })
}

impl Filesystem {
    /// Whether two that have the same identity are not told from each other.
    pub(in crate::storage) fn has_identity(&self) -> bool {
        self.name == "btrfs"
    }

    /// Gives the copy of one in `path` an identity of its own, where that matters.
    pub(in crate::storage) fn renew(&self, path: &Path) -> Result<()> {
        if !self.has_identity() {
            return Ok(());
        }
        let arguments = [Path::new("-f"), Path::new("-m"), path];
        tool::run("btrfstune", "btrfs-progs", arguments).map(drop)
    }
}

fn maker(name: &str) -> Result<&'static Maker> {
    MAKERS.iter().find(|maker| maker.name == name).ok_or_else(|| {
        let names: Vec<&str> = MAKERS.iter().map(|maker| maker.name).collect();
        Error::new(format!("cannot make a file system of the type {name}"))
            .hint(format!("there are {}", names.join(", ")))
    })
}

impl Maker {
    fn program(&self) -> String {
        format!("mkfs.{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_by_its_magic_number() {
        let path = std::env::temp_dir().join(format!("lxc-rs-magic-{}", std::process::id()));
        for filesystem in &FILESYSTEMS {
            let mut image = vec![0; 0x2_0000];
            let (at, magic) = filesystem.magic;
            let at = usize::try_from(at).unwrap();
            image[at..at + magic.len()].copy_from_slice(magic);
            std::fs::write(&path, image).unwrap();
            let found = probe(&File::open(&path).unwrap(), &path).unwrap();
            assert_eq!(found.name, filesystem.name);
        }
        for bad in [vec![0; 0x2_0000], b"hsq".to_vec(), Vec::new()] {
            std::fs::write(&path, bad).unwrap();
            let error = probe(&File::open(&path).unwrap(), &path).unwrap_err();
            assert!(error.hint.unwrap().contains("ext4, xfs"), "{}", error.what);
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_type_that_nobody_makes_is_refused_with_those_there_are() {
        let error = check("nofs").unwrap_err();
        assert!(error.what.contains("nofs") && error.hint.unwrap().contains("ext4, ext3"));
    }
}
