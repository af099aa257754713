//! The tree of files that a server of images offers: `meta/1.0/index-system` and `index-user`, and for each
//! build of an image `images/DISTRIBUTION/RELEASE/ARCHITECTURE/VARIANT/BUILD/` with `meta.tar.xz`,
//! `rootfs.tar.xz`, their digests in `SHA256SUMS`, and signatures in `NAME.asc`.
//!
//! A build is prepared beside its place and gets it when it is whole; the index is replaced after that. So
//! whoever fetches meanwhile, or after a kill, finds the old builds or the new ones.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use lxc_sys::lock::FileLock;

use super::server::{Choice, META, ROOTFS, SUMS};
use crate::archive::{Entries, Writer};
use crate::compression::{Compression, Packer};
use crate::digest::Hashing;
use crate::exported::{Archive, CONFIG, HOST_CONFIG, require_whole};
use crate::{Context, Error, Result, programs};

/// What a build is called that is not whole.
const NEW: &str = ".new";
/// The indexes, for containers of root and of others: images are the same for both.
const INDEXES: [&str; 2] = ["index-system", "index-user"];
/// Lines for containers with a user namespace.
const USERNS: &str = "lxc.include = LXC_TEMPLATE_CONFIG/userns.conf\n";

/// Such a tree.
#[derive(Debug)]
pub struct Tree {
    dir: PathBuf,
    key: Option<String>,
    _lock: FileLock,
}

impl Tree {
    /// The one in `dir`, which is made if it is missing; what is put there is signed with `key`, if there is one.
    pub fn open(dir: &Path, key: Option<&str>) -> Result<Self> {
        for part in ["meta/1.0", "images"] {
            let dir = dir.join(part);
            std::fs::create_dir_all(&dir).context(|| format!("cannot make {}", dir.display()))?;
        }
        let lock = dir.join(".lock");
        let failed = || format!("cannot lock {}", lock.display());
        let file = File::create(&lock).context(failed)?;
        let lock = FileLock::exclusive(file).context(failed)?;
        Ok(Self { dir: dir.to_path_buf(), key: key.map(str::to_owned), _lock: lock })
    }

    /// Adds a build of the image `choice` of `archive`; its name.
    pub fn add(
        &self,
        choice: &Choice,
        archive: &mut Archive<impl Read>,
        message: Option<&str>,
        expires: Option<u64>,
        trusted: bool,
    ) -> Result<String> {
        choice.check()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let build = build_name(now);
        let place = self.dir.join("images").join(path_of(choice));
        std::fs::create_dir_all(&place).context(|| format!("cannot make {}", place.display()))?;
        let new = place.join(NEW);
        // What an interrupted one left.
        super::server::remove(&new)?;
        std::fs::create_dir(&new).context(|| format!("cannot make {}", new.display()))?;
        let host = archive.text(HOST_CONFIG).to_owned();
        let mut config = archive.text(CONFIG).to_owned();
        if trusted {
            config += &host;
        }
        let texts = [
            ("config", config.clone()),
            ("config-user", config + USERNS),
            ("create-message", message.map(|text| format!("{text}\n")).unwrap_or_default()),
            ("expiry", expires.map(|days| format!("{}\n", now + days * 86400)).unwrap_or_default()),
            ("excludes-user", "dev/*\n".to_owned()),
        ];
        let made = self.fill(&new, &texts, archive).and_then(|()| {
            let place = place.join(&build);
            if place.exists() {
                return Err(Error::new(format!("there is a build {build} already"))
                    .hint("they have the name of the minute; try again in the next"));
            }
            std::fs::rename(&new, &place).context(|| format!("cannot make {}", place.display()))
        });
        if made.is_err() {
            let _ = super::server::remove(&new);
        }
        made.map(|()| build)
    }

    fn fill(
        &self,
        dir: &Path,
        texts: &[(&str, String)],
        archive: &mut Archive<impl Read>,
    ) -> Result<()> {
        let mut sums = String::new();
        let meta = compressed(&dir.join(META), |writer| {
            texts.iter().filter(|(_, text)| !text.is_empty()).try_for_each(|(name, text)| {
                writer.text(name, text.as_bytes()).context(|| "cannot write the metadata")
            })
        })?;
        sums += &format!("{meta}  {META}\n");
        let rootfs = compressed(&dir.join(ROOTFS), |writer| {
            while let Some(entry) = archive.next()? {
                writer.entry(&entry, archive).context(|| "cannot write the root filesystem")?;
            }
            require_whole(archive.end()?)
        })?;
        sums += &format!("{rootfs}  {ROOTFS}\n");
        write_whole(&dir.join(SUMS), &sums)?;
        for name in [META, ROOTFS, SUMS] {
            self.sign(&dir.join(name), &dir.join(format!("{name}.asc")))?;
        }
        Ok(())
    }

    /// Makes the index of all builds in the tree; of an image the newest `keep` builds stay.
    pub fn publish(&self, keep: usize) -> Result<()> {
        let mut lines = Vec::new();
        let mut old = Vec::new();
        for (choice, dir) in self.images()? {
            let mut builds: Vec<String> =
                names(&dir)?.into_iter().filter(|name| !name.starts_with('.')).collect();
            builds.sort_unstable_by(|one, other| other.cmp(one));
            let builds_old = builds.split_off(builds.len().min(keep));
            old.extend(builds_old.iter().map(|build| dir.join(build)));
            let Choice { distribution, release, architecture, variant } = &choice;
            // Who reads it takes the first.
            lines.extend(builds.first().map(|build| {
                let path = path_of(&choice).display().to_string();
                format!(
                    "{distribution};{release};{architecture};{variant};{build};/images/{path}/{build}/\n"
                )
            }));
        }
        lines.sort_unstable();
        let text = lines.concat();
        for name in INDEXES {
            let path = self.dir.join("meta/1.0").join(name);
            // The signature first would not fit the old index, the index not the old signature: a moment.
            let new = path.with_extension("new");
            write_whole(&new, &text)?;
            let signed = path.with_extension("asc");
            self.sign(&new, &signed.with_extension("asc.new"))?;
            let rename = |from: &Path, to: &Path| {
                std::fs::rename(from, to).context(|| format!("cannot write {}", to.display()))
            };
            rename(&new, &path)?;
            if self.key.is_some() {
                rename(&signed.with_extension("asc.new"), &signed)?;
            } else {
                // It would be of another index.
                super::server::remove(&signed)?;
            }
        }
        // From now on nobody looks for them.
        old.iter().try_for_each(|build| super::server::remove(build))
    }

    /// The images that there are, and where.
    fn images(&self) -> Result<Vec<(Choice, PathBuf)>> {
        let mut found = vec![(Vec::<String>::new(), self.dir.join("images"))];
        for _ in 0..4 {
            let mut deeper = Vec::new();
            for (words, dir) in found {
                for name in names(&dir)? {
                    let place = dir.join(&name);
                    if !name.starts_with('.') && place.is_dir() {
                        deeper.push(([words.clone(), vec![name]].concat(), place));
                    }
                }
            }
            found = deeper;
        }
        let choice = |(words, dir): (Vec<String>, PathBuf)| {
            let [distribution, release, architecture, variant] = words.try_into().ok()?;
            Some((Choice { distribution, release, architecture, variant }, dir))
        };
        Ok(found.into_iter().filter_map(choice).collect())
    }

    /// Signs `file`, if there is a key; `signature` is what it becomes.
    fn sign(&self, file: &Path, signature: &Path) -> Result<()> {
        let Some(key) = &self.key else { return Ok(()) };
        super::server::remove(signature)?;
        let output = programs::output(
            programs::command("gpg")
                .map_err(|error| error.hint("install the package gpg, or leave --sign out"))?
                .args([
                    "--batch",
                    "--yes",
                    "--armor",
                    "--detach-sign",
                    "--local-user",
                    key,
                    "--output",
                ])
                .arg(signature)
                .arg("--")
                .arg(file)
                .stdin(Stdio::null()),
        )
        .context(|| "cannot run gpg")?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().lines().last().unwrap_or_default().to_owned();
        Err(Error::new(format!("gpg cannot sign {} with the key {key}: {said}", file.display()))
            .hint("gpg --list-secret-keys shows the keys that there are"))
    }
}

/// Writes the archive `path`, compressed with xz; the digits of its SHA-256.
fn compressed(
    path: &Path,
    write: impl FnOnce(&mut Writer<Packer<Hashing<BufWriter<File>>>>) -> Result<()>,
) -> Result<String> {
    let failed = || format!("cannot write {}", path.display());
    let file = File::create(path).context(failed)?;
    let output = Hashing::new(BufWriter::with_capacity(256 << 10, file));
    let mut writer = Writer::new(Packer::new(Compression::Xz, output).context(failed)?);
    write(&mut writer)?;
    let packer = writer.finish().context(failed)?;
    let (mut output, digest, _) = packer.finish().context(failed)?.finish();
    output.flush().context(failed)?;
    output.get_ref().sync_all().context(failed)?;
    Ok(digest.hex().to_owned())
}

fn write_whole(path: &Path, text: &str) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let mut file = File::create(path).context(failed)?;
    file.write_all(text.as_bytes()).context(failed)?;
    file.sync_all().context(failed)
}

fn path_of(choice: &Choice) -> PathBuf {
    let Choice { distribution, release, architecture, variant } = choice;
    [distribution, release, architecture, variant].into_iter().collect()
}

fn names(dir: &Path) -> Result<Vec<String>> {
    let failed = || format!("cannot list {}", dir.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).context(failed)? {
        names.push(entry.context(failed)?.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

/// The name of a build, `YYYYMMDD_HH:MM`.
fn build_name(seconds: u64) -> String {
    let date = crate::image::build::rfc3339(seconds);
    format!("{}_{}", date[..10].replace('-', ""), &date[11..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Reader;
    use crate::exported::{self, About};
    use crate::testing::{self, Scratch};

    fn exported(content: &str) -> Vec<u8> {
        let rootfs = testing::Archive::new().dir("rootfs").file("rootfs/a", content).end();
        let texts = vec![(CONFIG, "lxc.arch = x86_64\n".to_owned())];
        let mut files = Reader::new(&*rootfs);
        let part = exported::Part { texts, files: &mut files };
        exported::write(Vec::new(), &About::now("web", Vec::new()), part, Vec::new()).unwrap()
    }

    #[test]
    fn a_build_is_there_when_it_is_whole_and_old_ones_go() {
        let scratch = Scratch::new("serve-tree");
        let tree = Tree::open(scratch.path(), None).unwrap();
        let choice = Choice {
            distribution: "debian".into(),
            release: "12".into(),
            architecture: "amd64".into(),
            variant: "default".into(),
        };
        let archive = exported("text");
        let add = |archive: &[u8]| {
            tree.add(&choice, &mut Archive::open(archive).unwrap(), Some("hello"), Some(3), false)
        };
        add(&archive[..archive.len() - 1024]).unwrap_err();
        let images = scratch.path().join("images/debian/12/amd64/default");
        assert_eq!(names(&images).unwrap(), [""; 0]);
        let build = add(&archive).unwrap();
        assert!(add(&archive).unwrap_err().what.contains("already"));
        for old in ["20200101_00:00", "20210101_00:00"] {
            std::fs::create_dir(images.join(old)).unwrap();
        }
        tree.publish(2).unwrap();
        let index = std::fs::read_to_string(scratch.path().join("meta/1.0/index-user")).unwrap();
        let line =
            format!("debian;12;amd64;default;{build};/images/debian/12/amd64/default/{build}/\n");
        assert_eq!(index, line);
        let mut builds = names(&images).unwrap();
        builds.sort();
        assert_eq!(builds, ["20210101_00:00".to_owned(), build.clone()]);
        let sums = std::fs::read_to_string(images.join(&build).join(SUMS)).unwrap();
        assert_eq!(sums.lines().count(), 2);
        assert!(!images.join(&build).join("meta.tar.xz.asc").exists());
        let other = Choice { release: "../x".into(), ..choice.clone() };
        let mut opened = Archive::open(&*archive).unwrap();
        tree.add(&other, &mut opened, None, None, false).unwrap_err();
    }

    #[test]
    fn builds_have_the_name_of_their_minute() {
        assert_eq!(build_name(951_827_696), "20000229_12:34");
    }
}
