//! The helper's side.

use std::os::fd::OwnedFd;

use super::{
    ANSWER_FD, AttachEnd, Copy, ORDER_FD, Order, STAYS_OUT, Started,
    ask::{answer, descriptors},
};
use crate::channel::Channel;
use crate::cli::output::error_line;
use crate::container::{
    attach, checkpoint, console, copy, create, destroy, device, freeze, injection, report,
    snapshot, start, stop,
};
use crate::envelope;
use crate::error::{Error, Result};
use crate::exit::ExitCode;
use crate::identity::Identity;
use crate::security::rexec;
use crate::sys::process;
use crate::sys::spawn::inherited;
use crate::terminal::Escape;

/// Does the order that this program was executed with. The exit code says whether it was answered.
pub(crate) fn obey() -> ExitCode {
    let stays_out = std::env::args_os().nth(1).is_some_and(|word| word == STAYS_OUT);
    let protected = if stays_out { Ok(()) } else { rexec::rexec() };
    let answered = protected.and_then(|()| {
        let [order, reply] = inherited([ORDER_FD, ANSWER_FD])
            .map_err(|_| Error::new("this program is for other programs of lxc-rs"))?;
        let kept = u32::try_from(ANSWER_FD).unwrap_or(u32::MAX) + 1;
        // What the caller has not marked to be closed is none of ours.
        let _ = process::close_on_exec_from(kept);
        match envelope::decode::<Order>("order", order) {
            Ok(order) if stays_out && !order.stays_out() => {
                answer(reply, &Err::<(), _>(Error::new("this order is not done here")))
            }
            Ok(order) => run(order, reply),
            Err(error) => answer(reply, &Err::<(), _>(error)),
        }
    });
    match answered {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error_line(&format!("{}: {error}", super::PROGRAM));
            ExitCode::FAILURE
        }
    }
}

fn run(order: Order, channel: OwnedFd) -> Result<()> {
    match order {
        Order::Start(request) => answer(channel, &begin(&request)),
        Order::ShutDown(identity, timeout) => answer(channel, &stop::shut_down(&identity, timeout)),
        Order::Reboot(identity, timeout) => answer(channel, &stop::reboot(&identity, timeout)),
        Order::Freeze(identity, within) => answer(channel, &freeze::freeze(&identity, within)),
        Order::Unfreeze(identity) => answer(channel, &freeze::unfreeze(&identity)),
        Order::Attach(request) => answer(channel, &attach_to(&request)),
        Order::LeaveAttached(request) => answer(channel, &attach::leave_to_parent(&request)),
        Order::Filter(request) => answer(channel, &attach::filter(&request)),
        Order::Relay(pid) => {
            let channel = Channel::from(channel);
            let shown =
                descriptors(&channel).and_then(|[pidfd, ptx]| attach::relay(pid, pidfd, &ptx));
            answer(channel.into(), &shown)
        }
        Order::Create(request) => answer(channel, &create::create(&request)),
        Order::Copy(request) => answer(channel, &make_copy(request)),
        Order::Rename(identity, name) => answer(channel, &copy::rename(&identity, name)),
        Order::Destroy(identity, force) => {
            answer(channel, &destroy::destroy(&identity, force, None))
        }
        Order::Snapshot(identity, comment) => {
            let taken = snapshot::take(&identity, comment.as_deref(), None);
            answer(channel, &taken.map(|(snapshot, warnings)| (snapshot.name, warnings)))
        }
        Order::Restore(identity, snapshot, name) => {
            answer(channel, &snapshot::restore(&identity, &snapshot, name, None))
        }
        Order::RemoveSnapshot(identity, name) => {
            answer(channel, &snapshot::remove(&identity, &name))
        }
        Order::AddDevice(identity, device, target) => {
            answer(channel, &device::add(&identity, &device, target.as_deref()))
        }
        Order::RemoveDevice(identity, device, target) => {
            answer(channel, &device::remove(&identity, &device, target.as_deref()))
        }
        Order::Console(identity, number, key) => {
            answer(channel, &use_console(&identity, number, key))
        }
        Order::Mount(identity, mount) => answer(channel, &injection::mount(&identity, &mount)),
        Order::Unmount(identity, target, flags) => {
            answer(channel, &injection::unmount(&identity, &target, flags))
        }
        Order::Checkpoint(identity, request) => {
            answer(channel, &checkpoint::dump(&identity, &request))
        }
        Order::CheckpointFeature(feature) => answer(channel, &checkpoint::has_feature(&feature)),
        Order::Interfaces(identity) => {
            answer(channel, &report::Report::of(&identity).and_then(|report| report.interfaces()))
        }
    }
}

/// A signal that ends it ends this program, when the answer is given.
fn use_console(identity: &Identity, number: i32, key: Option<u8>) -> Result<()> {
    let escape = key.and_then(Escape::of_key);
    let greet = |number| {
        if let Some(escape) = escape {
            error_line(&console::greeting(number, escape));
        }
    };
    console::connect(identity, number, escape, greet).map(drop)
}

fn begin(request: &start::Request) -> Result<Started> {
    if let Some(images) = &request.restore {
        checkpoint::check_restore(&request.identity, images)?;
    }
    Ok(match start::start(request)? {
        start::Started::Background(warnings) => Started::Background(warnings),
        start::Started::Ended(ended) => Started::Ended(ended.exit.shell_code()),
    })
}

fn attach_to(request: &attach::Request) -> Result<AttachEnd> {
    Ok(match attach::attach(request)? {
        attach::Ended::Code(code) => AttachEnd::Code(code),
        attach::Ended::Failed(error, _) => AttachEnd::Failed(error),
    })
}

fn make_copy(request: Copy) -> Result<Vec<String>> {
    let Copy { source, target, document, snapshot, backend, storage, .. } = request;
    copy::copy(&copy::Request {
        document,
        snapshot,
        snapshot_if_possible: request.snapshot_if_possible,
        backend,
        storage,
        keep_name: request.keep_name,
        keep_mac: request.keep_mac,
        allow_running: request.allow_running,
        hook_arguments: request.hook_arguments,
        ..copy::Request::new(source, target)
    })
}
