//! One life of a container after the other: first hook, start, waiting, end, and again if init
//! asked for a reboot.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use super::handover::Outcome;
use super::hooks;
use super::listeners::Listeners;
use super::server::Server;
use super::signals::Signals;
use super::spawn::{self, Running};
use crate::config::{HookStage, NetKind};
use crate::error::{Context, Error, Result};
use crate::init::{Channel, Plan};
use crate::logging;
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

/// Supervises the container of `plan` until it stops for good; returns how its init ended.
///
/// `listener`: the bound command socket. `waiting`: where to tell a caller in another process how
/// the start went.
pub fn run(plan: Plan, listener: OwnedFd, waiting: Option<Channel>) -> Result<Exit> {
    let log = &plan.config.log;
    logging::start(log, plan.tool(), Some(plan.identity.name.as_str()))
        .map_err(|error| error.at(plan.config.origin("lxc.log.file")))?;
    let mut monitor = Monitor {
        listeners: Listeners::new(plan.identity.clone()),
        signals: Signals::catch()?,
        environment: plan.hook_environment(),
        server: Some(Server::new(listener)),
        waiting,
        plan,
    };
    let pidfile = monitor.plan.pidfile.clone();
    if let Some(path) = &pidfile {
        write_pidfile(path)?;
    }
    let result = loop {
        match monitor.live() {
            Ok(exit) if monitor.server.is_some() => {
                debug_assert!(exit.is_reboot());
            }
            result => break result,
        }
    };
    if let Some(path) = &pidfile {
        // Somebody may have removed it already.
        let _ = std::fs::remove_file(path);
    }
    monitor.finish(result)
}

fn write_pidfile(path: &std::path::Path) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| write!(file, "{}", std::process::id()))
        .what(|| format!("cannot write the pid file {}", path.display()))
}

struct Monitor {
    plan: Plan,
    /// The command socket and its connections; gone when the container's name is free again.
    server: Option<Server>,
    listeners: Listeners,
    signals: Signals,
    environment: Vec<(String, OsString)>,
    waiting: Option<Channel>,
}

impl Monitor {
    /// One life. The server is kept only if there is another one.
    fn live(&mut self) -> Result<Exit> {
        self.publish(State::Starting);
        let started = hooks::run(
            &self.plan.config,
            &self.plan.identity.name,
            HookStage::PreStart,
            &[],
            &self.environment,
        )
        .and_then(|()| spawn::spawn(&self.plan, &mut self.environment));
        let mut running = match started {
            Ok(running) => running,
            Err(error) => {
                log::error!("{error}");
                self.publish(State::Aborting);
                self.publish(State::Stopping);
                self.set_target("stop");
                self.end_hook(HookStage::Stop);
                self.server = None;
                self.listeners.publish(State::Stopped);
                self.end_hook(HookStage::PostStop);
                self.listeners.close_all();
                return Err(error);
            }
        };
        self.publish(State::Running);
        running.warnings.iter().for_each(|warning| log::warn!("{warning}"));
        self.report_running(&running);
        // What the start needed and the long wait does not.
        process::trim_heap();
        let exit = self.wait(&mut running)?;
        self.end(running, exit)?;
        Ok(exit)
    }

    fn publish(&mut self, state: State) {
        if let Some(server) = &mut self.server {
            server.state = state;
        }
        log::info!("{}", state.word());
        self.listeners.tell(state);
        self.listeners.publish(state);
    }

    fn report_running(&mut self, running: &Running) {
        if let Some(channel) = self.waiting.take() {
            let outcome = Outcome::Running { warnings: running.warnings.clone() };
            // A caller that was killed meanwhile does not end the container.
            let _ = channel.send(&outcome, &[]);
        }
    }

    /// Serves everybody until init is dead; reaps it.
    fn wait(&mut self, running: &mut Running) -> Result<Exit> {
        let Some(server) = &mut self.server else {
            return Err(Error::new("the command socket is gone"));
        };
        loop {
            server.serve(&self.plan, running, &mut self.listeners, &self.signals)?;
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
                        server.drain_console(running);
                        return Ok(exit);
                    }
                }
                Err(nix::errno::Errno::EINTR) => {}
                Err(errno) => {
                    return Err(Error::new("cannot wait for the container's init").errno(errno));
                }
            }
        }
    }

    /// Takes the container down and tells everybody, the name last, so that who was told can start
    /// it again.
    fn end(&mut self, running: Running, exit: Exit) -> Result<()> {
        let reboot = exit.is_reboot();
        log::info!("init ended with {exit:?}{}", if reboot { ", for a reboot" } else { "" });
        self.listeners.publish_exit(exit.raw());
        self.publish(State::Stopping);
        self.set_target(if reboot { "reboot" } else { "stop" });
        for (kind, fd) in &running.namespaces {
            let name = format!("LXC_{}_NS", kind.name().to_uppercase());
            let path = format!("/proc/{}/fd/{}", std::process::id(), process::raw(fd.as_fd()));
            self.environment.push((name, path.into()));
        }
        hooks::links_down(&self.plan, &running.links, &self.environment);
        self.end_hook(HookStage::Stop);
        let Running { cgroups, links, mut namespaces, .. } = running;
        let mut problem = None;
        if !self.plan.namespaces.has(crate::config::Namespace::Pid) {
            problem = cgroups.kill_all().err();
        }
        problem = problem.or(cgroups.remove().err());
        // A link of a fixed name must be gone before somebody can start the container again; the
        // others go with their namespace, and nobody waits for that.
        let now = reboot || self.has_fixed_names();
        if now {
            problem = problem.or(network::remove(&links).err());
        }
        if reboot {
            self.listeners.tell_reboot();
            self.listeners.publish(State::Stopped);
        } else {
            self.server = None;
            self.listeners.publish(State::Stopped);
        }
        namespaces.clear();
        self.end_hook(HookStage::PostStop);
        if !reboot {
            self.listeners.close_all();
            if !now {
                problem = problem.or(network::remove_behind(&links).err());
            }
        }
        problem.map_or(Ok(()), |problem| {
            log::error!("{problem}");
            Err(problem)
        })
    }

    fn has_fixed_names(&self) -> bool {
        self.plan
            .config
            .net
            .values()
            .any(|net| matches!(&net.kind, NetKind::Veth(veth) if veth.pair.is_some()))
    }

    fn set_target(&mut self, target: &str) {
        self.environment.retain(|(name, _)| name != "LXC_TARGET");
        self.environment.push(("LXC_TARGET".into(), target.into()));
    }

    /// Runs the hooks of an end. They are the last to hold the container up: what fails is logged.
    fn end_hook(&self, stage: HookStage) {
        if let Err(error) =
            hooks::run(&self.plan.config, &self.plan.identity.name, stage, &[], &self.environment)
        {
            log::error!("{error}");
        }
    }

    /// Tells a waiting caller of a failed start.
    fn finish(self, result: Result<Exit>) -> Result<Exit> {
        if let (Err(error), Some(channel)) = (&result, &self.waiting) {
            let _ = channel.send(&Outcome::Failed(error.clone()), &[]);
        }
        result
    }
}
