//! A container, for programs that use this library.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;

use crate::config::{Config, Document};
use crate::container::attach::{self, Left, Prepared, Shown};
use crate::container::{cgroup, list, stop, wait};
use crate::error::{Context, Error, Kind, Result};
use crate::helper::{AttachEnd, Order, Started, ask, ask_with};
use crate::identity::{ContainerName, Identity, absolute_lxcpath};
use crate::monitor::client::{Client, Tty};
use crate::namespace::Ids;
use crate::network::Interface;
use crate::request;
use crate::state::State;
use crate::sys::forked::Forked;
use crate::sys::process;

/// A container: its name and directory, its configuration, and what went wrong last.
///
/// The process that calls a method stays as it is, with threads or without: its descriptors, signal
/// handlers, umask, directory, namespaces and environment. What needs a process of its own is done by the
/// program `lxc-helper` of lxc-rs (see [`crate::set_helper`]); it has the caller's standard input, output
/// and error, and like any child it is a reason for SIGCHLD.
///
/// A value may be used in one thread at a time, any number of values at once.
///
/// ```no_run
/// use lxc_rs::{Container, request};
///
/// # fn main() -> lxc_rs::Result<()> {
/// let mut web = Container::new("web", None)?;
/// web.create(&request::Create { template: Some("busybox".into()), ..web.to_create() })?;
/// web.start(&web.to_start())?;
/// let command = vec!["hostname".into()];
/// let code = web.attach(&request::Attach { command, ..web.to_attach() })?;
/// assert_eq!(code, 0);
/// web.stop()?;
/// web.destroy()
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Container {
    identity: Arc<Identity>,
    document: Option<Document>,
    last_error: Option<Error>,
    answer_within: Option<Duration>,
}

impl Container {
    /// The container `name` in `lxcpath`, or in the system's directory of containers. It need not exist.
    /// Fails if no container can have that name.
    pub fn new(name: &str, lxcpath: Option<&Path>) -> Result<Self> {
        let lxcpath = match lxcpath {
            Some(path) => path.to_owned(),
            None => crate::config::SystemConfig::load()?
                .get("lxc.lxcpath")
                .map_or_else(crate::paths::default_lxcpath, PathBuf::from),
        };
        Ok(Self::of(Identity::new(absolute_lxcpath(&lxcpath)?, ContainerName::new(name)?)))
    }

    /// The containers that are defined in `lxcpath`, by name.
    pub fn defined(lxcpath: &Path) -> Result<Vec<Self>> {
        let lxcpath = absolute_lxcpath(lxcpath)?;
        let all = list::defined(&lxcpath)?.into_iter();
        Ok(all.map(|name| Self::of(Identity::new(&lxcpath, name))).collect())
    }

    /// The containers of `lxcpath` that run, by name, whether they are defined or not.
    pub fn active(lxcpath: &Path) -> Result<Vec<Self>> {
        let lxcpath = absolute_lxcpath(lxcpath)?;
        let all = list::active(&lxcpath)?.into_iter().map(|name| Identity::new(&lxcpath, name));
        Ok(all.filter(list::is_genuine).map(Self::of).collect())
    }

    fn client(&self) -> Client {
        Client::sharing(Arc::clone(&self.identity))
    }

    fn of(identity: Identity) -> Self {
        let identity = Arc::new(identity);
        Self { identity, document: None, last_error: None, answer_within: None }
    }

    /// The same container without what was read of its configuration: quicker to copy, for questions that do
    /// not need it.
    #[must_use]
    pub fn bare(&self) -> Self {
        Self {
            identity: Arc::clone(&self.identity),
            document: None,
            last_error: None,
            answer_within: self.answer_within,
        }
    }

    /// Its name and directory.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Takes the container of this name in `lxcpath` from now on, with the configuration that it has there.
    pub fn set_lxcpath(&mut self, lxcpath: &Path) -> Result<()> {
        let path = absolute_lxcpath(lxcpath);
        Arc::make_mut(&mut self.identity).lxcpath = self.noted(path)?;
        self.document = None;
        Ok(())
    }

    /// What the last method that failed said.
    pub fn last_error(&self) -> Option<&Error> {
        self.last_error.as_ref()
    }

    /// Whether it has a configuration file.
    pub fn is_defined(&mut self) -> Result<bool> {
        let result = list::is_defined(&self.identity);
        self.noted(result)
    }

    /// The state it is in; of one that does not exist, STOPPED.
    pub fn state(&mut self) -> Result<State> {
        let client = match self.answer_within {
            Some(within) => self.client().within(within),
            None => self.client(),
        };
        let result = client.state();
        self.noted(result)
    }

    /// How long [`state`](Self::state) waits for an answer; `None` for 5 s.
    pub fn set_answer_within(&mut self, within: Option<Duration>) {
        self.answer_within = within;
    }

    /// The pid of its init on this host. Fails with [`NotRunning`](crate::error::Kind::NotRunning) if it does not run.
    pub fn init_pid(&mut self) -> Result<i32> {
        let result = self.client().init_pid().map(nix::unistd::Pid::as_raw);
        self.noted(result)
    }

    /// Fails if its monitor would not obey the caller; one that does not run obeys everybody.
    pub fn may_control(&mut self) -> Result<()> {
        let result = match self.client().init_pid() {
            Err(error) if error.kind != Kind::NotRunning && !error.is(Errno::ESRCH) => Err(error),
            _ => Ok(()),
        };
        self.noted(result)
    }

    /// Waits until it is in one of `states`, at most `timeout`; says whether it is.
    pub fn wait(&mut self, states: &[State], timeout: Option<Duration>) -> Result<bool> {
        let result = wait::wait(&self.identity, states, timeout);
        self.noted(result)
    }

    /// A handle on its init, which stays that process's whatever its pid comes to mean.
    pub fn init_pidfd(&mut self) -> Result<OwnedFd> {
        let result = self.client().init().map(|init| init.pidfd);
        self.noted(result)
    }

    /// The root of its devpts; `None` if it has none of its own.
    pub fn devpts(&mut self) -> Result<Option<OwnedFd>> {
        let result = self.client().devpts();
        self.noted(result)
    }

    /// Leases the terminal `number` of it, 0 for its console, -1 for any; `None` if it is not to be had.
    pub fn terminal(&mut self, number: i32) -> Result<Option<Tty>> {
        let result = self.client().tty(number);
        self.noted(result)
    }

    /// Connects the caller's terminal, on `standard`, with the terminal `number` of the container, 0 for its
    /// console, -1 for any; each of `standard` that is not given is the caller's own. Returns when the user
    /// leaves with the control character `key`, 1 for Ctrl-a, and `q`, or when the terminal hangs up.
    pub fn console(
        &mut self,
        number: i32,
        key: Option<u8>,
        standard: [Option<BorrowedFd<'_>>; 3],
    ) -> Result<()> {
        let ended = ask_with(&Order::Console(self.identity().clone(), number, key), standard, &[]);
        self.noted(ended)
    }

    /// Takes what its console has shown from the buffer that `lxc.console.buffer.size` gives it: at most
    /// `most` bytes, the oldest first, all of them without a number, none if that is 0. Then the buffer is
    /// emptied if `clear` says so. Fails with `ENODATA` if there was nothing, with `EFAULT` without a buffer.
    pub fn console_log(&mut self, most: Option<usize>, clear: bool) -> Result<Vec<u8>> {
        let result = self.client().console_output(most, clear);
        self.noted(result)
    }

    /// The listener of the calls that its seccomp profile leaves to others (seccomp_unotify(2)); `None` if
    /// it leaves none.
    pub fn seccomp_listener(&mut self) -> Result<Option<OwnedFd>> {
        let result = self.client().seccomp_listener();
        self.noted(result)
    }

    /// Whether its configuration was read or set.
    pub fn is_loaded(&self) -> bool {
        self.document.is_some()
    }

    /// Adds what the file `path` says to the configuration.
    pub fn load(&mut self, path: &Path) -> Result<()> {
        let added = self.document()?.add(path);
        self.noted(added)
    }

    /// Its configuration, read when this is called first; empty if it has none yet. It is what
    /// [`create`](Self::create) and [`start`](Self::start) take from then on, saved or not.
    pub fn document(&mut self) -> Result<&mut Document> {
        if self.document.is_none() {
            let file = self.identity.config_file();
            let loaded = match list::is_defined(&self.identity) {
                Ok(true) => Document::load(&file),
                Ok(false) => Ok(Document::default()),
                Err(error) => Err(error),
            };
            self.document = Some(self.noted(loaded)?);
        }
        self.document.as_mut().ok_or_else(|| Error::new("the configuration was not read"))
    }

    /// Writes the configuration back, if it was read; see [`save_to`](Self::save_to).
    pub fn save(&mut self) -> Result<()> {
        if self.document.is_none() {
            return Ok(());
        }
        self.save_to(&self.identity.config_file())
    }

    /// Writes the configuration to `file`. The container's directory is made where it is missing, and, if root
    /// saves a configuration with id maps, it becomes that of the container's root, who has to pass through it.
    pub fn save_to(&mut self, file: &Path) -> Result<()> {
        let dir = self.identity.dir();
        let document = self.document()?;
        let result = make_home(&dir, &document.config).and_then(|made| {
            document.save(file).inspect_err(|_| {
                if made {
                    // Nothing is left of it.
                    let _ = std::fs::remove_dir(&dir);
                }
            })
        });
        self.noted(result)
    }

    /// The value of `key` in the configuration that it was started with; `None` if it has none.
    pub fn running_item(&mut self, key: &str) -> Result<Option<String>> {
        let result = self.client().config_item(key);
        self.noted(result)
    }

    /// A request to make it, without a root filesystem.
    pub fn to_create(&self) -> request::Create {
        request::Create::of(self.identity().clone())
    }

    /// Makes it. On failure nothing is left of it, but what [`save`](Self::save) has written before.
    pub fn create(&mut self, request: &request::Create) -> Result<()> {
        let mut request = request.clone();
        if request.config.is_none() && request.document.is_none() {
            request.document.clone_from(&self.document);
        }
        self.ask::<()>(&Order::Create(request))?;
        // The template and the storage have added to it.
        self.document = None;
        Ok(())
    }

    /// A request to boot it in the background, as it is configured.
    pub fn to_start(&self) -> request::Start {
        request::Start::of(self.identity().clone())
    }

    /// Starts it. In the foreground this returns when it has stopped.
    ///
    /// Fails with [`AlreadyRunning`](crate::error::Kind::AlreadyRunning) if it runs, with [`NotDefined`](crate::error::Kind::NotDefined) if it does not exist.
    pub fn start(&mut self, request: &request::Start) -> Result<Started> {
        let mut request = request.clone();
        if request.rcfile.is_none() && request.document.is_none() {
            request.document.clone_from(&self.document);
        }
        self.ask(&Order::Start(request))
    }

    /// Kills it; when this returns it is stopped. Fails with [`NotRunning`](crate::error::Kind::NotRunning) if it does not run.
    pub fn stop(&mut self) -> Result<()> {
        let result = stop::kill(&self.identity);
        self.noted(result)
    }

    /// Asks its init to shut down, and waits at most `timeout`; says whether it is stopped.
    pub fn shut_down(&mut self, timeout: Option<Duration>) -> Result<bool> {
        self.ask(&Order::ShutDown(self.identity().clone(), timeout))
    }

    /// Asks its init to reboot, and waits at most `timeout`; says whether it has another init now.
    pub fn reboot(&mut self, timeout: Option<Duration>) -> Result<bool> {
        self.ask(&Order::Reboot(self.identity().clone(), timeout))
    }

    /// Freezes all its processes, within `timeout`.
    pub fn freeze(&mut self, timeout: Duration) -> Result<()> {
        self.ask(&Order::Freeze(self.identity().clone(), timeout))
    }

    /// Lets them go on.
    pub fn unfreeze(&mut self) -> Result<()> {
        self.ask(&Order::Unfreeze(self.identity().clone()))
    }

    /// A request to run the login shell in it, restricted as it is.
    pub fn to_attach(&self) -> request::Attach {
        request::Attach::of(self.identity().clone())
    }

    /// Runs a command in it and waits for its end; the exit code, or 128 and the number of the signal
    /// that killed it. Fails if the command could not be executed.
    pub fn attach(&mut self, request: &request::Attach) -> Result<i32> {
        let ended = match self.ask(&Order::Attach(request.clone()))? {
            AttachEnd::Code(code) => Ok(code),
            AttachEnd::Failed(error) => Err(error),
        };
        self.noted(ended)
    }

    /// Runs a command in it and leaves it to the caller, as a child that the caller waits for. It has
    /// `standard` instead of the caller's standard descriptors, each where it is given; a terminal among
    /// them is the command's as it is, where [`attach`](Self::attach) makes one of the container's.
    pub fn attach_child(
        &mut self,
        request: &request::Attach,
        standard: [Option<BorrowedFd<'_>>; 3],
    ) -> Result<Left> {
        let left = ask_with::<Left>(&Order::LeaveAttached(request.clone()), standard, &[]);
        let left = self.noted(left)?;
        if let Some(gone) = left.gone {
            // The caller, or its system, may have waited for all children.
            let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(gone), None);
        }
        Ok(left)
    }

    /// Lays out how a function of the caller's program gets into it, in place of the command of `request`; for
    /// programs with `unsafe`, which call [`fork`](lxc_sys::forked::fork) with the plan and give the answer to
    /// [`follow_function`](Self::follow_function). `standard` is as for [`attach_child`](Self::attach_child).
    pub fn prepare_function(
        &mut self,
        request: &request::Attach,
        standard: [Option<BorrowedFd<'_>>; 3],
    ) -> Result<Prepared> {
        let filter = || ask(&Order::Filter(request.clone()));
        let result = Prepared::new(request, standard, filter);
        self.noted(result)
    }

    /// What became of a function that was `prepared`: the pid of the child that calls it. One with a terminal of
    /// its own has ended when this returns, and what it has shown was on the caller's.
    pub fn follow_function(
        &mut self,
        prepared: Prepared,
        forked: std::io::Result<Forked>,
    ) -> Result<i32> {
        let result = prepared.done(forked).and_then(|(pid, shown)| {
            shown.map_or(Ok(()), |shown| show(pid, &shown))?;
            Ok(pid)
        });
        self.noted(result)
    }

    /// Mounts something of the host in it.
    pub fn mount(&mut self, mount: &request::Injection) -> Result<()> {
        self.ask(&Order::Mount(self.identity().clone(), mount.clone()))
    }

    /// Unmounts what is on `target` in it, with `flags` of umount2(2).
    pub fn unmount(&mut self, target: &Path, flags: i32) -> Result<()> {
        self.ask(&Order::Unmount(self.identity().clone(), target.to_owned(), flags))
    }

    /// Has CRIU write it to files. A start with [`restore`](request::Start::restore) makes it again from them.
    pub fn checkpoint(&mut self, request: &request::Checkpoint) -> Result<()> {
        self.ask(&Order::Checkpoint(self.identity().clone(), request.clone()))
    }

    /// Whether CRIU has `feature` on this kernel, as in `mem_dirty_track`.
    pub fn has_checkpoint_feature(&mut self, feature: &str) -> Result<bool> {
        self.ask(&Order::CheckpointFeature(feature.to_owned()))
    }

    /// Gives it a device of the host or a network link, under another path or name if `target` says.
    pub fn add_device(&mut self, device: &request::Device, target: Option<&str>) -> Result<()> {
        let target = target.map(str::to_owned);
        self.ask(&Order::AddDevice(self.identity().clone(), device.clone(), target))
    }

    /// Takes a device from it: a link goes back to the host as `target`, the node of a device is removed.
    pub fn remove_device(&mut self, device: &request::Device, target: Option<&str>) -> Result<()> {
        let target = target.map(str::to_owned);
        self.ask(&Order::RemoveDevice(self.identity().clone(), device.clone(), target))
    }

    /// The content of the file `file` in its cgroup, as in `memory.max`.
    pub fn cgroup_item(&mut self, file: &str) -> Result<String> {
        let result = cgroup::get(&self.identity, file);
        self.noted(result)
    }

    /// Writes `value` to the file `file` in its cgroup, in the words of either cgroup version.
    pub fn set_cgroup_item(&mut self, file: &str, value: &str) -> Result<()> {
        let result = cgroup::set(&self.identity, file, value).map(drop);
        self.noted(result)
    }

    /// Its network interfaces with their addresses.
    pub fn interfaces(&mut self) -> Result<Vec<Interface>> {
        self.ask(&Order::Interfaces(self.identity().clone()))
    }

    /// A request to copy it whole to `target`, which gets a name and addresses of its own.
    pub fn to_copy(&self, target: &Self) -> request::Copy {
        request::Copy::of(self.identity().clone(), target.identity().clone())
    }

    /// Copies it with the configuration as it is now, saved or not; the answer is what could not be adapted in
    /// the copy.
    pub fn copy(&mut self, request: &request::Copy) -> Result<Vec<String>> {
        let mut request = request.clone();
        if request.document.is_none() {
            request.document.clone_from(&self.document);
        }
        self.ask(&Order::Copy(request))
    }

    /// Gives it another name, in the same directory; the answer is what could not be adapted.
    pub fn rename(&mut self, name: &str) -> Result<Vec<String>> {
        let checked = ContainerName::new(name);
        let name = self.noted(checked)?;
        let warnings = self.ask(&Order::Rename(self.identity().clone(), name.clone()))?;
        Arc::make_mut(&mut self.identity).name = name;
        self.document = None;
        Ok(warnings)
    }

    /// Destroys it. Fails if it runs, or if another container depends on it.
    pub fn destroy(&mut self) -> Result<()> {
        self.ask::<()>(&Order::Destroy(self.identity().clone(), false))?;
        self.document = None;
        Ok(())
    }

    /// Destroys its snapshots, and then it. Fails if it runs, or if another container depends on them.
    pub fn destroy_with_snapshots(&mut self) -> Result<()> {
        match self.destroy_snapshot("ALL") {
            Err(error) if error.kind != Kind::NotDefined => Err(error),
            _ => self.destroy(),
        }
    }

    /// Its snapshots, in the order of their numbers.
    pub fn snapshots(&mut self) -> Result<Vec<list::Snapshot>> {
        let result = list::snapshots(&self.identity);
        self.noted(result)
    }

    /// Takes a snapshot, with the content of the file `comment`; its name, and what could not be adapted
    /// in it.
    pub fn snapshot(&mut self, comment: Option<&Path>) -> Result<(String, Vec<String>)> {
        let order = Order::Snapshot(self.identity().clone(), comment.map(Path::to_owned));
        let (name, warnings): (ContainerName, _) = self.ask(&order)?;
        Ok((name.into(), warnings))
    }

    /// Makes the container `name` from the snapshot `snapshot`; without a name it takes this one's place.
    /// The answer is what could not be adapted.
    pub fn restore_snapshot(&mut self, snapshot: &str, name: Option<&str>) -> Result<Vec<String>> {
        let checked = name.map(ContainerName::new).transpose();
        let name = self.noted(checked)?;
        let order = Order::Restore(self.identity().clone(), snapshot.to_owned(), name);
        let warnings = self.ask(&order)?;
        self.document = None;
        Ok(warnings)
    }

    /// Removes the snapshot `name`; all of them if that is `ALL`.
    pub fn destroy_snapshot(&mut self, name: &str) -> Result<()> {
        self.ask(&Order::RemoveSnapshot(self.identity().clone(), name.to_owned()))
    }

    fn ask<T: serde::de::DeserializeOwned>(&mut self, order: &Order) -> Result<T> {
        let answer = ask(order);
        self.noted(answer)
    }

    /// Keeps the error of a method that failed.
    fn noted<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.last_error = Some(error.clone());
        }
        result
    }
}

/// Has the terminal of the child `pid` shown until that ends. Where that fails the child is ended.
fn show(pid: i32, shown: &Shown) -> Result<()> {
    let child = nix::unistd::Pid::from_raw(pid);
    let result =
        process::pidfd_open(child).context(|| "cannot hold the new process").and_then(|pidfd| {
            let standard = shown.standard.each_ref().map(|fd| fd.as_ref().map(AsFd::as_fd));
            let fds = [pidfd.as_fd(), shown.ptx.as_fd()];
            ask_with(&Order::Relay(pid), standard, &fds)
        });
    result.inspect_err(|_| attach::end(child))
}

/// Makes the directory of a container with this configuration, if it is missing; whether it was.
fn make_home(dir: &Path, config: &Config) -> Result<bool> {
    let made = match std::fs::create_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        made => made
            // Whatever the caller's umask is.
            .and_then(|()| std::fs::set_permissions(dir, PermissionsExt::from_mode(0o770)))
            .map(|()| true),
    };
    let made = made.context(|| format!("cannot create the directory {}", dir.display()))?;
    if config.is_unprivileged() && nix::unistd::geteuid().is_root() {
        let (uid, gid) = Ids::of(config).root();
        nix::unistd::chown(dir, Some(uid.into()), Some(gid.into()))
            .context(|| format!("cannot give {} to the container's root", dir.display()))?;
    }
    Ok(made)
}
