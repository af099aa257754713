//! The configuration a kernel was built with (kernel: Documentation/kbuild/kconfig.rst).

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use crate::error::{Context, Error, Result};

/// First bytes of a gzip file (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The options that are built in or modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration(BTreeSet<String>);

impl Configuration {
    /// The running kernel's, if it is anywhere.
    pub fn of_running() -> Option<Self> {
        let release = nix::sys::utsname::uname().ok()?.release().to_string_lossy().into_owned();
        let places = [
            "/proc/config.gz".to_owned(),
            format!("/lib/modules/{release}/build/.config"),
            format!("/boot/config-{release}"),
        ];
        places.iter().find_map(|place| Self::read(Path::new(place)).ok())
    }

    /// Reads the file `path`, plain or compressed.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).context(|| {
            format!("unable to retrieve kernel configuration: cannot read {}", path.display())
        })?;
        let mut text = String::new();
        if bytes.starts_with(&GZIP) {
            flate2::read::GzDecoder::new(&bytes[..])
                .read_to_string(&mut text)
                .context(|| format!("cannot decompress {}", path.display()))?;
        } else {
            text = String::from_utf8_lossy(&bytes).into_owned();
        }
        let configuration = Self::parse(&text);
        if configuration.0.is_empty() {
            return Err(Error::new(format!("{} is not a kernel configuration", path.display()))
                .hint("it holds no line such as CONFIG_NAMESPACES=y"));
        }
        Ok(configuration)
    }

    fn parse(text: &str) -> Self {
        let options = text.lines().filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            matches!(value, "y" | "m").then(|| name.strip_prefix("CONFIG_"))?
        });
        Self(options.map(str::to_owned).collect())
    }

    /// Whether the option `symbol`, without `CONFIG_`, is built in or a module.
    pub fn has(&self, symbol: &str) -> bool {
        self.0.contains(symbol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_and_modules_count_and_nothing_else() {
        let text = "# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_C=m\nCONFIG_D=\"y\"\nCONFIG_E=n\n";
        let configuration = Configuration::parse(text);
        let has = |symbol| configuration.has(symbol);
        assert_eq!(["A", "B", "C", "D", "E"].map(has), [false, true, true, false, false]);
    }
}
