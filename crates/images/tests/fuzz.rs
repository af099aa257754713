//! Made-up and mutated archives: no panic, bounded time, and nothing outside the root is touched.
//!
//! Runs for `LXC_RS_FUZZ_SECONDS`, by default two. An archive that does harm stays in the directory that
//! the failure names.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use lxc_images::archive::Reader;
use lxc_images::exported::Archive;
use lxc_images::place::{Called, Placer, Policy};
use lxc_images::unpack::{Limits, Unpacker};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use tar::{EntryType, Header};

/// Most time for one archive of some kilobytes, unoptimised.
const BOUND: Duration = Duration::from_secs(10);

/// All that can be kept.
const POLICY: Policy = Policy { owner: None, privileges: true };

struct Fuzzer {
    random: TestRng,
    outside: String,
}

impl Fuzzer {
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.random.next_u64() % bound as u64).unwrap()
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    /// A name out of few components, so that entries meet.
    fn name(&mut self) -> String {
        let mut name = String::new();
        for _ in 0..=self.below(3) {
            let components = [
                "a",
                "b",
                "c",
                "d",
                ".",
                "/",
                "",
                ".wh.a",
                ".wh.b",
                ".wh..wh..opq",
                ".wh...",
                "\x1b",
            ];
            name.push_str(self.pick(&components));
            name.push('/');
        }
        if self.below(60) == 0 {
            format!("../{name}")
        } else {
            name.trim_end_matches('/').to_owned()
        }
    }

    fn target(&mut self) -> String {
        let outside = self.outside.clone();
        match self.below(6) {
            0 => outside,
            1 => format!("{outside}/file"),
            2 => "../".repeat(self.below(12)) + "outside",
            3 => "..".to_owned(),
            4 => "/".to_owned(),
            _ => self.name(),
        }
    }

    fn archive(&mut self) -> Vec<u8> {
        let mut archive = Vec::new();
        for _ in 0..self.below(16) {
            let kinds =
                [b'0', b'0', b'1', b'1', b'2', b'2', b'2', b'3', b'4', b'5', b'5', b'6', b'S'];
            let kind = EntryType::new(kinds[self.below(kinds.len())]);
            let mut header = Header::new_gnu();
            let (name, target) = (self.name(), self.target());
            let gnu = header.as_gnu_mut().unwrap();
            gnu.name[..name.len()].copy_from_slice(name.as_bytes());
            if target.len() < gnu.linkname.len() {
                gnu.linkname[..target.len()].copy_from_slice(target.as_bytes());
            }
            header.set_entry_type(kind);
            header.set_mode(0o755);
            header.set_uid(nix::unistd::geteuid().as_raw().into());
            header.set_gid(nix::unistd::getegid().as_raw().into());
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
            header.set_mtime(0);
            let size =
                if matches!(kind, EntryType::Regular | EntryType::GNUSparse) { 5 } else { 0 };
            header.set_size(size);
            if kind == EntryType::GNUSparse {
                let gnu = header.as_gnu_mut().unwrap();
                gnu.set_real_size(5);
                gnu.sparse[0].offset[0] = b'0';
                gnu.sparse[0].numbytes[0] = b'5';
            }
            if self.below(30) == 0 {
                let records = format!("{} linkpath={target}\n", 13 + target.len());
                let mut pax = Header::new_ustar();
                pax.set_entry_type(EntryType::XHeader);
                pax.set_size(records.len() as u64);
                pax.set_cksum();
                archive.extend_from_slice(pax.as_bytes());
                archive.extend_from_slice(records.as_bytes());
                archive.resize(archive.len().next_multiple_of(512), 0);
            }
            header.set_cksum();
            archive.extend_from_slice(header.as_bytes());
            if size > 0 {
                archive.extend_from_slice(b"evil!");
                archive.resize(archive.len().next_multiple_of(512), 0);
            }
        }
        archive.resize(archive.len() + 1024, 0);
        if self.below(2) == 0 {
            self.mutate(&mut archive);
        }
        archive
    }

    fn mutate(&mut self, archive: &mut [u8]) {
        for _ in 0..=self.below(8) {
            let place = self.below(archive.len());
            archive[place] = match self.below(4) {
                0 => b'0' + u8::try_from(self.below(10)).unwrap(),
                1 => archive[place] ^ (1 << self.below(8)),
                2 => 0xff,
                _ => 0,
            };
            // Most would be refused for their sum.
            let block = place / 512 * 512;
            let header = &mut archive[block..block + 512];
            if header[257..262] == *b"ustar" {
                header[148..156].fill(b' ');
                let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
                header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
            }
        }
    }
}

#[test]
fn archives_touch_nothing_outside() {
    let seconds = std::env::var("LXC_RS_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(2));
    let dir = std::env::temp_dir().join(format!("lxc-rs-fuzz-images-{}", std::process::id()));
    let outside = dir.join("outside");
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::write(outside.join("file"), "untouched").unwrap();
    let root = dir.join("root");
    let mut seed = [0; 32];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").unwrap(), &mut seed)
        .unwrap();
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut fuzzer = Fuzzer { random, outside: outside.to_str().unwrap().to_owned() };
    let (mut count, mut whole, mut put) = (0_u64, 0_u64, 0_u64);
    while Instant::now() < end {
        let archives = [fuzzer.archive(), fuzzer.archive()];
        std::fs::write(dir.join("archives"), archives.concat()).unwrap();
        std::fs::create_dir(&root).unwrap();
        let begun = Instant::now();
        let limits = Limits { bytes: 1 << 24, ..Limits::default() };
        let mut unpacker = Unpacker::new(&root, limits).unwrap();
        for archive in &archives {
            whole += u64::from(unpacker.layer(archive.as_slice(), || archive.len() as u64).is_ok());
        }
        // Once more into the same tree, as into a container that has files already.
        for archive in &archives {
            let base = std::fs::File::open(&root).unwrap().into();
            let mut placer = Placer::new(base, POLICY, Called::Same);
            put += u64::from(placer.all(&mut Reader::new(archive.as_slice()), None).is_ok());
            // Whatever it takes it for.
            let _ = Archive::open(archive.as_slice());
        }
        assert!(begun.elapsed() < BOUND, "it took {:?}: {}", begun.elapsed(), dir.display());
        is_untouched(&dir);
        has_no_spare_name(&root);
        std::fs::remove_dir_all(&root).unwrap();
        count += 2;
    }
    // Else nothing was tried.
    assert!(count > 20 && whole > count / 50, "{whole} of {count} archives were unpacked");
    assert!(put > count / 500, "{put} of {count} archives were placed");
    std::fs::remove_dir_all(dir).unwrap();
}

/// Nothing that was on its way to a name is left.
fn has_no_spare_name(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        assert!(!name.to_string_lossy().starts_with(".lxc-rs-"), "{}", dir.display());
        if entry.file_type().unwrap().is_dir() {
            has_no_spare_name(&entry.path());
        }
    }
}

fn is_untouched(dir: &Path) {
    let names = |dir: &Path| {
        let mut names: Vec<_> =
            std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let shown = dir.display();
    assert_eq!(names(dir), ["archives", "outside", "root"], "{shown}");
    assert_eq!(names(&dir.join("outside")), ["file"], "{shown}");
    let file = dir.join("outside/file");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "untouched", "{shown}");
    let stat = file.metadata().unwrap();
    assert_eq!((stat.nlink(), stat.mode() & 0o7777), (1, 0o644), "{shown}");
}
