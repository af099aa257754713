//! The seccomp profile: LXC's file format, compiled by libseccomp to the kernel's filter program.
//!
//! Compiling and loading are apart: the program is compiled before the container exists, and loaded
//! inside it by one system call.
//!
//! Format (lxc.container.conf(5)): the version, `1` or `2`; then the policy. Version 1: `allowlist`,
//! and a system call's number a line. Version 2: `allowlist` or `denylist` and optionally the action
//! for calls that no rule names; then rules `CALL [ACTION] [[INDEX,VALUE,OPERATOR[,MASK]]]…`, in
//! sections `[ARCH]`. A `#` and what follows it on a line is a comment; empty lines say nothing.

mod cache;
pub mod guard;

use std::os::fd::OwnedFd;
use std::path::Path;

use libseccomp::{
    ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall,
};

use crate::config::Origin;
use crate::error::{Context, Error, Result};
use crate::mount::Roots;

/// Compiles the profile `path` of a container whose root filesystem lies at `roots` to a filter program:
/// an array of `struct sock_filter`.
pub fn compile(path: &Path, roots: &Roots) -> Result<Vec<u8>> {
    let text = roots
        .read_text(path)
        .map_err(|error| Error { what: format!("seccomp profile: {}", error.what), ..error })?;
    let file = path.display().to_string();
    if lines(&text, &file).count() < cache::LINES_MIN {
        return compile_text(&text, &file);
    }
    cache::compiled(&text, || compile_text(&text, &file))
}

fn compile_text(text: &str, file: &str) -> Result<Vec<u8>> {
    let mut lines = lines(text, file);
    let version = lines.next().ok_or_else(|| Error::new(format!("{file} is empty")))?;
    let policy = lines.next().ok_or_else(|| version.refuse("a profile without a policy"))?;
    let filters = match version.text {
        "1" => by_numbers(policy, lines)?,
        "2" => by_rules(policy, lines)?,
        _ => return Err(version.refuse("unknown version of the profile; there are 1 and 2")),
    };
    export(filters).map_err(|error| Error::new(format!("cannot compile {file}: {error}")))
}

/// One line of the profile.
#[derive(Clone, Copy)]
pub(super) struct Line<'text> {
    /// Without a comment and blanks around it; never empty.
    pub(super) text: &'text str,
    /// From 1.
    pub(super) number: u32,
    file: &'text str,
}

/// The lines of a profile that say something.
pub(super) fn lines<'text>(
    text: &'text str,
    file: &'text str,
) -> impl Iterator<Item = Line<'text>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().zip(1..).filter_map(move |(line, number)| {
        let text = line.split('#').next().unwrap_or_default().trim();
        (!text.is_empty()).then_some(Line { text, number, file })
    })
}

impl Line<'_> {
    fn refuse(&self, why: impl std::fmt::Display) -> Error {
        Error::new(format!("seccomp profile: {why}")).at(Some(&Origin::new(
            self.file,
            self.number,
            self.text,
        )))
    }
}

/// The architectures whose programs this kernel runs, the native one first.
fn architectures() -> Vec<ScmpArch> {
    match ScmpArch::native() {
        ScmpArch::X8664 => vec![ScmpArch::X8664, ScmpArch::X86, ScmpArch::X32],
        ScmpArch::Aarch64 => vec![ScmpArch::Aarch64, ScmpArch::Arm],
        native => vec![native],
    }
}

/// The filters of all architectures, merged when all rules are in.
struct Filters(Vec<(ScmpArch, ScmpFilterContext)>);

impl Filters {
    fn new(default: ScmpAction) -> std::result::Result<Self, libseccomp::error::SeccompError> {
        let native = ScmpArch::native();
        architectures()
            .into_iter()
            .map(|arch| {
                let mut filter = ScmpFilterContext::new(default)?;
                if arch != native {
                    filter.add_arch(arch)?;
                    filter.remove_arch(native)?;
                }
                Ok((arch, filter))
            })
            .collect::<std::result::Result<_, _>>()
            .map(Self)
    }
}

/// Merges the filters and takes their program, through a memory file: libseccomp before 2.6 writes
/// only to descriptors.
fn export(filters: Filters) -> std::result::Result<Vec<u8>, String> {
    use std::io::{Read, Seek};
    let failed = |error: libseccomp::error::SeccompError| error.to_string();
    let mut filters = filters.0.into_iter().map(|(_, filter)| filter);
    let mut merged = filters.next().ok_or("no architecture")?;
    for filter in filters {
        merged.merge(filter).map_err(failed)?;
    }
    let flags = nix::sys::memfd::MFdFlags::MFD_CLOEXEC;
    let memory = nix::sys::memfd::memfd_create("seccomp", flags).map_err(|e| e.to_string())?;
    let mut file = std::fs::File::from(memory);
    merged.export_bpf(&file).map_err(failed)?;
    let mut program = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut program)).map_err(|e| e.to_string())?;
    Ok(program)
}

fn by_numbers<'text>(
    policy: Line<'text>,
    lines: impl Iterator<Item = Line<'text>>,
) -> Result<Filters> {
    if !policy.text.contains("allowlist") && !policy.text.contains("whitelist") {
        return Err(policy.refuse("version 1 knows allowlist only"));
    }
    let failed = |error| policy.refuse(error);
    let mut filters = Filters::new(ScmpAction::KillThread).map_err(failed)?;
    for line in lines {
        let number: i32 =
            line.text.parse().map_err(|_| line.refuse("not a system call's number"))?;
        let (_, native) = &mut filters.0[0];
        native
            .add_rule(ScmpAction::Allow, ScmpSyscall::from(number))
            .map_err(|error| line.refuse(error))?;
    }
    Ok(filters)
}

fn by_rules<'text>(
    policy: Line<'text>,
    lines: impl Iterator<Item = Line<'text>>,
) -> Result<Filters> {
    let mut words = policy.text.split_whitespace();
    let (mut default, rule_action) = match words.next() {
        Some("denylist" | "blacklist") => (ScmpAction::Allow, ScmpAction::KillThread),
        Some("allowlist" | "whitelist") => (ScmpAction::KillThread, ScmpAction::Allow),
        _ => return Err(policy.refuse("the policy is allowlist or denylist")),
    };
    if let Some(action) = parse_action(&mut words).map_err(|why| policy.refuse(why))? {
        default = action;
    }
    let mut filters = Filters::new(default).map_err(|error| policy.refuse(error))?;
    let mut section = Section::All;
    for line in lines {
        if let Some(name) = line.text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = Section::parse(name).ok_or_else(|| line.refuse("unknown architecture"))?;
            continue;
        }
        let rule = Rule::parse(line.text, rule_action).map_err(|why| line.refuse(why))?;
        for (arch, filter) in &mut filters.0 {
            if section.has(*arch) {
                rule.add(filter, *arch).map_err(|error| line.refuse(error))?;
            }
        }
    }
    Ok(filters)
}

/// Which architectures the following rules are for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    All,
    One(ScmpArch),
    /// One that this kernel's programs never have.
    Foreign,
}

impl Section {
    fn parse(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        if name != lower && name != name.to_ascii_uppercase() {
            return None;
        }
        Some(match lower.as_str() {
            "all" => Self::All,
            "x86" => Self::One(ScmpArch::X86),
            "x86_64" => Self::One(ScmpArch::X8664),
            "x32" => Self::One(ScmpArch::X32),
            "arm" => Self::One(ScmpArch::Arm),
            "arm64" => Self::One(ScmpArch::Aarch64),
            "ppc" | "ppc64" | "ppc64le" | "mips" | "mips64" | "mips64n32" | "mipsel"
            | "mipsel64" | "mipsel64n32" | "s390" | "s390x" | "loongarch64" | "riscv64" => {
                Self::Foreign
            }
            _ => return None,
        })
    }

    fn has(self, arch: ScmpArch) -> bool {
        match self {
            Self::All => true,
            // As in LXC, the native one stands for all of this kernel's: a call refused there must not
            // be open to 32-bit programs.
            Self::One(one) => one == arch || one == ScmpArch::native(),
            Self::Foreign => false,
        }
    }
}

/// One rule of a version 2 profile.
struct Rule<'text> {
    call: &'text str,
    action: ScmpAction,
    comparisons: Vec<ScmpArgCompare>,
}

impl<'text> Rule<'text> {
    fn parse(text: &'text str, default: ScmpAction) -> std::result::Result<Self, String> {
        let (words, arguments) = text.split_at(text.find('[').unwrap_or(text.len()));
        let mut words = words.split_whitespace();
        let call = words.next().ok_or("a rule without a system call")?;
        if call == "reject_force_umount" {
            return Ok(Self {
                call: "umount2",
                action: ScmpAction::Errno(libc::EACCES),
                comparisons: vec![ScmpArgCompare::new(
                    1,
                    ScmpCompareOp::MaskedEqual(u64::from(libc::MNT_FORCE.cast_unsigned())),
                    u64::from(libc::MNT_FORCE.cast_unsigned()),
                )],
            });
        }
        let action = parse_action(&mut words)?.unwrap_or(default);
        let comparisons = arguments
            .split(']')
            .map(|part| part.trim().trim_start_matches(',').trim())
            .filter(|part| !part.is_empty())
            .map(|part| parse_comparison(part.strip_prefix('[').unwrap_or(part)))
            .collect::<std::result::Result<_, _>>()?;
        Ok(Self { call, action, comparisons })
    }

    /// Adds the rule; a system call that the architecture lacks needs none.
    fn add(
        &self,
        filter: &mut ScmpFilterContext,
        arch: ScmpArch,
    ) -> std::result::Result<(), libseccomp::error::SeccompError> {
        let Ok(call) = ScmpSyscall::from_name_by_arch(self.call, arch) else {
            return Ok(());
        };
        // A part of socketcall or ipc. LXC passes over these; so no line allows more here than there.
        if i32::from(call) < 0 && self.action == ScmpAction::Allow {
            return Ok(());
        }
        // The library takes native numbers and finds the architecture's own by name.
        let call = ScmpSyscall::from_name(self.call).unwrap_or(call);
        if filter.get_act_default()? == self.action {
            return Ok(());
        }
        if self.comparisons.is_empty() {
            filter.add_rule(self.action, call)?;
        } else {
            filter.add_rule_conditional(self.action, call, &self.comparisons)?;
        }
        Ok(())
    }
}

fn parse_action<'text>(
    words: &mut impl Iterator<Item = &'text str>,
) -> std::result::Result<Option<ScmpAction>, String> {
    Ok(match words.next() {
        None => None,
        Some("kill") => Some(ScmpAction::KillThread),
        Some("allow") => Some(ScmpAction::Allow),
        Some("trap") => Some(ScmpAction::Trap),
        Some("notify") => Some(ScmpAction::Notify),
        Some("log") => Some(ScmpAction::Log),
        Some("kill_process") => Some(ScmpAction::KillProcess),
        Some("errno") => {
            let number = words.next().and_then(|word| word.parse().ok());
            Some(ScmpAction::Errno(number.ok_or("errno needs a number")?))
        }
        Some(word) => match word.strip_prefix("errno:").map(str::parse) {
            Some(Ok(number)) => Some(ScmpAction::Errno(number)),
            _ => return Err(format!("unknown action {word}")),
        },
    })
}

fn parse_comparison(text: &str) -> std::result::Result<ScmpArgCompare, String> {
    let number = |word: &str| {
        let parsed = match word.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => word.parse(),
        };
        parsed.map_err(|_| format!("{word} is not a number"))
    };
    let words: Vec<&str> = text.split(',').map(str::trim).collect();
    let (index, value, operator, mask) = match words[..] {
        [index, value, operator] => (index, value, operator, None),
        [index, value, operator, mask] => (index, value, operator, Some(number(mask)?)),
        _ => {
            return Err(format!("[{text}]: write [index,value,operator] or add a mask"));
        }
    };
    let index: u32 = index.parse().ok().filter(|index| *index < 6).ok_or("arguments are 0 to 5")?;
    let value = number(value)?;
    let operator = match operator {
        "!=" | "SCMP_CMP_NE" => ScmpCompareOp::NotEqual,
        "<" | "SCMP_CMP_LT" => ScmpCompareOp::Less,
        "<=" | "SCMP_CMP_LE" => ScmpCompareOp::LessOrEqual,
        "==" | "SCMP_CMP_EQ" => ScmpCompareOp::Equal,
        ">=" | "SCMP_CMP_GE" => ScmpCompareOp::GreaterEqual,
        ">" | "SCMP_CMP_GT" => ScmpCompareOp::Greater,
        "&=" | "SCMP_CMP_MASKED_EQ" => {
            ScmpCompareOp::MaskedEqual(mask.ok_or("a masked comparison needs a mask")?)
        }
        _ => return Err(format!("unknown operator {operator}")),
    };
    Ok(ScmpArgCompare::new(index, operator, value))
}

/// Loads a compiled program into this process, for good. The descriptor at which another process gets the
/// calls that it leaves to one.
pub fn load(program: &[u8]) -> Result<Option<OwnedFd>> {
    crate::sys::seccomp::load(program)
        .context(|| "cannot load the seccomp filter")
        .map_err(|error| error.hint("without root it needs lxc.no_new_privs = 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_compile() {
        let program = compile_text(
            "2\ndenylist\nreject_force_umount # c\n[all]\nkexec_load errno 1\n[x86_64]\n\
             init_module errno 1\n[ppc]\nnonsense\n[ALL]\nclone [0,0x10000000,&=,0x10000000]\n",
            "p",
        );
        let program = program.unwrap();
        assert!(!program.is_empty() && program.len().is_multiple_of(8));
        assert!(!compile_text("1\nallowlist\n0\n1\n", "p").unwrap().is_empty());
    }

    #[test]
    fn rules_for_this_processor_hold_for_all_programs_that_it_runs() {
        let native = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
        let all = compile_text("2\ndenylist\nmkdir kill_process\nchroot log\n", "p").unwrap();
        let text = format!("2\ndenylist\n[{native}]\nmkdir kill_process\nchroot log\n");
        assert_eq!(compile_text(&text, "p").unwrap(), all);
        assert!(!crate::sys::seccomp::notifies(&all));
        let notifying = compile_text("2\ndenylist\nmkdir notify\n", "p").unwrap();
        assert!(crate::sys::seccomp::notifies(&notifying));
    }

    #[test]
    fn comments_and_empty_lines_say_nothing() {
        let plain = compile_text("2\ndenylist\nmkdir errno 1\nchroot\n", "p").unwrap();
        for text in [
            "2\n\ndenylist\nmkdir errno 1 # why\nchroot # why\n",
            "\n2\n# c\n denylist\n\tmkdir errno 1#why\n\nchroot #kill\n",
            "\u{feff}# c\r\n2 # c\r\ndenylist # c\r\n[all] # c\r\nmkdir  errno\t1\r\nchroot",
        ] {
            assert_eq!(compile_text(text, "p").unwrap(), plain, "{text:?}");
        }
        assert!(compile_text("2\n# denylist\n", "p").is_err());
        let numbers = compile_text("1\nallowlist\n0\n1\n", "p").unwrap();
        assert_eq!(compile_text("1\n\nallowlist\n0 # read\n1#write\n", "p").unwrap(), numbers);
    }

    #[test]
    fn mistakes_are_errors_at_their_line() {
        for (text, line) in [
            ("3\nallowlist\n", 1),
            ("2\nsomething\n", 2),
            ("2\ndenylist explode\n", 2),
            ("2\ndenylist\nkexec_load maybe\n", 3),
            ("2\ndenylist\n\n[Mixed]\n", 4),
            ("2\ndenylist\nclone [9,1,==]\n", 3),
            ("1\nallowlist\nread\n", 3),
        ] {
            let error = compile_text(text, "p").unwrap_err();
            assert_eq!(error.origin.as_ref().map(|at| at.line), Some(line), "{text:?}: {error}");
        }
        assert!(compile_text("", "p").is_err());
    }
}
