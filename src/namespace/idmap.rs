//! Id maps of user namespaces (user_namespaces(7)): what the configuration asks for, and how it is
//! written.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::unistd::Pid;

use super::{shape, subid};
use crate::config::{Config, IdKind, IdMap, Located};
use crate::error::{Context, Error, Result};
use crate::programs;

/// The effective id of this process.
pub fn own_id(kind: IdKind) -> u32 {
    match kind {
        IdKind::User => nix::unistd::geteuid().as_raw(),
        IdKind::Group => nix::unistd::getegid().as_raw(),
    }
}

/// The id maps of a container.
#[derive(Clone, Copy, Debug)]
pub struct Ids<'config> {
    maps: &'config [Located<IdMap>],
}

impl<'config> Ids<'config> {
    /// The maps that `config` asks for; none for a container without a user namespace.
    pub fn of(config: &'config Config) -> Self {
        Self::new(&config.idmap)
    }

    /// These maps.
    pub fn new(maps: &'config [Located<IdMap>]) -> Self {
        Self { maps }
    }

    /// The maps themselves.
    pub fn maps(self) -> &'config [Located<IdMap>] {
        self.maps
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.maps.is_empty()
    }

    /// Fails unless the kernel takes them, and they map id 0 inside.
    pub fn check(self) -> Result<()> {
        shape::check(self)
    }

    /// The id on the host of the container's `inside`.
    pub fn to_outside(self, kind: IdKind, inside: u32) -> Option<u32> {
        self.maps.iter().filter(|map| map.kind == kind).find_map(|map| {
            let offset = inside.checked_sub(map.inside)?;
            (offset < map.range).then(|| map.outside.checked_add(offset))?
        })
    }

    /// Whether the container has the host's id `outside`.
    pub fn has_outside(self, kind: IdKind, outside: u32) -> bool {
        let has = |map: &Located<IdMap>| {
            outside.checked_sub(map.outside).is_some_and(|offset| offset < map.range)
        };
        self.lines(kind).any(has)
    }

    /// The container's root on the host: `(0, 0)` without a user namespace.
    pub fn root(self) -> (u32, u32) {
        (
            self.to_outside(IdKind::User, 0).unwrap_or(0),
            self.to_outside(IdKind::Group, 0).unwrap_or(0),
        )
    }

    /// Writes the maps of process `pid`, which has just got a new user namespace.
    ///
    /// Root writes them directly; an ordinary user asks newuidmap(1) and newgidmap(1), which check
    /// /etc/subuid and /etc/subgid, and needs neither to map nothing but the own id.
    pub fn write(self, pid: Pid) -> Result<()> {
        let root = nix::unistd::geteuid().is_root();
        for (kind, file, program) in
            [(IdKind::User, "uid_map", "newuidmap"), (IdKind::Group, "gid_map", "newgidmap")]
        {
            if self.lines(kind).next().is_none() {
                continue;
            }
            if root {
                self.write_direct(pid, kind, file)?;
                continue;
            }
            match programs::find(program, "uidmap") {
                Ok(program) => self.write_by(&program, pid, kind)?,
                Err(_) if self.is_own_id(kind) => {
                    if kind == IdKind::Group {
                        deny_setgroups(pid)?;
                    }
                    self.write_direct(pid, kind, file)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether they map one id only, the caller's own.
    fn is_own_id(self, kind: IdKind) -> bool {
        let mut lines = self.lines(kind);
        lines.next().is_some_and(|map| map.outside == own_id(kind) && map.range == 1)
            && lines.next().is_none()
    }

    /// Those of one kind.
    pub(super) fn lines(self, kind: IdKind) -> impl Iterator<Item = &'config Located<IdMap>> {
        self.maps.iter().filter(move |map| map.kind == kind)
    }

    fn write_direct(self, pid: Pid, kind: IdKind, file: &str) -> Result<()> {
        let text: String = self.lines(kind).map(|map| shape::text(map)).collect();
        let first = self.lines(kind).next().and_then(|map| map.origin.as_ref());
        let path = format!("/proc/{pid}/{file}");
        std::fs::write(&path, &text)
            .context(|| format!("cannot write the id map {:?} to {path}", text.trim_end()))
            .map_err(|error| {
                error
                    .at(first)
                    .hint("ranges must not overlap, and the host ids must be ours to map")
            })
    }

    fn write_by(self, program: &PathBuf, pid: Pid, kind: IdKind) -> Result<()> {
        let mut command = Command::new(program);
        command.arg(pid.to_string()).stdin(Stdio::null());
        for map in self.lines(kind) {
            command.args([map.inside, map.outside, map.range].map(|number| number.to_string()));
        }
        let output = programs::output(&mut command)
            .context(|| format!("cannot run {}", program.display()))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let file = subid::file(kind).display();
        Err(Error::new(format!("{} refused the id map: {}", program.display(), said.trim()))
            .at(self.lines(kind).next().and_then(|map| map.origin.as_ref()))
            .hint(format!("the ranges must be given to this user in {file}")))
    }
}

/// Without this the kernel lets no ordinary user write a group map (user_namespaces(7)).
fn deny_setgroups(pid: Pid) -> Result<()> {
    let path = format!("/proc/{pid}/setgroups");
    std::fs::write(&path, "deny").context(|| format!("cannot write {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(maps: &[(IdKind, u32, u32, u32)]) -> Config {
        let idmap = maps
            .iter()
            .map(|&(kind, inside, outside, range)| {
                Located::new(IdMap { kind, inside, outside, range }, None)
            })
            .collect();
        Config { idmap, ..Config::default() }
    }

    #[test]
    fn maps_ids_by_range() {
        let config = config(&[
            (IdKind::User, 0, 100_000, 1000),
            (IdKind::User, 1000, 1000, 1),
            (IdKind::Group, 0, 200_000, 10),
        ]);
        let ids = Ids::of(&config);
        assert_eq!(ids.root(), (100_000, 200_000));
        assert_eq!(ids.to_outside(IdKind::User, 999), Some(100_999));
        assert_eq!(ids.to_outside(IdKind::User, 1000), Some(1000));
        assert_eq!(ids.to_outside(IdKind::User, 1001), None);
        assert_eq!(ids.to_outside(IdKind::Group, 10), None);
        assert!(ids.check().is_ok());
        let outside = [99_999, 100_000, 100_999, 101_000, 1000];
        let had = outside.map(|id| ids.has_outside(IdKind::User, id));
        assert_eq!(had, [false, true, true, false, true]);
    }
}
