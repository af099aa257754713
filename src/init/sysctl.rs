//! `lxc.sysctl.*`: settings of the container's namespaces, written from inside.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};

use crate::config::Config;
use crate::error::{Context, Error, Result};
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
            .context(|| format!("cannot set the sysctl {name} to {value:?}"))
            .map_err(|error| {
                let error = error.at(setting.origin.as_ref());
                match hint(&error, name) {
                    Some(hint) => error.hint(hint),
                    None => error,
                }
            })?;
    }
    Ok(())
}

fn hint(error: &Error, name: &str) -> Option<&'static str> {
    Some(match Errno::from_raw(error.errno?) {
        Errno::ENOENT | Errno::ELOOP => {
            "the kernel has none of that name, or /proc is not mounted inside: lxc.mount.auto = proc"
        }
        Errno::EROFS if name.starts_with("net.") => {
            "/proc/sys/net is writable with lxc.mount.auto = proc:mixed and the capability net_admin, \
             or with proc:rw"
        }
        Errno::EROFS => {
            "/proc/sys is read-only with lxc.mount.auto = proc:mixed: write proc:rw, or set it from a \
             mount hook"
        }
        Errno::EACCES | Errno::EPERM => {
            "it belongs to a namespace that the container shares with the host, or to the whole host"
        }
        Errno::EINVAL => "the kernel does not take this value",
        _ => return None,
    })
}

fn write(root: &Root, name: &str, value: &str) -> std::io::Result<()> {
    let path = Path::new("proc/sys").join(name.replace('.', "/"));
    let file = root.lookup(&path, OFlag::O_WRONLY)?;
    if fstatfs(&file)?.filesystem_type() != PROC_SUPER_MAGIC {
        return Err(Errno::ENOENT.into());
    }
    File::from(file).write_all(value.as_bytes())
}
