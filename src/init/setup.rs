//! The ordered steps of the container's first process, from clone to exec.
//!
//! The order is LXC's, as far as hooks, entries or programs inside can see it.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::stat::{self, umask};
use nix::unistd::{Gid, Uid};

use super::exec;
use super::messages::{FromInit, ToInit};
use super::plan::{Mode, Plan};
use super::{reaper, sysctl};
use crate::cgroup::Cgroups;
use crate::channel::{Block, Channel};
use crate::config::{Config, HookStage, Namespace};
use crate::error::{Context, Error, Result};
use crate::hooks;
use crate::logging;
use crate::mount::options::{MountIds, Recursive};
use crate::mount::{Root, automatic, dev, devpts, entries, idmapped, pivot, rootfs, shmounts};
use crate::network;
use crate::security::lsm::{Label, LabelChange};
use crate::security::{attributes, caps, seccomp, selinux};
use crate::sys::pty::{self, Pty};
use crate::sys::scm::MAX_FDS;
use crate::sys::visible::for_reader;
use crate::sys::{process, signals};

/// `CAP_NET_ADMIN` (linux/capability.h).
const CAP_NET_ADMIN: u8 = 12;
/// `CAP_SYS_ADMIN`.
const CAP_SYS_ADMIN: u8 = 21;

/// What the process has from the monitor by being its copy.
#[derive(Debug)]
pub struct Inherited<'monitor> {
    /// What to start.
    pub plan: &'monitor Plan,
    /// The container's cgroups.
    pub cgroups: &'monitor Cgroups,
    /// Whether it was cloned into the unified one.
    pub in_v2: bool,
    /// Its end of the channel.
    pub channel: Channel,
    /// The file mode mask of the caller.
    pub umask: stat::Mode,
}

/// Sets the container up and executes init. Never returns: a failure is sent to the monitor.
pub fn run(inherited: &Inherited<'_>) -> ! {
    let Err(error) = start(inherited);
    fail(&inherited.channel, error)
}

/// Closes what it inherited from the monitor and does not need. With a copy of the command socket or of the
/// monitor's end of the channel it would outlive a monitor that is killed, and hold its name.
fn leave_monitor(inherited: &Inherited<'_>) -> Result<()> {
    let Inherited { channel, cgroups, .. } = inherited;
    process::reset_signal_handlers();
    logging::with_descriptor(|log| {
        let kept: Vec<BorrowedFd<'_>> =
            [channel.as_fd()].into_iter().chain(cgroups.descriptors()).chain(log).collect();
        process::close_all_but(&kept).context(|| "cannot close the monitor's descriptors")
    })
}

/// Tells the monitor and ends.
fn fail(channel: &Channel, error: Error) -> ! {
    // If the monitor is gone as well, there is nobody to tell.
    let _ = channel.send(&FromInit::Failed(error), &[]);
    process::exit_now(1)
}

/// Returns only with what went wrong.
fn start(inherited: &Inherited<'_>) -> Result<Infallible> {
    let Inherited { plan, channel, .. } = inherited;
    let config = &plan.config;
    leave_monitor(inherited)?;
    die_with_monitor(config)?;
    // Before anything of the container's runs, hooks among it: in the caller's session it could type
    // into the caller's terminal.
    nix::unistd::setsid().context(|| "cannot start a session")?;
    inherited.cgroups.enter(inherited.in_v2)?;
    let Some((ToInit::Go { links, rootfs }, mut fds)) = channel.receive()? else {
        process::exit_now(1)
    };
    let premounted = if rootfs { fds.pop() } else { None };

    enter_namespaces(plan)?;
    let mut environment = hook_environment(plan);
    // While /proc is the host's.
    let label_change = plan.label.as_ref().map(Label::prepare).transpose()?;
    let terminals = build_root(inherited, premounted, &links, &environment)?;
    umask(inherited.umask);
    let image = (plan.mode == Mode::Execute).then(reaper::image).transpose()?;
    restrict(plan, label_change, channel)?;
    let ttys = exec::tty_names(plan, &hand_over(channel, terminals.as_ref())?);
    environment.extend(ttys.map(|names| (exec::TTYS.to_owned(), names.into())));
    match channel.receive()? {
        Some((ToInit::Exec, _)) => {}
        _ => process::exit_now(1),
    }
    let console = terminals.as_ref().and_then(|terminals| terminals.console.as_ref());
    let console = console.map(|console| console.peer.as_fd());
    // From here on the container's paths are followed, and no descriptor of the host is open.
    let kept = [channel.as_fd()].into_iter().chain(console).chain(image.as_ref().map(AsFd::as_fd));
    process::close_all_but(&kept.collect::<Vec<_>>())
        .context(|| "cannot close the host's descriptors")?;
    let last = Last { console, environment: &environment, image };
    let Err(error) = execute_init(inherited, &last);
    // At once: what owns the closed descriptors must not close them again.
    fail(channel, error)
}

/// What the last steps need.
struct Last<'a> {
    console: Option<BorrowedFd<'a>>,
    /// The variables of start hooks.
    environment: &'a [(String, OsString)],
    /// The small init of lxc-execute.
    image: Option<OwnedFd>,
}

/// The last steps, as the container: start hooks, standard descriptors, init's ids, exec.
fn execute_init(inherited: &Inherited<'_>, last: &Last<'_>) -> Result<Infallible> {
    let plan = inherited.plan;
    let config = &plan.config;
    // Start hooks are the container's, and this process is still a copy of the monitor: they get
    // neither its terminal, nor its environment, nor, without the host's rights, its memory.
    process::prctl(libc::PR_SET_DUMPABLE, 0).context(|| "cannot protect this process")?;
    process::erase_environment();
    hooks::run_inside(config, &plan.identity.name, HookStage::Start, last.environment)?;
    exec::connect_stdio(plan, last.console)?;
    if let Some(cwd) = &config.init_cwd {
        nix::unistd::chdir(cwd)
            .context(|| format!("cannot enter {} in the container", cwd.display()))
            .map_err(|error| error.at(config.origin("lxc.init.cwd")))?;
    }
    let variables = exec::environment(plan);
    let finish = || -> Result<Infallible> {
        exec::become_init_user(plan)?;
        die_with_monitor_or_parent(plan)?;
        if inherited.channel.is_over() {
            // The monitor was killed while it was not tied to it.
            process::exit_now(1)
        }
        Err(exec::execute(plan, &variables))
    };
    match &last.image {
        None => {
            signals::ignore_as_caller();
            signals::block_as_caller();
            finish()
        }
        Some(image) => reaper::run(image, "lxc-execute", || {
            let Err(error) =
                nix::unistd::setsid().context(|| "cannot start a session").and_then(|_| {
                    // Only where standard input is a terminal, and that may be somebody else's.
                    let _ = process::set_controlling_terminal(process::standard(0));
                    finish()
                });
            // The monitor counts the start as done; what remains is the command's own stderr.
            let text = format!("lxc-execute: {}: {error}\n", plan.identity);
            let shown = for_reader(text.as_bytes(), &process::standard(2));
            let _ = nix::unistd::write(process::standard(2), &shown);
            reaper::CANNOT_EXECUTE
        }),
    }
}

/// The kernel kills this process when the monitor dies (`lxc.monitor.signal.pdeath`).
fn die_with_monitor(config: &Config) -> Result<()> {
    let signal = config.monitor_pdeath.unwrap_or(libc::SIGKILL);
    process::prctl(libc::PR_SET_PDEATHSIG, u64::from(signal.unsigned_abs()))
        .context(|| "cannot tie the container's life to its monitor's")
        .map_err(|error| error.at(config.origin("lxc.monitor.signal.pdeath")))
}

/// Changing ids cleared the tie; the command of lxc-execute is tied to its init by the namespace.
fn die_with_monitor_or_parent(plan: &Plan) -> Result<()> {
    if plan.mode == Mode::Boot { die_with_monitor(&plan.config) } else { Ok(()) }
}

fn enter_namespaces(plan: &Plan) -> Result<()> {
    if plan.in_user_namespace() {
        become_mapped_root(&plan.config)?;
    }
    // After the move into the cgroups, so that they are what the namespace shows as its root.
    for kind in [Namespace::Cgroup, Namespace::Time] {
        if plan.namespaces.has(kind) {
            process::unshare(kind.flag())
                .context(|| format!("cannot make a {} namespace", kind.name()))?;
        }
    }
    if plan.namespaces.has(Namespace::Time) {
        set_time_offsets(&plan.config)?;
    }
    Ok(())
}

fn become_mapped_root(config: &Config) -> Result<()> {
    let (root, group) = (Uid::from_raw(0), Gid::from_raw(0));
    match nix::unistd::setgroups(&[]) {
        Ok(()) | Err(nix::errno::Errno::EPERM) => {}
        Err(errno) => return Err(Error::new("cannot drop the host's groups").errno(errno)),
    }
    nix::unistd::setresgid(group, group, group)
        .and_then(|()| nix::unistd::setresuid(root, root, root))
        .context(|| "cannot become root of the user namespace")?;
    process::prctl(libc::PR_SET_DUMPABLE, 1).context(|| "cannot keep /proc/self readable")?;
    die_with_monitor(config)
}

fn set_time_offsets(config: &Config) -> Result<()> {
    let line = |clock: &str, nanoseconds: i64| {
        let second = 1_000_000_000;
        format!("{clock} {} {}\n", nanoseconds.div_euclid(second), nanoseconds.rem_euclid(second))
    };
    let lines = [("monotonic", config.time_monotonic), ("boottime", config.time_boot)]
        .into_iter()
        .filter_map(|(clock, offset)| offset.map(|offset| line(clock, offset)))
        .collect::<String>();
    if !lines.is_empty() {
        std::fs::write("/proc/self/timens_offsets", lines)
            .context(|| "cannot set the clock offsets of the time namespace")
            .map_err(|error| error.at(config.origin("lxc.time.offset.boot")))?;
    }
    // The namespace is the children's; this process, which will be init, joins it as well.
    let path = "/proc/self/ns/time_for_children";
    let namespace = std::fs::File::open(path).context(|| format!("cannot open {path}"))?;
    process::setns(namespace.as_fd(), Namespace::Time.flag())
        .context(|| "cannot join the time namespace")
}

/// Everything up to pivot_root, in the order that entries and hooks rely on.
fn build_root(
    inherited: &Inherited<'_>,
    premounted: Option<OwnedFd>,
    links: &[network::Link],
    environment: &[(String, OsString)],
) -> Result<Option<devpts::Terminals>> {
    let Inherited { plan, cgroups, .. } = inherited;
    let config = &plan.config;
    let own_mounts = plan.namespaces.has(Namespace::Mnt);
    let run_hooks = |stage| {
        umask(inherited.umask);
        let ran = hooks::run(config, &plan.identity.name, stage, &[], environment, &mut Block);
        umask(stat::Mode::empty());
        ran
    };
    umask(stat::Mode::empty());
    set_hostname(plan)?;
    if !config.keyring_keep {
        let contexts = &config.selinux;
        selinux::label_keys(contexts.keyring.as_deref(), contexts.context.as_deref()).map_err(
            |error| {
                let own = config.origin("lxc.selinux.context.keyring");
                error.at(own.or_else(|| config.origin("lxc.selinux.context")))
            },
        )?;
        attributes::leave_keyring()?;
    }
    if plan.namespaces.has(Namespace::Net) {
        network::configure_inside(config, links)?;
    }
    if !own_mounts {
        return Ok(None);
    }
    rootfs::detach_from_host()?;
    run_hooks(HookStage::PreMount)?;
    let channel = &inherited.channel;
    let set_ids = |tree: BorrowedFd<'_>, recursive: Recursive, ids: &MountIds| {
        if plan.in_user_namespace() {
            ask_for_ids(channel, tree, recursive, ids)
        } else {
            idmapped::set(tree, recursive, ids, None)
        }
    };
    let tree = match premounted {
        Some(tree) => Some(tree),
        None => rootfs::detached(config, &plan.rootfs, &set_ids)?,
    };
    let root = rootfs::attach(config, tree.as_ref())?;
    let has_rootfs = tree.is_some();
    if config.has_autodev() && has_rootfs {
        dev::mount_tmpfs(&root, config)?;
    }
    automatic::mount_proc_and_sys(&root, config, plan.may(CAP_NET_ADMIN))?;
    for entry in entries::of_config(config, root.path())? {
        entries::mount(&root, &entry, &set_ids)?;
    }
    let shmounts = shmounts::open(&root, config)?;
    let situation = automatic::CgroupMounts {
        layout: &cgroups.layout,
        namespace: plan.namespaces.has(Namespace::Cgroup),
        sys_admin: plan.may(CAP_SYS_ADMIN),
    };
    automatic::mount_cgroup(&root, config, situation)?;
    run_hooks(HookStage::Mount)?;
    if config.has_autodev() && has_rootfs {
        run_hooks(HookStage::Autodev)?;
        dev::make_nodes(&root)?;
    }
    check_start_hook(&root, plan)?;
    if !has_rootfs {
        return Ok(None);
    }
    let terminals = devpts::set_up(&root, config, plan.mode == Mode::Boot)?;
    dev::make_links(&root)?;
    if config.has_autodev() {
        dev::mount_boot_id(&root)?;
    }
    pivot::pivot(&root)?;
    if let Some(shmounts) = shmounts {
        shmounts.make_slave()?;
    }
    Ok(Some(terminals))
}

/// Lets the monitor do what needs the host's root.
fn ask_for_ids(
    channel: &Channel,
    tree: BorrowedFd<'_>,
    recursive: Recursive,
    ids: &MountIds,
) -> Result<()> {
    channel.send(&FromInit::SetIds { ids: ids.clone(), recursive }, &[tree])?;
    match channel.receive()? {
        Some((ToInit::IdsSet(failure), _)) => failure.map_or(Ok(()), Err),
        _ => process::exit_now(1),
    }
}

fn set_hostname(plan: &Plan) -> Result<()> {
    let Some(name) = &plan.config.uts_name else {
        return Ok(());
    };
    if !plan.namespaces.has(Namespace::Uts) {
        return Ok(());
    }
    nix::unistd::sethostname(name)
        .context(|| format!("cannot set the hostname {name}"))
        .map_err(|error| error.at(plan.config.origin("lxc.uts.name")))
}

/// A start hook runs inside, where a missing file would be a puzzle: it is looked for before.
fn check_start_hook(root: &Root, plan: &Plan) -> Result<()> {
    let Some(hook) = plan.config.hooks.get(&HookStage::Start).and_then(|hooks| hooks.first())
    else {
        return Ok(());
    };
    let program = hook.split_whitespace().next().unwrap_or_default();
    if program.starts_with('/') && !root.has_link(program) {
        return Err(Error::new(format!("the start hook {program} is not in the root filesystem"))
            .at(hook.origin.as_ref())
            .hint("start hooks run inside the container"));
    }
    Ok(())
}

/// Gives up what the container may not have.
fn restrict(plan: &Plan, label_change: Option<LabelChange>, channel: &Channel) -> Result<()> {
    let config = &plan.config;
    if let Some(arch) = config.arch {
        attributes::set_personality(attributes::persona(arch))
            .context(|| "cannot set the personality")
            .map_err(|error| error.at(config.origin("lxc.arch")))?;
    }
    sysctl::apply(config)?;
    caps::inherit_none()?;
    caps::drop_to(plan.capabilities)?;
    if let Some(label_change) = label_change {
        let key = match plan.label {
            Some(Label::SeLinux(_)) => "lxc.selinux.context",
            _ => "lxc.apparmor.profile",
        };
        label_change.apply().map_err(|error| error.at(config.origin(key)))?;
    }
    if config.no_new_privs {
        process::prctl(libc::PR_SET_NO_NEW_PRIVS, 1)
            .context(|| "cannot set no_new_privs")
            .map_err(|error| error.at(config.origin("lxc.no_new_privs")))?;
    }
    if let Some(filter) = &plan.guard {
        seccomp::load(filter).map_err(|error| error.at(config.origin("lxc.rootfs.size")))?;
    }
    if let Some(filter) = &plan.seccomp {
        let listener = seccomp::load(filter)
            .map_err(|error| error.at(config.origin("lxc.seccomp.profile")))?;
        if let Some(listener) = listener {
            channel.send(&FromInit::Listener, &[listener.as_fd()])?;
        }
    }
    Ok(())
}

/// Gives the monitor its side of the terminals; returns the ttys' numbers as pseudo terminals.
fn hand_over(channel: &Channel, terminals: Option<&devpts::Terminals>) -> Result<Vec<u32>> {
    let devpts = terminals.and_then(|terminals| terminals.devpts.as_ref());
    let console = terminals.and_then(|terminals| terminals.console.as_ref());
    let ttys = terminals.map(|terminals| terminals.ttys.as_slice()).unwrap_or_default();
    let mut last: Vec<_> = devpts.iter().map(AsFd::as_fd).collect();
    last.extend(console.iter().flat_map(|console| console.sides()));
    let room = (MAX_FDS - last.len()) / 2;
    let (before, rest) = ttys.split_at(ttys.len().saturating_sub(room));
    for tty in before {
        channel.send(&FromInit::Tty, &tty.sides())?;
    }
    last.extend(rest.iter().flat_map(Pty::sides));
    let ready = FromInit::Ready { devpts: devpts.is_some(), console: console.is_some() };
    channel.send(&ready, &last)?;
    let number = |tty: &Pty| pty::number(tty.ptx.as_fd());
    ttys.iter().map(number).collect::<Result<_, _>>().context(|| "cannot ask a tty for its number")
}

/// The environment of hooks inside: the caller's, LXC's variables, the configured ones.
fn hook_environment(plan: &Plan) -> Vec<(String, OsString)> {
    let config = &plan.config;
    let configured = config.environment.iter().chain(&config.environment_hooks);
    let configured = configured.filter_map(|variable| {
        let (name, value) = variable.split_once('=')?;
        Some((name.to_owned(), OsString::from(value)))
    });
    plan.hook_environment().into_iter().chain(configured).collect()
}
