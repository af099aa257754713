//! What nobody else may read, in texts of all kinds: configurations, logs, command lines.

use std::sync::LazyLock;

use regex::bytes::{Captures, Regex};

/// What stands in the place of a secret.
const REMOVED: &[u8] = b"(removed)";

/// Words that name a secret, whatever is before and after them in a longer word.
const NAMES: &str = "(?:passw(?:or)?d|passphrase|passwort|pwd|secret|token|credential|api[_-]?key|private[_-]?key|access[_-]?key|authorization|cookie)";

/// The patterns; in each the group `secret` is what is removed.
static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let value = r#"(?P<secret>"[^"\n]*"|'[^'\n]*'|[^\s"',;&]+)"#;
    let patterns = [
        // A private key, of any kind.
        r"(?s-u)-----BEGIN [A-Z ]*PRIVATE KEY-----(?P<secret>.*?)-----END".to_owned(),
        // The user's part of an address.
        r"(?-u)[a-zA-Z][a-zA-Z0-9+.-]*://(?P<secret>[^/\s@]+:[^/\s@]*)@".to_owned(),
        // Of the headers of HTTP.
        r"(?i-u)\b(?:bearer|basic)[ \t]+(?P<secret>[a-z0-9+/=_.~-]{8,})".to_owned(),
        // The environment of a container: what programs get there is theirs.
        r"(?m-u)^[ \t]*lxc\.environment(?:\.[a-z]+)?[ \t]*=[ \t]*[^=\s]+=(?P<secret>[^\n]+)"
            .to_owned(),
        format!(r#"(?i-u)[a-z0-9_.-]*{NAMES}[a-z0-9_-]*["']?[ \t]*[=:][ \t]*{value}"#),
        format!(r"(?i-u)--?[a-z0-9-]*{NAMES}[a-z0-9-]*[ \t]+{value}"),
    ];
    patterns
        .iter()
        .map(|pattern| Regex::new(pattern).expect("the pattern is well-formed"))
        .collect()
});

/// `text` without them, and how many there were.
pub fn removed(text: &[u8]) -> (Vec<u8>, usize) {
    let mut text = text.to_owned();
    let mut count = 0;
    for pattern in PATTERNS.iter() {
        let changed = pattern.replace_all(&text, |found: &Captures<'_>| {
            let (Some(whole), Some(secret)) = (found.get(0), found.name("secret")) else {
                return found[0].to_owned();
            };
            if secret.as_bytes() == REMOVED {
                return whole.as_bytes().to_owned();
            }
            count += 1;
            let before = &found[0][..secret.start() - whole.start()];
            let after = &found[0][secret.end() - whole.start()..];
            [before, REMOVED, after].concat()
        });
        text = changed.into_owned();
    }
    (text, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(before: &str) -> String {
        String::from_utf8(removed(before.as_bytes()).0).unwrap()
    }

    #[test]
    fn secrets_are_removed_wherever_they_stand() {
        for (before, after) in [
            ("lxc.environment = DB_URL=x y", "lxc.environment = DB_URL=(removed)"),
            ("lxc.environment.hooks = A=b", "lxc.environment.hooks = A=(removed)"),
            ("lxc.seccomp.notify.cookie = abc", "lxc.seccomp.notify.cookie = (removed)"),
            (
                "lxc.init.cmd = /bin/x --password hunter2 -v",
                "lxc.init.cmd = /bin/x --password (removed) -v",
            ),
            ("x --api-key=k1 y", "x --api-key=(removed) y"),
            ("MYSQL_ROOT_PASSWORD='a b' next", "MYSQL_ROOT_PASSWORD=(removed) next"),
            ("{\"token\": \"abc\", \"a\": 1}", "{\"token\": (removed), \"a\": 1}"),
            ("http://me:pass@host/x", "http://(removed)@host/x"),
            ("Authorization: Bearer abcdefgh1", "Authorization: (removed) (removed)"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----",
                "-----BEGIN RSA PRIVATE KEY-----(removed)-----END RSA PRIVATE KEY-----",
            ),
        ] {
            assert_eq!(text(before), after);
        }
    }

    #[test]
    fn what_is_none_stays() {
        for line in [
            "lxc.environment = INHERITED",
            "lxc.net.0.hwaddr = 00:16:3e:00:00:01",
            "lxc.include = /usr/share/lxc/config/common.conf",
            "http://host:80/path",
            "lxc.idmap = u 0 100000 65536",
            "the password is wrong",
        ] {
            assert_eq!(removed(line.as_bytes()), (line.as_bytes().to_owned(), 0), "{line}");
        }
    }

    #[test]
    fn text_of_any_bytes_is_read() {
        assert_eq!(removed(b"\xff token=\xfe\xfd\n").0, b"\xff token=(removed)\n");
    }
}
