//! The names of extended attributes, by a name below a directory (listxattrat(2), Linux 6.13), which libc lacks.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// `listxattrat`, the same number on all architectures that Linux has got since.
const SYS_LISTXATTRAT: libc::c_long = 465;

/// Puts the names of the attributes that `name` in `dir` has into `names`, each with a NUL at its end, and
/// returns their length in bytes. `name` is not followed if it is a symbolic link.
pub fn list_at(dir: BorrowedFd<'_>, name: &CStr, names: &mut [u8]) -> nix::Result<usize> {
    // SAFETY: the kernel reads `name` up to its NUL and writes to `names` at most its length.
    let length = unsafe {
        libc::syscall(
            SYS_LISTXATTRAT,
            dir.as_raw_fd(),
            name.as_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
            names.as_mut_ptr(),
            names.len(),
        )
    };
    usize::try_from(length).map_err(|_| Errno::last())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn names_are_those_of_the_entry_itself() {
        let base = std::env::temp_dir().join(format!("lxc-sys-xattr-{}", std::process::id()));
        std::fs::create_dir_all(&base).unwrap();
        std::fs::write(base.join("file"), "").unwrap();
        std::os::unix::fs::symlink("file", base.join("link")).unwrap();
        let dir = std::fs::File::open(&base).unwrap();
        let mut names = [0; 64];
        let mut list =
            |name| list_at(dir.as_fd(), name, &mut names).map(|len| names[..len].to_vec());
        if list(c"file") == Err(Errno::ENOSYS) {
            return;
        }
        let set = rustix::fs::setxattr(
            base.join("file"),
            c"user.lxc-rs",
            b"x",
            rustix::fs::XattrFlags::empty(),
        );
        if set.is_ok() {
            assert_eq!(list(c"file").unwrap(), b"user.lxc-rs\0");
        }
        assert_eq!(list(c"link"), Ok(Vec::new()));
        assert_eq!(list(c"none"), Err(Errno::ENOENT));
        std::fs::remove_dir_all(base).unwrap();
    }
}
