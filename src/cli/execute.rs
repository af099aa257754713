//! lxc-execute: runs one command in a container, under a small init.

use clap::{Arg, Command};

use super::start::{define, overrides, say_killed, share, warn};
use super::{Invocation, NameRule, Tool, flag};
use crate::container::start::{Request, Started, start_with};
use crate::error::{Error, Result};
use crate::exit::ExitCode;
use crate::init::Mode;

pub(super) const TOOL: Tool = Tool {
    name: "execute",
    about: "Run a command in a container that is started for it",
    name_rule: NameRule::Required,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    let id = |id: &'static str, short| Arg::new(id).long(id).short(short).value_name("ID");
    define(share(command))
        .mut_arg("rcfile", |arg| arg.short('f'))
        .arg(flag("daemon").short('d').help("Run in the background"))
        .arg(id("uid", 'u').help("User id of the command, inside"))
        .arg(id("gid", 'g').help("Group id of the command, inside"))
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let mut defines = overrides(invocation)?;
    for (id, key) in [("uid", "lxc.init.uid"), ("gid", "lxc.init.gid")] {
        if let Some(number) = invocation.value(id) {
            defines.push((key.to_owned(), number.to_owned()));
        }
    }
    let request = Request {
        rcfile: invocation.path("rcfile").cloned(),
        defines,
        command: invocation.args.clone(),
        mode: Mode::Execute,
        daemon: invocation.flag("daemon"),
        ..Request::of(invocation.identity()?)
    };
    match start_with(&request, &mut |warning| warn(invocation, &[warning.to_owned()]))? {
        Started::Background(warnings) => {
            warn(invocation, &warnings);
            Ok(ExitCode::SUCCESS)
        }
        Started::Ended(ended) => {
            say_killed(invocation, &ended);
            u8::try_from(ended.exit.shell_code())
                .map(ExitCode::from)
                .map_err(|_| Error::new("the command's status is not an exit code"))
        }
    }
}
