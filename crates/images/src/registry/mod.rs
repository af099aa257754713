//! Registries of images (OCI distribution specification).
//!
//! What is fetched is kept below a directory by its digest ([`Blobs`]), and is a source of images as any
//! other. Names and passwords are in no message.

mod blobs;
mod challenge;
mod credentials;
mod http;
mod push;
mod reference;

use std::io::Read;
use std::sync::Mutex;

use serde::Deserialize;
use ureq::http::{Response, StatusCode};

pub use blobs::{Blobs, Fetched, Progress};
use challenge::Challenge;
pub use credentials::Credentials;
pub use http::Client;
use http::shown;
pub use reference::{Reference, Version};

use crate::image::manifest::{Descriptor, LARGEST};
use crate::{Context, Error, Result};

/// What is taken as a manifest.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// A repository of a registry.
pub struct Repository {
    client: Client,
    /// `https://HOST/v2/NAME`.
    url: String,
    name: String,
    credentials: Credentials,
    /// What is to be done there: `pull`, or `pull,push`.
    actions: &'static str,
    /// The header that is sent with each request, once the registry has said which.
    authorization: Mutex<Option<String>>,
}

impl Repository {
    /// That of `reference`, at its own registry or at the `mirror` `http[s]://HOST`.
    pub fn new(
        client: Client,
        reference: &Reference,
        mirror: Option<&str>,
        credentials: Credentials,
    ) -> Self {
        let base = match mirror {
            Some(mirror) => mirror.trim_end_matches('/').to_owned(),
            None => format!("{}://{}", client.scheme(), reference.api_host()),
        };
        let url = format!("{base}/v2/{}", reference.name);
        let name = reference.name.clone();
        Self { client, url, name, credentials, actions: "pull", authorization: Mutex::new(None) }
    }

    /// The same, to push as well.
    #[must_use]
    pub fn to_push(self) -> Self {
        Self { actions: "pull,push", ..self }
    }

    /// The manifest or index `version`, checked if that is a digest.
    pub fn manifest(&self, version: &Version) -> Result<Vec<u8>> {
        let url = format!("{}/manifests/{version}", self.url);
        let response = self.get(&url, &[("Accept", MANIFESTS)])?;
        let mut text = Vec::new();
        let failed = || format!("cannot read {url}");
        let body = response.into_body().into_reader();
        body.take(LARGEST + 1).read_to_end(&mut text).context(failed)?;
        if text.len() as u64 > LARGEST {
            return Err(Error::new(format!("{}: it is too large", failed())));
        }
        if let Version::Digest(digest) = version {
            digest.check(&text, &url)?;
        }
        Ok(text)
    }

    /// The content of `descriptor` from the byte `from` on, if the registry can begin there: where it
    /// begins, and what follows; not checked.
    fn blob(&self, descriptor: &Descriptor, from: u64) -> Result<(u64, Box<dyn Read>)> {
        // A registry serves the manifests that an index names as manifests, not as blobs.
        let kind = descriptor.media_type.as_str();
        let is_manifest = MANIFESTS.split(", ").any(|manifest| manifest == kind);
        let (place, accept) = if is_manifest { ("manifests", kind) } else { ("blobs", "*/*") };
        let url = format!("{}/{place}/{}", self.url, descriptor.digest);
        let range = format!("bytes={from}-");
        let mut headers = vec![("Accept", accept)];
        if from > 0 {
            headers.push(("Range", &range));
        }
        let response = self.get(&url, &headers)?;
        let start = match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                let range = response.headers().get("content-range");
                let range = range.and_then(|range| range.to_str().ok()).unwrap_or_default();
                let start = range.strip_prefix("bytes ").and_then(|range| range.split('-').next());
                let start = start.and_then(|start| start.parse().ok());
                start.filter(|start| *start == from).ok_or_else(|| {
                    Error::new(format!("{url}: the registry sent another part than was asked for"))
                })?
            }
            _ => 0,
        };
        Ok((start, Box::new(response.into_body().into_reader())))
    }

    /// What is at `url`.
    fn get(&self, url: &str, headers: &[(&str, &str)]) -> Result<Response<ureq::Body>> {
        let response =
            self.proved(url, |authorization| self.client.get(url, headers, authorization))?;
        accepted(url, response)
    }

    /// What `send` gets of `url`; proves who asks when the registry wants to know.
    fn proved(
        &self,
        url: &str,
        send: impl Fn(Option<&str>) -> Result<Response<ureq::Body>>,
    ) -> Result<Response<ureq::Body>> {
        let known = self.authorization()?.clone();
        let response = send(known.as_deref())?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let challenge = Challenge::of(&response).ok_or_else(|| {
            Error::new(format!("{url}: the registry wants a proof in a way that is not known"))
        })?;
        let authorization = self.prove(&challenge)?;
        let response = send(Some(&authorization))?;
        if response.status() != StatusCode::UNAUTHORIZED {
            *self.authorization()? = Some(authorization);
        }
        Ok(response)
    }

    fn authorization(&self) -> Result<std::sync::MutexGuard<'_, Option<String>>> {
        self.authorization.lock().map_err(|_| Error::new("another download failed"))
    }

    /// The header that answers `challenge`.
    fn prove(&self, challenge: &Challenge) -> Result<String> {
        match challenge {
            Challenge::Basic => self.credentials.basic().ok_or_else(|| {
                Error::new(format!("{} wants a name and a password", self.url)).hint(LOGIN)
            }),
            Challenge::Bearer { realm, service } => {
                let scope = format!("repository:{}:{}", self.name, self.actions);
                let answer = self.client.token(realm, service, &scope, &self.credentials)?;
                let token: Option<Token> = serde_json::from_slice(&answer).ok();
                let token = token.and_then(|token| token.token.or(token.access_token));
                // In a header: nothing that could end it.
                token
                    .filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()))
                    .map(|token| format!("Bearer {token}"))
                    .ok_or_else(|| Error::new(format!("{} answered without a token", shown(realm))))
            }
        }
    }
}

/// The `response`, if the registry did not refuse.
fn accepted(url: &str, response: Response<ureq::Body>) -> Result<Response<ureq::Body>> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let said = said(response);
    let error = Error::new(format!("{}: {status}{said}", shown(url)));
    Err(match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => error.hint(LOGIN),
        StatusCode::NOT_FOUND => error.hint("is the name right, and the tag?"),
        _ => error,
    })
}

const LOGIN: &str = "log in with docker login or podman login, or give --username and --password; some \
    registries say so of names that do not exist";

/// What a token server answers.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// What a registry says of its refusal.
fn said(response: Response<ureq::Body>) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<Reason>,
    }
    #[derive(Deserialize)]
    struct Reason {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let mut text = Vec::new();
    let body = response.into_body().into_reader();
    // What it says is of no use if it cannot be read.
    if body.take(64 << 10).read_to_end(&mut text).is_err() {
        return String::new();
    }
    let errors = serde_json::from_slice::<Errors>(&text).map(|errors| errors.errors);
    let reasons = errors.unwrap_or_default().into_iter().take(3);
    reasons.fold(String::new(), |text, Reason { code, message }| {
        text + &format!("; {code}: {message}")
    })
}
