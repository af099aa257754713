//! Tables of the kernel and of the system, in which others have lines as well.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Room for most tables, so that they are read with one call: the kernel does not say how long one is.
const USUAL: usize = 4096;

/// The text of the table `path`. What is not UTF-8 in it is replaced: mount points, addresses of
/// sockets, names of processes and users may be any bytes, and one line must not hide the others.
pub fn read(path: impl AsRef<Path>) -> std::io::Result<String> {
    let mut bytes = Vec::with_capacity(USUAL);
    File::open(path)?.read_to_end(&mut bytes)?;
    Ok(text(bytes))
}

/// The text in `bytes`; what is not UTF-8 is replaced.
pub fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The text of a field of fstab(5) or of mountinfo (proc_pid_mountinfo(5)), in which blanks are written
/// as `\040`; a backslash may be doubled.
pub fn unescape(field: &str) -> String {
    const ESCAPES: [(&str, char); 5] =
        [("\\040", ' '), ("\\011", '\t'), ("\\012", '\n'), ("\\134", '\\'), ("\\\\", '\\')];
    let mut text = String::with_capacity(field.len());
    let mut rest = field;
    while let Some(first) = rest.chars().next() {
        let escape = ESCAPES.iter().find(|(escape, _)| rest.starts_with(escape));
        let (len, character) = escape
            .map_or((first.len_utf8(), first), |(escape, character)| (escape.len(), *character));
        text.push(character);
        rest = &rest[len..];
    }
    text
}

/// A number as strtoul(3) reads it: blanks before it, decimal, octal or hexadecimal.
pub fn number(word: &str) -> Option<u64> {
    let word = word.trim_ascii_start();
    let word = word.strip_prefix('+').unwrap_or(word);
    let (digits, radix) = match word.strip_prefix('0') {
        Some(rest) if !rest.is_empty() => match rest.strip_prefix(['x', 'X']) {
            Some(digits) => (digits, 16),
            None => (rest, 8),
        },
        _ => (word, 10),
    };
    let is_number = digits.starts_with(|first: char| first.is_digit(radix));
    is_number.then(|| u64::from_str_radix(digits, radix).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As getmntent(3) reads a field.
    #[test]
    fn fields_are_unescaped_once() {
        for (field, wanted) in [
            ("a\\040b\\011c", "a b\tc"),
            ("a\\\\b\\134c", "a\\b\\c"),
            ("a\\134040b\\\\040", "a\\040b\\040"),
            ("a\\043é\\", "a\\043é\\"),
        ] {
            assert_eq!(unescape(field), wanted, "{field}");
        }
    }

    #[test]
    fn numbers_are_those_of_c() {
        for (word, wanted) in [("10", 10), (" +10", 10), ("010", 8), ("0x1F", 31), ("0", 0)] {
            assert_eq!(number(word), Some(wanted), "{word}");
        }
        for word in ["", "-1", "++1", "1 ", "0x", "08", "1a", "99999999999999999999"] {
            assert_eq!(number(word), None, "{word}");
        }
    }

    #[test]
    fn bytes_of_others_are_replaced() {
        assert_eq!(text(b"a \xff\nb\xc3\xa9\n".to_vec()), "a \u{fffd}\nb\u{e9}\n");
    }
}
