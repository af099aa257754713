//! Rewriting files with the names of keys before LXC 2.1.

use super::legacy::{Fate, fate};

/// The text with today's names; `None` if it has them already. Comments, order and values stay; a
/// line that is commented out is rewritten as well, one whose key is gone goes. A root filesystem whose
/// storage back-end is not named, by a word that `is_backend`, is of the kind `default_backend`.
pub fn update(
    text: &[u8],
    default_backend: &str,
    is_backend: impl Fn(&str) -> bool,
) -> Option<Vec<u8>> {
    let pieces = || text.split_inclusive(|byte| *byte == b'\n');
    let backend = pieces()
        .filter_map(Line::parse)
        .filter(|line| !line.is_comment() && line.name == "lxc.rootfs.backend")
        .map(|line| line.value().to_owned())
        .next_back();
    let mut links = Links::after(pieces().filter_map(Line::parse));
    let mut changed = false;
    let mut updated = Vec::with_capacity(text.len());
    for raw in pieces() {
        let Some(line) = Line::parse(raw) else {
            updated.extend(raw);
            continue;
        };
        if line.name == "lxc.network.type" {
            links.next();
        }
        match fate(line.name, links.current()) {
            None => updated.extend(raw),
            Some(Fate::Dropped(_)) => changed = true,
            Some(Fate::Renamed(new)) => {
                changed = true;
                let value = match line.name {
                    "lxc.rootfs" => match (backend.as_deref(), named_backend(line.after)) {
                        (None, Some(name)) if is_backend(name) => line.after.to_owned(),
                        (backend, _) => {
                            with_backend(line.after, backend.unwrap_or(default_backend))
                        }
                    },
                    _ => line.after.to_owned(),
                };
                updated.extend(format!("{}{new}{value}", line.before).bytes());
            }
        }
    }
    changed.then_some(updated)
}

/// What may be a back-end before the path in the value of `lxc.rootfs` (with all that surrounds it).
fn named_backend(after: &str) -> Option<&str> {
    let (name, _) = after.split_once('=')?.1.trim_start().split_once(':')?;
    Some(name)
}

/// The value of `lxc.rootfs` (with all that surrounds it) with `backend` before it.
fn with_backend(after: &str, backend: &str) -> String {
    let Some((equals, rest)) = after.split_once('=') else { return after.to_owned() };
    let value = rest.trim_start();
    if value.trim().is_empty() {
        return after.to_owned();
    }
    let blank = &rest[..rest.len() - value.len()];
    format!("{equals}={blank}{backend}:{value}")
}

/// A line with a key, also one that is commented out.
struct Line<'text> {
    /// Blanks, and the signs that make it a comment.
    before: &'text str,
    name: &'text str,
    /// All after the name.
    after: &'text str,
}

impl<'text> Line<'text> {
    fn parse(raw: &'text [u8]) -> Option<Self> {
        let text = str::from_utf8(raw).ok()?;
        let start = text.find(|character: char| !matches!(character, ' ' | '\t' | '#'))?;
        let (before, rest) = text.split_at(start);
        let end = rest.find(['=', ' ', '\t'])?;
        let (name, after) = rest.split_at(end);
        let is_key = name.starts_with("lxc.") && after.trim_start().starts_with('=');
        is_key.then_some(Self { before, name, after })
    }

    fn is_comment(&self) -> bool {
        self.before.contains('#')
    }

    fn value(&self) -> &'text str {
        self.after.trim_start().trim_start_matches('=').trim()
    }
}

/// Counts the links: the old keys had no index, each type began a new one.
struct Links {
    first: u32,
    count: u32,
}

impl Links {
    /// Counts on after the links that have an index already.
    fn after<'text>(lines: impl Iterator<Item = Line<'text>>) -> Self {
        let index = |line: Line<'_>| {
            let rest = line.name.strip_prefix("lxc.net.");
            let rest = rest.or_else(|| line.name.strip_prefix("lxc.network."))?;
            rest.split('.').next()?.parse::<u32>().ok()
        };
        let first = lines.filter_map(index).max().map_or(0, |index| index.saturating_add(1));
        Self { first, count: 0 }
    }

    fn next(&mut self) {
        self.count += 1;
    }

    fn current(&self) -> u32 {
        self.first + self.count.saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update_bytes(text: &[u8]) -> Option<Vec<u8>> {
        update(text, "dir", |name| ["dir", "overlayfs", "zfs"].contains(&name))
    }

    fn updated(text: &str) -> String {
        String::from_utf8(update_bytes(text.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn old_files_get_new_names_and_keep_the_rest() {
        let old = "# lxc.utsname is the hostname\nlxc.utsname=web\n  #lxc.tty = 4\n\n\
            lxc.rootfs = /srv/web\nlxc.rootfs.backend = dir\nlxc.kmsg = 0\n\
            lxc.network.type = veth\nlxc.network.ipv4 = 10.0.0.2/24\n\
            lxc.network.type = empty\nlxc.network.flags = up\nlxc.limit.nofile = 5\n\
            lxc.mount = /etc/f\nlxc.mount.entry = a b c d\nlxc.cgroup.cpu.shares = 5";
        let new = "# lxc.utsname is the hostname\nlxc.uts.name=web\n  #lxc.tty.max = 4\n\n\
            lxc.rootfs.path = dir:/srv/web\n\
            lxc.net.0.type = veth\nlxc.net.0.ipv4.address = 10.0.0.2/24\n\
            lxc.net.1.type = empty\nlxc.net.1.flags = up\nlxc.prlimit.nofile = 5\n\
            lxc.mount.fstab = /etc/f\nlxc.mount.entry = a b c d\nlxc.cgroup.cpu.shares = 5";
        assert_eq!(updated(old), new);
        assert_eq!(update_bytes(new.as_bytes()), None);
    }

    #[test]
    fn indexed_links_and_named_backends_stay() {
        assert_eq!(
            updated("lxc.net.3.type = veth\nlxc.network.type = empty\n"),
            "lxc.net.3.type = veth\nlxc.net.4.type = empty\n"
        );
        assert_eq!(updated("lxc.network.1.link = b\n"), "lxc.net.1.link = b\n");
        let rootfs = |value: &str| updated(&format!("lxc.rootfs = {value}\n"));
        assert_eq!(rootfs("overlayfs:/a:/b"), "lxc.rootfs.path = overlayfs:/a:/b\n");
        assert_eq!(rootfs(""), "lxc.rootfs.path = \n");
        let backend = "lxc.rootfs.backend = zfs\nlxc.rootfs = tank/web\n";
        assert_eq!(updated(backend), "lxc.rootfs.path = zfs:tank/web\n");
    }
}
