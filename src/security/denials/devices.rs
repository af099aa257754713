//! What the device program of cgroup v2 denied: it counts that itself, and the kernel's log says nothing of it.

use std::path::Path;

use super::sources::Clocks;
use super::text::shown;
use super::{Denial, Effect, Line, Source};
use crate::cgroup::devices::denied::Denied;
use crate::cgroup::devices::{Access, Action, DeviceKind, Rule};

/// What `denied` says. It is known to be of the container: the program is attached to its cgroup.
pub fn denial(denied: &Denied, clocks: Clocks) -> Denial {
    let Denied { kind, major, minor, access, count, first, last } = *denied;
    let action = Action::Allow;
    let rule = Rule { action, kind: Some(kind), major: Some(major), minor: Some(minor), access };
    Denial {
        source: Source::Devices,
        effect: Effect::Refused,
        what: what(kind, major, minor, access),
        count: usize::try_from(count).unwrap_or(usize::MAX),
        certain: true,
        commands: Vec::new(),
        first: clocks.to_unix(clocks.by_monotonic(first)),
        last: clocks.to_unix(clocks.by_monotonic(last)),
        allow: vec![Line::add(format!("lxc.cgroup2.devices.allow = {rule}"))],
        note: None,
    }
}

fn what(kind: DeviceKind, major: u32, minor: u32, access: Access) -> String {
    let (class, word) = match kind {
        DeviceKind::Block => ("block", "block"),
        DeviceKind::Char => ("char", "character"),
    };
    let name = Path::new("/sys/dev").join(class).join(format!("{major}:{minor}/uevent"));
    let name = std::fs::read_to_string(name).ok().and_then(|text| {
        text.lines().find_map(|line| {
            line.strip_prefix("DEVNAME=").map(|name| format!(" ({})", shown(name)))
        })
    });
    let ways: Vec<&str> = [
        (Access::READ, "reading"),
        (Access::WRITE, "writing"),
        (Access::MKNOD, "making a node of"),
    ]
    .into_iter()
    .filter(|(way, _)| !(*way & access).is_empty())
    .map(|(_, word)| word)
    .collect();
    format!("{} {word} device {major}:{minor}{}", ways.join(" and "), name.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_told_with_its_name() {
        let access = Access::READ | Access::WRITE;
        let text = what(DeviceKind::Char, 1, 5, access);
        assert_eq!(text, "reading and writing character device 1:5 (zero)");
        let text = what(DeviceKind::Block, 4095, 7, Access::MKNOD);
        assert_eq!(text, "making a node of block device 4095:7");
    }
}
