//! The container's name in the DNS of its bridge.

use std::rc::Rc;

use nix::unistd::geteuid;

use super::super::client;
use super::{Ending, Kind, Links, Resource};
use crate::config::Config;
use crate::error::Result;
use crate::identity::Identity;
use crate::network::forward::Holder;
use crate::network::host::names::Names;

/// Its name, as far as it has one.
#[derive(Debug)]
pub struct Named {
    identity: Identity,
    links: Rc<Links>,
}

pub(super) static NAME: Kind = Kind {
    name: "name",
    // What an ordinary user's has by DHCP ends by itself.
    reclaim: |orphan| {
        if is_registered() { Names::of_host().remove(orphan.identity) } else { Ok(()) }
    },
};

/// Whether the name is this user's to register. Others' containers tell it themselves, by DHCP.
fn is_registered() -> bool {
    geteuid().is_root()
}

impl Named {
    /// None yet, over `links`.
    pub fn new(identity: &Identity, links: &Rc<Links>) -> Self {
        Self { identity: identity.clone(), links: links.clone() }
    }

    /// Gives it to the container. It runs without one, too: returns a warning of what is in the way.
    pub fn add(&self, config: &Config) -> Option<String> {
        if !is_registered() {
            return None;
        }
        let holder = Holder { identity: &self.identity, runs: client::is_held };
        let added = Names::of_host().add(holder, config, &self.links.list());
        added.unwrap_or_else(Some).map(|warning| warning.to_string())
    }
}

impl Resource for Named {
    fn kind(&self) -> &'static Kind {
        &NAME
    }

    fn release(&self, ending: &mut Ending<'_>) -> Result<()> {
        let names = Names::of_host();
        if is_registered() {
            names.remove(&self.identity)
        } else {
            names.give_back(ending.config, &self.links.list())
        }
    }
}
