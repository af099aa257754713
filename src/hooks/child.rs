//! A hook's process: its output is read as it comes, and its end is awaited.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::unistd::Pid;
use rustix::io::ioctl_fionbio;

use crate::channel::Wait;
use crate::error::{Context, Result};
use crate::sys::{process, signals};

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

/// Runs `command` to its end, which is not delayed by processes that the hook leaves running with its
/// output open. If `wait` fails, the hook is killed. `name` is what errors call it.
pub(super) fn run(command: &mut Command, name: &str, wait: &mut dyn Wait) -> Result<Ended> {
    let failed = || format!("cannot run the {name}");
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut hook = Hook(signals::begin_unblocked(command).spawn().context(failed)?);
    let pid = Pid::from_raw(hook.0.id().cast_signed());
    let pidfd = process::pidfd_open(pid).context(failed)?;
    let mut streams = [
        Stream::new(hook.0.stdout.take().map(OwnedFd::from)).context(failed)?,
        Stream::new(hook.0.stderr.take().map(OwnedFd::from)).context(failed)?,
    ];
    loop {
        let fds: Vec<BorrowedFd<'_>> =
            [pidfd.as_fd()].into_iter().chain(streams.iter().filter_map(Stream::open)).collect();
        wait.readable(&fds)?;
        let ended = hook.0.try_wait().context(|| format!("cannot wait for the {name}"))?;
        streams.iter_mut().for_each(Stream::read);
        if let Some(status) = ended {
            return Ok(Ended { status, output: streams.map(|stream| stream.kept) });
        }
    }
}

/// The process; killed if it is given up.
struct Hook(Child);

impl Drop for Hook {
    fn drop(&mut self) {
        // No signal is sent to one that was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One of its outputs.
struct Stream {
    /// `None` at the end of the file.
    file: Option<std::fs::File>,
    kept: Vec<u8>,
}

impl Stream {
    fn new(fd: Option<OwnedFd>) -> std::io::Result<Self> {
        if let Some(fd) = &fd {
            ioctl_fionbio(fd, true)?;
        }
        Ok(Self { file: fd.map(std::fs::File::from), kept: Vec::new() })
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

    fn shell(line: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", line]);
        command
    }

    #[test]
    fn a_daemon_that_keeps_the_output_open_is_not_waited_for() {
        let begin = Instant::now();
        let ended =
            run(&mut shell("echo out; echo err >&2; sleep 20 & exit 3"), "hook", &mut Block)
                .unwrap();
        assert_eq!(ended.status.code(), Some(3));
        assert_eq!(ended.output, [b"out\n".to_vec(), b"err\n".to_vec()]);
        assert!(begin.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn the_end_of_long_output_is_kept() {
        let ended =
            run(&mut shell("yes x | head -c 3000000; echo end"), "hook", &mut Block).unwrap();
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
        let error = run(&mut shell("echo; exec sleep 20"), "hook", &mut GiveUp).unwrap_err();
        assert_eq!(error.what, "enough");
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
}
