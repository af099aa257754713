//! Sending an image to a registry (OCI distribution specification, "Pushing").

use std::fs::File;
use std::path::Path;

use ureq::http::StatusCode;

use super::{Repository, accepted, shown};
use crate::image::manifest::Descriptor;
use crate::{Context, Error, Result};

impl Repository {
    /// Sends the blob `descriptor`, which is the file `path`, unless the registry has it; whether it was
    /// sent.
    pub fn push_blob(&self, descriptor: &Descriptor, path: &Path) -> Result<bool> {
        let digest = &descriptor.digest;
        let url = format!("{}/blobs/{digest}", self.url);
        let known = self.proved(&url, |authorization| self.client.head(&url, authorization))?;
        if known.status().is_success() {
            return Ok(false);
        }
        let begin = format!("{}/blobs/uploads/", self.url);
        let response = self.proved(&begin, |authorization| {
            self.client.send(true, &begin, "application/octet-stream", authorization, &|| Ok(None))
        })?;
        let response = accepted(&begin, response)?;
        let location =
            response.headers().get("location").and_then(|location| location.to_str().ok());
        let location = location.ok_or_else(|| {
            Error::new(format!("{begin}: the registry does not say where to send"))
        })?;
        let mut target = self.absolute(location)?;
        target.push(if target.contains('?') { '&' } else { '?' });
        target.push_str(&format!("digest={digest}"));
        let file =
            || File::open(path).map(Some).context(|| format!("cannot open {}", path.display()));
        let response = self.proved(&target, |authorization| {
            self.client.send(false, &target, "application/octet-stream", authorization, &file)
        })?;
        match accepted(&target, response)?.status() {
            StatusCode::CREATED => Ok(true),
            other => Err(Error::new(format!("{}: {other} instead of 201", shown(&target)))),
        }
    }

    /// Sends the manifest in the file `path`, after all that it names.
    pub fn push_manifest(&self, tag: &str, media_type: &str, path: &Path) -> Result<()> {
        let url = format!("{}/manifests/{tag}", self.url);
        let file =
            || File::open(path).map(Some).context(|| format!("cannot open {}", path.display()));
        let response = self.proved(&url, |authorization| {
            self.client.send(false, &url, media_type, authorization, &file)
        })?;
        accepted(&url, response).map(drop)
    }

    /// `location` as a whole URL of this registry.
    fn absolute(&self, location: &str) -> Result<String> {
        let host_at = self.url.find("://").map_or(0, |at| at + 3);
        let end = self.url[host_at..].find('/').map_or(self.url.len(), |at| host_at + at);
        let base = &self.url[..end];
        if location.starts_with('/') && !location.starts_with("//") {
            return Ok(format!("{base}{location}"));
        }
        // What proves who we are goes with it.
        if location.strip_prefix(base).is_some_and(|rest| rest.starts_with('/')) {
            return Ok(location.to_owned());
        }
        let location = shown(location);
        Err(Error::new(format!("the registry sends what is pushed to another host: {location}")))
    }
}
