//! Supervising a container: first hook, start, waiting, [end](super::end), and again if init asked for a
//! reboot.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::signal::Signal;

use super::console::Console;
use super::handover::Outcome;
use super::publish;
use super::resources::{Ending, Exit, Extent, PidFile, Stack, reclaim};
use super::restore;
use super::server::{Served, Server, Serving};
use super::signals::Signals;
use super::spawn::{self, Before, Running};
use crate::cgroup::devices::Rules;
use crate::cgroup::monitor::{self as cgroup, MonitorCgroup};
use crate::cgroup::{Layout, Search, scope};
use crate::channel::Channel;
use crate::config::{HookStage, Namespace};
use crate::criu::Images;
use crate::error::{Context, Error, Result};
use crate::init::Plan;
use crate::logging;
use crate::mount::rootfs;
use crate::network::forward::Active;
use crate::state::State;
use crate::sys::process;

/// How a container ended.
#[derive(Debug)]
pub struct Ended {
    /// How its init did.
    pub exit: Exit,
    /// Processes that the kernel killed in its last life because of the memory limit.
    pub memory_kills: u64,
    /// The connections of those who wait for the monitor's end, closed with this.
    _connections: Box<Server>,
}

/// Supervises the container of `plan` until it stops for good; returns how it ended.
///
/// `listener`: the bound command socket. `waiting`: where to tell a caller in another process how
/// the start went; without one `warn` gets the start's warnings.
pub fn run(
    plan: &Plan,
    listener: OwnedFd,
    mut waiting: Option<Channel>,
    warn: &mut dyn FnMut(&str),
) -> Result<Ended> {
    let result = supervise(plan, listener, &mut waiting, warn);
    if let (Err(error), Some(channel)) = (&result, &waiting) {
        // A caller that is gone cannot be told.
        let _ = channel.send(&Outcome::Failed(error.clone()), &[]);
    }
    result
}

fn supervise(
    plan: &Plan,
    listener: OwnedFd,
    waiting: &mut Option<Channel>,
    warn: &mut dyn FnMut(&str),
) -> Result<Ended> {
    let log = &plan.config.log;
    logging::start(log, plan.tool(), Some(plan.identity.name.as_str()))
        .map_err(|error| error.at(plan.config.origin("lxc.log.file")))?;
    if plan.config.monitor_unshare {
        process::unshare(Namespace::Mnt.flag())
            .context(|| "cannot make a mount namespace for the monitor")
            .and_then(|()| rootfs::detach_from_host())
            .map_err(|error| error.at(plan.config.origin("lxc.monitor.unshare")))?;
    }
    let Plan { identity, config, cgroup: rules, .. } = plan;
    let mut layout = Layout::for_containers(config, rules)?;
    let mut no_cgroup = None;
    if !nix::unistd::geteuid().is_root() && !scope::is_delegated(&layout) {
        no_cgroup = scope::obtain(&identity.name, plan.tool()).err();
        layout = Layout::for_containers(config, rules)?;
    }
    let mut problems: Vec<Error> = no_cgroup.into_iter().collect();
    problems.extend(reclaim(identity, config, rules, &layout, Search::Quick).err());
    let mut monitor = Monitor {
        layout,
        problems,
        signals: Signals::catch()?,
        environment: plan.hook_environment(),
        server: Server::new(listener)?,
        waiting,
        warn,
        memory_kills: 0,
        own: Stack::default(),
        held: Stack::default(),
        in_own_cgroup: false,
        restore: plan.restore.as_ref(),
        device_rules: None,
        passing: Vec::new(),
        plan,
    };
    if let Some(path) = &plan.pidfile {
        monitor.own.push(PidFile::write(path)?);
    }
    let result = monitor.run_until_stopped();
    let mut ending = Ending { config, awaited: false, emptied: true };
    for problem in monitor.own.release(Extent::All, &mut ending) {
        log::error!("{problem}");
    }
    let Monitor { memory_kills, server, .. } = monitor;
    result.map(|exit| Ended { exit, memory_kills, _connections: Box::new(server) })
}

/// What comes after the container's end.
pub(super) enum Next {
    /// It starts again.
    Reboot,
    /// Nothing; this is how init ended.
    Stop(Exit),
}

pub(super) struct Monitor<'plan> {
    pub(super) plan: &'plan Plan,
    /// The command socket and its connections.
    pub(super) server: Server,
    signals: Signals,
    pub(super) environment: Vec<(String, OsString)>,
    waiting: &'plan mut Option<Channel>,
    warn: &'plan mut dyn FnMut(&str),
    memory_kills: u64,
    /// What the monitor itself holds.
    own: Stack,
    /// What the container holds.
    pub(super) held: Stack,
    /// Whether it moved from the cgroup of its starter.
    pub(super) in_own_cgroup: bool,
    /// The hierarchies that its cgroups are in.
    layout: Layout,
    /// What went wrong before the start and does not prevent it: it may be why the start fails.
    problems: Vec<Error>,
    /// The checkpoint for the first start.
    restore: Option<&'plan Images>,
    /// The device rules from before the reboot, if they were changed.
    pub(super) device_rules: Option<Rules>,
    /// The ports of the host that led to it before the reboot, beside the configured ones.
    pub(super) passing: Vec<Active>,
}

impl Monitor<'_> {
    /// Runs the container again and again until it does not end in a reboot.
    fn run_until_stopped(&mut self) -> Result<Exit> {
        cgroup::make_room(&self.layout, self.plan.daemon)?;
        if cgroup::is_configured(&self.plan.config) {
            self.enter_cgroup()?;
        }
        loop {
            if let Next::Stop(exit) = self.run_once()? {
                return Ok(exit);
            }
        }
    }

    /// Runs it from its first hook to its last.
    fn run_once(&mut self) -> Result<Next> {
        self.publish(State::Starting);
        let running = self.begin().map_err(|error| self.fail(error))?;
        self.publish(State::Running);
        running.warnings.iter().for_each(|warning| log::warn!("{warning}"));
        self.report_running(&running);
        self.leave_starter();
        // What the start needed and the long wait does not.
        process::trim_heap();
        process::trim_stack();
        let (exit, problem) = match self.wait(&running) {
            Ok(exit) => (exit, None),
            // Nobody would look after it.
            Err(error) => (running.init.kill()?, Some(error)),
        };
        self.memory_kills = running.cgroups.memory_kills().unwrap_or(0);
        if self.memory_kills > 0 {
            log::warn!("{} processes were killed by the memory limit", self.memory_kills);
        }
        let ended = self.end(running, exit);
        match (problem, ended) {
            (None, ended) => ended,
            (Some(problem), Ok(_)) => Err(problem),
            (Some(problem), Err(error)) => Err(problem.note(error.to_string())),
        }
    }

    /// A monitor in the background leaves the cgroup it was started from. One that cannot still
    /// serves its container.
    fn leave_starter(&mut self) {
        if !self.plan.daemon || self.in_own_cgroup {
            return;
        }
        if let Err(error) = self.enter_cgroup() {
            log::warn!("the monitor stays in its starter's cgroup: {error}");
        }
    }

    fn enter_cgroup(&mut self) -> Result<()> {
        let Plan { identity, config, cgroup: rules, .. } = self.plan;
        let entered = MonitorCgroup::enter(&identity.name, config, rules, &self.layout)?;
        self.own.push(entered);
        self.in_own_cgroup = true;
        Ok(())
    }

    /// From the first hook to the exec of init.
    fn begin(&mut self) -> Result<Running> {
        self.hooks(HookStage::PreStart, &[])?;
        let mut console = Console::open(self.plan)?;
        let before = Before {
            layout: self.layout.clone(),
            device_rules: self.device_rules.take(),
            passing: std::mem::take(&mut self.passing),
            held: &mut self.held,
            environment: &mut self.environment,
        };
        let started = if let Some(images) = self.restore.take() {
            restore::restore(self.plan, images, before)
        } else {
            let served = Served { plan: self.plan, running: None };
            let mut wait = Serving { server: &mut self.server, served };
            spawn::spawn(self.plan, before, &mut wait)
        };
        let problems = self.problems.iter().map(ToString::to_string);
        let mut running = match started {
            Ok(running) => running,
            // They may be the cause.
            Err(error) => return Err(problems.fold(error, Error::note)),
        };
        running.warnings.extend(problems);
        console.connect(running.terminals.console.take())?;
        self.server.set_console(console);
        Ok(running)
    }

    pub(super) fn publish(&mut self, state: State) {
        log::info!("{}", state.word());
        self.server.publish(&self.plan.identity.name, state);
        publish::state(&self.plan.identity, state);
    }

    fn report_running(&mut self, running: &Running) {
        if let Some(channel) = self.waiting.take() {
            let outcome = Outcome::Running { warnings: running.warnings.clone() };
            // A caller that was killed meanwhile does not end the container.
            let _ = channel.send(&outcome, &[]);
        } else {
            running.warnings.iter().for_each(|warning| (self.warn)(warning));
        }
    }

    /// Serves everybody until init is dead; reaps it.
    fn wait(&mut self, running: &Running) -> Result<Exit> {
        let (served, init) = (Served { plan: self.plan, running: Some(running) }, &running.init);
        loop {
            running.forwards.follow(&self.plan.config);
            let follower = running.forwards.follower();
            let mut awaited = vec![self.signals.as_fd(), init.pidfd.as_fd()];
            awaited.extend(follower.as_deref().map(AsFd::as_fd));
            self.server.serve(served, &awaited)?;
            drop(follower);
            for signal in self.signals.arrived() {
                if signal != Signal::SIGCHLD as i32 {
                    // It may just have died; then the next round finds out.
                    let number = super::signals::forwarded(signal);
                    let _ = process::pidfd_send_signal(init.pidfd.as_fd(), number);
                }
            }
            if let Some(exit) = init.reap()? {
                self.server.end_console();
                return Ok(exit);
            }
        }
    }
}
