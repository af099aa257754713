//! What was compiled, kept as long as everything that it was compiled from is the same.
//!
//! A file has first all that the result depends on, the key, to the letter, and then the result: no
//! hash decides what a container is confined by. Only the owner may have written the file, and a
//! hash tells whether it was written to its end.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::hash::fnv1a64;

/// Larger than anything that is kept, in bytes.
const SIZE_MAX: u64 = 64 << 20;

/// The result of `key` in the file `path`.
pub fn read(path: &Path, key: &[u8]) -> Option<Vec<u8>> {
    let mut options = File::options();
    let file = options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = file.open(path).ok()?;
    let meta = file.metadata().ok()?;
    // Whoever may write it says what confines the container.
    let is_ours = meta.uid() == nix::unistd::geteuid().as_raw() && meta.mode() & 0o022 == 0;
    if !is_ours || !meta.is_file() || meta.len() > SIZE_MAX {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(SIZE_MAX).read_to_end(&mut bytes).ok()?;
    let mut result = bytes.split_off(bytes.len().min(head(key, &[]).len() + key.len()));
    let is_whole = bytes.strip_prefix(&*head(key, &result)) == Some(key) && !result.is_empty();
    result.shrink_to_fit();
    is_whole.then_some(result)
}

/// Keeps `result` as that of `key` in the file `path`, whose directory is made; that it cannot be
/// kept is no more than a line in the log.
pub fn write(path: &Path, key: &[u8], result: &[u8]) {
    let directory = path.parent().unwrap_or(path);
    let new = directory.join(format!(".{}", std::process::id()));
    let written = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(directory)
        .and_then(|()| match std::fs::remove_file(&new) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => File::options().write(true).create_new(true).mode(0o600).open(&new),
        })
        .and_then(|mut file| {
            file.write_all(&[&*head(key, result), key, result].concat())?;
            std::fs::rename(&new, path)
        });
    if let Err(error) = written {
        let _ = std::fs::remove_file(&new);
        log::debug!("not kept in {}: {error}", path.display());
    }
}

/// What a file begins with; always equally long for the same key.
fn head(key: &[u8], result: &[u8]) -> Vec<u8> {
    format!("lxc-rs 2\n{:016x}\n{}\n", fnv1a64(result), key.len()).into_bytes()
}

/// The running kernel, as a part of a key.
pub fn host() -> Option<Vec<u8>> {
    let kernel = nix::sys::utsname::uname().ok()?;
    let (release, version) =
        (kernel.release().to_string_lossy(), kernel.version().to_string_lossy());
    Some(format!("{release}\n{version}\n").into_bytes())
}

/// The state of the file `path`, as a part of a key.
pub fn stamp(path: &Path) -> Option<Vec<u8>> {
    let meta = std::fs::metadata(path).ok()?;
    let (name, seconds, nanoseconds) = (path.display(), meta.mtime(), meta.mtime_nsec());
    Some(format!("{name} {} {} {seconds} {nanoseconds}\n", meta.ino(), meta.size()).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn directory(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("lxc-rs-kept-{name}-{}", std::process::id()))
    }

    #[test]
    fn only_what_is_whole_and_of_the_same_key_is_read() {
        let directory = directory("whole");
        let path = directory.join("a/b");
        assert_eq!(read(&path, b"key"), None);
        write(&path, b"key", b"result");
        assert_eq!(read(&path, b"key").as_deref(), Some(&b"result"[..]));
        for other in [&b"kez"[..], b"ke", b"keyr", b""] {
            assert_eq!(read(&path, other), None, "{other:?}");
        }
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let whole = std::fs::read(&path).unwrap();
        for len in 0..whole.len() {
            std::fs::write(&path, &whole[..len]).unwrap();
            assert_eq!(read(&path, b"key"), None, "the first {len} bytes");
        }
        let mut zeros = whole.clone();
        *zeros.last_mut().unwrap() = 0;
        std::fs::write(&path, zeros).unwrap();
        assert_eq!(read(&path, b"key"), None);
        write(&path, b"key", b"result");
        assert!(read(&path, b"key").is_some());
        assert_eq!(std::fs::read_dir(directory.join("a")).unwrap().count(), 1);
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn nobody_else_can_have_written_it() {
        let directory = directory("owner");
        let path = directory.join("kept");
        write(&path, b"key", b"result");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o620)).unwrap();
        assert_eq!(read(&path, b"key"), None);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        let link = directory.join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(read(&link, b"key"), None);
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(1000), None).unwrap();
            assert_eq!(read(&path, b"key"), None);
        }
        std::fs::remove_dir_all(directory).unwrap();
    }
}
