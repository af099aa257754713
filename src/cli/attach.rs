//! lxc-attach: runs a command in a running container.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, value_parser};

use super::{Invocation, NameRule, Tool, flag};
use crate::config::{Arch, Document};
use crate::container::attach::{Elevated, Ended, Environment, Personality, Request, attach};
use crate::error::{Error, Kind, Result};
use crate::exit::ExitCode;
use crate::namespace::NamespaceSet;

pub(super) const TOOL: Tool = Tool {
    name: "attach",
    about: "Run a command in a running container",
    name_rule: NameRule::Required,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    let value = |id: &'static str, name: &'static str| Arg::new(id).long(id).value_name(name);
    command
        .mut_arg("rcfile", |arg| arg.short('f'))
        .arg(
            value("elevated-privileges", "CAP|CGROUP|LSM")
                .short('e')
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("CAP|CGROUP|LSM")
                .help("Keep privileges: capabilities, cgroups, security module; all by default"),
        )
        .arg(value("arch", "ARCH").short('a').help("Architecture the command sees"))
        .arg(value("namespaces", "NS|NS...").short('s').help("Join these namespaces only"))
        .arg(flag("remount-sys-proc").short('R').help("Mount /proc and /sys anew"))
        .arg(flag("clear-env").help("Clear the environment first"))
        .arg(flag("keep-env").help("Keep the environment (the default)"))
        .arg(
            value("keep-var", "VAR")
                .action(ArgAction::Append)
                .help("Keep this variable with --clear-env"),
        )
        .arg(
            value("set-var", "VAR=VAL").short('v').action(ArgAction::Append).help("Set a variable"),
        )
        .arg(value("uid", "UID").short('u').help("User id inside"))
        .arg(value("gid", "GID").short('g').help("Group id inside"))
        .arg(value("context", "LABEL").short('c').help("SELinux context"))
        .arg(
            value("pty-log", "FILE")
                .short('L')
                .value_parser(value_parser!(PathBuf))
                .help("Append what the terminal shows to FILE"),
        )
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let context = invocation.value("context");
    if context.is_some() && !crate::security::selinux::is_enabled() {
        return Err(Error::new("this host has no SELinux to set a context of"));
    }
    let namespaces = invocation.value("namespaces").map(NamespaceSet::parse).transpose()?;
    if namespaces.is_some_and(NamespaceSet::is_empty) {
        return Err(Error::new("-s names no namespace"));
    }
    let elevated = match invocation.value("elevated-privileges") {
        // A process in only some of the container's namespaces is not a full member of the container.
        None if namespaces.is_some() => Elevated { capabilities: true, cgroup: true, lsm: true },
        None => Elevated::default(),
        Some(words) => parse_elevated(words)?,
    };
    if context.is_some() && elevated.lsm {
        return Err(Error::new("-c needs a security module, and -e LSM goes without"));
    }
    let environment = if invocation.flag("clear-env") {
        let kept = invocation.values("keep-var").into_iter().map(str::to_owned).collect();
        Environment::Clear(kept)
    } else {
        Environment::Keep
    };
    let id = |id: &str| -> Result<Option<u32>> {
        let parse =
            |text| id_number(text).ok_or_else(|| Error::new(format!("{text} is not a {id}")));
        invocation.value(id).map(parse).transpose()
    };
    let request = Request {
        command: invocation.args.clone(),
        elevated,
        namespaces,
        remount: invocation.flag("remount-sys-proc"),
        environment,
        set_variables: invocation.values("set-var").into_iter().map(str::to_owned).collect(),
        uid: id("uid")?,
        gid: id("gid")?,
        personality: match invocation.value("arch") {
            Some(text) => parse_arch(text)?.into(),
            None => Personality::OfContainer,
        },
        context: context.map(str::to_owned),
        pty_log: invocation.path("pty-log").cloned(),
        ..Request::of(invocation.identity()?)
    };
    let code = match attach(&request) {
        Ok(Ended::Code(code)) => code,
        Ok(Ended::Failed(error, code)) => {
            invocation.complain(&error.to_string());
            code
        }
        Err(error) if error.kind == Kind::NotRunning => {
            return Err(Error { what: format!("Failed to get init pid: {}", error.what), ..error });
        }
        Err(error) => return Err(error),
    };
    Ok(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// A user's or group's number, in digits alone (CVE-2026-30892).
fn id_number(text: &str) -> Option<u32> {
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
    // 2^32 - 1 means "no change" to the kernel.
    number.filter(|number| *number != u32::MAX)
}

fn parse_elevated(words: &str) -> Result<Elevated> {
    let mut elevated = Elevated::default();
    for word in words.split('|') {
        match word {
            "CAP" => elevated.capabilities = true,
            "CGROUP" => elevated.cgroup = true,
            "LSM" => elevated.lsm = true,
            _ => {
                return Err(Error::new(format!("{word} is not a privilege"))
                    .hint("there are: CAP CGROUP LSM"));
            }
        }
    }
    Ok(elevated)
}

fn parse_arch(text: &str) -> Result<Arch> {
    let document = Document::parse(format!("lxc.arch = {text}"), "--arch")?;
    document.config.arch.ok_or_else(|| Error::new("--arch names no architecture"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::id_number;

    proptest! {
        #[test]
        fn an_id_is_its_digits_or_none(text in "[-+]?[0-9]{0,22}[ x.:_]?", number: u32) {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let value = text.parse::<u128>().ok().filter(|_| is_number);
            let wanted = value.filter(|value| *value < u128::from(u32::MAX));
            prop_assert_eq!(id_number(&text).map(u128::from), wanted);
            prop_assert_eq!(id_number(&number.to_string()), Some(number).filter(|id| *id != u32::MAX));
        }

        #[test]
        fn nothing_else_is_an_id(text in "\\PC{0,12}") {
            prop_assert!(id_number(&text).is_none() || text.bytes().all(|byte| byte.is_ascii_digit()));
        }
    }
}
