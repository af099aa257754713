//! Making a container again from what CRIU wrote of it, in the place of a start.
//!
//! CRIU is executed in the container's cgroups, and there in a cgroup namespace of its own, which the
//! restored processes inherit; its new root is mounted in a mount namespace of its own. The restored
//! init becomes this process's child.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::fd::BorrowedFd;

use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::resources::{Forwards, Init, Links};
use super::spawn::{Before, Running, hold_sources};
use crate::cgroup::{Cgroups, limits::Pass};
use crate::config::Namespace;
use crate::criu::Images;
use crate::error::{Context, Result};
use crate::hooks;
use crate::init::{Plan, command};
use crate::mount::options::{MountIds, Recursive};
use crate::mount::rootfs;
use crate::sys::process::{self, CloneOptions, Cloned};

/// Restores the container of `plan` from `images`. What CRIU made and does not take down on failure is
/// in the cgroups.
pub fn restore(plan: &Plan, images: &Images, before: Before<'_>) -> Result<Running> {
    let Before { layout, held, environment, .. } = before;
    let Plan { identity, config, cgroup: rules, .. } = plan;
    hold_sources(plan, held)?;
    let cgroups = held.push(Cgroups::create(&identity.name, config, rules, layout)?);
    let links = held.prepare(Links::new(identity, config));
    let mut warnings = cgroups.apply(config, Pass::Resources)?;
    let pid = run_criu(plan, images, &cgroups)?;
    let pidfd = process::pidfd_open(pid).context(|| "cannot hold the restored init")?;
    let init = held.push(Init::new(plan, pid, pidfd));
    // One with links cannot be restored; others may add some later.
    let forwards = held.prepare(Forwards::new(identity, &links));
    hooks::set(environment, "LXC_PID", pid.to_string());
    warnings.extend(cgroups.apply(config, Pass::Devices)?);
    let (terminals, namespaces) = Default::default();
    Ok(Running { init, cgroups, links, forwards, terminals, namespaces, warnings })
}

/// Has CRIU make the container again; returns its init.
fn run_criu(plan: &Plan, images: &Images, cgroups: &Cgroups) -> Result<Pid> {
    let pidfile = images.dir.join("restored.pid");
    match std::fs::remove_file(&pidfile) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        result => result.context(|| format!("cannot remove {}", pidfile.display()))?,
    }
    let mut words = images.command("restore")?;
    words.extend(
        ["--restore-detached", "--restore-sibling", "--mntns-compat-mode"].map(OsString::from),
    );
    words.extend(["--pidfile".into(), pidfile.clone().into()]);
    words.extend(["--root".into(), rootfs::mount_point(&plan.config).into()]);
    let cloned = process::clone3(Namespace::Mnt.flag(), CloneOptions::default());
    let Cloned::Parent(criu, _) = cloned.context(|| "cannot make a process for CRIU")? else {
        let Err(error) = become_criu(plan, cgroups, &words);
        log::error!("{error}");
        process::exit_now(127)
    };
    let code = command::wait(criu)?;
    let failed = || images.failure("restore", format!("Restoring {} failed", plan.identity.name));
    if code != 0 {
        return Err(failed().note(format!("criu ended with exit code {code}")));
    }
    let text = std::fs::read_to_string(&pidfile)
        .context(|| format!("cannot read {}", pidfile.display()))?;
    let init = text.trim().parse().map(Pid::from_raw).map_err(|_| failed())?;
    // Only a child's end is told to us: CRIU may have made something else of it.
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    if waitid(Id::Pid(init), look).is_err() {
        return Err(failed().note(format!("pid {init} is not a child of the monitor")));
    }
    Ok(init)
}

/// The steps of the process that becomes CRIU.
fn become_criu(plan: &Plan, cgroups: &Cgroups, words: &[OsString]) -> Result<Infallible> {
    cgroups.enter(false)?;
    if plan.namespaces.has(Namespace::Cgroup) {
        process::unshare(Namespace::Cgroup.flag()).context(|| "cannot make a cgroup namespace")?;
    }
    rootfs::detach_from_host()?;
    let set_ids = |_: BorrowedFd<'_>, _: Recursive, _: &MountIds| Ok(());
    let tree = rootfs::detached(&plan.config, &plan.rootfs, &set_ids)?;
    rootfs::attach(&plan.config, tree.as_ref())?;
    process::silence_stdio().context(|| "cannot open /dev/null")?;
    process::reset_signal_handlers();
    process::unblock_signals();
    Err(command::execute_program(words))
}
