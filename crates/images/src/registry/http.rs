//! Requests to registries and image servers: certificates, proxies, time limits, and trying again.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::http::Response;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

use super::Credentials;
use crate::{Context, Error, Result};

/// Where distributions keep the certificates that the system trusts.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Where Docker and podman have certificates of single registries: a directory each.
const OF_REGISTRIES: [&str; 2] = ["/etc/docker/certs.d", "/etc/containers/certs.d"];

/// How often something is tried that brought nothing.
pub(super) const TRIES: u32 = 5;
/// Longest a server may let one wait that said for how long.
const LONGEST: Duration = Duration::from_secs(60);

/// Sends requests.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    plain: bool,
}

impl Client {
    /// One for the registry `host`; without encryption only if `plain`. Proxies are those of the
    /// environment (`https_proxy`, `http_proxy`, `no_proxy`).
    pub fn new(host: &str, plain: bool) -> Result<Self> {
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .root_certs(RootCerts::new_with_certs(&certificates(host, plain)?))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .https_only(!plain)
            .http_status_as_error(false)
            .user_agent(concat!("lxc-rs/", env!("CARGO_PKG_VERSION"), " compat:7"))
            .timeout_resolve(Some(Duration::from_secs(30)))
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_per_read(Some(Duration::from_secs(60)))
            .build()
            .new_agent();
        Ok(Self { agent, plain })
    }

    /// `https`, or `http` where that was asked for.
    pub const fn scheme(&self) -> &'static str {
        if self.plain { "http" } else { "https" }
    }

    /// What is at `url`; tried again while the server cannot be reached or is overloaded. The answer may
    /// be a refusal.
    pub fn get(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        authorization: Option<&str>,
    ) -> Result<Response<ureq::Body>> {
        tried(url, || {
            let mut request = self.agent.get(url);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if let Some(authorization) = authorization {
                request = request.header("Authorization", authorization);
            }
            request.call()
        })
    }

    /// Asks whether there is something at `url`.
    pub(super) fn head(
        &self,
        url: &str,
        authorization: Option<&str>,
    ) -> Result<Response<ureq::Body>> {
        tried(url, || {
            let mut request = self.agent.head(url);
            if let Some(authorization) = authorization {
                request = request.header("Authorization", authorization);
            }
            request.call()
        })
    }

    /// Sends what `body` opens, nothing if that is `None`, to `url`: as a new thing if `post`, else in the
    /// place of what is there.
    pub(super) fn send(
        &self,
        post: bool,
        url: &str,
        media_type: &str,
        authorization: Option<&str>,
        body: &dyn Fn() -> Result<Option<std::fs::File>>,
    ) -> Result<Response<ureq::Body>> {
        // Opened here for its error; each attempt reads it from its beginning.
        let mut file = body()?;
        tried(url, || {
            let mut request = if post { self.agent.post(url) } else { self.agent.put(url) };
            request = request.header("Content-Type", media_type);
            if let Some(authorization) = authorization {
                request = request.header("Authorization", authorization);
            }
            match &mut file {
                Some(file) => {
                    file.seek(SeekFrom::Start(0))?;
                    request.send(&*file)
                }
                None => request.send_empty(),
            }
        })
    }

    /// Asks the server `realm` for a token that is good for `scope` at `service`.
    pub(super) fn token(
        &self,
        realm: &str,
        service: &str,
        scope: &str,
        credentials: &Credentials,
    ) -> Result<Vec<u8>> {
        // It gets the password: never without encryption where that was not asked for.
        let allowed = realm.starts_with("https://") || self.plain && realm.starts_with("http://");
        if !allowed {
            return Err(Error::new(format!("the registry sends to {} for a token", shown(realm)))
                .hint("that is not encrypted; --plain-http allows it"));
        }
        let response = tried(realm, || {
            if let Credentials::Identity(token) = credentials {
                return self.agent.post(realm).send_form([
                    ("grant_type", "refresh_token"),
                    ("service", service),
                    ("client_id", "lxc-rs"),
                    ("scope", scope),
                    ("refresh_token", token.as_str()),
                ]);
            }
            let mut request = self.agent.get(realm).query("scope", scope);
            if !service.is_empty() {
                request = request.query("service", service);
            }
            if let Some(basic) = credentials.basic() {
                request = request.header("Authorization", basic);
            }
            request.call()
        })?;
        let status = response.status();
        if !status.is_success() {
            let error = format!("{}: {status}{}", shown(realm), super::said(response));
            let error = Error::new(error);
            return Err(error.hint(super::LOGIN));
        }
        let mut text = Vec::new();
        let body = response.into_body().into_reader();
        body.take(1 << 20)
            .read_to_end(&mut text)
            .context(|| format!("cannot read {}", shown(realm)))?;
        Ok(text)
    }
}

/// What `send` gets of `url`, tried again while that may help.
fn tried(
    url: &str,
    mut send: impl FnMut() -> std::result::Result<Response<ureq::Body>, ureq::Error>,
) -> Result<Response<ureq::Body>> {
    for attempt in 1.. {
        let last = attempt == TRIES;
        match send() {
            Ok(response) => {
                let status = response.status();
                let busy = status.is_server_error() || status.as_u16() == 429;
                if !busy || last {
                    return Ok(response);
                }
                let asked = response.headers().get("retry-after");
                let seconds = asked.and_then(|asked| asked.to_str().ok()?.parse().ok());
                let asked = seconds.map_or(Duration::ZERO, Duration::from_secs);
                std::thread::sleep(asked.min(LONGEST).max(pause(attempt)));
            }
            Err(error) if last || !is_passing(&error) => return Err(described(url, error)),
            Err(_) => std::thread::sleep(pause(attempt)),
        }
    }
    unreachable!("the last attempt returns")
}

/// How long to wait after the failed `attempt`, the first being 1: half a second, then twice as long each
/// time.
pub(super) fn pause(attempt: u32) -> Duration {
    Duration::from_millis(250 << attempt.min(6))
}

/// Whether it may be better in a moment.
fn is_passing(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed => true,
        ureq::Error::Io(error) => !matches!(
            error.kind(),
            std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput
        ),
        _ => false,
    }
}

/// `url` for a message: what comes after the path may be a proof of who asks.
pub(super) fn shown(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}

fn described(url: &str, error: ureq::Error) -> Error {
    let what = format!("cannot reach {}", shown(url));
    match error {
        ureq::Error::Io(error) => match error.raw_os_error() {
            Some(raw) => Error::new(what).errno(nix::errno::Errno::from_raw(raw)),
            None => Error::new(format!("{what}: {error}")),
        },
        ureq::Error::RequireHttpsOnly(_) => {
            Error::new(format!("{what}: it is not encrypted")).hint("--plain-http allows that")
        }
        other => Error::new(format!("{what}: {other}")),
    }
}

/// The certificates that are trusted for `host`.
fn certificates(host: &str, plain: bool) -> Result<Vec<Certificate<'static>>> {
    let chosen = std::env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty());
    let bundle = chosen.map(PathBuf::from).or_else(|| {
        BUNDLES.iter().map(Path::new).find(|file| file.exists()).map(Path::to_path_buf)
    });
    let mut files: Vec<PathBuf> = bundle.into_iter().collect();
    for dir in OF_REGISTRIES {
        let entries = std::fs::read_dir(Path::new(dir).join(host));
        let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
        files.extend(paths.filter(|path| path.extension().is_some_and(|ending| ending == "crt")));
    }
    let mut certificates = Vec::new();
    for file in &files {
        let text = std::fs::read(file).context(|| format!("cannot read {}", file.display()))?;
        for item in parse_pem(&text) {
            match item {
                Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
                Ok(_) => {}
                Err(error) => {
                    return Err(Error::new(format!(
                        "{} has no certificates: {error}",
                        file.display()
                    )));
                }
            }
        }
    }
    if certificates.is_empty() && !plain {
        return Err(Error::new("there are no certificates by which a server could be known")
            .hint("install the package ca-certificates"));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_address_proves_is_not_shown() {
        let error = described(
            "https://store.example/upload?X-Signature=secret",
            ureq::Error::ConnectionFailed,
        );
        assert!(error.what.starts_with("cannot reach https://store.example/upload: "), "{error}");
        assert_eq!(shown("https://store.example/a"), "https://store.example/a");
    }
}
