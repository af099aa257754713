//! What was fetched, kept by its digest; an interrupted download is continued.
//!
//! `blobs/ALGORITHM/HEX` is whole: its digest was compared before it got this name. `HEX.partial` is being
//! fetched by whoever holds its lock, or was.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lxc_sys::lock::FileLock;
use nix::errno::Errno;

use super::Repository;
use super::http::{TRIES, pause};
use crate::digest::Hasher;
use crate::image::Source;
use crate::image::manifest::Descriptor;
use crate::{Context, Error, Result};

/// A directory of blobs, and where those come from that are not there.
pub struct Blobs<'a> {
    dir: PathBuf,
    repository: &'a Repository,
}

/// How far downloads are.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes that were fetched, or were there.
    pub done: AtomicU64,
    /// Whether the others are to give up.
    pub stop: AtomicBool,
}

/// When a blob was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// Just now: it was compared with its digest.
    Now,
    /// Before: it has the size that it is to have.
    Before,
}

impl<'a> Blobs<'a> {
    /// Blobs in `dir`, which is made, out of `repository`.
    pub fn new(dir: &Path, repository: &'a Repository) -> Result<Self> {
        for algorithm in ["sha256", "sha512"] {
            let dir = dir.join("blobs").join(algorithm);
            std::fs::create_dir_all(&dir).context(|| format!("cannot make {}", dir.display()))?;
        }
        Ok(Self { dir: dir.to_path_buf(), repository })
    }

    fn path(&self, descriptor: &Descriptor) -> PathBuf {
        let digest = &descriptor.digest;
        self.dir.join("blobs").join(digest.algorithm()).join(digest.hex())
    }

    /// Fetches `descriptor`, if it is not there.
    pub fn fetch(&self, descriptor: &Descriptor, progress: &Progress) -> Result<Fetched> {
        let path = self.path(descriptor);
        if is_whole(&path, descriptor) {
            progress.done.fetch_add(descriptor.size, Ordering::Relaxed);
            return Ok(Fetched::Before);
        }
        let partial = path.with_extension("partial");
        let failed = || format!("cannot write {}", partial.display());
        let (mut file, lock) = locked(&partial)?;
        // Somebody else was faster.
        if is_whole(&path, descriptor) {
            progress.done.fetch_add(descriptor.size, Ordering::Relaxed);
            let _ = std::fs::remove_file(&partial);
            return Ok(Fetched::Before);
        }
        let mut download = Download::over(&mut file, descriptor, progress).context(failed)?;
        download.run(self.repository).inspect_err(|error| {
            // What does not fit is no use to anybody.
            if error.is(Errno::ENOSPC) || error.is(Errno::EDQUOT) {
                let _ = std::fs::remove_file(&partial);
            }
        })?;
        let found = download.hasher.finish();
        if found != descriptor.digest {
            let _ = std::fs::remove_file(&partial);
            return Err(Error::new(format!("{} is not what its digest says", descriptor.digest))
                .hint(format!("what was fetched is {found}")));
        }
        file.sync_all().context(failed)?;
        std::fs::rename(&partial, &path).context(|| format!("cannot make {}", path.display()))?;
        drop(lock);
        Ok(Fetched::Now)
    }

    /// Forgets `descriptor`: it turned out to be damaged.
    pub fn forget(&self, descriptor: &Descriptor) {
        // The next one that wants it finds that out again.
        let _ = std::fs::remove_file(self.path(descriptor));
    }
}

impl Source for Blobs<'_> {
    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        self.fetch(descriptor, &Progress::default())?;
        let path = self.path(descriptor);
        let file = File::open(&path).context(|| format!("cannot open {}", path.display()))?;
        Ok(Box::new(file))
    }
}

fn is_whole(path: &Path, descriptor: &Descriptor) -> bool {
    path.symlink_metadata().is_ok_and(|stat| stat.is_file() && stat.len() == descriptor.size)
}

/// The file `path`, made if it is missing, with its lock: waits for whoever has it.
fn locked(path: &Path) -> Result<(File, FileLock)> {
    let failed = || format!("cannot open {}", path.display());
    loop {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.custom_flags(libc_nofollow()).open(path).context(failed)?;
        let lock = FileLock::exclusive(file.try_clone().context(failed)?).context(failed)?;
        // It may have got its name, or have been removed, meanwhile.
        let stat = file.metadata().context(failed)?;
        if path
            .symlink_metadata()
            .is_ok_and(|now| (now.dev(), now.ino()) == (stat.dev(), stat.ino()))
        {
            return Ok((file, lock));
        }
    }
}

fn libc_nofollow() -> i32 {
    nix::fcntl::OFlag::O_NOFOLLOW.bits()
}

struct Download<'a> {
    file: &'a mut File,
    descriptor: &'a Descriptor,
    progress: &'a Progress,
    hasher: Hasher,
    done: u64,
}

impl<'a> Download<'a> {
    /// Goes on where `file` ends.
    fn over(
        file: &'a mut File,
        descriptor: &'a Descriptor,
        progress: &'a Progress,
    ) -> std::io::Result<Self> {
        let hasher = Hasher::like(&descriptor.digest);
        let mut download = Self { file, descriptor, progress, hasher, done: 0 };
        let mut buffer = vec![0; 256 << 10];
        download.file.seek(SeekFrom::Start(0))?;
        loop {
            let count = download.file.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            download.count(&buffer[..count]);
        }
        if download.done > descriptor.size {
            download.restart()?;
        }
        Ok(download)
    }

    fn count(&mut self, data: &[u8]) {
        self.hasher.update(data);
        self.done += data.len() as u64;
        self.progress.done.fetch_add(data.len() as u64, Ordering::Relaxed);
    }

    fn restart(&mut self) -> std::io::Result<()> {
        self.progress.done.fetch_sub(self.done, Ordering::Relaxed);
        self.done = 0;
        self.hasher = Hasher::like(&self.descriptor.digest);
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0)).map(drop)
    }

    fn run(&mut self, repository: &Repository) -> Result<()> {
        let mut failures = 0;
        while self.done < self.descriptor.size {
            let before = self.done;
            let ended = self.piece(repository)?;
            let Err(error) = ended else { continue };
            // A connection that brought something is worth another one.
            failures = if self.done > before { 1 } else { failures + 1 };
            if failures == TRIES {
                return Err(error.note(format!(
                    "{} of {} bytes were fetched; the next attempt goes on there",
                    self.done, self.descriptor.size
                )));
            }
            std::thread::sleep(pause(failures));
        }
        Ok(())
    }

    /// One request. The outer error is final, the inner one may pass.
    fn piece(&mut self, repository: &Repository) -> Result<Result<()>> {
        let (start, mut body) = repository.blob(self.descriptor, self.done)?;
        let what = self.descriptor.digest.to_string();
        let failed = || format!("cannot write {what}");
        if start != self.done {
            self.restart().context(failed)?;
        }
        let mut buffer = vec![0; 64 << 10];
        while self.done < self.descriptor.size {
            if self.progress.stop.load(Ordering::Relaxed) {
                return Err(Error::new("another download failed"));
            }
            let count = match body.read(&mut buffer) {
                Ok(0) => return Ok(Err(Error::new(format!("{what}: the connection was cut")))),
                Ok(count) => count,
                Err(error) => return Ok(Err(error).context(|| format!("cannot fetch {what}"))),
            };
            if self.done + count as u64 > self.descriptor.size {
                return Err(Error::new(format!(
                    "{what} has more than its {} bytes",
                    self.descriptor.size
                )));
            }
            self.file.write_all(&buffer[..count]).context(failed)?;
            self.count(&buffer[..count]);
        }
        Ok(Ok(()))
    }
}
