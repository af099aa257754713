//! Patterns of what is left out of an archive: `*` and `?` also match slashes, and what is below a match
//! goes with it (tar(1), `--exclude` with `--anchored`).

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Whether one of the `patterns` leaves out `path`, or a directory above it.
pub(super) fn is_excluded(path: &Path, patterns: &[String]) -> bool {
    let path = path.as_os_str().as_bytes();
    patterns.iter().any(|pattern| {
        let pattern =
            pattern.trim_start_matches("./").trim_start_matches('/').trim_end_matches('/');
        let ends = (0..path.len()).filter(|at| path[*at] == b'/').chain([path.len()]);
        !pattern.is_empty() && ends.into_iter().any(|end| matches(pattern.as_bytes(), &path[..end]))
    })
}

fn matches(pattern: &[u8], text: &[u8]) -> bool {
    // Where the last star was, and how much of the text it takes.
    let (mut at, mut from) = (0, 0);
    let mut star = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[from] => {
                at += 1;
                from += 1;
            }
            _ => match star {
                Some((place, taken)) => {
                    at = place + 1;
                    from = taken + 1;
                    star = Some((place, from));
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_tar_does() {
        let excluded =
            |path: &str, pattern: &str| is_excluded(Path::new(path), &[pattern.to_owned()]);
        assert!(excluded("dev/null", "./dev/*"));
        assert!(excluded("dev/a/b", "dev/*"));
        assert!(excluded("dev/null", "./dev"));
        assert!(excluded("a/b.log", "*.log"));
        assert!(excluded("abc", "a?c") && !excluded("abbc", "a?c"));
        assert!(!excluded("dev", "./dev/*"));
        assert!(!excluded("sub/dev/null", "dev/*"));
        assert!(!excluded("developer", "dev"));
        assert!(!excluded("anything", "") && !excluded("anything", "./"));
        let slow = "a*".repeat(40);
        assert!(!excluded(&"a".repeat(4000), &(slow + "b")));
    }
}
