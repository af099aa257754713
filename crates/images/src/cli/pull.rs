//! Fetching an image from a registry, and unpacking it meanwhile.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches};

use super::oci::Rootfs;
use super::options::flag;
use super::{tell, tell_progress, warn};
use crate::digest::Digest;
use crate::image::manifest::{Descriptor, Platform};
use crate::image::{Image, Layer, Source, Stored, single};
use crate::registry::{Blobs, Client, Credentials, Fetched, Progress, Reference, Repository};
use crate::store::Store;
use crate::template::{Container, Scratch};
use crate::{Error, Result};

/// Layers that are fetched at once.
const WORKERS: usize = 3;

/// What of the command line tells who asks, and how.
pub(super) fn login() -> [Arg; 3] {
    let text = |id: &'static str, value: &'static str| Arg::new(id).long(id).value_name(value);
    [
        text("username", "NAME").help("Name at the registry (default: as docker login keeps it)"),
        text("password", "WORD")
            .requires("username")
            .help("Password; others see it while this runs"),
        flag("plain-http").help("Without encryption, and without knowing who answers"),
    ]
}

/// What of the command line is for registries.
pub(super) fn options() -> Vec<Arg> {
    let mirror = Arg::new("mirror")
        .long("mirror")
        .value_name("URL")
        .action(ArgAction::Append)
        .help("Registry to ask first, such as https://mirror.example");
    login().into_iter().chain([mirror]).collect()
}

/// Fetches the image `reference` for `platform` and unpacks it.
pub(super) fn unpack(
    container: &Container,
    matches: &ArgMatches,
    reference: &Reference,
    platform: &Platform,
    rootfs: &mut Rootfs<'_>,
) -> Result<Image> {
    let (repository, document) = find(matches, reference)?;
    let scratch = if matches.get_flag("no-cache") { Some(container.scratch()?) } else { None };
    let kept = super::image::store_dir();
    let store = Store::open(scratch.as_ref().map_or(kept.as_path(), Scratch::path))?;
    let held = store.hold()?;
    let name = reference.to_string();
    let mut each = |layer: &Layer, blob: &mut (dyn Read + Send)| rootfs.add(layer, blob);
    let (_, image) = fetch(&store, &repository, &document, &name, platform, &mut each)?;
    drop(held);
    if scratch.is_none() {
        container.give_back_kept(store.dir())?;
    }
    Ok(image)
}

/// The repository of `reference` and its manifest, from the first that has it of the mirrors and its own
/// registry.
pub(super) fn find(matches: &ArgMatches, reference: &Reference) -> Result<(Repository, Vec<u8>)> {
    for mirror in matches.get_many::<String>("mirror").into_iter().flatten() {
        let host = mirror.split_once("://").map(|(_, host)| host.trim_end_matches('/'));
        let host = host.filter(|host| !host.contains(['/', '@', '?', '#']));
        let host = host.ok_or_else(|| {
            Error::new(format!("{mirror:?} is not a mirror")).hint("write https://HOST")
        })?;
        // A mirror does not get the registry's password.
        let client = Client::new(host, matches.get_flag("plain-http"))?;
        let repository = Repository::new(client, reference, Some(mirror), Credentials::kept(host)?);
        match repository.manifest(&reference.version) {
            Ok(document) => return Ok((repository, document)),
            Err(error) => warn("lxc-oci", &format!("not from the mirror: {}", error.what)),
        }
    }
    let repository = own_registry(matches, reference)?;
    let document = repository.manifest(&reference.version)?;
    Ok((repository, document))
}

/// The repository of `reference` at its own registry.
pub(super) fn own_registry(matches: &ArgMatches, reference: &Reference) -> Result<Repository> {
    let word = |id: &str| matches.get_one::<String>(id).cloned();
    let credentials = match word("username") {
        Some(name) => Credentials::Password(name, word("password").unwrap_or_default()),
        None => Credentials::kept(reference.login())?,
    };
    let client = Client::new(reference.api_host(), matches.get_flag("plain-http"))?;
    Ok(Repository::new(client, reference, None, credentials))
}

/// Does something with a layer, whose blob it gets.
pub(super) type Each<'a> = dyn FnMut(&Layer, &mut (dyn Read + Send)) -> Result<()> + 'a;

/// Fetches the image of `document` for `platform` into `store`, where it gets `name`; `each` is called for
/// the layers in their order.
pub(super) fn fetch(
    store: &Store,
    repository: &Repository,
    document: &[u8],
    name: &str,
    platform: &Platform,
    each: &mut Each<'_>,
) -> Result<(Digest, Image)> {
    let blobs = Blobs::new(store.dir(), repository)?;
    let manifest = single(&blobs, document, platform)?;
    let image = Image::of(&blobs, &manifest, platform)?;
    fetch_layers(&blobs, &image, each)?;
    let own = &image.configuration.platform;
    let digest = store.add(name, &manifest, if own.os.is_empty() { platform } else { own })?;
    Ok((digest, image))
}

/// Fetches the layers, several at once, and calls `each` as soon as one and those before it are there.
fn fetch_layers(blobs: &Blobs<'_>, image: &Image, each: &mut Each<'_>) -> Result<()> {
    let layers: Vec<(&Layer, &Descriptor)> =
        image.layers.iter().filter_map(|layer| Some((layer, layer.stored.blob().ok()?))).collect();
    let total = layers.iter().map(|(_, descriptor)| descriptor.size).sum();
    tell(&format!("Downloading the image: {} layers, {}", layers.len(), mebibytes(total)));
    let progress = Progress::default();
    let next = Mutex::new(0..layers.len());
    let (sender, fetched) = channel();
    std::thread::scope(|scope| {
        for _ in 0..WORKERS.min(layers.len()) {
            let sender = sender.clone();
            let (next, layers, progress) = (&next, &layers, &progress);
            scope.spawn(move || {
                while let Some(number) = next.lock().ok().and_then(|mut next| next.next()) {
                    let result = blobs.fetch(layers[number].1, progress);
                    if sender.send((number, result)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut arrived = Arrived { fetched, waiting: BTreeMap::new(), progress: &progress, total };
        let result = layers.iter().enumerate().try_for_each(|(number, (layer, descriptor))| {
            let stored = match arrived.wait_for(number)? {
                Fetched::Now => Stored::Compared,
                Fetched::Before => layer.stored.clone(),
            };
            let layer = Layer { stored, plain: layer.plain.clone() };
            let mut blob = blobs.blob(descriptor)?;
            each(&layer, &mut blob).inspect_err(|error| {
                if error.what.contains("digest") {
                    blobs.forget(descriptor);
                }
            })
        });
        progress.stop.store(true, Ordering::Relaxed);
        result
    })
}

/// Layers that were fetched, in whatever order.
struct Arrived<'a> {
    fetched: Receiver<(usize, Result<Fetched>)>,
    waiting: BTreeMap<usize, Result<Fetched>>,
    progress: &'a Progress,
    total: u64,
}

impl Arrived<'_> {
    fn wait_for(&mut self, number: usize) -> Result<Fetched> {
        let mut shown = false;
        let result = loop {
            if let Some(result) = self.waiting.remove(&number) {
                break result;
            }
            match self.fetched.recv_timeout(Duration::from_millis(200)) {
                Ok((_, Err(error))) => break Err(error),
                Ok((other, result)) => {
                    self.waiting.insert(other, result);
                }
                Err(RecvTimeoutError::Timeout) => shown |= self.show(),
                Err(RecvTimeoutError::Disconnected) => {
                    break Err(Error::new("a download ended early"));
                }
            }
        };
        if shown {
            // The line is for others again.
            tell_progress("\r\x1b[K");
        }
        result
    }

    /// Shows on a terminal how far it is.
    fn show(&self) -> bool {
        let done = self.progress.done.load(Ordering::Relaxed);
        let percent = done * 100 / self.total.max(1);
        tell_progress(&format!("\r{percent:3} % of {}", mebibytes(self.total)))
    }
}

/// `bytes` for a reader.
pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{}.{} MiB", bytes >> 20, ((bytes >> 10) & 1023) * 10 / 1024)
}
