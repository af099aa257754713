//! Who asks: from the command line, or as `docker login` and `podman login` keep it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::{Context, Error, Result, programs};

/// Who asks.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody.
    #[default]
    Anonymous,
    /// A name and a password.
    Password(String, String),
    /// A token that is given for others.
    Identity(String),
}

impl std::fmt::Debug for Credentials {
    // What is secret is in no message.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Password(..) => "Password(…)",
            Self::Identity(_) => "Identity(…)",
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Kept {
    auths: BTreeMap<String, Login>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Login {
    auth: String,
    identitytoken: String,
}

impl Credentials {
    /// The header of a basic proof.
    pub(super) fn basic(&self) -> Option<String> {
        match self {
            Self::Password(name, password) => {
                Some(format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
            }
            _ => None,
        }
    }

    /// Those that are kept for the registry `login`: in `$REGISTRY_AUTH_FILE`, podman's file, or
    /// `$DOCKER_CONFIG/config.json`, by default that in `~/.docker`.
    pub fn kept(login: &str) -> Result<Self> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let home = variable("HOME").map(PathBuf::from);
        let files = [
            variable("REGISTRY_AUTH_FILE").map(PathBuf::from),
            variable("XDG_RUNTIME_DIR").map(|dir| PathBuf::from(dir).join("containers/auth.json")),
            variable("DOCKER_CONFIG")
                .map(PathBuf::from)
                .or_else(|| home.map(|home| home.join(".docker")))
                .map(|dir| dir.join("config.json")),
        ];
        for file in files.into_iter().flatten() {
            let text = match std::fs::read(&file) {
                Ok(text) => text,
                // No home, or one that only others can enter.
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied
                    ) =>
                {
                    continue;
                }
                Err(error) => {
                    return Err(error).context(|| format!("cannot read {}", file.display()));
                }
            };
            if let Some(found) = Self::in_file(&text, &file, login)? {
                return Ok(found);
            }
        }
        Ok(Self::Anonymous)
    }

    fn in_file(text: &[u8], file: &Path, login: &str) -> Result<Option<Self>> {
        let shown = file.display();
        // What serde says would quote a secret.
        let kept: Kept = serde_json::from_slice(text).map_err(|error| {
            Error::new(format!("{shown}:{}: it cannot be understood", error.line()))
        })?;
        let host = login.trim_start_matches("https://").split('/').next().unwrap_or_default();
        let names = [login, host];
        let helper = names.iter().find_map(|name| kept.cred_helpers.get(*name));
        if let Some(helper) = helper.filter(|helper| !helper.is_empty()) {
            return ask(helper, login);
        }
        let of_host =
            |name: &String| name.trim_start_matches("https://").split('/').next() == Some(host);
        let found = names
            .iter()
            .find_map(|name| kept.auths.get(*name))
            .or_else(|| kept.auths.iter().find(|(name, _)| of_host(name)).map(|(_, login)| login));
        match found {
            Some(Login { identitytoken, .. }) if !identitytoken.is_empty() => {
                Ok(Some(Self::Identity(identitytoken.clone())))
            }
            Some(Login { auth, .. }) if !auth.is_empty() => {
                let decode = || {
                    let text = String::from_utf8(STANDARD.decode(auth.trim()).ok()?).ok()?;
                    let (name, password) = text.trim_end_matches('\0').split_once(':')?;
                    Some(Self::Password(name.to_owned(), password.to_owned()))
                };
                let broken = || Error::new(format!("{shown}: what it has for {host} is broken"));
                decode().ok_or_else(broken).map(Some)
            }
            _ if !kept.creds_store.is_empty() => ask(&kept.creds_store, login),
            _ => Ok(None),
        }
    }
}

/// Asks the program `docker-credential-NAME`.
fn ask(name: &str, login: &str) -> Result<Option<Credentials>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: String,
    }
    if name.contains('/') {
        return Err(Error::new(format!("{name:?} names no program for credentials")));
    }
    let program = format!("docker-credential-{name}");
    let failed = || format!("cannot run {program}");
    let mut child = programs::command(&program)
        .map_err(|error| error.hint("the registry's configuration names it"))?
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context(failed)?;
    if let Some(mut input) = child.stdin.take() {
        // One that does not read it may still answer.
        let _ = input.write_all(login.as_bytes());
    }
    let output = programs::output_of(child).context(failed)?;
    if !output.status.success() {
        // It knows nobody.
        return Ok(None);
    }
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|_| Error::new(format!("{program} gave an answer that cannot be understood")))?;
    Ok(Some(if answer.username == "<token>" {
        Credentials::Identity(answer.secret)
    } else {
        Credentials::Password(answer.username, answer.secret)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str, login: &str) -> Result<Option<Credentials>> {
        Credentials::in_file(text.as_bytes(), Path::new("config.json"), login)
    }

    #[test]
    fn logins_are_found() {
        // user:pass:word
        let text = r#"{"auths":{"reg.example:5000":{"auth":"dXNlcjpwYXNzOndvcmQ="},
            "https://index.docker.io/v1/":{"identitytoken":"abc"},"https://old.example/v1/":{"auth":"YTpi"},
            "empty.example":{}},"credHelpers":{"other.example":""}}"#;
        let password =
            |name: &str, word: &str| Some(Credentials::Password(name.into(), word.into()));
        assert_eq!(find(text, "reg.example:5000").unwrap(), password("user", "pass:word"));
        assert_eq!(find(text, "old.example").unwrap(), password("a", "b"));
        assert_eq!(
            find(text, "https://index.docker.io/v1/").unwrap(),
            Some(Credentials::Identity("abc".into()))
        );
        for none in ["reg.example", "empty.example", "other.example"] {
            assert_eq!(find(text, none).unwrap(), None, "{none}");
        }
    }

    #[test]
    fn what_is_broken_is_not_quoted() {
        for text in [
            r#"{"auths":{"reg.example":{"auth":"secret!"}}}"#,
            r#"{"auths":{"reg.example":{"auth":["secret"]}}}"#,
            r#"{"auths":{"reg.example":{"auth":"c2VjcmV0"}}}"#,
        ] {
            let error = find(text, "reg.example").unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let credentials = Credentials::Password("name".into(), "secret".into());
        assert!(!format!("{credentials:?}").contains("secret"));
        assert_eq!(credentials.basic().unwrap(), "Basic bmFtZTpzZWNyZXQ=");
    }

    #[test]
    fn a_helper_is_a_program_of_its_own() {
        assert!(find(r#"{"credHelpers":{"reg.example":"../evil"}}"#, "reg.example").is_err());
        let error = find(r#"{"credsStore":"no-such-helper"}"#, "reg.example").unwrap_err();
        assert!(error.what.contains("docker-credential-no-such-helper"), "{error}");
    }
}
