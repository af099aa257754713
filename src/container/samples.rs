//! The statistics of all running containers, again and again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::Serialize;

use super::list::active;
use super::report::{LinkUse, Report};
use crate::cgroup::statistics::{Hierarchies, Part, Sources, Statistics};
use crate::error::Result;
use crate::identity::{ContainerName, Identity};
use crate::network::{Counters, counters};

/// A container at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// Its name.
    pub name: String,
    /// What the kernel counts for it.
    #[serde(flatten)]
    pub statistics: Statistics,
    /// Its links with their traffic.
    pub links: Vec<LinkUse>,
}

/// Looks at the containers of one directory; holds what it reads from open between looks.
#[derive(Debug)]
pub struct Watch {
    lxcpath: PathBuf,
    links: bool,
    held: BTreeMap<ContainerName, Held>,
    hierarchies: Hierarchies,
}

/// What stays the same as long as a container runs.
#[derive(Debug)]
struct Held {
    sources: Sources,
    /// The host's names of its links.
    links: Vec<String>,
}

impl Watch {
    /// Of the containers of `lxcpath`; `links`: also their traffic.
    pub fn new(lxcpath: &Path, links: bool) -> Self {
        // Some six descriptors are held for each container: the usual 1024 would do for 170.
        if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
            // Where that is refused it stays as it is, which serves fewer.
            let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
        }
        Self {
            lxcpath: lxcpath.to_path_buf(),
            links,
            held: BTreeMap::new(),
            hierarchies: Hierarchies::default(),
        }
    }

    /// What the running containers use now, by name.
    pub fn look(&mut self) -> Result<Vec<Sample>> {
        let names = active(&self.lxcpath);
        self.held.retain(|name, _| names.contains(name));
        let mut samples = Vec::with_capacity(names.len());
        for name in names {
            let known = self.held.get(&name).map(|held| held.sources.read());
            // Nothing can be read any more from the cgroup of an earlier life.
            let known = known.filter(|found| found.cpu.usage_nanoseconds.is_some());
            let statistics = known.unwrap_or_else(|| {
                let held = self.hold(&name);
                let statistics = held.sources.read();
                self.held.insert(name.clone(), held);
                statistics
            });
            samples.push(Sample { name: name.as_str().to_owned(), statistics, links: Vec::new() });
        }
        if self.links {
            self.add_links(&mut samples)?;
        }
        Ok(samples)
    }

    fn hold(&mut self, name: &ContainerName) -> Held {
        let report = Report::of_active(&Identity::new(&self.lxcpath, name.clone()));
        Held {
            sources: report.sources(Part::ALL, &mut self.hierarchies),
            links: if self.links { report.link_names() } else { Vec::new() },
        }
    }

    /// The traffic of all links, asked for at once.
    fn add_links(&self, samples: &mut [Sample]) -> Result<()> {
        let names: Vec<String> =
            self.held.values().flat_map(|held| held.links.iter().cloned()).collect();
        let counters: BTreeMap<String, Counters> = counters(&names)?.into_iter().collect();
        // Both are sorted by the container's name.
        for (sample, held) in samples.iter_mut().zip(self.held.values()) {
            let found = held.links.iter().filter_map(|name| counters.get_key_value(name));
            sample.links = found.map(|(name, of)| LinkUse::of((name.clone(), *of))).collect();
        }
        Ok(())
    }
}
