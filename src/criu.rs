//! CRIU (criu(8)), which writes a tree of processes to files and makes it again from them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::network;
use crate::programs;

/// How many of CRIU's own last errors are shown.
const ERRORS_SHOWN: usize = 6;

/// What dump and restore have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Images {
    /// The directory of the image files, absolute.
    pub dir: PathBuf,
    /// Whether CRIU logs everything.
    pub verbose: bool,
    /// A program that CRIU calls at each stage.
    pub action_script: Option<PathBuf>,
}

impl Images {
    /// The file that CRIU logs `action` to.
    pub fn log(&self, action: &str) -> PathBuf {
        self.dir.join(format!("{action}.log"))
    }

    /// CRIU's command line for `action`, up to what only that action needs.
    ///
    /// Its cgroups are left alone: the restored processes stay in those that CRIU was started in.
    pub fn command(&self, action: &str) -> Result<Vec<OsString>> {
        let program = programs::find("criu", "criu")?;
        let mut words: Vec<OsString> = vec![program.into(), action.into()];
        words.extend(["--images-dir".into(), self.dir.clone().into()]);
        words.extend(["--log-file".into(), self.log(action).into()]);
        words.push(if self.verbose { "-v4" } else { "-v2" }.into());
        let fixed = [
            "--tcp-established",
            "--file-locks",
            "--link-remap",
            "--manage-cgroups=ignore",
            "--external",
            "mnt[]:sm",
        ];
        words.extend(fixed.map(OsString::from));
        if let Some(script) = &self.action_script {
            words.extend(["--action-script".into(), script.clone().into()]);
        }
        Ok(words)
    }

    /// The error of an `action` that CRIU failed at: `what`, and CRIU's own last errors.
    pub fn failure(&self, action: &str, what: String) -> Error {
        let path = self.log(action);
        let log = std::fs::read(&path).unwrap_or_default();
        let mut error = Error::new(what);
        for line in last_errors(&String::from_utf8_lossy(&log)) {
            error = error.note(format!("criu: {line}"));
        }
        if let Some(hint) = hint(&error.notes) {
            return error.hint(hint);
        }
        error.hint(format!("see {}", path.display()))
    }
}

/// The last lines of `log` that tell of errors, without their time stamps, each once.
fn last_errors(log: &str) -> Vec<&str> {
    let mut errors: Vec<&str> = Vec::new();
    for line in log.lines() {
        let Some(start) = line.find("Error (") else { continue };
        let text = &line[start..];
        if !errors.contains(&text) {
            errors.push(text);
        }
    }
    errors.split_off(errors.len().saturating_sub(ERRORS_SHOWN))
}

/// What to do about an error of CRIU's that is known.
fn hint(errors: &[String]) -> Option<&'static str> {
    let said = |text: &str| errors.iter().any(|error| error.contains(text));
    if said("vdso") {
        return Some("this CRIU does not know the vDSO of this kernel: it needs a newer CRIU");
    }
    if said("Unable to connect a socket") {
        return Some("CRIU needs the loopback link of this network namespace: ip link set lo up");
    }
    if said("iptables-restore\", ...) failed: No such file") {
        return Some("CRIU keeps packets back with iptables-restore: install iptables");
    }
    if said("tty: ") {
        return Some("processes inside hold a terminal of outside, such as that of an lxc-attach");
    }
    None
}

/// Checks that a container with this configuration is one that can be written down: it has nothing
/// whose other end stays with its monitor.
pub fn check(config: &Config) -> Result<()> {
    let refuse = |what: &str, key: &str, hint: &str| {
        Err(Error::new(format!("{what} cannot be checkpointed"))
            .at(config.origin(key))
            .hint(hint.to_owned()))
    };
    if config.console.path != Some(crate::config::ConsolePath::None) {
        return refuse("a console", "lxc.console.path", "set lxc.console.path = none");
    }
    if config.tty_max > 0 {
        return refuse("ttys", "lxc.tty.max", "set lxc.tty.max = 0");
    }
    if let Some(net) = network::not_checkpointable(config) {
        return Err(Error::new(
            "a network other than lxc.net.N.type = empty cannot be checkpointed",
        )
        .at(net.origin("type")));
    }
    if config.is_unprivileged() {
        return refuse("a container with id maps", "lxc.idmap", "remove lxc.idmap");
    }
    if !config.namespace_share.is_empty() {
        return refuse(
            "shared namespaces",
            "lxc.namespace.share.net",
            "remove lxc.namespace.share.*",
        );
    }
    Ok(())
}

/// Checks that `dir` holds images.
pub fn check_images(dir: &Path) -> Result<()> {
    if dir.join("inventory.img").exists() {
        return Ok(());
    }
    Err(Error::new(format!("{} holds no checkpoint", dir.display()))
        .hint("write one with lxc-checkpoint -s -D DIR, without -r"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_errors_lose_their_times_and_repetitions() {
        let log = "(00.000001) Version: 3.17\n(00.1) Error (criu/a.c:1): one\nWarn (x): no\n\
                   (00.2) Error (criu/a.c:1): one\nError (criu/b.c:2): two\n";
        assert_eq!(last_errors(log), ["Error (criu/a.c:1): one", "Error (criu/b.c:2): two"]);
        let many = (0..20).map(|n| format!("Error (c:{n}): x\n")).collect::<Vec<_>>().concat();
        assert_eq!(last_errors(&many).len(), ERRORS_SHOWN);
        assert_eq!(last_errors(&many).last(), Some(&"Error (c:19): x"));
    }
}
