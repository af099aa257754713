//! Completion in shells: options, containers, configuration keys, templates.
//!
//! A shell's script asks the program itself: with `LXC_RS_COMPLETE=SHELL` it prints what may stand at
//! the cursor, so that what is offered is what this program takes and what is there now.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::{Arg, Command, ValueHint};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};

use crate::cli::{Invocation, NameRule, TOOLS, Tool, options};
use crate::config::key;
use crate::container::list::{active, defined};
use crate::error::{Context, Error, Result};
use crate::exit::ExitCode;
use crate::state::State;
use crate::template;

/// The variable that asks for completion, and names the shell.
const VARIABLE: &str = "LXC_RS_COMPLETE";
/// The program that scripts ask.
const PROGRAM: &str = "lxc-rs";

/// Answers a shell's script, if one is asking.
pub(in crate::cli) fn answer() -> Option<ExitCode> {
    let shell = std::env::var(VARIABLE).ok().filter(|shell| !shell.is_empty())?;
    // The words of the command line stand after `--`.
    let words: Vec<OsString> = std::env::args_os().skip_while(|arg| arg != "--").skip(1).collect();
    let complete = || {
        let mut command = command(&words)?;
        let directory = std::env::current_dir().ok();
        let mut found = Vec::new();
        adapter(&shell)?
            .write_complete(&mut command, words.clone(), directory.as_deref(), &mut found)
            .context(|| "cannot complete")?;
        Ok::<_, Error>(found)
    };
    // Somebody is typing: no message may get between.
    Some(complete().map_or(ExitCode::FAILURE, |found| {
        crate::cli::output::bytes(&found);
        ExitCode::SUCCESS
    }))
}

/// The scripts for `shell`: each with the file name that the shell looks for.
pub(super) fn scripts(shell: &str) -> Result<Vec<(String, String)>> {
    let adapter = adapter(shell)?;
    let tools = TOOLS.iter().map(|tool| format!("lxc-{}", tool.name));
    tools
        .chain([PROGRAM.to_owned()])
        .map(|name| {
            let mut script = Vec::new();
            adapter
                .write_registration(VARIABLE, &name, &name, PROGRAM, &mut script)
                .context(|| format!("cannot write the script of {name}"))?;
            let mut script = String::from_utf8_lossy(&script).trim_start().to_owned();
            if shell == "zsh" {
                script += &zsh_first_call(&name);
            }
            let file = match shell {
                "zsh" => format!("_{name}"),
                "fish" => format!("{name}.fish"),
                _ => name,
            };
            Ok((file, script))
        })
        .collect()
}

/// What zsh needs in a file that it loads at the first completion: the script only defines a function,
/// but zsh expects the script itself to answer that time.
fn zsh_first_call(name: &str) -> String {
    let function = format!("_clap_dynamic_completer_{}", name.replace('-', "_"));
    format!("\n[[ ${{funcstack[1]}} != _{name} ]] || {function} \"$@\"\n")
}

fn adapter(shell: &str) -> Result<&'static dyn EnvCompleter> {
    match shell {
        "bash" => Ok(&Bash),
        "zsh" => Ok(&Zsh),
        "fish" => Ok(&Fish),
        _ => Err(Error::new(format!("no completion for {shell}")).hint("write bash, zsh or fish")),
    }
}

/// The command to which the command line `words` belongs.
fn command(words: &[OsString]) -> Result<Command> {
    let program = words.first().map(Path::new).and_then(Path::file_name).unwrap_or_default();
    let program = program.to_string_lossy();
    let lxcpath = lxcpath(words);
    if program == PROGRAM {
        let tools = TOOLS.iter().map(|tool| completed(tool, lxcpath.as_deref()));
        return Ok(Command::new(PROGRAM).subcommands(tools).disable_help_subcommand(true));
    }
    TOOLS
        .iter()
        .find(|tool| program.strip_prefix("lxc-") == Some(tool.name))
        .map(|tool| completed(tool, lxcpath.as_deref()))
        .ok_or_else(|| Error::new(format!("no such command: {program}")))
}

/// The directory of containers that is named on the command line, else the configured one.
fn lxcpath(words: &[OsString]) -> Option<PathBuf> {
    let mut words = words.iter().map(|word| word.to_string_lossy());
    let mut named = None;
    while let Some(word) = words.next() {
        if word == "-P" || word == "--lxcpath" {
            named = words.next().map(|path| PathBuf::from(path.as_ref()));
        } else if let Some(path) =
            word.strip_prefix("--lxcpath=").or_else(|| word.strip_prefix("-P"))
        {
            named = Some(PathBuf::from(path));
        }
    }
    let absolute = |path: PathBuf| crate::identity::absolute_lxcpath(&path).ok();
    named.and_then(absolute).or_else(|| Invocation::default_lxcpath().ok())
}

/// The tool's command line with what its values can be.
fn completed(tool: &'static Tool, lxcpath: Option<&Path>) -> Command {
    let names = lxcpath.map(|lxcpath| names(tool.name, lxcpath)).unwrap_or_default();
    let command = options::command(tool).mut_args(|arg| values(arg, tool, &names));
    if tool.name_rule == NameRule::Required {
        let name = offer(Arg::new("container").index(1), names);
        command.arg(name).mut_arg("args", |args| args.index(2))
    } else {
        command
    }
}

fn values(arg: Arg, tool: &Tool, names: &[String]) -> Arg {
    let id = arg.get_id().as_str().to_owned();
    match (tool.name, id.as_str()) {
        (_, "name") => offer(arg, names.to_vec()),
        ("info", "config") => offer(arg, keys("")),
        (_, "define") => offer(arg, keys("=")),
        ("create", "template") => offer(arg, template::names()),
        ("wait", "state") => offer(arg, State::ALL.iter().map(ToString::to_string).collect()),
        (_, "logpriority") => offer(arg, LEVELS.map(str::to_owned).to_vec()),
        (_, "logfile") => arg.value_hint(ValueHint::AnyPath),
        (_, "lxcpath" | "dir" | "newpath") => arg.value_hint(ValueHint::DirPath),
        _ => arg,
    }
}

/// Offers those of `words` that begin with what has been typed.
fn offer(arg: Arg, words: Vec<String>) -> Arg {
    arg.add(ArgValueCompleter::new(move |current: &OsStr| {
        let current = current.to_string_lossy();
        let fitting = words.iter().filter(|word| word.starts_with(current.as_ref()));
        fitting.map(CompletionCandidate::new).collect()
    }))
}

/// What `-l` takes.
const LEVELS: [&str; 9] =
    ["TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "ERROR", "CRIT", "ALERT", "FATAL"];

/// The containers that the tool can do something with.
fn names(tool: &str, lxcpath: &Path) -> Vec<String> {
    let running = active(lxcpath).unwrap_or_default();
    // A user who may not look is offered nothing.
    let defined = || defined(lxcpath).unwrap_or_default();
    let all = || defined().into_iter().chain(running.clone()).collect::<BTreeSet<_>>();
    let chosen = match tool {
        "create" => return Vec::new(),
        "attach" | "cgroup" | "checkpoint" | "console" | "device" | "freeze" | "stop"
        | "unfreeze" => running,
        "start" | "execute" | "snapshot" => {
            defined().into_iter().filter(|name| !running.contains(name)).collect()
        }
        _ => all(),
    };
    chosen.iter().map(|name| name.as_str().to_owned()).collect()
}

/// All configuration keys: of families the fixed beginning, of links the first one in place of all.
fn keys(end: &str) -> Vec<String> {
    let mut keys: Vec<String> = key::all()
        .map(|key| match key.name.strip_suffix('*') {
            Some(stem) => stem.replace(".N.", ".0."),
            None => key.name.replace(".N.", ".0.") + end,
        })
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}
