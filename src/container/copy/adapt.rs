//! What is changed inside a copy: by its clone hooks, and its `/etc/hostname`.

use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::path::Path;

use super::names::set_hostname;
use crate::channel::Block;
use crate::config::{Config, HookStage};
use crate::error::{Error, Result};
use crate::hooks;
use crate::identity::Identity;
use crate::mount::{Root, private, rootfs};
use crate::storage::{self, RootfsMount};

/// A new container to adapt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Adaptation<'a> {
    pub(super) source: &'a Identity,
    pub(super) target: &'a Identity,
    /// Where its configuration is for now.
    pub(super) config_file: &'a Path,
    pub(super) keep_name: bool,
    pub(super) hook_arguments: &'a [String],
}

impl Adaptation<'_> {
    /// Runs the clone hooks of the new container, whose configuration is `config`, and sets its host
    /// name; both with its root filesystem mounted where nobody else sees it. Returns what could not be
    /// done.
    pub(super) fn run(self, config: &Config) -> Result<Vec<String>> {
        // Before entering the namespace: a program such as qemu-nbd would stay in it and keep its mounts.
        let _attached = storage::attach(config)?;
        private::within("the clone hooks", || adapt_in_namespace(self, config))
    }
}

fn adapt_in_namespace(request: Adaptation<'_>, config: &Config) -> Result<Vec<String>> {
    let root = match storage::rootfs_mount(config)? {
        RootfsMount::Bind(path) => Root::open(&path)?,
        source => {
            let ids = |_: BorrowedFd<'_>, _, _: &_| {
                Err(Error::new("the root filesystem is mounted without its id map here"))
            };
            let mut plain = config.clone();
            plain.rootfs.options = None;
            rootfs::prepare(config, &source)?;
            let tree = rootfs::detached(&plain, &source, &ids)?;
            rootfs::attach(config, tree.as_ref())?
        }
    };
    let hooks = environment(&request, config, root.path());
    let name = &request.target.name;
    hooks::run(config, name, HookStage::Clone, request.hook_arguments, &hooks, &mut Block)?;
    if request.keep_name {
        return Ok(Vec::new());
    }
    Ok(set_hostname(&root, name.as_str())?.into_iter().collect())
}

/// The environment of clone hooks (lxc-copy(1), "COPY HOOK").
fn environment(request: &Adaptation<'_>, config: &Config, root: &Path) -> Vec<(String, OsString)> {
    let mut environment = vec![
        ("LXC_SRC_NAME".to_owned(), request.source.name.as_str().into()),
        ("LXC_NAME".to_owned(), request.target.name.as_str().into()),
        ("LXC_CONFIG_FILE".to_owned(), request.config_file.into()),
        ("LXC_ROOTFS_MOUNT".to_owned(), root.into()),
    ];
    if let Some(path) = &config.rootfs.path {
        environment.push(("LXC_ROOTFS_PATH".to_owned(), storage::value(path).into()));
    }
    environment
}
