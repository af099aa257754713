//! lxc-usernsexec: runs a command as root of a new user namespace.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command, value_parser};

use super::{Invocation, NameRule, Tool};
use crate::config::{IdKind, IdMap, Located, Namespace};
use crate::container::unshare::{Request, spawn};
use crate::error::{Error, Result};
use crate::exit::ExitCode;
use crate::init::command;
use crate::namespace::{Ids, NamespaceSet, subid, take_in_own};

pub(super) const TOOL: Tool = Tool {
    name: "usernsexec",
    about: "Run a command as root of a new user namespace",
    name_rule: NameRule::Free,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    let id = |id: &'static str, short| {
        Arg::new(id)
            .short(short)
            .value_name("ID")
            .value_parser(value_parser!(u32))
            .default_value("0")
    };
    command
        .arg(
            Arg::new("map")
                .short('m')
                .value_name("u|g|b:INSIDE:OUTSIDE:RANGE")
                .action(ArgAction::Append)
                .help("Map ids of users, groups or both (default: what /etc/subuid and /etc/subgid grant)"),
        )
        .arg(
            Arg::new("self")
                .short('s')
                .action(ArgAction::SetTrue)
                .help("Map the own user and group as well, to the lowest free id"),
        )
        .arg(id("uid", 'u').help("User to become, inside"))
        .arg(id("gid", 'g').help("Group to become, inside"))
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let words = invocation.values("map");
    let mut maps = if words.is_empty() {
        default_maps()?
    } else {
        words.into_iter().map(parse).collect::<Result<Vec<_>>>()?.concat()
    };
    if invocation.flag("self") {
        for kind in IdKind::BOTH {
            take_in_own(&mut maps, kind);
        }
    }
    let maps: Vec<_> = maps.into_iter().map(|map| Located::new(map, None)).collect();
    let ids = Ids::new(&maps);
    let id = |id: &str| invocation.matches.get_one::<u32>(id).copied().unwrap_or_default();
    let (uid, gid) = (id("uid"), id("gid"));
    for (kind, word, id) in [(IdKind::User, "user", uid), (IdKind::Group, "group", gid)] {
        if ids.to_outside(kind, id).is_none() {
            return Err(Error::new(format!("no {word} is mapped to id {id} inside"))
                .hint(format!("add -m b:{id}:HOSTID:1, or choose another id with -u and -g")));
        }
    }
    let shell = [OsString::from("/bin/sh")];
    let child = spawn(&Request {
        command: if invocation.args.is_empty() { &shell } else { &invocation.args },
        namespaces: NamespaceSet::of([Namespace::User, Namespace::Mnt]),
        ids,
        uid: Some(uid),
        gid: Some(gid),
        hostname: None,
        links: &[],
        remount: false,
    })?;
    Ok(u8::try_from(command::wait(child)?).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// What is granted to the caller, from id 0 inside on.
fn default_maps() -> Result<Vec<IdMap>> {
    let mut maps = Vec::new();
    for kind in IdKind::BOTH {
        let map = subid::of_caller(kind)?.ok_or_else(|| {
            let file = subid::file(kind).display();
            Error::new("Failed to find subuid or subgid allocation")
                .hint(format!("add a line for this user to {file}, or write the map with -m"))
        })?;
        maps.push(map);
    }
    Ok(maps)
}

/// One map as `-m` takes it: two for users and groups.
pub(super) fn parse(text: &str) -> Result<Vec<IdMap>> {
    let refuse = || {
        Error::new(format!("{text} is not an id map")).hint(
            "write u, g or b, first id inside, first id outside, number of ids: b:0:100000:65536",
        )
    };
    let (kinds, numbers) = text.split_once(':').ok_or_else(refuse)?;
    let kinds: &[&str] = match kinds {
        "u" => &["u"],
        "g" => &["g"],
        "b" => &["u", "g"],
        _ => return Err(refuse()),
    };
    let words = numbers.replace(':', " ");
    kinds
        .iter()
        .map(|kind| crate::config::parse_idmap(&format!("{kind} {words}")).map_err(|_| refuse()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_of_users_groups_or_both() {
        let user = IdMap { kind: IdKind::User, inside: 1, outside: 1000, range: 5 };
        let group = IdMap { kind: IdKind::Group, ..user };
        assert_eq!(parse("u:1:1000:5").unwrap(), [user]);
        assert_eq!(parse("b:1:1000:5").unwrap(), [user, group]);
        for bad in
            ["", "u", "x:0:1:1", "b:0:1", "b:0:1:0", "u:0:1:1x", "u:0:1:1:1", "u:4294967295:1:2"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
