//! What a running container holds on the host: one [`Stack`] of [`Resource`]s, released in reverse
//! whatever ended the container.
//!
//! Each kind is one type with one entry in [`KINDS`]. The monitor acquires them in that order. If it is
//! killed, the next start or the destruction of the container reclaims them in reverse
//! ([`reclaim`]): it knows the container's configuration and nothing else.

mod forwards;
mod init;
mod kinds;
mod names;

use std::fmt::Debug;
use std::rc::Rc;

use crate::cgroup::{HostRules, Layout, Left, Search};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::identity::Identity;

pub use forwards::Forwards;
pub use init::{Exit, Init};
pub use kinds::{Links, PidFile, Profile, Storage};
pub use names::Named;

/// One kind of resource.
#[derive(Debug)]
pub struct Kind {
    /// What the log calls it.
    pub name: &'static str,
    /// Releases what a killed monitor left of it.
    reclaim: fn(&Orphan<'_>) -> Result<()>,
}

/// All kinds, in the order in which they are acquired.
const KINDS: [&Kind; 9] = [
    &kinds::PID_FILE,
    &kinds::STORAGE,
    &kinds::PROFILE,
    &kinds::CGROUPS,
    &kinds::LINKS,
    &names::NAME,
    &init::INIT,
    &forwards::FORWARDS,
    &kinds::MONITOR_CGROUP,
];

/// Something that a container holds on the host.
pub trait Resource: Debug {
    /// Its kind.
    fn kind(&self) -> &'static Kind;

    /// Whether the container's name can be given up before it is released.
    fn can_wait(&self) -> bool {
        false
    }

    /// Gives it back to the host.
    fn release(&self, ending: &mut Ending<'_>) -> Result<()>;
}

/// How a container ends.
#[derive(Debug)]
pub struct Ending<'a> {
    /// Its configuration.
    pub config: &'a Config,
    /// Whether somebody waits for the end of this process.
    pub awaited: bool,
    /// Whether all of its processes have ended with its init.
    pub emptied: bool,
}

/// What a container holds, in the order in which it was acquired.
#[derive(Debug, Default)]
pub struct Stack(Vec<Rc<dyn Resource>>);

/// What is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Everything.
    All,
    /// All but what [can wait](Resource::can_wait).
    Urgent,
}

impl Stack {
    /// Takes over what was acquired.
    pub fn push<R: Resource + 'static>(&mut self, resource: R) -> Rc<R> {
        let resource = self.prepare(resource);
        acquired(resource.kind());
        resource
    }

    /// Takes over what is acquired bit by bit, before the first of it; [`acquired`] is called when all is
    /// there.
    pub fn prepare<R: Resource + 'static>(&mut self, resource: R) -> Rc<R> {
        let resource = Rc::new(resource);
        self.0.push(resource.clone());
        resource
    }

    /// Releases what is held, in reverse. What fails does not keep the rest from being released.
    pub fn release(&mut self, extent: Extent, ending: &mut Ending<'_>) -> Vec<Error> {
        let mut problems = Vec::new();
        let mut kept = Vec::new();
        while let Some(resource) = self.0.pop() {
            if extent == Extent::Urgent && resource.can_wait() {
                kept.push(resource);
                continue;
            }
            match resource.release(ending) {
                Ok(()) => log::debug!("released {}", resource.kind().name),
                Err(error) => problems.push(error),
            }
        }
        kept.reverse();
        self.0 = kept;
        problems
    }
}

/// Logs that all of a resource is held.
pub fn acquired(kind: &Kind) {
    log::debug!("acquired {}", kind.name);
}

/// A container whose monitor was killed, as far as there was one.
struct Orphan<'a> {
    identity: &'a Identity,
    config: &'a Config,
    cgroups: Left,
}

/// Releases what is left of a container that does not run, if its monitor was killed. What fails does
/// not keep the rest from being released; the first failure is the error.
pub fn reclaim(
    identity: &Identity,
    config: &Config,
    rules: &HostRules,
    layout: &Layout,
    search: Search,
) -> Result<()> {
    let cgroups = Left::find(&identity.name, config, rules, layout, search);
    let orphan = Orphan { identity, config, cgroups };
    let problems = KINDS.iter().rev().filter_map(|kind| (kind.reclaim)(&orphan).err()).collect();
    first_cause(problems).map_or(Ok(()), Err)
}

/// The first of `problems`, with the others as notes.
pub fn first_cause(problems: Vec<Error>) -> Option<Error> {
    problems.into_iter().reduce(|first, other| first.note(other.to_string()))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    static KIND: Kind = Kind { name: "test", reclaim: |_| Ok(()) };

    /// Says its name when it is released; `b` fails.
    #[derive(Debug)]
    struct Named(&'static str, bool, Rc<RefCell<String>>);

    impl Resource for Named {
        fn kind(&self) -> &'static Kind {
            &KIND
        }

        fn can_wait(&self) -> bool {
            self.1
        }

        fn release(&self, _: &mut Ending<'_>) -> Result<()> {
            self.2.borrow_mut().push_str(self.0);
            if self.0 == "b" { Err(Error::new("b is stuck")) } else { Ok(()) }
        }
    }

    #[test]
    fn all_is_released_once_in_reverse_whatever_fails() {
        let said = Rc::new(RefCell::new(String::new()));
        let mut stack = Stack::default();
        for (name, can_wait) in [("a", false), ("b", false), ("c", true), ("d", false)] {
            stack.push(Named(name, can_wait, said.clone()));
        }
        let mut ending = Ending { config: &Config::default(), awaited: false, emptied: false };
        assert_eq!(stack.release(Extent::Urgent, &mut ending).len(), 1);
        assert_eq!(*said.borrow(), "dba");
        assert!(stack.release(Extent::All, &mut ending).is_empty());
        assert_eq!(*said.borrow(), "dbac");
        assert!(stack.release(Extent::All, &mut ending).is_empty());
        assert_eq!(*said.borrow(), "dbac");
    }

    #[test]
    fn the_first_failure_is_the_cause() {
        let error = first_cause(vec![Error::new("one"), Error::new("two")]).unwrap();
        assert!(error.to_string().starts_with("one"));
        assert_eq!(error.notes, ["two"]);
    }
}
