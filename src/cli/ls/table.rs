//! The rows of lxc-ls, and its table.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use tabled::builder::Builder;
use tabled::settings::{Alignment, Padding, Style};

use crate::cli::outln;
use crate::network::forward::Active;
use crate::state::State;

/// The text of a cell without a value.
const NONE: &str = "-";

/// A container in the list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Row {
    pub name: String,
    /// The containers that it is in, the outermost first.
    pub parents: Vec<String>,
    /// `None` where this user may not ask for it.
    pub state: Option<State>,
    pub pid: Option<i32>,
    pub ram_bytes: Option<u64>,
    pub swap_bytes: Option<u64>,
    pub autostart: bool,
    pub groups: Vec<String>,
    pub interfaces: Vec<String>,
    pub ipv4: Vec<IpAddr>,
    pub ipv6: Vec<IpAddr>,
    pub unprivileged: bool,
    pub forwards: Vec<Active>,
    /// Whether something about it could not be found out, which has been reported.
    #[serde(skip)]
    pub incomplete: bool,
}

impl Row {
    /// Its name after those of the containers that it is in.
    pub fn path(&self) -> String {
        let names = self.parents.iter().chain([&self.name]);
        names.map(String::as_str).collect::<Vec<_>>().join("/")
    }

    /// Its name in the table: indented after a backslash, as deep as it is nested.
    fn shown(&self) -> String {
        let depth = self.parents.len();
        if depth == 0 { self.name.clone() } else { format!("{:>depth$}{}", "\\", self.name) }
    }
}

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Name,
    State,
    Pid,
    Ram,
    Swap,
    Autostart,
    Groups,
    Interface,
    Ipv4,
    Ipv6,
    Unprivileged,
    Forwards,
}

impl Column {
    pub const ALL: [(&'static str, Self); 12] = [
        ("NAME", Self::Name),
        ("STATE", Self::State),
        ("PID", Self::Pid),
        ("RAM", Self::Ram),
        ("SWAP", Self::Swap),
        ("AUTOSTART", Self::Autostart),
        ("GROUPS", Self::Groups),
        ("INTERFACE", Self::Interface),
        ("IPV4", Self::Ipv4),
        ("IPV6", Self::Ipv6),
        ("UNPRIVILEGED", Self::Unprivileged),
        ("FORWARDS", Self::Forwards),
    ];
    pub const DEFAULT: &'static str = "NAME,STATE,AUTOSTART,GROUPS,IPV4,IPV6,UNPRIVILEGED";

    pub fn parse(word: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(title, _)| title.eq_ignore_ascii_case(word.trim()));
        found.map(|(_, column)| *column)
    }

    pub fn title(self) -> &'static str {
        Self::ALL.iter().find(|(_, column)| *column == self).map_or("", |(title, _)| title)
    }

    fn cell(self, row: &Row) -> String {
        let joined = |words: Vec<String>| {
            if words.is_empty() { NONE.to_owned() } else { words.join(", ") }
        };
        let addresses = |list: &[IpAddr]| joined(list.iter().map(IpAddr::to_string).collect());
        match self {
            Self::Name => row.shown(),
            Self::State => row.state.map_or(NONE.into(), |state| state.to_string()),
            Self::Pid => row.pid.map_or(NONE.into(), |pid| pid.to_string()),
            Self::Ram => mebibytes(row.ram_bytes),
            Self::Swap => mebibytes(row.swap_bytes),
            Self::Autostart => u8::from(row.autostart).to_string(),
            Self::Groups => joined(row.groups.clone()),
            Self::Interface => joined(row.interfaces.clone()),
            Self::Ipv4 => addresses(&row.ipv4),
            Self::Ipv6 => addresses(&row.ipv6),
            Self::Unprivileged => row.unprivileged.to_string(),
            Self::Forwards => joined(row.forwards.iter().map(Active::to_string).collect()),
        }
    }

    /// The cell for programs: what is missing is empty, sizes are bytes.
    pub fn value(self, row: &Row) -> String {
        let number = |number: Option<u64>| number.map(|number| number.to_string());
        match self {
            Self::Ram => number(row.ram_bytes).unwrap_or_default(),
            Self::Swap => number(row.swap_bytes).unwrap_or_default(),
            Self::Name => row.path(),
            _ => Some(self.cell(row)).filter(|cell| cell != "-").unwrap_or_default(),
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Ram | Self::Swap)
    }
}

fn mebibytes(bytes: Option<u64>) -> String {
    bytes.map_or(NONE.into(), |bytes| {
        let hundredths = (u128::from(bytes) * 100 + (1 << 19)) >> 20;
        format!("{}.{:02}MB", hundredths / 100, hundredths % 100)
    })
}

/// Each cell is padded to its column's width, and a blank follows.
pub(super) fn print(rows: &[Row], columns: &[Column]) {
    if rows.is_empty() {
        return;
    }
    let mut builder = Builder::default();
    builder.push_record(columns.iter().map(|column| column.title()));
    for row in rows {
        builder.push_record(columns.iter().map(|column| column.cell(row)));
    }
    let mut table = builder.build();
    table.with(Style::empty()).with(Padding::new(0, 1, 0, 0));
    for (index, column) in columns.iter().enumerate().filter(|(_, column)| column.is_number()) {
        for (line, row) in rows.iter().enumerate() {
            if column.cell(row) != NONE {
                table.modify((line + 1, index), Alignment::right());
            }
        }
    }
    outln!("{table}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_in_any_case() {
        assert_eq!(Column::parse(" ipv4"), Some(Column::Ipv4));
        assert_eq!(Column::parse("nope"), None);
        for (title, column) in Column::ALL {
            assert_eq!(column.title(), title);
        }
        assert_eq!(mebibytes(Some(912_261)), "0.87MB");
        assert_eq!(mebibytes(None), "-");
    }
}
