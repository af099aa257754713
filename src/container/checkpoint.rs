//! Checkpoint and restore by CRIU: writing a running container to files, and restoring it from them.

use std::ffi::OsString;
use std::path::PathBuf;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use crate::criu::{self, Images};
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::init::command;
use crate::monitor::client::Client;
use crate::programs;
use crate::sys::process::{self, CloneOptions, Cloned};

/// What to write, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The directory for the images.
    pub images: Images,
    /// Whether the container is stopped afterwards; else it runs on.
    pub stop: bool,
    /// Whether only the memory is written (a pre-dump), to make the real dump shorter; the container runs
    /// on.
    pub pre_dump: bool,
    /// Images of an earlier pre-dump, relative to the directory.
    pub previous: Option<PathBuf>,
    /// The address and port of a page server of CRIU, which gets the memory instead.
    pub page_server: Option<(String, String)>,
    /// Whether connections that are not accepted yet may be lost.
    pub skip_in_flight: bool,
    /// The largest size, in bytes, of removed but open files that the images keep; `None` for CRIU's own
    /// limit.
    pub ghost_limit: Option<u64>,
    /// Whether files are looked up by path instead of by inode number, as the numbers differ where the
    /// container is restored.
    pub other_inodes: bool,
}

impl Request {
    /// To write the container to `images`, and let it run on.
    pub fn to(images: Images) -> Self {
        Self {
            images,
            stop: false,
            pre_dump: false,
            previous: None,
            page_server: None,
            skip_in_flight: false,
            ghost_limit: None,
            other_inodes: false,
        }
    }

    /// The words of CRIU's command line that only some requests have.
    fn options(&self) -> Vec<OsString> {
        let mut words = Vec::new();
        if self.pre_dump {
            words.push("--track-mem".into());
        } else if !self.stop {
            words.push("--leave-running".into());
        }
        if let Some(previous) = &self.previous {
            words.extend(["--prev-images-dir".into(), previous.into(), "--track-mem".into()]);
        }
        if let Some((address, port)) = &self.page_server {
            words.push("--page-server".into());
            words.extend(["--address", address, "--port", port].map(OsString::from));
        }
        if self.skip_in_flight {
            words.push("--skip-in-flight".into());
        }
        if let Some(limit) = self.ghost_limit {
            words.extend(["--ghost-limit".into(), limit.to_string().into()]);
        }
        if self.other_inodes {
            words.push("--force-irmap".into());
        }
        words
    }
}

/// Writes the running container `identity` to files.
pub fn dump(identity: &Identity, request: &Request) -> Result<()> {
    let config = crate::config::Document::load(&identity.config_file())?.config;
    criu::check(&config)?;
    let init = Client::new(identity).init_from_equal()?.pid;
    let images = &request.images;
    match std::fs::create_dir(&images.dir) {
        Err(error) if error.raw_os_error() == Some(Errno::EEXIST as i32) => {}
        result => result.context(|| format!("cannot make {}", images.dir.display()))?,
    }
    let action = if request.pre_dump { "pre-dump" } else { "dump" };
    let mut words = images.command(action)?;
    words.extend(["--tree".into(), init.to_string().into()]);
    words.extend(request.options());
    match run(&words)? {
        0 => Ok(()),
        code => Err(images
            .failure(action, format!("Checkpointing {} failed", identity.name))
            .note(format!("criu ended with exit code {code}"))),
    }
}

/// Runs CRIU, which says everything in its log; its exit code.
fn run(words: &[OsString]) -> Result<i32> {
    let cloned = process::clone3(0, CloneOptions::default()).context(|| "cannot make a process")?;
    let Cloned::Parent(pid, _) = cloned else {
        let _ = process::silence_stdio();
        process::reset_signal_handlers();
        let _ = command::execute_program(words);
        process::exit_now(127)
    };
    command::wait(pid)
}

/// Whether CRIU has `feature` on this kernel (`criu check --feature`).
pub fn has_feature(feature: &str) -> Result<bool> {
    let program = programs::find("criu", "criu")?;
    let words = [program.into(), "check".into(), "--feature".into(), feature.into()];
    run(&words).map(|code| code == 0)
}

/// Checks that a checkpoint can be restored with this configuration.
pub fn check_restore(identity: &Identity, images: &Images) -> Result<()> {
    let config = crate::config::Document::load(&identity.config_file())?.config;
    criu::check(&config)?;
    criu::check_images(&images.dir)?;
    if Client::new(identity).state().is_ok_and(|state| state != crate::state::State::Stopped) {
        return Err(Error::new(format!("{} is running, not restoring", identity.name)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_becomes_words_of_criu() {
        let images = Images { dir: "/c".into(), verbose: false, action_script: None };
        let request = Request::to(images);
        assert_eq!(request.options(), ["--leave-running"]);
        let request = Request {
            stop: true,
            previous: Some("../0".into()),
            page_server: Some(("192.0.2.1".to_owned(), "99".to_owned())),
            skip_in_flight: true,
            ghost_limit: Some(5),
            other_inodes: true,
            ..request
        };
        let words = request.options().join(std::ffi::OsStr::new(" "));
        assert_eq!(
            words,
            "--prev-images-dir ../0 --track-mem --page-server --address 192.0.2.1 --port 99 \
             --skip-in-flight --ghost-limit 5 --force-irmap"
        );
    }
}
