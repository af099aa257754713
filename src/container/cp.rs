//! Copying files between the host and containers, and between containers: two programs, one with the
//! rights of each side, and a pipe between them. Where both sides have the caller's rights, one program
//! does it all.

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Pid, getegid, geteuid};

use super::files::{Place, Purpose, pipe};
use crate::error::{Context, Error, Result};
use crate::identity::{ContainerName, Identity};
use crate::init::command::wait;
use crate::paths;

/// The name of the program that reads and writes.
const PROGRAM: &str = "lxc-cp";

/// One side of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// Standard input or standard output, an archive.
    Archive,
    /// A path of the host.
    Host(PathBuf),
    /// A path of a container.
    Container(Identity, PathBuf),
}

/// What to copy, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// From where.
    pub source: Side,
    /// To where.
    pub target: Side,
    /// Whether files keep their owners, by the ids that these have inside.
    pub keep_owners: bool,
    /// Whether a source that is a symbolic link is followed.
    pub follow: bool,
}

impl Side {
    /// Reads `-`, `PATH` or `NAME:PATH`; containers are in `lxcpath`. A path of the host with a colon in its
    /// first component is written with a slash or `./` before it.
    pub fn parse(word: &OsStr, lxcpath: &Path) -> Result<Self> {
        let bytes = word.as_bytes();
        if bytes == b"-" {
            return Ok(Self::Archive);
        }
        let colon = bytes.iter().position(|byte| *byte == b':');
        let is_name = |colon: &usize| !bytes[..*colon].contains(&b'/') && bytes[0] != b'.';
        let Some(colon) = colon.filter(is_name) else {
            if bytes.is_empty() {
                return Err(Error::new("a path is empty"));
            }
            return Ok(Self::Host(word.into()));
        };
        let name = String::from_utf8_lossy(&bytes[..colon]).into_owned();
        let identity = Identity::new(lxcpath, ContainerName::new(name)?);
        let path = OsStr::from_bytes(&bytes[colon + 1..]);
        if path.is_empty() {
            return Err(Error::new(format!("there is no path after {identity}:"))
                .hint("write NAME:/ for its root directory"));
        }
        // Inside, a path begins at the root.
        Ok(Self::Container(identity, Path::new("/").join(path)))
    }

    /// Whether `DIR/.` was given: the content of a directory is read, not the directory itself.
    fn is_content(&self) -> bool {
        match self {
            Self::Archive => false,
            Self::Host(path) | Self::Container(_, path) => {
                let bytes = path.as_os_str().as_bytes();
                bytes.ends_with(b"/.") || bytes == b"." || bytes.iter().all(|byte| *byte == b'/')
            }
        }
    }

    fn shown(&self) -> OsString {
        match self {
            Self::Archive => "the archive".into(),
            Self::Host(path) => path.into(),
            Self::Container(identity, path) => {
                let mut text = OsString::from(identity.name.as_str());
                text.push(":");
                text.push(path);
                text
            }
        }
    }

    fn place(&self, purpose: Purpose) -> Result<Option<(Place, PathBuf)>> {
        Ok(match self {
            Self::Archive => None,
            Self::Host(path) => {
                let mut whole = std::env::current_dir()
                    .context(|| "cannot tell the current directory")?
                    .into_os_string();
                whole.push("/");
                whole.push(path);
                let whole = if path.is_absolute() { path.clone() } else { whole.into() };
                Some((Place::host()?, whole))
            }
            Self::Container(identity, path) => {
                Some((Place::seen_by(identity, purpose, PROGRAM)?, path.clone()))
            }
        })
    }
}

/// Copies; returns the exit code, once the reasons for a failure have been printed.
pub fn copy(request: &Request) -> Result<u8> {
    let Request { source, target, .. } = request;
    if let (Side::Container(one, _), Side::Container(other, _)) = (source, target)
        && one == other
    {
        return Err(Error::new("source and target are in the same container")
            .hint("copy inside: lxc-attach -n NAME -- cp ..."));
    }
    if matches!((source, target), (Side::Archive, Side::Archive)) {
        return Err(Error::new("source and target are both -"));
    }
    let from = source.place(Purpose::Read)?;
    let to = target.place(Purpose::Change)?;
    let standard = |number| crate::sys::process::standard(number);
    match (&from, &to) {
        (Some((from, path)), None) => {
            let words = [request.words(), request.reading(path)].concat();
            let code = end(&[from.start(&words, &[standard(1)], 0)?])?;
            Ok(code)
        }
        (None, Some((to, path))) => {
            let words = [request.words(), request.writing(path)].concat();
            end(&[to.start(&words, &[standard(0)], 1)?])
        }
        (Some((from, source)), Some((to, target))) => {
            if let (true, true, Some(root)) = (from.is_callers(), to.is_callers(), to.root()) {
                let words =
                    [request.words(), request.reading(source), request.writing(target)].concat();
                return end(&[from.start(&words, &[root], 0)?]);
            }
            let (read, write) = pipe()?;
            let piped = || [request.words(), vec!["--piped".into()]].concat();
            let reader =
                from.start(&[piped(), request.reading(source)].concat(), &[write.as_fd()], 0)?;
            drop(write);
            let words = [piped(), request.writing(target)].concat();
            let writer = to.start(&words, &[read.as_fd()], 1);
            // Without a writer the reader's pipe is closed, and the reader ends.
            drop(read);
            match writer {
                Ok(writer) => end(&[reader, writer]),
                Err(error) => {
                    end(&[reader])?;
                    Err(error)
                }
            }
        }
        (None, None) => Err(Error::new("source and target are both -")),
    }
}

impl Request {
    /// The words that both programs get.
    fn words(&self) -> Vec<OsString> {
        let mut words = vec![paths::images().into_os_string(), PROGRAM.into()];
        for (option, side) in [("--source=", &self.source), ("--target=", &self.target)] {
            let mut word = OsString::from(option);
            word.push(side.shown());
            words.push(word);
        }
        words
    }

    fn reading(&self, path: &Path) -> Vec<OsString> {
        let name = match path.file_name().filter(|_| !self.source.is_content()) {
            Some(name) => name,
            None => OsStr::new("."),
        };
        let mut words = vec![option("--from=", path.as_os_str()), option("--name=", name)];
        if self.follow {
            words.push("--follow".into());
        }
        words
    }

    fn writing(&self, path: &Path) -> Vec<OsString> {
        let mut words = vec![option("--to=", path.as_os_str())];
        let into_container = matches!(self.target, Side::Container(..));
        if !self.keep_owners {
            let (uid, gid) =
                if into_container { (0, 0) } else { (geteuid().as_raw(), getegid().as_raw()) };
            words.push(format!("--owner={uid}:{gid}").into());
        }
        // Not to the host, where these would be privileges that somebody in a container chose.
        if self.keep_owners && into_container {
            words.push("--privileges".into());
        }
        words
    }
}

fn option(option: &str, value: &OsStr) -> OsString {
    let mut word = OsString::from(option);
    word.push(value);
    word
}

/// Waits for all `programs`; returns the first exit code that is not 0.
pub(super) fn end(programs: &[Pid]) -> Result<u8> {
    let mut code = 0;
    let mut killed = None;
    for pid in programs {
        let ended = wait(*pid)?;
        if ended > 128 && killed.is_none() {
            killed = Some(ended - 128);
        }
        if code == 0 {
            code = ended;
        }
    }
    match killed {
        Some(signal) => Err(Error::new(format!("lxc-images was killed by signal {signal}"))),
        None => Ok(u8::try_from(code).unwrap_or(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_told_apart() {
        let lxcpath = Path::new("/var/lib/lxc");
        let parse = |word: &str| Side::parse(OsStr::new(word), lxcpath).unwrap();
        let inside = |path: &str| {
            let identity = Identity::new(lxcpath, ContainerName::new("web").unwrap());
            Side::Container(identity, path.into())
        };
        assert_eq!(parse("-"), Side::Archive);
        assert_eq!(parse("web:/etc/hosts"), inside("/etc/hosts"));
        assert_eq!(parse("web:etc/hosts"), inside("/etc/hosts"));
        assert_eq!(parse("web:/a:b"), inside("/a:b"));
        for host in ["/a:b", "./a:b", "a/b:c", "file", ".", "../x:y"] {
            assert_eq!(parse(host), Side::Host(host.into()), "{host}");
        }
        for bad in ["", "web:", ":x"] {
            assert!(Side::parse(OsStr::new(bad), lxcpath).is_err(), "{bad}");
        }
    }

    #[test]
    fn content_of_a_directory_is_asked_for_by_a_dot() {
        let host = |path: &str| Side::Host(path.into()).is_content();
        assert!(host("a/.") && host(".") && host("/") && host("/."));
        assert!(!host("a") && !host("a/") && !host("a."));
    }
}
