//! Which `lxc-*` commands a shell finds, and programs of other packages that some of them need.

use std::path::{Path, PathBuf};

use super::{Finding, Verdict};
use crate::error::{Context, Result};
use crate::{paths, programs};

const TOPIC: &str = "programs";

/// A program, its package, and what needs it.
const NEEDED: [(&str, &str, &str); 9] = [
    ("mmdebstrap", "mmdebstrap", "lxc-create -t debian"),
    ("gpgv", "gpgv", "lxc-create -t download"),
    ("mkfs.ext4", "e2fsprogs", "lxc-create -B loop"),
    ("btrfs", "btrfs-progs", "lxc-create -B btrfs"),
    ("mkfs.erofs", "erofs-utils", "images of erofs"),
    ("mksquashfs", "squashfs-tools", "images of squashfs"),
    ("apparmor_parser", "apparmor", "lxc.apparmor.profile = generated"),
    ("criu", "criu", "lxc-checkpoint"),
    ("busybox", "busybox-static", "lxc-create -t busybox"),
];

/// What is found by the search path.
pub fn examine() -> Vec<Finding> {
    let needed =
        NEEDED.into_iter().map(|(name, package, what)| match programs::find(name, package) {
            Ok(path) => Finding::ok(TOPIC, what, path.display().to_string()),
            Err(error) => Finding::of_error(TOPIC, what, Verdict::Limited, error),
        });
    commands().into_iter().chain(needed).collect()
}

/// Whether `lxc-start` is this program, in the directories in which the caller's shell looks.
fn commands() -> Option<Finding> {
    const WHAT: &str = "lxc-start in the search path";
    let own = paths::program().and_then(|path| real(&path)).ok()?;
    let path = std::env::var_os("PATH")?;
    let first =
        std::env::split_paths(&path).map(|dir| dir.join("lxc-start")).find(|it| it.exists());
    let dir = own.parent().unwrap_or(&own).display();
    let fix = format!("put {dir} first in PATH");
    Some(match first.map(|path| real(&path)) {
        Some(Ok(found)) if found == own => Finding::ok(TOPIC, WHAT, own.display().to_string()),
        Some(Ok(found)) => {
            Finding::limited(TOPIC, WHAT, format!("is another program, {}", found.display()), fix)
        }
        Some(Err(error)) => Finding::of_error(TOPIC, WHAT, Verdict::Limited, error),
        None => Finding::limited(TOPIC, WHAT, "is in none of its directories", fix),
    })
}

fn real(path: &Path) -> Result<PathBuf> {
    path.canonicalize().context(|| format!("cannot resolve {}", path.display()))
}
