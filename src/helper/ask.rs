//! The caller's side; nothing changes in that process.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::wait::waitpid;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ANSWER_FD, ORDER_FD, Order, PROGRAM, STAYS_OUT};
use crate::channel::Channel;
use crate::envelope;
use crate::error::{Context, Error, Result};
use crate::paths;
use crate::security::rexec;
use crate::sys::exec;
use crate::sys::handed;
use crate::sys::spawn::{Image, Program};

/// Has `order` done, and waits for the answer. Standard input, output and error are the helper's, too.
pub(crate) fn ask<T: DeserializeOwned>(order: &Order) -> Result<T> {
    ask_with(order, [None; 3], &[])
}

/// As [`ask`]; each of `standard` that is given is the helper's standard descriptor instead, and it gets `fds`.
pub(crate) fn ask_with<T: DeserializeOwned>(
    order: &Order,
    standard: [Option<BorrowedFd<'_>>; 3],
    fds: &[BorrowedFd<'_>],
) -> Result<T> {
    let path = paths::helper()?;
    let mut environment = exec::own_environment();
    // It is between the two of us.
    environment.retain(|variable| !exec::is_variable(variable, handed::PATH_VARIABLE));
    let mut arguments = vec![PROGRAM.into()];
    arguments.extend(order.stays_out().then(|| STAYS_OUT.into()));
    arguments.extend(order.room().map(Into::into));
    let (ours, theirs) = Channel::pair()?;
    let order = envelope::encode("order", order)?;
    if !fds.is_empty() {
        ours.send(&(), fds)?;
    }
    let mut keep = vec![(order.as_fd(), ORDER_FD), (theirs.as_fd(), ANSWER_FD)];
    keep.extend(standard.into_iter().zip(0..).filter_map(|(fd, number)| Some((fd?, number))));
    let helper = Program {
        program: Image::Path(path),
        arguments,
        environment,
        session: false,
        unblocked: false,
        null: None,
        keep: &keep,
    };
    // From a protected file at once where that can be, or else the helper executes itself once more. A policy
    // of the caller's may allow the program only at its path.
    let protected = protected(path).and_then(|(file, own_path)| {
        let mut helper = helper.clone();
        helper.program = Image::Open(file.as_fd());
        helper.environment.push(exec::variable(handed::PATH_VARIABLE, own_path.as_os_str()));
        helper.spawn().ok()
    });
    let pid = match protected {
        Some(pid) => pid,
        None => helper.spawn().context(|| format!("cannot execute {}", path.display()))?,
    };
    drop(keep);
    drop((order, theirs));
    let answer = ours.receive::<()>();
    let ended = loop {
        match waitpid(pid, None) {
            Err(Errno::EINTR) => {}
            // Somebody else in this process waits for all children, or ignores their end.
            Err(Errno::ECHILD) => break "ended".to_owned(),
            result => {
                let status = result.context(|| format!("cannot wait for {}", path.display()))?;
                break format!("ended with {status:?}");
            }
        }
    };
    let file = answer?.and_then(|((), fds)| fds.into_iter().next());
    let Some(file) = file else {
        return Err(Error::new(format!("{} {ended} without an answer", path.display())));
    };
    envelope::decode::<Result<T>>("answer", file)?
}

/// The helper `path` on a mount of its own, and where it lies.
fn protected(path: &Path) -> Option<(OwnedFd, PathBuf)> {
    Some((rexec::mounted(path).ok()?, path.canonicalize().ok()?))
}

/// The descriptors that came with an order.
pub(super) fn descriptors<const N: usize>(channel: &Channel) -> Result<[OwnedFd; N]> {
    let fds = channel.receive::<()>()?.map(|((), fds)| fds).unwrap_or_default();
    fds.try_into().map_err(|_| Error::new("the order came without its descriptors"))
}

/// Sends the answer to an order.
pub(super) fn answer(channel: OwnedFd, answer: &Result<impl Serialize>) -> Result<()> {
    let file = envelope::encode("answer", answer)?;
    Channel::from(channel).send(&(), &[file.as_fd()])
}
