//! What an image runs, as lines of a container's configuration.

use super::manifest::{Configuration, Execution};
use crate::template::{Lines, Tree, quote};
use crate::{Error, Result};

/// Adds to `lines` what `configuration` asks for, with users and groups as the root filesystem `tree` has
/// them; notes on what cannot be had.
pub fn configure(
    configuration: &Configuration,
    tree: &Tree,
    lines: &mut Lines,
) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    let default = Execution::default();
    let execution = configuration.config.as_ref().unwrap_or(&default);
    let command: Vec<&str> = [&execution.entrypoint, &execution.cmd]
        .into_iter()
        .flatten()
        .flatten()
        .map(String::as_str)
        .collect();
    let command = if command.is_empty() { vec!["/bin/sh"] } else { command };
    let words: Vec<String> = command.into_iter().map(quote).collect();
    // With lxc-execute it runs below a small init, with lxc-start it is the init.
    for key in ["lxc.execute.cmd", "lxc.init.cmd"] {
        lines.set(key, &words.join(" "))?;
    }
    for variable in execution.env.iter().flatten() {
        if variable.contains(['\n', '\r', '\0']) {
            let name = variable.split('=').next().unwrap_or_default();
            notes.push(format!("the variable {name:?} has more than one line and is left out"));
        } else if variable.split_once('=').is_some_and(|(name, _)| !name.is_empty()) {
            lines.set("lxc.environment", variable)?;
        }
    }
    if let Some(dir) = execution.working_dir.as_deref().filter(|dir| !dir.is_empty()) {
        lines.set("lxc.init.cwd", dir)?;
    }
    let user = tree.user(execution.user.as_deref().unwrap_or_default())?;
    lines.set("lxc.init.uid", &user.uid.to_string())?;
    lines.set("lxc.init.gid", &user.gid.to_string())?;
    if !user.groups.is_empty() {
        let groups: Vec<String> = user.groups.iter().map(u32::to_string).collect();
        lines.set("lxc.init.groups", &groups.join(","))?;
    }
    lines
        .set("lxc.signal.halt", &signal(execution.stop_signal.as_deref().unwrap_or("SIGTERM"))?)?;
    for port in execution.exposed_ports.iter().flatten().map(|(port, _)| port) {
        if port.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'/' || byte == b'-') {
            lines.comment(&format!("listens on port {port}"));
        }
    }
    for volume in execution.volumes.iter().flatten().map(|(volume, _)| volume) {
        tree.make_dirs(volume)?;
        lines.comment(&format!("keeps data in {}", volume.replace(char::is_control, "?")));
    }
    Ok(notes)
}

/// A signal's name as lxc.signal.halt has it.
fn signal(text: &str) -> Result<String> {
    let is_name = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-".contains(&byte))
    };
    if text.parse::<u8>().is_ok() || (text.starts_with("SIG") && is_name(text)) {
        Ok(text.to_owned())
    } else if is_name(text) {
        Ok(format!("SIG{text}"))
    } else {
        Err(Error::new(format!("the image names the signal {text:?}, which there is not")))
    }
}

#[cfg(test)]
mod tests;
