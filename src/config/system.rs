//! The system configuration, `lxc.conf` (lxc.system.conf(5)): lines `key = value`. The first line of a
//! key counts; a `#` at a line's start comments; every other line says nothing.

use crate::error::{Context, Result};
use crate::paths;

/// What the system configuration says.
#[derive(Clone, Debug, Default)]
pub struct SystemConfig {
    /// Keys and values, in the order of their lines.
    lines: Vec<(String, String)>,
}

impl SystemConfig {
    /// Reads the configuration of this user; there need not be one.
    pub fn load() -> Result<Self> {
        let path = paths::system_config();
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Self::parse(&String::from_utf8_lossy(&bytes))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).context(|| format!("cannot read {}", path.display())),
        }
    }

    fn parse(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let pair = |line: &str| {
            let (key, value) = line.split_once('=')?;
            Some((key.trim().to_owned(), value.trim().to_owned()))
        };
        Self { lines: lines.filter_map(pair).collect() }
    }

    /// The value of `key` as the file sets it, else its default; `None` if it has none.
    pub fn get(&self, key: &str) -> Option<String> {
        let set = self.lines.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        let set = set.map(|value| match (key, value.strip_suffix('/')) {
            ("lxc.lxcpath", Some(path)) if !path.is_empty() => path.to_owned(),
            _ => value.to_owned(),
        });
        set.filter(|value| !value.is_empty()).or_else(|| match key {
            "lxc.lxcpath" => Some(paths::default_lxcpath().display().to_string()),
            "lxc.default_config" => Some(paths::default_config().display().to_string()),
            "lxc.bdev.lvm.vg"
            | "lxc.bdev.lvm.thin_pool"
            | "lxc.bdev.zfs.root"
            | "lxc.bdev.rbd.rbdpool" => Some("lxc".to_owned()),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `lxc-config lxc.lxcpath` of LXC 5.0.2 prints; no value where that is its default.
    #[test]
    fn lines_are_those_of_lxc() {
        let path = "lxc.lxcpath";
        for (text, wanted) in [
            ("lxc.lxcpath = /a\n", Some("/a")),
            ("lxc.lxcpath=/a", Some("/a")),
            ("lxc.lxcpath = /a/\n", Some("/a")),
            ("  lxc.lxcpath\t=\t/a\n", Some("/a")),
            ("lxc.lxcpath = /a # c\n", Some("/a # c")),
            ("# c\n # c\n\n\tlxc.lxcpath = /a\n", Some("/a")),
            ("; c\nlxc.lxcpath = /a\n", Some("/a")),
            ("lxc.lxcpath = '/a b'\n", Some("'/a b'")),
            ("lxc.lxcpath = /a\r\n", Some("/a")),
            ("lxc.lxcpath = /a\nlxc.lxcpath = /b\n", Some("/a")),
            ("nonsense\nlxc.lxcpath = /a\n", Some("/a")),
            ("[x]\nlxc.lxcpath = /a\n", Some("/a")),
            ("lxc.lxcpath = /a=b;c\n", Some("/a=b;c")),
            ("lxc.lxcpath = /a\\\n/b\n", Some("/a\\")),
            ("lxc.lxcpath : /a\n", None),
            ("lxc.lxcpath /a\n", None),
            ("#lxc.lxcpath = /a\n", None),
            ("lxc.lxcpathx = /a\nxlxc.lxcpath = /a\n", None),
        ] {
            let wanted =
                wanted.map_or_else(|| SystemConfig::default().get(path), |one| Some(one.into()));
            assert_eq!(SystemConfig::parse(text).get(path), wanted, "{text:?}");
        }
        assert_eq!(SystemConfig::parse("\u{feff}lxc.lxcpath = /a\n").get(path), Some("/a".into()));
        assert_eq!(
            SystemConfig::parse("lxc.bdev.lvm.vg =\n").get("lxc.bdev.lvm.vg"),
            Some("lxc".into())
        );
    }
}
