//! lxc-unshare: runs a command in new namespaces.

use clap::{Arg, ArgAction, Command};
use nix::unistd::User;

use super::{Invocation, NameRule, Tool};
use crate::config::{IdKind, IdMap, Located, Namespace};
use crate::container::unshare::{Request, spawn};
use crate::error::{Context, Error, Result};
use crate::exit::ExitCode;
use crate::init::command;
use crate::namespace::{Ids, NamespaceSet};

pub(super) const TOOL: Tool = Tool {
    name: "unshare",
    about: "Run a command in new namespaces",
    name_rule: NameRule::Free,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    let option = |id: &'static str, short| Arg::new(id).long(id).short(short);
    command
        .arg(
            option("namespaces", 's')
                .value_name("NS[|NS]...")
                .help("Namespaces: MOUNT, PID, UTSNAME, IPC, USER, NETWORK, CGROUP, TIME"),
        )
        .arg(option("user", 'u').value_name("USER").help("User to become, with -s USER"))
        .arg(option("hostname", 'H').value_name("NAME").help("Host name, with -s UTSNAME"))
        .arg(
            option("ifname", 'i')
                .value_name("LINK")
                .action(ArgAction::Append)
                .help("Link to move there, with -s NETWORK"),
        )
        .arg(
            option("daemon", 'd')
                .action(ArgAction::SetTrue)
                .help("Do not wait for the command's end"),
        )
        .arg(
            option("remount", 'M')
                .action(ArgAction::SetTrue)
                .help("Mount /proc, /dev/shm and /dev/mqueue anew, with -s MOUNT"),
        )
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let user = invocation.value("user").map(user_id).transpose()?;
    let words = invocation.value("namespaces").unwrap_or_default();
    let namespaces = NamespaceSet::parse(words)?;
    if invocation.args.is_empty() {
        return Err(Error::new("A command to execute in the new namespace is required"));
    }
    if namespaces.is_empty() {
        return Err(Error::new("A namespace to execute command is required"));
    }
    let links: Vec<String> = invocation.values("ifname").into_iter().map(str::to_owned).collect();
    let needs = [
        (!links.is_empty(), Namespace::Net, "-i <interfacename> needs -s NETWORK option"),
        (
            invocation.value("hostname").is_some(),
            Namespace::Uts,
            "-H <hostname> needs -s UTSNAME option",
        ),
        (invocation.flag("remount"), Namespace::Mnt, "-M needs -s MOUNT option"),
        (user.is_some(), Namespace::User, "-u <user> needs -s USER option"),
    ];
    for (asked, namespace, missing) in needs {
        if asked && !namespaces.has(namespace) {
            return Err(Error::new(missing));
        }
    }
    let own = nix::unistd::geteuid().as_raw();
    let maps: Vec<Located<IdMap>> = user
        .iter()
        .map(|&inside| IdMap { kind: IdKind::User, inside, outside: own, range: 1 })
        .map(|map| Located::new(map, None))
        .collect();
    let child = spawn(&Request {
        command: &invocation.args,
        namespaces,
        ids: Ids::new(&maps),
        uid: user,
        gid: None,
        hostname: invocation.value("hostname"),
        links: &links,
        remount: invocation.flag("remount"),
    })?;
    if invocation.flag("daemon") {
        return Ok(ExitCode::SUCCESS);
    }
    match command::wait(child)? {
        0 => Ok(ExitCode::SUCCESS),
        code => {
            let message = format!("Failed to wait for '{child}': its exit code is {code}");
            invocation.complain(&message);
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The id of a user, given by name or number.
fn user_id(user: &str) -> Result<u32> {
    if let Ok(id) = user.parse() {
        return Ok(id);
    }
    let known = User::from_name(user).context(|| format!("cannot look up the user {user}"))?;
    known
        .map(|known| known.uid.as_raw())
        .ok_or_else(|| Error::new(format!("there is no user {user}")))
}
