//! lxc-local: a container from archives on this host.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command, value_parser};

use super::options::{self, container, flag, limits};
use super::{Program, tell, warn};
use crate::system::{self, Metadata};
use crate::template::Scratch;
use crate::unpack::Limits;
use crate::{Error, Result};

pub(super) const PROGRAM: Program = Program { name: "lxc-local", command, run };

fn command() -> Command {
    let file = |id: &'static str| {
        Arg::new(id).long(id).value_name("FILE").value_parser(value_parser!(PathBuf))
    };
    options::command("lxc-local", "A container from archives on this host")
        .arg(
            file("fstree")
                .short('f')
                .help("Archive of the root filesystem: tar, plain or with gzip, xz or zstd"),
        )
        .arg(
            file("metadata")
                .short('m')
                .help("Archive of its metadata: configuration, what is left out, a message"),
        )
        .arg(flag("no-dev").help("Leave out what is in /dev"))
        .arg(options::trust_config())
}

fn run(matches: &ArgMatches) -> Result<()> {
    let container = container(matches)?;
    let limits = limits(matches)?;
    let file = |id: &str| matches.get_one::<PathBuf>(id).map(PathBuf::as_path);
    let rootfs = file("fstree").ok_or_else(|| {
        Error::new("which archive? there is no --fstree")
            .hint("lxc-create -t local -h shows all options")
    })?;
    let scratch = file("metadata").map(|_| container.scratch()).transpose()?;
    let open = |(file, dir): (&Path, &Path)| {
        system::open_archive(file, dir, Limits { bytes: 64 << 20, entries: 10_000, ..limits })?;
        Metadata::open(dir)
    };
    let metadata = file("metadata").zip(scratch.as_ref().map(Scratch::path));
    let metadata = metadata.map(open).transpose()?;
    let excluded: &[&str] = if matches.get_flag("no-dev") { &["dev/*"] } else { &[] };
    tell("Unpacking the rootfs");
    let report = system::unpack(&container, rootfs, metadata.as_ref(), excluded, limits)?;
    for text in options::left_out(report) {
        warn(PROGRAM.name, &text);
    }
    system::configure(&container, metadata.as_ref(), matches.get_flag("trust-config"))?;
    if let Some(message) = metadata.map(|metadata| metadata.message()).transpose()?.flatten() {
        tell(&format!("\n---\n{}", message.trim_end()));
    }
    Ok(())
}
