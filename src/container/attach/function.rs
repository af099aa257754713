//! A function of the caller's program in the container: the same steps as for a command, laid out for a fork
//! of a process that may have threads (`lxc_sys::forked`).
//!
//! Everything is found out before. The descriptors of the caller stay open in there, as its function may use
//! them; until it executes something nobody inside can look into the process.

use std::ffi::{CString, c_int};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::wait::waitpid;

use super::target::Target;
use super::{Request, environment};
use crate::cgroup::LEAF;
use crate::config::Namespace;
use crate::error::{Context, Error, Result};
use crate::monitor::client::Client;
use crate::namespace::NamespaceSet;
use crate::security::{attributes, selinux};
use crate::sys::forked::{Forked, Plan, Step, Steps};
use crate::sys::{process, seccomp};

/// A function's way into a container. Made in the calling process, which is not changed.
#[derive(Debug)]
pub struct Prepared {
    plan: Plan,
    client: Client,
    /// What the steps use.
    _held: Vec<OwnedFd>,
}

impl Prepared {
    /// Lays out the way. The command in `request` is not used; each of `standard` that is given is the
    /// function's standard descriptor instead of the caller's.
    pub(crate) fn new(request: &Request, standard: [Option<BorrowedFd<'_>>; 3]) -> Result<Self> {
        let client = Client::new(&request.identity);
        let init = client.init_from_equal()?;
        let target = Target::find(request, &client, init)?;
        let mut way = Way { request, target: &target, steps: Vec::new(), held: Vec::new() };
        way.outside()?;
        let outside = std::mem::take(&mut way.steps);
        way.inside(standard)?;
        let Way { steps: inside, mut held, .. } = way;
        let variables = environment::of_command(request, &target).into_iter();
        let environment = variables.filter_map(|one| CString::new(one.into_vec()).ok()).collect();
        let Target { pidfd, cgroups, .. } = target;
        held.extend(cgroups);
        held.push(pidfd);
        Ok(Self { plan: Plan { outside, inside, environment }, client, _held: held })
    }

    /// The steps.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What became of it: the pid of the child that calls the function.
    pub fn done(self, forked: std::io::Result<Forked>) -> Result<i32> {
        let (pid, listener) = match forked.context(|| "cannot run the function")? {
            Forked::Begun(pid, listener) => (pid, listener),
            Forked::Failed(what, errno) => return Err(Error::new(what).errno(errno)),
        };
        if let Some(listener) = listener
            && let Err(error) = self.client.add_seccomp_listeners(&[listener])
        {
            // Nobody would answer its calls. It has not been waited for, so the number is its own.
            let killed = process::pidfd_open(pid)
                .and_then(|pidfd| process::pidfd_send_signal(pidfd.as_fd(), libc::SIGKILL));
            if killed.is_ok() {
                while waitpid(pid, None) == Err(Errno::EINTR) {}
            }
            return Err(error);
        }
        Ok(pid.as_raw())
    }
}

/// A list of steps that grows.
struct Way<'a> {
    request: &'a Request,
    target: &'a Target,
    steps: Steps,
    held: Vec<OwnedFd>,
}

impl Way<'_> {
    fn add(&mut self, step: Step, what: impl Into<String>) {
        self.steps.push((step, what.into()));
    }

    /// Keeps others from looking in; again after each change of ids.
    fn stay_closed(&mut self) {
        self.add(Step::Prctl(libc::PR_SET_DUMPABLE, 0), "cannot protect the process");
    }

    /// The steps with the caller's rights, and those into namespaces that only count for children.
    fn outside(&mut self) -> Result<()> {
        let target = self.target;
        self.stay_closed();
        if !target.keeps_keyring {
            let [keyring, context] = &target.key_contexts;
            if let Some((file, context)) = selinux::key_label(Some(keyring), Some(context)) {
                let step = Step::Write(path(file)?, context.as_bytes().to_vec());
                self.add(step, "cannot set the context of keyrings");
            }
            self.add(Step::Keyring, "cannot make a session keyring");
        }
        for setting in &target.attributes.proc {
            let (file, value) = &setting.value;
            let file = format!("/proc/self/{file}");
            let what = format!("cannot write {value:?} to {file}");
            self.add(Step::Write(path(&file)?, value.clone().into_bytes()), what);
        }
        if target.core_cookie_of.is_some() {
            let what = "cannot take the container's core scheduling cookie";
            self.add(Step::CoreCookie(target.pid), what);
        }
        for dir in &target.cgroups {
            let step = Step::Cgroup(dir.as_raw_fd(), path(LEAF)?);
            self.add(step, "cannot enter the container's cgroup");
        }
        if target.namespaces.has(Namespace::Pid) {
            let first = if target.by_user_namespace {
                // The mounts last: until then /proc is that of the caller's pid namespace.
                target.namespaces.without(Namespace::Mnt)
            } else {
                NamespaceSet::of([Namespace::Pid])
            };
            self.join(first)?;
        }
        Ok(())
    }

    /// The other steps.
    fn inside(&mut self, standard: [Option<BorrowedFd<'_>>; 3]) -> Result<()> {
        let (request, target) = (self.request, self.target);
        if let Some(label) = &target.label {
            let (files, _) = label.own();
            let files = files.iter().map(path).collect::<Result<_>>()?;
            self.add(Step::Open(files), "cannot open the file of the security label");
        }
        for setting in &target.attributes.prlimit {
            let (name, limit) = &setting.value;
            let (soft, hard) = (limit.soft.unwrap_or(u64::MAX), limit.hard.unwrap_or(u64::MAX));
            let step = Step::Limit(attributes::limit_number(name)?, soft, hard);
            self.add(step, format!("cannot set the limit {name}"));
        }
        let is_in_all_others = target.by_user_namespace && target.namespaces.has(Namespace::Pid);
        let left = target.namespaces.kinds().filter(|kind| {
            if is_in_all_others { *kind == Namespace::Mnt } else { *kind != Namespace::Pid }
        });
        self.join(NamespaceSet::of(left))?;
        if target.namespaces.has(Namespace::Mnt) {
            self.add(Step::ToRoot, "cannot enter the container's root");
        } else if request.remount {
            self.remount()?;
        }
        self.add(Step::Session, "cannot start a session");
        self.connect(standard)?;
        self.restrict();
        let own = std::env::current_dir().ok();
        let directory = request.directory.as_deref().or(own.as_deref());
        if (target.namespaces.has(Namespace::Mnt) || request.directory.is_some())
            && let Some(directory) = directory
        {
            let directory = CString::new(directory.as_os_str().as_bytes());
            let directory =
                directory.map_err(|_| Error::new("a directory has a NUL in its name"))?;
            self.add(Step::ToDirectory(directory), "cannot change the directory");
        }
        // The function sees the caller's descriptors, and none of these.
        let ours: Vec<RawFd> = self
            .held
            .iter()
            .chain([&target.pidfd])
            .chain(&target.cgroups)
            .map(AsRawFd::as_raw_fd)
            .collect();
        for fd in ours {
            self.add(Step::Close(fd), "cannot close a descriptor");
        }
        Ok(())
    }

    /// Joins these namespaces: all at once, or one by one where one of them is this process's own.
    fn join(&mut self, kinds: NamespaceSet) -> Result<()> {
        if kinds.is_empty() {
            return Ok(());
        }
        for (fd, flags, what) in self.target.ways_to_join(kinds, &mut self.held)? {
            self.add(Step::Join(fd, c_int::try_from(flags).unwrap_or(0)), what);
        }
        self.stay_closed();
        Ok(())
    }

    fn remount(&mut self) -> Result<()> {
        let unshare = c_int::try_from(Namespace::Mnt.flag()).unwrap_or(0);
        self.add(Step::Unshare(unshare), "cannot make a mount namespace");
        let slaves = Step::Mount(None, path("/")?, libc::MS_REC | libc::MS_SLAVE);
        self.add(slaves, "cannot make mounts slaves");
        for (fstype, target) in [("proc", "/proc"), ("sysfs", "/sys")] {
            self.add(Step::Unmount(path(target)?), "");
            let mount = Step::Mount(Some(path(fstype)?), path(target)?, 0);
            self.add(mount, format!("cannot mount {target}"));
        }
        Ok(())
    }

    /// Puts `standard` in place of the caller's.
    fn connect(&mut self, standard: [Option<BorrowedFd<'_>>; 3]) -> Result<()> {
        for (fd, number) in standard.into_iter().zip(0..) {
            let Some(fd) = fd else { continue };
            // A copy that is none of the three, so that none overwrites another.
            let copy =
                process::duplicate_above(fd, 3).context(|| "cannot duplicate a descriptor")?;
            let step = Step::Duplicate(copy.as_raw_fd(), number);
            self.add(step, "cannot connect a standard descriptor");
            self.held.push(copy);
        }
        Ok(())
    }

    /// Gives up what the container may not have.
    fn restrict(&mut self) {
        let (request, target) = (self.request, self.target);
        if let Some(persona) = target.persona {
            self.add(Step::Personality(persona.into()), "cannot set the personality");
        }
        self.add(Step::InheritNothing, "cannot clear the inheritable capabilities");
        if !request.elevated.capabilities {
            self.add(Step::KeepCapabilities(target.capabilities), "cannot drop capabilities");
        }
        let groups = request.groups.clone().unwrap_or_default();
        let wanted = !groups.is_empty();
        self.add(Step::Groups(groups, wanted), "cannot set the supplementary groups");
        let has_users = target.namespaces.has(Namespace::User);
        if has_users || request.gid.is_some() {
            let gid = request.gid.unwrap_or(0);
            self.add(Step::Group(gid), format!("cannot become group {gid}"));
        }
        if has_users {
            self.add(Step::User(0), "cannot become root of the container");
        }
        self.stay_closed();
        if let Some(label) = &target.label {
            let (_, text) = label.own();
            let what = format!("cannot change the security label: {text:?}");
            self.add(Step::WriteOpened(text.into_bytes()), what);
        }
        if target.no_new_privs || request.no_new_privs {
            self.add(Step::Prctl(libc::PR_SET_NO_NEW_PRIVS, 1), "cannot set no_new_privs");
        }
        if let Some(filter) = &target.seccomp {
            let step =
                Step::Filter(seccomp::instructions(filter).collect(), seccomp::notifies(filter));
            self.add(step, "cannot load the seccomp filter");
        }
        if let Some(uid) = request.uid {
            self.add(Step::User(uid), format!("cannot become user {uid}"));
            self.stay_closed();
        }
    }
}

fn path(text: impl AsRef<Path>) -> Result<CString> {
    let path = text.as_ref();
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::new(format!("{} has a NUL in it", path.display())))
}
