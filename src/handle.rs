//! A container, for programs that use this library.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::Document;
use crate::container::{list, wait};
use crate::error::{Error, Result};
use crate::helper::{AttachEnd, Order, Started, ask};
use crate::identity::{ContainerName, Identity, absolute_lxcpath};
use crate::monitor::client::Client;
use crate::network::Interface;
use crate::request;
use crate::state::State;

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
#[derive(Debug)]
pub struct Container {
    identity: Identity,
    document: Option<Document>,
    last_error: Option<Error>,
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
        let identity = Identity::new(absolute_lxcpath(&lxcpath)?, ContainerName::new(name)?);
        Ok(Self { identity, document: None, last_error: None })
    }

    /// The containers that are defined in `lxcpath`, by name.
    pub fn defined(lxcpath: &Path) -> Result<Vec<Self>> {
        let lxcpath = absolute_lxcpath(lxcpath)?;
        let all = list::defined(&lxcpath)?.into_iter().map(|name| Self {
            identity: Identity::new(&lxcpath, name),
            document: None,
            last_error: None,
        });
        Ok(all.collect())
    }

    /// Its name and directory.
    pub fn identity(&self) -> &Identity {
        &self.identity
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
        let result = Client::new(&self.identity).state();
        self.noted(result)
    }

    /// The pid of its init on this host. Fails with [`NotRunning`](crate::error::Kind::NotRunning) if it does not run.
    pub fn init_pid(&mut self) -> Result<i32> {
        let result = Client::new(&self.identity).init_pid().map(nix::unistd::Pid::as_raw);
        self.noted(result)
    }

    /// Waits until it is in one of `states`, at most `timeout`; says whether it is.
    pub fn wait(&mut self, states: &[State], timeout: Option<Duration>) -> Result<bool> {
        let result = wait::wait(&self.identity, states, timeout);
        self.noted(result)
    }

    /// Its configuration, read when this is called first; empty if it has none yet.
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

    /// Writes the configuration back, if it was read.
    pub fn save(&mut self) -> Result<()> {
        let file = self.identity.config_file();
        let result = self.document.as_ref().map_or(Ok(()), |document| document.save(&file));
        self.noted(result)
    }

    /// A request to make it, without a root filesystem.
    pub fn to_create(&self) -> request::Create {
        request::Create::of(self.identity.clone())
    }

    /// Makes it. On failure nothing is left of it.
    pub fn create(&mut self, request: &request::Create) -> Result<()> {
        self.ask(&Order::Create(request.clone()))
    }

    /// A request to boot it in the background, as it is configured.
    pub fn to_start(&self) -> request::Start {
        request::Start::of(self.identity.clone())
    }

    /// Starts it. In the foreground this returns when it has stopped.
    ///
    /// Fails with [`AlreadyRunning`](crate::error::Kind::AlreadyRunning) if it runs, with [`NotDefined`](crate::error::Kind::NotDefined) if it does not exist.
    pub fn start(&mut self, request: &request::Start) -> Result<Started> {
        self.ask(&Order::Start(request.clone()))
    }

    /// Kills it; when this returns it is stopped. Fails with [`NotRunning`](crate::error::Kind::NotRunning) if it does not run.
    pub fn stop(&mut self) -> Result<()> {
        self.ask(&Order::Kill(self.identity.clone()))
    }

    /// Asks its init to shut down, and waits at most `timeout`; says whether it is stopped.
    pub fn shut_down(&mut self, timeout: Option<Duration>) -> Result<bool> {
        self.ask(&Order::ShutDown(self.identity.clone(), timeout))
    }

    /// Asks its init to reboot, and waits at most `timeout`; says whether it has another init now.
    pub fn reboot(&mut self, timeout: Option<Duration>) -> Result<bool> {
        self.ask(&Order::Reboot(self.identity.clone(), timeout))
    }

    /// Freezes all its processes, within `timeout`.
    pub fn freeze(&mut self, timeout: Duration) -> Result<()> {
        self.ask(&Order::Freeze(self.identity.clone(), timeout))
    }

    /// Lets them go on.
    pub fn unfreeze(&mut self) -> Result<()> {
        self.ask(&Order::Unfreeze(self.identity.clone()))
    }

    /// A request to run the login shell in it, restricted as it is.
    pub fn to_attach(&self) -> request::Attach {
        request::Attach::of(self.identity.clone())
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

    /// The addresses of its network interfaces that are valid beyond the link, by interface.
    pub fn interfaces(&mut self) -> Result<Vec<Interface>> {
        self.ask(&Order::Interfaces(self.identity.clone()))
    }

    /// A request to copy it whole to `target`, which gets a name and addresses of its own.
    pub fn to_copy(&self, target: &Self) -> request::Copy {
        request::Copy::of(self.identity.clone(), target.identity.clone())
    }

    /// Copies it; the answer is what could not be adapted in the copy.
    pub fn copy(&mut self, request: &request::Copy) -> Result<Vec<String>> {
        self.ask(&Order::Copy(request.clone()))
    }

    /// Gives it another name, in the same directory; the answer is what could not be adapted.
    pub fn rename(&mut self, name: &str) -> Result<Vec<String>> {
        let checked = ContainerName::new(name);
        let name = self.noted(checked)?;
        let warnings = self.ask(&Order::Rename(self.identity.clone(), name.clone()))?;
        self.identity.name = name;
        self.document = None;
        Ok(warnings)
    }

    /// Destroys it. Fails if it runs, or if another container depends on it.
    pub fn destroy(&mut self) -> Result<()> {
        self.ask(&Order::Destroy(self.identity.clone(), false))
    }

    /// Its snapshots, in the order of their numbers.
    pub fn snapshots(&mut self) -> Result<Vec<list::Snapshot>> {
        let result = list::snapshots(&self.identity);
        self.noted(result)
    }

    /// Takes a snapshot, with the content of the file `comment`; its name, and what could not be adapted
    /// in it.
    pub fn snapshot(&mut self, comment: Option<&Path>) -> Result<(String, Vec<String>)> {
        let order = Order::Snapshot(self.identity.clone(), comment.map(Path::to_owned));
        let (name, warnings): (ContainerName, _) = self.ask(&order)?;
        Ok((name.into(), warnings))
    }

    /// Makes the container `name` from the snapshot `snapshot`; without a name it takes this one's place.
    /// The answer is what could not be adapted.
    pub fn restore_snapshot(&mut self, snapshot: &str, name: Option<&str>) -> Result<Vec<String>> {
        let checked = name.map(ContainerName::new).transpose();
        let name = self.noted(checked)?;
        self.ask(&Order::Restore(self.identity.clone(), snapshot.to_owned(), name))
    }

    /// Removes the snapshot `name`.
    pub fn destroy_snapshot(&mut self, name: &str) -> Result<()> {
        self.ask(&Order::RemoveSnapshot(self.identity.clone(), name.to_owned()))
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
