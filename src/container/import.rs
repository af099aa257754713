//! A container from the archive of another one. The template `import` reads the archive; this module only
//! asks the template what the archive is.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use serde::Deserialize;

use super::create::{self, create};
use crate::config::Document;
use crate::error::{Context, Error, Result};
use crate::identity::{ContainerName, Identity};
use crate::paths;
use crate::programs;
use crate::sys::process;

/// The template that reads the archive.
const TEMPLATE: &str = "import";

/// What to import, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The archive; `None` for standard input.
    pub file: Option<PathBuf>,
    /// The new container's name, instead of the one in the archive.
    pub name: Option<ContainerName>,
    /// The directory of containers.
    pub lxcpath: PathBuf,
    /// The configuration to begin with, instead of the system's default.
    pub config: Option<PathBuf>,
    /// The storage back-end's name.
    pub backend: Option<String>,
    /// Whether the container gets ids of its own.
    pub own_ids: bool,
    /// Whether the archive's configuration is taken as it is.
    pub trust_config: bool,
    /// Whether nothing is printed.
    pub quiet: bool,
}

/// What an archive is.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Archive {
    /// Of a container.
    Container { name: String },
    /// Of an image, in OCI's layout.
    Image,
}

/// Imports the archive; returns the new container.
pub fn import(request: &Request) -> Result<Identity> {
    let archive = match &request.file {
        Some(file) => Some(describe(file)?),
        None => None,
    };
    let name = match (&request.name, &archive) {
        (Some(name), _) => name.clone(),
        (None, Some(Archive::Container { name })) => ContainerName::new(name.clone())?,
        (None, _) => {
            return Err(Error::new("the archive does not tell the container's name")
                .hint("write one after the file"));
        }
    };
    let identity = Identity::new(&request.lxcpath, name);
    let mut new = create::Request {
        config: request.config.clone(),
        backend: request.backend.clone(),
        own_ids: request.own_ids,
        quiet: request.quiet,
        ..create::Request::of(identity.clone())
    };
    if let (Some(Archive::Image), Some(file)) = (&archive, &request.file) {
        new.template = Some("oci".to_owned());
        let mut url = std::ffi::OsString::from("oci-archive:");
        url.push(std::path::absolute(file).context(|| "cannot tell the current directory")?);
        new.arguments = vec!["--url".into(), url];
        return create(&new).map(|()| identity);
    }
    new.template = Some(TEMPLATE.to_owned());
    // The container's root, as which the template runs, may not be able to open the archive.
    let opened;
    let input = match &request.file {
        Some(file) => {
            opened = open(file)?;
            opened.as_fd()
        }
        None => process::standard(0),
    };
    fcntl(input, FcntlArg::F_SETFD(FdFlag::empty())).context(|| "cannot hand on the archive")?;
    new.arguments.push(format!("--descriptors={}", input.as_raw_fd()).into());
    if request.trust_config {
        new.arguments.push("--trust-config".into());
        if request.config.is_none() {
            // The archive's own, instead of this host's default.
            new.document = Some(Document::default());
        }
    }
    create(&new).map(|()| identity)
}

fn open(file: &PathBuf) -> Result<File> {
    File::open(file).context(|| format!("cannot open {}", file.display()))
}

/// Asks the template what `file` is.
fn describe(file: &PathBuf) -> Result<Archive> {
    let program = paths::images();
    let failed = || format!("cannot run {}", program.display());
    let output = programs::output(
        Command::new(&program)
            .args(["lxc-import", "--descriptors=0", "--describe"])
            .stdin(Stdio::from(open(file)?)),
    )
    .context(failed)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().strip_prefix("lxc-import: ").unwrap_or(said.trim());
        return Err(Error::new(format!("cannot import {}: {said}", file.display())));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| Error::new(format!("{}: {error}", failed())))
}
