//! Log files: what happens in a tool or a monitor, for those who look for a cause later.
//!
//! One line an event, in the form of LXC's own logs:
//!
//! ```text
//! lxc-start web 20261124022215.228 ERROR    monitor - src/monitor/life.rs:253 - the stop hook …
//! ```
//!
//! The time is UTC. A file that grows beyond [`MAX_SIZE`] becomes `FILE.1`, in the place of an older
//! one: a log has a bound.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use log::{Level, LevelFilter, Metadata, Record};

use crate::config;
use crate::error::{Context, Error, Result};
use crate::sys::syslog;
use crate::sys::visible::visible_text;

/// Bound of a log file, bytes.
pub const MAX_SIZE: u64 = 16 << 20;

/// Where this process logs to.
struct Target {
    file: Option<LogFile>,
    syslog: bool,
    /// What every line begins with: the tool and the container.
    prefix: String,
}

struct LogFile {
    path: PathBuf,
    file: File,
    /// The process that opened it: a copy of it may see other paths.
    opener: u32,
}

static TARGET: Mutex<Option<Target>> = Mutex::new(None);

/// Logs from now on as `settings` (`lxc.log.*`, `-o`, `-l`) say; `tool` and `container` are named in
/// each line. Without a file and a facility there is no log.
pub fn start(settings: &config::Log, tool: &str, container: Option<&str>) -> Result<()> {
    let prefix = match container {
        Some(name) => format!("{tool} {name}"),
        None => tool.to_owned(),
    };
    let file = settings.file.as_deref().map(LogFile::open).transpose()?;
    if let Some(facility) = &settings.syslog {
        syslog::open(tool, facility_number(facility)?);
    }
    if file.is_none() && settings.syslog.is_none() {
        return Ok(());
    }
    log::set_max_level(filter(settings.level));
    let target = Target { file, syslog: settings.syslog.is_some(), prefix };
    *lock() = Some(target);
    // Set already where a tool in the foreground becomes the monitor.
    let _ = log::set_logger(&Logger);
    Ok(())
}

/// Ends the log; its file is closed.
pub fn end() {
    *lock() = None;
}

/// Gives `act` the descriptor of the log file, which it may not close. The connection to the system
/// log is closed until there is something to say.
pub fn with_descriptor<R>(act: impl FnOnce(Option<BorrowedFd<'_>>) -> R) -> R {
    let target = lock();
    if target.as_ref().is_some_and(|target| target.syslog) {
        syslog::disconnect();
    }
    act(target.as_ref().and_then(|target| target.file.as_ref()).map(|log| log.file.as_fd()))
}

fn lock() -> std::sync::MutexGuard<'static, Option<Target>> {
    TARGET.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// LXC's nine levels on the five there are: NOTICE is information, all above ERROR are errors.
fn filter(level: Option<u8>) -> LevelFilter {
    match level {
        Some(0) => LevelFilter::Trace,
        Some(1) => LevelFilter::Debug,
        Some(2 | 3) => LevelFilter::Info,
        Some(4) => LevelFilter::Warn,
        _ => LevelFilter::Error,
    }
}

fn facility_number(facility: &str) -> Result<i32> {
    if facility == "daemon" {
        return Ok(libc::LOG_DAEMON);
    }
    let number = facility.strip_prefix("local").and_then(|number| number.parse::<i32>().ok());
    match number {
        // The facilities follow each other (syslog.h).
        Some(number) if (0..8).contains(&number) => Ok(libc::LOG_LOCAL0 + (number << 3)),
        _ => Err(Error::new(format!("there is no facility {facility} of the system log"))),
    }
}

/// Opens the log file `path` to append to it, and makes it first, mode 0640, where there is none.
/// What cannot be written at once, as to a full pipe, is lost.
pub fn open_appending(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .custom_flags(libc::O_CLOEXEC | libc::O_NOCTTY | libc::O_NONBLOCK)
        .open(path)
}

impl LogFile {
    fn open(path: &Path) -> Result<Self> {
        let file = open_appending(path)
            .context(|| format!("cannot open the log file {}", path.display()))?;
        Ok(Self { path: path.to_path_buf(), file, opener: std::process::id() })
    }

    /// A log that cannot be written must not stop what it tells of.
    fn write(&mut self, line: &str) {
        let is_full = |file: &File| file.metadata().is_ok_and(|found| found.len() > MAX_SIZE);
        if self.opener == std::process::id() && is_full(&self.file) {
            let mut older = self.path.clone().into_os_string();
            older.push(".1");
            if std::fs::rename(&self.path, older).is_ok()
                && let Ok(file) = open_appending(&self.path)
            {
                self.file = file;
            }
        }
        let _ = self.file.write_all(line.as_bytes());
    }
}

struct Logger;

impl log::Log for Logger {
    /// The crates below us have nothing to say that the container's owner could use.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        if let Some(target) = &mut *lock() {
            target.log(record);
        }
    }

    fn flush(&self) {}
}

impl Target {
    fn log(&mut self, record: &Record<'_>) {
        let message = one_line(&record.args().to_string());
        if self.syslog {
            let priority = match record.level() {
                Level::Error => libc::LOG_ERR,
                Level::Warn => libc::LOG_WARNING,
                Level::Info => libc::LOG_INFO,
                Level::Debug | Level::Trace => libc::LOG_DEBUG,
            };
            syslog::log(priority, &format!("{}: {message}", self.prefix));
        }
        if let Some(file) = &mut self.file {
            let time = jiff::Timestamp::now().strftime("%Y%m%d%H%M%S.%3f");
            let room = record.target().split("::").nth(1).unwrap_or("lxc");
            file.write(&format!(
                "{} {time} {:<8} {room} - {}:{} - {message}\n",
                self.prefix,
                record.level(),
                record.file().unwrap_or_default(),
                record.line().unwrap_or_default(),
            ));
        }
    }
}

/// A message of several lines, as one; without the frame around a configuration line, and without what
/// a terminal obeys: logs are read on one.
fn one_line(message: &str) -> String {
    let lines = message.lines().map(str::trim).filter(|line| !line.starts_with('|'));
    visible_text(&lines.collect::<Vec<_>>().join("; ")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lxcs_levels_have_ours() {
        assert_eq!(filter(None), LevelFilter::Error);
        assert_eq!(filter(Some(0)), LevelFilter::Trace);
        assert_eq!(filter(Some(3)), LevelFilter::Info);
        assert_eq!(filter(Some(8)), LevelFilter::Error);
        assert_eq!(facility_number("local7").unwrap(), libc::LOG_LOCAL7);
        assert!(facility_number("mail").is_err());
    }

    #[test]
    fn a_log_has_a_bound() {
        let path = std::env::temp_dir().join(format!("lxc-rs-log-{}", std::process::id()));
        let older = path.with_file_name(format!("lxc-rs-log-{}.1", std::process::id()));
        let mut log = LogFile::open(&path).unwrap();
        log.file.set_len(MAX_SIZE + 1).unwrap();
        log.write("next\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "next\n");
        assert_eq!(older.metadata().unwrap().len(), MAX_SIZE + 1);
        std::fs::remove_file(path).unwrap();
        std::fs::remove_file(older).unwrap();
    }

    #[test]
    fn a_block_is_one_line() {
        assert_eq!(
            one_line("no bridge\n --> c:1:5\n  |\n1 | a = b\n  |     ^\n  hint: make it"),
            "no bridge; --> c:1:5; 1 | a = b; hint: make it"
        );
        assert_eq!(one_line("no \x1b[2J\u{9b}A\r\nb"), "no \\x1b[2J\\u009bA; b");
    }
}
