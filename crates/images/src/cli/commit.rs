//! The side of `lxc-rs commit` that writes: an image of a container, whose files come as an archive, from a
//! program that has the container's ids.

use std::fs::File;

use clap::{Arg, ArgMatches, Command};

use super::export::{Given, Stripped};
use super::image::{full_name, store_dir};
use super::options::{self, descriptors};
use super::{Program, tell};
use crate::archive::{Entries, Reader};
use crate::compression::Compression;
use crate::image::build::{self, Words};
use crate::image::difference::{Change, Changes, State};
use crate::image::{Image, Source};
use crate::store::{Named, Store};
use crate::{Error, Result};

pub(super) const PROGRAM: Program = Program { name: "lxc-commit", command, run };

fn command() -> Command {
    let text = |id: &'static str| Arg::new(id).long(id).value_name("TEXT");
    Command::new("lxc-commit")
        .about("What lxc-rs commit and lxc-rs diff run")
        .hide(true)
        .arg(descriptors())
        // Without it the differences are shown.
        .arg(text("image"))
        // What comes are the changes to an image with this chain of layers.
        .arg(text("chain"))
        // What comes is everything, and to be compared with this image.
        .arg(text("base"))
        .arg(text("compress").default_value("gzip"))
        .arg(text("message"))
}

fn run(matches: &ArgMatches) -> Result<()> {
    let [about, files] = options::handed_on(matches)?;
    let text = |id: &str| matches.get_one::<String>(id).map(String::as_str);
    let given = Given::read(File::from(about))?;
    let store = Store::open(&store_dir())?;
    let _held = store.hold()?;
    let mut files = Reader::new(File::from(files));
    let name = text("image").map(full_name).transpose()?;
    let words = Words {
        created_by: "lxc-rs commit".into(),
        comment: Some(
            text("message").map_or_else(|| format!("the container {}", given.name), str::to_owned),
        ),
        execution: Some(given.execution()),
    };
    let compression = Compression::parse(text("compress").unwrap_or("gzip"))?;
    let base = match (text("chain"), text("base")) {
        (Some(chain), _) => Some(build::of_chain(&store, chain)?.ok_or_else(|| {
            Error::new("the image that the container was made from is not here any more").hint(
                "fetch it again with lxc-rs image pull, or name one with --base, or write all as one \
                 layer with --whole",
            )
        })?),
        (None, Some(name)) => Some(store.find(&full_name(name)?)?),
        (None, None) => None,
    };
    let finish = |layer| {
        let Some(name) = &name else { return Ok(()) };
        let digest = build::image(&store, name, base.as_ref(), &layer, &words)?;
        tell(&format!("{name}@{digest}"));
        Ok(())
    };
    match (&base, text("chain")) {
        (Some(_), Some(_)) => finish(build::layer(&store, &mut files, compression)?),
        (None, _) => finish(build::layer(&store, &mut Stripped(&mut files), compression)?),
        (Some(base), None) => {
            let state = state(&store, base)?;
            if name.is_none() {
                return show(files, &state);
            }
            let mut changes =
                Changes::new(files, crate::exported::ROOTFS.as_bytes(), &state, |_, _| ());
            finish(build::layer(&store, &mut changes, compression)?)
        }
    }
}

/// What the image `base` of `store` makes.
fn state(store: &Store, base: &Named) -> Result<State> {
    let (_, image): (_, Image) = store.image(base)?;
    let layout = store.layout()?;
    State::of(&image, |layer| layout.blob(layer.stored.blob()?))
}

/// Prints each difference.
fn show(files: impl Entries, state: &State) -> Result<()> {
    let mut changes = Changes::new(files, crate::exported::ROOTFS.as_bytes(), state, tell_change);
    while changes.next()?.is_some() {}
    crate::exported::require_whole(changes.end()?)
}

/// Prints a difference: `A`, `C` or `D`, and a path.
pub(super) fn tell_change(change: Change, path: &[u8]) {
    let letter = match change {
        Change::Added => 'A',
        Change::Changed => 'C',
        Change::Deleted => 'D',
    };
    if path != b"." {
        let path = lxc_sys::visible::visible(path);
        let path = String::from_utf8_lossy(&path).replace(['\n', '\t'], "?");
        tell(&format!("{letter} /{path}"));
    }
}
