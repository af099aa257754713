//! Text of others, such as names, values and messages from inside a container, for a terminal: what
//! would move its cursor, change its colours or title, answer in the place of its user, or turn the
//! reading direction round, is spelt out instead.
//!
//! ```
//! use lxc_sys::visible::visible;
//!
//! assert_eq!(&*visible(b"a name\n"), b"a name\n");
//! assert_eq!(&*visible(b"\x1b[2Jcleared"), br"\x1b[2Jcleared");
//! ```

use std::borrow::Cow;
use std::io::IsTerminal;

/// What a reader of `stream` gets of `bytes`: a terminal what is [`visible`], anybody else all as it is.
#[must_use]
pub fn for_reader<'a>(bytes: &'a [u8], stream: &impl IsTerminal) -> Cow<'a, [u8]> {
    if is_visible(bytes) || !stream.is_terminal() { Cow::Borrowed(bytes) } else { visible(bytes) }
}

/// `bytes` as they may be printed on a terminal. Tabs and newlines are kept.
///
/// C0 becomes `\x1b`; DEL, C1 and the marks for the reading direction become `\u009b`, so that JSON, in
/// which there is no C0, stays the same JSON. Bytes that are not UTF-8 become `\x9b`: a terminal that has
/// another character set would take some of them for C1.
#[must_use]
pub fn visible(bytes: &[u8]) -> Cow<'_, [u8]> {
    if is_visible(bytes) {
        return Cow::Borrowed(bytes);
    }
    let mut shown = Vec::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_plain(character) {
                shown.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            } else if character < ' ' {
                shown.extend_from_slice(format!("\\x{:02x}", u32::from(character)).as_bytes());
            } else {
                shown.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
            }
        }
        for byte in chunk.invalid() {
            shown.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
        }
    }
    Cow::Owned(shown)
}

/// [`visible`] of text.
#[must_use]
pub fn visible_text(text: &str) -> Cow<'_, str> {
    match visible(text.as_bytes()) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(shown) => Cow::Owned(String::from_utf8_lossy(&shown).into_owned()),
    }
}

/// Whether nothing in `bytes` would be shown differently.
fn is_visible(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(is_plain))
}

fn is_plain(character: char) -> bool {
    match character {
        '\n' | '\t' => true,
        // Marks, embeddings, overrides and isolates of UAX #9.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            false
        }
        _ => !character.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_spelt_out() {
        let shown = |bytes: &[u8]| String::from_utf8(visible(bytes).into_owned()).unwrap();
        assert_eq!(shown(b"a\x1b]0;t\x07\r\x7f\tb\n"), "a\\x1b]0;t\\x07\\x0d\\u007f\tb\n");
        assert_eq!(shown("\u{9b}31m\u{85}".as_bytes()), "\\u009b31m\\u0085");
        assert_eq!(
            shown("x\u{202e}y\u{2066}\u{200f}\u{61c}".as_bytes()),
            "x\\u202ey\\u2066\\u200f\\u061c"
        );
        assert_eq!(shown(b"\x9b31m\xc3(\xff"), "\\x9b31m\\xc3(\\xff");
        assert_eq!(visible_text("a\0\u{90}"), "a\\x00\\u0090");
    }

    #[test]
    fn what_is_plain_stays() {
        for text in ["", "Gr\u{fc}\u{df}e \u{65e5}\u{672c} \u{1f600}", "a\tb\nc \\x1b"] {
            assert!(
                matches!(visible(text.as_bytes()), Cow::Borrowed(same) if same == text.as_bytes())
            );
            assert!(matches!(visible_text(text), Cow::Borrowed(_)));
        }
    }

    #[test]
    fn json_stays_the_same_json() {
        // In its strings there is no C0.
        for character in ('\u{7f}'..'\u{300}').chain('\u{2000}'..'\u{2100}') {
            let text = character.to_string();
            let shown = visible_text(&text);
            let code = u32::from(character);
            assert!(shown == text || shown == format!("\\u{code:04x}"), "{code:x}");
        }
    }
}
