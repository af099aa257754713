//! A server of images: an index of lines `DISTRIBUTION;RELEASE;ARCHITECTURE;VARIANT;BUILD;PATH`, and below
//! each PATH the archives `rootfs.tar.xz` and `meta.tar.xz`.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use lxc_sys::lock::FileLock;

use super::metadata::{LEVEL, Metadata, has_file, mode};
use super::open_archive;
use crate::digest::{Digest, Hashed};
use crate::registry::Client;
use crate::template::Scratch;
use crate::unpack::Limits;
use crate::{Context, Error, Result};

/// Most bytes of an index: the largest in use has some hundred kilobytes.
const LARGEST_INDEX: u64 = 16 << 20;
/// Most bytes of the digests of an image.
const LARGEST_SUMS: u64 = 1 << 20;
/// Most bytes of its metadata, packed and unpacked: some short texts.
const LARGEST_META: u64 = 64 << 20;
/// How often a download that was cut is begun again.
const TRIES: u32 = 3;
/// The archive of the root filesystem.
pub(super) const ROOTFS: &str = "rootfs.tar.xz";
/// The archive of metadata.
pub(super) const META: &str = "meta.tar.xz";
/// The digests of both.
pub(super) const SUMS: &str = "SHA256SUMS";

/// Which image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// `debian`.
    pub distribution: String,
    /// `bookworm`.
    pub release: String,
    /// `amd64`.
    pub architecture: String,
    /// `default`, `cloud`, ….
    pub variant: String,
}

/// A line of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which image it is.
    pub choice: Choice,
    /// When it was built, `YYYYMMDD_HH:MM`.
    pub build: String,
    path: String,
}

/// What a server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index(pub Vec<Entry>);

/// A server of images.
#[derive(Debug)]
pub struct Server {
    client: Client,
    base: String,
    keyring: Option<PathBuf>,
}

impl Choice {
    /// Fails unless each of its words can be the name of a directory.
    pub fn check(&self) -> Result<()> {
        let words = [&self.distribution, &self.release, &self.architecture, &self.variant];
        let sound = |word: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
            !word.is_empty() && !word.starts_with(['.', '-']) && word.bytes().all(allowed)
        };
        match words.into_iter().find(|word| !sound(word)) {
            None => Ok(()),
            Some(word) => Err(Error::new(format!("{word:?} is not a part of an image's name"))
                .hint("one has letters, digits and . _ + -")),
        }
    }
}

impl Index {
    fn parse(text: &str) -> Self {
        let entry = |line: &str| {
            let fields: Vec<&str> = line.split(';').collect();
            let [distribution, release, architecture, variant, build, path] = fields[..] else {
                return None;
            };
            let own = str::to_owned;
            let choice = Choice {
                distribution: own(distribution),
                release: own(release),
                architecture: own(architecture),
                variant: own(variant),
            };
            (!path.is_empty()).then(|| Entry { choice, build: own(build), path: own(path) })
        };
        Self(text.lines().filter_map(entry).collect())
    }

    /// The newest line for `choice`, which is the first.
    pub fn find(&self, choice: &Choice) -> Result<&Entry> {
        self.0.iter().find(|entry| entry.choice == *choice).ok_or_else(|| {
            let Choice { distribution, release, architecture, variant } = choice;
            Error::new(format!(
                "the server has no image {distribution} {release} {architecture} {variant}"
            ))
            .hint("--list shows what it has")
        })
    }
}

impl Entry {
    /// The path on the server, if it is one.
    fn path(&self) -> Result<&str> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/._:+~-".contains(&byte);
        let sound = self.path.starts_with('/')
            && self.path.bytes().all(allowed)
            && self.path.split('/').all(|part| part != "..");
        if sound {
            return Ok(self.path.trim_end_matches('/'));
        }
        Err(Error::new(format!("the index has the path {:?}", self.path)))
    }
}

impl Server {
    /// The server `host`, by `client`; what it sends must be signed by a key of `keyring`, if there is one.
    pub fn new(client: Client, host: &str, keyring: Option<PathBuf>) -> Result<Self> {
        let host = host.trim_end_matches('/');
        if host.is_empty() || host.contains(['@', '?', '#', ' ']) || host.contains("://") {
            return Err(
                Error::new(format!("{host:?} is not a server")).hint("write HOST or HOST:PORT")
            );
        }
        let base = format!("{}://{host}", client.scheme());
        Ok(Self { client, base, keyring })
    }

    /// What the server has.
    pub fn index(&self) -> Result<Index> {
        for name in [format!("index-{}.{LEVEL}", mode()), format!("index-{}", mode())] {
            let url = format!("{}/meta/1.0/{name}", self.base);
            let response = self.client.get(&url, &[], None)?;
            if response.status().as_u16() == 404 {
                continue;
            }
            refuse_status(&url, response.status())?;
            let mut text = Vec::new();
            let body = response.into_body().into_reader();
            body.take(LARGEST_INDEX + 1)
                .read_to_end(&mut text)
                .context(|| format!("cannot read {url}"))?;
            if text.len() as u64 > LARGEST_INDEX {
                return Err(too_large(&url, LARGEST_INDEX));
            }
            if self.keyring.is_some() {
                let scratch = Scratch::private()?;
                let file = scratch.path().join("index");
                write_new(&file, &text)?;
                self.check_signature(&url, &file)?;
            }
            return Ok(Index::parse(&String::from_utf8_lossy(&text)));
        }
        Err(Error::new(format!("{} has no index of images", self.base)))
    }

    /// Fetches `url`, of at most `most` bytes, as the new file `path`.
    fn fetch(&self, url: &str, path: &Path, most: u64) -> Result<()> {
        let mut failure = None;
        for _ in 0..TRIES {
            let response = self.client.get(url, &[], None)?;
            refuse_status(url, response.status())?;
            let size = response.body().content_length();
            let mut file =
                File::create(path).context(|| format!("cannot write {}", path.display()))?;
            let mut body = response.into_body().into_reader().take(most.saturating_add(1));
            match copy(&mut body, &mut file, (url, path))? {
                Ok(count) if count > most => return Err(too_large(url, most)),
                Ok(count) if size.is_none_or(|size| size == count) => {
                    file.sync_all().context(|| format!("cannot write {}", path.display()))?;
                    return self.check_signature(url, path);
                }
                Ok(_) => failure = Some(Error::new(format!("{url}: the connection was cut"))),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| Error::new(format!("cannot fetch {url}"))))
    }

    /// The digests at `url`, none if the server has none; `path` is where they are meanwhile.
    fn sums(&self, url: &str, path: &Path) -> Result<Sums> {
        let status = self.client.get(url, &[], None)?.status();
        if status.as_u16() == 404 {
            return Ok(Sums(None));
        }
        self.fetch(url, path, LARGEST_SUMS)?;
        let text = std::fs::read(path).context(|| format!("cannot read {}", path.display()))?;
        remove(path)?;
        Ok(Sums(Some(String::from_utf8_lossy(&text).into_owned())))
    }

    /// Fails unless `file`, which came from `url`, is signed by a key of the keyring.
    fn check_signature(&self, url: &str, file: &Path) -> Result<()> {
        let Some(keyring) = &self.keyring else { return Ok(()) };
        let signed = format!("{url}.asc");
        let response = self.client.get(&signed, &[], None)?;
        refuse_status(&signed, response.status())?;
        let mut signature = Vec::new();
        let body = response.into_body().into_reader();
        body.take(1 << 20)
            .read_to_end(&mut signature)
            .context(|| format!("cannot read {signed}"))?;
        let path = file.with_extension("asc");
        write_new(&path, &signature)?;
        let status = crate::programs::command("gpgv")
            .map_err(|error| {
                error.hint("install the package gpgv, or leave it out with --no-validate")
            })?
            .arg("--quiet")
            .arg("--keyring")
            .arg(keyring)
            .arg(&path)
            .arg(file)
            .stderr(Stdio::null())
            .status();
        let _ = std::fs::remove_file(&path);
        if status.context(|| "cannot run gpgv")?.success() {
            return Ok(());
        }
        Err(Error::new(format!("{url} is not signed by a key of {}", keyring.display()))
            .hint("it was changed on the way, or the keyring is of another server"))
    }
}

/// Digests, in lines as sha256sum(1) writes them, if there are.
struct Sums(Option<String>);

impl Sums {
    /// Fails if `path`, which is called `name`, is not what they say.
    fn check(&self, path: &Path, name: &str) -> Result<()> {
        let Some(sums) = &self.0 else { return Ok(()) };
        let wanted = sums.lines().find_map(|line| {
            let (digits, named) = line.split_once(' ')?;
            (named.trim_start().trim_start_matches('*') == name).then_some(digits)
        });
        let wanted =
            wanted.ok_or_else(|| Error::new(format!("{SUMS} of the image has no {name}")))?;
        let wanted = Digest::parse(&format!("sha256:{wanted}"))?;
        let file = File::open(path).context(|| format!("cannot read {}", path.display()))?;
        Hashed::new(file, wanted, None).finish(name)
    }
}

fn refuse_status(url: &str, status: ureq::http::StatusCode) -> Result<()> {
    if status.is_success() { Ok(()) } else { Err(Error::new(format!("{url}: {status}"))) }
}

fn too_large(url: &str, most: u64) -> Error {
    Error::new(format!("{url} has more than {most} bytes"))
}

fn write_new(path: &Path, data: &[u8]) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let mut file = File::options().write(true).create_new(true).open(path).context(failed)?;
    file.write_all(data).context(failed)
}

/// Copies all of `body`, which comes from a URL, to `file`; the inner error is one of reading.
fn copy(body: &mut impl Read, file: &mut File, (url, path): (&str, &Path)) -> Result<Result<u64>> {
    let mut buffer = vec![0; 64 << 10];
    let mut total = 0;
    loop {
        match body.read(&mut buffer) {
            Ok(0) => return Ok(Ok(total)),
            Ok(count) => {
                let written = file.write_all(&buffer[..count]);
                written.context(|| format!("cannot write {}", path.display()))?;
                total += count as u64;
            }
            Err(error) => return Ok(Err(error).context(|| format!("cannot fetch {url}"))),
        }
    }
}

/// An image that is kept: its archive, and beside it its metadata, unpacked, as LXC keeps them.
#[derive(Debug)]
pub struct Kept {
    dir: PathBuf,
    _lock: FileLock,
}

impl Kept {
    /// The place of `choice` below `cache`; waits for whoever changes it.
    pub fn open(cache: &Path, choice: &Choice) -> Result<Self> {
        choice.check()?;
        let Choice { distribution, release, architecture, variant } = choice;
        let parent = cache.join("download").join(distribution).join(release).join(architecture);
        std::fs::create_dir_all(&parent).context(|| format!("cannot make {}", parent.display()))?;
        let lock = parent.join(format!(".{variant}.lock"));
        let failed = || format!("cannot lock {}", lock.display());
        let file = File::create(&lock).context(failed)?;
        let lock = FileLock::exclusive(file).context(failed)?;
        let kept = Self { dir: parent.join(variant), _lock: lock };
        // What an interrupted one left.
        remove(&kept.beside("new"))?;
        remove(&kept.beside("old"))?;
        Ok(kept)
    }

    fn beside(&self, what: &str) -> PathBuf {
        let name = self.dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.dir.with_file_name(format!(".{name}.{what}"))
    }

    /// Whether the image is there.
    pub fn is_there(&self) -> Result<bool> {
        Ok(has_file(&self.dir, "build_id")? && has_file(&self.dir, ROOTFS)?)
    }

    /// Whether its maker says that it is too old.
    pub fn has_expired(&self) -> Result<bool> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        Ok(self.metadata()?.expiry()?.is_some_and(|expiry| expiry < now))
    }

    /// Removes it.
    pub fn flush(&self) -> Result<()> {
        remove(&self.dir)
    }

    /// The directory of what is kept of this architecture, with locks.
    pub fn parent(&self) -> &Path {
        self.dir.parent().unwrap_or(&self.dir)
    }

    /// Its archive.
    pub fn rootfs(&self) -> PathBuf {
        self.dir.join(ROOTFS)
    }

    /// Its metadata.
    pub fn metadata(&self) -> Result<Metadata> {
        Metadata::open(&self.dir)
    }

    /// Fetches the image `entry` from `server`; tells what it does. The one that was kept is replaced once
    /// all is there.
    ///
    /// Its archive may have as many bytes as it may become by `limits`.
    pub fn fetch(
        &self,
        server: &Server,
        entry: &Entry,
        limits: Limits,
        tell: impl Fn(&str),
    ) -> Result<()> {
        self.refuse_older(entry)?;
        let new = self.beside("new");
        std::fs::create_dir(&new).context(|| format!("cannot make {}", new.display()))?;
        let result = Self::fetch_in(&new, server, entry, limits.bytes, tell)
            .and_then(|()| self.replace(&new));
        if result.is_err() {
            // The next one removes it as well.
            let _ = remove(&new);
        }
        result
    }

    /// Fails if `entry` is older than what is kept. A signature stays good: somebody may send an old index again, whose
    /// images have faults that are known.
    fn refuse_older(&self, entry: &Entry) -> Result<()> {
        if !self.is_there()? {
            return Ok(());
        }
        let kept = self.metadata()?.build()?.unwrap_or_default();
        let (kept, offered) = (kept.trim(), entry.build.as_str());
        if offered >= kept {
            return Ok(());
        }
        Err(Error::new(format!(
            "the server's index is old: it has the build {offered}, here is {kept}"
        ))
        .hint("--force-cache uses the one that is here, --flush-cache takes the older one"))
    }

    fn fetch_in(
        dir: &Path,
        server: &Server,
        entry: &Entry,
        most: u64,
        tell: impl Fn(&str),
    ) -> Result<()> {
        let base = format!("{}{}", server.base, entry.path()?);
        tell("Downloading the metadata");
        let sums = server.sums(&format!("{base}/{SUMS}"), &dir.join(SUMS))?;
        let meta = dir.join(META);
        server.fetch(&format!("{base}/{META}"), &meta, LARGEST_META)?;
        sums.check(&meta, META)?;
        let limits = Limits { bytes: LARGEST_META, entries: 10_000, ..Limits::default() };
        open_archive(&meta, dir, limits)?;
        std::fs::remove_file(&meta).context(|| format!("cannot remove {}", meta.display()))?;
        tell("Downloading the rootfs");
        let rootfs = dir.join(ROOTFS);
        // The archive of metadata may have put something in its place.
        remove(&rootfs)?;
        server.fetch(&format!("{base}/{ROOTFS}"), &rootfs, most)?;
        sums.check(&rootfs, ROOTFS)?;
        let build = dir.join("build_id");
        remove(&build)?;
        write_new(&build, format!("{}\n", entry.build).as_bytes())
    }

    fn replace(&self, new: &Path) -> Result<()> {
        let failed = || format!("cannot replace {}", self.dir.display());
        let old = self.beside("old");
        match std::fs::rename(&self.dir, &old) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            result => result.context(failed)?,
        }
        std::fs::rename(new, &self.dir).context(failed)?;
        remove(&old)
    }
}

/// Removes a file, a link or a tree, if there is one.
pub(super) fn remove(path: &Path) -> Result<()> {
    let failed = || format!("cannot remove {}", path.display());
    match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).context(failed),
        Ok(stat) if stat.is_dir() => std::fs::remove_dir_all(path).context(failed),
        Ok(_) => std::fs::remove_file(path).context(failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_compared() {
        let scratch = crate::testing::Scratch::new("sums");
        let file = scratch.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let digest = Digest::of(b"x");
        let sums = |text: String| Sums(Some(text));
        for line in [format!("{}  a.xz\n", digest.hex()), format!("x y\n{} *a.xz", digest.hex())] {
            sums(line).check(&file, "a.xz").unwrap();
        }
        Sums(None).check(&file, "a.xz").unwrap();
        let other = format!("{}  a.xz\n", Digest::of(b"y").hex());
        assert!(sums(other).check(&file, "a.xz").unwrap_err().what.contains("digest"));
        for line in ["", "zz  a.xz", &format!("{}  b.xz", digest.hex())] {
            sums(line.to_owned()).check(&file, "a.xz").unwrap_err();
        }
    }

    #[test]
    fn an_index_is_read() {
        let index = Index::parse(
            "debian;bookworm;amd64;default;20240101_07:42;/images/debian/bookworm/\n\
             debian;bookworm;amd64;default;20230101_07:42;/images/older/\n\
             broken;line\n\
             evil;x;amd64;default;1;/../../etc\n\
             none;x;amd64;default;1;\n",
        );
        assert_eq!(index.0.len(), 3);
        let choice = |distribution: &str, release: &str| Choice {
            distribution: distribution.into(),
            release: release.into(),
            architecture: "amd64".into(),
            variant: "default".into(),
        };
        let found = index.find(&choice("debian", "bookworm")).unwrap();
        assert_eq!(found.path().unwrap(), "/images/debian/bookworm");
        assert!(index.find(&choice("debian", "sid")).unwrap_err().hint.unwrap().contains("--list"));
        assert!(index.find(&choice("evil", "x")).unwrap().path().is_err());
        for bad in ["..", "a/b", "", "-x", ".a", "a b", "a\n"] {
            assert!(choice(bad, "x").check().is_err(), "{bad}");
        }
    }
}
