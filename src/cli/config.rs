//! lxc-config: values of the system configuration.

use std::collections::BTreeMap;

use clap::Command;

use super::{Invocation, NameRule, Tool, flag, outln, output};
use crate::config::SystemConfig;
use crate::error::Result;
use crate::exit::ExitCode;

pub(super) const TOOL: Tool = Tool {
    name: "config",
    about: "Show a value of the system configuration",
    name_rule: NameRule::Free,
    options,
    run,
    more_help: None,
};

/// The items, in the order in which they are listed and looked for.
const ITEMS: [&str; 7] = [
    "lxc.default_config",
    "lxc.lxcpath",
    "lxc.bdev.lvm.vg",
    "lxc.bdev.lvm.thin_pool",
    "lxc.bdev.zfs.root",
    "lxc.cgroup.use",
    "lxc.cgroup.pattern",
];

fn options(command: Command) -> Command {
    let list = flag("list").short('l');
    let command = command.mut_arg("logpriority", |arg| arg.short(None));
    command.arg(list.help("List the items")).arg(output::format_option(&["text", "json"]))
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let json = invocation.value("format") == Some("json");
    if json && (invocation.flag("list") || invocation.args.is_empty()) {
        return values(&ITEMS);
    }
    if invocation.flag("list") {
        for item in ITEMS {
            outln!("{item}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let Some(wanted) = invocation.args.first() else {
        outln!("Usage: lxc-config -l: list the items\n       lxc-config ITEM: show a value");
        return Ok(ExitCode::SUCCESS);
    };
    let wanted = wanted.to_string_lossy();
    // An item may be shortened.
    let Some(item) = ITEMS.iter().find(|item| item.starts_with(&*wanted)) else {
        outln!("Unknown configuration item: {wanted}");
        return Ok(ExitCode::FAILURE);
    };
    if json {
        return values(&[item]);
    }
    match SystemConfig::load()?.get(item) {
        Some(value) => outln!("{value}"),
        None => outln!("{item} is not set."),
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the values of `items` as JSON, `null` where there is none.
fn values(items: &[&str]) -> Result<ExitCode> {
    let system = SystemConfig::load()?;
    let values: BTreeMap<&str, _> = items.iter().map(|item| (*item, system.get(item))).collect();
    output::json(&values)?;
    Ok(ExitCode::SUCCESS)
}
