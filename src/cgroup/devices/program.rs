//! The BPF program of a list of device rules.
//!
//! The kernel asks it with the type of the device, its numbers and the kinds of access wanted. It goes
//! through the rules, newest first, keeps the kinds of access that no rule has decided on, and answers
//! 1 to allow. What it denies it can count first ([`denied`]).

use std::os::fd::BorrowedFd;

use super::rule::{Action, DeviceKind, Rules};
use super::{denied, instruction};
use crate::sys::bpf::instruction::{Instruction, R0, R1, R2, R3, R4, R5, Register, exit};

/// Offsets in `struct bpf_cgroup_dev_ctx` (linux/bpf.h).
pub(super) const ACCESS_TYPE: i16 = 0;
const MAJOR: i16 = 4;
const MINOR: i16 = 8;

/// `BPF_DEVCG_DEV_*`.
pub(super) fn kind_number(kind: DeviceKind) -> i32 {
    match kind {
        DeviceKind::Block => 1,
        DeviceKind::Char => 2,
    }
}

const ANSWER: Register = R0;
pub(super) const CONTEXT: Register = R1;
const KIND: Register = R2;
/// The kinds of access that no rule has decided on yet.
const OPEN: Register = R3;
pub(super) const MAJOR_OF: Register = R4;
pub(super) const MINOR_OF: Register = R5;

fn answer(action: Action) -> [Instruction; 2] {
    [instruction::mov(ANSWER, i32::from(action == Action::Allow)), exit()]
}

/// The program that holds `rules`, and counts in `table` what it denies.
pub fn compile(rules: &Rules, table: Option<BorrowedFd<'_>>) -> Vec<Instruction> {
    let mut program = decide(rules);
    let Some(table) = table else { return program };
    let denies = |pair: &[Instruction]| pair == answer(Action::Deny);
    let found: Vec<usize> =
        program.windows(2).enumerate().filter(|(_, pair)| denies(pair)).map(|(at, _)| at).collect();
    let end = program.len();
    for at in found {
        // In a list so long that a jump does not reach the end, what the first rules deny is not counted.
        if let Ok(ahead) = i16::try_from(end - at - 2) {
            program[at + 1] = instruction::jump(ahead);
        }
    }
    program.extend(denied::count(table));
    program.extend(answer(Action::Deny));
    program
}

fn decide(rules: &Rules) -> Vec<Instruction> {
    let mut program = vec![
        instruction::load(KIND, CONTEXT, ACCESS_TYPE),
        instruction::copy(OPEN, KIND),
        instruction::and(KIND, 0xffff),
        instruction::shift_right(OPEN, 16),
        instruction::load(MAJOR_OF, CONTEXT, MAJOR),
        instruction::load(MINOR_OF, CONTEXT, MINOR),
    ];
    for rule in rules.newest_first() {
        let conditions = [
            rule.kind.map(|kind| (KIND, kind_number(kind))),
            rule.major.map(|major| (MAJOR_OF, major.cast_signed())),
            rule.minor.map(|minor| (MINOR_OF, minor.cast_signed())),
        ];
        let access = i32::from(rule.access.bits());
        let mut body = Vec::with_capacity(4);
        match rule.action {
            Action::Deny => {
                // If one of the wanted kinds is denied, all are.
                body.push(instruction::jump_if_any_bit(OPEN, access, 1));
                body.push(instruction::jump(2));
            }
            Action::Allow => {
                body.push(instruction::and(OPEN, !access));
                body.push(instruction::jump_if_not(OPEN, 0, 2));
            }
        }
        body.extend(answer(rule.action));
        let conditions: Vec<_> = conditions.into_iter().flatten().collect();
        for (index, (register, value)) in conditions.iter().enumerate() {
            let rest = conditions.len() - index - 1 + body.len();
            // At most six instructions.
            let rest = i16::try_from(rest).unwrap_or(i16::MAX);
            program.push(instruction::jump_if_not(*register, *value, rest));
        }
        program.extend(body);
    }
    program.extend(answer(rules.default_action()));
    program
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cgroup::devices::instruction::interpreter;
    use crate::cgroup::devices::{Access, Rule};

    /// A question that the kernel asks the program.
    #[derive(Clone, Copy, Debug)]
    struct Question {
        kind: DeviceKind,
        major: u32,
        minor: u32,
        access: Access,
    }

    fn is_about(rule: &Rule, question: &Question) -> bool {
        rule.kind.is_none_or(|kind| kind == question.kind)
            && rule.major.is_none_or(|major| major == question.major)
            && rule.minor.is_none_or(|minor| minor == question.minor)
    }

    /// The rules' meaning, word for word: each kind of access is decided by the last rule about it.
    fn by_last_rule(default: Action, rules: &[Rule], question: &Question) -> bool {
        [Access::MKNOD, Access::READ, Access::WRITE]
            .into_iter()
            .filter(|kind| !(*kind & question.access).is_empty())
            .all(|kind| {
                let about =
                    |rule: &&Rule| !(rule.access & kind).is_empty() && is_about(rule, question);
                let action = rules.iter().rev().find(about).map_or(default, |rule| rule.action);
                action == Action::Allow
            })
    }

    /// The v1 kernel's lists: a behaviour and exceptions from it (device_cgroup.c as documented in
    /// admin-guide/cgroup-v1/devices.rst).
    fn by_exceptions(default: Action, rules: &[Rule], question: &Question) -> bool {
        let mut default = default;
        let mut exceptions: Vec<Rule> = Vec::new();
        for rule in rules {
            if rule.is_everything() {
                default = rule.action;
                exceptions.clear();
                continue;
            }
            let known = exceptions.iter_mut().find(|one| {
                (one.kind, one.major, one.minor) == (rule.kind, rule.major, rule.minor)
            });
            match (rule.action == default, known) {
                (false, Some(known)) => known.access = known.access | rule.access,
                (false, None) => exceptions.push(*rule),
                (true, Some(known)) => known.access = known.access & !rule.access,
                (true, None) => {}
            }
        }
        let mut about = exceptions.iter().filter(|one| is_about(one, question));
        match default {
            Action::Deny => about.any(|one| (question.access & !one.access).is_empty()),
            Action::Allow => !about.any(|one| !(question.access & one.access).is_empty()),
        }
    }

    fn by_program(default: Action, rules: &[Rule], question: &Question) -> bool {
        let mut list =
            if default == Action::Allow { Rules::allow_all() } else { Rules::deny_all() };
        for rule in rules {
            list.add(*rule);
        }
        let access_type =
            u32::from(question.access.bits()) << 16 | kind_number(question.kind).cast_unsigned();
        let context = [access_type, question.major, question.minor];
        interpreter::run(&compile(&list, None), &context) == 1
    }

    fn action() -> impl Strategy<Value = Action> {
        prop_oneof![Just(Action::Allow), Just(Action::Deny)]
    }

    fn access() -> impl Strategy<Value = Access> {
        (1_u8..8).prop_map(Access::from_bits)
    }

    fn kind() -> impl Strategy<Value = DeviceKind> {
        prop_oneof![Just(DeviceKind::Block), Just(DeviceKind::Char)]
    }

    fn number() -> impl Strategy<Value = u32> {
        prop_oneof![4 => 0_u32..3, 1 => Just(0xfff), 1 => Just(0xf_ffff), 1 => Just(u32::MAX)]
    }

    fn rule() -> impl Strategy<Value = Rule> {
        let any = prop::option::of(number());
        let one = (action(), kind(), any, prop::option::of(number()), access()).prop_map(
            |(action, kind, major, minor, access)| Rule {
                action,
                kind: Some(kind),
                major,
                minor,
                access,
            },
        );
        prop_oneof![8 => one, 1 => action().prop_map(Rule::everything)]
    }

    fn question() -> impl Strategy<Value = Question> {
        (kind(), number(), number(), access()).prop_map(|(kind, major, minor, access)| Question {
            kind,
            major,
            minor,
            access,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn the_program_means_what_the_rules_say(
            default in action(),
            rules in prop::collection::vec(rule(), 0..12),
            question in question(),
        ) {
            prop_assert_eq!(
                by_program(default, &rules, &question),
                by_last_rule(default, &rules, &question)
            );
        }

        /// Where rules only make exceptions from the default, and each for one kind of access, v1's
        /// list and the program say the same.
        #[test]
        fn exceptions_mean_what_they_mean_on_v1(
            default in action(),
            rules in prop::collection::vec(rule(), 0..12),
            question in question(),
        ) {
            let rules: Vec<Rule> = rules
                .into_iter()
                .filter(|rule| rule.action != default)
                .map(|rule| Rule { access: Access::ALL, ..rule })
                .filter(|rule| !rule.is_everything())
                .collect();
            prop_assert_eq!(
                by_program(default, &rules, &question),
                by_exceptions(default, &rules, &question)
            );
        }
    }

    #[test]
    fn the_usual_list() {
        let rules = [
            Rule::everything(Action::Deny),
            Rule::parse("devices.allow", "c *:* m").unwrap(),
            Rule::parse("devices.allow", "c 1:3 rwm").unwrap(),
            Rule::parse("devices.allow", "c 136:* rwm").unwrap(),
        ];
        let ask = |major, minor, access: &str| {
            let access = Access::parse(access).unwrap();
            let question = Question { kind: DeviceKind::Char, major, minor, access };
            by_program(Action::Allow, &rules, &question)
        };
        assert!(ask(1, 3, "rw"));
        assert!(ask(136, 77, "r"));
        assert!(ask(10, 1, "m"));
        assert!(!ask(10, 1, "r"));
        assert!(!ask(1, 5, "w"));
    }
}
