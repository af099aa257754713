//! The command lines: a file for each template. The only room that prints.

mod commit;
mod cp;
mod diff;
mod download;
mod export;
mod image;
mod import;
mod layers;
mod local;
mod oci;
mod options;
mod pull;
mod serve_tree;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU8, Ordering};

use lxc_sys::visible::for_reader;

use crate::{Error, Result};

/// A program of this crate.
struct Program {
    /// Its file's name.
    name: &'static str,
    command: fn() -> clap::Command,
    run: fn(&clap::ArgMatches) -> Result<()>,
}

const PROGRAMS: [Program; 10] = [
    commit::PROGRAM,
    cp::PROGRAM,
    cp::READER,
    diff::PROGRAM,
    download::PROGRAM,
    export::PROGRAM,
    image::PROGRAM,
    import::PROGRAM,
    local::PROGRAM,
    oci::PROGRAM,
];

/// Runs the program by whose name this one was called.
pub fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let called =
        arguments.first().map(|name| Path::new(name).file_name().unwrap_or_default().to_owned());
    let find = |name: &OsString| PROGRAMS.iter().find(|program| *name == *program.name);
    let program = called.as_ref().and_then(find).or_else(|| {
        // `lxc-images lxc-oci …`
        let program = find(arguments.get(1)?)?;
        arguments.remove(0);
        Some(program)
    });
    let Some(program) = program else {
        let names: Vec<&str> = PROGRAMS.iter().map(|program| program.name).collect();
        say(std::io::stderr(), &format!("call it as one of: {}", names.join(" ")));
        return ExitCode::FAILURE;
    };
    let matches = match (program.command)().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            let text = error.render().to_string();
            if error.use_stderr() {
                say(std::io::stderr(), text.trim_end());
                return ExitCode::FAILURE;
            }
            say(std::io::stdout(), text.trim_end());
            return ExitCode::SUCCESS;
        }
    };
    match (program.run)(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One without a text was told by somebody else.
            if !error.what.is_empty() {
                complain(program.name, &error);
            }
            ExitCode::FAILURE
        }
    }
}

/// Where what is being done is said.
static PLACE: AtomicU8 = AtomicU8::new(STDOUT);
const STDOUT: u8 = 0;
const STDERR: u8 = 1;
const NOWHERE: u8 = 2;

/// Says what is being done on `stdout`, on `stderr`, or not at all.
fn tell_on(place: &str) {
    let place = match place {
        "stderr" => STDERR,
        "none" => NOWHERE,
        _ => STDOUT,
    };
    PLACE.store(place, Ordering::Relaxed);
}

/// Says what is being done.
fn tell(text: &str) {
    match PLACE.load(Ordering::Relaxed) {
        STDOUT => say(std::io::stdout(), text),
        STDERR => say(std::io::stderr(), text),
        _ => {}
    }
}

/// Says on a terminal how far it is, in the place of what it said before; whether there is one.
fn tell_progress(text: &str) -> bool {
    fn write(mut stream: impl Write + IsTerminal, text: &str) -> bool {
        stream.is_terminal()
            && stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).is_ok()
    }
    match PLACE.load(Ordering::Relaxed) {
        STDOUT => write(std::io::stdout(), text),
        STDERR => write(std::io::stderr(), text),
        _ => false,
    }
}

/// Says what could not be had.
fn warn(program: &str, text: &str) {
    say(std::io::stderr(), &format!("{program}: {text}"));
}

fn complain(program: &str, error: &Error) {
    say(std::io::stderr(), &format!("{program}: {error}"));
}

fn say(mut stream: impl Write + IsTerminal, text: &str) {
    let text = format!("{text}\n");
    let text = for_reader(text.as_bytes(), &stream).into_owned();
    // A reader that went away needs nothing.
    let _ = stream.write_all(&text).and_then(|()| stream.flush());
}
