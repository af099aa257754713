//! The processes on their way, and what they say to the caller.

use std::ffi::{c_char, c_void};
use std::os::fd::RawFd;
use std::ptr;

use nix::errno::Errno;
use nix::sys::signal::SigSet;

use super::{Function, Plan, Step};
use crate::process::CLONE_PARENT;

/// A message to the caller: what it is about, and a number.
pub(super) type Message = [i32; 3];

/// The pid of the second process.
pub(super) const MADE: i32 = 1;
/// A step failed: its number, and the errno.
const FAILED: i32 = 2;
/// A listener comes along.
pub(super) const LISTENER: i32 = 3;
/// The number of no step: making the second process.
const NO_STEP: i32 = -1;

/// A process on its way. Everything that its methods do is safe in the child of a process with threads.
pub(super) struct Child<'a> {
    pub(super) plan: &'a Plan,
    pub(super) environment: &'a [*const c_char],
    pub(super) channel: RawFd,
}

impl Child<'_> {
    /// # Safety
    ///
    /// As for [`fork`](super::fork); called in a child of it.
    pub(super) unsafe fn run(
        &self,
        before: &SigSet,
        function: Function,
        argument: *mut c_void,
    ) -> ! {
        unsafe extern "C" {
            static mut environ: *const *const c_char;
        }
        self.take(&self.plan.outside, 0);
        // The second process is the caller's child as well: CLONE_PARENT takes no exit signal, as it has this one's.
        let mut arguments = [0_u64; 11];
        arguments[0] = CLONE_PARENT;
        // SAFETY: without CLONE_VM the new process gets its own copy of the memory, stack included; the array is
        // a `struct clone_args` of that size.
        let pid = unsafe {
            libc::syscall(libc::SYS_clone3, arguments.as_mut_ptr(), size_of_val(&arguments))
        };
        if pid != 0 {
            match i32::try_from(pid) {
                Ok(pid) if pid > 0 => self.say([MADE, pid, 0], None),
                _ => self.fail(NO_STEP),
            }
            // SAFETY: `_exit` may be called at any point.
            unsafe { libc::_exit(0) }
        }
        self.take(&self.plan.inside, i32::try_from(self.plan.outside.len()).unwrap_or(i32::MAX));
        // SAFETY: this process has one thread, and the list outlives it. The channel is not used again.
        let code = unsafe {
            environ = self.environment.as_ptr();
            libc::close(self.channel);
            libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ref(), ptr::null_mut());
            function(argument)
        };
        // SAFETY: as above.
        unsafe { libc::_exit(code) }
    }

    /// Takes the steps; returns if all of them worked.
    fn take(&self, steps: &[(Step, String)], first: i32) {
        let mut opened = -1;
        for (number, (step, _)) in (first..).zip(steps) {
            if !self.step(step, &mut opened) {
                self.fail(number);
            }
        }
    }

    /// Ends the process with the errno of the call that failed just now.
    fn fail(&self, step: i32) -> ! {
        self.say([FAILED, step, Errno::last_raw()], None);
        // SAFETY: `_exit` may be called at any point.
        unsafe { libc::_exit(1) }
    }

    /// Sends a message. A caller that is gone cannot be told.
    pub(super) fn say(&self, message: Message, fd: Option<RawFd>) {
        #[repr(C)]
        struct Rights {
            header: libc::cmsghdr,
            fd: RawFd,
        }
        let mut part = libc::iovec {
            iov_base: message.as_ptr().cast_mut().cast(),
            iov_len: size_of::<Message>(),
        };
        // SAFETY: zero is a value of all members of both.
        let (mut header, mut rights): (libc::msghdr, Rights) = unsafe { std::mem::zeroed() };
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        if let Some(fd) = fd {
            let length = size_of::<libc::cmsghdr>() + size_of::<RawFd>();
            rights.header.cmsg_len = length as _;
            rights.header.cmsg_level = libc::SOL_SOCKET;
            rights.header.cmsg_type = libc::SCM_RIGHTS;
            rights.fd = fd;
            header.msg_control = (&raw mut rights).cast();
            header.msg_controllen = size_of::<Rights>() as _;
        }
        // SAFETY: everything that the header points to lives across the call.
        unsafe { libc::sendmsg(self.channel, &raw const header, libc::MSG_NOSIGNAL) };
    }
}
