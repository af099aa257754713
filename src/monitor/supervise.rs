//! One life of a container after the other: first hook, start, waiting, end, and again if init
//! asked for a reboot.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use super::console::Console;
use super::handover::Outcome;
use super::publish;
use super::restore;
use super::server::{Served, Server, Serving};
use super::signals::Signals;
use super::spawn::{self, Before, Running};
use crate::cgroup::devices::Rules;
use crate::cgroup::monitor::{self as cgroup, MonitorCgroup};
use crate::cgroup::{Layout, scope};
use crate::channel::Channel;
use crate::config::{HookStage, Namespace};
use crate::criu::Images;
use crate::error::{Context, Error, Result};
use crate::hooks;
use crate::init::Plan;
use crate::logging;
use crate::mount::rootfs;
use crate::namespace::Ids;
use crate::network;
use crate::state::State;
use crate::sys::process;

/// How init ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    fn of(status: WaitStatus) -> Option<Self> {
        match status {
            WaitStatus::Exited(_, code) => Some(Self::Code(code)),
            WaitStatus::Signaled(_, signal, _) => Some(Self::Signal(signal as i32)),
            _ => None,
        }
    }

    /// The status as wait(2) gives it.
    fn raw(self) -> i32 {
        match self {
            Self::Code(code) => code << 8,
            Self::Signal(signal) => signal,
        }
    }

    /// Whether the container called reboot(2) to restart: its init then dies by SIGHUP
    /// (pid_namespaces(7)).
    fn is_reboot(self) -> bool {
        self == Self::Signal(Signal::SIGHUP as i32)
    }

    /// The exit code of a shell for it.
    pub fn shell_code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

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
    let mut monitor = Monitor {
        layout,
        no_cgroup,
        signals: Signals::catch()?,
        environment: plan.hook_environment(),
        server: Server::new(listener)?,
        waiting,
        warn,
        memory_kills: 0,
        cgroup: None,
        restore: plan.restore.as_ref(),
        device_rules: None,
        plan,
    };
    if let Some(path) = &plan.pidfile {
        write_pidfile(path)?;
    }
    let result = monitor.run_until_stopped();
    if let Some(cgroup) = monitor.cgroup.take()
        && let Err(error) = cgroup.leave()
    {
        log::error!("{error}");
    }
    if let Some(path) = &plan.pidfile {
        // Somebody may have removed it already.
        let _ = std::fs::remove_file(path);
    }
    let Monitor { memory_kills, server, .. } = monitor;
    result.map(|exit| Ended { exit, memory_kills, _connections: Box::new(server) })
}

fn write_pidfile(path: &std::path::Path) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let failed = || format!("cannot write the pid file {}", path.display());
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path).context(failed)?;
    write!(file, "{}", std::process::id()).context(failed).inspect_err(|_| {
        // An empty one would be worse than none.
        let _ = std::fs::remove_file(path);
    })
}

/// What comes after a life.
enum Next {
    /// Another one.
    Reboot,
    /// The end; this is how init did.
    Stop(Exit),
}

struct Monitor<'plan> {
    plan: &'plan Plan,
    /// The command socket and its connections.
    server: Server,
    signals: Signals,
    environment: Vec<(String, OsString)>,
    waiting: &'plan mut Option<Channel>,
    warn: &'plan mut dyn FnMut(&str),
    memory_kills: u64,
    /// Where it moved from the cgroup of its starter.
    cgroup: Option<MonitorCgroup>,
    /// The hierarchies that its cgroups are in.
    layout: Layout,
    /// Why the container has no cgroup, if it has none.
    no_cgroup: Option<Error>,
    /// The checkpoint for the first life.
    restore: Option<&'plan Images>,
    /// The device rules of the life before, if they were changed while it lasted.
    device_rules: Option<Rules>,
}

impl Monitor<'_> {
    /// Next after life, until one does not end in a reboot.
    fn run_until_stopped(&mut self) -> Result<Exit> {
        cgroup::make_room(&self.layout, self.plan.daemon)?;
        if cgroup::is_configured(&self.plan.config) {
            self.cgroup = Some(self.enter_cgroup()?);
        }
        loop {
            if let Next::Stop(exit) = self.run_once()? {
                return Ok(exit);
            }
        }
    }

    /// One life.
    fn run_once(&mut self) -> Result<Next> {
        self.publish(State::Starting);
        let started = self.begin();
        let running = match started {
            Ok(running) => running,
            Err(error) => {
                log::error!("{error}");
                self.publish(State::Aborting);
                self.publish(State::Stopping);
                self.set_target("stop");
                self.end_hook(HookStage::Stop, &[]);
                self.server.release();
                publish::state(&self.plan.identity, State::Stopped);
                self.end_hook(HookStage::PostStop, &[]);
                return Err(error);
            }
        };
        self.publish(State::Running);
        running.warnings.iter().for_each(|warning| log::warn!("{warning}"));
        self.report_running(&running);
        self.leave_starter();
        // What the start needed and the long wait does not.
        process::trim_heap();
        let (exit, problem) = match self.wait(&running) {
            Ok(exit) => (exit, None),
            // Nobody would look after it.
            Err(error) => (kill(&running)?, Some(error)),
        };
        self.memory_kills = running.cgroups.memory_kills().unwrap_or(0);
        if self.memory_kills > 0 {
            log::warn!("{} processes were killed by the memory limit", self.memory_kills);
        }
        let life = self.end(running, exit)?;
        problem.map_or(Ok(life), Err)
    }

    /// A monitor in the background leaves the cgroup it was started from. One that cannot still
    /// serves its container.
    fn leave_starter(&mut self) {
        if !self.plan.daemon || self.cgroup.is_some() {
            return;
        }
        match self.enter_cgroup() {
            Ok(cgroup) => self.cgroup = Some(cgroup),
            Err(error) => log::warn!("the monitor stays in its starter's cgroup: {error}"),
        }
    }

    fn enter_cgroup(&self) -> Result<MonitorCgroup> {
        let Plan { identity, config, cgroup: rules, .. } = self.plan;
        MonitorCgroup::enter(&identity.name, config, rules, &self.layout)
    }

    /// From the first hook to the exec of init.
    fn begin(&mut self) -> Result<Running> {
        self.hooks(HookStage::PreStart, &[])?;
        let mut console = Console::open(self.plan)?;
        let layout = self.layout.clone();
        let started = if let Some(images) = self.restore.take() {
            restore::restore(self.plan, images, layout, &mut self.environment)
        } else {
            let before = Before { layout, device_rules: self.device_rules.take() };
            let served = Served { plan: self.plan, running: None };
            let mut wait = Serving { server: &mut self.server, served };
            spawn::spawn(self.plan, before, &mut self.environment, &mut wait)
        };
        let mut running = match (started, &self.no_cgroup) {
            (Ok(mut running), Some(problem)) => {
                running.warnings.push(problem.to_string());
                running
            }
            // It may be the cause.
            (Err(error), Some(problem)) => return Err(error.note(problem.to_string())),
            (started, None) => started?,
        };
        console.connect(running.console.take())?;
        self.server.set_console(console);
        Ok(running)
    }

    fn hooks(&mut self, stage: HookStage, words: &[String]) -> Result<()> {
        let Plan { config, identity, .. } = self.plan;
        let served = Served { plan: self.plan, running: None };
        let mut wait = Serving { server: &mut self.server, served };
        hooks::run(config, &identity.name, stage, words, &self.environment, &mut wait)
    }

    fn publish(&mut self, state: State) {
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
        let served = Served { plan: self.plan, running: Some(running) };
        loop {
            self.server.serve(served, &[self.signals.as_fd(), running.pidfd.as_fd()])?;
            for signal in self.signals.arrived() {
                if signal != Signal::SIGCHLD as i32 {
                    // It may just have died; then the next round finds out.
                    let number = super::signals::forwarded(signal);
                    let _ = process::pidfd_send_signal(running.pidfd.as_fd(), number);
                }
            }
            match waitpid(running.init, Some(WaitPidFlag::WNOHANG)) {
                Ok(status) => {
                    if let Some(exit) = Exit::of(status) {
                        self.server.end_console();
                        return Ok(exit);
                    }
                }
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(cannot_wait(errno)),
            }
        }
    }

    /// Takes the container down and tells everybody, the name last, so that who was told can start
    /// it again.
    fn end(&mut self, running: Running, exit: Exit) -> Result<Next> {
        let mut reboot = exit.is_reboot();
        log::info!("init ended with {exit:?}{}", if reboot { ", for a reboot" } else { "" });
        publish::exit(&self.plan.identity, exit.raw());
        self.publish(State::Stopping);
        self.set_target(if reboot { "reboot" } else { "stop" });
        // Both ways in which hooks find the namespaces of a container that is no more.
        let mut words = Vec::new();
        for (kind, fd) in &running.namespaces {
            let name = format!("LXC_{}_NS", kind.name().to_uppercase());
            let path = format!("/proc/{}/fd/{}", std::process::id(), process::raw(fd.as_fd()));
            words.push(format!("{}:{path}", kind.name()));
            hooks::set(&mut self.environment, &name, path);
        }
        let Plan { config, identity, .. } = self.plan;
        let served = Served { plan: self.plan, running: None };
        let mut wait = Serving { server: &mut self.server, served };
        hooks::links_down(config, &identity.name, &running.links, &self.environment, &mut wait);
        self.end_hook(HookStage::Stop, &words);
        let Running { cgroups, links, mut namespaces, .. } = running;
        self.device_rules = cgroups.changed_device_rules();
        let mut problem = None;
        if !self.plan.namespaces.has(Namespace::Pid) {
            problem = cgroups.kill_all().err();
        }
        problem = problem.or(cgroups.remove(Ids::of(&self.plan.config)).err());
        // A link of a fixed name must be gone before somebody can start the container again; the
        // others go with their namespace, and nobody waits for that.
        let now = reboot || network::has_fixed_host_names(&self.plan.config);
        if now {
            problem = problem.or(network::remove(&links).err());
        }
        if reboot {
            self.server.publish_reboot(&identity.name);
        } else {
            self.server.release();
        }
        publish::state(identity, State::Stopped);
        namespaces.clear();
        if !self.end_hook(HookStage::PostStop, &[]) && reboot {
            log::error!("the container stops instead of the reboot it asked for");
            reboot = false;
            self.server.release();
        }
        if !reboot {
            self.server.close_told();
        }
        if !reboot && !now {
            // A process of its own would keep the monitor's cgroup busy, and nobody waits for the
            // end of a monitor in the background.
            let alone = self.plan.daemon || self.cgroup.is_some();
            let remove = if alone { network::remove } else { network::remove_behind };
            problem = problem.or(remove(&links).err());
        }
        if let Some(problem) = problem {
            log::error!("{problem}");
            return Err(problem);
        }
        Ok(if reboot { Next::Reboot } else { Next::Stop(exit) })
    }

    fn set_target(&mut self, target: &str) {
        hooks::set(&mut self.environment, "LXC_TARGET", target);
    }

    /// Runs the hooks of an end. They are the last to hold the container up: what fails is logged.
    /// Says whether all went well.
    fn end_hook(&mut self, stage: HookStage, words: &[String]) -> bool {
        self.hooks(stage, words).inspect_err(|error| log::error!("{error}")).is_ok()
    }
}

/// Kills the container's init and reaps it.
fn kill(running: &Running) -> Result<Exit> {
    process::pidfd_send_signal(running.pidfd.as_fd(), libc::SIGKILL)
        .context(|| "cannot kill the container's init")?;
    loop {
        match waitpid(running.init, None) {
            Ok(status) => {
                if let Some(exit) = Exit::of(status) {
                    return Ok(exit);
                }
            }
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(cannot_wait(errno)),
        }
    }
}

fn cannot_wait(errno: Errno) -> Error {
    Error::new("cannot wait for the container's init").errno(errno)
}
