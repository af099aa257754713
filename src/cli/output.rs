//! Standard output and standard error.

use std::io::{ErrorKind, Write};

/// Prints `line` and a newline on standard output.
pub fn line(line: &str) {
    bytes(format!("{line}\n").as_bytes());
}

/// Prints `bytes` on standard output. A reader that went away (`lxc-ls | head -1`) ends the program
/// as SIGPIPE would, since nobody is left to be told anything.
pub fn bytes(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    if let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        let code = if error.kind() == ErrorKind::BrokenPipe { 128 + libc::SIGPIPE } else { 1 };
        crate::sys::process::exit_now(code);
    }
}

/// Prints `line` and a newline on standard error; if nobody reads that, there is nobody to tell.
pub fn error_line(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
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

/// Prints `value` as JSON on standard output.
pub fn json(value: &impl serde::Serialize) -> crate::Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| crate::Error::new(format!("cannot print JSON: {error}")))?;
    line(&text);
    Ok(())
}

/// Prints `text` on standard error as it is.
pub fn error_text(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
