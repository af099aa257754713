//! A hook's process: its output is read as it comes, and its end is awaited.

use std::ffi::OsString;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2};
use rustix::io::ioctl_fionbio;

use crate::channel::Wait;
use crate::error::{Context, Result};
use crate::sys::process;
use crate::sys::spawn::{Image, Program};

/// How much of a hook's output is kept, bytes: the last of it.
const KEPT: usize = 64 << 10;

/// How a hook ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// The last of what it wrote to its standard output and standard error.
    pub output: [Vec<u8>; 2],
}

/// What a shell is to do.
#[derive(Debug)]
pub(super) struct Line {
    /// The command.
    pub text: String,
    /// Its environment.
    pub environment: Vec<OsString>,
    /// Whether it reads this process's standard input.
    pub stdin: bool,
}

/// Runs `line` to its end, which is not delayed by processes that the hook leaves running with its
/// output open. If `wait` fails, the hook is killed. `name` is what errors call it.
pub(super) fn run(line: Line, name: &str, wait: &mut dyn Wait) -> Result<Ended> {
    let failed = || format!("cannot run the {name}");
    let (stdout, stderr) = (Stream::new().context(failed)?, Stream::new().context(failed)?);
    let shell = Program {
        program: Image::Path(Path::new("/bin/sh")),
        arguments: ["/bin/sh", "-c", &line.text].map(OsString::from).to_vec(),
        environment: line.environment,
        session: false,
        unblocked: true,
        null: (!line.stdin).then_some(0..=0),
        keep: &[(stdout.1.as_fd(), 1), (stderr.1.as_fd(), 2)],
    };
    let mut hook = Hook { pid: shell.spawn().context(failed)?, is_reaped: false };
    let mut streams = [stdout.0, stderr.0];
    drop((stdout.1, stderr.1));
    let pidfd = process::pidfd_open(hook.pid).context(failed)?;
    loop {
        let fds: Vec<BorrowedFd<'_>> =
            [pidfd.as_fd()].into_iter().chain(streams.iter().filter_map(Stream::open)).collect();
        wait.readable(&fds)?;
        let ended = hook.try_wait().context(|| format!("cannot wait for the {name}"))?;
        streams.iter_mut().for_each(Stream::read);
        if let Some(status) = ended {
            return Ok(Ended { status, output: streams.map(|stream| stream.kept) });
        }
    }
}

/// The process; killed if it is given up.
struct Hook {
    pid: Pid,
    is_reaped: bool,
}

impl Hook {
    /// How it ended, if it has.
    fn try_wait(&mut self) -> nix::Result<Option<ExitStatus>> {
        let raw = match waitpid(self.pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, code)) => code << 8,
            Ok(WaitStatus::Signaled(_, signal, _)) => signal as i32,
            Ok(_) | Err(Errno::EINTR) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        self.is_reaped = true;
        Ok(Some(ExitStatus::from_raw(raw)))
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        if !self.is_reaped {
            // It may have ended by now.
            let _ = process::kill(self.pid, libc::SIGKILL);
            let _ = waitpid(self.pid, None);
        }
    }
}

/// One of its outputs.
struct Stream {
    /// `None` at the end of the file.
    file: Option<std::fs::File>,
    kept: Vec<u8>,
}

impl Stream {
    /// With the end that the hook writes to.
    fn new() -> nix::Result<(Self, OwnedFd)> {
        let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
        ioctl_fionbio(&read, true).map_err(|errno| Errno::from_raw(errno.raw_os_error()))?;
        Ok((Self { file: Some(read.into()), kept: Vec::new() }, write))
    }

    fn open(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }

    /// Reads once: a hook that writes without end must not keep its reader from other work.
    fn read(&mut self) {
        let Some(file) = &mut self.file else { return };
        let mut buffer = vec![0; KEPT];
        match file.read(&mut buffer) {
            Ok(0) => self.file = None,
            Ok(len) => {
                self.kept.extend(&buffer[..len]);
                let excess = self.kept.len().saturating_sub(KEPT);
                self.kept.drain(..excess);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => self.file = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::channel::{self, Block};
    use crate::error::Error;
    use crate::sys::exec;

    fn shell(text: &str) -> Line {
        Line { text: text.to_owned(), environment: exec::own_environment(), stdin: true }
    }

    #[test]
    fn a_daemon_that_keeps_the_output_open_is_not_waited_for() {
        let begin = Instant::now();
        let ended =
            run(shell("echo out; echo err >&2; sleep 20 & exit 3"), "hook", &mut Block).unwrap();
        assert_eq!(ended.status.code(), Some(3));
        assert_eq!(ended.output, [b"out\n".to_vec(), b"err\n".to_vec()]);
        assert!(begin.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn the_end_of_long_output_is_kept() {
        let ended = run(shell("yes x | head -c 3000000; echo end"), "hook", &mut Block).unwrap();
        assert_eq!(ended.output[0].len(), KEPT);
        assert!(ended.output[0].ends_with(b"x\nend\n"));
    }

    #[test]
    fn a_hook_that_is_given_up_is_killed() {
        struct GiveUp;
        impl Wait for GiveUp {
            fn readable(&mut self, fds: &[BorrowedFd<'_>]) -> Result<()> {
                channel::wait_readable(fds[1], None)?;
                Err(Error::new("enough"))
            }
        }
        let begin = Instant::now();
        let error = run(shell("echo; exec sleep 20"), "hook", &mut GiveUp).unwrap_err();
        assert_eq!(error.what, "enough");
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
}
