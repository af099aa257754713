//! lxc-rs shift: gives the files of a container to the ids of its `lxc.idmap`.

use clap::{Arg, ArgAction, Command};

use super::copy::{end_progress, shows_progress};
use super::{Invocation, NameRule, Tool, outln};
use crate::config::IdMap;
use crate::container::shift::{Request, shift};
use crate::error::Result;
use crate::exit::ExitCode;
use crate::storage::copy::Progress;

pub(super) const TOOL: Tool = Tool {
    name: "shift",
    about: "Give the files of a container to the ids of its lxc.idmap",
    name_rule: NameRule::Required,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    command.arg(super::options::own_ids().help("auto: ids of its own, as with lxc-create")).arg(
        Arg::new("from")
            .long("from")
            .value_name("none|u|g|b:INSIDE:OUTSIDE:RANGE")
            .action(ArgAction::Append)
            .help("The map that its files fit now (default: by the owner of its root directory)"),
    )
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let identity = invocation.identity()?;
    let shows = shows_progress(invocation);
    let shifted = shift(&Request {
        identity: identity.clone(),
        from: from(invocation)?,
        own_ids: invocation.value("idmap").is_some(),
        report: if shows { Some(&show) } else { None },
    });
    end_progress(invocation);
    let shifted = shifted?;
    if !invocation.flag("quiet") {
        let (entries, new) = (shifted.entries, shifted.shifted);
        match entries {
            0 => outln!("{identity}: its files have the right ids"),
            _ => outln!("{identity}: {new} of {entries} entries were given to other ids"),
        }
    }
    if let Some(first) = &shifted.first_foreign {
        let first = first.display().to_string();
        invocation.complain(&format!(
            "warning: {} entries belong to ids that the container did not have, and were left alone; \
             the first: /{}",
            shifted.foreign,
            first.escape_debug(),
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// The maps of `--from`.
fn from(invocation: &Invocation) -> Result<Option<Vec<IdMap>>> {
    let words = invocation.values("from");
    if words.is_empty() {
        return Ok(None);
    }
    let given = words.into_iter().filter(|word| *word != "none").map(super::usernsexec::parse);
    Ok(Some(given.collect::<Result<Vec<_>>>()?.concat()))
}

fn show(progress: Progress) {
    super::output::error_text(&format!("\rshifted {} entries", progress.entries));
}
