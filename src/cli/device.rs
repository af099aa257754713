//! lxc-device: gives devices and links to a running container and takes them back.

use clap::Command;

use super::{Invocation, NameRule, Tool};
use crate::container::device::{Device, add, remove};
use crate::error::{Error, Kind, Result};
use crate::exit::ExitCode;

pub(super) const TOOL: Tool = Tool {
    name: "device",
    about: "Add a device to a container or remove it: NAME add|del DEVICE [NAME]",
    name_rule: NameRule::Required,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    command
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Error::new("lxc-device must be run as root"));
    }
    let words: Vec<String> =
        invocation.args.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let (verb, device, target) = match words.as_slice() {
        [] => return Err(Error::new("Error: no command given (Please see --help output)")),
        [verb, device] => (verb, device, None),
        [verb, device, target] => (verb, device, Some(target.as_str())),
        _ => {
            let what = "Error: no command given (Please see --help output)";
            return Err(Error::new(what).hint("write: add|del DEVICE [NAME]"));
        }
    };
    // A verb may be cut short.
    let is_add = !verb.is_empty() && "add".starts_with(verb.as_str());
    let is_remove = !verb.is_empty() && "del".starts_with(verb.as_str());
    let identity = invocation.identity()?;
    let parsed = Device::parse(device);
    let (result, failed) = match (is_add, is_remove) {
        (true, _) => (add(&identity, &parsed, target), format!("Failed to add {device} to")),
        (_, true) => (remove(&identity, &parsed, target), format!("Failed to del {device} from")),
        _ => {
            let what = "Error: Please use add or del (Please see --help output)";
            return Err(Error::new(what));
        }
    };
    result.map_err(|error| match error.kind {
        Kind::NotRunning => {
            Error::new(format!("Container {identity} is not running")).kind(Kind::NotRunning)
        }
        _ => Error { what: format!("{failed} {identity}: {}", error.what), ..error },
    })?;
    Ok(ExitCode::SUCCESS)
}
