//! The name of a copied container in its own files.

use std::path::Path;

use crate::error::Result;
use crate::mount::{Content, Root};

/// The files that may name the machine they are on.
const FILES: [&str; 7] = [
    "etc/hostname",
    "etc/hosts",
    "etc/mailname",
    "etc/sysconfig/network",
    "etc/HOSTNAME",
    "etc/dhcp/dhclient.conf",
    "etc/network/interfaces",
];

/// Replaces the container name `old` by `new`, where it is a word of its own, in the files of the root
/// filesystem mounted at `root` that may have it. Returns which files were left as they are, and why.
pub fn replace_name(root: &Path, old: &str, new: &str) -> Result<Vec<String>> {
    let root = Root::open(root)?;
    let mut left = Vec::new();
    for file in FILES.map(Path::new) {
        match root.content(file)? {
            Content::Missing => {}
            Content::Refused(why) => left.push(left_alone(&root, file, why)),
            Content::File(text) => {
                if let Some(changed) = with_name(&text, old.as_bytes(), new.as_bytes()) {
                    root.replace(file, &changed)?;
                }
            }
        }
    }
    Ok(left)
}

/// Makes `name` the content of `/etc/hostname`, if there is such a file; returns the reason if the file
/// was left alone.
pub(super) fn set_hostname(root: &Root, name: &str) -> Result<Option<String>> {
    let file = Path::new("etc/hostname");
    match root.content(file)? {
        Content::Missing => Ok(None),
        Content::Refused(why) => Ok(Some(left_alone(root, file, why))),
        Content::File(text) if text == name.as_bytes() => Ok(None),
        Content::File(_) => root.replace(file, name.as_bytes()).map(|()| None),
    }
}

fn left_alone(root: &Root, file: &Path, why: &str) -> String {
    format!("{} {why} and is left as it is", root.path().join(file).display())
}

/// `text` with each `old` that is a word of its own replaced; `None` if there is none.
fn with_name(text: &[u8], old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let mut changed = Vec::new();
    let mut rest = text;
    let mut before: Option<u8> = None;
    while let Some(&first) = rest.first() {
        let begins = !before.is_some_and(|byte| in_word(&byte) || byte == b'.');
        match rest.strip_prefix(old) {
            Some(after) if begins && !old.is_empty() && !after.first().is_some_and(in_word) => {
                changed.extend(new);
                before = old.last().copied();
                rest = after;
            }
            _ => {
                changed.push(first);
                before = Some(first);
                rest = &rest[1..];
            }
        }
    }
    (changed != text).then_some(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_replaced_as_a_word_only() {
        let replaced = |text: &str, old: &str| {
            with_name(text.as_bytes(), old.as_bytes(), b"new")
                .map(|changed| String::from_utf8(changed).unwrap())
        };
        assert_eq!(replaced("web", "web").unwrap(), "new");
        assert_eq!(
            replaced("127.0.1.1 web.lan web web\tweb2 my-web x.web\n", "web").unwrap(),
            "127.0.1.1 new.lan new new\tweb2 my-web x.web\n"
        );
        assert_eq!(replaced("a.b axb", "a.b").unwrap(), "new axb");
        assert_eq!(replaced("webx", "web"), None);
        assert_eq!(replaced("web", ""), None);
    }
}
