//! A container in one archive: a program with the container's ids reads its files, and one with the
//! caller's rights writes the archive. Commits and comparisons with images are made in the same way.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::linkat;
use serde::Serialize;

use super::cp::end;
use super::files::{Place, Purpose, pipe};
use super::list::{self, Snapshot};
use crate::config::{Config, Document};
use crate::error::{Context, Error, Kind, Result};
use crate::identity::Identity;
use crate::monitor::client::Client;
use crate::mount::Roots;
use crate::paths;
use crate::state::State;

/// What to export, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The container.
    pub identity: Identity,
    /// The archive; `None` for standard output.
    pub file: Option<PathBuf>,
    /// `lxc`, or `oci` for an image.
    pub format: String,
    /// `none`, `gzip`, `zstd` or `xz`.
    pub compression: String,
    /// The tag of an image, instead of the container's name.
    pub tag: Option<String>,
    /// Whether the container may run.
    pub allow_running: bool,
    /// Whether its snapshots are exported as well.
    pub snapshots: bool,
}

/// What the program that writes is told of the container, or of a snapshot of it.
#[derive(Serialize)]
struct Given {
    name: String,
    config: String,
    fstab: String,
    home: String,
    /// The file `ts` of a snapshot.
    time: String,
    comment: String,
    snapshots: Vec<Self>,
}

/// Exports; returns the exit code, once the reasons for a failure have been printed.
pub fn export(request: &Request) -> Result<u8> {
    let Request { identity, file, .. } = request;
    refuse_running(identity, request.allow_running, "export")?;
    let stored = |identity: &Identity| Place::stored(identity, Purpose::Read, "lxc-export");
    let mut places = vec![stored(identity)?];
    let snapshots = if request.snapshots { list::snapshots(identity)? } else { Vec::new() };
    for snapshot in &snapshots {
        places.push(stored(&snapshot.identity)?);
    }
    let about = describe(identity, &snapshots)?;
    let target = file.as_deref().map(NewFile::begin).transpose()?;
    let output = match &target {
        Some(target) => target.file.as_fd(),
        None => crate::sys::process::standard(1),
    };
    let mut words: Vec<OsString> = vec![
        format!("--format={}", request.format).into(),
        format!("--compress={}", request.compression).into(),
    ];
    words.extend(request.tag.as_ref().map(|tag| format!("--tag={tag}").into()));
    let code = with_files(&places, WHOLE, "lxc-export", words, &[output, about.as_fd()])?;
    if let Some(target) = target.filter(|_| code == 0) {
        target.finish()?;
    }
    Ok(code)
}

/// The options for reading all files, below a directory `rootfs`.
pub(super) const WHOLE: &[&str] = &["--from=.", "--name=rootfs", "--one-mount"];
/// The options for reading the writable layer of an overlay as a layer of an image.
pub(super) const LAYER: &[&str] = &["--from=.", "--name=.", "--one-mount", "--layer"];

/// Has programs with the options `how` read the files of all `places`, and runs `program` with the
/// arguments `words`. It gets the descriptors `others`, and after them an archive of each place's files.
/// Returns the exit code of the program that failed first.
pub(super) fn with_files(
    places: &[Place],
    how: &[&str],
    program: &str,
    words: Vec<OsString>,
    others: &[BorrowedFd<'_>],
) -> Result<u8> {
    let images = || paths::images().into_os_string();
    let mut reader: Vec<OsString> = vec![images(), "lxc-read".into()];
    reader.extend(["--source=-", "--target=-", "--piped"].map(Into::into));
    reader.extend(how.iter().map(Into::into));
    let mut reads = Vec::new();
    let mut started = Vec::new();
    let begun = places.iter().try_for_each(|place| {
        let (read, write) = pipe()?;
        started.push(place.start(&reader, &[write.as_fd()], 0)?);
        reads.push(read);
        Ok(())
    });
    let writer = begun.and_then(|()| {
        let mut writer = vec![images(), program.into()];
        writer.extend(words);
        let mut given = others.to_vec();
        given.extend(reads.iter().map(AsFd::as_fd));
        Place::nowhere().start(&writer, &given, 0)
    });
    drop(reads);
    match writer {
        Ok(writer) => {
            started.push(writer);
            end(&started)
        }
        Err(error) => {
            // The readers end, as nothing takes what they read.
            end(&started)?;
            Err(error)
        }
    }
}

/// Fails if the container runs, unless that is `allowed`.
pub(super) fn refuse_running(identity: &Identity, allowed: bool, verb: &str) -> Result<()> {
    if allowed || Client::new(identity).state()? == State::Stopped {
        return Ok(());
    }
    Err(Error::new(format!("{identity} is running")).kind(Kind::AlreadyRunning).hint(format!(
        "stop it first, or {verb} it as it is at your own risk with --allowrunning; \
         while it is frozen (lxc-freeze) nothing changes"
    )))
}

/// What the container is, and these of its `snapshots`, in a file in memory: other users can see a
/// command's arguments.
pub(super) fn describe(identity: &Identity, snapshots: &[Snapshot]) -> Result<File> {
    let mut given = Given::of(identity)?;
    given.snapshots = snapshots.iter().map(Given::of_snapshot).collect::<Result<_>>()?;
    let failed = || "cannot say what the container is";
    let memory = memfd_create(c"lxc-container", MFdFlags::MFD_CLOEXEC).context(failed)?;
    let mut file = File::from(memory);
    let text = serde_json::to_vec(&given).map_err(|error| Error::new(error.to_string()))?;
    file.write_all(&text).context(failed)?;
    file.seek(SeekFrom::Start(0)).context(failed)?;
    Ok(file)
}

impl Given {
    fn of(identity: &Identity) -> Result<Self> {
        let document = Document::load(&identity.config_file())?;
        Ok(Self {
            name: identity.name.to_string(),
            config: String::from_utf8_lossy(document.text()).into_owned(),
            fstab: fstab(&document.config)?,
            home: identity.dir().display().to_string(),
            time: String::new(),
            comment: String::new(),
            snapshots: Vec::new(),
        })
    }

    fn of_snapshot(snapshot: &Snapshot) -> Result<Self> {
        let read = |path: &PathBuf| {
            let text = std::fs::read(path).context(|| format!("cannot read {}", path.display()))?;
            Ok(String::from_utf8_lossy(&text).into_owned())
        };
        let comment = snapshot.comment.as_ref().map(read).transpose()?;
        Ok(Self {
            time: snapshot.time.clone(),
            comment: comment.unwrap_or_default(),
            ..Self::of(&snapshot.identity)?
        })
    }
}

/// The text of the file with mounts that the configuration names.
fn fstab(config: &Config) -> Result<String> {
    let Some(path) = &config.mount_fstab else { return Ok(String::new()) };
    let roots = Roots::of(config);
    let text = if roots.hold(path) {
        roots.read(path)?
    } else {
        std::fs::read(path).context(|| format!("cannot read {}", path.display()))?
    };
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// A file that has its name only when it is whole.
struct NewFile<'a> {
    path: &'a Path,
    file: File,
    /// Whether the file has no name yet, and is to get one.
    unnamed: bool,
}

impl<'a> NewFile<'a> {
    fn begin(path: &'a Path) -> Result<Self> {
        let failed = || format!("cannot write {}", path.display());
        // A device, or a pipe that somebody reads.
        if path.metadata().is_ok_and(|stat| !stat.is_file()) {
            let file = File::options().write(true).open(path).context(failed)?;
            return Ok(Self { path, file, unnamed: false });
        }
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = dir.unwrap_or(Path::new("."));
        let flags = (OFlag::O_TMPFILE | OFlag::O_CLOEXEC).bits();
        // It may hold what only the container's owner may read.
        let file = File::options().write(true).mode(0o600).custom_flags(flags).open(dir);
        match file {
            Ok(file) => Ok(Self { path, file, unnamed: true }),
            Err(error) if error.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) => {
                let options =
                    File::options().write(true).create(true).truncate(true).mode(0o600).clone();
                let file = options.open(path).context(failed)?;
                Ok(Self { path, file, unnamed: false })
            }
            Err(error) => Err(error).context(failed),
        }
    }

    fn finish(self) -> Result<()> {
        if !self.unnamed {
            return Ok(());
        }
        let failed = || format!("cannot write {}", self.path.display());
        let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let link = |path: &Path| {
            linkat(AT_FDCWD, own.as_str(), AT_FDCWD, path, AtFlags::AT_SYMLINK_FOLLOW)
        };
        match link(self.path) {
            Err(Errno::EEXIST) => {}
            result => return result.context(failed),
        }
        let mut name = OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(format!(".{}", std::process::id()));
        let spare = self.path.with_file_name(name);
        link(&spare).context(failed)?;
        std::fs::rename(&spare, self.path).context(failed).inspect_err(|_| {
            let _ = std::fs::remove_file(&spare);
        })
    }
}
