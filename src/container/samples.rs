//! The statistics of all running containers, again and again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::list::active;
use super::report::{LinkUse, Report};
use crate::cgroup::statistics::{Hierarchies, Part, Sources, Statistics};
use crate::error::Result;
use crate::identity::{ContainerName, Identity};

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
    held: BTreeMap<ContainerName, (Report, Sources)>,
    hierarchies: Hierarchies,
}

impl Watch {
    /// Of the containers of `lxcpath`; `links`: also their traffic.
    pub fn new(lxcpath: &Path, links: bool) -> Self {
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
            let mut statistics = self.held.get(&name).map(|(_, sources)| sources.read());
            // Nothing can be read any more from the cgroup of an earlier life.
            if statistics.is_none_or(|found| found.cpu.usage_nanoseconds.is_none()) {
                let report = Report::of(&Identity::new(&self.lxcpath, name.clone()))?;
                let sources = report.sources(Part::ALL, &mut self.hierarchies);
                statistics = Some(sources.read());
                self.held.insert(name.clone(), (report, sources));
            }
            let report = self.held.get(&name).map(|(report, _)| report);
            let links = report.filter(|_| self.links).map(Report::links);
            samples.push(Sample {
                name: name.as_str().to_owned(),
                statistics: statistics.unwrap_or_default(),
                links: links.unwrap_or_default(),
            });
        }
        Ok(samples)
    }
}
