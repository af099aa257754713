//! Destroying a container: its storage, its directory, what a dead monitor left.

use super::list::is_defined;
use super::lock::{definition, is_being_created};
use super::stop;
use crate::config::{Config, Document, HookStage, SystemConfig};
use crate::error::{Error, Kind, Result};
use crate::identity::Identity;
use crate::monitor::client::Client;
use crate::monitor::hooks;
use crate::state::State;
use crate::storage::{self, tree};

/// Destroys the container; `force` kills it first if it runs.
pub fn destroy(identity: &Identity, force: bool) -> Result<()> {
    let dir = identity.dir();
    if !is_defined(identity)? && !dir.join("partial").exists() {
        return Err(Error::new("Container is not defined").kind(Kind::NotDefined));
    }
    if Client::new(identity).state()? != State::Stopped {
        if !force {
            return Err(Error::new(format!("{identity} is running"))
                .hint(format!("stop it first, or: lxc-destroy -f -n {identity}")));
        }
        stop::kill(identity)?;
    }
    let _lock = definition(identity)?;
    if is_being_created(identity)? {
        return Err(Error::new("Ongoing container creation detected"));
    }
    refuse_dependents(identity)?;
    // A configuration that cannot be read must not keep its container from being removed; but then
    // it is not known to lie elsewhere either, and only the container's own directory goes.
    let config = Document::load(&identity.config_file()).map(|document| document.config);
    if let Ok(config) = &config {
        run_hooks(identity, config)?;
        storage::destroy(config, &dir)?;
    }
    tree::remove(&dir)?;
    let config = config.unwrap_or_default();
    let pattern = SystemConfig::load()?.get("lxc.cgroup.pattern");
    crate::cgroup::remove::sweep(&identity.name, &config, pattern.as_deref())
}

fn refuse_dependents(identity: &Identity) -> Result<()> {
    let dir = identity.dir();
    let has = |file: &str| {
        let text = std::fs::read_to_string(dir.join(file)).unwrap_or_default();
        !text.trim().is_empty() && text.trim() != "0"
    };
    if has("lxc_snapshots") {
        return Err(Error::new(format!("Destroying {identity} failed: {identity} has clones"))
            .hint("destroy the clones first"));
    }
    let mut snapshots = std::fs::read_dir(dir.join("snaps")).into_iter().flatten();
    if snapshots.next().is_some() {
        return Err(Error::new(format!("Destroying {identity} failed: {identity} has snapshots"))
            .hint("remove the snapshots first"));
    }
    Ok(())
}

fn run_hooks(identity: &Identity, config: &Config) -> Result<()> {
    let mount = crate::mount::rootfs::mount_point(config);
    let mut environment = vec![
        ("LXC_NAME".to_owned(), identity.name.as_str().into()),
        ("LXC_CONFIG_FILE".to_owned(), identity.config_file().into()),
        ("LXC_ROOTFS_MOUNT".to_owned(), mount.into()),
    ];
    if let Some(path) = &config.rootfs.path {
        environment.push(("LXC_ROOTFS_PATH".to_owned(), path.source.clone().into()));
    }
    hooks::run(config, &identity.name, HookStage::Destroy, &[], &environment)
}
