//! `lxc.sysctl.*`: settings of the container's namespaces, written from inside.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};

use crate::config::Config;
use crate::error::{Context, Result};
use crate::mount::Root;

/// Writes all of them. The root is the container's: what lies at `/proc/sys` must be the kernel's,
/// and be there without a symbolic link (CVE-2025-52881).
pub fn apply(config: &Config) -> Result<()> {
    if config.sysctl.is_empty() {
        return Ok(());
    }
    let root = Root::open(Path::new("/"))?;
    for setting in &config.sysctl {
        let (name, value) = &setting.value;
        write(&root, name, value)
            .what(|| format!("cannot set the sysctl {name} to {value:?}"))
            .map_err(|error| {
                let error = error.at(setting.origin.as_ref());
                if error.is(Errno::ENOENT) || error.is(Errno::ELOOP) {
                    error.hint("the kernel has none of that name, or /proc is not mounted inside: lxc.mount.auto = proc")
                } else {
                    error
                }
            })?;
    }
    Ok(())
}

fn write(root: &Root, name: &str, value: &str) -> std::io::Result<()> {
    let path = Path::new("proc/sys").join(name.replace('.', "/"));
    let file = root.lookup(&path, OFlag::O_WRONLY)?;
    if fstatfs(&file)?.filesystem_type() != PROC_SUPER_MAGIC {
        return Err(Errno::ENOENT.into());
    }
    File::from(file).write_all(value.as_bytes())
}
