//! The options that all tools share, and where a tool finds its container's name.
//!
//! The tools follow getopt_long(3): long options may be shortened, options may stand after other
//! arguments until `--`. Help goes to standard error with exit code 0; a wrong option is one line
//! there, with exit code 1.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::usage::{COMMON, OWN, help, usage};
use super::{Tool, errln, getopt, outln};
use crate::config::{self, Document};
use crate::error::{Context, Error, Result};
use crate::exit::ExitCode;
use crate::identity::{ContainerName, Identity, absolute_lxcpath};

/// What a tool's first argument that is not an option means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// The container's name, unless `-n` gave it; one of them must.
    Required,
    /// Nothing special: the tool reads `-n` and its arguments itself.
    Free,
}

/// A parsed command line.
#[derive(Debug)]
pub struct Invocation {
    /// The tool's full name, `lxc-start`.
    pub tool: String,
    /// All options.
    pub matches: ArgMatches,
    /// The container's name, as given.
    pub name: Option<String>,
    /// What is left: a command and its arguments, a file, ….
    pub args: Vec<OsString>,
}

/// An option without a value, called `--ID`.
pub(super) fn flag(id: &'static str) -> Arg {
    Arg::new(id).long(id).action(ArgAction::SetTrue)
}

/// `--idmap auto`.
pub(super) fn own_ids() -> Arg {
    Arg::new("idmap").long("idmap").value_name("auto").value_parser(["auto"])
}

/// The command line of `tool`: the shared options and its own.
pub(super) fn command(tool: &Tool) -> Command {
    let option = |id: &'static str| Arg::new(id).long(id);
    let command = Command::new(tool.name)
        .bin_name(format!("lxc-{}", tool.name))
        .about(tool.about)
        .infer_long_args(true)
        .args_override_self(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .override_usage(match tool.name_rule {
            NameRule::Required => format!("lxc-{} [OPTION]... [-n] NAME [ARGUMENT]...", tool.name),
            NameRule::Free => format!("lxc-{} [OPTION]... [ARGUMENT]...", tool.name),
        })
        .next_help_heading(COMMON)
        .arg(option("name").short('n').value_name("NAME").help("Name of the container"))
        .arg(flag("help").short('h').help("Print this help"))
        .arg(flag("usage").help("Print a short usage"))
        .arg(flag("version").help("Print the LXC release whose interface this is"))
        .arg(flag("quiet").short('q').help("Print no errors"))
        .arg(option("logfile").short('o').value_name("FILE").help("Log to FILE instead of none"))
        .arg(
            option("logpriority")
                .short('l')
                .value_name("LEVEL")
                .help("Log what is of LEVEL or above (default ERROR)"),
        )
        .arg(
            option("lxcpath")
                .short('P')
                .value_name("PATH")
                .value_parser(clap::value_parser!(PathBuf))
                .action(ArgAction::Append)
                .help("Directory of the containers"),
        )
        .arg(
            option("rcfile")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help("Read the container's configuration from FILE"),
        )
        .arg(Arg::new("args").num_args(0..).value_parser(clap::value_parser!(OsString)).hide(true));
    let command = (tool.options)(command.next_help_heading(OWN));
    getopt::values_with_hyphens(command)
}

/// What is wrong with a command line, in one line.
fn complaint(error: &clap::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    text.lines().next().unwrap_or_default().to_owned()
}

impl Invocation {
    /// Parses `args` (without the program's name) for `tool`; an `Err` is the code to exit with,
    /// everything said already.
    pub(super) fn parse(tool: &Tool, args: Vec<OsString>) -> std::result::Result<Self, ExitCode> {
        let mut command = command(tool);
        let args = getopt::glued(&command, args);
        let name = format!("lxc-{}", tool.name);
        let program = std::iter::once(OsString::from(&name));
        let mut matches = match command.try_get_matches_from_mut(program.chain(args)) {
            Ok(matches) => matches,
            Err(error) => {
                errln!("{name}: {}", complaint(&error));
                errln!("  hint: {name} --help lists its options");
                return Err(ExitCode::FAILURE);
            }
        };
        if matches.get_flag("version") {
            outln!("{}", crate::version::LXC_RELEASE);
            return Err(ExitCode::SUCCESS);
        }
        if matches.get_flag("help") {
            errln!("{}", help(&mut command).trim_end());
            if let Some(Err(error)) = tool.more_help.map(|more| more(&matches)) {
                errln!("\n{name}: {error}");
                return Err(ExitCode::FAILURE);
            }
            return Err(ExitCode::SUCCESS);
        }
        if matches.get_flag("usage") {
            errln!("{}", usage(&command));
            return Err(ExitCode::SUCCESS);
        }
        let mut args: Vec<OsString> =
            matches.remove_many("args").map(Iterator::collect).unwrap_or_default();
        let mut container = matches.get_one::<String>("name").cloned();
        if container.is_none() && tool.name_rule == NameRule::Required {
            if args.is_empty() {
                if !matches.get_flag("quiet") {
                    errln!("{name}: No container name specified");
                }
                return Err(ExitCode::FAILURE);
            }
            container = Some(args.remove(0).to_string_lossy().into_owned());
        }
        Ok(Self { tool: name, matches, name: container, args })
    }

    /// Whether the flag `id` was given.
    pub fn flag(&self, id: &str) -> bool {
        self.matches.get_flag(id)
    }

    /// The last value of the option `id`.
    pub fn value(&self, id: &str) -> Option<&str> {
        self.matches.get_one::<String>(id).map(String::as_str)
    }

    /// All values of the repeatable option `id` (`ArgAction::Append`).
    pub fn values(&self, id: &str) -> Vec<&str> {
        self.matches.get_many::<String>(id).into_iter().flatten().map(String::as_str).collect()
    }

    /// The last value of the option `id`, a path.
    pub fn path(&self, id: &str) -> Option<&PathBuf> {
        self.matches.get_one::<PathBuf>(id)
    }

    /// The directories of containers given with `-P`, absolute; the configured one if none was.
    pub fn lxcpaths(&self) -> Result<Vec<PathBuf>> {
        if let Some(paths) = self.matches.get_many::<PathBuf>("lxcpath") {
            paths.map(|path| absolute_lxcpath(path)).collect()
        } else {
            Self::default_lxcpath().map(|path| vec![path])
        }
    }

    /// The configured directory of containers, absolute.
    pub fn default_lxcpath() -> Result<PathBuf> {
        let configured = config::SystemConfig::load()?.get("lxc.lxcpath");
        absolute_lxcpath(configured.unwrap_or_default().as_ref())
    }

    /// The one directory of containers.
    pub fn lxcpath(&self) -> Result<PathBuf> {
        let mut paths = self.lxcpaths()?;
        if paths.len() > 1 {
            return Err(Error::new("This command only accepts 1 -P,--lxcpath arguments"));
        }
        Ok(paths.remove(0))
    }

    /// The container the command is about.
    pub fn identity(&self) -> Result<Identity> {
        let name = ContainerName::new(self.name.clone().unwrap_or_default())?;
        Ok(Identity::new(self.lxcpath()?, name))
    }

    /// Fails unless the file of `--rcfile` can be read as a configuration, where it means anything.
    pub(super) fn check_rcfile(&self, tool: &Tool) -> Result<()> {
        match self.path("rcfile").filter(|_| tool.name_rule == NameRule::Required) {
            Some(file) => Document::load(file).map(drop).map_err(|error| Error {
                what: format!("Failed to load rcfile: {}", error.what),
                ..error
            }),
            None => Ok(()),
        }
    }

    /// Where `-o` and `-l` want a log: to the file, else, with a level alone, to the container's own.
    pub fn log(&self) -> Result<config::Log> {
        let level = self.value("logpriority");
        let file = self.value("logfile");
        let mut document = Document::default();
        if let Some(level) = level {
            document.set("lxc.log.level", level, "-l")?;
        }
        match (file, level, &self.name) {
            (Some("none"), ..) => {}
            (Some(file), ..) => {
                let file =
                    std::path::absolute(file).context(|| format!("cannot resolve {file}"))?;
                document.config.log.file = Some(file);
            }
            (None, Some(_), Some(_)) => {
                document.config.log.file = Some(crate::paths::default_log(&self.identity()?));
            }
            _ => {}
        }
        Ok(document.config.log)
    }

    /// Prints `message` on standard error, after the tool's and the container's name.
    pub fn complain(&self, message: &str) {
        log::error!("{message}");
        if self.flag("quiet") {
            return;
        }
        match &self.name {
            Some(name) => errln!("{}: {name}: {message}", self.tool),
            None => errln!("{}: {message}", self.tool),
        }
    }
}
