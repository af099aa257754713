//! Digests of content, and reading that compares with them.

use std::fmt;
use std::io::{self, Read, Write};

use ring::digest::{Context as Computation, SHA256, SHA512};
use serde::{Deserialize, Serialize};

use crate::{Context, Error, Result};

/// `sha256:HEX` or `sha512:HEX` (OCI image specification, "Digests"), checked: its parts are safe as names
/// of files.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest {
    algorithm: Algorithm,
    hex: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Algorithm {
    Sha256,
    Sha512,
}

impl Algorithm {
    const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }
}

impl Digest {
    /// Reads `text`.
    pub fn parse(text: &str) -> Result<Self> {
        let parse = || {
            let (name, hex) = text.split_once(':')?;
            let (algorithm, digits) = match name {
                "sha256" => (Algorithm::Sha256, 64),
                "sha512" => (Algorithm::Sha512, 128),
                _ => return None,
            };
            let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            (hex.len() == digits && hex.bytes().all(is_hex))
                .then(|| Self { algorithm, hex: hex.to_owned() })
        };
        parse().ok_or_else(|| {
            let text: String = text.chars().take(150).collect();
            Error::new(format!("{text:?} is not a digest"))
                .hint("one is sha256: and 64 hexadecimal digits")
        })
    }

    /// The SHA-256 of `data`.
    pub fn of(data: &[u8]) -> Self {
        Hasher::new(Algorithm::Sha256).of(data)
    }

    /// The name of its algorithm.
    pub const fn algorithm(&self) -> &'static str {
        self.algorithm.name()
    }

    /// Its hexadecimal digits.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// Fails unless it is that of `data`, which is called `what`.
    pub fn check(&self, data: &[u8], what: &str) -> Result<()> {
        differs_unless(self, &Hasher::new(self.algorithm).of(data), what)
    }
}

/// Fails unless `found`, of what is called `what`, is `wanted`.
pub(crate) fn differs_unless(wanted: &Digest, found: &Digest, what: &str) -> Result<()> {
    if wanted == found {
        return Ok(());
    }
    Err(Error::new(format!("{what} is not what its digest says"))
        .hint(format!("its digest is {found}, wanted was {wanted}: it was changed or damaged")))
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm(), self.hex)
    }
}

impl TryFrom<String> for Digest {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// A digest that is being computed.
#[derive(Clone)]
pub struct Hasher {
    algorithm: Algorithm,
    computation: Computation,
}

impl Hasher {
    fn new(algorithm: Algorithm) -> Self {
        let function = match algorithm {
            Algorithm::Sha256 => &SHA256,
            Algorithm::Sha512 => &SHA512,
        };
        Self { algorithm, computation: Computation::new(function) }
    }

    /// One that computes SHA-256.
    pub fn sha256() -> Self {
        Self::new(Algorithm::Sha256)
    }

    /// One that computes what `digest` is.
    pub fn like(digest: &Digest) -> Self {
        Self::new(digest.algorithm)
    }

    /// Adds `data`.
    pub fn update(&mut self, data: &[u8]) {
        self.computation.update(data);
    }

    /// The digest of all that was added.
    pub fn finish(self) -> Digest {
        let digest = self.computation.finish();
        let bytes = digest.as_ref().iter();
        let hex = bytes.fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        Digest { algorithm: self.algorithm, hex }
    }

    fn of(mut self, data: &[u8]) -> Digest {
        self.update(data);
        self.finish()
    }
}

/// Passes on what `inner` gives, counts and hashes it.
pub struct Hashed<R> {
    inner: R,
    hasher: Hasher,
    wanted: Digest,
    count: u64,
    /// Most bytes to read.
    size: Option<u64>,
}

impl<R: Read> Hashed<R> {
    /// What has the digest `wanted`, and `size` bytes if that is known.
    pub fn new(inner: R, wanted: Digest, size: Option<u64>) -> Self {
        Self { inner, hasher: Hasher::like(&wanted), wanted, count: 0, size }
    }

    /// Reads what is left, and fails unless all together has the digest. It is called `what`.
    pub fn finish(mut self, what: &str) -> Result<()> {
        io::copy(&mut self, &mut io::sink()).context(|| format!("cannot read {what}"))?;
        if let Some(size) = self.size
            && size != self.count
        {
            return Err(Error::new(format!("{what} has {} bytes instead of {size}", self.count)));
        }
        differs_unless(&self.wanted, &self.hasher.finish(), what)
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        if self.size.is_some_and(|size| self.count > size) {
            return Err(io::Error::other("there is more than was announced"));
        }
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// Passes on what is written to it, counts and hashes it.
pub struct Hashing<W> {
    inner: W,
    hasher: Hasher,
    count: u64,
}

impl<W: Write> Hashing<W> {
    /// One that writes to `inner`, and computes SHA-256.
    pub fn new(inner: W) -> Self {
        Self { inner, hasher: Hasher::sha256(), count: 0 }
    }

    /// What it was written to, and the digest and the number of the bytes.
    pub fn finish(self) -> (W, Digest, u64) {
        (self.inner, self.hasher.finish(), self.count)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(data)?;
        self.hasher.update(&data[..count]);
        self.count += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_checked() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        let digest = Digest::parse(empty).unwrap();
        assert_eq!((digest.algorithm(), digest.hex().len()), ("sha256", 64));
        digest.check(b"", "it").unwrap();
        assert!(digest.check(b"x", "the layer").unwrap_err().what.contains("the layer"));
        let long = format!("sha512:{}", "0a".repeat(64));
        assert_eq!(Digest::parse(&long).unwrap().to_string(), long);
        let upper = empty.to_uppercase();
        for bad in [
            "",
            "sha256",
            "sha256:",
            "sha256:../../etc/passwd",
            "md5:00",
            &empty[..70],
            upper.as_str(),
        ] {
            assert!(Digest::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reading_compares() {
        let read = |data: &[u8], size| {
            let mut hashed = Hashed::new(data, Digest::of(b"content"), size);
            let mut first = [0; 3];
            let _ = hashed.read(&mut first);
            hashed.finish("it")
        };
        read(b"content", None).unwrap();
        read(b"content", Some(7)).unwrap();
        assert!(read(b"contenT", Some(7)).unwrap_err().what.contains("digest"));
        assert!(read(b"content", Some(6)).is_err());
        assert!(read(b"content", Some(8)).unwrap_err().what.contains("7 bytes"));
    }
}
