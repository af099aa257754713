//! `lxc-rs image`: runs the program `lxc-images`, which uses the network; this program does not.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::errln;
use crate::config::{IdKind, IdMap, Located, Namespace};
use crate::container::unshare;
use crate::error::{Context, Error, Result};
use crate::exit::ExitCode;
use crate::init::command;
use crate::namespace::{Ids, NamespaceSet, subid, take_in_own};
use crate::paths;

/// The command's name.
pub(super) const COMMAND: &str = "image";
/// One line of help.
pub(super) const ABOUT: &str = "Fetch, list, send and remove images";
/// The commands among these that read or remove files of containers' ids.
const OF_IDS: [&str; 2] = ["prune", "verify"];

/// Becomes the program `lxc-images`, with `args`.
pub(super) fn run(args: &[OsString]) -> ExitCode {
    let program = paths::images();
    let mut words: Vec<OsString> = vec![program.clone().into(), "lxc-image".into()];
    words.extend_from_slice(args);
    let of_ids = args.first().is_some_and(|word| OF_IDS.iter().any(|it| word == it));
    let ids = if of_ids { subid::all_of_caller() } else { Vec::new() };
    let result = if ids.is_empty() {
        Err(Command::new(&program).args(&words[1..]).exec())
            .context(|| format!("cannot run {}", program.display()))
    } else {
        within(&ids, &words)
    };
    result.unwrap_or_else(|error: Error| {
        errln!("lxc-rs: {error}");
        ExitCode::FAILURE
    })
}

/// Runs `words` as root of a user namespace with `ids`, as an ordinary user.
fn within(ids: &[Located<IdMap>], words: &[OsString]) -> Result<ExitCode> {
    let mut maps: Vec<IdMap> = ids.iter().map(|map| map.value).collect();
    for kind in IdKind::BOTH {
        take_in_own(&mut maps, kind);
    }
    let maps: Vec<Located<IdMap>> = maps.into_iter().map(|map| Located::new(map, None)).collect();
    let child = unshare::spawn(&unshare::Request {
        command: words,
        namespaces: NamespaceSet::of([Namespace::User]),
        ids: Ids::new(&maps),
        uid: Some(0),
        gid: Some(0),
        hostname: None,
        links: &[],
        remount: false,
    })?;
    Ok(u8::try_from(command::wait(child)?).map_or(ExitCode::FAILURE, ExitCode::from))
}
