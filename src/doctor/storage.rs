//! The file system of the containers' directory.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::geteuid;

use super::{Finding, Verdict};
use crate::config::Config;
use crate::error::{Context, Error, Result};
use crate::mount::idmapped;
use crate::storage;

const TOPIC: &str = "storage";
/// Of the blocks or files of a file system, one in so many should be free.
const FREE: u64 = 20;

/// What containers in `lxcpath` can have of its file system. Makes nothing that has a name.
pub fn examine(lxcpath: &Path) -> Vec<Finding> {
    let dir = existing(lxcpath);
    let mut findings = vec![place(lxcpath, &dir)];
    match statvfs(&dir) {
        Ok(stat) => {
            findings.extend(flags(stat.flags()));
            findings.push(room(
                [
                    stat.blocks_available() * stat.fragment_size(),
                    stat.blocks() * stat.fragment_size(),
                ],
                [stat.files_available(), stat.files()],
            ));
        }
        Err(errno) => findings.push(Finding {
            verdict: Verdict::Limited,
            ..Finding::ok(TOPIC, "room", format!("cannot be told: {}", errno.desc()))
        }),
    }
    findings.push(clones(&dir));
    if geteuid().is_root() {
        findings.push(ids(&dir));
        findings.push(sizes(&dir));
    }
    findings
}

/// `path`, or the directory in which it would be made.
fn existing(path: &Path) -> PathBuf {
    path.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

fn place(lxcpath: &Path, dir: &Path) -> Finding {
    let found = if lxcpath == dir { "there" } else { "is made with the first container" };
    Finding::ok(TOPIC, lxcpath.display().to_string(), found)
}

/// What mount(8) was told of it.
fn flags(flags: FsFlags) -> Vec<Finding> {
    let remount = |word: &str| format!("mount it without {word}");
    let rows = [
        (FsFlags::ST_RDONLY, Verdict::Fails, "ro", "nothing can be made in it"),
        (FsFlags::ST_NOEXEC, Verdict::Fails, "noexec", "no program in a container can be executed"),
        (FsFlags::ST_NOSUID, Verdict::Limited, "nosuid", "su(1) and its like fail inside"),
    ];
    let set = rows.into_iter().filter(|(flag, ..)| flags.contains(*flag));
    set.map(|(_, verdict, word, found)| Finding {
        verdict,
        ..Finding::limited(TOPIC, format!("mounted {word}"), found, remount(word))
    })
    .collect()
}

/// Free and all of bytes and of files; a file system that has no number of files says 0.
fn room(bytes: [u64; 2], files: [u64; 2]) -> Finding {
    let [free, all] = bytes;
    let found = format!("{} MiB of {} MiB are free", free >> 20, all >> 20);
    let is_scarce = |[free, all]: [u64; 2]| all > 0 && free < all / FREE;
    if is_scarce(bytes) {
        Finding::limited(TOPIC, "room", found, "remove what is not needed: lxc-rs image prune")
    } else if is_scarce(files) {
        let found = format!("{} of {} files may be made yet", files[0], files[1]);
        Finding::limited(TOPIC, "room", found, "remove what is not needed")
    } else {
        Finding::ok(TOPIC, "room", found)
    }
}

/// A file without a name, which the kernel removes with its descriptor.
fn nameless(dir: &Path) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
    open(dir, flags, Mode::S_IRUSR | Mode::S_IWUSR)
}

/// Whether copies can share what neither changes, tried.
fn clones(dir: &Path) -> Finding {
    const WHAT: &str = "copies that share blocks";
    let try_it = || -> Result<bool> {
        let failed = || format!("cannot make a file in {}", dir.display());
        let mut source = File::from(nameless(dir).context(failed)?);
        source.write_all(&[1; 4096]).context(failed)?;
        let copy = nameless(dir).context(failed)?;
        match rustix::fs::ioctl_ficlone(&copy, &source) {
            Ok(()) => Ok(true),
            Err(error) => match Errno::from_raw(error.raw_os_error()) {
                Errno::EOPNOTSUPP | Errno::ENOTTY | Errno::EINVAL => Ok(false),
                errno => Err(errno).context(|| "cannot share the blocks of a file"),
            },
        }
    };
    match try_it() {
        Ok(true) => Finding::ok(TOPIC, WHAT, "made in no time"),
        Ok(false) => Finding::limited(
            TOPIC,
            WHAT,
            "this file system has none: each copy takes its whole room",
            "btrfs or XFS, or lxc-copy -s, which makes a layer over the source",
        ),
        Err(error) => Finding::of_error(TOPIC, WHAT, Verdict::Limited, error),
    }
}

/// Whether containers with ids of their own can have files of root's, tried.
fn ids(dir: &Path) -> Finding {
    const WHAT: &str = "files shown with other ids";
    match idmapped::try_in(dir) {
        Ok(()) => Finding::ok(TOPIC, WHAT, "no file has to be changed for lxc.idmap"),
        Err(error) => {
            let error = error.hint("each file has to belong to a mapped id: lxc-rs shift NAME");
            Finding::of_error(TOPIC, WHAT, Verdict::Limited, error)
        }
    }
}

/// Whether lxc.rootfs.size holds here.
fn sizes(dir: &Path) -> Finding {
    const WHAT: &str = "limits of size (lxc.rootfs.size)";
    let line = format!("lxc.rootfs.path = dir:{}\nlxc.rootfs.size = 1G\n", dir.display());
    let config = crate::config::Document::parse(line, "what lxc-rs doctor tries");
    let config: Result<Config> = config.map(|document| document.config);
    match config.and_then(|config| storage::size::check(&config)) {
        Ok(()) => Finding::ok(TOPIC, WHAT, "hold for plain directories"),
        Err(error) => {
            let error = Error { origin: None, ..error };
            Finding::of_error(TOPIC, WHAT, Verdict::Limited, error)
        }
    }
}
