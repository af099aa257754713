//! Starting a container: everything is decided and checked here, before anything is touched.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use nix::sys::socket::{Backlog, listen};
use serde::{Deserialize, Serialize};

use super::destroy::destroy;
use super::list::is_defined;
use super::{environment, exposed, forward, operation, shift};
use crate::cgroup::HostRules;
use crate::channel::Channel;
use crate::config::{Config, Document, Namespace, SystemConfig, split_words};
use crate::criu::Images;
use crate::error::{Context, Error, Kind, Result};
use crate::exit::ExitCode;
use crate::identity::Identity;
use crate::init::{Mode, Plan};
pub use crate::monitor::handover::Zygote;
use crate::monitor::handover::{self, HandedOver};
use crate::monitor::{self, Ended};
use crate::mount::{Roots, rootfs};
use crate::namespace::{Ids, NamespaceSet, granted};
use crate::network;
use crate::security::apparmor;
use crate::security::lsm::Confinement;
use crate::security::{caps, seccomp};
use crate::storage;

/// The init of a container whose configuration names none (lxc.container.conf(5)).
const DEFAULT_INIT: &str = "/sbin/init";

/// What to start, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The container.
    pub identity: Identity,
    /// The configuration to use instead of the container's own.
    pub rcfile: Option<PathBuf>,
    /// The configuration itself, instead of any file.
    pub document: Option<Document>,
    /// `KEY=VALUE` overrides, in order.
    pub defines: Vec<(String, String)>,
    /// The command; empty for the configured one.
    pub command: Vec<OsString>,
    /// What pid 1 is.
    pub mode: Mode,
    /// Whether the monitor goes to the background.
    pub daemon: bool,
    /// The checkpoint to restore instead.
    pub restore: Option<Images>,
    /// The file that gets the monitor's pid.
    pub pidfile: Option<PathBuf>,
}

impl Request {
    /// To boot `identity` in the background, as it is configured.
    pub fn of(identity: Identity) -> Self {
        Self {
            identity,
            rcfile: None,
            document: None,
            defines: Vec::new(),
            command: Vec::new(),
            mode: Mode::Boot,
            daemon: true,
            restore: None,
            pidfile: None,
        }
    }
}

/// How a start ended, as far as the caller waited.
#[derive(Debug)]
pub enum Started {
    /// It runs in the background; the parts of the configuration that have no effect here.
    Background(Vec<String>),
    /// It ran in the foreground and ended in this way.
    Ended(Ended),
}

/// Starts a container.
///
/// Fails with [`Kind::AlreadyRunning`] if it runs, [`Kind::NotDefined`] if there is no configuration;
/// then, and on every other failure, nothing is left of the attempt.
pub fn start(request: &Request) -> Result<Started> {
    start_with(request, &mut |_| {})
}

/// As [`start`]; in the foreground `warn` gets each warning, such as about a part of the configuration
/// without effect here, as soon as the container runs.
pub fn start_with(request: &Request, warn: &mut dyn FnMut(&str)) -> Result<Started> {
    let (plan, listener) = prepare(request)?;
    let found = warnings(&plan);
    if plan.daemon {
        let started = if handover::can_copy(&plan.identity) {
            handover::copy(&plan, listener, |listener, outcome| {
                // The caller is told of the failure of a start; one of a running container is in the log.
                let _ = supervise(&plan, listener, Some(outcome), &mut |_| {});
            })
        } else {
            handover::start(&plan, listener)
        };
        let warnings = started.map_err(|error| misfit(error, &plan))?;
        Ok(Started::Background(found.into_iter().chain(warnings).collect()))
    } else {
        for warning in found {
            warn(&warning);
        }
        supervise(&plan, listener, None, warn).map(Started::Ended)
    }
}

/// As [`start`], in the background and by `zygote`; returns the warnings of the start.
pub fn start_by(zygote: &Zygote, request: &Request) -> Result<Vec<String>> {
    let (plan, listener) = prepare(request)?;
    let found = warnings(&plan);
    let warnings = zygote.start(&plan, listener).map_err(|error| misfit(error, &plan))?;
    Ok(found.into_iter().chain(warnings).collect())
}

/// Warnings, a line each: if the container can write its own configuration, and if its files do not fit
/// its ids.
fn warnings(plan: &Plan) -> Vec<String> {
    let file = plan.config_file.as_deref();
    let exposed = file.and_then(|file| exposed::warning(&plan.config, file));
    let misfit = shift::warning(&plan.config, plan.identity.name.as_str());
    exposed.into_iter().chain(misfit).map(|warning| in_one_line(&warning)).collect()
}

fn in_one_line(warning: &Error) -> String {
    format!("{}; {}", warning.what, warning.hint.as_deref().unwrap_or_default())
}

/// `error` of a start, with what may be the reason for it.
fn misfit(error: Error, plan: &Plan) -> Error {
    match shift::warning(&plan.config, plan.identity.name.as_str()) {
        Some(warning) => error.note(in_one_line(&warning)),
        None => error,
    }
}

/// What the monitor needs: the plan, and the command socket.
fn prepare(request: &Request) -> Result<(Plan, OwnedFd)> {
    let identity = &request.identity;
    operation::settle(identity, "lxc-start")?;
    // The holder of the address is the container's monitor, and from here on nobody changes its files.
    let socket = match operation::bind_socket(identity) {
        Err(error) if error.kind != Kind::AlreadyRunning => return Err(error),
        claimed => claimed,
    };
    let (config, config_file) = load(request)?;
    let plan = plan(request, config, config_file)?;
    let socket = socket?;
    operation::refuse_unfinished(identity)?;
    rootfs::prepare(&plan.config, &plan.rootfs)?;
    storage::size::apply(&plan.config)?;
    let backlog = Backlog::new(100).unwrap_or(Backlog::MAXCONN);
    listen(&socket, backlog).context(|| "cannot listen on the command socket")?;
    Ok((plan, socket))
}

/// The main function of a monitor in the background, as which this program was executed.
pub fn monitor() -> ExitCode {
    let Some(HandedOver { plan, listener, outcome }) = handover::take() else {
        return ExitCode::FAILURE;
    };
    supervise(&plan, listener, Some(outcome), &mut |_| {})
        .map_or(ExitCode::FAILURE, |_| ExitCode::SUCCESS)
}

/// Stays with the container until it has stopped; an ephemeral one is destroyed then. One that did
/// not start is kept: its owner will want to see why.
fn supervise(
    plan: &Plan,
    listener: OwnedFd,
    waiting: Option<Channel>,
    warn: &mut dyn FnMut(&str),
) -> Result<Ended> {
    let exit = monitor::run(plan, listener, waiting, warn)?;
    if plan.config.ephemeral {
        match destroy(&plan.identity, false, None) {
            // Somebody has destroyed it by now.
            Err(error) if error.kind == Kind::NotDefined => {}
            destroyed => destroyed.inspect_err(|error| log::error!("{error}"))?,
        }
    }
    Ok(exit)
}

fn load(request: &Request) -> Result<(Config, Option<PathBuf>)> {
    let own = request.identity.config_file();
    let file = match &request.rcfile {
        Some(file) => Some(file.clone()),
        None => is_defined(&request.identity)?.then_some(own),
    };
    let mut document = match (&request.document, &file) {
        (Some(document), _) => document.clone(),
        (None, Some(file)) => Document::load(file)?,
        (None, None) if request.mode == Mode::Boot && !request.command.is_empty() => {
            Document::default()
        }
        (None, None) => {
            let dir = request.identity.dir();
            return Err(Error::new(format!(
                "No container config specified: {} does not exist",
                request.identity.config_file().display()
            ))
            .kind(Kind::NotDefined)
            .hint(if dir.exists() {
                format!("{} has no file config; give one with -f", dir.display())
            } else {
                format!("create it with: lxc-create -n {} -t busybox", request.identity.name)
            }));
        }
    };
    for (key, value) in &request.defines {
        document.set(key, value, "-s")?;
    }
    Ok((document.config, file))
}

/// Decides everything and checks it against this host.
fn plan(request: &Request, mut config: Config, config_file: Option<PathBuf>) -> Result<Plan> {
    let system = SystemConfig::load()?;
    environment::take_from_caller(&mut config)?;
    Ids::of(&config).check()?;
    granted::check(Ids::of(&config))?;
    let namespaces = NamespaceSet::for_config(&config)?;
    let rootfs = storage::rootfs_mount(&config)?;
    storage::size::check(&config)?;
    network::choose_links(&mut config)?;
    network::check(&config)?;
    forward::check(&request.identity, &config)?;
    let capabilities = caps::bounding_set(&config)?;
    let Confinement { label, profile } = Confinement::of_config(&config, &request.identity)?;
    if profile.is_some() && config.apparmor.allow_nesting {
        config.mount_entries.extend(apparmor::nesting_mounts(&config));
    }
    let seccomp = match &config.seccomp.profile {
        Some(profile) => Some(
            seccomp::compile(profile, &Roots::of(&config))
                .map_err(|error| error.at(config.origin("lxc.seccomp.profile")))?,
        ),
        None => None,
    };
    let guard = match config.rootfs.size {
        Some(_) => Some(seccomp::guard::compile(namespaces.has(Namespace::User))?),
        None => None,
    };
    let argv = command(request, &config)?;
    Ok(Plan {
        identity: request.identity.clone(),
        config,
        config_file,
        argv,
        mode: request.mode,
        daemon: request.daemon,
        rootfs,
        namespaces,
        capabilities,
        label,
        profile,
        seccomp,
        guard,
        restore: request.restore.clone(),
        pidfile: request.pidfile.clone(),
        cgroup: HostRules::of(&system),
    })
}

fn command(request: &Request, config: &Config) -> Result<Vec<OsString>> {
    if !request.command.is_empty() {
        return Ok(request.command.clone());
    }
    let (key, configured) = match request.mode {
        Mode::Boot => ("lxc.init.cmd", &config.init_cmd),
        Mode::Execute => ("lxc.execute.cmd", &config.execute_cmd),
    };
    let words = match configured {
        Some(text) => split_words(text).ok_or_else(|| {
            Error::new(format!("unbalanced quotes in {key}")).at(config.origin(key))
        })?,
        None if request.mode == Mode::Boot => vec![DEFAULT_INIT.to_owned()],
        None => {
            return Err(Error::new("Missing command to execute!")
                .hint("write it after the name, or set lxc.execute.cmd"));
        }
    };
    if words.is_empty() {
        return Err(Error::new(format!("{key} is empty")).at(config.origin(key)));
    }
    if config.rootfs.path.is_none() && request.mode == Mode::Boot && configured.is_none() {
        return Err(Error::new(format!(
            "Executing '{DEFAULT_INIT}' with no configuration file may crash the host"
        ))
        .hint("set lxc.rootfs.path, or name a command"));
    }
    Ok(words.into_iter().map(OsString::from).collect())
}
