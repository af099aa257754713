//! Typical mistakes and their messages: each message names the line and the fix.
//!
//! `mistakes.txt` has them as they are printed. After a change on purpose, run the test with
//! `LXC_RS_UPDATE=1` and read the difference.

use super::language::{Severity, check};
use super::model::Config;

/// The messages about `text`, as `lxc-rs check` prints them.
fn said(text: &str) -> String {
    let findings = check(&mut Config::default(), text.as_bytes(), "config");
    let blocks = findings.iter().map(|finding| {
        let word = if finding.severity == Severity::Error { "error" } else { "warning" };
        let error = &finding.error;
        assert!(error.origin.is_some() && error.hint.is_some(), "no line or no fix: {error}");
        format!("{word}: {error}\n")
    });
    blocks.collect()
}

#[test]
fn messages_of_typical_mistakes_are_as_written() {
    let mut written = String::new();
    let mut count = 0;
    for block in include_str!("mistakes.txt").split("== ").filter(|block| !block.is_empty()) {
        let (title, rest) = block.split_once('\n').unwrap();
        let (text, _) = rest.split_once("--\n").unwrap();
        let said = said(text);
        assert!(!said.is_empty(), "no message about {title}");
        written.push_str(&format!("== {title}\n{text}--\n{said}\n"));
        count += 1;
    }
    assert!(count >= 40, "{count}");
    if std::env::var_os("LXC_RS_UPDATE").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/mistakes.txt");
        std::fs::write(file, written).unwrap();
        return;
    }
    for (wanted, got) in include_str!("mistakes.txt").split("== ").zip(written.split("== ")) {
        assert_eq!(wanted, got);
    }
}
