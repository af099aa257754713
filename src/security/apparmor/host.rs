//! What AppArmor of this kernel can do, and what is loaded.

use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};
use crate::table;

use super::label::without_mode;

/// Where securityfs usually is.
const SECURITYFS: &str = "/sys/kernel/security";

/// Whether the kernel confines by AppArmor.
pub fn is_enabled() -> bool {
    std::fs::read("/sys/module/apparmor/parameters/enabled")
        .is_ok_and(|flag| flag.starts_with(b"Y"))
}

/// The directory `apparmor` of securityfs, wherever that is mounted.
#[derive(Clone, Debug)]
pub struct Interface {
    dir: PathBuf,
}

impl Interface {
    /// Finds it.
    pub fn find() -> Result<Self> {
        let usual = Path::new(SECURITYFS).join("apparmor");
        if usual.is_dir() {
            return Ok(Self { dir: usual });
        }
        let mounts = table::read("/proc/self/mountinfo").context(|| "cannot read the mounts")?;
        mounts
            .lines()
            .filter_map(mounted_securityfs)
            .map(|path| path.join("apparmor"))
            .find(|dir| dir.is_dir())
            .map(|dir| Self { dir })
            .ok_or_else(|| {
                Error::new("AppArmor is on, but its files are not there: securityfs is not mounted")
            })
    }

    /// Whether profiles can be stacked, and have namespaces.
    pub fn can_stack(&self) -> bool {
        self.says("features/domain/stack", "yes") && self.dir.join("policy/namespaces").is_dir()
    }

    /// Whether mounts are controlled.
    pub fn controls_mounts(&self) -> bool {
        self.dir.join("features/mount/mask").exists()
    }

    /// Whether a profile of this name is loaded; `None` if this process is not told.
    pub fn has(&self, profile: &str) -> Option<bool> {
        let loaded = table::read(self.dir.join("profiles")).ok()?;
        Some(loaded.lines().any(|line| without_mode(line) == profile))
    }

    /// Loads a compiled profile, in place of one of its name.
    pub fn load(&self, compiled: &[u8]) -> std::io::Result<()> {
        // The kernel takes it in one write or not at all.
        write_once(&self.dir.join(".replace"), compiled)
    }

    /// Unloads the profile of this name, if there is one.
    pub fn unload(&self, profile: &str) -> std::io::Result<()> {
        match write_once(&self.dir.join(".remove"), profile.as_bytes()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Makes the policy namespace of this name, unless it is there.
    pub fn make_namespace(&self, name: &str) -> std::io::Result<()> {
        match std::fs::create_dir(self.namespace(name)) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        }
    }

    /// Removes a policy namespace with all that was loaded into it.
    pub fn remove_namespace(&self, name: &str) -> std::io::Result<()> {
        match std::fs::remove_dir(self.namespace(name)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Whether there is a policy namespace of this name.
    pub fn has_namespace(&self, name: &str) -> bool {
        self.namespace(name).exists()
    }

    fn namespace(&self, name: &str) -> PathBuf {
        self.dir.join("policy/namespaces").join(name)
    }

    fn says(&self, file: &str, word: &str) -> bool {
        std::fs::read_to_string(self.dir.join(file)).is_ok_and(|text| text.trim() == word)
    }
}

fn write_once(path: &Path, data: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let written = std::fs::File::options().write(true).open(path)?.write(data)?;
    if written == data.len() { Ok(()) } else { Err(std::io::ErrorKind::WriteZero.into()) }
}

/// Where this line of mountinfo (proc_pid_mountinfo(5)) has securityfs mounted.
fn mounted_securityfs(line: &str) -> Option<PathBuf> {
    let (mount, source) = line.split_once(" - ")?;
    (source.split(' ').next()? == "securityfs")
        .then(|| mount.split(' ').nth(4))?
        .map(|path| PathBuf::from(table::unescape(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn securityfs_is_found_where_it_is_mounted() {
        let line = r"28 22 0:7 / /my\040sys rw,nosuid shared:8 - securityfs securityfs rw";
        assert_eq!(mounted_securityfs(line), Some(PathBuf::from("/my sys")));
        assert_eq!(mounted_securityfs("28 22 0:7 / /sys rw - sysfs sysfs rw"), None);
    }
}
