//! Which container the report is about, and whether a record is about it.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::stat::fstat;
use nix::unistd::{Pid, SysconfVar, sysconf};

use super::record::Record;
use crate::config::{Config, IdKind, IdMap, Namespace};
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::namespace::set;
use crate::security::apparmor;
use crate::security::lsm::Label;
use crate::sys::namespace;

/// The first pid namespace of a host (`PROC_PID_INIT_INO`, linux/proc_ns.h): records have its numbers.
const FIRST_PID_NAMESPACE: u64 = 0xefff_fffc;
/// By how much the start of a process may be off: it is told in hundredths of a second.
const SLACK: Duration = Duration::from_millis(50);
/// More levels of namespaces than the kernel allows.
const LEVELS: usize = 64;

/// Whose a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The container's.
    This,
    /// Certainly not the container's.
    Other,
    /// That cannot be told any more.
    Unknown,
}

/// The container.
#[derive(Debug)]
pub struct Subject {
    /// The AppArmor profile that is made for it, and only for it.
    profile: String,
    /// The policy namespace of that profile.
    policy_namespace: String,
    /// Its configuration.
    pub config: Config,
    /// What its init is confined by, if it runs.
    pub label: Option<Label>,
    /// When its init started, after the boot; `None` if it does not run.
    pub started: Option<Duration>,
    /// Its pid namespace, if it has one of its own that can be compared.
    pids: Option<Inode>,
    /// Whether the configuration's host ids are those in records.
    has_host_ids: bool,
}

type Inode = (u64, u64);

impl Subject {
    /// The container `identity` with this configuration and init.
    pub fn new(identity: &Identity, config: Config, init: Option<Pid>) -> Result<Self> {
        let mut subject = Self {
            profile: apparmor::profile_name(identity),
            policy_namespace: apparmor::policy_namespace(identity),
            config,
            label: None,
            started: None,
            pids: None,
            has_host_ids: set::in_initial_user_namespace(),
        };
        if let Some(init) = init {
            let ended = || Error::new(format!("the init of {identity} has ended"));
            subject.started = Some(start_of(init).ok_or_else(ended)?);
            subject.label = Label::of_process(init)?;
            let mine = own(Namespace::Pid)?;
            let theirs = inode(&set::open(init, Namespace::Pid)?)?;
            subject.pids =
                Some(theirs).filter(|theirs| mine.1 == FIRST_PID_NAMESPACE && *theirs != mine);
        }
        Ok(subject)
    }

    /// Whose `record` is.
    pub fn owns(&self, record: &Record) -> Owner {
        if self.started.is_some_and(|started| record.time + SLACK < started) {
            return Owner::Other;
        }
        let known = self.by_label(record);
        if self.started.is_none() {
            return known.unwrap_or(Owner::Other);
        }
        known
            .or_else(|| self.by_process(record))
            .or_else(|| self.by_user(record))
            .unwrap_or(Owner::Unknown)
    }

    /// Whether the record's label is that of the container's init, which others may have, too.
    pub fn has_label_of(&self, record: &Record) -> bool {
        match &self.label {
            Some(Label::AppArmor(profile)) => record.get("profile") == Some(profile),
            Some(Label::SeLinux(context)) => record.get("scontext") == Some(context),
            None => false,
        }
    }

    fn by_label(&self, record: &Record) -> Option<Owner> {
        if let Some(policy) = record.get("namespace").filter(|policy| *policy != "root") {
            let is_own = policy.split("//").any(|part| part == self.policy_namespace);
            return Some(if is_own { Owner::This } else { Owner::Other });
        }
        let profile = record.get("profile").or_else(|| record.get("subj"))?;
        let rest = profile.strip_prefix(&self.profile);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("//")) {
            return Some(Owner::This);
        }
        // One that is made for another container.
        (profile.starts_with("lxc-") && profile.contains("_<")).then_some(Owner::Other)
    }

    fn by_process(&self, record: &Record) -> Option<Owner> {
        let wanted = self.pids?;
        let pid = Pid::from_raw(record.number("pid")?);
        // A later process may have got the number.
        if start_of(pid)? > record.time + SLACK {
            return None;
        }
        let mut namespace = set::open(pid, Namespace::Pid).ok()?;
        for _ in 0..LEVELS {
            if inode(&namespace).ok()? == wanted {
                return Some(Owner::This);
            }
            match namespace::parent(namespace.as_fd()) {
                Ok(parent) => namespace = parent,
                Err(_) => break,
            }
        }
        Some(Owner::Other)
    }

    /// The ids of a container in a user namespace are usually its own.
    fn by_user(&self, record: &Record) -> Option<Owner> {
        let maps = self.config.idmap.iter().map(|map| &map.value);
        let mut maps = maps.filter(|map| map.kind == IdKind::User).peekable();
        if !self.has_host_ids || maps.peek().is_none() {
            return None;
        }
        let uid: u32 = record.number("uid").or_else(|| record.number("fsuid"))?;
        let has =
            |map: &&IdMap| uid.checked_sub(map.outside).is_some_and(|offset| offset < map.range);
        match maps.find(has) {
            // A single id is that of the user whose container it is.
            Some(map) => (map.range > 1).then_some(Owner::This),
            None => Some(Owner::Other),
        }
    }
}

fn inode(namespace: &OwnedFd) -> Result<Inode> {
    let stat = fstat(namespace).context(|| "cannot look at a namespace")?;
    Ok((stat.st_dev, stat.st_ino))
}

fn own(kind: Namespace) -> Result<Inode> {
    inode(&set::open("self", kind)?)
}

/// When the process started, after the boot (proc_pid_stat(5), field 22); `None` if there is none.
fn start_of(pid: Pid) -> Option<Duration> {
    let path = PathBuf::from(format!("/proc/{pid}/stat"));
    let text = crate::table::read(path).ok()?;
    // The name of the program may contain anything.
    let ticks: u64 = text.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let second = u64::try_from(sysconf(SysconfVar::CLK_TCK).ok()??).ok()?;
    Some(Duration::from_millis(ticks.checked_mul(1000)? / second.max(1)))
}
