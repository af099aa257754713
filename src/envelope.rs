//! What one process of this program hands to another that may be of another release: a monitor lives
//! through many upgrades, and a library may be older or newer than the helper beside it.
//!
//! The content is JSON in a sealed memory file, with the version of its format. The rules:
//!
//! - A content of a newer format is refused.
//! - A field that the reader does not know is refused, for it may be a restriction.
//! - A field that the writer did not know gets its default, where it has one.
//! - The version grows when a field changes its meaning or is no longer there.

use std::fs::File;
use std::os::fd::OwnedFd;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};
use crate::security::sealed;
use crate::version;

/// The version of the format.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    format: u32,
    /// The release that wrote it.
    release: String,
    content: T,
}

/// The part that all formats have.
#[derive(Deserialize)]
struct Head {
    format: u32,
    release: String,
}

/// A sealed memory file with `content`, which is called `what` in errors.
pub(crate) fn encode(what: &str, content: &impl Serialize) -> Result<OwnedFd> {
    let envelope = Envelope { format: FORMAT, release: version::OWN.to_owned(), content };
    let bytes = serde_json::to_vec(&envelope)
        .map_err(|error| Error::new(format!("cannot encode the {what}: {error}")))?;
    sealed::copy_of(c"lxc-rs-handover", bytes.as_slice())
}

/// The content of a file that [`encode`] made, perhaps of another release.
pub(crate) fn decode<T: DeserializeOwned>(what: &str, file: OwnedFd) -> Result<T> {
    let text =
        std::io::read_to_string(File::from(file)).context(|| format!("cannot read the {what}"))?;
    read(what, &text)
}

fn read<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    let own = version::OWN;
    let head: Head = serde_json::from_str(text).map_err(|error| {
        Error::new(format!("the {what} has no format that lxc-rs {own} knows: {error}"))
            .hint("it is from a release before formats had versions; start it again")
    })?;
    let Head { format, release } = head;
    let hint = "programs of two releases are mixed; install the library and the helper of one";
    if format > FORMAT {
        return Err(Error::new(format!(
            "the {what} has format {format}, of lxc-rs {release}; lxc-rs {own} knows {FORMAT}"
        ))
        .hint(hint));
    }
    serde_json::from_str::<Envelope<T>>(text).map(|envelope| envelope.content).map_err(|error| {
        Error::new(format!("cannot read the {what} of lxc-rs {release} in lxc-rs {own}: {error}"))
            .hint(hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Content {
        name: String,
        #[serde(default)]
        limit: u32,
    }

    #[test]
    fn content_comes_out_as_it_was_put_in() {
        let content = Content { name: "c1".into(), limit: 7 };
        let file = encode("plan", &content).unwrap();
        assert_eq!(decode::<Content>("plan", file).unwrap(), content);
    }

    #[test]
    fn what_another_release_wrote_is_read_by_the_rules() {
        let text = |format: u32, content: &str| {
            format!(r#"{{"format":{format},"release":"9.9","content":{content}}}"#)
        };
        let older = read::<Content>("plan", &text(1, r#"{"name":"c1"}"#)).unwrap();
        assert_eq!(older, Content { name: "c1".into(), limit: 0 });
        let refused = |text: &str| read::<Content>("plan", text).unwrap_err().to_string();
        let field = refused(&text(1, r#"{"name":"c1","jail":true}"#));
        assert!(field.contains("unknown field `jail`") && field.contains("lxc-rs 9.9"), "{field}");
        let newer = refused(&text(2, "{}"));
        assert!(newer.contains("the plan has format 2, of lxc-rs 9.9"), "{newer}");
        let before = refused(r#"{"name":"c1"}"#);
        assert!(before.contains("from a release before"), "{before}");
    }
}
