//! Layers that are unpacked, but have no name yet: while the next one is unpacked, a thread looks over their
//! files, writes them to the disk and gives them their names, one after another.

use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use lxc_sys::layers::TREE;
use lxc_sys::lock::FileLock;

use super::{RECORD, Record, Survey, failed_in, survey, sync_dir};
use crate::digest::Digest;
use crate::unpack::Report;
use crate::{Context, Error, Result};

/// A layer to be finished.
#[derive(Debug)]
pub(super) struct Unpacked {
    /// Where it is.
    pub new: PathBuf,
    /// Where it goes.
    pub dir: PathBuf,
    /// The digest of its plain archive.
    pub plain: Digest,
    /// What was unpacked.
    pub report: Report,
    /// What keeps others away from it.
    pub lock: FileLock,
}

/// The thread, once there is something to finish. What it was given is finished when the value goes.
#[derive(Debug, Default)]
pub(super) struct Finisher(Option<(Sender<Unpacked>, JoinHandle<Result<()>>)>);

impl Finisher {
    /// Has `unpacked` finished, after what was given before.
    pub fn add(&mut self, unpacked: Unpacked) -> Result<()> {
        let (sender, _) = match &mut self.0 {
            Some(running) => running,
            none => none.insert(begin()?),
        };
        match sender.send(unpacked) {
            Ok(()) => Ok(()),
            Err(_) => self.wait(),
        }
    }

    /// Waits until all is finished.
    pub fn wait(&mut self) -> Result<()> {
        let Some((sender, thread)) = self.0.take() else { return Ok(()) };
        drop(sender);
        thread.join().unwrap_or_else(|_| Err(Error::new("a thread that finishes layers has ended")))
    }
}

impl Drop for Finisher {
    fn drop(&mut self) {
        // Where that matters it was waited for, or another error is told.
        let _ = self.wait();
    }
}

fn begin() -> Result<(Sender<Unpacked>, JoinHandle<Result<()>>)> {
    let (sender, unpacked) = channel::<Unpacked>();
    let work = move || {
        let mut result = Ok(());
        for layer in unpacked {
            // What lies over a layer that is not there is worth nothing.
            let finished = match &result {
                Ok(()) => finish(&layer),
                Err(_) => Err(Error::new("a layer below is not there")),
            };
            if let Err(error) = finished {
                let error = failed_in(&layer.new, error);
                result = result.and(Err(error));
            }
            // Only now others may look for it.
            drop(layer.lock);
        }
        result
    };
    let thread = std::thread::Builder::new().name("layers".into()).spawn(work);
    Ok((sender, thread.context(|| "cannot make a thread")?))
}

fn finish(layer: &Unpacked) -> Result<()> {
    let Unpacked { new, dir, plain, report, .. } = layer;
    let Survey { digest, size, .. } = survey(&new.join(TREE))?;
    let record = Record {
        diff_id: plain.clone(),
        tree: digest,
        size,
        entries: report.entries,
        bytes: report.bytes,
        devices: report.devices,
        attributes: report.attributes,
    };
    let path = new.join(RECORD);
    let text = serde_json::to_vec(&record)
        .map_err(|error| Error::new(format!("cannot write {}: {error}", path.display())))?;
    std::fs::write(&path, text).context(|| format!("cannot write {}", path.display()))?;
    let failed = || format!("cannot write {} to the disk", new.display());
    nix::unistd::syncfs(File::open(new).context(failed)?).context(failed)?;
    std::fs::rename(new, dir).context(|| format!("cannot make {}", dir.display()))?;
    dir.parent().map_or(Ok(()), sync_dir)
}
