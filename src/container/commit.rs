//! An image of a container, and what is different in it from the image that it was made from.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::Path;

use super::cp::end;
use super::export::{LAYER, WHOLE, describe, refuse_running, with_files};
use super::files::{Place, Purpose};
use crate::config::Document;
use crate::error::{Error, Result};
use crate::identity::Identity;
use crate::paths;
use crate::storage::{self, RootfsMount};
use crate::sys::layers::key_of;

/// What the image is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// The image that the container was made from.
    Known,
    /// This one.
    Named(String),
    /// None: all files are one layer.
    None,
}

/// What to commit, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The container.
    pub identity: Identity,
    /// The new image's name.
    pub image: String,
    /// What the image is made from.
    pub base: Base,
    /// `none`, `gzip` or `zstd`.
    pub compression: String,
    /// A remark.
    pub message: Option<String>,
    /// Whether the container may run.
    pub allow_running: bool,
}

/// What the container is compared with.
enum Found {
    /// The layers of an image with this chain identifier, over which the container has its own layer.
    Chain(String),
    /// This image.
    Image(String),
    /// The layers below the container's own, wherever they come from.
    Layers,
}

/// Commits the container; returns the exit code, once the reasons for a failure have been printed.
pub fn commit(request: &Request) -> Result<u8> {
    let Request { identity, base, .. } = request;
    refuse_running(identity, request.allow_running, "commit")?;
    let document = Document::load(&identity.config_file())?;
    let about = describe(identity, &[])?;
    let mut words: Vec<OsString> =
        vec![option("--image=", &request.image), option("--compress=", &request.compression)];
    words.extend(request.message.as_ref().map(|text| option("--message=", text)));
    let found = match base {
        Base::None => None,
        Base::Named(name) => Some(Found::Image(name.clone())),
        Base::Known => match found(&document)? {
            Some(Found::Layers) | None => return Err(unknown(identity)),
            found => found,
        },
    };
    let place = |purpose| Place::stored(identity, purpose, "lxc-commit");
    let run =
        |place: Place, how, words| with_files(&[place], how, "lxc-commit", words, &[about.as_fd()]);
    match found {
        Some(Found::Chain(key)) => {
            words.push(option("--chain=", &key));
            run(place(Purpose::ReadLayer)?, LAYER, words)
        }
        Some(Found::Image(name)) => {
            words.push(option("--base=", &name));
            run(place(Purpose::Read)?, WHOLE, words)
        }
        _ => run(place(Purpose::Read)?, WHOLE, words),
    }
}

/// Prints how the container is different from what it was made from, or from the image `base`; returns
/// the exit code, once the reasons for a failure have been printed.
pub fn diff(identity: &Identity, base: Option<&str>) -> Result<u8> {
    let document = Document::load(&identity.config_file())?;
    let found = match base {
        Some(name) => Some(Found::Image(name.to_owned())),
        None => found(&document)?,
    };
    match found {
        None => Err(unknown(identity)),
        Some(Found::Image(name)) => {
            let about = describe(identity, &[])?;
            let place = Place::stored(identity, Purpose::Read, "lxc-diff")?;
            let words = vec![option("--base=", &name)];
            with_files(&[place], WHOLE, "lxc-commit", words, &[about.as_fd()])
        }
        Some(_) => {
            let place = Place::stored(identity, Purpose::ReadLayers, "lxc-diff")?;
            let words = [paths::images().into_os_string(), "lxc-diff".into()];
            end(&[place.start(&words, &[], 0)?])
        }
    }
}

fn unknown(identity: &Identity) -> Error {
    Error::new(format!("it is not known from which image {identity} was made"))
        .hint("name one with --base; lxc-rs image ls shows those that are here")
}

/// What the container is known to be made from.
fn found(document: &Document) -> Result<Option<Found>> {
    if let RootfsMount::Overlay { lower, .. } = storage::rootfs_mount(&document.config)? {
        let key = lower.first().and_then(|layer| key_of(layer)).map(str::to_owned);
        return Ok(Some(key.map_or(Found::Layers, Found::Chain)));
    }
    Ok(image_of(&String::from_utf8_lossy(document.text())).map(Found::Image))
}

/// The image that the template `oci` made the container from, according to the comments of a
/// configuration.
fn image_of(text: &str) -> Option<String> {
    let value = |begin: &str| text.lines().find_map(|line| line.strip_prefix(begin));
    let template = value("# Template used to create this container: ")?;
    Path::new(template.trim()).file_name().filter(|name| *name == "lxc-oci")?;
    let mut words = value("# Parameters passed to the template: ")?.split(' ');
    let url = words.find_map(|word| match word {
        "-u" | "--url" => Some(None),
        _ => word.strip_prefix("--url=").map(Some),
    })?;
    let url = url.or_else(|| words.next())?;
    url.strip_prefix("docker://").or_else(|| url.strip_prefix("image:")).map(str::to_owned)
}

fn option(name: &str, value: &str) -> OsString {
    format!("{name}{value}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_told_by_layers_or_by_a_comment() {
        let key = "0123456789abcdef".repeat(4);
        let chain = |path: &str| key_of(Path::new(path)).map(str::to_owned);
        assert_eq!(chain(&format!("/var/lib/lxc/.layers/{key}/tree")), Some(key.clone()));
        for other in ["/var/lib/lxc/web/rootfs", "/a/tree", &format!("/a/{key}/other")] {
            assert_eq!(chain(other), None);
        }
        let header = |template: &str, words: &str| {
            format!(
                "# Template used to create this container: {template}\n\
                 # Parameters passed to the template: {words}\nlxc.arch = x86_64\n"
            )
        };
        let oci = "/usr/share/lxc/templates/lxc-oci";
        let of = |words: &str| image_of(&header(oci, words));
        assert_eq!(of("--copy --url docker://debian:12").unwrap(), "debian:12");
        assert_eq!(of("--url=image:a/b:1 --dhcp").unwrap(), "a/b:1");
        assert_eq!(of("-u docker://h:5000/x").unwrap(), "h:5000/x");
        assert_eq!(of("--url oci:/srv/dir:tag"), None);
        assert_eq!(of(""), None);
        assert_eq!(image_of(&header("/x/lxc-debian", "--url docker://a")), None);
    }
}
