//! lxc-rs commit: an image of a container.

use clap::{Arg, Command};

use super::{Invocation, NameRule, Tool, flag};
use crate::container::commit::{Base, Request, commit};
use crate::error::{Error, Result};
use crate::exit::ExitCode;

pub(super) const TOOL: Tool = Tool {
    name: "commit",
    about: "Make an image of a container: NAME IMAGE:TAG",
    name_rule: NameRule::Required,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    let text = |id: &'static str, name: &'static str| Arg::new(id).long(id).value_name(name);
    command
        .arg(base().conflicts_with("whole"))
        .arg(flag("whole").help("Write all files as one layer, over no other image"))
        .arg(
            super::export::compression(&["none", "gzip", "zstd"])
                .help("Compress the layer with this (default gzip)"),
        )
        .arg(text("message", "TEXT").short('m').help("Remark for the image's history"))
        .arg(super::export::allow_running())
}

/// The option for the image to compare with.
pub(super) fn base() -> Arg {
    Arg::new("base")
        .long("base")
        .value_name("IMAGE")
        .help("Compare with this image (default: the one that the container was made from)")
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let [image] = invocation.args.as_slice() else {
        return Err(Error::new("one name of an image is needed").hint("write NAME IMAGE:TAG"));
    };
    let base = match invocation.value("base") {
        Some(name) => Base::Named(name.to_owned()),
        None if invocation.flag("whole") => Base::None,
        None => Base::Known,
    };
    let request = Request {
        identity: invocation.identity()?,
        image: image.to_string_lossy().into_owned(),
        base,
        compression: invocation.value("compress").unwrap_or("gzip").to_owned(),
        message: invocation.value("message").map(str::to_owned),
        allow_running: invocation.flag("allowrunning"),
    };
    commit(&request).map(ExitCode::from)
}
