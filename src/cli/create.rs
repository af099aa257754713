//! lxc-create: makes a container.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, Command, value_parser};

use super::{Invocation, NameRule, Tool};
use crate::container::create::{Request, create};
use crate::error::{Error, Result};
use crate::storage;
use crate::template;

pub(super) const TOOL: Tool = Tool {
    name: "create",
    about: "Create a container",
    name_rule: NameRule::Required,
    options,
    run,
    more_help: Some(template_help),
};

/// The names that lxc-create takes for storage back-ends, of which we have some.
const BACKENDS: [&str; 11] =
    ["dir", "none", "best", "lvm", "loop", "btrfs", "zfs", "rbd", "overlay", "overlayfs", "nbd"];

fn options(command: Command) -> Command {
    let path = |id: &'static str, name: &'static str| {
        Arg::new(id).long(id).value_name(name).value_parser(value_parser!(PathBuf))
    };
    let text = |id: &'static str, name: &'static str| Arg::new(id).long(id).value_name(name);
    command
        .arg(path("config", "FILE").short('f').help("Configuration to begin with"))
        .arg(text("template", "TEMPLATE").short('t').help("Template, or none"))
        .arg(text("bdev", "BACKEND").short('B').help("Storage back-end (default dir)"))
        .arg(path("dir", "DIR").help("Directory for the root filesystem"))
        .arg(text("lvname", "NAME").help("Name of the logical volume"))
        .arg(text("vgname", "NAME").help("Name of the volume group"))
        .arg(text("thinpool", "NAME").help("Name of the thin pool"))
        .arg(text("fstype", "TYPE").help("File system to make"))
        .arg(text("fssize", "SIZE").help("Size of the file system"))
        .arg(text("zfsroot", "PATH").help("Parent of the zfs dataset"))
}

/// Options of the template that the user named, after our own.
fn template_help(matches: &clap::ArgMatches) -> Result<()> {
    match matches.get_one::<String>("template").filter(|name| *name != "none") {
        Some(name) => template::find(name)?.help(),
        None => Ok(()),
    }
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let Some(template) = invocation.value("template") else {
        return Err(Error::new("A template must be specified").hint(format!(
            "there are: {}; or none for a container without a root filesystem",
            template::names().join(" ")
        )));
    };
    let backend = backend(invocation)?;
    let request = Request {
        identity: invocation.identity()?,
        template: (template != "none").then(|| template.to_owned()),
        arguments: invocation.args.clone(),
        config: invocation.path("config").cloned(),
        backend: backend.to_owned(),
        dir: invocation.path("dir").cloned(),
        quiet: invocation.flag("quiet"),
    };
    create(&request).map_err(|error| Error {
        what: format!("Failed to create container {}: {}", request.identity, error.what),
        ..error
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The storage back-end that is asked for.
fn backend(invocation: &Invocation) -> Result<&str> {
    let name = invocation.value("bdev").unwrap_or("dir");
    if !BACKENDS.contains(&name) {
        return Err(Error::new(format!("{name} is not a valid backing storage type")));
    }
    let name = if name == "none" { "dir" } else { name };
    if name != "best" {
        storage::backend(name)?;
    }
    if ["fstype", "fssize"].iter().any(|id| invocation.value(id).is_some()) {
        return Err(Error::new("Filesystem type and size are only valid with block devices"));
    }
    Ok(name)
}
