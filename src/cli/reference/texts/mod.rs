//! What the manual says of each command beside its options.
//!
//! In texts, `*x*` is bold and `_x_` is slanted.

mod files;
mod host;
mod life;
mod watch;

/// A command's part of the manual.
pub(super) struct Text {
    /// The command after `lxc-`.
    tool: &'static str,
    /// What may stand after the options: a line for each way to call it.
    pub operands: &'static [&'static str],
    /// What it does, by paragraphs.
    pub description: &'static [&'static str],
    /// Exit codes and what each means.
    pub exit: &'static [(&'static str, &'static str)],
    /// What is to be shown, and the lines that show it.
    pub examples: &'static [(&'static str, &'static str)],
    /// Related commands.
    related: &'static [&'static str],
}

/// The section of the manual a command belongs to: 8 for what only the administrator of a host uses.
pub(super) fn section(tool: &str) -> u8 {
    if tool == "net" { 8 } else { 1 }
}

impl Text {
    /// Related pages with their sections.
    pub fn see_also(&self) -> Vec<(String, u8)> {
        let mut pages: Vec<(String, u8)> =
            self.related.iter().map(|tool| (format!("lxc-{tool}"), section(tool))).collect();
        pages.extend([("lxc".into(), 7), ("lxc.container.conf".into(), 5)]);
        pages
    }
}

/// The text of a command.
pub(super) fn find(tool: &str) -> Option<&'static Text> {
    ALL.iter().copied().flatten().find(|text| text.tool == tool)
}

const SUCCESS: (&str, &str) = ("0", "It was done.");
const FAILURE: (&str, &str) = ("1", "It could not be done; standard error says why.");
const DONE: &[(&str, &str)] = &[SUCCESS, FAILURE];

const ALL: [&[Text]; 4] = [files::TEXTS, host::TEXTS, life::TEXTS, watch::TEXTS];
