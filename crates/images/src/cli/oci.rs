//! lxc-oci: a container from an image of OCI or Docker.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::image::{full_name, store_dir};
use super::options::{self, container, flag, limits};
use super::{Program, pull, tell, warn};
use crate::image::manifest::Platform;
use crate::image::{
    DockerArchive, Image, Layer, Layout, Location, Source, Stored, application, unpack_layer,
};
use crate::layers::{Chain, Layers};
use crate::store::Store;
use crate::template::{Container, Lines, Tree, data_dir};
use crate::unpack::{Limits, Report, Unpacker};
use crate::{Context, Error, Result};

pub(super) const PROGRAM: Program = Program { name: "lxc-oci", command, run };

fn command() -> Command {
    let text = |id: &'static str, value: &'static str| Arg::new(id).long(id).value_name(value);
    options::command("lxc-oci", "A container from an image of OCI or Docker")
        .arg(
            text("url", "URL")
                .short('u')
                .help("The image: docker://NAME:TAG, image:NAME:TAG, oci:DIR:TAG, oci-archive:FILE:TAG, docker-archive:FILE:NAME"),
        )
        .args(pull::options())
        .arg(flag("no-cache").help("Keep nothing of what is fetched"))
        .arg(flag("copy").help("A root filesystem of its own, instead of a layer over those of the image"))
        .arg(flag("kept").help("Take the image that is kept here under this name, if there is one"))
        .arg(
            text("arg", "WORD")
                .action(ArgAction::Append)
                .allow_hyphen_values(true)
                .help("A word of the command, instead of the image's own"),
        )
        // Where to what is told goes: standard output may be another program's.
        .arg(text("tell", "WHERE").value_parser(["stdout", "stderr", "none"]).hide(true))
        // Of lxc-create, if it takes an overlay for the root filesystem.
        .arg(flag("layers").hide(true))
        .arg(platform())
        .arg(flag("dhcp").help("Ask for addresses by DHCP from outside the container"))
}

/// The option for another platform than this host's.
pub(super) fn platform() -> Arg {
    let help = "For another machine than this one, such as linux/arm64";
    Arg::new("platform").long("platform").value_name("OS/ARCH").help(help)
}

/// The platform that is asked for.
pub(super) fn platform_of(matches: &ArgMatches) -> Result<Platform> {
    let asked = matches.get_one::<String>("platform");
    asked.map_or_else(|| Ok(Platform::host()), |text| Platform::parse(text))
}

fn run(matches: &ArgMatches) -> Result<()> {
    if let Some(place) = matches.get_one::<String>("tell") {
        super::tell_on(place);
    }
    let container = container(matches)?;
    let limits = limits(matches)?;
    let text = |id: &str| matches.get_one::<String>(id).map(String::as_str);
    let url = text("url").ok_or_else(|| {
        Error::new("which image? there is no --url").hint("lxc-create -t oci -h shows all options")
    })?;
    let platform = platform_of(matches)?;
    let dhcp = matches.get_flag("dhcp").then(dhcp_lines).transpose()?;
    let layers = Some(matches).filter(|given| given.get_flag("layers") && !given.get_flag("copy"));
    let layers = layers.map(|_| Layers::of(&container)).transpose()?;
    let layers = layers.filter(|layers| {
        layers
            .check()
            .inspect_err(|error| {
                let what = &error.what;
                warn(
                    PROGRAM.name,
                    &format!("the container gets a copy: no layers can be shared: {what}"),
                );
            })
            .is_ok()
    });
    let _held = layers.as_ref().map(Layers::hold).transpose()?;
    let mut rootfs = match &layers {
        Some(layers) => Rootfs::Layers(layers.chain(limits)),
        None => Rootfs::Copy(Box::new(container.unpacker(limits)?)),
    };
    let image = match location(url, matches)? {
        Location::Registry(reference) => {
            pull::unpack(&container, matches, &reference, &platform, &mut rootfs)?
        }
        Location::Layout(dir, tag) => unpack_layout(&dir, tag.as_deref(), &platform, &mut rootfs)?,
        Location::Kept(name) => {
            let store = Store::open(&store_dir())?;
            let _held = store.hold()?;
            unpack_layout(store.dir(), Some(&full_name(&name)?), &platform, &mut rootfs)?
        }
        Location::LayoutArchive(file, tag) => {
            let scratch = container.scratch()?;
            unpack_archive(&file, scratch.path(), limits)?;
            unpack_layout(scratch.path(), tag.as_deref(), &platform, &mut rootfs)?
        }
        Location::DockerArchive(file, name) => {
            let scratch = container.scratch()?;
            unpack_archive(&file, scratch.path(), limits)?;
            let archive = DockerArchive::open(scratch.path())?;
            let image = archive.image(name.as_deref())?;
            unpack(&image, &mut rootfs, |stored| match stored {
                Stored::Named(name) => Ok(Box::new(archive.file(name)?)),
                other => Err(Error::new(format!("the archive has no file {other:?}"))),
            })?;
            image
        }
    };
    let image = with_command(image, matches);
    for text in options::left_out(rootfs.report()) {
        warn(PROGRAM.name, &text);
    }
    for note in configure(&container, &image, &mut rootfs, dhcp)? {
        warn(PROGRAM.name, &note);
    }
    Ok(())
}

/// Where the image `url` is.
fn location(url: &str, matches: &ArgMatches) -> Result<Location> {
    let location = Location::parse(url)?;
    let Location::Registry(reference) = &location else { return Ok(location) };
    let name = reference.to_string();
    let is_kept = matches.get_flag("kept") && Store::open(&store_dir())?.find(&name).is_ok();
    Ok(if is_kept { Location::Kept(name) } else { location })
}

/// `image` with the command that is asked for.
fn with_command(mut image: Image, matches: &ArgMatches) -> Image {
    if let Some(words) = matches.get_many::<String>("arg") {
        let execution = image.configuration.config.get_or_insert_default();
        execution.cmd = Some(words.cloned().collect());
    }
    image
}

/// What the layers of an image go to.
pub(super) enum Rootfs<'a> {
    /// The container's own directory.
    Copy(Box<Unpacker<'a>>),
    /// The layers that all containers share.
    Layers(Chain<'a>),
}

impl Rootfs<'_> {
    /// Adds `layer`, which `blob` gives as it is stored.
    pub fn add(&mut self, layer: &Layer, blob: &mut (dyn Read + Send)) -> Result<()> {
        match self {
            Self::Copy(unpacker) => unpack_layer(layer, blob, unpacker),
            Self::Layers(chain) => chain.add(layer, blob),
        }
    }

    fn report(&self) -> Report {
        match self {
            Self::Copy(unpacker) => unpacker.report(),
            Self::Layers(chain) => chain.report(),
        }
    }

    /// Does `act` in the root filesystem of `container`.
    fn within<T>(
        &mut self,
        container: &Container,
        act: impl FnOnce(&Tree) -> Result<T>,
    ) -> Result<T> {
        match self {
            Self::Copy(_) => act(&Tree::open(&container.rootfs)?),
            Self::Layers(chain) => chain.give(container, act),
        }
    }
}

fn unpack_layout(
    dir: &Path,
    tag: Option<&str>,
    platform: &Platform,
    rootfs: &mut Rootfs<'_>,
) -> Result<Image> {
    let layout = Layout::open(dir)?;
    let image = layout.image(tag, platform)?;
    unpack(&image, rootfs, |stored| layout.blob(stored.blob()?))?;
    Ok(image)
}

fn unpack<'a>(
    image: &Image,
    rootfs: &mut Rootfs<'_>,
    open: impl Fn(&Stored) -> Result<Box<dyn Read + Send + 'a>>,
) -> Result<()> {
    tell("Unpacking the rootfs");
    image.layers.iter().try_for_each(|layer| rootfs.add(layer, &mut open(&layer.stored)?))
}

/// Unpacks an archive of images, which may be compressed, to look into it.
fn unpack_archive(file: &Path, dir: &Path, limits: Limits) -> Result<()> {
    let failed = || format!("cannot read {}", file.display());
    let input = File::open(file).context(failed)?;
    let packed = input.metadata().context(failed)?.len();
    let input = crate::compression::plain(input).context(failed)?;
    Unpacker::new(dir, limits)?
        .as_own()
        .archive(input, || packed)
        .map_err(|error| error.note(format!("the archive is {}", file.display())))
}

/// What makes it this container.
fn configure(
    container: &Container,
    image: &Image,
    rootfs: &mut Rootfs<'_>,
    dhcp: Option<Lines>,
) -> Result<Vec<String>> {
    let mut lines = Lines::new();
    container.include_shared(&mut lines, "common.conf")?;
    lines.set("lxc.uts.name", &container.name)?;
    let notes = rootfs.within(container, |tree| {
        for dir in ["dev", "proc", "sys"] {
            tree.make_dirs(dir)?;
        }
        tree.write("etc/hostname", &format!("{}\n", container.name))?;
        tree.write(
            "etc/hosts",
            &format!(
                "127.0.0.1\tlocalhost\n127.0.1.1\t{}\n::1\tlocalhost ip6-localhost ip6-loopback\n",
                container.name
            ),
        )?;
        application::configure(&image.configuration, tree, &mut lines)
    })?;
    if let Some(dhcp) = dhcp {
        lines.push(&dhcp.to_string());
    }
    container.configure(&lines)?;
    Ok(notes)
}

/// The hooks that ask for addresses while the container runs.
fn dhcp_lines() -> Result<Lines> {
    let hook = data_dir().join("hooks/dhclient");
    let path = hook.to_str().filter(|_| hook.exists());
    let path = path.ok_or_else(|| {
        Error::new(format!("--dhcp needs the hook {}, which is not there", hook.display()))
            .hint("give the container an address with lxc.net.0.ipv4.address")
    })?;
    let mut lines = Lines::new();
    lines.set("lxc.hook.start-host", path)?;
    lines.set("lxc.hook.stop", path)?;
    Ok(lines)
}
