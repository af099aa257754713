//! Words from records, which their process chose, as they are shown and as rules name them.

use crate::sys::visible::visible_text;

/// How much of a name is shown.
const LONGEST: usize = 256;

/// `name` for people: bounded, and without what a terminal would obey or show in another order.
pub fn shown(name: &str) -> String {
    let end = name.char_indices().nth(LONGEST).map(|(end, _)| end);
    let text = visible_text(&name[..end.unwrap_or(name.len())]).into_owned();
    // A name is on one line.
    let text = text.replace('\n', "\\x0a").replace('\t', "\\x09");
    if end.is_some() { text + "…" } else { text }
}

/// `path` as a rule of AppArmor names it, and nothing else; `None` if it cannot be written in one.
pub fn in_rule(path: &str) -> Option<String> {
    if path.is_empty() || path.chars().any(|letter| !(letter == ' ' || letter.is_ascii_graphic())) {
        return None;
    }
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+:=".contains(letter);
    if path.chars().all(plain) {
        return Some(path.to_owned());
    }
    if path.contains('"') {
        return None;
    }
    let mut quoted = String::from("\"");
    for letter in path.chars() {
        // Patterns and variables (apparmor.d(5), "Globbing").
        if "*?[]{}^\\@".contains(letter) {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    Some(quoted)
}

/// `words` if all its letters are those of the kernel's own words.
pub fn kernel_word(word: &str) -> Option<&str> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    (!word.is_empty() && word.len() <= 64 && word.chars().all(plain)).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_reach_the_terminal() {
        assert_eq!(shown("mount"), "mount");
        assert_eq!(shown("a\u{1b}[2Jb\n"), "a\\x1b[2Jb\\x0a");
        assert_eq!(shown("a\u{202e}b\u{9b}"), "a\\u202eb\\u009b");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn a_path_in_a_rule_means_itself() {
        assert_eq!(in_rule("/mnt/a-b_c.d/").as_deref(), Some("/mnt/a-b_c.d/"));
        assert_eq!(in_rule("/a b").as_deref(), Some("\"/a b\""));
        assert_eq!(in_rule("/**").as_deref(), Some("\"/\\*\\*\""));
        assert_eq!(in_rule("/x rw, mount, #").as_deref(), Some("\"/x rw, mount, #\""));
        assert_eq!(in_rule("/@{HOME}").as_deref(), Some("\"/\\@\\{HOME\\}\""));
        assert_eq!(in_rule("/a\"b"), None);
        assert_eq!(in_rule("/a\nlxc.hook.pre-start = /x"), None);
        assert_eq!(in_rule(""), None);
    }
}
