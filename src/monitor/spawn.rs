//! Making the container's first process, and the host's side of its set-up.

use std::ffi::OsString;
use std::fmt::Display;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use crate::cgroup::{Cgroups, Layout, devices::Rules, limits::Pass};
use crate::channel::{Channel, Wait};
use crate::config::{Config, HookStage, Namespace};
use crate::error::{Context, Error, Result};
use crate::hooks;
use crate::init::{FromInit, Inherited, Plan, ToInit};
use crate::mount::options::{MountIds, Recursive};
use crate::mount::{idmapped, rootfs};
use crate::namespace::{Ids, set};
use crate::network::{self, Link};
use crate::security::{attributes, lsm};
use crate::sys::process;
use crate::sys::pty::Pty;

use super::first::{self, Shared};

/// A container whose init was executed.
#[derive(Debug)]
pub struct Running {
    /// Its init, in this process's pid namespace.
    pub init: Pid,
    /// A pidfd of init.
    pub pidfd: OwnedFd,
    /// Its cgroups.
    pub cgroups: Cgroups,
    /// Its links.
    pub links: Vec<Link>,
    /// The root of its devpts, if it has one of its own.
    pub devpts: Option<OwnedFd>,
    /// Its console, if it has one.
    pub console: Option<Pty>,
    /// Its ttys, from number 1 on.
    pub ttys: Vec<Pty>,
    /// Its namespaces, held for hooks that run when it is gone.
    pub namespaces: Vec<(Namespace, OwnedFd)>,
    /// What the configuration asks for and this host cannot do.
    pub warnings: Vec<String>,
}

/// What exists so far; given back if a step fails.
#[derive(Default)]
struct Parts {
    cgroups: Option<Cgroups>,
    init: Option<(Pid, OwnedFd)>,
    links: Vec<Link>,
    devpts: Option<OwnedFd>,
    console: Option<Pty>,
    ttys: Vec<Pty>,
    namespaces: Vec<(Namespace, OwnedFd)>,
    warnings: Vec<String>,
}

/// What exists before the container starts.
#[derive(Debug)]
pub struct Before {
    /// The hierarchies that its cgroups go to.
    pub layout: Layout,
    /// The device rules that its last life had, in the place of the configured ones.
    pub device_rules: Option<Rules>,
}

/// Starts the container up to the exec of its init. On failure nothing is left of it, and the error
/// is the first cause. `wait` is how hooks and the container's side are awaited.
pub fn spawn(
    plan: &Plan,
    before: Before,
    environment: &mut Vec<(String, OsString)>,
    wait: &mut dyn Wait,
) -> Result<Running> {
    let mut parts = Parts::default();
    match parts.build(plan, before, environment, wait) {
        Ok(()) => {}
        Err(error) => return Err(parts.undo(plan, error)),
    }
    let Parts { cgroups, init, links, devpts, console, ttys, namespaces, warnings } = parts;
    let (Some(cgroups), Some((init, pidfd))) = (cgroups, init) else {
        return Err(Error::new("the start ended without a process"));
    };
    Ok(Running { init, pidfd, cgroups, links, devpts, console, ttys, namespaces, warnings })
}

impl Parts {
    fn build(
        &mut self,
        plan: &Plan,
        before: Before,
        environment: &mut Vec<(String, OsString)>,
        wait: &mut dyn Wait,
    ) -> Result<()> {
        let config = &plan.config;
        self.warnings.extend(lsm::warning(config));
        let shared = Shared::open(plan)?;
        let cgroups = Cgroups::create(&plan.identity.name, config, &plan.cgroup, before.layout)?;
        let cgroups = self.cgroups.insert(cgroups);
        for dir in &cgroups.dirs {
            log::debug!("cgroup {}", dir.hierarchy.dir(&dir.path).display());
        }
        let (channel, theirs) = Channel::pair()?;
        let umask = current_umask();
        let inherited = Inherited { plan, cgroups, in_v2: false, channel: theirs, umask };
        let (init, pidfd) = first::clone(inherited, &shared)?;
        drop(shared);
        self.init = Some((init, pidfd));
        log::debug!("pid {init} is the container's first process");
        hooks::set(environment, "LXC_PID", init.to_string());
        if plan.namespaces.has(Namespace::User) {
            Ids::of(config).write(init)?;
        }
        self.warnings.extend(cgroups.apply(config, Pass::Resources)?);
        if config.is_unprivileged() {
            cgroups.delegate_to(Ids::of(config))?;
        }
        self.namespaces = hold_namespaces(plan, init)?;
        if plan.namespaces.has(Namespace::Net) {
            let name = &plan.identity.name;
            let mut on_up = |link: &Link| hooks::link_up(config, name, link, environment, wait);
            self.links = network::create(config, init, &mut on_up)?;
        }
        for link in &self.links {
            log::debug!(
                "link {} is {} inside, {:?} here",
                link.index,
                link.inside_name,
                link.host_name
            );
        }
        set_process_attributes(config, init)?;
        let tree = idmapped_rootfs(plan, init)?;
        let go = ToInit::Go { links: self.links.clone(), rootfs: tree.is_some() };
        let fds: Vec<_> = tree.iter().map(AsFd::as_fd).collect();
        channel.send(&go, &fds).map_err(|error| first_cause(&channel, error))?;
        self.await_ready(&channel, init, wait)?;
        log::debug!("everything is set up inside");
        attributes::set_limits(config, init)?;
        if let Some(cgroups) = &self.cgroups {
            self.warnings.extend(cgroups.apply(config, Pass::Devices)?);
            before.device_rules.map_or(Ok(()), |rules| cgroups.replace_device_rules(rules))?;
        }
        hooks::run(
            &plan.config,
            &plan.identity.name,
            HookStage::StartHost,
            &[],
            environment,
            wait,
        )?;
        channel.send(&ToInit::Exec, &[]).map_err(|error| first_cause(&channel, error))?;
        match receive(&channel, wait)? {
            None => Ok(()),
            Some((FromInit::Failed(error), _)) => Err(error),
            Some((message, _)) => Err(unexpected(&message)),
        }
    }

    /// Receives the terminals, and does what only the host's root may, until everything is set up.
    fn await_ready(&mut self, channel: &Channel, init: Pid, wait: &mut dyn Wait) -> Result<()> {
        let init = init.to_string();
        loop {
            let Some((message, fds)) = receive(channel, wait)? else {
                return Err(Error::new("the container's first process died while setting up")
                    .hint("see the kernel's log: out of memory, or a limit on processes"));
            };
            let mut fds = fds.into_iter();
            match (message, fds.next(), fds.next()) {
                (FromInit::SetIds { ids, recursive }, Some(tree), None) => {
                    let set = idmapped::set(tree.as_fd(), recursive, &ids, Some(&init));
                    channel.send(&ToInit::IdsSet(set.err()), &[])?;
                }
                (FromInit::Devpts, Some(fd), None) => self.devpts = Some(fd),
                (FromInit::Console, Some(ptx), Some(peer)) => {
                    self.console = Some(Pty { ptx, peer });
                }
                (FromInit::Tty, Some(ptx), Some(peer)) => self.ttys.push(Pty { ptx, peer }),
                (FromInit::Ready, None, None) => return Ok(()),
                (FromInit::Failed(error), ..) => return Err(error),
                (message, ..) => return Err(unexpected(&message)),
            }
        }
    }

    /// Takes away what exists; what cannot be is noted on the error that led here.
    fn undo(self, plan: &Plan, mut error: Error) -> Error {
        let mut note = |problem: &dyn Display| error.notes.push(format!("cleaning up: {problem}"));
        if let Some((init, pidfd)) = self.init {
            // It may have exited on its own already.
            let _ = process::pidfd_send_signal(pidfd.as_fd(), libc::SIGKILL);
            if let Err(errno) = waitpid(init, None) {
                note(&errno);
            }
        }
        if let Err(problem) = network::remove(&self.links) {
            note(&problem);
        }
        if let Some(cgroups) = self.cgroups
            && let Err(problem) = cgroups.remove(Ids::of(&plan.config))
        {
            note(&problem);
        }
        error
    }
}

/// The next message of the container's side, which may run hooks before it sends one.
fn receive(channel: &Channel, wait: &mut dyn Wait) -> Result<Option<(FromInit, Vec<OwnedFd>)>> {
    wait.readable(&[channel.as_fd()])?;
    channel.receive()
}

/// The reason why the other side is gone, if it still said one.
fn first_cause(channel: &Channel, error: Error) -> Error {
    match channel.receive() {
        Ok(Some((FromInit::Failed(cause), _))) => cause,
        _ => error,
    }
}

fn unexpected(message: &FromInit) -> Error {
    Error::new(format!("unexpected message from the container's first process: {message:?}"))
}

fn current_umask() -> nix::sys::stat::Mode {
    let mask = nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    nix::sys::stat::umask(mask);
    mask
}

/// Holds the namespaces open for the hooks that run after the container's end, if there are any.
fn hold_namespaces(plan: &Plan, init: Pid) -> Result<Vec<(Namespace, OwnedFd)>> {
    let config = &plan.config;
    let needs = [HookStage::Stop, HookStage::PostStop]
        .iter()
        .any(|stage| config.hooks.get(stage).is_some_and(|hooks| !hooks.is_empty()))
        || config.net.values().any(|net| net.script_down.is_some());
    if !needs {
        return Ok(Vec::new());
    }
    plan.namespaces.kinds().map(|kind| Ok((kind, set::open(init, kind)?))).collect()
}

/// Mounts the rootfs with the container's ids where the configuration asks for it: only the host's
/// root may (mount_setattr(2)).
fn idmapped_rootfs(plan: &Plan, init: Pid) -> Result<Option<OwnedFd>> {
    let config = &plan.config;
    if rootfs::options(config)?.idmap.is_none() || !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    let pid = plan.in_user_namespace().then(|| init.to_string());
    let set_ids = |tree: BorrowedFd<'_>, recursive: Recursive, ids: &MountIds| {
        idmapped::set(tree, recursive, ids, pid.as_deref())
    };
    rootfs::detached(config, &plan.rootfs, &set_ids)
}

/// `lxc.proc.*` and `lxc.sched.core`: set from outside, before anything runs inside.
fn set_process_attributes(config: &Config, init: Pid) -> Result<()> {
    attributes::set_files(config, Some(init))?;
    if config.sched_core {
        process::new_core_cookie(init)
            .context(|| "cannot set a core scheduling cookie")
            .map_err(|error| error.at(config.origin("lxc.sched.core")))?;
    }
    Ok(())
}
