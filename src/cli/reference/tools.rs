//! The page of each command: what it takes comes from its options, what it is for from
//! [`texts`](super::texts).

use clap::Arg;
use clap::builder::ValueRange;
use roff::{bold, italic, roman};

use super::page::{Page, inlines};
use super::texts::{self, Text};
use crate::cli::{TOOLS, Tool, options};

/// Options that every command has; lxc(7) explains them at length.
const SHARED: [&str; 9] =
    ["name", "help", "usage", "version", "quiet", "logfile", "logpriority", "lxcpath", "rcfile"];

pub(super) fn pages() -> impl Iterator<Item = Page> {
    TOOLS.iter().filter_map(|tool| Some(page(tool, texts::find(tool.name)?)))
}

fn page(tool: &Tool, text: &Text) -> Page {
    let name = format!("lxc-{}", tool.name);
    let mut command = options::command(tool);
    command.build();
    let mut page = Page::new(&name, texts::section(tool.name), &lower_first(tool.about));

    page.heading("SYNOPSIS");
    for operands in text.operands {
        let mut form = vec![bold(&name), roman(" [OPTION]... ")];
        form.extend(inlines(operands));
        page.form(form);
    }
    page.heading("DESCRIPTION").paragraphs(text.description);

    let visible = |arg: &&Arg| !arg.is_hide_set() && !arg.is_positional();
    let is_shared = |arg: &&Arg| SHARED.contains(&arg.get_id().as_str());
    let own: Vec<&Arg> =
        command.get_arguments().filter(visible).filter(|arg| !is_shared(arg)).collect();
    if !own.is_empty() {
        page.heading("OPTIONS");
        for arg in own {
            option(&mut page, arg);
        }
    }
    page.heading("COMMON OPTIONS");
    command
        .get_arguments()
        .filter(visible)
        .filter(is_shared)
        .for_each(|arg| option(&mut page, arg));

    page.heading("EXIT STATUS");
    for (code, meaning) in text.exit {
        page.item(&format!("*{code}*"), meaning);
    }
    if !text.examples.is_empty() {
        page.heading("EXAMPLES");
        for (what, lines) in text.examples {
            page.paragraphs(&[what]).verbatim(lines);
        }
    }
    page.see_also(&text.see_also());
    page
}

fn option(page: &mut Page, arg: &Arg) {
    let mut term = Vec::new();
    if let Some(short) = arg.get_short() {
        term.push(bold(format!("-{short}")));
    }
    if let Some(long) = arg.get_long() {
        if !term.is_empty() {
            term.push(roman(", "));
        }
        term.push(bold(format!("--{long}")));
    }
    let range = arg.get_num_args().unwrap_or(ValueRange::EMPTY);
    if range.takes_values() {
        let names = arg.get_value_names().unwrap_or_default().join(" ");
        let (open, close) = if range.min_values() == 0 { ("[=", "]") } else { (" ", "") };
        term.extend([roman(open), italic(names), roman(close)]);
    }
    let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let words: Vec<String> =
        arg.get_possible_values().iter().map(|word| word.get_name().to_owned()).collect();
    if range.takes_values() && !words.is_empty() {
        help += &format!(": {}", words.join(" or "));
    }
    if let Some(default) = arg.get_default_values().first().filter(|_| range.takes_values()) {
        help += &format!(" (default {})", default.to_string_lossy());
    }
    page.term(term, &(help + "."));
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_text_and_every_option_a_help() {
        for tool in TOOLS {
            assert!(
                texts::find(tool.name).is_some(),
                "lxc-{} has no text in src/cli/reference/texts.rs",
                tool.name
            );
            let command = options::command(tool);
            for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
                let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(!help.is_empty(), "lxc-{} --{}: no help", tool.name, arg.get_id());
                assert!(!help.ends_with('.'), "lxc-{} --{}: a full stop", tool.name, arg.get_id());
            }
        }
    }

    #[test]
    fn pages_show_what_the_command_line_takes() {
        let start = TOOLS.iter().find(|tool| tool.name == "start").unwrap();
        let text = page(start, texts::find("start").unwrap()).render();
        for wanted in [
            ".SH SYNOPSIS\n\\fBlxc\\-start\\fR [OPTION]... ",
            "\n\\fB\\-d\\fR, \\fB\\-\\-daemon\\fR\n",
            "\n\\fB\\-s\\fR, \\fB\\-\\-define\\fR \\fIKEY=VAL\\fR\n",
            ".SH \"EXIT STATUS\"\n",
        ] {
            assert!(text.contains(wanted), "{wanted}\nis not in\n{text}");
        }
    }
}
