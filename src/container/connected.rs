//! Which containers the links on a bridge belong to.

use std::collections::BTreeMap;

use serde::Serialize;

use super::list::active_anywhere;
use super::report::Report;
use crate::error::Result;
use crate::identity::Identity;

/// A link on a bridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Connected {
    /// The link.
    pub link: String,
    /// The container that has its other end, if one says so.
    pub container: Option<Identity>,
}

/// The containers that `links` belong to: as in `known`, and for other links as running containers say.
pub fn connected(links: &[String], known: &BTreeMap<&str, &Identity>) -> Result<Vec<Connected>> {
    let is_known = |link: &String| known.contains_key(link.as_str());
    let told = if links.iter().all(is_known) { BTreeMap::new() } else { told()? };
    let container = |link: &String| match known.get(link.as_str()) {
        Some(identity) => Some((*identity).clone()),
        None => told.get(link).cloned(),
    };
    let one = |link: &String| Connected { link: link.clone(), container: container(link) };
    Ok(links.iter().map(one).collect())
}

/// The links of all containers that run, by the names that the host has for them.
fn told() -> Result<BTreeMap<String, Identity>> {
    let identities = active_anywhere()?;
    let reports = Report::of_all(&identities);
    let links = identities.iter().zip(&reports).flat_map(|(identity, report)| {
        // A container that may not be asked, or has just ended, says nothing.
        let links = report.as_ref().map(Report::link_names).unwrap_or_default();
        links.into_iter().map(|link| (link, identity.clone()))
    });
    Ok(links.collect())
}
