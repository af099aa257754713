//! What killed operations and other tools have left in a directory of containers (`lxc-rs storage check`).
//!
//! Looking takes no lock and changes nothing. Each kind is looked for in [`mod@find`] and fixed in [`mod@fix`], there
//! under the locks of the operations that make it, where it is looked at once more.

mod find;
mod fix;

use std::path::PathBuf;

use serde::Serialize;

use crate::config::RootfsPath;
use crate::identity::Identity;

pub use find::find;
pub use fix::fix;

/// What was left.
#[derive(Clone, Debug, Serialize)]
pub struct Leftover {
    /// The container that it belongs to, or would belong to.
    #[serde(skip)]
    pub identity: Option<Identity>,
    /// The container's name.
    pub name: Option<String>,
    /// What kind of thing it is.
    pub kind: Kind,
    /// Where it is.
    pub path: PathBuf,
    /// A description for the user.
    pub what: String,
    /// What can be done about it.
    pub remedy: Remedy,
    /// What was done about it.
    pub outcome: Outcome,
    /// Why it could not be fixed.
    pub error: Option<String>,
    /// The id of a quota project on the file system of the path.
    pub project: Option<u32>,
    /// Storage that lies in no container's directory.
    #[serde(skip)]
    pub volume: Option<RootfsPath>,
}

/// Kinds of what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An operation that can be completed.
    Unfinished,
    /// The rest of a container that cannot be completed.
    Rest,
    /// Files that were being written.
    Temporary,
    /// Storage that no container is known to have.
    Orphan,
    /// A snapshot that is not complete.
    Snapshot,
    /// A record of a snapshot that is gone.
    Record,
    /// A base that is gone, which the container needs.
    Broken,
    /// A limit that not all files are counted for.
    Limit,
    /// A quota project with a limit but without files.
    Project,
    /// Something that a storage back-end left.
    Storage,
}

/// What can be done about a leftover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// `--fix` completes it.
    Complete,
    /// `--fix` removes it; no data is lost.
    Remove,
    /// `--remove` removes it with the data that is in it.
    RemoveData,
    /// Nothing: a person must decide.
    Nothing,
}

/// What was done about a leftover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is still there.
    Left,
    /// It was completed or removed, here or by somebody else meanwhile.
    Fixed,
    /// It could not be completed or removed.
    Failed,
}

impl Leftover {
    fn new(
        identity: Option<&Identity>,
        kind: Kind,
        path: PathBuf,
        what: impl Into<String>,
    ) -> Self {
        let remedy = match kind {
            Kind::Unfinished | Kind::Limit => Remedy::Complete,
            Kind::Orphan => Remedy::RemoveData,
            Kind::Broken => Remedy::Nothing,
            _ => Remedy::Remove,
        };
        Self {
            identity: identity.cloned(),
            name: identity.map(|identity| identity.name.to_string()),
            kind,
            path,
            what: what.into(),
            remedy,
            outcome: Outcome::Left,
            error: None,
            project: None,
            volume: None,
        }
    }
}
