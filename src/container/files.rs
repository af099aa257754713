//! The files of a container, and programs that read and write them with the container's own ids and no
//! more rights than its root has.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, geteuid};

use super::operation::{self, Operation, Reading};
use super::shift;
use crate::channel::Channel;
use crate::config::{Config, Document, IdKind, IdMap, Located, Namespace};
use crate::error::{Context, Error, Kind, Result};
use crate::identity::Identity;
use crate::init::command;
use crate::monitor::client::{Client, Init};
use crate::mount::rootfs;
use crate::namespace::mapped::become_root;
use crate::namespace::{Ids, NamespaceSet, set, take_in_own};
use crate::storage::{self, Attached, RootfsMount};
use crate::sys::process::{self, CloneOptions, Cloned};
use crate::sys::signals;

/// The files that a program works on, and its rights.
#[derive(Debug)]
pub struct Place {
    rights: Rights,
    roots: Roots,
    /// The lock that keeps the files as they are meanwhile.
    _hold: Option<Hold>,
    /// Keeps the storage attached to the host; dropped after the descriptors of its files.
    _attached: Option<Attached>,
}

/// The rights of a program.
#[derive(Debug)]
enum Rights {
    /// The caller's.
    Caller,
    /// The rights of root in the user namespace of the process of this pidfd.
    Running(OwnedFd),
    /// Those of root in a user namespace with these maps.
    Mapped(Vec<Located<IdMap>>),
}

/// The directories that a program gets.
#[derive(Debug)]
enum Roots {
    Open(Vec<OwnedFd>),
    /// Opened by the program's own process, which has the rights to do so.
    Stored(Box<Config>, Purpose),
}

/// What is done with the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// They are only read.
    Read,
    /// They are changed.
    Change,
    /// The writable layer of an overlay is read.
    ReadLayer,
    /// As [`ReadLayer`](Self::ReadLayer), and the layers below it are read as another tree.
    ReadLayers,
}

/// The right to a stopped container's files.
#[derive(Debug)]
enum Hold {
    Change { _operation: Operation },
    Read { _reading: Reading },
}

impl Place {
    /// The host's files, with the caller's rights.
    pub fn host() -> Result<Self> {
        let root = open_dir(Path::new("/"))?;
        Ok(Self {
            rights: Rights::Caller,
            roots: Roots::Open(vec![root]),
            _hold: None,
            _attached: None,
        })
    }

    /// No files, with the caller's rights.
    pub const fn nowhere() -> Self {
        Self {
            rights: Rights::Caller,
            roots: Roots::Open(Vec::new()),
            _hold: None,
            _attached: None,
        }
    }

    /// The files of a container as it sees them; if it runs, with all that is mounted in it.
    pub fn seen_by(identity: &Identity, purpose: Purpose, tool: &str) -> Result<Self> {
        match Client::new(identity).init() {
            Ok(init) => Self::of_running(identity, init),
            Err(error) if error.kind == Kind::NotRunning => {
                let hold = match purpose {
                    Purpose::Change => Operation::begin(identity, tool)
                        .map(|operation| Hold::Change { _operation: operation }),
                    _ => operation::read(identity, tool)
                        .map(|reading| Hold::Read { _reading: reading }),
                };
                // A command may concern two containers, so the error says which one it is about.
                let hold = hold.map_err(|error| match error.kind {
                    Kind::NotDefined => {
                        Error { what: format!("{identity}: {}", error.what), ..error }
                    }
                    _ => error,
                })?;
                Self::stored_in(identity, purpose, Some(hold))
            }
            Err(error) => Err(error),
        }
    }

    fn of_running(identity: &Identity, init: Init) -> Result<Self> {
        let Init { pid, pidfd, peer } = init;
        let has_own = set::other_than_ours(pid)?.has(Namespace::User);
        if !has_own && !peer.is_our_equal() {
            return Err(Error::new(format!("{identity} is run by {peer}, with its own ids"))
                .kind(Kind::Denied));
        }
        let root = open_dir(Path::new(&format!("/proc/{pid}/root")))?;
        // What was opened is the root of that process only if the process has not ended meanwhile.
        process::pidfd_send_signal(pidfd.as_fd(), 0)
            .context(|| format!("the init of {identity} has ended"))?;
        let rights = if has_own { Rights::Running(pidfd) } else { Rights::Caller };
        Ok(Self { rights, roots: Roots::Open(vec![root]), _hold: None, _attached: None })
    }

    /// The files of a container as they are kept, to be read, whether it runs or not, and with nothing that is
    /// mounted in it.
    pub fn stored(identity: &Identity, purpose: Purpose, tool: &str) -> Result<Self> {
        let reading = operation::read(identity, tool)?;
        Self::stored_in(identity, purpose, Some(Hold::Read { _reading: reading }))
    }

    fn stored_in(identity: &Identity, purpose: Purpose, hold: Option<Hold>) -> Result<Self> {
        let config = Document::load(&identity.config_file())?.config;
        let mut maps = shift::on_disk(&config)?;
        let rights = if shift::is_of_host(&maps) {
            Rights::Caller
        } else {
            if !geteuid().is_root() {
                for kind in IdKind::BOTH {
                    take_in_own(&mut maps, kind);
                }
            }
            Rights::Mapped(maps.into_iter().map(|map| Located::new(map, None)).collect())
        };
        // Opened at once if the caller may do so: a failure is reported before anything is begun.
        let (roots, attached) = if matches!(rights, Rights::Caller) || geteuid().is_root() {
            let attached = storage::attach(&config)?;
            (Roots::Open(open_stored(&config, purpose)?), attached)
        } else {
            (Roots::Stored(Box::new(config), purpose), None)
        };
        Ok(Self { rights, roots, _hold: hold, _attached: attached })
    }

    /// Whether a program that works on these files has the caller's rights.
    pub const fn is_callers(&self) -> bool {
        matches!(self.rights, Rights::Caller)
    }

    /// The root, if it is open.
    pub fn root(&self) -> Option<BorrowedFd<'_>> {
        match &self.roots {
            Roots::Open(roots) => roots.first().map(AsFd::as_fd),
            Roots::Stored(..) => None,
        }
    }

    /// Starts `command` on these files. It gets the descriptors `others`, with the root inserted as
    /// number `root_is` among them, and is told their numbers by `--descriptors`.
    pub fn start(
        &self,
        command: &[OsString],
        others: &[BorrowedFd<'_>],
        root_is: usize,
    ) -> Result<Pid> {
        let namespaces = match self.rights {
            Rights::Mapped(_) => NamespaceSet::of([Namespace::User, Namespace::Mnt]),
            _ => NamespaceSet::of([]),
        };
        let (ours, theirs) = Channel::pair()?;
        let caller = Pid::this();
        let cloned = process::clone3(namespaces.flags(), CloneOptions::default())
            .context(|| "cannot make a process")?;
        let Cloned::Parent(pid, _) = cloned else {
            drop(ours);
            let Ok(Some((Go, _))) = theirs.receive::<Go>() else { process::exit_now(1) };
            let Err(error) = self.become_program(caller, command, others, root_is);
            // A caller that is gone cannot be told.
            let _ = theirs.send(&error, &[]);
            process::exit_now(1)
        };
        drop(theirs);
        let mapped = match &self.rights {
            Rights::Mapped(maps) => Ids::new(maps).write(pid),
            _ => Ok(()),
        };
        let started = mapped
            .and_then(|()| ours.send(&Go, &[]))
            .and_then(|()| ours.receive::<Error>()?.map_or(Ok(pid), |(error, _)| Err(error)));
        if started.is_err() {
            drop(ours);
            command::wait(pid)?;
        }
        started
    }

    /// The steps of the new process; returns only with what went wrong.
    fn become_program(
        &self,
        caller: Pid,
        words: &[OsString],
        others: &[BorrowedFd<'_>],
        root_is: usize,
    ) -> Result<Infallible> {
        match &self.rights {
            Rights::Caller => {}
            Rights::Running(init) => {
                process::setns(init.as_fd(), Namespace::User.flag())
                    .context(|| "cannot join the container's user namespace")?;
                leave_groups()?;
                become_root()?;
            }
            Rights::Mapped(_) => {
                rootfs::detach_from_host()?;
                leave_groups()?;
                become_root()?;
            }
        }
        // The program must not go on once its parent, and with it the lock on the files, is gone.
        process::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL.unsigned_abs().into())
            .context(|| "cannot end with the program that started it")?;
        if Pid::parent() != caller {
            process::exit_now(1);
        }
        let opened;
        let roots = match &self.roots {
            Roots::Open(roots) => roots,
            Roots::Stored(config, purpose) => {
                opened = open_stored(config, *purpose)?;
                &opened
            }
        };
        let mut wanted = others.to_vec();
        wanted.splice(root_is..root_is, roots.iter().map(AsFd::as_fd));
        let failed = || "cannot hand on what is open";
        process::close_on_exec_from(3).context(failed)?;
        let mut numbers = Vec::new();
        for fd in wanted {
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty())).context(failed)?;
            numbers.push(fd.as_raw_fd().to_string());
        }
        let mut words = words.to_vec();
        words.push(format!("--descriptors={}", numbers.join(",")).into());
        signals::ignore_as_caller();
        Err(command::execute_with_own_environment(&words))
    }
}

/// Says that the process may go on.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Go;

/// The caller's supplementary groups are not those of the container.
fn leave_groups() -> Result<()> {
    match nix::unistd::setgroups(&[]) {
        // An id map that an ordinary user wrote forbids it (user_namespaces(7)).
        Ok(()) | Err(Errno::EPERM) => Ok(()),
        Err(errno) => Err(Error::new("cannot drop the supplementary groups").errno(errno)),
    }
}

fn open_dir(path: &Path) -> Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    nix::fcntl::open(path, flags, Mode::empty())
        .context(|| format!("cannot open {}", path.display()))
}

/// The root filesystem of a container, with the ids that it has on the disk.
fn open_stored(config: &Config, purpose: Purpose) -> Result<Vec<OwnedFd>> {
    let source = storage::rootfs_mount(config)?;
    match (&source, purpose) {
        (RootfsMount::HostRoot, _) => {
            Err(Error::new("the container has no root filesystem of its own")
                .hint("it uses the host's: leave its name away"))
        }
        (_, Purpose::Read) => Ok(vec![source.open()?]),
        (_, Purpose::ReadLayer) => source.open_layers().map(|[layer, _]| vec![layer]),
        (_, Purpose::ReadLayers) => source.open_layers().map(Into::into),
        (RootfsMount::Bind(path), Purpose::Change) => Ok(vec![open_dir(path)?]),
        (_, Purpose::Change) => {
            rootfs::prepare(config, &source)?;
            let mut plain = config.clone();
            plain.rootfs.options = None;
            let ids = |_: BorrowedFd<'_>, _, _: &_| {
                Err(Error::new("the root filesystem is opened without its id map here"))
            };
            Ok(rootfs::detached(&plain, &source, &ids)?.into_iter().collect())
        }
    }
}

/// Most bytes that a user may have waiting in a pipe, unless the administrator allows more (pipe(7)).
const WIDTH: i32 = 1 << 20;

/// A pipe from one such program to another, so wide that they seldom wait for each other.
pub(super) fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let (read, write) = std::io::pipe().context(|| "cannot make a pipe")?;
    // Where pipes have all the memory that this user may give them, it is as narrow as others.
    let _ = fcntl(&write, FcntlArg::F_SETPIPE_SZ(WIDTH));
    Ok((read.into(), write.into()))
}
