//! Where clap's reading of a command line is not getopt_long(3)'s: an optional value of a short option
//! is glued to it (`-eCAP`), and a required one may begin with a hyphen (`-t -1`).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::{Arg, Command};

/// Lets all options of `command` that need a value take the next word, whatever it begins with.
pub fn values_with_hyphens(command: Command) -> Command {
    command.mut_args(|arg| {
        let takes_next = needs_value(&arg);
        if takes_next { arg.allow_hyphen_values(true) } else { arg }
    })
}

/// The words of `args` as clap understands them: `-eCAP` becomes `-e=CAP`.
pub fn glued(command: &Command, args: Vec<OsString>) -> Vec<OsString> {
    let mut words = args.into_iter();
    let mut read = Vec::new();
    while let Some(word) = words.next() {
        if word == "--" {
            read.push(word);
            break;
        }
        let (word, wants_next) = match word.as_bytes() {
            [b'-', b'-', name @ ..] => {
                let wants = long(command, name).is_some_and(needs_value);
                (word, wants)
            }
            [b'-', _, ..] => cluster(command, &word),
            _ => (word, false),
        };
        read.push(word);
        if wants_next {
            read.extend(words.next());
        }
    }
    read.extend(words);
    read
}

/// One word of short options, and whether its last takes the next word as its value.
fn cluster(command: &Command, word: &OsStr) -> (OsString, bool) {
    let bytes = word.as_bytes();
    for (index, letter) in bytes.iter().enumerate().skip(1) {
        let short = char::from(*letter);
        let Some(arg) = command.get_arguments().find(|arg| arg.get_short() == Some(short)) else {
            break;
        };
        let rest = &bytes[index + 1..];
        if needs_value(arg) {
            return (word.to_owned(), rest.is_empty());
        }
        if arg.is_require_equals_set() && !rest.is_empty() && rest[0] != b'=' {
            let glued = [&bytes[..=index], b"=", rest].concat();
            return (OsString::from_vec(glued), false);
        }
    }
    (word.to_owned(), false)
}

/// The option called `name` (without a value after it), or the only one whose name begins with that.
fn long<'a>(command: &'a Command, name: &[u8]) -> Option<&'a Arg> {
    let name = std::str::from_utf8(name).ok()?;
    let exact = command.get_arguments().find(|arg| arg.get_long() == Some(name));
    let begins = |arg: &&Arg| arg.get_long().is_some_and(|long| long.starts_with(name));
    let mut candidates = command.get_arguments().filter(begins);
    exact.or_else(|| candidates.next().filter(|_| candidates.next().is_none()))
}

fn needs_value(arg: &Arg) -> bool {
    !arg.is_positional() && arg.get_action().takes_values() && !arg.is_require_equals_set()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options::flag;

    fn command() -> Command {
        let flag = flag("quiet").short('q');
        let value = Arg::new("timeout").short('t').long("timeout");
        let optional = Arg::new("elevated").short('e').long("elevated");
        let optional = optional.num_args(0..=1).require_equals(true).default_missing_value("all");
        let words = Arg::new("args").num_args(0..);
        values_with_hyphens(Command::new("x").infer_long_args(true))
            .args([flag, value, optional, words])
    }

    #[test]
    fn values_are_found_as_getopt_does() {
        let parse = |line: &str| {
            let mut command = values_with_hyphens(command());
            command.build();
            let words = line.split_whitespace().map(OsString::from).collect();
            let words = glued(&command, words);
            let program = std::iter::once(OsString::from("x"));
            let matches = command.try_get_matches_from(program.chain(words)).unwrap();
            let get = |id: &str| matches.get_one::<String>(id).cloned().unwrap_or_default();
            let args: Vec<String> =
                matches.get_many::<String>("args").into_iter().flatten().cloned().collect();
            (get("timeout"), get("elevated"), args.join(" "))
        };
        let is = |t: &str, e: &str, a: &str| (t.to_owned(), e.to_owned(), a.to_owned());
        assert_eq!(parse("-eCAP a"), is("", "CAP", "a"));
        assert_eq!(parse("-e CAP"), is("", "all", "CAP"));
        assert_eq!(parse("-qeCAP -t -1"), is("-1", "CAP", ""));
        assert_eq!(parse("--elevated=CAP --time -eX b"), is("-eX", "CAP", "b"));
        assert_eq!(parse("-te a -- -eX"), is("e", "", "a -eX"));
        assert_eq!(parse("--timeout=-1 -e"), is("-1", "all", ""));
    }
}
