//! What all templates take: the words of lxc-create, and limits.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use nix::unistd::{Gid, Uid};

use crate::template::Container;
use crate::unpack::{Limits, Report};
use crate::{Context, Error, Result};

/// The command line of a template, without its own options.
pub(super) fn command(name: &'static str, about: &'static str) -> Command {
    let path = |id: &'static str| {
        Arg::new(id).long(id).value_name("DIR").value_parser(value_parser!(PathBuf)).hide(true)
    };
    let mapped = |id: &'static str| {
        Arg::new(id).long(id).value_name("ID").value_parser(value_parser!(i64)).hide(true)
    };
    Command::new(name)
        .about(about)
        .no_binary_name(false)
        .infer_long_args(true)
        .override_usage(format!("lxc-create -n NAME -t {} -- OPTION...", &name["lxc-".len()..]))
        .arg(path("path").short('p').allow_negative_numbers(true))
        .arg(path("rootfs"))
        .arg(Arg::new("name").long("name").short('n').value_name("NAME").hide(true))
        .arg(mapped("mapped-uid").allow_negative_numbers(true))
        .arg(mapped("mapped-gid").allow_negative_numbers(true))
        .arg(
            Arg::new("max-size")
                .long("max-size")
                .value_name("SIZE")
                .help("Largest root filesystem to unpack, such as 20G (default 256G)"),
        )
}

/// A switch.
pub(super) fn flag(id: &'static str) -> Arg {
    Arg::new(id).long(id).action(ArgAction::SetTrue)
}

/// The switch for images whose configuration is taken as it is.
pub(super) fn trust_config() -> Arg {
    flag("trust-config")
        .help("Take the image's configuration as it is: its hooks run as root on this host")
}

/// The container that lxc-create says.
pub(super) fn container(matches: &ArgMatches) -> Result<Container> {
    let path = |id: &str| matches.get_one::<PathBuf>(id).cloned();
    let (Some(path), Some(name), Some(rootfs)) =
        (path("path"), matches.get_one::<String>("name").cloned(), path("rootfs"))
    else {
        return Err(Error::new("--path, --name and --rootfs are missing: lxc-create gives them")
            .hint("a template is run by lxc-create"));
    };
    let mapped = |id: &str| matches.get_one::<i64>(id).and_then(|id| u32::try_from(*id).ok());
    let mapped = match (mapped("mapped-uid"), mapped("mapped-gid")) {
        (Some(uid), Some(gid)) => Some((Uid::from_raw(uid), Gid::from_raw(gid))),
        (Some(uid), None) => Some((Uid::from_raw(uid), Gid::from_raw(uid))),
        _ => None,
    };
    Ok(Container { name, path, rootfs, mapped })
}

/// The option by which `lxc-rs` hands on what it has opened.
pub(super) fn descriptors() -> Arg {
    Arg::new("descriptors")
        .long("descriptors")
        .value_name("NUMBER,...")
        .required(true)
        .value_delimiter(',')
        .value_parser(value_parser!(i32).range(0..))
}

/// What `lxc-rs` has opened. Asked once, before anything else is opened.
pub(super) fn handed_on<const N: usize>(matches: &ArgMatches) -> Result<[OwnedFd; N]> {
    let opened = all_handed_on(matches)?;
    opened.try_into().map_err(|_| Error::new(NOT_HANDED_ON))
}

/// The same of any number.
pub(super) fn all_handed_on(matches: &ArgMatches) -> Result<Vec<OwnedFd>> {
    let numbers: Vec<i32> =
        matches.get_many("descriptors").into_iter().flatten().copied().collect();
    let differ = (1..numbers.len()).all(|at| !numbers[..at].contains(&numbers[at]));
    if !differ {
        return Err(Error::new(NOT_HANDED_ON));
    }
    lxc_sys::spawn::inherited_all(&numbers).context(|| NOT_HANDED_ON)
}

/// What is said where this goes wrong.
const NOT_HANDED_ON: &str = "cannot use what was handed on";

/// How much may be unpacked.
pub(super) fn limits(matches: &ArgMatches) -> Result<Limits> {
    matches
        .get_one::<String>("max-size")
        .map_or_else(|| Ok(Limits::default()), |text| size(text).map(Limits::of_size))
}

/// What was left out, for whoever reads it.
pub(super) fn left_out(report: Report) -> Vec<String> {
    let say = |count: u64, what: &str| (count > 0).then(|| format!("{count} {what}"));
    [
        say(
            report.devices,
            "device nodes are left out: a container gets those it needs when it starts",
        ),
        say(
            report.attributes,
            "extended attributes are left out: they belong to the host, or have no place here",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Bytes, from a number with a unit of 1024.
fn size(text: &str) -> Result<u64> {
    let digits = text.trim_end_matches(|character: char| !character.is_ascii_digit());
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => Some(0),
        "K" => Some(10),
        "M" => Some(20),
        "G" => Some(30),
        "T" => Some(40),
        _ => None,
    };
    let bytes = shift.and_then(|shift| digits.parse::<u64>().ok()?.checked_mul(1 << shift));
    bytes.ok_or_else(|| Error::new(format!("{text:?} is not a size")).hint("one is 500M or 20G"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("12").unwrap(), 12);
        assert_eq!(size("3k").unwrap(), 3072);
        assert_eq!(size("20G").unwrap(), 20 << 30);
        for bad in ["", "G", "1.5G", "-1", "5X", "99999999T", "5 G"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
