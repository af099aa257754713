//! Images made for LXC: an archive of a root filesystem, and one of metadata beside it, which holds the
//! container's configuration, what is left out, a message, and when it is too old.

mod config;
mod glob;
mod metadata;
mod server;
mod tree;

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use config::split;
pub use metadata::Metadata;
pub use server::{Choice, Entry, Index, Kept, Server};
pub use tree::Tree;

use crate::compression;
use crate::template::{self, Container, Lines, data_dir};
use crate::unpack::{Limits, Report, Unpacker};
use crate::{Context, Error, Result};

/// Unpacks the archive `file` for itself, for the caller alone, in the empty directory `dir`.
pub fn open_archive(file: &Path, dir: &Path, limits: Limits) -> Result<()> {
    read_archive(file, |input, packed| {
        Unpacker::new(dir, limits)?.as_own().archive(input, || packed)
    })
}

/// Fills the root filesystem of `container` from the archive `file`, without what `metadata` or the
/// patterns `excluded` leave out.
pub fn unpack(
    container: &Container,
    file: &Path,
    metadata: Option<&Metadata>,
    excluded: &[&str],
    limits: Limits,
) -> Result<Report> {
    let mut patterns = metadata.map_or_else(|| Ok(Vec::new()), Metadata::excludes)?;
    patterns.extend(excluded.iter().map(|pattern| (*pattern).to_owned()));
    let unpacker = container.unpacker(limits)?;
    let mut unpacker = unpacker.without(|path| glob::is_excluded(path, &patterns));
    read_archive(file, |input, packed| unpacker.archive(input, || packed))?;
    template::Tree::open(&container.rootfs)?.make_dirs("dev/pts")?;
    Ok(unpacker.report())
}

fn read_archive(
    file: &Path,
    unpack: impl FnOnce(Box<dyn Read + '_>, u64) -> Result<()>,
) -> Result<()> {
    let failed = || format!("cannot read {}", file.display());
    let input = File::open(file).context(failed)?;
    let packed = input.metadata().context(failed)?.len();
    let input = compression::plain(input).context(failed)?;
    unpack(input, packed).map_err(|error| error.note(format!("the archive is {}", file.display())))
}

/// Makes the root filesystem and the configuration those of `container`. What the image's configuration
/// asks for is refused if it reaches the host, unless it is `trusted`.
pub fn configure(container: &Container, metadata: Option<&Metadata>, trusted: bool) -> Result<()> {
    let words = substitutions(container)?;
    let mut lines = Lines::new();
    let mut own = Lines::new();
    match metadata.map(Metadata::config).transpose()?.flatten() {
        Some(text) => {
            let text = config::substitute(&text, &words);
            lines.push(&config::checked(&text, container.mapped.is_some(), trusted)?);
        }
        None => container.include_shared(&mut lines, "common.conf")?,
    }
    if let Some(fstab) = metadata.map(|metadata| metadata.text("fstab")).transpose()?.flatten() {
        let fstab = config::substitute(&fstab, &words);
        config::check_fstab(&fstab, trusted)?;
        let file = container.path.join("fstab");
        std::fs::write(&file, fstab).context(|| format!("cannot write {}", file.display()))?;
        container.give_back(&file)?;
        let file = file.to_str().ok_or_else(|| Error::new("the container's path is not UTF-8"))?;
        own.set("lxc.mount.fstab", file)?;
    }
    own.set("lxc.uts.name", &container.name)?;
    let tree = template::Tree::open(&container.rootfs)?;
    for path in metadata.map_or_else(|| Ok(Vec::new()), Metadata::templates)? {
        if let Some(text) = tree.read(&path)? {
            tree.write(&path, &config::substitute(&text, &words))?;
        }
    }
    // What the caller asked for comes last, so that it counts.
    let caller = container.configuration()?;
    container.replace_configuration(&format!(
        "# Distribution configuration\n{lines}\n# Container specific configuration\n{}\n{own}",
        caller.trim_end()
    ))
}

/// The words that stand for what only the host knows.
fn substitutions(container: &Container) -> Result<[(&'static str, String); 5]> {
    let text = |path: &Path| {
        path.to_str()
            .map(str::to_owned)
            .ok_or_else(|| Error::new("the container's path is not UTF-8"))
    };
    let data = data_dir();
    // Longer words first: one begins with another.
    Ok([
        ("LXC_TEMPLATE_CONFIG", text(&data.join("config"))?),
        ("LXC_HOOK_DIR", text(&data.join("hooks"))?),
        ("LXC_ROOTFS", text(&container.rootfs)?),
        ("LXC_NAME", container.name.clone()),
        ("LXC_PATH", text(&container.path)?),
    ])
}
