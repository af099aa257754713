//! The side of `lxc-rs cp` that reads and writes: between trees and archives, which are open. `lxc-rs` has
//! found them, and runs this with the rights that each side has.

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufWriter, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command, value_parser};
use lxc_sys::beneath;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{SFlag, fstat};

use super::options::{self, flag};
use super::{Program, warn};
use crate::archive::{Entries, Entry, Kind, Reader, Writer};
use crate::pack::{Mounts, Walk};
use crate::place::{Called, Placer, Policy};
use crate::{Context, Error, Result, compression};

pub(super) const PROGRAM: Program = Program { name: "lxc-cp", command, run };
/// The same under another name: what reads the files of a container for other commands.
pub(super) const READER: Program = Program { name: "lxc-read", command, run };

fn command() -> Command {
    let path = |id: &'static str| {
        Arg::new(id).long(id).value_name("PATH").value_parser(value_parser!(PathBuf))
    };
    let text = |id: &'static str| {
        Arg::new(id).long(id).value_name("TEXT").value_parser(value_parser!(OsString))
    };
    Command::new("lxc-cp")
        .about("What lxc-rs cp runs")
        .hide(true)
        // A tree, or without it an archive.
        .arg(path("from"))
        .arg(text("name"))
        .arg(flag("follow"))
        .arg(flag("one-mount"))
        .arg(flag("layer"))
        .arg(path("to"))
        // The archive is what another one of these writes.
        .arg(flag("piped"))
        .arg(Arg::new("owner").long("owner").value_name("UID:GID"))
        .arg(flag("privileges"))
        .arg(options::descriptors())
        // What messages call the two sides.
        .arg(text("source").required(true))
        .arg(text("target").required(true))
}

fn run(matches: &ArgMatches) -> Result<()> {
    let [source, target] = options::handed_on(matches)?;
    let path = |id: &str| matches.get_one::<PathBuf>(id).map(PathBuf::as_path);
    let text = |id: &str| matches.get_one::<OsString>(id).map(OsString::as_os_str);
    let piped = matches.get_flag("piped");
    let Some(from) = path("from") else {
        let cut = Cell::new(false);
        let input = Watched { inner: File::from(source), ended: &cut };
        let result = if piped {
            put(matches, &target, Reader::new(input)).map(drop)
        } else {
            compression::plain(input)
                .context(|| "cannot read the archive")
                .and_then(|input| put(matches, &target, Reader::new(input)).map(drop))
        };
        // Who writes it has failed, and said why.
        return if piped && cut.get() { told(result) } else { result };
    };
    let name = text("name").unwrap_or(OsStr::new("."));
    let follow = matches.get_flag("follow");
    let mounts = if matches.get_flag("one-mount") { Mounts::None } else { Mounts::NotOfKernel };
    let walk = Walk::new(source.as_fd(), from, name.as_bytes(), follow, mounts)
        .map_err(|error| called(error, text("source")))?;
    let walk = if matches.get_flag("layer") { walk.of_layer() } else { walk };
    let walk = if path("to").is_some() {
        put(matches, &target, walk).map_err(|error| called(error, text("target")))?
    } else {
        let result = pack(walk, File::from(target));
        // Who reads it wants no more, or has failed and said why.
        return if result.as_ref().is_err_and(|error| error.is(Errno::EPIPE)) {
            told(result)
        } else {
            result
        };
    };
    tell_of(&walk);
    Ok(())
}

/// A failure that somebody else has told.
fn told(result: Result<()>) -> Result<()> {
    result.map_err(|_| Error::new(""))
}

/// Says which of the two sides it is about.
fn called(error: Error, side: Option<&OsStr>) -> Error {
    match side {
        Some(side) => error.note(format!("it is about {}", side.display())),
        None => error,
    }
}

fn pack(mut walk: Walk, output: File) -> Result<()> {
    let failed = || "cannot write the archive";
    let mut writer = Writer::new(BufWriter::with_capacity(64 << 10, output));
    while let Some(entry) = walk.next()? {
        writer.entry(&entry, &mut walk).context(failed)?;
    }
    writer.finish().context(failed)?;
    tell_of(&walk);
    Ok(())
}

fn tell_of(walk: &Walk) {
    let report = walk.report();
    let say = |count: u64, what: &str| {
        if count > 0 {
            warn(PROGRAM.name, &format!("{count} {what}"));
        }
    };
    say(report.sockets, "sockets are left out");
    say(report.shortened, "files became shorter while they were read, and end in zeros");
    say(
        report.mounts,
        "directories are empty: their content is the kernel's, such as that of /proc",
    );
}

/// Puts all of `source` where the options say; gives it back.
fn put<E: Entries>(matches: &ArgMatches, root: &OwnedFd, mut source: E) -> Result<E> {
    let path = matches.get_one::<PathBuf>("to").ok_or_else(|| Error::new("there is no --to"))?;
    let owner = matches.get_one::<String>("owner").map(|text| ids(text)).transpose()?;
    let policy = Policy { owner, privileges: matches.get_flag("privileges") };
    let first = source.next()?;
    let is_one = matches.contains_id("from") || matches.get_flag("piped");
    let (base, name) = place(root, path, first.as_ref().filter(|_| is_one))?;
    let called = match (&name, &first) {
        (None, _) => Called::Same,
        (Some(name), Some(first)) if first.path == b"." => Called::In(name),
        (Some(name), _) => Called::One(name),
    };
    let report = Placer::new(base, policy, called).all(&mut source, first)?;
    let say = |count: u64, what: &str| {
        if count > 0 {
            warn(PROGRAM.name, &format!("{count} {what}"));
        }
    };
    say(report.devices, "devices are left out");
    say(report.privileges, "files lost set-ID bits or capabilities");
    say(report.attributes, "extended attributes are left out: there is no place for them");
    Ok(source)
}

/// The directory into which it is put, and the new name of the `one` thing that is put there, if it gets
/// another.
fn place(root: &OwnedFd, path: &Path, one: Option<&Entry>) -> Result<(OwnedFd, Option<OsString>)> {
    let shown = || path.display();
    let open =
        |path: &Path, flags| beneath::open_in_root(root.as_fd(), path, OFlag::O_PATH | flags);
    let is_dir = |fd: &OwnedFd| {
        let mode = fstat(fd).context(|| format!("cannot look at {}", shown()))?.st_mode;
        Ok::<_, Error>(SFlag::from_bits_truncate(mode) & SFlag::S_IFMT == SFlag::S_IFDIR)
    };
    let ends_in_slash = path.as_os_str().as_bytes().ends_with(b"/");
    match open(path, OFlag::empty()) {
        Ok(fd) if is_dir(&fd)? => return Ok((fd, None)),
        Ok(_) if ends_in_slash => {
            return Err(Error::new(format!("{} is not a directory", shown())));
        }
        Ok(_) | Err(Errno::ENOENT) => {}
        Err(errno) => return Err(Error::new(format!("cannot open {}", shown())).errno(errno)),
    }
    let Some(one) = one else {
        return Err(Error::new(format!("there is no directory {}", shown()))
            .hint("an archive is unpacked into one that is there"));
    };
    if ends_in_slash && one.kind != Kind::Dir {
        return Err(Error::new(format!("there is no directory {}", shown())));
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::new(format!("{} is not a name of a file", shown())));
    };
    let dir = open(parent, OFlag::O_DIRECTORY)
        .context(|| format!("cannot open the directory {}", parent.display()))?;
    Ok((dir, Some(name.to_owned())))
}

fn ids(text: &str) -> Result<(u32, u32)> {
    let parse = || {
        let (uid, gid) = text.split_once(':')?;
        Some((uid.parse().ok()?, gid.parse().ok()?))
    };
    parse().ok_or_else(|| Error::new(format!("{text:?} is not an owner")))
}

/// Notes that the end was read.
struct Watched<'a, R> {
    inner: R,
    ended: &'a Cell<bool>,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.ended.set(count == 0 && !buffer.is_empty());
        Ok(count)
    }
}
