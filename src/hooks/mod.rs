//! The user's programs at the stages of a container's life (lxc.container.conf(5), "container
//! hooks").

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

mod child;

use crate::channel::{Block, Wait};
use crate::config::{Config, HookStage, Origin};
use crate::error::{Error, Result};
use crate::identity::ContainerName;
use crate::network::Link;
use crate::sys::{exec, signals};

/// How much of a failed hook's output its error shows, bytes.
const OUTPUT_SHOWN: usize = 1000;

/// Where the container's own programs are looked up unless the configuration says.
pub const PATH_INSIDE: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables on top of the caller's own.
pub type Environment<'a> = &'a [(String, OsString)];

/// Sets a variable, in the place of an older value.
pub fn set(environment: &mut Vec<(String, OsString)>, name: &str, value: impl Into<OsString>) {
    environment.retain(|(known, _)| known != name);
    environment.push((name.to_owned(), value.into()));
}

/// Runs the hooks that `config`, of the container `name`, has for a stage: in order, up to the first
/// that fails.
///
/// Version 0 hooks get the container's name, `lxc`, the stage and `arguments` as words; version 1
/// hooks find name and stage in variables. `wait` is how their end is awaited.
pub fn run(
    config: &Config,
    name: &ContainerName,
    stage: HookStage,
    arguments: &[String],
    environment: Environment<'_>,
    wait: &mut dyn Wait,
) -> Result<()> {
    run_stage(config, name, stage, arguments, (environment, Place::Host), wait)
}

/// Runs those of a stage at which the hooks are programs of the container, with no variable of this
/// process's.
pub fn run_inside(
    config: &Config,
    name: &ContainerName,
    stage: HookStage,
    environment: Environment<'_>,
) -> Result<()> {
    let environment = (environment, Place::Container);
    run_stage(config, name, stage, &[], environment, &mut Block)
}

fn run_stage(
    config: &Config,
    name: &ContainerName,
    stage: HookStage,
    arguments: &[String],
    (environment, place): (Environment<'_>, Place),
    wait: &mut dyn Wait,
) -> Result<()> {
    for hook in config.hooks.get(&stage).into_iter().flatten() {
        let call = Call {
            what: format!("{} hook", stage.word()),
            section: "lxc",
            kind: stage.word(),
            command: &hook.value,
            origin: hook.origin.as_ref(),
            place,
            stdin: stage.runs_beside_caller(),
        };
        call.run(config.hook_version, name, arguments, environment, wait)?;
    }
    Ok(())
}

/// Runs the up script that `config`, of the container `name`, has for a link, if it has one.
pub fn link_up(
    config: &Config,
    name: &ContainerName,
    link: &Link,
    environment: Environment<'_>,
    wait: &mut dyn Wait,
) -> Result<()> {
    link_script(config, name, link, true, environment, wait)
}

/// Runs the down scripts of all links. They cannot hold up the end: what fails is logged.
pub fn links_down(
    config: &Config,
    name: &ContainerName,
    links: &[Link],
    environment: Environment<'_>,
    wait: &mut dyn Wait,
) {
    for link in links {
        if let Err(error) = link_script(config, name, link, false, environment, wait) {
            log::error!("{error}");
        }
    }
}

fn link_script(
    config: &Config,
    container: &ContainerName,
    link: &Link,
    up: bool,
    environment: Environment<'_>,
    wait: &mut dyn Wait,
) -> Result<()> {
    let Some(net) = config.net.get(&link.index) else {
        return Ok(());
    };
    let (script, key, kind) = if up {
        (&net.script_up, "script.up", "up")
    } else {
        (&net.script_down, "script.down", "down")
    };
    let Some(script) = script else { return Ok(()) };
    let link_type = net.kind.word();
    let mut arguments = vec![link_type.to_owned()];
    arguments.extend(net.link.clone());
    arguments.extend(link.host_name.clone());
    let mut environment = environment.to_vec();
    if config.hook_version == 1 {
        let mut add = |name: &str, value: &str| environment.push((name.into(), value.into()));
        add("LXC_NET_TYPE", link_type);
        net.link.as_deref().into_iter().for_each(|parent| add("LXC_NET_PARENT", parent));
        link.host_name.as_deref().into_iter().for_each(|peer| add("LXC_NET_PEER", peer));
    }
    let call = Call {
        what: format!("{key} of link {}", link.index),
        section: "net",
        kind,
        command: script,
        origin: net.origin(key),
        place: Place::Host,
        stdin: true,
    };
    call.run(config.hook_version, container, &arguments, &environment, wait)
}

/// Whose program it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Host,
    Container,
}

/// One program to run.
struct Call<'a> {
    what: String,
    section: &'a str,
    kind: &'a str,
    command: &'a str,
    origin: Option<&'a Origin>,
    place: Place,
    /// Whether it has this process's standard input.
    stdin: bool,
}

impl Call<'_> {
    fn run(
        &self,
        version: u8,
        name: &ContainerName,
        arguments: &[String],
        environment: Environment<'_>,
        wait: &mut dyn Wait,
    ) -> Result<()> {
        let mut words = Vec::new();
        if version == 0 {
            words.extend([name.as_str(), self.section, self.kind].map(str::to_owned));
        }
        // The scripts of links get theirs in both versions.
        if version == 0 || self.section == "net" {
            words.extend(arguments.iter().cloned());
        }
        let mut line = format!("{}exec {}", signals::shell_trap(), self.command);
        for word in words {
            line.push_str(&format!(" '{}'", word.replace('\'', "'\\''")));
        }
        let mut variables = match self.place {
            Place::Container => vec![format!("PATH={PATH_INSIDE}").into()],
            Place::Host => exec::own_environment(),
        };
        variables.extend(environment.iter().map(|(name, value)| exec::variable(name, value)));
        if version == 1 {
            let both = [("LXC_HOOK_TYPE", self.kind), ("LXC_HOOK_SECTION", self.section)];
            variables.extend(both.map(|(name, value)| exec::variable(name, value.as_ref())));
        }
        let line = child::Line {
            text: line,
            environment: exec::last_of_each(variables),
            stdin: self.stdin,
        };
        let child::Ended { status, output } =
            child::run(line, &self.what, wait).map_err(|error| error.at(self.origin))?;
        for text in &output {
            for line in String::from_utf8_lossy(text).lines() {
                log::debug!("{}: {line}", self.what);
            }
        }
        if status.success() {
            return Ok(());
        }
        let error = Error::new(format!("the {} {}", self.what, describe(status))).at(self.origin);
        let said = output.concat();
        let tail = String::from_utf8_lossy(&said[said.len().saturating_sub(OUTPUT_SHOWN)..])
            .trim()
            .to_owned();
        Err(if tail.is_empty() { error } else { error.note(format!("it said: {tail}")) })
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(127), _) => "ended with code 127: its program was not found".into(),
        (Some(126), _) => "ended with code 126: its program cannot be executed".into(),
        (Some(code), _) => format!("ended with code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Located;

    fn run_one(command: &str, version: u8) -> Result<()> {
        let name = ContainerName::new("it's").unwrap();
        let origin = Origin::new("config", 4, "lxc.hook.start = x");
        let mut config = Config { hook_version: version, ..Config::default() };
        let hook = Located::new(command.to_owned(), Some(origin));
        config.hooks.insert(HookStage::Start, vec![hook]);
        let environment = [("LXC_NAME".to_owned(), OsString::from("it's"))];
        run(&config, &name, HookStage::Start, &["extra".into()], &environment, &mut Block)
    }

    #[test]
    fn hooks_get_words_or_variables() {
        run_one("test \"it's lxc start extra\" = \"$*\" ; true", 0).unwrap_err();
        run_one("/bin/sh -c 'test \"$*\" = \"lxc start extra\"'", 0).unwrap();
        run_one("/bin/sh -c 'test $# = 0 && test $LXC_HOOK_TYPE = start && test $LXC_HOOK_SECTION = lxc'", 1)
            .unwrap();
    }

    #[test]
    fn failure_says_what_the_hook_said_and_where_it_is_configured() {
        let error = run_one("/bin/sh -c 'echo oh no; exit 7'", 1).unwrap_err();
        assert_eq!(error.what, "the start hook ended with code 7");
        assert_eq!(error.notes, ["it said: oh no"]);
        assert_eq!(error.origin.unwrap().line, 4);
    }
}
