//! Capabilities (capabilities(7)): which of them a container may ever have.

use caps::CapSet;

use crate::config::capability;
use crate::config::{Config, Located};
use crate::error::{Error, Result};

/// The capabilities that a container with this configuration may have: bit N for number N. Those
/// that this process cannot pass on are not in it.
pub fn bounding_set(config: &Config) -> Result<u64> {
    let held = held()?;
    match &config.cap_keep {
        Some(keep) if !config.cap_drop.is_empty() => {
            let line = keep.first().or(config.cap_drop.last()).and_then(|one| one.origin.as_ref());
            Err(Error::new("lxc.cap.keep and lxc.cap.drop exclude each other")
                .at(line)
                .hint("remove one of them; an included file may hold the other"))
        }
        Some(keep) => Ok(held & mask(keep)?),
        None => Ok(held & !mask(&config.cap_drop)?),
    }
}

fn mask(names: &[Located<String>]) -> Result<u64> {
    names.iter().try_fold(0, |mask, name| {
        let number = capability(name).ok_or_else(|| {
            Error::new(format!("{} is not a capability", name.value)).at(name.origin.as_ref())
        })?;
        Ok(mask | 1 << number)
    })
}

/// The bounding set of this process.
fn held() -> Result<u64> {
    let set = caps::read(None, CapSet::Bounding)
        .map_err(|error| Error::new(format!("cannot read the capability bounding set: {error}")))?;
    Ok(set.into_iter().fold(0, |mask, capability| mask | capability.bitmask()))
}

/// Drops what is not in `mask` from the bounding set of this process, for good.
pub fn drop_to(mask: u64) -> Result<()> {
    for capability in caps::all() {
        let index = capability.index();
        if mask & capability.bitmask() != 0 {
            continue;
        }
        match caps::has_cap(None, CapSet::Bounding, capability) {
            Ok(false) | Err(_) => {}
            Ok(true) => caps::drop(None, CapSet::Bounding, capability).map_err(|error| {
                Error::new(format!("cannot drop capability {capability} ({index}): {error}"))
            })?,
        }
    }
    Ok(())
}

/// Lets no capability pass through exec by way of the inheritable and ambient sets, whatever the
/// caller's are (CVE-2022-29162).
pub fn inherit_none() -> Result<()> {
    caps::clear(None, CapSet::Inheritable)
        .map_err(|error| Error::new(format!("cannot clear the inheritable capabilities: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(names: &[&str]) -> Vec<Located<String>> {
        names.iter().map(|name| Located::new((*name).to_owned(), None)).collect()
    }

    #[test]
    fn drop_and_keep_exclude_each_other() {
        let mut config = Config { cap_drop: located(&["mknod"]), ..Config::default() };
        let all = bounding_set(&Config::default()).unwrap();
        assert_eq!(bounding_set(&config).unwrap(), all & !(1 << 27));
        config.cap_keep = Some(located(&["chown"]));
        assert!(bounding_set(&config).is_err());
        config.cap_drop.clear();
        assert_eq!(bounding_set(&config).unwrap(), all & 1);
        config.cap_keep = Some(Vec::new());
        assert_eq!(bounding_set(&config).unwrap(), 0);
    }
}
