//! What holds for every key and every value, tried with generated ones.
#![expect(clippy::format_collect, reason = "texts of a few lines")]

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::document::{Document, get};
use super::key::{self, Form, Key};
use super::model::Config;
use crate::storage;

/// Keys that print less than they were told, as LXC's getters do: the kind of storage, the broadcast
/// address and `unix:` are left out.
const SHORTENED: [&str; 3] =
    ["lxc.rootfs.path", "lxc.net.N.ipv4.address", "lxc.seccomp.notify.proxy"];

/// Text that is one line and is not changed by taking blanks and quotes off.
fn text() -> BoxedStrategy<String> {
    "[!-~äé€]([ -~äé€]{0,40}[!-~äé€])?"
        .prop_filter("no quotes around", |text| {
            !(text.len() > 1
                && ['"', '\''].iter().any(|q| text.starts_with(*q) && text.ends_with(*q)))
        })
        .boxed()
}

fn joined(
    words: impl Strategy<Value = Vec<String>> + 'static,
    by: &'static str,
) -> BoxedStrategy<String> {
    words.prop_map(move |words| words.join(by)).boxed()
}

/// A name and its value, for any key.
fn line(key: &'static Key) -> BoxedStrategy<(String, String)> {
    let name = key.name.replacen(".N.", ".0.", 1);
    if let Some(stem) = name.strip_suffix('*') {
        let stem = stem.to_owned();
        let value = if stem == "lxc.prlimit." { limit() } else { text() };
        let rest =
            if stem == "lxc.cgroup." { "x[a-z]{1,8}[.][a-z_]{1,8}" } else { "[a-z_.]{1,16}" };
        let named =
            rest.prop_filter("a name", |rest| !rest.starts_with('.') && !rest.ends_with('.'));
        return (named, value).prop_map(move |(rest, value)| (stem.clone() + &rest, value)).boxed();
    }
    value(key).prop_map(move |value| (name.clone(), value)).boxed()
}

fn value(key: &'static Key) -> BoxedStrategy<String> {
    let words = |words: &'static [&'static str]| {
        let some = subsequence(words.to_vec(), 1..=words.len());
        joined(some.prop_map(|words| words.into_iter().map(str::to_owned).collect()), " ")
    };
    match key.form {
        Form::Flag => select(vec!["0".to_owned(), "1".to_owned()]).boxed(),
        Form::Number => (1..=u32::MAX).prop_map(|number| number.to_string()).boxed(),
        Form::Integer => any::<i32>().prop_map(|number| number.to_string()).boxed(),
        Form::Signal => select(vec!["9", "SIGPWR", "sigterm", "SIGRTMIN+3", "SIGRTMAX-2", "64"])
            .prop_map(str::to_owned)
            .boxed(),
        Form::Size => (0..1_000_000_u32, select(vec!["", " kB", "MB", "kb"]))
            .prop_map(|(number, unit)| format!("{number}{unit}"))
            .boxed(),
        Form::Path => "/[a-zA-Z0-9_./ -]{0,40}[a-z]".boxed(),
        Form::OneOf(known) => select(known.to_vec()).prop_map(str::to_owned).boxed(),
        Form::SomeOf(known) => words(known),
        Form::Command | Form::Text if key.name == "lxc.uts.name" => "[a-z0-9-]{1,64}".boxed(),
        Form::Text if key.name.contains(".N.") => "[a-z0-9]{1,15}".boxed(),
        Form::Command | Form::Text => text(),
        Form::Other(_) => special(key.name),
    }
}

fn limit() -> BoxedStrategy<String> {
    let one = || {
        prop_oneof![
            any::<u64>().prop_map(|number| number.to_string()),
            Just("unlimited".to_owned())
        ]
    };
    prop_oneof![one(), (one(), one()).prop_map(|(soft, hard)| format!("{soft}:{hard}"))].boxed()
}

fn choice(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(words.to_vec()).prop_map(str::to_owned)
}

fn special(name: &'static str) -> BoxedStrategy<String> {
    let capabilities = || {
        joined(proptest::collection::vec(choice(&["kill", "sys_admin", "21", "chown"]), 1..4), " ")
    };
    match name {
        "lxc.arch" => choice(&["x86_64", "i686", "arm64", "armhf", "x32"]).boxed(),
        "lxc.init.groups" => {
            joined(proptest::collection::vec(any::<u32>().prop_map(|id| id.to_string()), 1..4), ",")
        }
        "lxc.group" => joined(proptest::collection::vec("[a-z]{1,8}", 1..4), " "),
        "lxc.environment" | "lxc.environment.runtime" | "lxc.environment.hooks" => {
            ("[A-Z_]{1,8}", text()).prop_map(|(name, value)| format!("{name}={value}")).boxed()
        }
        "lxc.console.path" => prop_oneof![Just("none".to_owned()), "/dev/[a-z]{1,9}"].boxed(),
        "lxc.tty.dir" | "lxc.cgroup.dir.container.inner" => "[a-z]{1,9}".boxed(),
        "lxc.rootfs.path" => prop_oneof![
            "((dir|btrfs|loop|lvm|nbd|rbd):)?/[a-z/]{0,20}[a-z]",
            "zfs:[a-z]{1,8}(/[a-z]{1,8}){0,3}",
            "nbd:/[a-z/]{0,20}[a-z]:[1-9]",
            "(overlay|squashfs|erofs):/[a-z]{1,9}(:/[a-z]{1,9}){1,3}",
        ]
        .boxed(),
        "lxc.rootfs.options" => choice(&["ro", "noatime,ro", "idmap=container"]).boxed(),
        "lxc.rootfs.size" => "[1-9][0-9]{0,5} ?([KMGTkmgt](i?B)?)?".boxed(),
        "lxc.mount.entry" => "/[a-z]{1,9} [a-z]{1,9} none bind(,ro)? 0 0".boxed(),
        "lxc.mount.auto" => choice(&[
            "proc",
            "proc:rw sys:ro",
            "cgroup",
            "cgroup-full:ro",
            "sys:mixed cgroup:rw:force",
            "cgroup2:force",
            "shmounts:/a:/b",
            "cgroup:mixed proc:mixed sys:mixed",
        ])
        .boxed(),
        _ if name.starts_with("lxc.net.N.") => of_a_link(name),
        "lxc.idmap" => (select(vec!['u', 'g']), any::<u32>(), any::<u32>(), 1..1000_u32)
            .prop_map(|(kind, inside, outside, count)| {
                format!("{kind} {} {} {count}", inside / 2, outside / 2)
            })
            .boxed(),
        "lxc.time.offset.boot" | "lxc.time.offset.monotonic" => {
            (any::<i32>(), select(vec!["h", " m", "s", "ms", " us", "ns"]))
                .prop_map(|(number, unit)| format!("{}{unit}", number / 1000))
                .boxed()
        }
        "lxc.cgroup.dir"
        | "lxc.cgroup.dir.container"
        | "lxc.cgroup.dir.monitor"
        | "lxc.cgroup.dir.monitor.pivot" => "[a-z]{1,8}(/[a-z.]{1,8}x)?".boxed(),
        "lxc.cap.drop" => capabilities(),
        "lxc.cap.keep" => prop_oneof![capabilities(), Just("none".to_owned())].boxed(),
        "lxc.apparmor.profile" => choice(&["generated", "unconfined", "mine"]).boxed(),
        "lxc.seccomp.notify.proxy" => "unix:/[a-z]{1,12}".boxed(),
        _ if name.starts_with("lxc.namespace.share.") => {
            prop_oneof!["[1-9][0-9]{0,4}", "[a-z]{1,8}"].boxed()
        }
        _ => panic!("{name} has no generator"),
    }
}

fn of_a_link(name: &str) -> BoxedStrategy<String> {
    let ipv4 = || any::<std::net::Ipv4Addr>();
    let ipv6 = || any::<std::net::Ipv6Addr>();
    match name {
        "lxc.net.N.hwaddr" => "([0-9a-f]{2}:){5}[0-9a-f]{2}".boxed(),
        "lxc.net.N.ipv4.address" => (ipv4(), 0..=32_u8, proptest::option::of(ipv4()))
            .prop_map(|(address, prefix, broadcast)| {
                let broadcast = broadcast.map(|one| format!(" {one}")).unwrap_or_default();
                format!("{address}/{prefix}{broadcast}")
            })
            .boxed(),
        "lxc.net.N.veth.ipv4.route" => {
            (ipv4(), 0..=32_u8).prop_map(|(address, prefix)| format!("{address}/{prefix}")).boxed()
        }
        "lxc.net.N.forward" => (
            choice(&["", "tcp:", "udp:127.0.0.1:", "[2001:db8::1]:", "0.0.0.0:"]),
            1..60000_u16,
            1..60000_u16,
            1..100_u16,
        )
            .prop_map(|(host, port, to, more)| {
                format!("{host}{port}-{}->{to}-{}", port + more, to + more)
            })
            .boxed(),
        "lxc.net.N.limit.ingress" | "lxc.net.N.limit.egress" => {
            (12..9999_u32, choice(&["kbit", "Mbit", " gbit"]))
                .prop_map(|(number, unit)| format!("{number}{unit}"))
                .boxed()
        }
        "lxc.net.N.ipv6.address" | "lxc.net.N.veth.ipv6.route" => {
            (ipv6(), 0..=128_u8).prop_map(|(address, prefix)| format!("{address}/{prefix}")).boxed()
        }
        "lxc.net.N.ipv4.gateway" => {
            prop_oneof![choice(&["auto", "dev"]), ipv4().prop_map(|address| address.to_string())]
                .boxed()
        }
        "lxc.net.N.ipv6.gateway" => {
            prop_oneof![choice(&["auto", "dev"]), ipv6().prop_map(|address| address.to_string())]
                .boxed()
        }
        "lxc.net.N.veth.vlan.id" => {
            prop_oneof![Just("none".to_owned()), (0..4095_u16).prop_map(|id| id.to_string())]
                .boxed()
        }
        "lxc.net.N.vlan.id" | "lxc.net.N.veth.vlan.tagged.id" => {
            prop_oneof![(0..4095_u16).prop_map(|id| id.to_string()), "0x[0-9a-e][0-9a-f]{1,2}"]
                .boxed()
        }
        _ => panic!("{name} has no generator"),
    }
}

/// Any key that takes values, with some values.
fn any_key() -> impl Strategy<Value = (&'static Key, Vec<(String, String)>)> {
    let keys: Vec<&'static Key> =
        key::all().filter(|key| key.form != Form::Other("(empty)")).collect();
    select(keys).prop_flat_map(|key| (Just(key), proptest::collection::vec(line(key), 1..4)))
}

/// The line that a key of only one type of link needs before it.
fn before(key: &Key) -> String {
    ["veth", "vlan", "macvlan", "ipvlan"]
        .into_iter()
        .filter(|kind| key.name.starts_with(&format!("lxc.net.N.{kind}.")))
        .map(|kind| format!("lxc.net.0.type = {kind}\n"))
        .collect()
}

fn parse(text: &str) -> Config {
    let mut config = Document::parse(text, "f").unwrap_or_else(|e| panic!("{text}{e}")).config;
    config.origins.clear();
    for net in config.net.values_mut() {
        net.origins.retain(|key, _| key == "type");
    }
    config
}

/// What a key reads as, as lines that set it.
fn as_lines(key: &Key, name: &str, config: &Config) -> String {
    let printed = get(config, name).unwrap();
    match key.name {
        // A list on one line.
        "lxc.mount.auto" | "lxc.init.groups" => format!("{name} = {printed}\n"),
        "lxc.cap.keep" if printed.is_empty() => format!("{name} = none\n"),
        _ => printed.lines().map(|value| format!("{name} = {value}\n")).collect(),
    }
}

/// The values alone: lines differ.
fn bare(config: &Config) -> serde_json::Value {
    fn strip(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                map.remove("origin");
                map.remove("origins");
                map.values_mut().for_each(strip);
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut plain = config.clone();
    plain.origins.clear();
    let mut value = serde_json::to_value(&plain).unwrap();
    strip(&mut value);
    value
}

proptest! {
    #[test]
    fn what_is_printed_parses_to_the_same((key, lines) in any_key()) {
        let before = before(key);
        let text: String =
            lines.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        let config = parse(&format!("{before}{text}"));
        let mut names: Vec<&String> = lines.iter().map(|(name, _)| name).collect();
        names.dedup();
        names.sort_unstable();
        names.dedup();
        let unix = if key.name == "lxc.seccomp.notify.proxy" { "unix:" } else { "" };
        let again: String = names
            .iter()
            .map(|name| as_lines(key, name, &config).replace("= ", &format!("= {unix}")))
            .collect();
        if key.is_family() {
            // One name's values stay in order; those of different names do not touch.
            let parsed = parse(&again);
            for name in names {
                prop_assert_eq!(get(&parsed, name).unwrap(), get(&config, name).unwrap());
            }
            return Ok(());
        }
        let parsed = parse(&format!("{before}{again}"));
        prop_assert_eq!(get(&parsed, names[0]).unwrap(), get(&config, names[0]).unwrap());
        if !SHORTENED.contains(&key.name) {
            prop_assert_eq!(bare(&parsed), bare(&config), "{}", again);
        }
    }

    #[test]
    fn a_root_filesystem_is_written_as_it_was_read(value in special("lxc.rootfs.path")) {
        let path = parse(&format!("lxc.rootfs.path = {value}\n")).rootfs.path.unwrap();
        prop_assert!(storage::backend_of(&path).is_ok(), "{}", value);
        prop_assert_eq!(storage::value(&path), value);
    }

    #[test]
    fn an_empty_value_forgets_all((key, lines) in any_key()) {
        // As with LXC, an error.
        prop_assume!(key.name != "lxc.mount.fstab");
        let before = before(key);
        let text: String =
            lines.iter().map(|(name, value)| format!("{name} = {value}\n{name} =\n")).collect();
        let forgotten = parse(&format!("{before}{text}"));
        for (name, _) in &lines {
            let none = parse(&before);
            let wanted = get(&none, name);
            // A link begins to exist with its first key.
            if wanted.is_ok() {
                prop_assert_eq!(get(&forgotten, name).unwrap(), wanted.unwrap());
            }
        }
    }

    #[test]
    fn a_file_that_is_not_changed_is_saved_as_it_is(text in "(?s)([ -~\\n\\r\\tä#=]|lxc[.]){0,200}") {
        if let Ok(document) = Document::parse(&text, "f") {
            prop_assert_eq!(document.text(), text.as_bytes());
        }
    }

    #[test]
    fn a_change_leaves_other_lines_alone((_, lines) in any_key(), comment in "# [ -~]{0,20}") {
        let text = format!("{comment}\n\nlxc.group = a\r\n  lxc.uts.name = b # c\n");
        let mut document = Document::parse(&text, "f").unwrap();
        let (name, value) = &lines[0];
        if document.set(name, value, "-s").is_ok() {
            let saved = String::from_utf8(document.text().to_vec()).unwrap();
            prop_assert!(saved.starts_with(&text));
            prop_assert_eq!(saved, format!("{text}{name} = {value}\n"));
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Document::parse(&bytes, "f");
        let _ = Document::parse([b"lxc.uts.name = ".as_slice(), &bytes].concat(), "f");
        let _ = super::update(&bytes, "dir", |name| name == "zfs");
    }
}

#[test]
fn every_key_has_a_generator() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for key in key::all().filter(|key| key.form != Form::Other("(empty)")) {
        for _ in 0..20 {
            let (name, value) = line(key).new_tree(&mut runner).unwrap().current();
            let text = format!("{}{name} = {value}\n", before(key));
            assert!(Document::parse(&text, "f").is_ok(), "{text}");
        }
    }
}
