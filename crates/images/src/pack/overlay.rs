//! The writable layer of an overlay, as a layer of an image: whiteouts as files of certain names (OCI image
//! specification, "Representing Changes") instead of what the kernel has for them.

use nix::errno::Errno;
use rustix::fs::getxattr;

use super::failed;
use crate::archive::{Entry, Kind};
use crate::image::difference::whiteout;
use crate::{Error, Result};

/// What the kernel's attributes begin with, of layers that the host's root mounts, and of others.
const NAMESPACES: [&str; 2] = ["trusted.overlay.", "user.overlay."];
/// What the names of whiteouts begin with.
const PREFIX: &[u8] = b".wh.";

/// `entry`, which is open at `path`, as one of an image's layer, and what follows it.
pub(super) fn translated(entry: Entry, path: &str) -> Result<(Entry, Option<Entry>)> {
    let (dir, name) = match entry.path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => entry.path.split_at(at + 1),
        None => (&b""[..], &*entry.path),
    };
    if entry.kind == Kind::Char(0, 0) {
        return Ok((whiteout([dir, PREFIX, name].concat()), None));
    }
    if name.starts_with(PREFIX) {
        return Err(Error::new(format!("{}: its name begins with .wh.", failed(&entry.path).what))
            .hint("in a layer of an image such a name stands for something that is gone"));
    }
    match entry.kind {
        Kind::Dir => {
            if value(path, "redirect")?.is_some() {
                return Err(incomplete(&entry));
            }
            let opaque = value(path, "opaque")?.is_some_and(|value| value == b"y");
            let begin = if entry.path == b"." { Vec::new() } else { [&*entry.path, b"/"].concat() };
            let all = opaque.then(|| whiteout([&*begin, b".wh..wh..opq"].concat()));
            Ok((entry, all))
        }
        Kind::File if value(path, "metacopy")?.is_some() => Err(incomplete(&entry)),
        _ => Ok((entry, None)),
    }
}

fn incomplete(entry: &Entry) -> Error {
    Error::new(format!("{}: the layer has only a part of it", failed(&entry.path).what)).hint(
        "the kernel's overlays work with redirect_dir or metacopy here; the option --base compares \
         everything with an image",
    )
}

fn value(path: &str, name: &str) -> Result<Option<Vec<u8>>> {
    for namespace in NAMESPACES {
        let mut value = [0; 256];
        match getxattr(path, format!("{namespace}{name}"), &mut value) {
            Ok(length) => return Ok(Some(value[..length].to_vec())),
            Err(error) => match Errno::from_raw(error.raw_os_error()) {
                Errno::ENODATA | Errno::EOPNOTSUPP | Errno::EPERM => {}
                // A long path.
                Errno::ERANGE => return Ok(Some(Vec::new())),
                errno => return Err(Error::new("cannot read an attribute").errno(errno)),
            },
        }
    }
    Ok(None)
}
