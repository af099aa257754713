//! lxc-rs run: a new container of an image, and its command in the foreground.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, value_parser};

use super::start::{define, overrides, say_killed, share, warn};
use super::{Invocation, NameRule, Tool, errln, flag, outln};
use crate::container::copy::ephemeral::random_name;
use crate::container::create::{self, create};
use crate::container::destroy::destroy;
use crate::container::list::is_defined;
use crate::container::start::{Request, Started, start_with};
use crate::container::volume::{self, Volume};
use crate::error::{Error, Kind, Result};
use crate::exit::ExitCode;
use crate::identity::{ContainerName, Identity};
use crate::init::Mode;
use crate::storage;

pub(super) const TOOL: Tool = Tool {
    name: "run",
    about: "Run a command in a new container of an image",
    name_rule: NameRule::Free,
    options,
    run,
    more_help: None,
};

/// The template of images, and how its URLs begin.
const TEMPLATE: &str = "oci";
const SCHEMES: [&str; 5] = ["docker:", "image:", "oci:", "oci-archive:", "docker-archive:"];
/// What the template writes before the ports of an image.
const PORT: &str = "# listens on port ";

fn options(command: Command) -> Command {
    define(share(command))
        .override_usage("lxc-rs run [OPTION]... IMAGE [COMMAND [ARGUMENT]...]")
        .mut_arg("rcfile", |arg| arg.short('f').help("Begin with this configuration"))
        // What follows the image is the command's.
        .mut_arg("args", |arg| arg.trailing_var_arg(true))
        .arg(flag("rm").help("Destroy the container when it stops"))
        .arg(flag("daemon").short('d').help("Run in the background, and print the name"))
        .arg(flag("pull").help("Ask the registry, even if the image is kept here"))
        .arg(
            Arg::new("volume")
                .long("volume")
                .short('v')
                .value_name("NAME|DIR:PATH")
                .action(ArgAction::Append)
                .value_parser(value_parser!(String))
                .help("Keep PATH in the volume NAME, or in a directory of the host"),
        )
        .arg(super::options::own_ids().help("auto: ids of its own, that no other container has"))
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let mut words = invocation.args.iter().cloned();
    let Some(image) = words.next() else {
        return Err(Error::new("which image? none was given")
            .hint("lxc-rs run IMAGE [COMMAND [ARGUMENT]...]"));
    };
    let image = image.to_string_lossy().into_owned();
    let words: Vec<OsString> = words.collect();
    let command = if words.first().is_some_and(|word| word == "--") { &words[1..] } else { &words };
    let volumes = invocation.values("volume").into_iter().map(Volume::parse);
    let volumes: Vec<Volume> = volumes.collect::<Result<_>>()?;
    let defines = overrides(invocation)?;
    let identity = identity(invocation, &image)?;
    create(&create::Request {
        template: Some(TEMPLATE.to_owned()),
        arguments: arguments(invocation, &image, command),
        config: invocation.path("rcfile").map(PathBuf::from),
        backend: Some(storage::DEFAULT.name().to_owned()),
        own_ids: invocation.value("idmap").is_some(),
        layers: true,
        quiet: invocation.flag("quiet"),
        ..create::Request::of(identity.clone())
    })
    .map_err(|error| Error {
        what: format!("cannot make a container of {image}: {}", error.what),
        ..error
    })?;
    let request = Request {
        defines,
        mode: Mode::Execute,
        daemon: invocation.flag("daemon"),
        ..Request::of(identity.clone())
    };
    let started = volume::complete(&identity, &volumes, invocation.flag("rm"), &invocation.tool)
        .and_then(|()| {
            hint_at_ports(invocation, &identity);
            start_with(&request, &mut |warning| warn(invocation, &[warning.to_owned()]))
        })
        // A container that does not start is removed again.
        .map_err(|error| match destroy(&identity, false, None) {
            Err(problem) if problem.kind != Kind::NotDefined => {
                error.note(format!("cleaning up: {problem}"))
            }
            _ => error,
        })?;
    match started {
        Started::Background(warnings) => {
            warn(invocation, &warnings);
            outln!("{}", identity.name);
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

/// The arguments of the template.
fn arguments(invocation: &Invocation, image: &str, command: &[OsString]) -> Vec<OsString> {
    let is_url = SCHEMES.iter().any(|scheme| image.starts_with(scheme));
    let url = if is_url { image.to_owned() } else { format!("docker://{image}") };
    // Standard output is the command's.
    let place = if invocation.flag("quiet") { "none" } else { "stderr" };
    let mut words: Vec<OsString> =
        ["--tell", place, "--url", &url].into_iter().map(OsString::from).collect();
    if !invocation.flag("pull") {
        words.push("--kept".into());
    }
    for word in command {
        let mut argument = OsString::from("--arg=");
        argument.push(word);
        words.push(argument);
    }
    words
}

/// The container to make: with the name that is asked for, or one after the image.
fn identity(invocation: &Invocation, image: &str) -> Result<Identity> {
    let lxcpath = invocation.lxcpath()?;
    if let Some(name) = &invocation.name {
        return Ok(Identity::new(lxcpath, ContainerName::new(name)?));
    }
    let image = image.split('@').next().unwrap_or_default();
    let last = image.rsplit('/').next().unwrap_or_default();
    let name = last.split(':').find(|word| !word.is_empty()).unwrap_or_default();
    let plain: String =
        name.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '-' }).take(40).collect();
    let stem =
        ContainerName::new(plain.trim_matches('-')).or_else(|_| ContainerName::new("container"))?;
    loop {
        let identity = Identity::new(&lxcpath, random_name(&stem)?);
        if !is_defined(&identity)? {
            return Ok(identity);
        }
    }
}

/// Says how others reach the ports of the image.
fn hint_at_ports(invocation: &Invocation, identity: &Identity) {
    if invocation.flag("quiet") {
        return;
    }
    let text = std::fs::read_to_string(identity.config_file()).unwrap_or_default();
    for port in text.lines().filter_map(|line| line.strip_prefix(PORT)) {
        let number = port.split('/').next().unwrap_or_default();
        let name = &identity.name;
        errln!("lxc-run: {name}: listens on port {port}: lxc-rs forward {name} PORT:{number}");
    }
}
