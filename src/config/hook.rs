//! Stages of hooks.

use serde::{Deserialize, Serialize};

/// A stage of `lxc.hook.STAGE`, in the order in which a life runs through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookStage {
    /// `pre-start`: on the host, before anything is set up.
    PreStart,
    /// `pre-mount`: in the container's namespaces, before the rootfs is mounted.
    PreMount,
    /// `mount`: after the mounts, before `pivot_root`.
    Mount,
    /// `autodev`: after `/dev` was made, before its nodes are.
    Autodev,
    /// `start-host`: on the host, before init is executed.
    StartHost,
    /// `start`: inside, before init is executed.
    Start,
    /// `stop`: on the host, with the namespaces still open.
    Stop,
    /// `post-stop`: on the host, when all is gone.
    PostStop,
    /// `clone`: by lxc-copy.
    Clone,
    /// `destroy`: by lxc-destroy.
    Destroy,
}

impl HookStage {
    /// All stages.
    pub const ALL: [Self; 10] = [
        Self::PreStart,
        Self::PreMount,
        Self::Mount,
        Self::Autodev,
        Self::StartHost,
        Self::Start,
        Self::Stop,
        Self::PostStop,
        Self::Clone,
        Self::Destroy,
    ];

    /// Whether it runs on the host's side, as a program of the caller's; the others run in the
    /// container's namespaces.
    pub fn runs_beside_caller(self) -> bool {
        !matches!(self, Self::PreMount | Self::Mount | Self::Autodev | Self::Start)
    }

    /// The stage's word in `lxc.hook.STAGE` and in the hook's arguments.
    pub fn word(self) -> &'static str {
        match self {
            Self::PreStart => "pre-start",
            Self::PreMount => "pre-mount",
            Self::Mount => "mount",
            Self::Autodev => "autodev",
            Self::StartHost => "start-host",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::PostStop => "post-stop",
            Self::Clone => "clone",
            Self::Destroy => "destroy",
        }
    }
}
