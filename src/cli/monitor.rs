//! lxc-monitor: prints the states of containers as they change; and lxc-monitord, which it starts.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use clap::Command;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use regex::Regex;

use super::{Invocation, NameRule, Tool, errln, flag, outln};
use crate::error::{Error, Result};
use crate::exit::ExitCode;
use crate::monitor::protocol::{Event, Message};
use crate::monitord::{self, Stay, Subscription};
use crate::sys::{process, signals};

pub(super) const TOOL: Tool = Tool {
    name: "monitor",
    about: "Print the states of containers as they change",
    name_rule: NameRule::Free,
    options,
    run,
    more_help: None,
};

fn options(command: Command) -> Command {
    command
        .mut_arg("name", |arg| arg.help("Regular expression for names (default: all)"))
        .arg(flag("quit").short('Q').help("End lxc-monitord"))
        .arg(super::output::format_option(&["text", "json"]))
}

fn run(invocation: &Invocation) -> Result<ExitCode> {
    let paths = invocation.lxcpaths()?;
    if invocation.flag("quit") {
        for path in &paths {
            monitord::quit(path)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let first = invocation.args.first().map(|name| name.to_string_lossy().into_owned());
    let pattern = invocation.name.clone().or(first).unwrap_or_else(|| ".*".to_owned());
    let names = Regex::new(&format!("^(?:{pattern})$")).map_err(|error| {
        Error::new(format!("{pattern} is not a regular expression")).note(error.to_string())
    })?;
    let print = if invocation.value("format") == Some("json") { print_json } else { print_text };
    let mut subscriptions =
        paths.iter().map(|path| Subscription::new(path)).collect::<Result<Vec<_>>>()?;
    loop {
        for index in wait(&subscriptions)? {
            if let Some(message) = subscriptions[index].receive()?
                && names.is_match(&message.name)
            {
                print(&paths[index], &message);
            }
        }
    }
}

/// The subscriptions on which something happened.
fn wait(subscriptions: &[Subscription]) -> Result<Vec<usize>> {
    let mut fds: Vec<PollFd<'_>> =
        subscriptions.iter().map(|one| PollFd::new(one.as_fd(), PollFlags::POLLIN)).collect();
    match poll(&mut fds, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(Error::new("cannot wait for events").errno(errno)),
    }
    let ready = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
    Ok(fds.iter().enumerate().filter(|(_, fd)| ready(fd)).map(|(index, _)| index).collect())
}

fn print_text(_lxcpath: &Path, message: &Message) {
    let name = &message.name;
    match message.event {
        Event::State(state) => outln!("'{name}' changed state to [{state}]"),
        Event::Exit(status) => outln!("'{name}' exited with status [{}]", exit_code(status)),
    }
}

/// One object a line.
fn print_json(lxcpath: &Path, message: &Message) {
    let mut object = serde_json::json!({ "name": message.name, "lxcpath": lxcpath });
    match message.event {
        Event::State(state) => object["state"] = state.word().into(),
        Event::Exit(status) => {
            object["exit_code"] = exit_code(status).into();
            object["signal"] = libc::WTERMSIG(status).into();
        }
    }
    outln!("{object}");
}

fn exit_code(status: i32) -> i32 {
    libc::WEXITSTATUS(status)
}

/// Runs lxc-monitord: `LXCPATH FD`, where a byte is written to FD when it listens, or `--daemon`.
pub(super) fn daemon(args: &[OsString]) -> ExitCode {
    signals::forget_caller();
    let result = match args {
        [word, rest @ ..] if word == "--daemon" => {
            let lxcpath = match rest {
                [] => Invocation::default_lxcpath(),
                [path, ..] => Ok(PathBuf::from(path)),
            };
            lxcpath.and_then(|lxcpath| monitord::serve(&lxcpath, None, Stay::ForEver))
        }
        [lxcpath, fd] => {
            let ready = fd.to_str().and_then(|fd| fd.parse().ok()).filter(|fd| *fd > 2);
            match ready.map(|fd| crate::sys::spawn::inherited([fd])) {
                Some(Ok([ready])) => {
                    // The daemon outlives its caller.
                    let _ = process::close_all_but(&[ready.as_fd()]);
                    monitord::serve(lxcpath.as_ref(), Some(ready), Stay::WhileUsed)
                }
                _ => Err(Error::new(format!("{} is not an open descriptor", fd.display()))),
            }
        }
        _ => Err(Error::new("usage: lxc-monitord --daemon [LXCPATH] | lxc-monitord LXCPATH FD")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            errln!("{}: {error}", monitord::PROGRAM);
            ExitCode::FAILURE
        }
    }
}
