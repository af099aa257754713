//! Going through a tree of cgroups, which a container's root makes as deep and as wide as it likes: by
//! descriptors, two at a time, as paths can get longer than the kernel takes.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

/// What is done on the way.
pub(super) trait Visitor {
    /// Called at the directory `name` of `parent`; says whether to go into it.
    fn wants(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> nix::Result<bool> {
        let _ = (parent, name);
        Ok(true)
    }

    /// Called in a directory, before those below it.
    fn inside(&mut self, dir: BorrowedFd<'_>) {
        let _ = dir;
    }

    /// Called after the directory `name` of `parent` and all below it.
    fn leave(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> nix::Result<()> {
        let _ = (parent, name);
        Ok(())
    }
}

/// A directory that is gone through.
struct Level {
    /// Its name; that of the top is empty.
    name: CString,
    /// The directories in it that are still to come.
    left: Vec<CString>,
}

/// Goes through the cgroups below `top`, and `top` itself. A cgroup that is gone meanwhile is skipped.
pub(super) fn walk(top: BorrowedFd<'_>, visitor: &mut impl Visitor) -> nix::Result<()> {
    let mut at = open(top, c".")?;
    visitor.inside(at.as_fd());
    let mut levels = vec![Level { name: CString::default(), left: children(at.as_fd())? }];
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.left.pop() {
            if !visitor.wants(at.as_fd(), &name)? {
                continue;
            }
            let found = open(at.as_fd(), &name).and_then(|dir| Ok((children(dir.as_fd())?, dir)));
            match found {
                Ok((left, dir)) => {
                    visitor.inside(dir.as_fd());
                    levels.push(Level { name, left });
                    at = dir;
                }
                Err(Errno::ENOENT | Errno::ENODEV) => {}
                Err(errno) => return Err(errno),
            }
        } else {
            let name = std::mem::take(&mut level.name);
            levels.pop();
            if !levels.is_empty() {
                // A cgroup never gets another parent.
                at = open(at.as_fd(), c"..")?;
                visitor.leave(at.as_fd(), &name)?;
            }
        }
    }
    Ok(())
}

fn open(dir: BorrowedFd<'_>, name: &CStr) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(dir, name, flags, Mode::empty())
}

/// The directories in `dir`.
fn children(dir: BorrowedFd<'_>) -> nix::Result<Vec<CString>> {
    let mut found = Vec::new();
    for entry in Dir::from_fd(open(dir, c".")?)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type() == Some(Type::Directory) && name != c"." && name != c".." {
            found.push(name.to_owned());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Order(Vec<String>);

    impl Visitor for Order {
        fn wants(&mut self, _: BorrowedFd<'_>, name: &CStr) -> nix::Result<bool> {
            Ok(name != c"not")
        }

        fn leave(&mut self, _: BorrowedFd<'_>, name: &CStr) -> nix::Result<()> {
            self.0.push(name.to_string_lossy().into_owned());
            Ok(())
        }
    }

    #[test]
    fn those_below_come_first() {
        let base = std::env::temp_dir().join(format!("lxc-rs-walk-{}", std::process::id()));
        for path in ["a/b/c", "a/not/d", "e"] {
            std::fs::create_dir_all(base.join(path)).unwrap();
        }
        let top = std::fs::File::open(&base).unwrap();
        let mut order = Order::default();
        walk(top.as_fd(), &mut order).unwrap();
        std::fs::remove_dir_all(&base).unwrap();
        let position = |name: &str| order.0.iter().position(|one| one == name);
        assert!(position("c") < position("b") && position("b") < position("a"));
        assert!(position("e").is_some() && position("not").is_none() && position("d").is_none());
    }
}
