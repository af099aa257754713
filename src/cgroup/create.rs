//! Making the cgroups of a container.

use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;

use super::directory::{self, CgroupDir, create_dir};
use super::layout::{Hierarchy, Layout};
use super::limits;
use super::naming::{HostRules, Naming};
use super::tree::Cgroups;
use crate::config::Config;
use crate::error::Result;
use crate::identity::ContainerName;
use crate::sys::lock::FileLock;

impl Cgroups {
    /// Makes the container's directory in every hierarchy this user may write, all of one name.
    ///
    /// A taken name gets a suffix, the same in all hierarchies. Fails with nothing made.
    pub fn create(
        name: &ContainerName,
        config: &Config,
        rules: &HostRules,
        layout: Layout,
    ) -> Result<Self> {
        let naming = Naming::of_payload(name, config, rules);
        let origin = config.origin("lxc.cgroup.dir.container");
        let create = |hierarchy: &Hierarchy, path: &Path| {
            create_dir(hierarchy, path, naming.inner.as_deref(), |limit| {
                limits::prepare_devices(hierarchy, limit, config)
            })
        };
        let (dirs, lock) =
            naming.first_free(origin, |path| Self::create_as(&layout, path, create))?;
        Ok(Self::of(layout, dirs, naming.inner, lock))
    }

    /// Whoever has the first directory, and its lock, has the name in all hierarchies: it is made first
    /// and removed last.
    fn create_as(
        layout: &Layout,
        path: &Path,
        create: impl Fn(&Hierarchy, &Path) -> Result<Option<CgroupDir>>,
    ) -> Result<(Vec<CgroupDir>, Option<FileLock>)> {
        let mut dirs = Vec::with_capacity(layout.hierarchies.len());
        let mut lock = None;
        for hierarchy in &layout.hierarchies {
            let mut created = create(hierarchy, path);
            if lock.is_none() && created.as_ref().is_err_and(|error| error.is(Errno::ENOENT)) {
                // Another process took the directory for a dead container's before it could be locked.
                created = create(hierarchy, path);
            }
            match created {
                Ok(Some(dir)) => {
                    if dirs.is_empty() {
                        lock = Some(directory::hold(&dir)?);
                        directory::mark(dir.limit.as_fd());
                    }
                    dirs.push(dir);
                }
                Ok(None) => {}
                Err(error) => {
                    dirs.iter().rev().for_each(directory::remove_dir);
                    return Err(error);
                }
            }
        }
        Ok((dirs, lock))
    }
}
