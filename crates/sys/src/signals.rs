//! The signals that this program's caller ignored or blocked, for the programs that it executes.
//!
//! They are noted before `main`: by then a program in Rust ignores SIGPIPE, whatever its caller did.
//! Sets of signals are numbers with bit N-1 for signal N, as in `/proc/PID/status`.

use std::sync::atomic::{AtomicU64, Ordering};

use super::process;

static IGNORED: AtomicU64 = AtomicU64::new(0);
static BLOCKED: AtomicU64 = AtomicU64::new(0);

/// Called by the loader, as a constructor.
#[used]
#[unsafe(link_section = ".init_array")]
static NOTE: extern "C" fn() = note;

/// The highest number of a signal.
const LAST: i32 = 64;

/// The kernel's `struct sigaction`: the handler, then flags and the mask; in some architectures there is
/// a word between them.
type Action = [usize; 4];

extern "C" fn note() {
    let ignored = (1..=LAST).filter(|signal| is_ignored(*signal)).map(bit).sum();
    IGNORED.store(ignored, Ordering::Relaxed);
    let mut blocked: u64 = 0;
    // SAFETY: without a new mask only the present one is stored, which has eight bytes.
    unsafe {
        let none = std::ptr::null::<u64>();
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_BLOCK, none, &raw mut blocked, 8);
    }
    BLOCKED.store(blocked, Ordering::Relaxed);
}

fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

fn is_ignored(signal: i32) -> bool {
    let mut action: Action = [libc::SIG_DFL; 4];
    // SAFETY: without a new action only the present one is stored, for which there is room.
    unsafe {
        let none = std::ptr::null::<Action>();
        libc::syscall(libc::SYS_rt_sigaction, signal, none, &raw mut action, 8);
    }
    action[0] == libc::SIG_IGN
}

/// Whether a program that this one executes ignores `signal`.
///
/// SIGCHLD: who ignores it cannot wait for its children. posix_spawn(3) lets programs ignore what libc
/// keeps for itself.
fn is_handed_on(signal: i32) -> bool {
    let own = (32..libc::SIGRTMIN()).contains(&signal) || signal == libc::SIGCHLD;
    !own && IGNORED.load(Ordering::Relaxed) & bit(signal) != 0
}

/// What lets a shell, and what it executes, ignore the signals that this program's caller ignored, also those
/// that this program catches: a command, with a blank after it, or nothing.
pub fn shell_trap() -> String {
    let signals: Vec<String> = (1..=LAST)
        .filter(|signal| is_handed_on(*signal))
        .map(|signal| signal.to_string())
        .collect();
    if signals.is_empty() { String::new() } else { format!("trap '' {}; ", signals.join(" ")) }
}

/// Those that a program executed by posix_spawn(3) must not ignore, although this one may.
pub(crate) fn not_handed_on() -> nix::sys::signal::SigSet {
    let bits = (1..=LAST).filter(|signal| !is_handed_on(*signal)).map(bit).sum::<u64>();
    // SAFETY: a set is plain data, and its beginning is the kernel's; sigaddset(3) refuses libc's own.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        (&raw mut set).cast::<u64>().write(bits);
        nix::sys::signal::SigSet::from_sigset_t_unchecked(set)
    }
}

/// The signals that were blocked when this program was executed.
pub(crate) fn blocked() -> nix::sys::signal::SigSet {
    // SAFETY: as above.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        (&raw mut set).cast::<u64>().write(BLOCKED.load(Ordering::Relaxed));
        nix::sys::signal::SigSet::from_sigset_t_unchecked(set)
    }
}

/// Lets this process, which is about to execute another program, ignore what its caller ignored, and
/// nothing else.
pub fn ignore_as_caller() {
    for signal in 1..=LAST {
        let handler = if is_handed_on(signal) { libc::SIG_IGN } else { libc::SIG_DFL };
        let action: Action = [handler, 0, 0, 0];
        // SAFETY: the action needs no restorer, and its mask is empty; signals that cannot be changed
        // are refused. libc does not let programs change those of its own.
        unsafe {
            let none = std::ptr::null_mut::<Action>();
            libc::syscall(libc::SYS_rt_sigaction, signal, &raw const action, none, 8);
        }
    }
}

/// Lets this process block what its caller blocked.
pub fn block_as_caller() {
    // The mask was one before.
    let _ = blocked().thread_set_mask();
}

/// Lets this process be ended and told of its children's end whatever its caller ignored or blocked: for
/// programs that stay when their caller is gone.
pub fn forget_caller() {
    process::reset_signal_handlers();
    process::ignore_signal(libc::SIGPIPE);
    process::unblock_signals();
}
