//! The side of `lxc-rs export` that writes: an archive of a container, whose files come as an archive
//! themselves, from a program that has the container's ids.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use clap::{Arg, ArgMatches, Command};
use lxc_sys::identity::ContainerName;
use serde::Deserialize;
use serde_json::json;

use super::Program;
use super::options::{self, descriptors};
use crate::archive::{Entries, Entry, Kind, Reader, Writer};
use crate::compression::{Compression, Packer};
use crate::exported::{self, About, Part};
use crate::image::build::{self, Words};
use crate::pack::{Mounts, Walk};
use crate::store::Store;
use crate::system::split;
use crate::template::{Scratch, data_dir};
use crate::{Context, Error, Result};

pub(super) const PROGRAM: Program = Program { name: "lxc-export", command, run };

/// What `lxc-rs` says of the container.
#[derive(Debug, Deserialize)]
pub(super) struct Given {
    pub name: String,
    /// Its configuration.
    config: String,
    /// The mounts that this names in a file.
    fstab: String,
    /// Its directory.
    home: String,
    /// When it was taken, if it is a snapshot.
    #[serde(default)]
    time: String,
    /// What was said of it then.
    #[serde(default)]
    comment: String,
    /// Its snapshots, if they are exported.
    #[serde(default)]
    snapshots: Vec<Self>,
}

fn command() -> Command {
    let text = |id: &'static str| Arg::new(id).long(id).value_name("TEXT").required(true);
    Command::new("lxc-export")
        .about("What lxc-rs export runs")
        .hide(true)
        .arg(descriptors())
        .arg(text("format").value_parser(["lxc", "oci"]))
        .arg(text("compress"))
        .arg(Arg::new("tag").long("tag").value_name("TEXT"))
}

fn run(matches: &ArgMatches) -> Result<()> {
    let mut opened = options::all_handed_on(matches)?.into_iter();
    let mut next = || opened.next().ok_or_else(|| Error::new("cannot use what was handed on"));
    let (output, about, files) = (next()?, next()?, next()?);
    let given = Given::read(File::from(about))?;
    let text = |id: &str| matches.get_one::<String>(id).map(String::as_str).unwrap_or_default();
    let compression = Compression::parse(text("compress"))?;
    let reader = |files| Reader::new(File::from(files));
    let mut files = reader(files);
    let output = BufWriter::with_capacity(256 << 10, File::from(output));
    if text("format") == "oci" {
        let tag = matches.get_one::<String>("tag").map_or(&*given.name, |tag| tag);
        return image(output, &given, &mut files, compression, tag);
    }
    let mut of_snapshots: Vec<_> = opened.map(reader).collect();
    let snapshots = given.snapshots.iter().zip(&mut of_snapshots);
    let snapshots = snapshots.map(|(given, files)| given.part(files)).collect();
    let names = given.snapshots.iter().map(|given| ContainerName::new(&*given.name));
    let about = About::now(&given.name, names.collect::<Result<_>>()?);
    let failed = || "cannot write the archive";
    let packer = Packer::new(compression, output).context(failed)?;
    let packer = exported::write(packer, &about, given.part(&mut files), snapshots)?;
    finish(packer.finish().context(failed)?)
}

fn finish(output: BufWriter<File>) -> Result<()> {
    let failed = || "cannot write the archive";
    let file = output.into_inner().map_err(|error| Error::new(error.to_string()))?;
    match file.sync_all() {
        // A pipe.
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => Ok(()),
        result => result.context(failed),
    }
}

/// An archive of a directory in OCI's layout with one image of one layer.
fn image(
    output: BufWriter<File>,
    given: &Given,
    files: &mut impl Entries,
    compression: Compression,
    tag: &str,
) -> Result<()> {
    let scratch = Scratch::private()?;
    let store = Store::open(scratch.path())?;
    let compression =
        if compression == Compression::None { Compression::Gzip } else { compression };
    let layer = build::layer(&store, &mut Stripped(files), compression)?;
    let words = Words {
        created_by: "lxc-rs export".into(),
        comment: Some(format!("the container {}", given.name)),
        execution: Some(given.execution()),
    };
    build::image(&store, tag, None, &layer, &words)?;
    let failed = || "cannot write the archive";
    let mut writer = Writer::new(output);
    let dir = File::open(scratch.path()).context(failed)?;
    let mut layout = Walk::new(
        std::os::fd::AsFd::as_fd(&dir),
        Path::new("."),
        b".",
        false,
        Mounts::NotOfKernel,
    )?;
    while let Some(mut entry) = layout.next()? {
        // Locks of the store.
        if entry.path == b"." || entry.path.starts_with(b".") {
            continue;
        }
        (entry.uid, entry.gid) = (0, 0);
        entry.mode = if entry.kind == Kind::Dir { 0o755 } else { 0o644 };
        writer.entry(&entry, &mut layout).context(failed)?;
    }
    let mut output = writer.finish().context(failed)?;
    output.flush().context(failed)?;
    finish(output)
}

/// The root filesystem's entries, as a layer has them: without the directory that they come in.
pub(super) struct Stripped<'a, E>(pub &'a mut E);

impl<E: Entries> Entries for Stripped<'_, E> {
    fn next(&mut self) -> Result<Option<Entry>> {
        let Some(mut entry) = self.0.next()? else { return Ok(None) };
        entry.path = exported::below(&entry.path)
            .ok_or_else(|| Error::new("what was read is not a root filesystem"))?;
        if let Kind::Hardlink(target) = &entry.kind {
            let target = exported::below(target);
            entry.kind = Kind::Hardlink(
                target.ok_or_else(|| Error::new("what was read is not a root filesystem"))?,
            );
        }
        Ok(Some(entry))
    }

    fn end(&mut self) -> Result<bool> {
        self.0.end()
    }
}

impl<E: Read> Read for Stripped<'_, E> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Given {
    pub(super) fn read(mut input: impl Read) -> Result<Self> {
        let failed = || "cannot read what the container is";
        let mut text = String::new();
        input.read_to_string(&mut text).context(failed)?;
        serde_json::from_str(&text).map_err(|error| Error::new(format!("{}: {error}", failed())))
    }

    /// What the archive has of it, with `files`.
    fn part<'a, E>(&self, files: &'a mut E) -> Part<'a, E> {
        let (inside, host) = split(&self.config, &self.words());
        let texts = vec![
            (exported::CONFIG, inside),
            (exported::HOST_CONFIG, host),
            (exported::FSTAB, self.fstab.clone()),
            (exported::TIME, self.time.clone()),
            (exported::COMMENT, self.comment.clone()),
        ];
        Part { texts, files }
    }

    /// The words that stand for paths of this host.
    fn words(&self) -> [(&'static str, String); 3] {
        let data = data_dir();
        let text = |name: &str| data.join(name).to_string_lossy().into_owned();
        [
            ("LXC_TEMPLATE_CONFIG", text("config")),
            ("LXC_HOOK_DIR", text("hooks")),
            ("LXC_PATH", self.home.clone()),
        ]
    }

    /// What an image of it runs: what the configuration says.
    pub(super) fn execution(&self) -> serde_json::Value {
        let values = |wanted: &str| {
            self.config
                .lines()
                .filter_map(|line| line.split_once('='))
                .filter(|(key, _)| key.trim() == wanted)
                .map(|(_, value)| value.trim().to_owned())
                .collect::<Vec<_>>()
        };
        let last = |key: &str| values(key).pop().filter(|value| !value.is_empty());
        let command = last("lxc.execute.cmd").or_else(|| last("lxc.init.cmd"));
        let mut execution = json!({
            "Cmd": crate::template::unquote(command.as_deref().unwrap_or("/sbin/init")),
        });
        let environment = values("lxc.environment");
        if !environment.is_empty() {
            execution["Env"] = json!(environment);
        }
        let mut set = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                execution[name] = json!(value);
            }
        };
        set("WorkingDir", last("lxc.init.cwd"));
        set("StopSignal", last("lxc.signal.halt"));
        let id = |key: &str| last(key).filter(|id| id != "0");
        set(
            "User",
            match (id("lxc.init.uid"), id("lxc.init.gid")) {
                (None, None) => None,
                (uid, gid) => Some(format!(
                    "{}:{}",
                    uid.as_deref().unwrap_or("0"),
                    gid.as_deref().unwrap_or("0")
                )),
            },
        );
        execution
    }
}
