//! Where a program begins.
//!
//! Before `main`, Rust's runtime reads /proc/self/maps for the bounds of the stack, and prepares a stack of its own for the
//! message that one has overflowed: a sixth of the time that a short command takes. [`entry!`](crate::entry!) makes a program
//! begin without these; what else the runtime does, [`begin`] does.

use nix::errno::Errno;

use super::process;

/// Makes `$run`, a function without arguments that returns the exit status, the beginning of the program.
///
/// For a program with `#![cfg_attr(all(target_env = "gnu", not(test)), no_main)]`. Its unit tests, and all programs with
/// other C libraries, begin by Rust's runtime, which is where those take the arguments from.
#[macro_export]
macro_rules! entry {
    ($run:path) => {
        #[cfg(all(target_env = "gnu", not(test)))]
        #[unsafe(no_mangle)]
        extern "C" fn main(_count: i32, _arguments: *const *const u8) -> i32 {
            $crate::entry::begin();
            // Flushes standard output, which a return to the C library would not.
            std::process::exit($run())
        }

        #[cfg(any(not(target_env = "gnu"), test))]
        fn main() {
            std::process::exit($run())
        }
    };
}

/// Opens /dev/null in the place of each standard descriptor that is closed, so that no file that is opened later takes its
/// number and gets its output; and ignores `SIGPIPE`, so that a write to a closed pipe fails. To be called first.
pub fn begin() {
    for fd in 0..=2 {
        // SAFETY: asks about a number, whether or not it is open.
        let asked = unsafe { libc::fcntl(fd, libc::F_GETFD) };
        let is_closed = asked < 0 && Errno::last() == Errno::EBADF;
        // SAFETY: a valid path; the lowest number that is free is `fd`, as those below are open.
        if is_closed && unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) } != fd {
            // No descriptor is left on which an error could be printed.
            std::process::abort();
        }
    }
    process::ignore_signal(libc::SIGPIPE);
}
