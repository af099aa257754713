//! Mounting layers, however many there are and however long their names.
//!
//! The kernel takes 255 bytes of an option by fsconfig(2), and a page of all options by mount(2). Where
//! the names are longer, each layer is an option of its own (`lowerdir+`, Linux 6.8). Where the kernel
//! does not know that, the layers are known to it by the number of a descriptor, of which a page has more
//! than the 500 layers that it takes.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

use crate::error::{Context, Result};
use crate::mount::private;
use crate::sys::mount::{self as sys, FsOption, Refused};

/// Where the kernel looks descriptors up by number.
const DESCRIPTORS: &str = "/proc/self/fd";

/// What an overlay is made of.
#[derive(Clone, Copy, Debug)]
pub struct Layers<'a> {
    /// The layers below, topmost first.
    pub lower: &'a [&'a Path],
    /// The writable layer and the kernel's working directory.
    pub writable: Option<(&'a Path, &'a Path)>,
    /// What else the kernel is told.
    pub options: &'a [FsOption<'a>],
}

impl Layers<'_> {
    /// Mounts them, detached. They are named in `/proc/self/mountinfo` unless one has more than 255
    /// bytes, or the kernel knows no `lowerdir+` and all of them together have.
    pub fn mount(self) -> Result<OwnedFd> {
        let names: Vec<String> = self.lower.iter().map(|path| escaped(path)).collect();
        let joined = names.join(":");
        let writable = self.writable.map(|(upper, work)| (escaped(upper), escaped(work)));
        let fit = writable.iter().all(|(upper, work)| sys::fits(upper) && sys::fits(work));
        if fit && sys::fits(&joined) {
            return self
                .by_fsconfig(&[("lowerdir", &joined)], writable.as_ref())
                .context(|| self.failed());
        }
        match self.one_by_one() {
            Ok(tree) => Ok(tree),
            Err(_) => self.by_number(),
        }
    }

    fn failed(self) -> String {
        format!("cannot mount {self}")
    }

    /// Each layer for itself: by name, which is taken as it is here, or by descriptor.
    fn one_by_one(self) -> Result<OwnedFd> {
        let mut open = Vec::new();
        let mut known = |path: &Path, name: String| {
            if sys::fits(&name) {
                return Ok(name);
            }
            let dir = open_layer(path)?;
            let name = format!("{DESCRIPTORS}/{}", dir.as_raw_fd());
            open.push(dir);
            Ok(name)
        };
        let lower = self.lower.iter().map(|path| known(path, path.display().to_string()));
        let lower: Vec<String> = lower.collect::<Result<_>>()?;
        let lower: Vec<(&str, &str)> = lower.iter().map(|name| ("lowerdir+", &**name)).collect();
        let writable = match self.writable {
            Some((upper, work)) => {
                Some((known(upper, escaped(upper))?, known(work, escaped(work))?))
            }
            None => None,
        };
        self.by_fsconfig(&lower, writable.as_ref()).context(|| self.failed())
    }

    fn by_fsconfig(
        self,
        lower: &[(&str, &str)],
        writable: Option<&(String, String)>,
    ) -> std::result::Result<OwnedFd, Refused> {
        let mut data = vec![("source", Some("overlay"))];
        data.extend(lower.iter().map(|(key, value)| (*key, Some(*value))));
        if let Some((upper, work)) = writable {
            data.extend([("upperdir", Some(&**upper)), ("workdir", Some(&**work))]);
        }
        data.extend(self.options);
        sys::new_mount("overlay", &data, 0)
    }

    /// By mount(2), which needs a place for it: in a mount namespace of its own.
    fn by_number(self) -> Result<OwnedFd> {
        private::within("the layers", || self.on_lowest())
    }

    /// Mounts them on the lowest one, in this mount namespace.
    fn on_lowest(self) -> Result<OwnedFd> {
        let failed = || self.failed();
        // In here, since the kernel takes no layer of another mount namespace.
        let open = |paths: &[&Path]| {
            paths.iter().map(|path| open_layer(path)).collect::<Result<Vec<File>>>()
        };
        let numbers = |dirs: &[File]| {
            dirs.iter().map(|dir| dir.as_raw_fd().to_string()).collect::<Vec<_>>().join(":")
        };
        let lower = open(self.lower)?;
        let mut words = vec![format!("lowerdir={}", numbers(&lower))];
        let writable = self.writable.map(|(upper, work)| open(&[upper, work])).transpose()?;
        if let Some([upper, work]) = writable.as_deref() {
            words.push(format!("upperdir={}", upper.as_raw_fd()));
            words.push(format!("workdir={}", work.as_raw_fd()));
        }
        words.extend(self.options.iter().map(|(key, value)| match value {
            Some(value) => format!("{key}={value}"),
            None => (*key).to_owned(),
        }));
        std::env::set_current_dir(DESCRIPTORS)
            .context(|| format!("cannot change to {DESCRIPTORS}"))?;
        let place = self.lower.last().copied().unwrap_or(Path::new("/"));
        let data = words.join(",");
        mount(Some("overlay"), place, Some("overlay"), MsFlags::empty(), Some(&*data))
            .context(failed)?;
        sys::open_tree(sys::at_cwd(), place, sys::OPEN_TREE_CLONE).context(failed)
    }
}

impl std::fmt::Display for Layers<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.lower {
            [] => f.write_str("an overlay of nothing")?,
            [one] => write!(f, "an overlay of {}", one.display())?,
            [top, rest @ ..] => {
                write!(f, "an overlay of {} and {} layers below it", top.display(), rest.len())?;
            }
        }
        self.writable.map_or(Ok(()), |(upper, _)| write!(f, " and {}", upper.display()))
    }
}

/// `path` where ':' separates.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "\\\\").replace(':', "\\:")
}

fn open_layer(path: &Path) -> Result<File> {
    File::open(path).context(|| format!("cannot open the layer {}", path.display()))
}

/// `paths` as [`Layers`] have them.
pub fn refs(paths: &[PathBuf]) -> Vec<&Path> {
    paths.iter().map(PathBuf::as_path).collect()
}
