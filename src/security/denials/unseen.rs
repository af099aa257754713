//! What the log does not show: a report without a denial must not read as if there were none.

use std::path::Path;

use super::Subject;
use super::seccomp::Profile;
use super::sources::Logs;
use super::text::shown;

/// Which actions of seccomp the kernel logs.
const LOGGED: &str = "/proc/sys/kernel/seccomp/actions_logged";
/// There with CONFIG_AUDIT only.
const LOGIN_ID: &str = "/proc/self/loginuid";

/// What is not to be seen of `subject`, a sentence each.
/// Denied devices are seen if they were `counted`.
pub fn list(
    subject: &Subject,
    logs: &Logs,
    profile: Option<&Profile>,
    counted: bool,
) -> Vec<String> {
    let mut unseen = Vec::new();
    let mut say = |text: String| unseen.push(text);
    if let (Some(begin), Some(started)) = (logs.begin, subject.started)
        && let Some(gap) = begin.checked_sub(started).filter(|gap| gap.as_secs() > 0)
    {
        say(format!(
            "the kernel's log begins {} s after the container: what was older is overwritten",
            gap.as_secs()
        ));
    }
    if logs.lost.is_some_and(|lost| subject.started.is_none_or(|started| lost >= started)) {
        say("the kernel has left out records, because there were too many".into());
    }
    if logs.unread > 0 {
        say(format!("{} records are in a form that is not known", logs.unread));
    }
    if logs.closed {
        say(format!("{} may not be read: be root", super::sources::AUDIT_LOG));
    }
    if let Some(why) = without_audit() {
        say(why);
    }
    say_seccomp(subject, profile, &mut say);
    if subject.started.is_some() && subject.label.is_none() {
        say("no security module confines it".into());
    }
    if !subject.config.cap_drop.is_empty() || subject.config.cap_keep.is_some() {
        say("what fails for lack of a capability (lxc.cap.drop, lxc.cap.keep) is logged nowhere"
            .into());
    }
    let cgroup = &subject.config.cgroup;
    let mut files = cgroup.v1.iter().chain(&cgroup.v2).map(|line| line.value.0.as_str());
    if !counted && files.any(|file| file.starts_with("devices.")) {
        say("denied devices (lxc.cgroup.devices, lxc.cgroup2.devices) are counted only on cgroup v2, \
             while the container runs"
            .into());
    }
    say("writes to what is mounted read-only (lxc.mount.auto) are logged nowhere".into());
    unseen
}

/// Why the kernel writes no records at all.
fn without_audit() -> Option<String> {
    if !Path::new(LOGIN_ID).exists() {
        return Some("this kernel writes no audit records (CONFIG_AUDIT)".into());
    }
    let line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let is_off = |word: &str| matches!(word, "audit=0" | "audit=off");
    line.split_whitespace()
        .any(is_off)
        .then(|| "audit records are switched off (audit=0 on the kernel's command line)".into())
}

fn say_seccomp(subject: &Subject, profile: Option<&Profile>, say: &mut impl FnMut(String)) {
    let Some(profile) = profile else {
        if let Some(path) = &subject.config.seccomp.profile {
            say(format!("the seccomp profile {} cannot be read", shown(&path.to_string_lossy())));
        }
        return;
    };
    if profile.silent() > 0 {
        say(format!(
            "{} lines of {} refuse system calls by errno, trap or notify, which the kernel does not log",
            profile.silent(),
            shown(profile.file())
        ));
    }
    let logged = std::fs::read_to_string(LOGGED).unwrap_or_default();
    let missing: Vec<_> = ["kill_process", "kill_thread", "log"]
        .into_iter()
        .filter(|action| !logged.split_whitespace().any(|word| word == *action))
        .collect();
    if !missing.is_empty() {
        say(format!("{LOGGED} lacks {}: the kernel does not log these", missing.join(", ")));
    }
}
