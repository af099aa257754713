//! Making the container's first process, and the host's side of its set-up.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

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
use crate::network::forward::Active;
use crate::network::{self, Link};
use crate::security::{attributes, lsm};
use crate::storage::RootfsMount;
use crate::sys::process;
use crate::sys::pty::Pty;

use super::first::{self, Shared};
use super::resources::{Forwards, Init, Links, Named, Profile, Resource, Stack, Storage, acquired};

/// A container whose init was executed.
#[derive(Debug)]
pub struct Running {
    /// Its init.
    pub init: Rc<Init>,
    /// Its cgroups.
    pub cgroups: Rc<Cgroups>,
    /// Its links.
    pub links: Rc<Links>,
    /// The ports of the host that lead to it.
    pub forwards: Rc<Forwards>,
    /// Its terminals.
    pub terminals: Terminals,
    /// Its namespaces, held for hooks that run when it is gone.
    pub namespaces: Vec<(Namespace, OwnedFd)>,
    /// What the configuration asks for and this host cannot do.
    pub warnings: Vec<String>,
}

/// What init has sent of its terminals.
#[derive(Debug, Default)]
pub struct Terminals {
    /// The root of its devpts, if it has one of its own.
    pub devpts: Option<OwnedFd>,
    /// Its console, if it has one.
    pub console: Option<Pty>,
    /// Its ttys, from number 1 on.
    pub ttys: Vec<Pty>,
}

impl Terminals {
    /// These with `fds`, which came with the last message.
    fn complete(mut self, devpts: bool, console: bool, fds: Vec<OwnedFd>) -> Result<Self> {
        let too_few = || Error::new("the container's first process sent too few terminals");
        let mut fds = fds.into_iter();
        if devpts {
            self.devpts = Some(fds.next().ok_or_else(too_few)?);
        }
        if console {
            let (ptx, peer) = fds.next().zip(fds.next()).ok_or_else(too_few)?;
            self.console = Some(Pty { ptx, peer });
        }
        while let Some(ptx) = fds.next() {
            self.ttys.push(Pty { ptx, peer: fds.next().ok_or_else(too_few)? });
        }
        Ok(self)
    }
}

/// What exists before the container starts.
#[derive(Debug)]
pub struct Before<'a> {
    /// The hierarchies that its cgroups go to.
    pub layout: Layout,
    /// The device rules that its last life had, in the place of the configured ones.
    pub device_rules: Option<Rules>,
    /// The ports of the host that led to its last life beside the configured ones.
    pub passing: Vec<Active>,
    /// Where what is acquired goes, also on failure.
    pub held: &'a mut Stack,
    /// The variables of hooks.
    pub environment: &'a mut Vec<(String, OsString)>,
}

/// Starts the container up to the exec of its init. On failure the error is the first cause. `wait` is
/// how hooks and the container's side are awaited.
pub fn spawn(plan: &Plan, before: Before<'_>, wait: &mut dyn Wait) -> Result<Running> {
    let Before { layout, device_rules, passing, held, environment } = before;
    let Plan { identity, config, .. } = plan;
    let mut warnings: Vec<String> = lsm::warning(config).into_iter().collect();
    let shared = Shared::open(plan)?;
    hold_sources(plan, held)?;
    let cgroups = held.push(Cgroups::create(&identity.name, config, &plan.cgroup, layout)?);
    for dir in &cgroups.dirs {
        log::debug!("cgroup {}", dir.hierarchy.dir(&dir.path).display());
    }
    let links = held.prepare(Links::new(identity, config));
    let named = held.prepare(Named::new(identity, &links));
    let (channel, theirs) = Channel::pair()?;
    let umask = current_umask();
    let inherited = Inherited { plan, cgroups: &cgroups, in_v2: false, channel: theirs, umask };
    let (pid, pidfd) = first::clone(inherited, &shared)?;
    let init = held.push(Init::new(plan, pid, pidfd));
    let forwards = held.prepare(Forwards::new(identity, &links));
    drop(shared);
    log::debug!("pid {pid} is the container's first process");
    hooks::set(environment, "LXC_PID", pid.to_string());
    let bring_up = || -> Result<(Terminals, Vec<(Namespace, OwnedFd)>)> {
        if plan.namespaces.has(Namespace::User) {
            Ids::of(config).write(pid)?;
        }
        warnings.extend(cgroups.apply(config, Pass::Resources)?);
        if config.is_unprivileged() {
            cgroups.delegate_to(Ids::of(config))?;
        }
        let namespaces = hold_namespaces(plan, pid)?;
        if plan.namespaces.has(Namespace::Net) {
            if network::needs_namespace(config) {
                links.hold_namespace(set::open(pid, Namespace::Net)?);
            }
            network::create(identity, config, pid, &mut |link| {
                let Link { index, inside_name, host_name, .. } = &link;
                log::debug!("link {index} is {inside_name} inside, {host_name:?} here");
                links.add(link.clone());
                hooks::link_up(config, &identity.name, &link, environment, wait)
            })?;
        }
        acquired(links.kind());
        warnings.extend(named.add(config));
        acquired(named.kind());
        warnings.extend(forwards.add(config, passing, pid)?);
        acquired(forwards.kind());
        set_process_attributes(config, pid)?;
        let tree = rootfs_of_host(plan, pid)?;
        let go = ToInit::Go { links: links.list().clone(), rootfs: tree.is_some() };
        let fds: Vec<_> = tree.iter().map(AsFd::as_fd).collect();
        channel.send(&go, &fds)?;
        let terminals = await_ready(&channel, pid, wait)?;
        log::debug!("everything is set up inside");
        network::complete(config, &links.list())?;
        attributes::set_limits(config, pid)?;
        warnings.extend(cgroups.apply(config, Pass::Devices)?);
        device_rules.map_or(Ok(()), |rules| cgroups.replace_device_rules(rules))?;
        hooks::run(config, &identity.name, HookStage::StartHost, &[], environment, wait)?;
        channel.send(&ToInit::Exec, &[])?;
        match receive(&channel, wait)? {
            None => Ok((terminals, namespaces)),
            Some((FromInit::Failed(error), _)) => Err(error),
            Some((message, _)) => Err(unexpected(&message)),
        }
    };
    let (terminals, namespaces) = bring_up().map_err(|error| first_cause(&channel, error))?;
    Ok(Running { init, cgroups, links, forwards, terminals, namespaces, warnings })
}

/// What init is made from.
pub fn hold_sources(plan: &Plan, held: &mut Stack) -> Result<()> {
    if plan.rootfs != RootfsMount::HostRoot {
        held.push(Storage::activate(&plan.config)?);
    }
    if let Some(profile) = &plan.profile {
        let loaded = Profile::load(profile)
            .map_err(|error| error.at(plan.config.origin("lxc.apparmor.profile")))?;
        held.push(loaded);
    }
    Ok(())
}

/// Receives the terminals, and does what only the host's root may, until everything is set up.
fn await_ready(channel: &Channel, init: Pid, wait: &mut dyn Wait) -> Result<Terminals> {
    let mut terminals = Terminals::default();
    loop {
        let Some((message, fds)) = receive(channel, wait)? else {
            return Err(Error::new("the container's first process died while setting up")
                .hint("see the kernel's log: out of memory, or a limit on processes"));
        };
        if let FromInit::Ready { devpts, console } = message {
            return terminals.complete(devpts, console, fds);
        }
        let mut fds = fds.into_iter();
        match (message, fds.next(), fds.next()) {
            (FromInit::SetIds { ids, recursive }, Some(tree), None) => {
                let set = idmapped::set(tree.as_fd(), recursive, &ids, Some(&init.to_string()));
                channel.send(&ToInit::IdsSet(set.err()), &[])?;
            }
            (FromInit::Listener, Some(listener), None) => {
                wait.take_listener(listener, init)?;
            }
            (FromInit::Tty, Some(ptx), Some(peer)) => terminals.ttys.push(Pty { ptx, peer }),
            (FromInit::Failed(error), ..) => return Err(error),
            (message, ..) => return Err(unexpected(&message)),
        }
    }
}

/// The next message of the container's side, which may run hooks before it sends one.
fn receive(channel: &Channel, wait: &mut dyn Wait) -> Result<Option<(FromInit, Vec<OwnedFd>)>> {
    wait.readable(&[channel.as_fd()])?;
    channel.receive()
}

/// The error of the container's side, if it already said that it failed, or else `error`. Does not wait:
/// a side that lives may be waiting for this one.
fn first_cause(channel: &Channel, error: Error) -> Error {
    if !channel.has_something() {
        return error;
    }
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

/// Mounts the rootfs where only the host's root may: with the container's ids (mount_setattr(2)), or for
/// the root of a user namespace a block device.
fn rootfs_of_host(plan: &Plan, init: Pid) -> Result<Option<OwnedFd>> {
    let config = &plan.config;
    let is_needed = rootfs::options(config)?.idmap.is_some()
        || plan.rootfs.is_for_host_root() && plan.in_user_namespace();
    if !is_needed || !nix::unistd::geteuid().is_root() {
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
