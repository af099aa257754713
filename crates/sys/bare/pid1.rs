//! Pid 1 of lxc-execute: a program of its own, compiled by build.rs and kept in lxc-rs as bytes.
//!
//! It has no standard library and no libc, so it needs nothing of the container's file system, and its
//! memory holds nothing of the host's. It is executed with the words NAME and PID when its child PID
//! exists and all signals are blocked. It reaps every orphan, passes signals on to PID, and ends with
//! PID's exit code, or 128 and the number of its signal, when no child is left.

#![no_std]
#![no_main]

mod call;

use call::{call, exit};

const SIGKILL: usize = 9;
const SIGTERM: usize = 15;
const SIGCHLD: usize = 17;
const SIGPWR: usize = 30;
const EINTR: isize = -4;
const WNOHANG: usize = 1;
const PR_SET_NAME: usize = 15;
/// All signals but 32 and 33, which libc keeps for itself and does not block.
const SIGNALS: u64 = !(0b11 << 31);
/// How long processes may take to end after SIGTERM before they are killed: a `struct timespec`.
const GRACE: [i64; 2] = [1, 0];

/// The numbers of system calls.
#[cfg(target_arch = "x86_64")]
mod number {
    pub const SIGTIMEDWAIT: usize = 128;
    pub const WAIT4: usize = 61;
    pub const KILL: usize = 62;
    pub const GETPID: usize = 39;
    pub const PRCTL: usize = 157;
}
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
mod number {
    pub const SIGTIMEDWAIT: usize = 137;
    pub const WAIT4: usize = 260;
    pub const KILL: usize = 129;
    pub const GETPID: usize = 172;
    pub const PRCTL: usize = 167;
}

/// Begins with the stack as the kernel made it: the number of words, and the words.
pub extern "C" fn begin(stack: *const usize) -> ! {
    // SAFETY: at the beginning the stack holds the number of words, a pointer to each, and a null.
    let child = unsafe {
        if *stack != 2 {
            exit(255);
        }
        call(number::PRCTL, [PR_SET_NAME, *stack.add(1)]);
        decimal(*stack.add(2) as *const u8)
    };
    supervise(child)
}

fn supervise(child: usize) -> ! {
    let mut code = 1;
    let mut shutting_down = false;
    loop {
        match wait_signal(shutting_down) {
            None => signal_all(child, SIGKILL),
            Some(SIGCHLD) => reap(child, &mut code),
            Some(SIGTERM | SIGPWR) if shutting_down => {}
            Some(SIGTERM | SIGPWR) => {
                shutting_down = true;
                signal_all(child, SIGTERM);
            }
            // The command may be gone already while its children still run.
            Some(signal) => kill(child, signal),
        }
    }
}

/// Waits for a signal, [`GRACE`] at most if `limited`; `None` when the time is up.
fn wait_signal(limited: bool) -> Option<usize> {
    let (signals, grace) = (SIGNALS, GRACE);
    let limit = if limited { &raw const grace as usize } else { 0 };
    loop {
        // SAFETY: the set and the time live across the call, and a null asks for no details.
        let signal =
            unsafe { call(number::SIGTIMEDWAIT, [&raw const signals as usize, 0, limit, 8]) };
        match signal {
            1.. => return Some(signal as usize),
            EINTR => {}
            _ => return None,
        }
    }
}

/// Reaps all children that ended, and ends this process if none is left. `code` is the child's.
fn reap(child: usize, code: &mut usize) {
    let mut status = 0_i32;
    loop {
        // SAFETY: `status` lives across the call, and a null asks for no statistics.
        let pid = unsafe { call(number::WAIT4, [usize::MAX, &raw mut status as usize, WNOHANG, 0]) };
        match pid {
            0 => return,
            1.. if pid as usize == child => {
                let signal = status & 0x7f;
                *code = if signal == 0 { status >> 8 & 0xff } else { 128 + signal } as usize;
            }
            1.. | EINTR => {}
            _ => exit(*code),
        }
    }
}

/// Sends `signal` to all processes of the pid namespace. Where that is not the container's own, only
/// to the child.
fn signal_all(child: usize, signal: usize) {
    // SAFETY: the call has no arguments.
    let is_first = unsafe { call(number::GETPID, []) } == 1;
    kill(if is_first { usize::MAX } else { child }, signal);
}

/// There may be nobody left to get it.
fn kill(pid: usize, signal: usize) {
    // SAFETY: the arguments are plain numbers.
    unsafe { call(number::KILL, [pid, signal]) };
}

/// The number in the decimal digits of `text`.
///
/// # Safety
///
/// `text` ends with a NUL.
unsafe fn decimal(mut text: *const u8) -> usize {
    let mut number: usize = 0;
    // SAFETY: nothing behind the NUL is read, as the caller vouches.
    unsafe {
        while *text != 0 {
            number = number.wrapping_mul(10).wrapping_add((*text).wrapping_sub(b'0') as usize);
            text = text.add(1);
        }
    }
    number
}
