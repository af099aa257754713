//! Records of SELinux.

use super::record::Record;
use super::text::kernel_word;
use super::{Effect, Line, Meaning, Place, Source};

/// What `record` says. No line of a container's configuration allows a single access: the policy does.
pub fn meaning(record: &Record) -> Option<Meaning> {
    let class = kernel_word(record.get("tclass")?)?;
    let permissions = record.get("permissions")?;
    let (source, target) = (kind(record.get("scontext")?)?, kind(record.get("tcontext")?)?);
    let name = record.get("path").or_else(|| record.get("name")).map(super::text::shown);
    let on = name.map(|name| format!(" {name}")).unwrap_or_default();
    let what = format!("{permissions} of {class}{on} ({source} to {target})");
    let target = if source == target { "self" } else { target };
    let rule = format!("allow {source} {target}:{class} {{ {permissions} }};");
    let is_logged = record.get("permissive") == Some("1");
    Some(Meaning {
        source: Source::SeLinux,
        effect: if is_logged { Effect::Logged } else { Effect::Refused },
        what,
        allow: vec![Line {
            place: Place::Policy,
            remove: false,
            file: None,
            number: None,
            text: rule,
        }],
        note: Some("or another context: lxc.selinux.context".into()),
    })
}

/// The type in a context `USER:ROLE:TYPE[:LEVEL]`.
fn kind(context: &str) -> Option<&str> {
    kernel_word(context.split(':').nth(2)?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::record::Raw;
    use super::*;

    #[test]
    fn an_access_leads_to_a_rule_of_the_policy() {
        let line = "audit: type=1400 audit(1.000:2): avc:  denied  { read open } for  pid=7 \
             comm=\"x\" name=612062 dev=\"sda\" ino=1 scontext=system_u:system_r:container_t:s0:c1 \
             tcontext=system_u:object_r:etc_t:s0 tclass=file permissive=0";
        let meaning =
            meaning(&Raw::of_kernel(line).unwrap().read(Duration::ZERO).unwrap()).unwrap();
        assert_eq!(meaning.what, "read open of file a b (container_t to etc_t)");
        assert_eq!(meaning.allow[0].text, "allow container_t etc_t:file { read open };");
        assert_eq!(meaning.effect, Effect::Refused);
        let permissive = line.replace("permissive=0", "permissive=1");
        let record = Raw::of_kernel(&permissive).unwrap().read(Duration::ZERO).unwrap();
        assert_eq!(super::meaning(&record).unwrap().effect, Effect::Logged);
    }
}
