//! The container tests of `tests/integration`, with the habits of `cargo test`:
//!
//! ```sh
//! cargo test --test integration -- --list
//! sudo -E cargo test --test integration -- lifecycle attach
//! ```
//!
//! Without root, or without what they all need, they are ignored, and it is said why.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a test harness prints")]

use std::io::{BufRead, BufReader, Write, pipe};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// Knows the tests and runs them.
const RUN: &str = "tests/integration/run";
/// What there must be for any test; the others say themselves what they lack.
const NEEDED: &[(&str, &str)] = &[
    ("/bin/busybox", "busybox-static"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("perl", "perl-base"),
    ("pgrep", "procps"),
    ("jq", "jq"),
    ("python3", "python3"),
];

/// The options of libtest that make sense here.
#[derive(Default)]
struct Options {
    filters: Vec<String>,
    skip: Vec<String>,
    list: bool,
    exact: bool,
    no_capture: bool,
    quiet: bool,
    only_ignored: bool,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (argument.as_str(), None),
            };
            let mut value = || {
                value.clone().or_else(|| arguments.next()).ok_or(format!("{name} needs a value"))
            };
            match name {
                "--list" => options.list = true,
                "--exact" => options.exact = true,
                "--nocapture" | "--no-capture" => options.no_capture = true,
                "-q" | "--quiet" => options.quiet = true,
                "--ignored" => options.only_ignored = true,
                "--skip" => options.skip.push(value()?),
                // One runs at a time, in plain text, and the failed ones show what they printed.
                "--include-ignored" | "--show-output" | "--test" => {}
                "--test-threads" | "--color" | "--format" | "-Z" => drop(value()?),
                _ if name.starts_with('-') => return Err(format!("unknown option {name}")),
                _ => options.filters.push(argument),
            }
        }
        Ok(options)
    }

    fn selects(&self, name: &str) -> bool {
        let fits =
            |word: &String| if self.exact { name == word } else { name.contains(word.as_str()) };
        // None of them is marked as ignored: what is lacking, is so on this host.
        !self.only_ignored
            && (self.filters.is_empty() || self.filters.iter().any(fits))
            && !self.skip.iter().any(fits)
    }
}

/// How a test ended.
enum Outcome {
    Passed,
    Ignored(String),
    Failed(String),
}

fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)).and_then(|options| harness(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(101),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(1)
        }
    }
}

/// Whether none failed.
fn harness(options: &Options) -> Result<bool, String> {
    let all = names()?;
    let (chosen, others): (Vec<_>, Vec<_>) = all.iter().partition(|name| options.selects(name));
    if options.list {
        for name in &chosen {
            println!("{name}: test");
        }
        if !options.quiet {
            println!("\n{} tests, 0 benchmarks", chosen.len());
        }
        return Ok(true);
    }
    let begin = Instant::now();
    let plural = if chosen.len() == 1 { "" } else { "s" };
    println!("\nrunning {} test{plural}", chosen.len());
    let lacking = if chosen.is_empty() { None } else { lacking() };
    if lacking.is_none() && !chosen.is_empty() {
        install()?;
    }
    let (mut passed, mut ignored, mut failures) = (0, 0, Vec::new());
    for name in chosen {
        print!("test {name} ... {}", if options.no_capture { "\n" } else { "" });
        std::io::stdout().flush().map_err(|error| error.to_string())?;
        let outcome = match &lacking {
            Some(reason) => Outcome::Ignored(reason.clone()),
            None => run(name, options.no_capture)?,
        };
        match outcome {
            Outcome::Passed => {
                passed += 1;
                println!("ok");
            }
            Outcome::Ignored(reason) => {
                ignored += 1;
                println!("ignored, {reason}");
            }
            Outcome::Failed(output) => {
                println!("FAILED");
                failures.push((name, output));
            }
        }
    }
    if !failures.is_empty() {
        println!("\nfailures:");
        for (name, output) in &failures {
            println!("\n---- {name} ----\n{}", output.trim_end());
        }
        println!("\nfailures:");
        for (name, _) in &failures {
            println!("    {name}");
        }
    }
    println!(
        "\ntest result: {}. {passed} passed; {} failed; {ignored} ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        if failures.is_empty() { "ok" } else { "FAILED" },
        failures.len(),
        others.len(),
        begin.elapsed().as_secs_f64()
    );
    Ok(failures.is_empty())
}

/// The names of all tests.
fn names() -> Result<Vec<String>, String> {
    let output = Command::new(RUN)
        .arg("--list")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run {RUN}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{RUN} --list: {}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// Why no container test can run here.
fn lacking() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("needs root".to_owned());
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found =
        |program: &str| std::env::split_paths(&paths).any(|path| path.join(program).is_file());
    NEEDED.iter().find(|(program, _)| !found(program)).map(|(program, package)| {
        format!("{} is not installed (package {package})", program.trim_start_matches("/bin/"))
    })
}

/// Once for all tests.
fn install() -> Result<(), String> {
    let stage = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/stage");
    let status = Command::new("packaging/install")
        .args(["--profile", "debug", "--prefix"])
        .arg(stage)
        .status()
        .map_err(|error| format!("cannot run packaging/install: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("packaging/install: {status}")) }
}

fn run(name: &str, show: bool) -> Result<Outcome, String> {
    let failed = |error: std::io::Error| format!("cannot run {RUN}: {error}");
    let (reader, writer) = pipe().map_err(failed)?;
    let mut child = Command::new(RUN)
        .args(["--exact", name])
        .env("LXC_RS_STAGED", "yes")
        .stdin(Stdio::null())
        .stdout(writer.try_clone().map_err(failed)?)
        .stderr(writer)
        .spawn()
        .map_err(failed)?;
    let (mut output, mut skipped) = (String::new(), None);
    // What a test leaves running may hold the pipe, but the last line is said by the run itself.
    for line in BufReader::new(reader).split(b'\n') {
        let line = line.map_err(failed)?;
        let line = String::from_utf8_lossy(&line);
        if show {
            println!("{line}");
        }
        if let Some(reason) =
            line.strip_prefix("skipped: ").and_then(|line| line.strip_prefix(name))
        {
            skipped = Some(reason.trim_start_matches(": ").to_owned());
        }
        output.push_str(&line);
        output.push('\n');
        if line.ends_with(" skipped") && line.contains(" passed, ") {
            break;
        }
    }
    let status = child.wait().map_err(failed)?;
    Ok(match skipped {
        _ if !status.success() => Outcome::Failed(output),
        Some(reason) => Outcome::Ignored(reason),
        None => Outcome::Passed,
    })
}
