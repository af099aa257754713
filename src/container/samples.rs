//! The statistics of all running containers, read again and again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::Serialize;

use super::list::active;
use super::report::{LinkUse, Report};
use crate::cgroup::statistics::{Hierarchies, Keep, Part, Sources, Statistics};
use crate::error::{Kind, Result};
use crate::identity::{ContainerName, Identity};
use crate::monitor::client::ask_all;
use crate::network::{Counters, counters};
use crate::shares::{Whose, in_shares};
use crate::sys::process;

/// Descriptors that are kept for other things than containers.
const SPARE_DESCRIPTORS: usize = 128;

/// How many monitors answer while others are asked.
const ASKED_AT_ONCE: usize = 16;

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
    /// How many descriptors may be held.
    descriptors: usize,
    held: BTreeMap<ContainerName, Held>,
}

/// What stays the same as long as a container runs.
#[derive(Debug)]
struct Held {
    /// `None` if the files are opened each time, as there are more containers than descriptors.
    sources: Option<Sources>,
    /// The host's names of its links.
    links: Vec<String>,
}

impl Watch {
    /// Of the containers of `lxcpath`; `links`: also their traffic.
    pub fn new(lxcpath: &Path, links: bool) -> Self {
        let descriptors = raise_descriptors();
        Self { lxcpath: lxcpath.to_path_buf(), links, descriptors, held: BTreeMap::new() }
    }

    /// One that looks once: nothing is held open, which would cost more than it saves.
    pub fn once(lxcpath: &Path, links: bool) -> Self {
        raise_descriptors();
        Self { lxcpath: lxcpath.to_path_buf(), links, descriptors: 0, held: BTreeMap::new() }
    }

    /// What the running containers use now, by name.
    pub fn look(&mut self) -> Result<Vec<Sample>> {
        let names = active(&self.lxcpath)?;
        self.held.retain(|name, _| names.contains(name));
        let mut found: BTreeMap<ContainerName, Statistics> = BTreeMap::new();
        for (name, held) in &self.held {
            let statistics = held.sources.as_ref().map(Sources::read);
            // The cgroup of a container that has stopped or rebooted since can no longer be read.
            let alive = statistics.filter(|found| found.cpu.usage_nanoseconds.is_some());
            found.extend(alive.map(|statistics| (name.clone(), statistics)));
        }
        let unknown: Vec<&ContainerName> =
            names.iter().filter(|name| !found.contains_key(name)).collect();
        for (name, statistics, held) in self.first_look(names.len()).at_all(&unknown) {
            found.insert(name.clone(), statistics);
            self.held.insert(name, held);
        }
        let sample = |(name, statistics): (ContainerName, Statistics)| Sample {
            name: name.as_str().to_owned(),
            statistics,
            links: Vec::new(),
        };
        let mut samples = found.into_iter().map(sample).collect::<Vec<_>>();
        if self.links {
            self.add_links(&mut samples)?;
        }
        Ok(samples)
    }

    /// How to look at a container that is not known yet, one of `all`.
    fn first_look(&self, all: usize) -> FirstLook<'_> {
        let fits =
            |keep: &Keep| all.saturating_mul(keep.most()) + SPARE_DESCRIPTORS <= self.descriptors;
        let keep = [Keep::Files, Keep::Directories].into_iter().find(fits);
        FirstLook { lxcpath: &self.lxcpath, links: self.links, keep }
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

/// Asks containers' monitors where their statistics are, and reads them for the first time.
#[derive(Clone, Copy)]
struct FirstLook<'a> {
    lxcpath: &'a Path,
    links: bool,
    keep: Option<Keep>,
}

type Found = (ContainerName, Statistics, Held);

impl FirstLook<'_> {
    /// On every processor: that many files take longer to open than to read.
    fn at_all(self, names: &[&ContainerName]) -> Vec<Found> {
        in_shares(names, |share, whose| {
            // Files that are held open must be open in all threads.
            if self.keep.is_none() && whose == Whose::Threads {
                process::own_descriptors();
            }
            self.at_each(share)
        })
    }

    fn at_each(self, names: &[&ContainerName]) -> Vec<Found> {
        let mut hierarchies = Hierarchies::default();
        let mut found = Vec::with_capacity(names.len());
        for some in names.chunks(ASKED_AT_ONCE) {
            let report = |name: &&ContainerName| {
                Report::of_active(&Identity::new(self.lxcpath, (*name).clone()))
            };
            let reports: Vec<Report> = some.iter().map(report).collect();
            let asked = ask_all(&reports, Report::ask_sources_now);
            for ((name, report), asked) in some.iter().zip(reports).zip(asked) {
                // Whoever listens at the container's address may not be its monitor.
                if matches!(&asked, Err(error) if error.kind == Kind::Impostor) {
                    continue;
                }
                let keep = self.keep.unwrap_or(Keep::Directories);
                let sources = report.sources(asked, Part::ALL, &mut hierarchies, keep);
                let statistics = sources.read();
                let links = if self.links { report.link_names() } else { Vec::new() };
                let held = Held { sources: self.keep.map(|_| sources), links };
                found.push(((*name).clone(), statistics, held));
            }
        }
        found
    }
}

/// Raises this process's limit of open descriptors as far as possible; returns the new limit.
fn raise_descriptors() -> usize {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_or(soft, |()| hard);
    usize::try_from(raised).unwrap_or(usize::MAX)
}
