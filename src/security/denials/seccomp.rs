//! Records of seccomp filters, and the profile that the container's own filter is made of.

use std::path::Path;

use libseccomp::{ScmpArch, ScmpSyscall};

use super::record::Record;
use super::text::shown;
use super::{Effect, Line, Meaning, Place, Source, Subject};
use crate::mount::Roots;
use crate::security::seccomp;

/// The container's profile, as far as it is about which calls are denied.
#[derive(Debug)]
pub struct Profile {
    file: String,
    /// Whether what it does not name is denied.
    denies_rest: bool,
    rules: Vec<Rule>,
}

/// One of its lines.
#[derive(Debug)]
struct Rule {
    number: u32,
    text: String,
    call: String,
    /// The word of its action; empty for the profile's own.
    action: String,
    /// Whether it is about some arguments only.
    is_partial: bool,
}

impl Profile {
    /// That of the container; `None` if it has none or it cannot be read any more.
    pub fn of(subject: &Subject) -> Option<Self> {
        let path = subject.config.seccomp.profile.as_deref()?;
        let text = Roots::of(&subject.config).read_text(path);
        let text = text.map_err(|error| log::warn!("{error}")).ok()?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Option<Self> {
        let file = path.display().to_string();
        let mut lines = seccomp::lines(text, &file);
        let (version, policy) = (lines.next()?.text, lines.next()?.text);
        let denies_rest = policy.contains("allow") || policy.contains("white");
        let rules = lines.filter(|line| version != "1" && !line.text.starts_with('['));
        let rules = rules.filter_map(Rule::parse).collect();
        Some(Self { file, denies_rest, rules })
    }

    fn rules_of(&self, call: &str) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(move |rule| rule.call == call)
    }

    /// Whether it would do what the record says.
    pub fn denies(&self, record: &Record) -> bool {
        let Some(call) = Call::of(record).and_then(|call| call.name) else {
            return self.denies_rest;
        };
        let allows = |rule: &Rule| match rule.action.as_str() {
            "" => self.denies_rest,
            action => action == "allow",
        };
        let mut named = self.rules_of(&call).peekable();
        if self.denies_rest && named.peek().is_none() {
            return true;
        }
        named.any(|rule| !allows(rule) || (self.denies_rest && rule.is_partial))
    }

    /// How many of its lines refuse a call in a way which the kernel logs only if the filter was loaded
    /// with `SECCOMP_FILTER_FLAG_LOG`.
    pub fn silent(&self) -> usize {
        let is_silent = |rule: &&Rule| {
            ["errno", "trap", "notify"].iter().any(|action| rule.action.starts_with(action))
        };
        self.rules.iter().filter(is_silent).count()
    }

    /// Where it is.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What to change so that `call` is allowed.
    fn changes(&self, call: &str) -> Vec<Line> {
        let file = Some(shown(&self.file));
        let denying =
            |rule: &&Rule| rule.action != "allow" && !(self.denies_rest && rule.action.is_empty());
        let removed = self.rules_of(call).filter(denying).map(|rule| Line {
            place: Place::Profile,
            remove: true,
            file: file.clone(),
            number: Some(rule.number),
            text: shown(&rule.text),
        });
        let mut lines: Vec<Line> = removed.collect();
        if self.denies_rest {
            let text = call.to_owned();
            let place = Place::Profile;
            lines.push(Line { place, remove: false, file, number: None, text });
        }
        lines
    }
}

impl Rule {
    fn parse(seccomp::Line { text, number, .. }: seccomp::Line<'_>) -> Option<Self> {
        let (words, arguments) = text.split_at(text.find('[').unwrap_or(text.len()));
        let is_partial = !arguments.is_empty();
        let mut words = words.split_whitespace();
        let call = words.next()?.to_owned();
        let action = words.next().unwrap_or_default().to_owned();
        let (call, action, is_partial) = if call == "reject_force_umount" {
            ("umount2".to_owned(), "errno".to_owned(), true)
        } else {
            (call, action, is_partial)
        };
        Some(Self { number, text: text.to_owned(), call, action, is_partial })
    }
}

/// A system call of some architecture.
struct Call {
    number: i32,
    arch: Option<(ScmpArch, &'static str)>,
    name: Option<String>,
}

impl Call {
    fn of(record: &Record) -> Option<Self> {
        let number: u32 = record.number("syscall")?;
        let arch = architecture(record.hexadecimal("arch")?, number);
        let number = i32::try_from(number).ok()?;
        let name = arch.and_then(|(arch, _)| ScmpSyscall::from(number).get_name_by_arch(arch).ok());
        Some(Self { number, arch, name })
    }
}

/// The architecture of `AUDIT_ARCH_*` (linux/audit.h).
fn architecture(token: u32, number: u32) -> Option<(ScmpArch, &'static str)> {
    /// `__X32_SYSCALL_BIT`.
    const X32: u32 = 0x4000_0000;
    Some(match token {
        0xc000_003e if number & X32 != 0 => (ScmpArch::X32, "x32"),
        0xc000_003e => (ScmpArch::X8664, "x86_64"),
        0x4000_0003 => (ScmpArch::X86, "x86"),
        0xc000_00b7 => (ScmpArch::Aarch64, "arm64"),
        0x4000_0028 => (ScmpArch::Arm, "arm"),
        0xc000_00f3 => (ScmpArch::Riscv64, "riscv64"),
        0xc000_0015 => (ScmpArch::Ppc64Le, "ppc64le"),
        0x8000_0016 => (ScmpArch::S390X, "s390x"),
        _ => return None,
    })
}

/// What the filter did (`SECCOMP_RET_*`, linux/seccomp.h).
fn effect(code: u32) -> Option<Effect> {
    Some(match code & 0xffff_0000 {
        0x8000_0000 | 0 => Effect::Killed,
        0x0003_0000 => Effect::Trapped,
        0x0005_0000 => Effect::Refused,
        0x7fc0_0000 | 0x7ff0_0000 => Effect::Notified,
        0x7ffc_0000 => Effect::Logged,
        _ => return None,
    })
}

/// What `record` says.
pub fn meaning(record: &Record, profile: Option<&Profile>) -> Option<Meaning> {
    let effect = effect(record.hexadecimal("code")?)?;
    let call = Call::of(record)?;
    let arch = call.arch.map_or("unknown architecture", |(_, name)| name);
    let what = match &call.name {
        Some(name) => format!("system call {name} ({}, {arch})", call.number),
        None => format!("system call {} ({arch})", call.number),
    };
    let by_profile = profile.filter(|profile| profile.denies(record));
    let allow = by_profile.zip(call.name).map(|(profile, name)| profile.changes(&name));
    let note = match (by_profile, effect) {
        (None, _) => Some(
            "lxc.seccomp.profile does not do this: a program inside has a filter of its own".into(),
        ),
        (_, Effect::Logged) => Some("it was allowed".into()),
        _ => None,
    };
    let allow = allow.filter(|_| effect != Effect::Logged).unwrap_or_default();
    Some(Meaning { source: Source::Seccomp, effect, what, allow, note })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::record::Raw;
    use super::*;

    fn record(arch: &str, call: i32, code: &str) -> Record {
        let line = format!(
            "audit: type=1326 audit(1.000:2): auid=1 uid=0 gid=0 ses=1 subj=x pid=5 comm=\"x\" \
             exe=\"/x\" sig=31 arch={arch} syscall={call} compat=0 ip=0x7 code={code}"
        );
        Raw::of_kernel(&line).unwrap().read(Duration::ZERO).unwrap()
    }

    fn profile(text: &str) -> Profile {
        Profile::parse(text, Path::new("/p")).unwrap()
    }

    #[test]
    fn a_call_leads_to_the_line_that_denies_it() {
        let profile = profile("2\ndenylist\n# no\nkexec_load errno 1\n[all]\nptrace kill # c\n");
        let meaning = |record| meaning(&record, Some(&profile)).unwrap();
        let killed = meaning(record("c000003e", 101, "0x80000000"));
        assert_eq!(killed.what, "system call ptrace (101, x86_64)");
        assert_eq!(killed.effect, Effect::Killed);
        assert_eq!(killed.allow.len(), 1);
        assert_eq!((killed.allow[0].number, killed.allow[0].remove), (Some(6), true));
        assert_eq!(killed.allow[0].text, "ptrace kill");
        let same = meaning(record("40000003", 26, "0x0"));
        assert_eq!(same.what, "system call ptrace (26, x86)");
        let own = meaning(record("c000003e", 39, "0x80000000"));
        assert!(own.allow.is_empty() && own.note.unwrap().contains("filter of its own"));
        let strange = meaning(record("c000003e", 99999, "0x30000"));
        assert_eq!(strange.what, "system call 99999 (x86_64)");
        assert_eq!(strange.effect, Effect::Trapped);
        assert_eq!(profile.silent(), 1);
    }

    #[test]
    fn an_allowlist_gets_a_line_more() {
        let profile = profile("2\nallowlist trap\nread\nclone allow [0,1,==]\nptrace kill\n");
        assert!(!profile.denies(&record("c000003e", 0, "0x30000")));
        assert!(profile.denies(&record("c000003e", 1, "0x30000")));
        assert!(profile.denies(&record("c000003e", 56, "0x30000")));
        let changes = |call| {
            let lines = profile.changes(call).into_iter();
            lines.map(|line| (line.remove, line.text)).collect::<Vec<_>>()
        };
        assert_eq!(changes("write"), [(false, "write".to_owned())]);
        assert_eq!(
            changes("ptrace"),
            [(true, "ptrace kill".to_owned()), (false, "ptrace".to_owned())]
        );
    }
}
