//! Files that have all of their new content or all of the old, whatever ends who writes them.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{gettid, linkat};

use crate::error::{Context, Result};
use crate::table;

/// Replaces the content of the file `path` as a whole, behind a symbolic link if it is one. Mode and
/// owner stay; a new file gets mode 0640. What others that were killed had begun to write in its place is
/// removed.
pub fn write_whole(path: &Path, text: impl AsRef<[u8]>) -> Result<()> {
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let old = path.metadata().ok();
    let new = &temporary_name(path);
    let fill = |file: &mut File| {
        if let Some(old) = &old {
            let made = file.metadata()?;
            if (made.uid(), made.gid()) != (old.uid(), old.gid()) {
                fchown(&*file, Some(old.uid()), Some(old.gid()))?;
            }
            file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
        }
        file.write_all(text.as_ref())?;
        file.sync_all()
    };
    let write = || {
        sweep_of(path, dir)?;
        make(new, dir, fill)?;
        std::fs::rename(new, path)?;
        // Else a power cut may bring the old name back.
        File::open(dir)?.sync_all()
    };
    write().context(|| format!("cannot write {}", path.display())).inspect_err(|_| {
        // What was begun of the new file; the old one is untouched.
        let _ = std::fs::remove_file(new);
    })
}

/// Makes the file `new` in `dir`, with what `fill` writes.
fn make(new: &Path, dir: &Path, fill: impl Fn(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o640);
    // It has no name until it is complete: nothing is left of it if this process is killed.
    if let Ok(mut file) = options.clone().custom_flags(libc::O_TMPFILE).open(dir) {
        fill(&mut file)?;
        let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
        match linkat(AT_FDCWD, unnamed.as_str(), AT_FDCWD, new, AtFlags::AT_SYMLINK_FOLLOW) {
            // There is no procfs here.
            Err(Errno::ENOENT) => {}
            result => return Ok(result?),
        }
    }
    // Not every file system has files without a name.
    fill(&mut options.create_new(true).open(new)?)
}

/// Removes from `dir` what processes that were killed had begun to write in the place of `path`.
fn sweep_of(path: &Path, dir: &Path) -> io::Result<()> {
    let Some(name) = path.file_name() else { return Ok(()) };
    let own = gettid().as_raw().unsigned_abs();
    // A directory may be one to write in, and not to list.
    let Ok(entries) = std::fs::read_dir(dir) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let found = entry.file_name();
        let rest = found.as_encoded_bytes().strip_prefix(name.as_encoded_bytes());
        if !rest.is_some_and(|rest| rest.starts_with(TEMPORARY.as_bytes())) {
            continue;
        }
        // This thread has begun nothing yet.
        if writer_of(&found).is_some_and(|writer| writer == own || !is_running(writer)) {
            match std::fs::remove_file(entry.path()) {
                // Somebody else sweeps as well.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => result?,
            }
        }
    }
    Ok(())
}

/// Between the name of a file that is replaced and the number of the thread that writes the new one.
const TEMPORARY: &str = ".new-";

/// The name under which this thread writes what is to be called `path`.
pub fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!("{TEMPORARY}{}", gettid()));
    name.into()
}

/// The thread that writes a file under the temporary name `name`, if it is one.
pub fn writer_of(name: &OsStr) -> Option<u32> {
    name.to_str()?.rsplit_once(TEMPORARY)?.1.parse().ok()
}

/// Removes from the directory `dir` what processes that were killed had begun to write.
pub fn sweep_temporary(dir: &Path) -> Result<()> {
    let failed = || format!("cannot sweep {}", dir.display());
    for entry in std::fs::read_dir(dir).context(failed)? {
        let entry = entry.context(failed)?;
        let writer = writer_of(&entry.file_name());
        if writer.is_some_and(|pid| !is_running(pid)) {
            std::fs::remove_file(entry.path()).context(failed)?;
        }
    }
    Ok(())
}

/// Whether there is a process or thread `pid`, other than one that is dead and not reaped.
pub fn is_running(pid: u32) -> bool {
    table::read(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_killed_writers_left_of_a_file_goes_with_the_next_write() {
        let dir = std::env::temp_dir().join(format!("lxc-rs-whole-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let path = dir.join("a.conf");
        let other = std::process::Command::new("sleep").arg("60").spawn();
        let mut other = other.unwrap();
        let left = |name: String| std::fs::write(dir.join(name), "half").unwrap();
        // No pid is as high; this thread's own number; a writer that is there; another file's.
        left("a.conf.new-999999999".to_owned());
        left(format!("a.conf.new-{}", gettid()));
        left(format!("a.conf.new-{}", other.id()));
        left("b.conf.new-999999999".to_owned());
        left("a.conf.new-mine".to_owned());
        write_whole(&path, "all").unwrap();
        let mut names: Vec<_> = std::fs::read_dir(&dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let stays = format!("a.conf.new-{}", other.id());
        let expected = ["a.conf", &stays, "a.conf.new-mine", "b.conf.new-999999999"];
        assert_eq!(names, expected);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "all");
        other.kill().unwrap();
        other.wait().unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
