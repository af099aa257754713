//! The states of a container (numbers: the command socket's protocol; words: every tool's output).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A container's state, with the number it has on the command socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(i32)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// No monitor answers.
    Stopped = 0,
    /// The monitor sets it up.
    Starting = 1,
    /// Its init runs.
    Running = 2,
    /// Its init is gone, the monitor cleans up.
    Stopping = 3,
    /// A start failed, the monitor cleans up.
    Aborting = 4,
    /// It is being frozen.
    Freezing = 5,
    /// All its tasks are frozen.
    Frozen = 6,
    /// It is being thawed.
    Thawed = 7,
}

impl State {
    /// All states, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Stopped,
        Self::Starting,
        Self::Running,
        Self::Stopping,
        Self::Aborting,
        Self::Freezing,
        Self::Frozen,
        Self::Thawed,
    ];

    /// The state of that number, if there is one.
    pub fn from_number(number: i32) -> Option<Self> {
        usize::try_from(number).ok().and_then(|index| Self::ALL.get(index).copied())
    }

    /// The state's number on the command socket.
    pub fn number(self) -> i32 {
        self as i32
    }

    /// The state's word in every tool's output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stopped => "STOPPED",
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Stopping => "STOPPING",
            Self::Aborting => "ABORTING",
            Self::Freezing => "FREEZING",
            Self::Frozen => "FROZEN",
            Self::Thawed => "THAWED",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for State {
    type Err = ();
    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.word() == word).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_go_both_ways() {
        for (number, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(usize::try_from(state.number()), Ok(number));
            assert_eq!(State::from_number(state.number()), Some(state));
            assert_eq!(state.word().parse(), Ok(state));
        }
        assert_eq!(State::from_number(8), None);
        assert_eq!(State::from_number(-1), None);
    }
}
