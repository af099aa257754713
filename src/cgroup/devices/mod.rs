//! Which devices a container may use on cgroup v2, where the kernel has no list for it but asks a BPF
//! program (kernel: admin-guide/cgroup-v2.rst, "Device controller").
//!
//! [`rule`] holds the rules, as v1 writes them; [`program`] makes the program of them, which counts what
//! it denies ([`denied`]). A newly attached program replaces the previous one atomically, so the rules are
//! always in force.

pub mod denied;
mod instruction;
mod program;
mod rule;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

pub use rule::{Access, Action, DeviceKind, Rule, Rules};

use crate::error::{Error, Result};
use crate::sys::bpf;

/// A program attached to a cgroup; it stays attached when this is dropped, as long as the cgroup is
/// there.
#[derive(Debug)]
pub struct Attached {
    program: OwnedFd,
    /// Where it counts what it denies; `None` if the kernel has no such tables.
    table: Option<OwnedFd>,
}

/// Lets only what `rules` allow be used in the cgroup `dir` and below.
pub fn attach(dir: BorrowedFd<'_>, rules: &Rules) -> Result<Attached> {
    replace(dir, rules, None)
}

/// Puts the program of `rules` in the place of `old` in one step.
pub fn replace(dir: BorrowedFd<'_>, rules: &Rules, old: Option<&Attached>) -> Result<Attached> {
    let failed = |error: &io::Error| {
        let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
        let error = Error::new("cannot set the container's device rules").errno(errno);
        match errno {
            Errno::EPERM => error.hint(
                "cgroup v2 wants CAP_BPF or root for device rules; an unprivileged container is \
                 confined by its user namespace, so clear them: lxc.cgroup2.devices.allow =",
            ),
            Errno::EINVAL | Errno::ENOSYS => {
                error.hint("the kernel needs CONFIG_CGROUP_BPF (Linux 4.15, 5.6 to replace rules)")
            }
            _ => error,
        }
    };
    let table = match old {
        // What was counted so far stays.
        Some(old) => old.table.as_ref().and_then(|table| table.try_clone().ok()),
        None => denied::make().inspect_err(not_counted).ok(),
    };
    let (program, table) = load(rules, table).map_err(|error| failed(&error))?;
    let old = old.map(|old| old.program.as_fd());
    bpf::attach_device_program(dir, program.as_fd(), old).map_err(|error| failed(&error))?;
    Ok(Attached { program, table })
}

/// Loads the program of `rules`, which counts in `table` if the kernel lets it (Linux 5.8).
fn load(rules: &Rules, table: Option<OwnedFd>) -> io::Result<(OwnedFd, Option<OwnedFd>)> {
    let load = |table: Option<&OwnedFd>| {
        bpf::load_device_program(&program::compile(rules, table.map(AsFd::as_fd)))
    };
    if let Some(table) = table {
        match load(Some(&table)) {
            Ok(program) => return Ok((program, Some(table))),
            Err(error) => not_counted(&error),
        }
    }
    Ok((load(None)?, None))
}

fn not_counted(error: &io::Error) {
    log::info!("denied devices are not counted: {error}");
}
