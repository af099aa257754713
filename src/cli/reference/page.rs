//! A manual page: its title, and its text in roff.

use jiff::Timestamp;
use roff::{Inline, Roff, bold, italic, roman};

/// A manual page.
pub(super) struct Page {
    /// Its name, `lxc-start`.
    pub name: String,
    /// The section of the manual it belongs to.
    pub section: u8,
    /// Whether nothing stands below the last heading yet.
    fresh: bool,
    /// All after the title.
    body: Roff,
}

impl Page {
    /// An empty page with its NAME section.
    pub fn new(name: &str, section: u8, about: &str) -> Self {
        let mut page = Self { name: name.to_owned(), section, fresh: true, body: Roff::new() };
        page.heading("NAME");
        page.body.text([roman(format!("{name} - {about}"))]);
        page
    }

    /// The name of its file.
    pub fn file_name(&self) -> String {
        format!("{}.{}", self.name, self.section)
    }

    /// A section's heading.
    pub fn heading(&mut self, title: &str) -> &mut Self {
        self.fresh = true;
        self.body.control("SH", [title]);
        self
    }

    /// A heading within a section.
    pub fn subheading(&mut self, title: &str) -> &mut Self {
        self.fresh = true;
        self.body.control("SS", [title]);
        self
    }

    /// A line of its own: a way to call a command.
    pub fn form(&mut self, form: Vec<Inline>) -> &mut Self {
        if !std::mem::take(&mut self.fresh) {
            self.body.control("br", []);
        }
        self.body.text(form);
        self
    }

    /// Begins a paragraph; the first one below a heading is there already.
    fn paragraph(&mut self) {
        if !std::mem::take(&mut self.fresh) {
            self.body.control("PP", []);
        }
    }

    /// Paragraphs; in them `*x*` is bold, `_x_` is slanted.
    pub fn paragraphs(&mut self, texts: &[&str]) -> &mut Self {
        for text in texts {
            self.paragraph();
            self.body.text(inlines(text));
        }
        self
    }

    /// A term, and what is to be said of it.
    pub fn item(&mut self, term: &str, text: &str) -> &mut Self {
        self.term(inlines(term), text)
    }

    /// The same for a term with fonts of its own.
    pub fn term(&mut self, term: Vec<Inline>, text: &str) -> &mut Self {
        self.fresh = false;
        self.body.control("TP", []).text(term);
        self.body.text(inlines(text));
        self
    }

    /// Lines as they stand, indented.
    pub fn verbatim(&mut self, text: &str) -> &mut Self {
        self.paragraph();
        self.body.control("RS", ["4"]).control("nf", []);
        for line in text.lines() {
            self.body.text([roman(line)]);
        }
        self.body.control("fi", []).control("RE", []);
        self
    }

    /// Other pages, by name and section, separated by commas.
    pub fn see_also(&mut self, pages: &[(String, u8)]) -> &mut Self {
        self.heading("SEE ALSO");
        for (index, (name, section)) in pages.iter().enumerate() {
            let comma = if index + 1 < pages.len() { "," } else { "" };
            self.body.text([bold(name), roman(format!("({section}){comma}"))]);
        }
        self
    }

    /// The page as roff(7).
    pub fn render(&self) -> String {
        let section = self.section.to_string();
        let date = date();
        let source = format!("lxc-rs {}", crate::version::OWN);
        let title = self.name.to_uppercase();
        let mut page = Roff::new();
        page.control("TH", [title.as_str(), &section, &date, &source, "LXC containers"]);
        // The preamble that defines the apostrophe stands once.
        let preamble = Roff::new().render();
        let body = self.body.render();
        page.render() + body.strip_prefix(preamble.as_str()).unwrap_or(&body)
    }
}

/// The day in `SOURCE_DATE_EPOCH`, which makes builds repeatable; else today.
fn date() -> String {
    let epoch = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse().ok());
    let fixed = epoch.and_then(|seconds| Timestamp::from_second(seconds).ok());
    fixed.unwrap_or_else(Timestamp::now).strftime("%Y-%m-%d").to_string()
}

/// Splits at the marks for bold and slanted text. A mark opens at the start of a word only, so that
/// `lxc.cgroup2.*` and `snake_case` stay what they are.
pub(super) fn inlines(text: &str) -> Vec<Inline> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(mark) = rest.chars().next() {
        let opens = matches!(mark, '*' | '_')
            && plain
                .chars()
                .next_back()
                .is_none_or(|before| !before.is_alphanumeric() && before != '.');
        let marked = opens.then(|| marked(rest, mark)).flatten();
        if let Some((inside, after)) = marked {
            if !plain.is_empty() {
                parts.push(roman(std::mem::take(&mut plain)));
            }
            parts.push(if mark == '*' { bold(inside) } else { italic(inside) });
            rest = after;
        } else {
            plain.push(mark);
            rest = &rest[mark.len_utf8()..];
        }
    }
    if !plain.is_empty() {
        parts.push(roman(plain));
    }
    parts
}

/// The text between a mark at the start of `text` and the next one that ends a word, and what follows.
fn marked(text: &str, mark: char) -> Option<(&str, &str)> {
    let inside = &text[mark.len_utf8()..];
    if inside.starts_with([' ', mark]) {
        return None;
    }
    let ends = inside.match_indices(mark).map(|(at, _)| at);
    let end = ends.into_iter().find(|at| {
        let after = inside[at + mark.len_utf8()..].chars().next();
        // Two marks at an end: the first one is a sign of the text.
        after.is_none_or(|next| !next.is_alphanumeric() && next != mark)
            && !inside[..*at].ends_with(' ')
    })?;
    Some((&inside[..end], &inside[end + mark.len_utf8()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_fonts_and_other_signs_stay() {
        assert_eq!(
            inlines("set *lxc.net.N.link* to _BRIDGE_, not 2*3"),
            [
                roman("set "),
                bold("lxc.net.N.link"),
                roman(" to "),
                italic("BRIDGE"),
                roman(", not 2*3")
            ]
        );
        assert_eq!(inlines("*lxc.cgroup2.** x"), [bold("lxc.cgroup2.*"), roman(" x")]);
        assert_eq!(inlines("a_b_c"), [roman("a_b_c")]);
        assert_eq!(inlines("10:* rwm"), [roman("10:* rwm")]);
    }

    #[test]
    fn a_page_has_its_title_once() {
        let mut page = Page::new("lxc-x", 1, "do a thing");
        page.heading("DESCRIPTION").paragraphs(&["One's text.", "Another."]);
        let text = page.render();
        assert_eq!(text.matches(".TH ").count(), 1);
        assert!(text.contains("lxc\\-x \\- do a thing\n"), "{text}");
        assert!(text.contains("One\\*(Aqs text.\n.PP\nAnother.\n"), "{text}");
        assert_eq!(text.matches(".ie ").count(), 1, "{text}");
    }
}
