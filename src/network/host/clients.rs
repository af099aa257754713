//! Who uses the network, for people and programs that look.

use serde::Serialize;

use super::names::{Entry, Lease, leases};
use super::{HostNetwork, bridge};
use crate::error::Result;

/// Who uses the network.
#[derive(Clone, Debug, Serialize)]
pub struct Clients {
    /// The bridge's addresses, with the bits of their networks.
    pub addresses: Vec<String>,
    /// The names that are served; `None` if none are: LXC's own lxc-net was started.
    pub names: Option<Vec<Entry>>,
    /// The addresses that clients have by DHCP.
    pub leases: Vec<Lease>,
}

impl HostNetwork {
    /// Who uses it.
    pub fn clients(&self) -> Result<Clients> {
        let addresses = bridge::addresses(&self.settings.bridge)?;
        let mut leases = leases::read(&self.settings.leases())?;
        leases.sort_by_key(|lease| lease.address);
        Ok(Clients {
            addresses: addresses.iter().map(|(own, prefix)| format!("{own}/{prefix}")).collect(),
            names: self.names.all()?,
            leases,
        })
    }
}

impl Clients {
    /// The name of the link `link` on the host.
    pub fn name_of(&self, link: &str) -> Option<&Entry> {
        let mut names = self.names.iter().flatten();
        names.find(|name| name.links.iter().any(|one| one == link))
    }

    /// The leases of addresses that no container with a name has.
    pub fn others(&self) -> impl Iterator<Item = &Lease> {
        let has = |lease: &Lease| {
            let mut named = self.names.iter().flatten().flat_map(|name| &name.addresses);
            named.any(|address| *address == lease.address)
        };
        self.leases.iter().filter(move |lease| !has(lease))
    }
}
