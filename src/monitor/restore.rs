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

use super::spawn::Running;
use crate::cgroup::{Cgroups, Layout, limits::Pass};
use crate::config::Namespace;
use crate::criu::Images;
use crate::error::{Context, Result};
use crate::hooks;
use crate::init::{Plan, command};
use crate::mount::options::{MountIds, Recursive};
use crate::mount::rootfs;
use crate::namespace::Ids;
use crate::sys::process::{self, CloneOptions, Cloned};

/// Restores the container of `plan` from `images`. On failure nothing is left of it.
pub fn restore(
    plan: &Plan,
    images: &Images,
    layout: Layout,
    environment: &mut Vec<(String, OsString)>,
) -> Result<Running> {
    let Plan { identity, config, cgroup: rules, .. } = plan;
    let cgroups = Cgroups::create(&identity.name, config, rules, layout)?;
    match build(plan, images, &cgroups, environment) {
        Ok((init, warnings)) => {
            let pidfd = process::pidfd_open(init).context(|| "cannot hold the restored init")?;
            Ok(Running {
                init,
                pidfd,
                cgroups,
                links: Vec::new(),
                devpts: None,
                console: None,
                ttys: Vec::new(),
                namespaces: Vec::new(),
                warnings,
            })
        }
        Err(mut error) => {
            // CRIU takes down what it made; what it did not is in these cgroups.
            for problem in [cgroups.kill_all().err(), cgroups.remove(Ids::of(config)).err()]
                .into_iter()
                .flatten()
            {
                error = error.note(format!("cleaning up: {problem}"));
            }
            Err(error)
        }
    }
}

fn build(
    plan: &Plan,
    images: &Images,
    cgroups: &Cgroups,
    environment: &mut Vec<(String, OsString)>,
) -> Result<(Pid, Vec<String>)> {
    let mut warnings = cgroups.apply(&plan.config, Pass::Resources)?;
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
    hooks::set(environment, "LXC_PID", init.to_string());
    warnings.extend(cgroups.apply(&plan.config, Pass::Devices)?);
    Ok((init, warnings))
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
