//! Standard output and standard error: the one place where commands print.
//!
//! On a terminal everything is made visible here (`sys::visible`), since most of it comes from configurations, from
//! containers and from the kernel's messages about them. What goes to a file or a pipe is left as it is.

use std::io::{ErrorKind, Write};

use tabled::builder::Builder;
use tabled::settings::{Padding, Style};

use crate::error::{Context, errno_text};
use crate::sys::visible::for_reader;

/// Prints `line` and a newline on standard output.
pub fn line(line: &str) {
    bytes(format!("{line}\n").as_bytes());
}

/// Prints `bytes` on standard output, as they are: text with our own colours and movements of the
/// cursor. What comes from elsewhere must have been made visible in it.
pub fn styled(bytes: &[u8]) {
    end_unless_written(write(bytes));
}

/// Prints `bytes` on standard output. A reader that went away (`lxc-ls | head -1`) ends the program
/// as SIGPIPE would, since nobody is left to be told anything.
pub fn bytes(bytes: &[u8]) {
    end_unless_written(write(&for_reader(bytes, &std::io::stdout())));
}

fn end_unless_written(written: std::io::Result<()>) {
    if let Err(error) = written {
        if error.kind() == ErrorKind::BrokenPipe {
            crate::sys::process::exit_now(128 + libc::SIGPIPE);
        }
        let cause = error.raw_os_error().map_or_else(|| error.to_string(), errno_text);
        error_line(&format!("cannot write to standard output: {cause}"));
        crate::sys::process::exit_now(1);
    }
}

/// Prints `text` on standard output, for callers that have something to undo if that fails.
pub fn try_text(text: &str) -> crate::Result<()> {
    write(&for_reader(text.as_bytes(), &std::io::stdout()))
        .context(|| "cannot write to standard output")
}

fn write(bytes: &[u8]) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush())
}

/// Prints `line` and a newline on standard error; if nobody reads that, there is nobody to tell.
pub fn error_line(line: &str) {
    let text = format!("{line}\n");
    let _ = std::io::stderr().lock().write_all(&for_reader(text.as_bytes(), &std::io::stderr()));
}

/// The option `--format`, one of `formats`, the first by default.
pub fn format_option(formats: &[&'static str]) -> clap::Arg {
    clap::Arg::new("format")
        .long("format")
        .value_name("FORMAT")
        .value_parser(formats.to_vec())
        .default_value(formats[0])
        .help("How to print it")
}

/// Prints a table of comma-separated values (RFC 4180) on standard output, its titles first.
pub fn csv<const N: usize>(
    titles: &[&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> crate::Result<()> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let failed =
        |error: &dyn std::fmt::Display| crate::Error::new(format!("cannot print CSV: {error}"));
    writer.write_record(titles).map_err(|error| failed(&error))?;
    for row in rows {
        writer.write_record(row).map_err(|error| failed(&error))?;
    }
    bytes(&writer.into_inner().map_err(|error| failed(&error))?);
    Ok(())
}

/// Prints a table for people on standard output, its titles first.
pub fn table<const N: usize>(titles: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    let mut builder = Builder::default();
    builder.push_record(titles);
    for row in rows {
        builder.push_record(row);
    }
    let mut table = builder.build();
    table.with(Style::empty()).with(Padding::new(0, 1, 0, 0));
    line(&table.to_string());
}

/// Prints `value` as JSON on standard output.
pub fn json(value: &impl serde::Serialize) -> crate::Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| crate::Error::new(format!("cannot print JSON: {error}")))?;
    line(&text);
    Ok(())
}

/// Prints `text` on standard error as it is: progress, of our own words alone.
pub fn error_text(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
