//! The device rule of the command `ADD_BPF_DEVICE_CGROUP`, as it goes over the socket.

use crate::cgroup::devices::{Access, Action, DeviceKind, Rule};

/// Length of the encoded rule; two pointers at its end mean something to the sender only.
pub const LEN: usize = 40;

const KIND: usize = 0;
const MAJOR: usize = 4;
const MINOR: usize = 8;
const ACCESS: usize = 12;
const ALLOW: usize = 16;

/// The bytes of `rule`.
pub fn encode(rule: &Rule) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    bytes[KIND] = match rule.kind {
        None => b'a',
        Some(DeviceKind::Block) => b'b',
        Some(DeviceKind::Char) => b'c',
    };
    // -1 stands for all numbers.
    let number = |number: Option<u32>| number.map_or(-1, u32::cast_signed).to_ne_bytes();
    bytes[MAJOR..MAJOR + 4].copy_from_slice(&number(rule.major));
    bytes[MINOR..MINOR + 4].copy_from_slice(&number(rule.minor));
    let access = rule.access.to_string();
    bytes[ACCESS..ACCESS + access.len()].copy_from_slice(access.as_bytes());
    let allow = i32::from(rule.action == Action::Allow);
    bytes[ALLOW..ALLOW + 4].copy_from_slice(&allow.to_ne_bytes());
    bytes
}

/// The rule in `bytes`; `None` if there is none.
pub fn decode(bytes: &[u8]) -> Option<Rule> {
    let bytes: &[u8; LEN] = bytes.try_into().ok()?;
    let word = |at: usize| Some(i32::from_ne_bytes(bytes[at..at + 4].try_into().ok()?));
    let kind = match bytes[KIND] {
        b'a' => None,
        b'b' => Some(DeviceKind::Block),
        b'c' => Some(DeviceKind::Char),
        _ => return None,
    };
    let number = |number: i32| u32::try_from(number).ok();
    let access = bytes[ACCESS..ACCESS + 4].split(|byte| *byte == 0).next()?;
    Some(Rule {
        action: if word(ALLOW)? == 0 { Action::Deny } else { Action::Allow },
        kind,
        major: number(word(MAJOR)?),
        minor: number(word(MINOR)?),
        access: Access::parse(std::str::from_utf8(access).ok()?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_comes_back_as_it_went() {
        for (file, text) in
            [("devices.allow", "c 136:* rw"), ("devices.deny", "b 8:0 m"), ("devices.deny", "a")]
        {
            let rule = Rule::parse(file, text).unwrap();
            assert_eq!(decode(&encode(&rule)), Some(rule));
        }
        let rule = Rule::parse("devices.allow", "c 1:* rwm").unwrap();
        let mut bytes = encode(&rule);
        assert_eq!(bytes[..20], *b"c\0\0\0\x01\0\0\0\xff\xff\xff\xffrwm\0\x01\0\0\0");
        bytes[ACCESS] = b'x';
        assert_eq!(decode(&bytes), None);
        assert_eq!(decode(&bytes[..20]), None);
    }
}
