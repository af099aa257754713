//! How much of the disk a container may take: a change of `lxc.rootfs.size` that holds at once.

use super::lock::definition;
use super::operation::Operation;
use crate::config::{Document, show_bytes};
use crate::error::{Error, Kind, Result};
use crate::identity::Identity;
use crate::monitor::client::Client;
use crate::state::State;
use crate::storage::size::{self, Usage};

const TOOL: &str = "lxc-rs storage size";

/// What the container takes and may take, by its configuration; `None` if it has no limit.
pub fn of(identity: &Identity) -> Result<Option<Usage>> {
    size::usage(&Document::load(&identity.config_file())?.config)
}

/// Lets the container have `size` bytes of the disk, or as many as there are, and writes that into its
/// configuration. Refused if it has more already.
pub fn set(identity: &Identity, size: Option<u64>) -> Result<()> {
    super::list::require_defined(identity)?;
    if Client::new(identity).state()? == State::Stopped {
        let _operation = Operation::begin(identity, TOOL)?;
        return change(identity, size);
    }
    let _lock = definition(identity)?;
    // A process in it could write to a file that is not counted yet.
    if size.is_some() && of(identity)?.is_none() {
        return Err(Error::new(format!("{identity} was started without a limit of its size"))
            .kind(Kind::AlreadyRunning)
            .hint("stop it, set the size, and start it again"));
    }
    change(identity, size)
}

fn change(identity: &Identity, size: Option<u64>) -> Result<()> {
    let path = identity.config_file();
    let before = Document::load(&path)?;
    let mut document = before.clone();
    document.set("lxc.rootfs.size", "", TOOL)?;
    if let Some(size) = size {
        document.set("lxc.rootfs.size", &show_bytes(&size), TOOL)?;
    }
    size::check(&document.config)?;
    if size.unwrap_or(u64::MAX) < before.config.rootfs.size.unwrap_or(u64::MAX) {
        size::apply(&document.config)?;
        return document.save(&path);
    }
    // Some storage that has grown does not shrink any more: what is killed is completed by the next start.
    document.save(&path)?;
    size::apply(&document.config).inspect_err(|_| {
        if let Err(error) = before.save(&path) {
            log::error!("{error}");
        }
    })
}
