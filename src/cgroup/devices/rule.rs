//! Device rules (kernel: admin-guide/cgroup-v1/devices.rst): `a`, or `TYPE MAJOR:MINOR ACCESS`.

use std::fmt;
use std::ops::{BitAnd, BitOr, Not};

/// Whether a rule allows or denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `devices.allow`.
    Allow,
    /// `devices.deny`.
    Deny,
}

/// What a rule's device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// `b`.
    Block,
    /// `c`.
    Char,
}

/// A set of kinds of access.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access(u8);

impl Access {
    /// Making the node.
    pub const MKNOD: Self = Self(1);
    /// Opening it for reading.
    pub const READ: Self = Self(2);
    /// Opening it for writing.
    pub const WRITE: Self = Self(4);
    /// All three.
    pub const ALL: Self = Self(7);

    /// The kernel's bits (`BPF_DEVCG_ACC_*`, linux/bpf.h).
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The set with these bits of the kernel's.
    pub fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// Whether nothing is in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Letters of `rwm`, at least one.
    pub fn parse(text: &str) -> Option<Self> {
        text.chars()
            .try_fold(Self::default(), |set, letter| {
                Some(
                    set | match letter {
                        'm' => Self::MKNOD,
                        'r' => Self::READ,
                        'w' => Self::WRITE,
                        _ => return None,
                    },
                )
            })
            .filter(|set| !set.is_empty())
    }
}

impl BitOr for Access {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Access {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for Access {
    type Output = Self;
    fn not(self) -> Self {
        Self(!self.0 & Self::ALL.0)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, letter) in [(Self::READ, 'r'), (Self::WRITE, 'w'), (Self::MKNOD, 'm')] {
            if !(*self & bit).is_empty() {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it does.
    pub action: Action,
    /// `None` for both kinds.
    pub kind: Option<DeviceKind>,
    /// `None` for all.
    pub major: Option<u32>,
    /// `None` for all.
    pub minor: Option<u32>,
    /// For which kinds of access.
    pub access: Access,
}

impl Rule {
    /// The rule that writing `value` to `file` (`devices.allow` or `devices.deny`) means; on failure
    /// the reason.
    pub fn parse(file: &str, value: &str) -> Result<Self, String> {
        let action = match file {
            "devices.allow" => Action::Allow,
            "devices.deny" => Action::Deny,
            _ => {
                return Err(format!(
                    "{file} is not a device rule: there are devices.allow and .deny"
                ));
            }
        };
        let refusal = || format!("{value:?} is not a device rule: write a, or as in c 1:3 rwm");
        let mut words = value.split_whitespace();
        let kind = match words.next().ok_or_else(refusal)? {
            // The kernel takes `a` with whatever follows as everything.
            "a" => return Ok(Self::everything(action)),
            "b" => DeviceKind::Block,
            "c" => DeviceKind::Char,
            _ => return Err(refusal()),
        };
        let (major, minor) =
            words.next().and_then(|numbers| numbers.split_once(':')).ok_or_else(refusal)?;
        let number = |text: &str| match text {
            "*" => Some(None),
            digits => digits.parse().ok().map(Some),
        };
        let access = words.next().and_then(Access::parse).ok_or_else(refusal)?;
        Ok(Self {
            action,
            kind: Some(kind),
            major: number(major).ok_or_else(refusal)?,
            minor: number(minor).ok_or_else(refusal)?,
            access,
        })
    }

    /// The rule for all devices.
    pub fn everything(action: Action) -> Self {
        Self { action, kind: None, major: None, minor: None, access: Access::ALL }
    }

    /// Whether it is for all devices and kinds of access.
    pub fn is_everything(&self) -> bool {
        *self == Self::everything(self.action)
    }

    fn is_for_same_devices(&self, other: &Self) -> bool {
        (self.kind, self.major, self.minor) == (other.kind, other.major, other.minor)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            None => 'a',
            Some(DeviceKind::Block) => 'b',
            Some(DeviceKind::Char) => 'c',
        };
        let number = |number: Option<u32>| number.map_or("*".to_owned(), |one| one.to_string());
        write!(f, "{kind} {}:{} {}", number(self.major), number(self.minor), self.access)
    }
}

/// What holds for all devices: a default, and the rules added since. For each kind of access to a device,
/// the newest rule about it decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    default: Action,
    /// Oldest first.
    rules: Vec<Rule>,
}

impl Rules {
    /// Everything is allowed: how a v1 cgroup begins, below a parent that allows everything.
    pub fn allow_all() -> Self {
        Self { default: Action::Allow, rules: Vec::new() }
    }

    /// Nothing is allowed: how a list of v2 rules begins.
    pub fn deny_all() -> Self {
        Self { default: Action::Deny, rules: Vec::new() }
    }

    /// Adds the newest rule. One for everything takes the place of all before.
    pub fn add(&mut self, rule: Rule) {
        if rule.is_everything() {
            self.default = rule.action;
            self.rules.clear();
            return;
        }
        for old in &mut self.rules {
            if old.is_for_same_devices(&rule) {
                old.access = old.access & !rule.access;
            }
        }
        self.rules.retain(|old| !old.access.is_empty());
        self.rules.push(rule);
    }

    /// What holds where no rule decides.
    pub fn default_action(&self) -> Action {
        self.default
    }

    /// The rules, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_and_shown() {
        for text in ["c 1:3 rwm", "b *:* m", "c 136:* rw", "b 8:0 r"] {
            assert_eq!(Rule::parse("devices.allow", text).unwrap().to_string(), text);
        }
        assert!(Rule::parse("devices.deny", "a *:* rwm").unwrap().is_everything());
        for bad in ["", "x 1:3 r", "c 1 r", "c 1:3", "c 1:3 q", "c -1:3 r", "c 1:3 "] {
            assert!(Rule::parse("devices.allow", bad).is_err(), "{bad:?}");
        }
        assert!(Rule::parse("devices.list", "a").is_err());
    }

    #[test]
    fn the_newest_rule_replaces_older_ones_for_the_same_devices() {
        let mut rules = Rules::deny_all();
        let mut add = |file, text| rules.add(Rule::parse(file, text).unwrap());
        add("devices.allow", "c 1:3 rwm");
        add("devices.deny", "c 1:3 w");
        add("devices.allow", "c 1:5 r");
        let shown: Vec<String> = rules.newest_first().map(Rule::to_string).collect();
        assert_eq!(shown, ["c 1:5 r", "c 1:3 w", "c 1:3 rm"]);
        rules.add(Rule::everything(Action::Allow));
        assert_eq!(rules, Rules::allow_all());
    }
}
