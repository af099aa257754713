//! The ports of the host that lead to the container.

use std::cell::{Ref, RefCell};
use std::rc::Rc;

use nix::unistd::Pid;

use super::super::client;
use super::{Ending, Kind, Links, Resource};
use crate::config::{Config, Namespace};
use crate::error::Result;
use crate::identity::Identity;
use crate::namespace::set;
use crate::network::forward::{self, Follower, Holder};

/// Those of the configuration, and others that come while it runs.
#[derive(Debug)]
pub struct Forwards {
    identity: Identity,
    links: Rc<Links>,
    /// Where the configuration fixes no address.
    follower: RefCell<Option<Follower>>,
}

pub(super) static FORWARDS: Kind =
    Kind { name: "forwards", reclaim: |orphan| forward::release(orphan.identity) };

impl Forwards {
    /// None yet, over `links`.
    pub fn new(identity: &Identity, links: &Rc<Links>) -> Self {
        Self { identity: identity.clone(), links: links.clone(), follower: RefCell::default() }
    }

    /// Adds those that `config` asks for, as far as the container's addresses are known, and watches for
    /// others in the network namespace of `init`. Returns warnings.
    pub fn add(&self, config: &Config, init: Pid) -> Result<Vec<String>> {
        let wanted = forward::configured(config)?;
        if forward::needs_follower(&wanted) {
            let namespace = set::open(init, Namespace::Net)?;
            self.follower.replace(Some(Follower::new(namespace)?));
        }
        self.over_links(|holder, links| forward::add(holder, &wanted, links))
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
        forward::release(&self.identity)
    }
}
