//! The ports of the host that lead to the container.

use std::cell::{Ref, RefCell};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use nix::sys::wait::waitpid;
use nix::unistd::{Pid, geteuid, getpid, getppid};

use super::super::{client, title};
use super::{Ending, Kind, Links, Resource};
use crate::channel::Channel;
use crate::config::{Config, Namespace};
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::namespace::set;
use crate::network::forward::{self, Active, Follower, Holder, Ports};
use crate::sys::process::{self, CloneOptions, Cloned};

/// Those of the configuration, and others that come while it runs.
#[derive(Debug)]
pub struct Forwards {
    identity: Identity,
    links: Rc<Links>,
    /// Where the configuration fixes no address.
    follower: RefCell<Option<Follower>>,
    /// Where the host's packet filter is not ours to change.
    relay: RefCell<Option<Relay>>,
}

pub(super) static FORWARDS: Kind =
    Kind { name: "forwards", reclaim: |orphan| forward::release(orphan.identity) };

impl Forwards {
    /// None yet, over `links`.
    pub fn new(identity: &Identity, links: &Rc<Links>) -> Self {
        Self {
            identity: identity.clone(),
            links: links.clone(),
            follower: RefCell::default(),
            relay: RefCell::default(),
        }
    }

    /// Adds those that `config` asks for, and `passing`, which were there before a reboot, as far as the
    /// container's addresses are known, and watches for others in the network namespace of `init`. Returns
    /// warnings.
    pub fn add(&self, config: &Config, passing: Vec<Active>, init: Pid) -> Result<Vec<String>> {
        if !geteuid().is_root() {
            let wanted = forward::configured_by_user(config)?;
            if !wanted.is_empty() {
                let ports = forward::listen(wanted)?;
                self.relay.replace(Some(Relay::start(&self.identity, &ports, init)?));
            }
            return Ok(Vec::new());
        }
        let wanted = forward::configured(config)?;
        let again = forward::again(&passing, config)?;
        if forward::needs_follower(&wanted) || forward::needs_follower(&again) {
            let namespace = set::open(init, Namespace::Net)?;
            self.follower.replace(Some(Follower::new(namespace, passing)?));
        }
        let mut warnings = self.over_links(|holder, links| forward::add(holder, &wanted, links))?;
        warnings.extend(self.over_links(|holder, links| forward::add_each(holder, &again, links)));
        Ok(warnings)
    }

    /// Those that are not of `config`, for the container's next life. What fails is logged.
    pub fn passing(&self, config: &Config) -> Vec<Active> {
        let mut passing = forward::passing(&self.identity, config).unwrap_or_else(|error| {
            log::error!("what is forwarded beside the configuration ends: {error}");
            Vec::new()
        });
        passing.extend(self.follower().iter().flat_map(|follower| follower.pending()));
        passing
    }

    /// What follows the container's addresses, if something does: to be waited for, and then
    /// [followed](Self::follow).
    pub fn follower(&self) -> Option<Ref<'_, Follower>> {
        Ref::filter_map(self.follower.borrow(), Option::as_ref).ok()
    }

    /// Forwards to the addresses that the container has by now. It runs whatever becomes of that: what fails
    /// is logged.
    pub fn follow(&self, config: &Config) {
        let mut follower = self.follower.borrow_mut();
        let Some(follower) = follower.as_mut() else { return };
        match self.over_links(|holder, links| follower.follow(holder, config, links)) {
            Ok(warnings) => warnings.iter().for_each(|warning| log::warn!("{warning}")),
            Err(error) => log::error!("{error}"),
        }
    }

    fn over_links<T>(&self, act: impl FnOnce(Holder<'_>, &[&str]) -> T) -> T {
        let links = self.links.list();
        let names: Vec<&str> = links.iter().filter_map(|link| link.host_name.as_deref()).collect();
        act(Holder { identity: &self.identity, runs: client::is_held }, &names)
    }
}

impl Resource for Forwards {
    fn kind(&self) -> &'static Kind {
        &FORWARDS
    }

    fn release(&self, _: &mut Ending<'_>) -> Result<()> {
        drop(self.relay.take());
        forward::release(&self.identity)
    }
}

/// The process that passes connections on; it ends with this, with the monitor, and with the container's init.
#[derive(Debug)]
struct Relay {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Relay {
    fn start(identity: &Identity, ports: &Ports, init: Pid) -> Result<Self> {
        let (ours, theirs) = Channel::pair()?;
        let monitor = getpid();
        let cloned = process::clone3(0, CloneOptions::default());
        let Cloned::Parent(pid, pidfd) = cloned.context(|| "cannot make a process that relays")?
        else {
            drop(ours);
            let end = relay_ready(identity, ports, (init, monitor), &theirs);
            let said = theirs.send(&end.as_ref().map(|_| ()), &[]);
            drop(theirs);
            let served = said.and(end).and_then(|end| ports.serve(end.as_fd()));
            process::exit_now(i32::from(served.is_err()));
        };
        drop(theirs);
        let relay = Self { pid, pidfd };
        match ours.receive::<Result<()>>()? {
            Some((result, _)) => result.map(|()| relay),
            None => Err(Error::new("the process that relays connections died")),
        }
    }
}

/// Makes this copy of the monitor one that only relays.
fn relay_ready(
    identity: &Identity,
    ports: &Ports,
    (init, monitor): (Pid, Pid),
    channel: &Channel,
) -> Result<OwnedFd> {
    let failed = || "cannot make a process that relays";
    let mut kept = ports.descriptors();
    kept.push(channel.as_fd());
    process::close_all_but(&kept).context(failed)?;
    process::silence_stdio().context(failed)?;
    process::reset_signal_handlers();
    title::set(&title::of_relay(identity))?;
    let end = forward::enter(init)?;
    // Not before: the kernel forgets it with a change of capabilities.
    process::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64).context(failed)?;
    if getppid() == monitor { Ok(end) } else { Err(Error::new("the monitor is gone")) }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It may have ended on its own.
        let _ = process::pidfd_send_signal(self.pidfd.as_fd(), libc::SIGKILL);
        let _ = waitpid(self.pid, None);
    }
}
