//! The container's name in the DNS of its bridge.

use super::super::client;
use super::{Ending, Kind, Links, Resource};
use crate::config::Config;
use crate::error::Result;
use crate::identity::Identity;
use crate::network::forward::Holder;
use crate::network::host::names::Names;

/// Its name, as far as it has one.
#[derive(Debug)]
pub struct Named(Identity);

pub(super) static NAME: Kind =
    Kind { name: "name", reclaim: |orphan| Names::of_host().remove(orphan.identity) };

impl Named {
    /// None yet.
    pub fn new(identity: &Identity) -> Self {
        Self(identity.clone())
    }

    /// Gives it to the container over `links`. It runs without one, too: returns a warning of what is in the way.
    pub fn add(&self, config: &Config, links: &Links) -> Option<String> {
        let holder = Holder { identity: &self.0, runs: client::is_held };
        let added = Names::of_host().add(holder, config, &links.list());
        added.unwrap_or_else(Some).map(|warning| warning.to_string())
    }
}

impl Resource for Named {
    fn kind(&self) -> &'static Kind {
        &NAME
    }

    fn release(&self, _: &mut Ending<'_>) -> Result<()> {
        Names::of_host().remove(&self.0)
    }
}
