//! The manual page lxc.container.conf(5), made from the registry.

use roff::{Inline, Roff, bold, italic, roman};

use super::{key, legacy};

/// The rules of the language, a paragraph each.
const LANGUAGE: [&str; 7] = [
    "A line sets one key: its name, an equals sign, its value. Blanks around both are left out. A \
     value reaches to the end of its line; it does not go on behind a backslash.",
    "A line whose first character that is no blank is a # is a comment. Behind a value it is a \
     part of the value.",
    "A pair of equal quotes around the value, single or double, is taken off. There are no escapes.",
    "A line that does not begin with lxc. says nothing; lxc-rs check points at it.",
    "A key that is set again takes the last value; one that is called a list below collects its \
     values in order. An empty value clears the key and all that it has collected; of a family, \
     such as lxc.sysctl, or of all links with lxc.net, it clears everything.",
    "The keys of a link carry its index, lxc.net.0 and so on, in any order, with gaps if need be.",
    "An error does not end the reading: all of them are told, with their lines and columns.",
];

/// The page in roff.
pub fn page() -> String {
    let mut page = Roff::new();
    let version = concat!("lxc-rs ", env!("CARGO_PKG_VERSION"));
    page.control("TH", ["LXC.CONTAINER.CONF", "5", "", version, "Configuration of containers"]);
    section(&mut page, "Name");
    page.text([roman("lxc.container.conf - configuration file of a container")]);
    section(&mut page, "Description");
    page.text([
        roman("Each container is described by the file "),
        italic("LXCPATH/NAME/config"),
        roman(". A new one begins as a copy of "),
        italic("/etc/lxc/default.conf"),
        roman(". "),
        bold("lxc-rs check"),
        roman(" tells what is wrong with such a file without starting anything."),
    ]);
    section(&mut page, "Language");
    for paragraph in LANGUAGE {
        page.control("PP", []).text([roman(paragraph)]);
    }
    entry(&mut page, "lxc.include", "PATH");
    page.text([roman(
        "Reads another file at this place; of a directory all files whose names end in .conf, in \
         the order of their names. A directory written with a slash at its end need not be there.",
    )]);
    for (title, keys) in key::by_subject() {
        section(&mut page, title);
        for key in *keys {
            entry(&mut page, key.name, &key.form.to_string());
            page.text([roman(sentence(key))]);
            let example = key.sample();
            if !example.is_empty() {
                page.control("br", []).text([roman("Example: "), italic(example_line(key))]);
            }
        }
    }
    section(&mut page, "Names before LXC 2.1");
    page.text([
        roman("Files with the old names are refused; "),
        bold("lxc-update-config"),
        roman(" rewrites them."),
    ]);
    for (old, new) in legacy::renamed() {
        page.control("TP", []).text([bold(*old)]).text([roman(*new)]);
    }
    section(&mut page, "See also");
    let others = ["lxc(7)", "lxc.conf(5)", "lxc-start(1)", "lxc-info(1)", "lxc-update-config(1)"];
    page.text(
        others.join(", ").split(' ').map(|word| roman(format!("{word} "))).collect::<Vec<Inline>>(),
    );
    page.render()
}

fn section(page: &mut Roff, title: &str) {
    page.control("SH", [title.to_uppercase().as_str()]);
}

fn entry(page: &mut Roff, name: &str, form: &str) {
    page.control("TP", []).text([bold(name), roman(" = "), italic(form)]);
}

/// What a row says about its key.
fn sentence(key: &key::Key) -> String {
    let mut text = format!("{}.", key.help);
    if key.is_list {
        text.push_str(" A list.");
    }
    if !key.default.is_empty() {
        text.push_str(&format!(" Default: {}.", key.default));
    }
    if let Some(command) = key.live {
        text.push_str(&format!(" {command}(1) changes it while the container runs."));
    }
    if key.since != "2.1" {
        text.push_str(&format!(" Since LXC {}.", key.since));
    }
    text
}

/// A line that sets the key.
pub fn example_line(key: &key::Key) -> String {
    match key.name.strip_suffix(".*") {
        Some(stem) => format!("{stem}.{}", key.sample()),
        None => format!("{} = {}", key.name.replace(".N.", ".0."), key.sample()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_in_the_manual() {
        let page = page();
        for key in key::all() {
            let entry = Roff::new().text([roman(sentence(key))]).render();
            let last = entry.trim().lines().last().unwrap_or_default();
            assert!(!last.is_empty() && page.contains(last), "{}: {last}", key.name);
        }
    }

    #[test]
    fn every_key_has_an_example_that_it_takes() {
        for key in key::all().filter(|key| key.form.to_string() != "(empty)") {
            let line = example_line(key);
            assert!(!key.sample().is_empty(), "{}", key.name);
            let kind = ["veth", "vlan", "macvlan", "ipvlan"]
                .into_iter()
                .find(|kind| key.name.starts_with(&format!("lxc.net.N.{kind}.")));
            let text = match kind {
                Some(kind) => format!("lxc.net.0.type = {kind}\n{line}\n"),
                None => format!("{line}\n"),
            };
            let parsed = super::super::Document::parse(text, "example");
            assert!(parsed.is_ok(), "{}", parsed.unwrap_err());
        }
    }
}
