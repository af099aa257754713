//! Records of AppArmor profiles (kernel: security/apparmor; apparmor.d(5) for the rules).

use super::record::Record;
use super::text::{in_rule, kernel_word, shown};
use super::{Effect, Line, Meaning, Source, Subject};

/// What was denied, and the rule of a profile that would allow it.
struct Access {
    what: String,
    /// Without the comma at its end; `None` if there is none that means only this.
    rule: Option<String>,
    /// Whether containers that run containers do this.
    is_nesting: bool,
}

/// What `record` says.
pub fn meaning(record: &Record, subject: &Subject) -> Option<Meaning> {
    let effect = match record.get("apparmor")? {
        "DENIED" => Effect::Refused,
        // A profile in complain mode.
        "ALLOWED" => Effect::Logged,
        _ => return None,
    };
    let Access { what, rule, is_nesting } = access(record)?;
    let settings = &subject.config.apparmor;
    let mut note = rule.is_none().then(|| "no rule names only this: see apparmor.d(5)".to_owned());
    let mut allow = Vec::new();
    if let Some(rule) = rule {
        // Other profiles take no rules from a configuration.
        match settings.profile.as_deref() {
            Some("generated") => {}
            None => allow.push(Line::add("lxc.apparmor.profile = generated")),
            Some(name) => {
                allow.push(Line::add("lxc.apparmor.profile = generated"));
                note = Some(format!("or the rule in the profile {}", shown(name)));
            }
        }
        if is_nesting && !settings.allow_nesting {
            let nesting = "lxc.apparmor.allow_nesting = 1 is for containers that run containers";
            note = Some(note.map_or_else(|| nesting.into(), |note| format!("{note}; {nesting}")));
        }
        allow.push(Line::add(format!("lxc.apparmor.raw = {rule},")));
    }
    Some(Meaning { source: Source::AppArmor, effect, what, allow, note })
}

fn access(record: &Record) -> Option<Access> {
    let operation = kernel_word(record.get("operation")?)?;
    let class = record.get("class").unwrap_or_default();
    Some(match operation {
        "mount" | "umount" | "pivotroot" | "remount" => mount(operation, record),
        "capable" => {
            let name = kernel_word(record.get("capname")?)?;
            plain(format!("capability {name}"), Some(format!("capability {name}")))
        }
        "ptrace" => peer("ptrace", record, None),
        "signal" => peer("signal", record, record.get("signal").and_then(kernel_word)),
        "userns_create" => nesting("new user namespace".into(), Some("userns".into())),
        "change_profile" | "change_onexec" | "change_hat" | "stack" | "profile_load"
        | "profile_replace" | "profile_remove" => nesting(profile(operation, record), None),
        _ if record.get("family").is_some() || class == "net" => network(operation, record),
        _ if record.get("name").is_some() && record.get("denied_mask").is_some() => {
            file(operation, record)
        }
        _ => plain(operation.replace('_', " "), None),
    })
}

fn plain(what: String, rule: Option<String>) -> Access {
    Access { what, rule, is_nesting: false }
}

fn nesting(what: String, rule: Option<String>) -> Access {
    Access { what, rule, is_nesting: true }
}

fn profile(operation: &str, record: &Record) -> String {
    let target = record.get("target").or_else(|| record.get("name")).map(shown);
    format!("{} {}", operation.replace('_', " "), target.unwrap_or_default()).trim_end().to_owned()
}

fn mount(operation: &str, record: &Record) -> Access {
    let get = |name| record.get(name).filter(|value| !value.is_empty());
    let (target, source) = (get("name"), get("srcname"));
    let kind = get("fstype");
    let options = get("flags");
    let seen = |word: &str, value: Option<&str>| {
        value.map(|value| format!("{word}{}", shown(value))).unwrap_or_default()
    };
    let verb = match operation {
        "umount" => "umount",
        "pivotroot" => "pivot_root",
        _ => "mount",
    };
    let mut what = verb.to_owned();
    if verb == "mount" {
        what += &seen(" of ", kind);
        what += &seen(" from ", source);
    }
    what += &seen(" on ", target);
    what += &options.map(|options| format!(" ({})", shown(options))).unwrap_or_default();
    let rule = || {
        let mut rule = verb.to_owned();
        if let Some(kind) = kind.filter(|_| verb == "mount") {
            rule += &format!(" fstype={}", kernel_word(kind)?);
        }
        if let Some(options) = options.filter(|_| verb == "mount") {
            let words: Option<Vec<_>> = options.split(", ").map(kernel_word).collect();
            rule += &format!(" options=({})", words?.join(", "));
        }
        if let Some(source) = source {
            rule += if verb == "pivot_root" { " oldroot=" } else { " " };
            rule += &in_rule(source)?;
        }
        if let Some(target) = target {
            rule += if verb == "mount" { " -> " } else { " " };
            rule += &in_rule(target)?;
        }
        Some(rule)
    };
    nesting(what, rule())
}

/// A record about another process: `ptrace`, `signal`.
fn peer(verb: &str, record: &Record, signal: Option<&str>) -> Access {
    let mask = record.get("denied_mask").and_then(kernel_word);
    let of = signal.map(|signal| format!(" {signal}")).unwrap_or_default();
    let peer = record.get("peer");
    let on = peer.map(|peer| format!(" with {}", shown(peer))).unwrap_or_default();
    let what = format!("{verb}{of} ({}){on}", mask.unwrap_or("unknown"));
    let rule = mask.zip(peer).and_then(|(mask, peer)| {
        let set = signal.map(|signal| format!(" set=({signal})")).unwrap_or_default();
        Some(format!("{verb} ({mask}){set} peer={}", in_rule(peer)?))
    });
    nesting(what, rule)
}

fn network(operation: &str, record: &Record) -> Access {
    let word = |name| record.get(name).and_then(kernel_word);
    let (family, kind) = (word("family"), word("sock_type"));
    let mask = word("denied_mask").unwrap_or(operation);
    let what = format!("socket {} {} ({mask})", family.unwrap_or("?"), kind.unwrap_or("?"));
    let rule = match (family, kind) {
        (Some("unix"), Some(kind)) => Some(format!("unix type={kind}")),
        (Some(family), Some(kind)) => Some(format!("network {family} {kind}")),
        _ => None,
    };
    plain(what, rule)
}

fn file(operation: &str, record: &Record) -> Access {
    let name = record.get("name").unwrap_or_default();
    let mask = record.get("denied_mask").unwrap_or_default();
    let what = format!("{} of {} ({})", operation.replace('_', " "), shown(name), shown(mask));
    // Making and removing are writing to a rule (apparmor.d(5), "File Access Mode").
    let letter = |letter: char| match letter {
        'r' | 'w' | 'a' | 'k' | 'l' | 'm' => Some(letter),
        'c' | 'd' => Some('w'),
        'x' => Some('x'),
        _ => None,
    };
    let letters: Option<Vec<char>> = mask.chars().map(letter).collect();
    let rule = letters.filter(|letters| !letters.is_empty()).and_then(|mut letters| {
        letters.sort_unstable();
        letters.dedup();
        // Appending is part of writing.
        if letters.contains(&'w') {
            letters.retain(|letter| *letter != 'a');
        }
        let mask: String = letters.iter().collect();
        Some(format!("{} {}", in_rule(name)?, mask.replace('x', "ix")))
    });
    plain(what, rule.filter(|_| name.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::record::Raw;
    use super::*;

    fn accessed(body: &str) -> (String, Option<String>) {
        let line = format!("audit: type=1400 audit(1.000:2): apparmor=\"DENIED\" {body}");
        let record = Raw::of_kernel(&line).unwrap().read(Duration::ZERO).unwrap();
        let access = access(&record).unwrap();
        (access.what, access.rule)
    }

    #[test]
    fn a_record_leads_to_its_rule() {
        for (body, what, rule) in [
            (
                "operation=\"mount\" class=\"mount\" info=\"failed flags match\" error=-13 \
                 profile=\"lxc-container-default-cgns\" name=\"/mnt/\" pid=812 comm=\"mount\" \
                 fstype=\"proc\" srcname=\"proc\" flags=\"rw, nosuid\"",
                "mount of proc from proc on /mnt/ (rw, nosuid)",
                "mount fstype=proc options=(rw, nosuid) proc -> /mnt/",
            ),
            (
                "operation=\"umount\" profile=\"p\" name=\"/proc/\" pid=8 comm=\"umount\"",
                "umount on /proc/",
                "umount /proc/",
            ),
            (
                "operation=\"pivotroot\" profile=\"p\" name=\"/a/\" srcname=\"/a/old/\" pid=8",
                "pivot_root on /a/",
                "pivot_root oldroot=/a/old/ /a/",
            ),
            (
                "operation=\"capable\" profile=\"p\" pid=8 comm=\"x\" capability=21  capname=\"sys_admin\"",
                "capability sys_admin",
                "capability sys_admin",
            ),
            (
                "operation=\"signal\" profile=\"p\" pid=8 comm=\"x\" requested_mask=\"send\" \
                 denied_mask=\"send\" signal=term peer=\"unconfined\"",
                "signal term (send) with unconfined",
                "signal (send) set=(term) peer=unconfined",
            ),
            (
                "operation=\"create\" class=\"net\" profile=\"p\" pid=8 comm=\"x\" family=\"inet\" \
                 sock_type=\"dgram\" protocol=17 requested_mask=\"create\" denied_mask=\"create\"",
                "socket inet dgram (create)",
                "network inet dgram",
            ),
            (
                "operation=\"open\" class=\"file\" profile=\"p\" name=\"/proc/sys/kernel/x\" pid=8 \
                 comm=\"sh\" requested_mask=\"wac\" denied_mask=\"wac\" fsuid=0 ouid=0",
                "open of /proc/sys/kernel/x (wac)",
                "/proc/sys/kernel/x w",
            ),
            (
                "operation=\"exec\" class=\"file\" profile=\"p\" name=2F612062 pid=8 comm=\"sh\" \
                 requested_mask=\"rx\" denied_mask=\"rx\" fsuid=0 ouid=0",
                "exec of /a b (rx)",
                "\"/a b\" rix",
            ),
        ] {
            assert_eq!(accessed(body), (what.to_owned(), Some(rule.to_owned())), "{body}");
        }
    }

    #[test]
    fn a_hostile_name_becomes_no_rule() {
        // A newline, and a quote.
        for name in ["2F610A6C7863", "2F612220727765"] {
            let (what, rule) = accessed(&format!(
                "operation=\"open\" profile=\"p\" name={name} pid=8 comm=\"sh\" \
                 requested_mask=\"r\" denied_mask=\"r\" fsuid=0 ouid=0"
            ));
            assert_eq!(rule, None);
            assert!(!what.contains('\n'), "{what}");
        }
        let (_, rule) = accessed(
            "operation=\"mount\" profile=\"p\" name=\"/mnt/\" pid=1 fstype=\"proc,\" flags=\"rw\"",
        );
        assert_eq!(rule, None);
    }
}
