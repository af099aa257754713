//! Running a function of the caller's program in the container: the same steps as for a command, laid out
//! for a fork of a process that may have threads (`lxc_sys::forked`).
//!
//! Whatever the steps need is looked up before the fork. The caller's descriptors stay open in the child,
//! as the function may use them; until the child executes a program nobody inside can look into it. If
//! another user runs the container, the child enters it as that user.

use std::ffi::{CString, c_int};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::fstat;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::target::{self, Target};
use super::{Request, environment, require_users, terminal};
use crate::cgroup::LEAF;
use crate::config::Namespace;
use crate::error::{Context, Error, Result};
use crate::monitor::client::{Client, Peer};
use crate::namespace::{NamespaceSet, set};
use crate::security::{attributes, selinux};
use crate::sys::forked::{Forked, Plan, Step, Steps};
use crate::sys::pty::Pty;
use crate::sys::{process, seccomp};

/// A function's way into a container. Made in the calling process, which is not changed.
#[derive(Debug)]
pub struct Prepared {
    plan: Plan,
    client: Client,
    /// Descriptors that the steps use.
    _held: Vec<OwnedFd>,
    shown: Option<Shown>,
}

/// The terminal of a function, which is to be shown on the caller's terminal.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The other side of the function's terminal.
    pub(crate) ptx: OwnedFd,
    /// The standard descriptors that are not the caller's own. One of the three is the terminal to show it on.
    pub(crate) standard: [Option<OwnedFd>; 3],
}

impl Shown {
    /// A terminal of the container's, and the side that the function gets, if the function is to have one in
    /// place of a terminal among its standard descriptors.
    fn new(
        request: &Request,
        client: &Client,
        standard: [Option<BorrowedFd<'_>>; 3],
    ) -> Result<Option<(Self, OwnedFd)>> {
        let descriptors = standard.iter().zip(0..);
        let mut descriptors =
            descriptors.map(|(fd, number)| fd.unwrap_or(process::standard(number)));
        let shown_on = descriptors.find(|fd| nix::unistd::isatty(fd).unwrap_or(false));
        let Some(shown_on) = shown_on.filter(|_| request.terminal) else { return Ok(None) };
        let Pty { ptx, peer } = terminal::allocate(client, shown_on)?;
        let mut kept = [const { None }; 3];
        for (fd, kept) in standard.into_iter().zip(&mut kept) {
            *kept = fd
                .map(|fd| fd.try_clone_to_owned())
                .transpose()
                .context(|| "cannot duplicate a descriptor")?;
        }
        Ok(Some((Self { ptx, standard: kept }, peer)))
    }

    fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        self.standard.iter().flatten().chain([&self.ptx]).map(AsRawFd::as_raw_fd)
    }
}

impl Prepared {
    /// Lays out the way. The command in `request` is not used; each of `standard` that is given is the
    /// function's standard descriptor instead of the caller's. If another user runs the container,
    /// `filter` returns the seccomp filter, which a process with that user's rights reads.
    pub(crate) fn new(
        request: &Request,
        standard: [Option<BorrowedFd<'_>>; 3],
        filter: impl FnOnce() -> Result<Option<Vec<u8>>>,
    ) -> Result<Self> {
        let client = Client::new(&request.identity);
        let (init, questions) = target::ask(request, &client)?;
        let peer = init.peer;
        let user = Some(peer).filter(|peer| !peer.is_our_equal());
        let (mut target, profile) = Target::without_filter(request, &client, init, questions)?;
        if let Some(user) = user {
            require_users(target.namespaces, user.uid, request)?;
        }
        target.seccomp = match profile {
            None => None,
            Some(_) if user.is_some() => filter()?,
            Some(profile) => Some(target::compile(&profile, &client)?),
        };
        let (shown, terminal) = Shown::new(request, &client, standard)?.unzip();
        let mut way = Way { request, target: &target, steps: Vec::new(), held: Vec::new() };
        way.outside(user)?;
        let outside = std::mem::take(&mut way.steps);
        way.inside(standard, terminal)?;
        // The function sees the caller's descriptors, but none that were opened for the steps.
        let targets = target.cgroups.iter().chain([&target.pidfd]);
        let ours = way.held.iter().chain(targets).map(AsRawFd::as_raw_fd);
        let ours: Vec<_> = ours.chain(shown.iter().flat_map(Shown::descriptors)).collect();
        for fd in ours {
            way.add(Step::Close(fd), "cannot close a descriptor");
        }
        let Way { steps: inside, mut held, .. } = way;
        let variables = environment::of_command(request, &target).into_iter();
        let environment = variables.filter_map(|one| CString::new(one.into_vec()).ok()).collect();
        let Target { pidfd, cgroups, .. } = target;
        held.extend(cgroups);
        held.push(pidfd);
        let plan = Plan { outside, inside, environment };
        Ok(Self { plan, client, _held: held, shown })
    }

    /// The steps.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The result of the fork: the pid of the child that calls the function, and the function's own
    /// terminal, if it has one.
    pub(crate) fn done(self, forked: std::io::Result<Forked>) -> Result<(i32, Option<Shown>)> {
        let (pid, listener) = match forked.context(|| "cannot run the function")? {
            Forked::Begun(pid, listener) => (pid, listener),
            Forked::Failed(what, errno) => return Err(Error::new(what).errno(errno)),
        };
        if let Some(listener) = listener
            && let Err(error) = self.client.add_seccomp_listeners(&[listener])
        {
            // Nobody would answer the system calls that the seccomp filter passes to its listener.
            end(pid);
            return Err(error);
        }
        Ok((pid.as_raw(), self.shown))
    }
}

/// Ends the child `pid`, which has not been waited for, so that no other process has the number.
pub(crate) fn end(pid: Pid) {
    let killed = process::pidfd_open(pid)
        .and_then(|pidfd| process::pidfd_send_signal(pidfd.as_fd(), libc::SIGKILL));
    if killed.is_ok() {
        while waitpid(pid, None) == Err(Errno::EINTR) {}
    }
}

/// The list of steps while it is being made.
struct Way<'a> {
    request: &'a Request,
    target: &'a Target,
    steps: Steps,
    held: Vec<OwnedFd>,
}

impl<'a> Way<'a> {
    fn add(&mut self, step: Step, what: impl Into<String>) {
        self.steps.push((step, what.into()));
    }

    /// Keeps others from looking into the process; to be repeated after each change of ids.
    fn stay_closed(&mut self) {
        self.add(Step::Prctl(libc::PR_SET_DUMPABLE, 0), "cannot protect the process");
    }

    /// The steps outside the container, with the caller's rights or those of `user`, who runs the
    /// container, and joining the namespaces that take effect only for children.
    fn outside(&mut self, user: Option<Peer>) -> Result<()> {
        let target = self.target;
        self.stay_closed();
        let mut cgroups: Vec<&OwnedFd> = target.cgroups.iter().collect();
        if let Some(user) = user {
            // With the caller's rights: a user may not move a process into the user's own cgroup from
            // anywhere. Other cgroups are entered with the user's rights.
            let (own, others) = self.owned(user)?;
            for dir in own {
                self.enter(dir)?;
            }
            cgroups = others;
            self.become_user(user);
        }
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
        for dir in cgroups {
            self.enter(dir)?;
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

    fn enter(&mut self, cgroup: &OwnedFd) -> Result<()> {
        let step = Step::Cgroup(cgroup.as_raw_fd(), path(LEAF)?);
        self.add(step, "cannot enter the container's cgroup");
        Ok(())
    }

    /// The container's cgroups that are `user`'s or of its container's ids, and the others.
    fn owned(&self, user: Peer) -> Result<(Vec<&'a OwnedFd>, Vec<&'a OwnedFd>)> {
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for dir in &self.target.cgroups {
            let owner = fstat(dir).context(|| "cannot look at the container's cgroup")?.st_uid;
            let is_own = owner == user.uid.as_raw()
                || set::maps_to_user(self.target.pid, owner).unwrap_or(false);
            if is_own { own.push(dir) } else { others.push(dir) }
        }
        Ok((own, others))
    }

    /// Becomes `user`: what the container's monitor says must not be acted on with more rights than
    /// `user` has.
    fn become_user(&mut self, user: Peer) {
        let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
        let what = format!("cannot become user {uid}, who runs the container");
        self.add(Step::Keyring, "cannot make a session keyring");
        for step in [Step::Groups(Vec::new(), true), Step::Group(gid), Step::User(uid)] {
            self.add(step, what.clone());
        }
        self.stay_closed();
    }

    /// The remaining steps; `own` is the terminal that the function gets.
    fn inside(
        &mut self,
        standard: [Option<BorrowedFd<'_>>; 3],
        own: Option<OwnedFd>,
    ) -> Result<()> {
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
        let has_terminal = own.is_some();
        if let Some(own) = own {
            self.add(Step::Terminal(own.as_raw_fd()), "cannot take the pseudo terminal");
            self.held.push(own);
        }
        self.restrict(has_terminal);
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

    /// Puts `standard` in place of the caller's standard descriptors.
    fn connect(&mut self, standard: [Option<BorrowedFd<'_>>; 3]) -> Result<()> {
        for (fd, number) in standard.into_iter().zip(0..) {
            let Some(fd) = fd else { continue };
            // A copy with none of the three standard numbers, so that none overwrites another.
            let copy =
                process::duplicate_above(fd, 3).context(|| "cannot duplicate a descriptor")?;
            let step = Step::Duplicate(copy.as_raw_fd(), number);
            self.add(step, "cannot connect a standard descriptor");
            self.held.push(copy);
        }
        Ok(())
    }

    /// Gives up what the container may not have.
    fn restrict(&mut self, has_terminal: bool) {
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
        if has_terminal {
            self.add(Step::OwnTerminals(request.uid.unwrap_or(0)), "cannot give the terminal away");
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
        for filter in target.guard.iter().chain(&target.seccomp) {
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
