//! Labels as the kernel writes them: `PROFILE (MODE)`, or several that all apply, `A//&:NAMESPACE:B (MODE)`.

/// A label without the mode that the kernel appends.
pub fn without_mode(label: &str) -> &str {
    let Some((name, mode)) = label.strip_suffix(')').and_then(|text| text.rsplit_once(" (")) else {
        return label;
    };
    // A profile's name may have a parenthesis as well.
    if mode.bytes().all(|byte| byte.is_ascii_lowercase()) { name } else { label }
}

/// One of the profiles of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its policy namespace; `None` for that of the reader.
    pub namespace: Option<&'a str>,
    /// The name of the profile there.
    pub profile: &'a str,
}

/// The profiles of a label without its mode.
pub fn parts(label: &str) -> impl Iterator<Item = Part<'_>> {
    label.split("//&").map(|text| {
        let inside = text.strip_prefix(':').and_then(|text| text.split_once(':'));
        match inside {
            Some((namespace, profile)) => Part {
                namespace: Some(namespace),
                profile: profile.strip_prefix("//").unwrap_or(profile),
            },
            None => Part { namespace: None, profile: text },
        }
    })
}

/// Whether nothing of a label confines.
pub fn is_unconfined(label: &str) -> bool {
    label.is_empty() || parts(label).all(|part| part.profile == "unconfined")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_labels_mode_is_no_part_of_its_name() {
        for (label, name) in [
            ("lxc-container-default-cgns (enforce)", "lxc-container-default-cgns"),
            (
                "lxc-a_</var/lib/lxc>//&:lxc-a_<-var-lib-lxc>:unconfined (mixed)",
                "lxc-a_</var/lib/lxc>//&:lxc-a_<-var-lib-lxc>:unconfined",
            ),
            ("unconfined", "unconfined"),
            ("a (b) (complain)", "a (b)"),
            ("a (B)", "a (B)"),
        ] {
            assert_eq!(without_mode(label), name);
        }
    }

    #[test]
    fn the_profiles_of_a_label_have_namespaces() {
        let part = |namespace, profile| Part { namespace, profile };
        assert_eq!(parts("a").collect::<Vec<_>>(), [part(None, "a")]);
        assert_eq!(
            parts("a//hat//&:ns:b//&:n:://c").collect::<Vec<_>>(),
            [part(None, "a//hat"), part(Some("ns"), "b"), part(Some("n"), "://c")]
        );
        assert_eq!(parts(":ns://b").collect::<Vec<_>>(), [part(Some("ns"), "b")]);
        for (label, unconfined) in [
            ("unconfined", true),
            ("", true),
            (":ns:unconfined", true),
            ("a//&:ns:unconfined", false),
            ("unconfined//&a", false),
        ] {
            assert_eq!(is_unconfined(label), unconfined, "{label}");
        }
    }
}
