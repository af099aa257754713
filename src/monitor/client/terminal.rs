//! The container's terminals, and what its console has shown.

use std::os::fd::OwnedFd;

use nix::errno::Errno;

use super::Client;
use super::connection::ANSWER_MAX;
use crate::error::Result;
use crate::monitor::protocol::{Command, ConsoleLog, Request};

/// A tty of the container, leased as long as the connection is kept.
#[derive(Debug)]
pub struct Tty {
    /// Its number.
    pub number: i32,
    /// The side to read and write.
    pub ptx: OwnedFd,
    /// The lease.
    pub lease: OwnedFd,
}

impl Client {
    /// Leases tty `number`, 0 the console, -1 any; `None` if it is not to be had.
    pub fn tty(&self, number: i32) -> Result<Option<Tty>> {
        let request = Request::with_number(Command::GetTtyFd, number);
        match self.ask(&request, &[]).and_then(|answer| self.accepted(answer)) {
            Ok(answer) => {
                let number = answer.response.value();
                let ptx = answer.fds.into_iter().next().ok_or_else(|| self.no_answer())?;
                Ok(Some(Tty { number, ptx, lease: answer.connection }))
            }
            Err(error) if error.is(Errno::EBADF) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The root of the container's devpts; `None` if it has none of its own.
    pub fn devpts(&self) -> Result<Option<OwnedFd>> {
        match self.descriptor(Command::GetDevptsFd) {
            Ok((devpts, _)) => Ok(Some(devpts)),
            Err(error) if error.is(Errno::EBADF) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes what the console has shown from its buffer, at most `most` bytes, and empties it then if `clear`
    /// says so. Fails with `EFAULT` without a buffer, and with `ENODATA` if there is nothing to be read.
    pub fn console_output(&self, most: Option<usize>, clear: bool) -> Result<Vec<u8>> {
        let mut wanted = ConsoleLog { clear: false, read: true, read_max: 0, write_logfile: false };
        let mut output = Vec::new();
        while most.is_none_or(|most| output.len() < most) {
            let rest = most.map_or(ANSWER_MAX, |most| (most - output.len()).min(ANSWER_MAX));
            wanted.read_max = rest as u64;
            match self.console_log(&wanted) {
                Err(error) if error.is(Errno::ENODATA) && !output.is_empty() => break,
                part => output.extend(part?),
            }
        }
        if clear {
            let clearing =
                ConsoleLog { clear: true, read: false, read_max: 0, write_logfile: false };
            self.console_log(&clearing)?;
        }
        Ok(output)
    }

    fn console_log(&self, wanted: &ConsoleLog) -> Result<Vec<u8>> {
        let data = wanted.encode();
        let request = Request::with_data(Command::ConsoleLog, data.len());
        self.accepted(self.ask(&request, &data)?).map(|answer| answer.data)
    }
}
