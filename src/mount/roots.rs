//! Files that a container's configuration names, read on the host.
//!
//! Such a file may lie in the container's own root filesystem, where its owner may have put anything in
//! its place. There it is read as content of the tree, see [`Content`].

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Content, Root};
use crate::config::{Config, RootfsPath};
use crate::error::{Context, Error, Result};
use crate::table;

/// Where on the host a container's root filesystem lies.
#[derive(Debug, Default)]
pub struct Roots(Vec<PathBuf>);

impl Roots {
    /// That of the container with the configuration `config`.
    pub fn of(config: &Config) -> Self {
        Self::at(config.rootfs.path.as_ref())
    }

    /// One at `path`, which may be several directories with colons between them.
    pub fn at(path: Option<&RootfsPath>) -> Self {
        let Some(path) = path else { return Self::default() };
        let parts = path.source.split(':').filter(|part| *part != path.source);
        Self(parts.chain([path.source.as_str()]).map(PathBuf::from).collect())
    }

    /// Also where it is mounted now, unless that is the host's own root.
    #[must_use]
    pub fn mounted_at(mut self, mount: &Path) -> Self {
        if !self.0.is_empty() {
            self.0.push(mount.to_owned());
        }
        self
    }

    /// Whether `path` lies in it.
    pub fn hold(&self, path: &Path) -> bool {
        self.split(path).is_some()
    }

    /// The content of the host's file `path`.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let failed = || format!("cannot read {}", path.display());
        let Some((root, rest)) = self.split(path) else {
            return std::fs::read(path).context(failed);
        };
        match Root::open(root)?.content(rest)? {
            Content::File(bytes) => Ok(bytes),
            Content::Missing => {
                std::io::Result::Err(nix::errno::Errno::ENOENT.into()).context(failed)
            }
            Content::Refused(why) => Err(Error::new(format!("{}: it {why}", failed())).hint(
                "it lies in the root filesystem, whose links are not followed; put it outside",
            )),
        }
    }

    /// As [`read`](Self::read), of a text; what is not UTF-8 in it is replaced.
    pub fn read_text(&self, path: &Path) -> Result<String> {
        self.read(path).map(table::text)
    }

    /// The root that `path` lies in, by whatever name, and the rest of the path.
    fn split<'p>(&self, path: &'p Path) -> Option<(&'p Path, &'p Path)> {
        let inode = |path: &Path| path.metadata().map(|found| (found.dev(), found.ino())).ok();
        let inodes: Vec<_> = self.0.iter().filter_map(|root| inode(root)).collect();
        let is_root = |dir: &&Path| {
            self.0.iter().any(|root| root == dir)
                || inode(dir).is_some_and(|it| inodes.contains(&it))
        };
        // The outermost one: what is below it may lead anywhere.
        let found = path.ancestors().filter(is_root);
        let root = found.last()?;
        Some((root, path.strip_prefix(root).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_lies_in_a_root_is_read_without_following_it_out() {
        let base = std::env::temp_dir().join(format!("lxc-rs-roots-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&base);
        std::fs::create_dir_all(base.join("rootfs/etc")).unwrap();
        let etc = base.join("rootfs/etc");
        std::fs::write(base.join("host"), "host").unwrap();
        std::fs::write(etc.join("tab"), "inside").unwrap();
        symlink(base.join("host"), etc.join("link")).unwrap();
        symlink(base.join("rootfs"), base.join("also")).unwrap();
        symlink("..", base.join("rootfs/up")).unwrap();
        let source = base.join("rootfs").display().to_string();
        for source in [source.clone(), format!("/nowhere:{source}")] {
            let roots = Roots::at(Some(&RootfsPath { backend: None, source }));
            let read = |path: &str| roots.read_text(&base.join(path));
            assert_eq!(read("host").unwrap(), "host");
            for name in ["rootfs", "also"] {
                assert_eq!(read(&format!("{name}/etc/tab")).unwrap(), "inside");
                for file in ["etc/link", "up/host", "../host", "etc", "none"] {
                    read(&format!("{name}/{file}")).unwrap_err();
                }
            }
        }
        assert_eq!(Roots::default().mounted_at(Path::new("/")).0, Vec::<PathBuf>::new());
        std::fs::remove_dir_all(base).unwrap();
    }
}
