//! lxc-rs import: a container from an archive.

use std::path::PathBuf;

use clap::{Arg, Command, value_parser};

use super::{Invocation, NameRule, Tool, flag, outln};
use crate::container::import::{Request, import};
use crate::error::{Error, Result};
use crate::exit::ExitCode;
use crate::identity::ContainerName;
use crate::storage;

pub(super) const TOOL: Tool = Tool {
    name: "import",
    about: "Make a container from an archive",
    name_rule: NameRule::Free,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    command
        .arg(
            Arg::new("config")
                .long("config")
                .short('f')
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Configuration to begin with"),
        )
        .arg(
            Arg::new("bdev")
                .long("bdev")
                .short('B')
                .value_name("BACKEND")
                .help("Storage back-end (default dir)"),
        )
        .arg(super::options::own_ids().help("auto: ids of its own, that no other container has"))
        .arg(
            flag("trust-config")
                .help("Take what the archive's configuration says of this host: hooks run as root"),
        )
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let mut words = invocation.args.iter();
    let file = words.next().ok_or_else(|| {
        Error::new("which archive?").hint("write FILE [NAME]; - is standard input")
    })?;
    let given = words.next().map(|word| word.to_string_lossy().into_owned());
    let name = given.or_else(|| invocation.name.clone()).map(ContainerName::new).transpose()?;
    if words.next().is_some() {
        return Err(Error::new("only a file and a name can be given"));
    }
    let backend = match invocation.value("bdev") {
        None => Some(storage::DEFAULT.name().to_owned()),
        Some("best") => None,
        Some(name) => Some(name.to_owned()),
    };
    let identity = import(&Request {
        file: (file != "-").then(|| PathBuf::from(file)),
        name,
        lxcpath: invocation.lxcpath()?,
        config: invocation.path("config").cloned(),
        backend,
        own_ids: invocation.value("idmap").is_some(),
        trust_config: invocation.flag("trust-config"),
        quiet: invocation.flag("quiet"),
    })?;
    if !invocation.flag("quiet") {
        outln!("{identity}");
    }
    Ok(ExitCode::SUCCESS)
}
