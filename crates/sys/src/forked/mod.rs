//! A process with this one's memory that changes itself step by step and then calls a function, also where
//! this process has threads.
//!
//! Between the fork and the function nothing is done that is not safe there (signal-safety(7)): no memory is
//! allocated and no lock is taken, as another thread may have held it. What the steps need is laid out before,
//! and what fails is told as the number of the step and an errno.
//!
//! Two processes are made: the first takes the steps *outside*, among them those that only have an effect on its
//! children, and makes the second, which is a child of this process as well; that one goes on with the steps
//! *inside*.

mod child;
mod step;

use std::ffi::{CString, c_char, c_int, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::scm;
use child::{Child, LISTENER, MADE, Message};
pub use step::Step;

/// What the new process calls; its result is the exit code.
pub type Function = unsafe extern "C" fn(*mut c_void) -> c_int;

/// A list of steps, each with what it is for in messages.
pub type Steps = Vec<(Step, String)>;

/// What the processes do.
#[derive(Debug, Default)]
pub struct Plan {
    /// The steps of the first process.
    pub outside: Steps,
    /// The steps of the second.
    pub inside: Steps,
    /// The environment of the function, `NAME=VALUE`.
    pub environment: Vec<CString>,
}

/// What became of it.
#[derive(Debug)]
pub enum Forked {
    /// The second process calls the function; what a filter's listener is.
    Begun(Pid, Option<OwnedFd>),
    /// A step failed, of which this is said; the processes are gone.
    Failed(String, Errno),
}

/// Carries out `plan`, and returns when `function` is about to be called, with `argument`.
///
/// # Safety
///
/// `function` may be called with `argument` in a copy of this process that has only this thread, and does
/// there what is safe in such a one.
pub unsafe fn fork(plan: &Plan, function: Function, argument: *mut c_void) -> io::Result<Forked> {
    let (ours, theirs) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    let mut environment: Vec<*const c_char> =
        plan.environment.iter().map(|variable| variable.as_ptr()).collect();
    environment.push(ptr::null());
    let child = Child { plan, environment: &environment, channel: theirs.as_raw_fd() };
    // No handler of the caller's runs in a process that is on its way.
    let mut before = SigSet::empty();
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before))?;
    // SAFETY: the child does what its type promises, and nothing else.
    let forked = unsafe { libc::fork() };
    if forked == 0 {
        // SAFETY: as the caller promises; this is the child.
        unsafe { child.run(&before, function, argument) }
    }
    let error = io::Error::last_os_error();
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
    drop(theirs);
    if forked < 0 {
        return Err(error);
    }
    let result = follow(plan, ours.as_fd());
    // Another thread may have waited for all children.
    reap(Pid::from_raw(forked));
    result
}

/// Listens to what the processes say.
fn follow(plan: &Plan, channel: BorrowedFd<'_>) -> io::Result<Forked> {
    let (mut pid, mut listener, mut failed) = (None, None, None);
    loop {
        let mut bytes = [0; size_of::<Message>()];
        let received = scm::receive(channel, &mut bytes)?;
        if received.len == 0 {
            break;
        }
        let number = |at: usize| i32::from_ne_bytes([0, 1, 2, 3].map(|byte| bytes[at * 4 + byte]));
        match number(0) {
            MADE => pid = Some(Pid::from_raw(number(1))),
            LISTENER => listener = received.fds.into_iter().next(),
            _ => failed = Some((number(1), Errno::from_raw(number(2)))),
        }
    }
    match (pid, failed) {
        (Some(pid), None) => Ok(Forked::Begun(pid, listener)),
        (pid, failed) => {
            if let Some(pid) = pid {
                reap(pid);
            }
            let Some((step, errno)) = failed else {
                return Err(io::Error::other("a process of ours died"));
            };
            // Inside they go on counting.
            let steps = plan.outside.iter().chain(&plan.inside);
            let step =
                usize::try_from(step).ok().and_then(|step| steps.map(|(_, what)| what).nth(step));
            Ok(Forked::Failed(step.map_or("cannot make a process", |what| what).to_owned(), errno))
        }
    }
}

fn reap(pid: Pid) {
    while waitpid(pid, None) == Err(Errno::EINTR) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::WaitStatus;

    unsafe extern "C" fn five(argument: *mut c_void) -> c_int {
        // SAFETY: the tests pass a number; the environment is that of the plan.
        unsafe {
            let variable = libc::getenv(c"FROM".as_ptr());
            let is_set = !variable.is_null() && libc::strcmp(variable, c"test".as_ptr()) == 0;
            let root = libc::getenv(c"PATH".as_ptr()).is_null();
            if is_set && root && libc::getsid(0) == libc::getpid() { *argument.cast() } else { 1 }
        }
    }

    #[test]
    fn the_function_is_called_after_the_steps_by_a_child_of_the_caller() {
        let mut number: c_int = 5;
        let step = |step| (step, "never said".to_owned());
        let plan = Plan {
            outside: vec![step(Step::Prctl(libc::PR_SET_DUMPABLE, 0))],
            inside: vec![step(Step::Session), step(Step::ToDirectory(c"/nowhere".into()))],
            environment: vec![c"FROM=test".into()],
        };
        // SAFETY: the function only looks at its process.
        let forked = unsafe { fork(&plan, five, (&raw mut number).cast()) }.unwrap();
        let Forked::Begun(pid, None) = forked else { panic!("{forked:?}") };
        assert_eq!(waitpid(pid, None), Ok(WaitStatus::Exited(pid, 5)));
    }

    #[test]
    fn a_step_that_fails_is_named_and_nothing_is_left() {
        let mut plan = Plan::default();
        plan.outside.push((Step::Prctl(libc::PR_SET_DUMPABLE, 0), "one".to_owned()));
        plan.inside.push((Step::Write(c"/nowhere/file".into(), b"1".to_vec()), "two".to_owned()));
        // SAFETY: the function only looks at its process.
        let forked = unsafe { fork(&plan, five, ptr::null_mut()) }.unwrap();
        assert!(
            matches!(&forked, Forked::Failed(what, Errno::ENOENT) if what == "two"),
            "{forked:?}"
        );
    }
}
