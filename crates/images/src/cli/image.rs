//! lxc-rs image: the images that are kept on this host.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::{Value, json};

use super::layers::{self, Unpacked};
use super::options::flag;
use super::{Program, pull, tell};
use crate::image::manifest::{Descriptor, Platform};
use crate::layers::keys;
use crate::registry::{Reference, Version};
use crate::store::{self, Named, Store};
use crate::template::cache_dir;
use crate::{Error, Result};

pub(super) const PROGRAM: Program = Program { name: "lxc-image", command, run };

/// Where the images are.
pub(super) fn store_dir() -> PathBuf {
    cache_dir().join("oci")
}

/// `name` with all that it stands for: `debian` is `docker.io/library/debian:latest`.
pub(super) fn full_name(name: &str) -> Result<String> {
    Reference::parse(name.strip_prefix("docker://").unwrap_or(name)).map(|name| name.to_string())
}

fn command() -> Command {
    let name = |id: &'static str, help: &'static str| {
        Arg::new(id).value_name("IMAGE").required(true).help(help)
    };
    let format = Arg::new("format")
        .long("format")
        .value_name("FORMAT")
        .value_parser(["text", "json"])
        .default_value("text")
        .help("text or json");
    let to = |about: &'static str, name: &'static str| Command::new(name).about(about);
    Command::new("lxc-rs image")
        .bin_name("lxc-rs image")
        .about("Images of containers that are kept on this host")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(to("List the images", "ls").arg(format.clone()))
        .subcommand(
            to("Fetch an image from a registry", "pull")
                .arg(name("image", "Its name: NAME:TAG or HOST/NAME:TAG"))
                .args(pull::options())
                .arg(super::oci::platform()),
        )
        .subcommand(
            to("Send an image to a registry", "push")
                .arg(name("image", "Its name here"))
                .arg(Arg::new("to").value_name("NAME").help("Its name there (default: the same)"))
                .args(pull::login()),
        )
        .subcommand(
            to("Show the configuration of an image, as JSON", "inspect")
                .arg(name("image", "Its name")),
        )
        .subcommand(
            to("Show how an image was made", "history")
                .arg(name("image", "Its name"))
                .arg(format.clone()),
        )
        .subcommand(
            to("Give an image a further name", "tag")
                .arg(name("image", "Its name"))
                .arg(name("new", "The further name")),
        )
        .subcommand(
            to("Take the names of images away", "rm")
                .arg(name("image", "The names").action(ArgAction::Append).num_args(1..)),
        )
        .subcommand(
            to("Remove what no name leads to and no container uses", "prune")
                .arg(flag("dry-run").help("Only say what would be removed"))
                .arg(
                    Arg::new("forget")
                        .long("forget")
                        .value_name("DIR")
                        .value_parser(value_parser!(PathBuf))
                        .action(ArgAction::Append)
                        .help("Containers in this directory are gone for good"),
                )
                .arg(format.clone()),
        )
        .subcommand(super::serve_tree::command())
        .subcommand(to("Compare images and unpacked layers with their digests", "verify").arg(
            Arg::new("image").value_name("IMAGE").num_args(0..).help("Their names (default: all)"),
        ))
}

fn run(matches: &ArgMatches) -> Result<()> {
    let Some((name, matches)) = matches.subcommand() else {
        return Err(Error::new("what is to be done? see --help"));
    };
    if name == super::serve_tree::NAME {
        return super::serve_tree::run(matches);
    }
    let store = Store::open(&store_dir())?;
    match name {
        "ls" => list(&store, is_json(matches)),
        "pull" => pull_image(&store, matches),
        "push" => push(&store, matches),
        "inspect" => inspect(&store, &find(&store, matches)?),
        "history" => history(&store, &find(&store, matches)?, is_json(matches)),
        "tag" => store.name(&name_in(matches, "new")?, find(&store, matches)?.descriptor),
        "rm" => names(matches)?.iter().try_for_each(|name| store.remove(name)),
        "prune" => prune(&store, matches),
        _ => verify(&store, &names(matches)?),
    }
}

fn is_json(matches: &ArgMatches) -> bool {
    matches.get_one::<String>("format").is_some_and(|format| format == "json")
}

fn name_in(matches: &ArgMatches, id: &str) -> Result<String> {
    full_name(matches.get_one::<String>(id).map(String::as_str).unwrap_or_default())
}

fn names(matches: &ArgMatches) -> Result<Vec<String>> {
    matches.get_many::<String>("image").into_iter().flatten().map(|name| full_name(name)).collect()
}

fn find(store: &Store, matches: &ArgMatches) -> Result<Named> {
    store.find(&name_in(matches, "image")?)
}

fn tell_json(value: &Value) {
    tell(&serde_json::to_string_pretty(value).unwrap_or_default());
}

fn list(store: &Store, json: bool) -> Result<()> {
    let mut rows = Vec::new();
    let mut values = Vec::new();
    let unpacked = Unpacked::find()?;
    for named in store.images()? {
        let digest = named.descriptor.digest.to_string();
        // One that is damaged is shown, too: rm takes it away.
        let image = store.image(&named).map(|(_, image)| image).ok();
        let size = image.as_ref().map(store::size);
        let layers = unpacked.sum(&image.as_ref().map(keys).unwrap_or_default())?;
        let platform = named.descriptor.platform.as_ref().map(Platform::to_string);
        values.push(json!({
            "name": named.name,
            "digest": digest,
            "size": size,
            "platform": platform,
            "unpacked": layers.bytes,
            "containers": layers.containers,
        }));
        let short = named.descriptor.digest.hex().chars().take(12).collect();
        let size = size.map_or_else(|| "damaged".to_owned(), pull::mebibytes);
        let [bytes, users] = [pull::mebibytes(layers.bytes), layers.containers.len().to_string()];
        rows.push([named.name, short, size, platform.unwrap_or_default(), bytes, users]);
    }
    if json {
        tell_json(&Value::Array(values));
        return Ok(());
    }
    if !rows.is_empty() {
        let header = ["NAME", "DIGEST", "SIZE", "PLATFORM", "UNPACKED", "CONTAINERS"];
        table(&header.map(str::to_owned), &rows);
    }
    unpacked.tell()
}

fn table<const N: usize>(header: &[String; N], rows: &[[String; N]]) {
    let all = || std::iter::once(header).chain(rows);
    let width = |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or(0);
    for row in all() {
        let cells =
            row.iter().enumerate().map(|(column, cell)| format!("{cell:0$}", width(column)));
        tell(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

fn pull_image(store: &Store, matches: &ArgMatches) -> Result<()> {
    let name = name_in(matches, "image")?;
    let reference = Reference::parse(&name)?;
    let platform = super::oci::platform_of(matches)?;
    let _held = store.hold()?;
    let (repository, document) = pull::find(matches, &reference)?;
    let digest =
        pull::fetch(store, &repository, &document, &name, &platform, &mut |_, _| Ok(()))?.0;
    tell(&format!("{name}@{digest}"));
    Ok(())
}

fn push(store: &Store, matches: &ArgMatches) -> Result<()> {
    let named = find(store, matches)?;
    let to = match matches.get_one::<String>("to") {
        Some(name) => full_name(name)?,
        None => named.name.clone(),
    };
    let reference = Reference::parse(&to)?;
    let Version::Tag(tag) = &reference.version else {
        return Err(Error::new("an image is pushed to a tag, not to a digest"));
    };
    let _held = store.hold()?;
    let repository = pull::own_registry(matches, &reference)?.to_push();
    let layout = store.layout()?;
    let parts = store.parts(&named)?;
    let path = |part: &Descriptor| layout.path(part);
    // The manifest is first, and goes last: until then nobody sees the image.
    for (number, part) in parts.iter().enumerate().skip(1) {
        let sent = repository.push_blob(part, &path(part))?;
        let how = if sent { "sent" } else { "is there" };
        tell(&format!("{number} of {}: {} {how}", parts.len() - 1, part.digest));
    }
    repository.push_manifest(tag, &named.descriptor.media_type, &path(&named.descriptor))?;
    tell(&format!("{reference}@{}", named.descriptor.digest));
    Ok(())
}

fn inspect(store: &Store, named: &Named) -> Result<()> {
    let (manifest, image) = store.image(named)?;
    let text = |data: &[u8]| serde_json::from_slice::<Value>(data).unwrap_or_default();
    let parts = store.parts(named)?;
    let configuration = crate::image::Source::document(&store.layout()?, &parts[1])?;
    tell_json(&json!({
        "name": named.name,
        "digest": named.descriptor.digest,
        "size": store::size(&image),
        "layers": Unpacked::find()?.describe(&image)?,
        "manifest": text(&manifest),
        "configuration": text(&configuration),
    }));
    Ok(())
}

fn history(store: &Store, named: &Named, json: bool) -> Result<()> {
    let (_, image) = store.image(named)?;
    let steps = image.configuration.history.clone().unwrap_or_default();
    let mut layers = store.parts(named)?.into_iter().skip(2);
    let mut sized = Vec::new();
    for step in steps {
        let size = if step.empty_layer { 0 } else { layers.next().map_or(0, |layer| layer.size) };
        sized.push((step, size));
    }
    if json {
        let value = |(step, size): &(_, u64)| json!({"step": step, "size": size});
        tell_json(&sized.iter().map(value).collect());
        return Ok(());
    }
    let row = |(step, size): (crate::image::manifest::Step, u64)| {
        let command = step.created_by.or(step.comment).unwrap_or_default();
        let created = step.created.unwrap_or_default();
        [created, pull::mebibytes(size), command].map(|text| text.replace(char::is_control, " "))
    };
    let rows: Vec<[String; 3]> = sized.into_iter().map(row).collect();
    if !rows.is_empty() {
        table(&["CREATED", "SIZE", "BY"].map(str::to_owned), &rows);
    }
    Ok(())
}

fn prune(store: &Store, matches: &ArgMatches) -> Result<()> {
    let dry = matches.get_flag("dry-run");
    let forget: Vec<PathBuf> = matches.get_many("forget").into_iter().flatten().cloned().collect();
    let pruned = store.prune(dry)?;
    let unpacked = layers::prune(store, &forget, dry)?;
    if is_json(matches) {
        tell_json(&json!({
            "blobs": pruned.blobs,
            "bytes": pruned.bytes,
            "layers": unpacked.layers,
            "layer_bytes": unpacked.bytes,
        }));
        return Ok(());
    }
    let what = if dry { "would be removed" } else { "removed" };
    tell(&format!("{} blobs, {} {what}", pruned.blobs, pull::mebibytes(pruned.bytes)));
    if unpacked.layers > 0 {
        let size = pull::mebibytes(unpacked.bytes);
        tell(&format!("{} unpacked layers, {size} {what}", unpacked.layers));
    }
    Ok(())
}

fn verify(store: &Store, names: &[String]) -> Result<()> {
    let images = if names.is_empty() {
        store.images()?
    } else {
        names.iter().map(|name| store.find(name)).collect::<Result<_>>()?
    };
    let unpacked = Unpacked::find()?;
    let mut damaged = Vec::new();
    let mut seen = BTreeSet::new();
    let mut judge = |what: String, problems: Vec<Error>| {
        if problems.is_empty() {
            tell(&format!("{what}: sound"));
        }
        let told = |error: Error| Error { what: format!("{what}: {}", error.what), ..error };
        damaged.extend(problems.into_iter().map(told));
    };
    for named in &images {
        let mut problems = store.verify(named)?;
        let keys = store.image(named).map(|(_, image)| keys(&image)).unwrap_or_default();
        let fresh: Vec<_> = keys.into_iter().filter(|key| seen.insert(key.clone())).collect();
        problems.extend(unpacked.verify(&fresh));
        judge(named.name.clone(), problems);
    }
    if names.is_empty() {
        for key in unpacked.others(&seen)? {
            judge(format!("the layer {}", key.hex()), unpacked.verify(std::slice::from_ref(&key)));
        }
    }
    let mut damaged = damaged.into_iter();
    match damaged.next() {
        None => Ok(()),
        Some(first) => {
            let error = Error { also: damaged.collect(), ..first };
            let hint = "lxc-rs image rm, prune and pull fetch it anew".to_owned();
            Err(Error { hint: error.hint.or(Some(hint)), ..error })
        }
    }
}
