//! Mutated configuration files, with includes of each other: no panic, bounded time and memory.
//!
//! Runs for `LXC_RS_FUZZ_SECONDS`, by default two. A file that does harm stays in the directory that
//! the failure names.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lxc_rs::config::{Document, get, key, update};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

/// Most processor time for one configuration of some mebibytes, unoptimised.
const BOUND: Duration = Duration::from_secs(10);
/// Most memory, KiB.
const MEMORY: u64 = 768 << 10;
/// Largest file that is made.
const LARGEST: usize = 2 << 20;

struct Fuzzer {
    random: TestRng,
    seeds: Vec<Vec<u8>>,
    words: Vec<String>,
    dir: PathBuf,
    longest: Duration,
}

impl Fuzzer {
    fn new(dir: &Path) -> Self {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let mut seeds: Vec<Vec<u8>> = std::fs::read_dir(config)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .map(|path| std::fs::read(path).unwrap())
            .collect();
        let mut words: Vec<String> = key::all().filter_map(key::Key::sample_line).collect();
        seeds.push(words.join("\n").into_bytes());
        let include = |file: &str| format!("lxc.include = {}/{file}\n", dir.display());
        // Loops, themselves, directories, what is not there.
        for files in
            [&["a.conf"][..], &["b.conf", "d"], &["c.conf", "c.conf", "a.conf"], &["d/", "none/"]]
        {
            seeds.push(files.iter().map(|file| include(file)).collect::<String>().into_bytes());
        }
        seeds.push([b"lxc.uts.name = ".to_vec(), vec![b'a'; 1 << 20]].concat());
        seeds.push([b"lxc.".to_vec(), vec![b'='; 1 << 20]].concat());
        seeds.push(
            b"lxc.uts.name = a\0b\nlxc.\0 = \xff\xfe\n\xef\xbb\xbflxc.arch = x86_64\n".to_vec(),
        );
        seeds.push(
            b"# Gr\xfc\xdfe\nlxc.environment = A=\xc3\xa9\r\nlxc.net.99999999999.type = veth\n"
                .to_vec(),
        );
        words.extend(
            ["\n", "\r", "\0", "=", "#", "\"", "'", "lxc.", " ", "\\", "/", ":"].map(str::to_owned),
        );
        words.extend(["a.conf", "b.conf", "d"].map(include));
        words.extend(key::all().map(|key| format!("\n{} = ", key.name)));
        let random = TestRng::from_seed(RngAlgorithm::XorShift, b"configuration...");
        Self { random, seeds, words, dir: dir.to_owned(), longest: Duration::ZERO }
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.random.next_u64() % bound.max(1) as u64).unwrap()
    }

    fn mutated(&mut self) -> Vec<u8> {
        let seed = self.below(self.seeds.len());
        let mut text = self.seeds[seed].clone();
        for _ in 0..self.below(12) {
            let at = self.below(text.len() + 1);
            let end = (at + self.below(64)).min(text.len());
            match self.below(6) {
                0 if at < text.len() => text[at] = self.random.next_u32().to_le_bytes()[0],
                1 => drop(text.drain(at..end)),
                2 => {
                    let word = self.below(self.words.len());
                    text.splice(at..at, self.words[word].bytes());
                }
                3 => {
                    let part = text[at..end].to_vec();
                    text.splice(at..at, part);
                }
                4 => {
                    let other = self.below(self.seeds.len());
                    text.truncate(at);
                    text.extend(&self.seeds[other]);
                }
                _ => {
                    let times = self.below(1000);
                    let part = text[at..end].repeat(times);
                    text.splice(at..at, part);
                }
            }
            text.truncate(LARGEST);
        }
        text
    }

    fn once(&mut self) {
        let begin = processor_time();
        for file in ["a.conf", "b.conf", "c.conf", "d/1.conf", "d/2.conf"] {
            let text = self.mutated();
            std::fs::write(self.dir.join(file), text).unwrap();
        }
        let path = self.dir.join("a.conf");
        let text = std::fs::read(&path).unwrap();
        match Document::load(&path) {
            Ok(document) => {
                assert_eq!(document.text(), text);
                for key in key::all() {
                    let _ = get(&document.config, &key.name.replace(".N", ".0"));
                }
            }
            Err(error) => {
                let shown = error.to_string();
                assert!(shown.len() < 256 << 10, "{} bytes of errors", shown.len());
            }
        }
        let (_, findings) = Document::check(&path).unwrap();
        assert!(findings.len() <= 101);
        let _ = update(&text, "dir", |name| name == "zfs");
        let taken = processor_time().saturating_sub(begin);
        assert!(taken < BOUND, "{taken:?}");
        self.longest = self.longest.max(taken);
    }
}

fn processor_time() -> Duration {
    nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID.now().unwrap().into()
}

fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn mutated_files_do_no_harm() {
    let seconds = std::env::var("LXC_RS_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let dir = std::env::temp_dir().join(format!("lxc-rs-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("d")).unwrap();
    let mut fuzzer = Fuzzer::new(&dir);
    let begin = Instant::now();
    let mut count = 0;
    println!("files in {}", dir.display());
    while begin.elapsed() < Duration::from_secs(seconds.unwrap_or(2)) {
        fuzzer.once();
        count += 1;
    }
    let peak = peak_memory();
    assert!(peak < MEMORY, "{peak} KiB");
    println!("{count} configurations, {peak} KiB and {:.2?} at most", fuzzer.longest);
    std::fs::remove_dir_all(dir).unwrap();
}
