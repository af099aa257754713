//! lxc-import: a container from the archive of another one, which `lxc-rs export` wrote.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::json;

use super::options::{self, container, flag, limits};
use super::{Program, tell, warn};
use crate::archive::{Entries, Reader};
use crate::exported::{
    ABOUT, About, Archive, COMMENT, CONFIG, FSTAB, HOST_CONFIG, LARGEST, TIME, not_exported,
};
use crate::image::Counted;
use crate::system::{self, Metadata};
use crate::template::Container;
use crate::unpack::Limits;
use crate::{Context, Result, compression};

pub(super) const PROGRAM: Program = Program { name: "lxc-import", command, run };

fn command() -> Command {
    options::command("lxc-import", "A container from what lxc-rs export wrote")
        .override_usage("lxc-rs import FILE [NAME]")
        .arg(options::descriptors().required(false).hide(true))
        .arg(
            Arg::new("file")
                .long("file")
                .short('f')
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("The archive"),
        )
        .arg(flag("describe").hide(true))
        .arg(options::trust_config())
}

fn run(matches: &ArgMatches) -> Result<()> {
    let read = AtomicU64::new(0);
    let failed = || "cannot read the archive";
    let inner = match matches.get_one::<PathBuf>("file") {
        Some(file) if !matches.contains_id("descriptors") => {
            File::open(file).context(|| format!("cannot open {}", file.display()))?
        }
        _ => {
            let [input] = options::handed_on(matches)?;
            File::from(input)
        }
    };
    let input = Counted { inner, count: &read };
    let input = compression::plain(input).context(failed)?;
    if matches.get_flag("describe") {
        return describe(input);
    }
    let container = container(matches)?;
    let limits = limits(matches)?;
    let mut left_out = LeftOut { trusted: matches.get_flag("trust-config"), keys: Vec::new() };
    let mut archive = Archive::open(input)?;
    // What lxc-create says is that of the snapshots, too: ids and addresses.
    let initial = container.configuration()?;
    tell("Unpacking the rootfs");
    fill(&container, &mut archive, limits, &read, &mut left_out)?;
    while let Some(name) = archive.next_snapshot()? {
        tell(&format!("Unpacking the snapshot {name}"));
        let snapshot = container.snapshot(&name, &initial)?;
        fill(&snapshot, &mut archive, limits, &read, &mut left_out)?;
        for name in [TIME, COMMENT] {
            let text = archive.text(name);
            if name == TIME || !text.is_empty() {
                snapshot.write(name, text)?;
            }
        }
    }
    left_out.tell();
    Ok(())
}

/// Keys that are not taken.
struct LeftOut {
    /// Whether all are taken.
    trusted: bool,
    keys: Vec<String>,
}

impl LeftOut {
    fn tell(&self) {
        if !self.keys.is_empty() {
            let keys = self.keys.join(" ");
            let text =
                format!("left out, for it reaches the host: {keys}; --trust-config takes it");
            warn(PROGRAM.name, &text);
        }
    }
}

/// Makes `container` what comes next in the archive.
fn fill(
    container: &Container,
    archive: &mut Archive<impl Read>,
    limits: Limits,
    read: &AtomicU64,
    left_out: &mut LeftOut,
) -> Result<()> {
    let scratch = container.scratch()?;
    let write = |name: &str, text: &str| {
        let path = scratch.path().join(name);
        std::fs::write(&path, text).context(|| format!("cannot write {}", path.display()))
    };
    let (inside, host) = (archive.text(CONFIG), archive.text(HOST_CONFIG));
    if left_out.trusted {
        write("config", &format!("{inside}{host}"))?;
        if !archive.text(FSTAB).is_empty() {
            write("fstab", archive.text(FSTAB))?;
        }
    } else {
        write("config", inside)?;
        for key in host.lines().filter_map(|line| Some(line.split_once('=')?.0.trim())) {
            if !left_out.keys.iter().any(|known| known == key) {
                left_out.keys.push(key.to_owned());
            }
        }
    }
    let mut unpacker = container.unpacker(limits)?;
    unpacker.tree(archive, || read.load(Ordering::Relaxed))?;
    for text in options::left_out(unpacker.report()) {
        warn(PROGRAM.name, &text);
    }
    system::configure(container, Some(&Metadata::open(scratch.path())?), left_out.trusted)
}

/// Says what kind of archive it is, as JSON: of a container, with its name, or of an image.
fn describe(input: impl Read) -> Result<()> {
    let mut reader = Reader::new(input);
    let first = reader.next()?.map(|entry| entry.path).unwrap_or_default();
    let first = first.strip_prefix(b"./").unwrap_or(&first);
    let top = first.split(|byte| *byte == b'/').next().unwrap_or_default();
    // One that tar packed begins with the directory itself.
    if [&b""[..], b".", b"blobs", b"oci-layout", b"index.json"].contains(&top) {
        tell(&json!({"kind": "image"}).to_string());
        return Ok(());
    }
    if first != ABOUT.as_bytes() {
        return Err(not_exported());
    }
    let mut text = String::new();
    reader.take(LARGEST).read_to_string(&mut text).context(|| "cannot read the archive")?;
    tell(&json!({"kind": "container", "name": About::parse(&text)?.name}).to_string());
    Ok(())
}
