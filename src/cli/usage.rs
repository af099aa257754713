//! `--help` and `--usage` of the tools.

use clap::{Arg, Command};

/// Heading of a tool's own options in its help.
pub const OWN: &str = "Options";
/// Heading of the options of all tools.
pub const COMMON: &str = "Common options";

/// Where the description of an option begins in the help, after two blanks on either side.
const NAMES_WIDTH: usize = 28;

/// How many options stand in one line of `--usage`.
const PER_LINE: usize = 4;

/// The options in LXC's form of `--usage`: `[-n|--name=NAME]`, an optional value as `[=VALUE]`.
pub fn usage(command: &Command) -> String {
    let options: Vec<String> = command.get_arguments().filter_map(option).collect();
    let lines: Vec<String> = options.chunks(PER_LINE).map(|line| line.join(" ")).collect();
    format!("Usage: {} {}", command.get_bin_name().unwrap_or_default(), lines.join("\n\t"))
}

/// Its own options, then those of all tools, one a line.
pub fn help(command: &mut Command) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut text = format!("{about}\n\n{}\n", command.render_usage());
    for heading in [OWN, COMMON] {
        let lines: Vec<(String, String)> = command
            .get_arguments()
            .filter(|arg| !arg.is_positional() && arg.get_help_heading() == Some(heading))
            .map(|arg| (names(arg), arg.get_help().map(ToString::to_string).unwrap_or_default()))
            .collect();
        if lines.is_empty() {
            continue;
        }
        text.push_str(&format!("\n{heading}:\n"));
        for (names, help) in lines {
            if names.chars().count() > NAMES_WIDTH {
                text.push_str(&format!("  {names}\n  {:NAMES_WIDTH$}  {help}\n", ""));
            } else {
                text.push_str(&format!("  {names:NAMES_WIDTH$}  {help}\n"));
            }
        }
    }
    text
}

fn names(arg: &Arg) -> String {
    let Some(long) = arg.get_long() else {
        let short = arg.get_short().unwrap_or_default();
        return format!("-{short}{}", if arg.get_action().takes_values() { " VALUE" } else { "" });
    };
    let short = arg.get_short().map_or("    ".to_owned(), |short| format!("-{short}, "));
    let value = arg.get_value_names().and_then(<[_]>::first).map(ToString::to_string);
    let value = match value.filter(|_| arg.get_action().takes_values()) {
        None => String::new(),
        Some(value) if arg.is_require_equals_set() => format!("[={value}]"),
        Some(value) => format!("={value}"),
    };
    format!("{short}--{long}{value}")
}

fn option(arg: &Arg) -> Option<String> {
    if arg.is_positional() {
        return None;
    }
    let Some(long) = arg.get_long() else {
        return Some(format!("[{}]", names(arg)));
    };
    let short = arg.get_short().map(|short| format!("-{short}|")).unwrap_or_default();
    let name = long.to_uppercase();
    let value = match arg.get_action().takes_values() {
        false => String::new(),
        true if arg.is_require_equals_set() => format!("[={name}]"),
        true => format!("={name}"),
    };
    Some(format!("[{short}--{long}{value}]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options::flag;

    #[test]
    fn four_options_a_line() {
        let nesting = Arg::new("nesting").long("nesting").num_args(0..=1).require_equals(true);
        let command = Command::new("ls")
            .bin_name("lxc-ls")
            .args([flag("line").short('1'), flag("active"), flag("running"), nesting])
            .arg(Arg::new("groups").long("groups").short('g'));
        assert_eq!(
            usage(&command),
            "Usage: lxc-ls [-1|--line] [--active] [--running] [--nesting[=NESTING]]\n\t\
             [-g|--groups=GROUPS]"
        );
    }
}
