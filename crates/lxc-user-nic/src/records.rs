//! /run/lxc/nics: which links there are, as lines `OWNER TYPE BRIDGE LINK`, under the lock and in the
//! format of LXC's program, so that links of both count together.
//!
//! The file is changed in place, as others wait for its lock, and so that no record of a link is ever
//! missing, at whatever moment this process is killed.

use std::collections::HashSet;
use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::arguments::Bridge;
use crate::failure::{Context, Failure, Result};
use crate::name::LinkName;
use crate::sys;

/// The only type of links.
pub const TYPE: &[u8] = b"veth";

/// The file.
pub const PATH: &str = "/run/lxc/nics";
const DIRECTORY: &str = "/run/lxc";
const FILE: &str = "nics";
/// More than all links that a host can have.
const MAX: u64 = 1 << 22;
/// How long others may hold the lock. Each does so for some milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);
const NAP: Duration = Duration::from_millis(2);

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    owner: Vec<u8>,
    bridge: Vec<u8>,
    pub link: LinkName,
}

impl Record {
    pub fn new(owner: &[u8], bridge: &Bridge, link: &LinkName) -> Self {
        let bridge = bridge.as_str().as_bytes().to_vec();
        Self { owner: owner.to_vec(), bridge, link: link.clone() }
    }

    /// `None` for a line of another type, and for what a killed process left half written.
    fn parse(text: &[u8]) -> Option<Self> {
        let mut words = text.split(|byte| *byte == b' ');
        let (owner, kind, bridge) = (words.next()?, words.next()?, words.next()?);
        let link = LinkName::new(words.next()?)?;
        let valid = kind == TYPE && !owner.is_empty() && words.next().is_none();
        valid.then(|| Self { owner: owner.to_vec(), bridge: bridge.to_vec(), link })
    }

    fn line(&self) -> Vec<u8> {
        let words = [&self.owner, TYPE, &self.bridge, self.link.as_str().as_bytes()];
        [&words.join(&b' ')[..], b"\n"].concat()
    }

    /// Whose it is: `USER` or `@GROUP`.
    pub fn owner(&self) -> &[u8] {
        &self.owner
    }

    pub fn is_on(&self, bridge: &Bridge) -> bool {
        self.bridge == bridge.as_str().as_bytes()
    }
}

/// All records, and the lock.
pub struct Records {
    file: File,
    length: u64,
    list: Vec<Record>,
}

impl Records {
    /// Waits for the lock and reads.
    pub fn open() -> Result<Self> {
        let mut records = Self::locked(Path::new(DIRECTORY), Instant::now() + PATIENCE)?;
        records.read()?;
        Ok(records)
    }

    fn locked(directory: &Path, deadline: Instant) -> Result<Self> {
        let failed = || format!("cannot open {}/{FILE}", directory.display());
        let directory = directory_of_root(directory)?;
        loop {
            let file = File::from(sys::open_record_file(directory.as_fd(), FILE).context(failed)?);
            let metadata = file.metadata().context(failed)?;
            if !metadata.is_file() || metadata.uid() != 0 || metadata.nlink() > 1 {
                return Err(Failure::new("the file of records is not one that root made")
                    .hint(format!("as root: rm {DIRECTORY}/{FILE}, with no container running")));
            }
            // Whoever can read it can lock it, and keep everybody out.
            sys::make_private(file.as_fd()).context(failed)?;
            while !sys::try_lock(file.as_fd()).context(failed)? {
                if Instant::now() > deadline {
                    return Err(Failure::new(format!("another process locks {DIRECTORY}/{FILE}"))
                        .hint(format!("as root: lslocks | grep {FILE}")));
                }
                sleep(NAP);
            }
            // Root may have removed it meanwhile.
            let current = sys::inode_of(directory.as_fd(), FILE);
            if current.is_some_and(|inode| inode == (metadata.dev(), metadata.ino())) {
                return Ok(Self { file, length: 0, list: Vec::new() });
            }
        }
    }

    fn read(&mut self) -> Result<()> {
        let failed = || format!("cannot read {DIRECTORY}/{FILE}");
        let mut text = Vec::new();
        self.file.seek(SeekFrom::Start(0)).context(failed)?;
        (&self.file).take(MAX + 1).read_to_end(&mut text).context(failed)?;
        if text.len() as u64 > MAX {
            return Err(Failure::new(format!("{DIRECTORY}/{FILE} has more than {MAX} bytes")));
        }
        // A last line without its end was not written to its end: its link was not made.
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.length = text.len() as u64;
        self.list = records(&text[..whole]);
        if whole < text.len() || lines(&self.list).len() != whole {
            self.rewrite()?;
        }
        Ok(())
    }

    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.list.iter()
    }

    /// Drops those that are not `wanted`.
    pub fn retain(&mut self, mut wanted: impl FnMut(&Record) -> Result<bool>) -> Result<()> {
        let mut kept = Vec::new();
        for record in &self.list {
            if wanted(record)? {
                kept.push(record.clone());
            }
        }
        if kept.len() == self.list.len() {
            return Ok(());
        }
        self.list = kept;
        self.rewrite()
    }

    /// Adds one, at the end.
    pub fn add(&mut self, record: Record) -> Result<()> {
        let line = record.line();
        let written = self.file.write_all_at(&line, self.length);
        written.context(|| format!("cannot write {DIRECTORY}/{FILE}"))?;
        self.length += line.len() as u64;
        self.list.push(record);
        Ok(())
    }

    /// Removes the one of `link`.
    pub fn forget(&mut self, link: &LinkName) -> Result<()> {
        self.retain(|record| Ok(record.link != *link))
    }

    /// Writes all records again, first after the old ones and then over them. Until that first copy is complete
    /// the old records are intact, and after that the copy is; a record that occurs twice counts once.
    fn rewrite(&mut self) -> Result<()> {
        let failed = || format!("cannot write {DIRECTORY}/{FILE}");
        let text = lines(&self.list);
        if !text.is_empty() {
            let copy = [b"\n", &text[..]].concat();
            self.file.write_all_at(&copy, self.length).context(failed)?;
            self.file.write_all_at(&text, 0).context(failed)?;
        }
        self.length = text.len() as u64;
        self.file.set_len(self.length).context(failed)
    }
}

fn records(text: &[u8]) -> Vec<Record> {
    let mut seen = HashSet::new();
    let parsed = text.split(|byte| *byte == b'\n').filter_map(Record::parse);
    parsed.filter(|record| seen.insert(record.clone())).collect()
}

fn lines(records: &[Record]) -> Vec<u8> {
    records.iter().flat_map(Record::line).collect()
}

/// A directory that only root can write; it is made where it is missing.
fn directory_of_root(path: &Path) -> Result<OwnedFd> {
    let failed = || format!("cannot open {}", path.display());
    match DirBuilder::new().mode(0o755).create(path) {
        // The mask is ours.
        Ok(()) => sys::make_readable(path).context(failed)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Failure::new(failed()).because(error)),
    }
    let mut options = File::options();
    options.read(true).custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW);
    let directory = options.open(path).context(failed)?;
    let metadata = directory.metadata().context(failed)?;
    if metadata.uid() != 0 || metadata.mode() & (libc::S_IWGRP | libc::S_IWOTH) != 0 {
        return Err(Failure::new(format!("others than root can write {}", path.display()))
            .hint(format!("as root: chown root {0} && chmod 755 {0}", path.display())));
    }
    Ok(directory.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(text: &str) -> Vec<String> {
        let lines = records(text.as_bytes()).iter().map(Record::line).collect::<Vec<_>>();
        lines
            .into_iter()
            .map(|line| String::from_utf8(line).unwrap().trim_end().to_owned())
            .collect()
    }

    #[test]
    fn a_record_is_four_words() {
        let line = "ann veth br0 veth1000_abcd";
        assert_eq!(
            texts(&format!("{line}\n@staff veth none veth1000_efgh\n")),
            [line, "@staff veth none veth1000_efgh"]
        );
        for other in [
            "ann veth br0",
            "ann veth br0 ",
            "ann veth br0 a b",
            "ann phys br0 eth0",
            " veth br0 eth0",
            "ann veth br0 a/b",
            "ann\tveth br0 eth0",
        ] {
            assert_eq!(texts(other), [""; 0], "{other}");
        }
        assert_eq!(texts(&format!("{line}\n{line}\n")), [line]);
    }

    /// The file, cut off at every byte that a rewrite writes: no record is missing that is kept.
    #[test]
    fn a_killed_rewrite_loses_no_record() {
        let line = |n: u32| format!("user{n} veth br0 veth{n}_abcd\n");
        let old: String = (8..30).map(line).collect();
        let kept: String = (8..30).filter(|n| n % 3 != 0).map(line).collect();
        let appended = format!("{old}\n{kept}");
        let mut states: Vec<String> =
            (0..=kept.len() + 1).map(|cut| appended[..old.len() + cut].to_owned()).collect();
        states.extend((0..=kept.len()).map(|cut| format!("{}{}", &kept[..cut], &appended[cut..])));
        for state in states {
            let whole = state.rfind('\n').map_or(0, |end| end + 1);
            let found = texts(&state[..whole]);
            assert!(kept.lines().all(|line| found.iter().any(|one| one == line)), "{state}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(text in prop::collection::vec(any::<u8>(), 0..300)) {
            let read = records(&text);
            prop_assert_eq!(records(&lines(&read)), read);
        }
    }
}
