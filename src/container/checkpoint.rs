//! Writing a running container to files, and making it again from them, by CRIU.

use std::path::PathBuf;

use nix::errno::Errno;

use crate::criu::{self, Images};
use crate::error::{Context, Error, Result};
use crate::identity::Identity;
use crate::init::command;
use crate::monitor::client::Client;
use crate::sys::process::{self, CloneOptions, Cloned};

/// What to write, and how.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where to.
    pub images: Images,
    /// Whether the container is stopped then; else it runs on.
    pub stop: bool,
    /// Only the memory, to make the real dump shorter; the container runs on.
    pub pre_dump: bool,
    /// Images of an earlier pre-dump, relative to the directory.
    pub previous: Option<PathBuf>,
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
    if request.pre_dump {
        words.push("--track-mem".into());
    } else if !request.stop {
        words.push("--leave-running".into());
    }
    if let Some(previous) = &request.previous {
        words.extend(["--prev-images-dir".into(), previous.into(), "--track-mem".into()]);
    }
    let cloned = process::clone3(0, CloneOptions::default()).context(|| "cannot make a process")?;
    let Cloned::Parent(pid, _) = cloned else {
        // CRIU says everything in its log.
        let _ = process::silence_stdio();
        process::reset_signal_handlers();
        let _ = command::execute_program(&words);
        process::exit_now(127)
    };
    match command::wait(pid)? {
        0 => Ok(()),
        code => Err(images
            .failure(action, format!("Checkpointing {} failed", identity.name))
            .note(format!("criu ended with exit code {code}"))),
    }
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
