//! Which devices a container may use on cgroup v2, where the kernel has no list for it but asks a BPF
//! program (kernel: admin-guide/cgroup-v2.rst, "Device controller").
//!
//! [`rule`] holds the rules, as v1 writes them; [`program`] makes the program of them. Attaching
//! replaces the program before in one step, so there is no moment without one.

pub mod instruction;
pub mod program;
pub mod rule;

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
}

/// Lets only what `rules` allow be used in the cgroup `dir` and below.
pub fn attach(dir: BorrowedFd<'_>, rules: &Rules) -> Result<Attached> {
    replace(dir, rules, None)
}

/// Puts the program of `rules` in the place of `old` in one step.
pub fn replace(dir: BorrowedFd<'_>, rules: &Rules, old: Option<&Attached>) -> Result<Attached> {
    let failed = |error: &std::io::Error| {
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
    let program = bpf::load_device_program(&program::compile(rules)).map_err(|e| failed(&e))?;
    let old = old.map(|old| old.program.as_fd());
    bpf::attach_device_program(dir, program.as_fd(), old).map_err(|error| failed(&error))?;
    Ok(Attached { program })
}
