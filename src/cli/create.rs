//! lxc-create: makes a container.

use std::path::PathBuf;

use clap::{Arg, Command, value_parser};

use super::storage::parse_size;
use super::{Invocation, NameRule, Tool};
use crate::container::create::{Request, create};
use crate::error::{Error, Result};
use crate::exit::ExitCode;
use crate::storage::{self, Specification};
use crate::template;

pub(super) const TOOL: Tool = Tool {
    name: "create",
    about: "Create a container",
    name_rule: NameRule::Required,
    options,
    run,
    more_help: Some(template_help),
};

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
        .arg(text("fstype", "TYPE").help("File system to make (default ext4)"))
        .arg(text("fssize", "SIZE").help("Size of the file system (default 1G)"))
        .arg(text("rootfs-size", "SIZE").help("How much of the disk it may take (lxc.rootfs.size)"))
        .arg(text("zfsroot", "PATH").help("Parent of the zfs dataset"))
        .arg(text("rbdname", "NAME").help("Name of the image of Ceph"))
        .arg(text("rbdpool", "NAME").help("Pool of the image of Ceph"))
        .arg(super::options::own_ids().help("auto: ids of its own, that no other container has"))
}

/// Prints the options of the template that the user named, after our own.
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
        document: None,
        backend,
        storage: specification(invocation),
        size: invocation.value("rootfs-size").map(parse_size).transpose()?.flatten(),
        own_ids: invocation.value("idmap").is_some(),
        layers: invocation.value("bdev").is_none(),
        quiet: invocation.flag("quiet"),
    };
    request.backend()?;
    create(&request).map_err(|error| Error {
        what: format!("Failed to create container {}: {}", request.identity, error.what),
        ..error
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The storage back-end that is asked for, `None` for the best.
fn backend(invocation: &Invocation) -> Result<Option<String>> {
    match invocation.value("bdev") {
        None | Some("none") => Ok(Some(storage::DEFAULT.name().to_owned())),
        Some("best") => Ok(None),
        Some(name) if storage::is_known(name) => Ok(Some(name.to_owned())),
        Some(name) => Err(Error::new(format!("{name} is not a valid backing storage type"))),
    }
}

fn specification(invocation: &Invocation) -> Specification {
    let text = |id| invocation.value(id).map(str::to_owned);
    Specification {
        dir: invocation.path("dir").cloned(),
        size: text("fssize"),
        filesystem: text("fstype"),
        logical_volume: text("lvname"),
        volume_group: text("vgname"),
        thin_pool: text("thinpool"),
        zfs_root: text("zfsroot"),
        rbd_name: text("rbdname"),
        rbd_pool: text("rbdpool"),
    }
}
