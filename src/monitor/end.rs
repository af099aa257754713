//! The end of a container, and of a start that failed: hooks, release, and who is told when.

use std::os::fd::AsFd;

use nix::sys::signal::Signal;

use super::publish;
use super::resources::{Ending, Exit, Extent, first_cause};
use super::server::{Served, Serving};
use super::spawn::Running;
use super::supervise::{Monitor, Next};
use crate::config::HookStage;
use crate::error::{Error, Result};
use crate::hooks;
use crate::init::Plan;
use crate::state::State;
use crate::sys::process;

impl Monitor<'_> {
    /// Releases what a start that failed has acquired, and tells everybody. Returns `error` with what
    /// could not be released.
    pub(super) fn fail(&mut self, error: Error) -> Error {
        let problems = self.release(Extent::All, false);
        let error = problems
            .iter()
            .fold(error, |error, problem| error.note(format!("cleaning up: {problem}")));
        log::error!("{error}");
        self.publish(State::Aborting);
        self.publish(State::Stopping);
        self.set_target("stop");
        self.end_hook(HookStage::Stop, &[]);
        self.server.release();
        publish::state(&self.plan.identity, State::Stopped);
        self.end_hook(HookStage::PostStop, &[]);
        error
    }

    /// Takes the container down and tells everybody, the name last, so that who was told can start
    /// it again.
    pub(super) fn end(&mut self, running: Running, exit: Exit) -> Result<Next> {
        let mut reboot = exit.is_reboot();
        log::info!("init ended with {exit:?}{}", if reboot { ", for a reboot" } else { "" });
        if let Exit::Signal(signal) = exit
            && !exit.is_shutdown()
            && !self.server.killed_init()
        {
            let name = Signal::try_from(signal).map_or("a signal", Signal::as_str);
            log::error!("init died of {name} ({signal}), and no client had asked for that");
        }
        publish::exit(&self.plan.identity, exit.raw());
        self.publish(State::Stopping);
        self.set_target(if reboot { "reboot" } else { "stop" });
        self.run_stop_hooks(&running);
        if reboot {
            self.passing = running.forwards.passing(&self.plan.config);
        }
        let Running { cgroups, namespaces, .. } = running;
        self.device_rules = cgroups.changed_device_rules();
        // Nobody waits for the rest.
        let extent = if reboot { Extent::All } else { Extent::Urgent };
        let mut problems = self.release(extent, false);
        drop(cgroups);
        if reboot {
            self.server.publish_reboot(&self.plan.identity.name);
        } else {
            self.server.release();
        }
        publish::state(&self.plan.identity, State::Stopped);
        drop(namespaces);
        if !self.end_hook(HookStage::PostStop, &[]) && reboot {
            log::error!("the container stops instead of the reboot it asked for");
            reboot = false;
            self.server.release();
        }
        if !reboot {
            self.server.close_told();
        }
        // In a process of its own it would keep the monitor's cgroup busy, and nobody waits for the end
        // of a monitor in the background.
        problems.extend(self.release(Extent::All, !self.plan.daemon && !self.in_own_cgroup));
        if let Some(problem) = first_cause(problems) {
            log::error!("{problem}");
            return Err(problem);
        }
        Ok(if reboot { Next::Reboot } else { Next::Stop(exit) })
    }

    fn release(&mut self, extent: Extent, awaited: bool) -> Vec<Error> {
        let mut ending = Ending { config: &self.plan.config, awaited, emptied: false };
        self.held.release(extent, &mut ending)
    }

    /// Runs the down scripts of links and the stop hooks, which find the namespaces of a container that
    /// does not exist any more, in both ways.
    fn run_stop_hooks(&mut self, running: &Running) {
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
        let links = running.links.list();
        hooks::links_down(config, &identity.name, &links, &self.environment, &mut wait);
        drop(links);
        self.end_hook(HookStage::Stop, &words);
    }

    fn set_target(&mut self, target: &str) {
        hooks::set(&mut self.environment, "LXC_TARGET", target);
    }

    /// Runs the hooks of an end. They are the last to hold the container up: what fails is logged.
    /// Says whether all went well.
    fn end_hook(&mut self, stage: HookStage, words: &[String]) -> bool {
        self.hooks(stage, words).inspect_err(|error| log::error!("{error}")).is_ok()
    }

    pub(super) fn hooks(&mut self, stage: HookStage, words: &[String]) -> Result<()> {
        let Plan { config, identity, .. } = self.plan;
        let served = Served { plan: self.plan, running: None };
        let mut wait = Serving { server: &mut self.server, served };
        hooks::run(config, &identity.name, stage, words, &self.environment, &mut wait)
    }
}
