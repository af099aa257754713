//! Where records are: the kernel's log, and, where an audit daemon takes them, its file.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};

use super::record::{Raw, Record};
use crate::error::{Context, Error, Result};
use crate::table;

/// The kernel's log (kernel: Documentation/ABI/testing/dev-kmsg).
pub const KMSG: &str = "/dev/kmsg";
/// The daemon's file.
pub const AUDIT_LOG: &str = "/var/log/audit/audit.log";
/// The longest record of the kernel's log (`PRINTKRB_RECORD_MAX`, earlier 8192).
const RECORD: usize = 8192;
/// How much of the daemon's file is read: its end.
const MOST_OF_FILE: u64 = 16 << 20;
/// How far the clock of the kernel's log, which nothing corrects, may be off. A record's own stamp is
/// taken up to there; beyond, somebody has set the clock since.
const DRIFT: Duration = Duration::from_secs(600);
/// More records than any log of the kernel's has.
const MOST_RECORDS: usize = 1 << 20;

/// The host's clocks against each other.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// Since the boot, with the time the host was suspended.
    pub boot: Duration,
    /// Since the boot, as the kernel's log counts.
    monotonic: Duration,
    /// Since 1970.
    unix: Duration,
}

impl Clocks {
    /// What they show now.
    pub fn now() -> Result<Self> {
        let read = |clock: ClockId| {
            let time = clock_gettime(clock).map(Duration::from);
            time.context(|| "cannot read the clock")
        };
        Ok(Self {
            boot: read(ClockId::CLOCK_BOOTTIME)?,
            monotonic: read(ClockId::CLOCK_MONOTONIC)?,
            unix: read(ClockId::CLOCK_REALTIME)?,
        })
    }

    /// How long after the boot it was when CLOCK_MONOTONIC showed `time`.
    pub fn by_monotonic(self, time: Duration) -> Duration {
        time + self.boot.saturating_sub(self.monotonic)
    }

    fn by_unix(self, time: Duration) -> Duration {
        (time + self.boot).saturating_sub(self.unix)
    }

    /// Seconds since 1970 at the time `boot` after the boot.
    pub fn to_unix(self, boot: Duration) -> u64 {
        (boot + self.unix).saturating_sub(self.boot).as_secs()
    }
}

/// What was read.
#[derive(Debug)]
pub struct Logs {
    /// The clocks then.
    pub clocks: Clocks,
    /// The records.
    pub records: Vec<Record>,
    /// When the oldest line that the kernel still has was written.
    pub begin: Option<Duration>,
    /// When the kernel last left out records, because there were too many.
    pub lost: Option<Duration>,
    /// Denials that could not be read.
    pub unread: usize,
    /// Whether there is a daemon's file that may not be read.
    pub closed: bool,
}

/// Reads both; a file of the daemon need not be there.
pub fn read(kmsg: &Path, file: &Path) -> Result<Logs> {
    let mut logs = Logs {
        clocks: Clocks::now()?,
        records: Vec::new(),
        begin: None,
        lost: None,
        unread: 0,
        closed: false,
    };
    logs.read_kernel(kmsg)?;
    logs.read_daemon(file)?;
    logs.records.sort_by_key(|record| record.time);
    Ok(logs)
}

impl Logs {
    fn read_kernel(&mut self, path: &Path) -> Result<()> {
        let failed = |error: std::io::Error| {
            let error = std::io::Result::<()>::Err(error)
                .context(|| format!("cannot read the kernel's log {}", path.display()));
            let Err(error) = error else { return Error::new("no error") };
            if error.lacks_rights() {
                return error.hint("be root, or let users read it: sysctl kernel.dmesg_restrict=0");
            }
            error
        };
        let mut log =
            File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(failed)?;
        let mut buffer = [0; RECORD];
        for _ in 0..MOST_RECORDS {
            match log.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => self.take_kernel(&table::text(buffer[..length].to_vec())),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // Overwritten meanwhile, or longer than any: the next read goes on after it.
                Err(error)
                    if error.kind() == ErrorKind::Interrupted
                        || [Errno::EPIPE, Errno::EINVAL]
                            .map(|errno| Some(errno as i32))
                            .contains(&error.raw_os_error()) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    /// Takes one record of the kernel's log: `PRIORITY,NUMBER,MICROSECONDS,FLAGS…;TEXT`. Facility 0 is
    /// the kernel; what a process writes to /dev/kmsg gets another.
    fn take_kernel(&mut self, text: &str) {
        let Some((prefix, rest)) = text.split_once(';') else { return };
        let mut words = prefix.split(',');
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
        let (Some(priority), Some(_), Some(micros)) = (number(), number(), number()) else {
            return;
        };
        let time = self.clocks.by_monotonic(Duration::from_micros(micros));
        self.begin.get_or_insert(time);
        if priority >> 3 != 0 {
            return;
        }
        let Some(line) = unescape(rest.lines().next().unwrap_or_default()) else { return };
        if line.starts_with("audit") && line.ends_with(" callbacks suppressed")
            || line.starts_with("audit: audit_lost=")
        {
            self.lost = Some(time);
        }
        if let Some(raw) = Raw::of_kernel(&line) {
            let stamp = self.clocks.by_unix(raw.stamp);
            let is_near = stamp.abs_diff(time) < DRIFT;
            self.take(&raw, if is_near { stamp } else { time });
        }
    }

    fn read_daemon(&mut self, path: &Path) -> Result<()> {
        let failed = || format!("cannot read {}", path.display());
        let mut file = match File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                self.closed = true;
                return Ok(());
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            file => file.context(failed)?,
        };
        let length = file.metadata().context(failed)?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(MOST_OF_FILE))).context(failed)?;
        let mut bytes = Vec::new();
        file.take(MOST_OF_FILE).read_to_end(&mut bytes).context(failed)?;
        for line in table::text(bytes).lines() {
            if let Some(raw) = Raw::of_daemon(line) {
                self.take(&raw, self.clocks.by_unix(raw.stamp));
            }
        }
        Ok(())
    }

    fn take(&mut self, raw: &Raw<'_>, time: Duration) {
        match raw.read(time) {
            Some(record) => self.records.push(record),
            None if raw.is_denial() => self.unread += 1,
            None => {}
        }
    }
}

/// The text in which the kernel wrote `\xNN` for each byte that is not plain.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first != b'\\' {
            bytes.push(*first);
            rest = after;
            continue;
        }
        let digits = after.strip_prefix(b"x").and_then(|after| after.get(..2))?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = &after[3..];
    }
    Some(table::text(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "audit: type=1326 audit(1795709905.380:2): auid=4294967295 uid=0 gid=0 \
         ses=4294967295 pid=5748 comm=\"x\" exe=\"/x\" sig=31 arch=c000003e syscall=39 compat=0 \
         ip=0x7f937ed1f829 code=0x80000000";

    fn logs() -> Logs {
        let clocks = Clocks {
            boot: Duration::from_secs(1500),
            monotonic: Duration::from_secs(1000),
            unix: Duration::from_secs(1_795_710_000),
        };
        Logs { clocks, records: Vec::new(), begin: None, lost: None, unread: 0, closed: false }
    }

    #[test]
    fn only_the_kernel_is_believed() {
        let mut logs = logs();
        for facility in 1..24 {
            logs.take_kernel(&format!("{},1,5000000,-;{BODY}\n", facility << 3 | 5));
        }
        assert!(logs.records.is_empty());
        logs.take_kernel(&format!("5,2,5000000,-,caller=T5;{BODY}\n SUBSYSTEM=x\n"));
        assert_eq!(logs.records.len(), 1);
        assert_eq!(logs.records[0].time, Duration::from_secs(505));
        assert_eq!(logs.begin, Some(Duration::from_secs(505)));
    }

    #[test]
    fn a_line_of_the_kernel_that_quotes_a_process_is_no_record() {
        let mut logs = logs();
        logs.take_kernel(&format!("6,2,5000000,-;process \\x0a{BODY}\n"));
        logs.take_kernel(&format!("6,2,5000000,-;{BODY}\\x0a\n"));
        logs.take_kernel(&format!("6,2,5000000,-;{BODY} IN=eth0 OUT=\n"));
        assert!(logs.records.is_empty());
        assert_eq!(logs.unread, 2);
        logs.take_kernel("4,3,6000000,-;audit_printk_skb: 12 callbacks suppressed\n");
        assert_eq!(logs.lost, Some(Duration::from_secs(506)));
    }

    #[test]
    fn the_daemons_time_is_the_hosts() {
        let mut logs = logs();
        let line = BODY.replace("audit: type=1326 audit(", "type=SECCOMP msg=audit(");
        let raw = Raw::of_daemon(&line).unwrap();
        logs.take(&raw, logs.clocks.by_unix(raw.stamp));
        let time = logs.records[0].time;
        assert_eq!(time, Duration::from_millis(1_405_380));
        assert_eq!(logs.clocks.to_unix(time), 1_795_709_905);
    }
}
