//! What attach knows of the container before joining it.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::Path;

use nix::unistd::Pid;

use super::{Personality, Request};
use crate::config::{Arch, Config, Document, Namespace};
use crate::error::{Context, Result};
use crate::monitor::client::{Asked, Client, Init};
use crate::mount::Roots;
use crate::namespace::{NamespaceSet, set};
use crate::security::lsm::Label;
use crate::security::{attributes, seccomp, selinux};
use crate::sys::process;
use crate::table;

/// What the monitor is asked for, in the order of the answers.
const ITEMS: [&str; 9] = [
    "lxc.seccomp.profile",
    "lxc.arch",
    "lxc.no_new_privs",
    "lxc.keyring.session",
    "lxc.sched.core",
    "lxc.environment",
    "lxc.environment.runtime",
    attributes::KEYS[0],
    attributes::KEYS[1],
];

/// What the monitor was asked for, beyond init.
pub(super) struct Questions {
    cgroups: Option<Asked>,
    items: [Asked; ITEMS.len()],
}

impl Questions {
    pub fn ask(request: &Request, client: &Client) -> Result<Self> {
        let cgroups = (!request.elevated.cgroup).then(|| client.ask_cgroups());
        Ok(Self { cgroups: cgroups.transpose()?, items: client.ask_config_items(ITEMS)? })
    }
}

/// Asks the container's monitor for all before the first answer is waited for, and waits for init.
pub(super) fn ask(request: &Request, client: &Client) -> Result<(Init, Questions)> {
    let init = client.ask_init()?;
    let questions = Questions::ask(request, client)?;
    Ok((client.take_init(init)?, questions))
}

/// What is known of the container before joining it.
pub(super) struct Target {
    pub pid: Pid,
    pub pidfd: OwnedFd,
    pub namespaces: NamespaceSet,
    /// Whether the other namespaces can only be joined as root of the user namespace that is joined
    /// with them: an ordinary user has no rights before that.
    pub by_user_namespace: bool,
    pub cgroups: Vec<OwnedFd>,
    /// The monitor, for questions that come up only after a failure.
    pub client: Client,
    pub capabilities: u64,
    pub variables: Vec<String>,
    pub no_new_privs: bool,
    /// Whether the caller's session keyring is kept, as init keeps it.
    pub keeps_keyring: bool,
    /// The SELinux contexts of its session keyring and of init, as configured.
    pub key_contexts: [String; 2],
    /// Init, whose core scheduling cookie the new process gets, by the pid that the new process knows it
    /// by.
    pub core_cookie_of: Option<Pid>,
    /// The settings of init's process that the new process gets as well.
    pub attributes: Config,
    pub label: Option<Label>,
    pub seccomp: Option<Vec<u8>>,
    /// The seccomp filter that init has because of `lxc.rootfs.size`.
    pub guard: Option<Vec<u8>>,
    /// The personality to take; `None` for the caller's.
    pub persona: Option<u32>,
}

/// Whether the process `pid` is in another user namespace than the host's.
fn is_mapped(pid: Pid) -> bool {
    let maps = table::read(format!("/proc/{pid}/uid_map")).unwrap_or_default();
    let words: Vec<&str> = maps.split_whitespace().collect();
    words != ["0", "0", "4294967295"]
}

impl Target {
    /// Takes the monitor's answers; all that comes from the host is read before joining.
    pub fn find(
        request: &Request,
        client: &Client,
        init: Init,
        questions: Questions,
    ) -> Result<Self> {
        let (mut target, profile) = Self::without_filter(request, client, init, questions)?;
        target.seccomp = profile.map(|profile| compile(&profile, client)).transpose()?;
        Ok(target)
    }

    /// As [`find`](Self::find), but without the seccomp filter; returns the profile that it is to be
    /// compiled from. No file that the monitor names is opened here.
    pub fn without_filter(
        request: &Request,
        client: &Client,
        init: Init,
        questions: Questions,
    ) -> Result<(Self, Option<String>)> {
        let Init { pid, pidfd, peer } = init;
        // The container's own namespaces differ from ours; so do those that it shares with others, unless
        // with us.
        let namespaces = match request.namespaces {
            Some(namespaces) => namespaces,
            None => set::other_than_ours(pid)?,
        };
        // Root acts as the other user in a container that another user runs.
        let as_user = !nix::unistd::geteuid().is_root() || !peer.is_our_equal();
        let by_user_namespace = namespaces.has(Namespace::User) && as_user;
        let elevated = request.elevated;
        let cgroups = questions.cgroups.map(|asked| client.take_cgroups(asked)).transpose()?;
        let status = table::read(format!("/proc/{pid}/status"))
            .context(|| format!("cannot read /proc/{pid}/status"))?;
        let held = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
        let held = held.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        let capabilities = if elevated.capabilities { u64::MAX } else { held.unwrap_or(0) };
        let [profile, arch, no_new_privs, keyring, sched_core, environment, runtime, proc, prlimit] =
            client.take_config_items(questions.items)?;
        let label = match &request.context {
            _ if elevated.lsm => None,
            Some(context) => Some(Label::SeLinux(context.clone())),
            None => Label::of_process(pid)?,
        };
        // Monitors of LXC before 4.0 do not know the key for the context of keyrings, so it is asked for only
        // where SELinux needs it.
        let key_contexts = if selinux::is_enabled() && !elevated.lsm {
            client.config_items(["lxc.selinux.context.keyring", "lxc.selinux.context"])?
        } else {
            Default::default()
        };
        // The filter for `lxc.rootfs.size` comes in addition to that of the profile.
        let filters = status.lines().find_map(|line| line.strip_prefix("Seccomp_filters:"));
        let filters: usize = filters.and_then(|count| count.trim().parse().ok()).unwrap_or(0);
        let has_more = filters > usize::from(!profile.is_empty()) && !elevated.lsm;
        let size = if has_more { client.config_item("lxc.rootfs.size") } else { Ok(None) };
        // A monitor of C LXC knows no such key.
        let guard = match size.ok().flatten().filter(|size| !size.trim().is_empty()) {
            Some(_) => Some(seccomp::guard::compile(is_mapped(pid))?),
            None => None,
        };
        let persona = match request.personality {
            Personality::Number(number) => Some(number),
            Personality::OfCaller => None,
            Personality::OfContainer => {
                (arch.trim() == "i686").then(|| attributes::persona(Arch::Bits32))
            }
        };
        let variables = environment.lines().chain(runtime.lines()).map(str::to_owned).collect();
        // The new process knows init by the pid that init has in the container.
        let inside = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        let inside = inside.and_then(|pids| pids.split_whitespace().next_back()?.parse().ok());
        let is_made_inside = namespaces.has(Namespace::Pid) && !by_user_namespace;
        let known_as = inside.filter(|_| is_made_inside).map_or(pid, Pid::from_raw);
        let profile = Some(profile).filter(|profile| !profile.is_empty() && !elevated.lsm);
        let target = Self {
            pid,
            pidfd,
            namespaces,
            by_user_namespace,
            cgroups: cgroups.unwrap_or_default(),
            client: client.clone(),
            capabilities,
            variables,
            no_new_privs: no_new_privs.trim() == "1",
            keeps_keyring: keyring.trim() == "1",
            key_contexts,
            core_cookie_of: (sched_core.trim() == "1").then_some(known_as),
            attributes: attributes::of_lines([&*proc, &*prlimit])?,
            label,
            seccomp: None,
            guard,
            persona,
        };
        Ok((target, profile))
    }

    /// Joins these namespaces of the container: all at once (Linux 5.8); one by one where a namespace is
    /// among them that we are in already. The host's root may join those of any user namespace, and
    /// loses that right with the container's user namespace; an ordinary user has rights only in there.
    pub fn join(&self, kinds: NamespaceSet) -> Result<()> {
        match process::setns(self.pidfd.as_fd(), kinds.flags()) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
            result => return result.context(|| "cannot join the container's namespaces"),
        }
        // Opened before the first is joined: afterwards /proc is the container's.
        let mut opened = self.opened(kinds)?;
        for (kind, fd) in opened.drain(..) {
            process::setns(fd.as_fd(), kind.flag()).context(|| cannot_join(kind))?;
        }
        Ok(())
    }

    /// Namespaces of the container, in the order in which they are joined one by one.
    fn opened(&self, kinds: NamespaceSet) -> Result<Vec<(Namespace, OwnedFd)>> {
        let mut opened: Vec<(Namespace, OwnedFd)> = kinds
            .kinds()
            .map(|kind| Ok((kind, set::open(self.pid, kind)?)))
            .collect::<Result<_>>()?;
        opened.sort_by_key(|(kind, _)| (*kind == Namespace::User) != self.by_user_namespace);
        Ok(opened)
    }

    /// How another process joins `kinds`, by one setns(2) for each: the descriptor, `CLONE_NEW*`, and the
    /// message if it fails. Descriptors that are opened for this go to `held`.
    pub fn ways_to_join(
        &self,
        kinds: NamespaceSet,
        held: &mut Vec<OwnedFd>,
    ) -> Result<Vec<(RawFd, u64, String)>> {
        let shares_users = kinds.has(Namespace::User)
            && set::is_ours(set::open(self.pid, Namespace::User)?.as_fd(), Namespace::User)?;
        if !shares_users {
            let what = "cannot join the container's namespaces".to_owned();
            return Ok(vec![(self.pidfd.as_raw_fd(), kinds.flags(), what)]);
        }
        let mut ways = Vec::new();
        for (kind, fd) in self.opened(kinds.without(Namespace::User))? {
            ways.push((fd.as_raw_fd(), kind.flag(), cannot_join(kind)));
            held.push(fd);
        }
        Ok(ways)
    }
}

fn cannot_join(kind: Namespace) -> String {
    format!("cannot join the container's {} namespace", kind.name())
}

/// The filter of `profile`, as the container's monitor tells.
pub(super) fn compile(profile: &str, client: &Client) -> Result<Vec<u8>> {
    seccomp::compile(Path::new(profile.trim()), &roots(client)?)
}

/// Where the container's root filesystem lies, as its monitor tells.
fn roots(client: &Client) -> Result<Roots> {
    let path = client.config_item("lxc.rootfs.path")?.unwrap_or_default();
    let text = format!("lxc.rootfs.path = {path}");
    Document::parse(text, "configuration of the monitor")
        .map(|document| Roots::of(&document.config))
}
