//! Words of a command line that stands in a file.

/// Splits a command line at blanks, with single and double quotes and backslashes as in sh(1).
/// `None` if a quote is not closed.
pub fn split_words(text: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().push(characters.next()?),
            (None, blank) if blank.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::split_words;

    #[test]
    fn commands_are_split_as_a_shell_does() {
        let words = |text| split_words(text).unwrap();
        assert_eq!(words("/bin/sh -c 'echo \"a  b\"'"), ["/bin/sh", "-c", "echo \"a  b\""]);
        assert_eq!(words("a\\ b \"c\\\"d\" ''"), ["a b", "c\"d", ""]);
        assert_eq!(split_words("a 'b"), None);
        assert!(words("  ").is_empty());
    }
}
