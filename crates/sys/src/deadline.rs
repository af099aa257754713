//! Waiting in poll(2) up to a moment.

use std::time::{Duration, Instant};

use nix::poll::PollTimeout;

/// The time that is left until `deadline`, in milliseconds rounded up, so as not to spin through the last
/// one.
pub fn poll_timeout(deadline: Instant) -> PollTimeout {
    let left = deadline.saturating_duration_since(Instant::now());
    let left = left.saturating_add(Duration::from_micros(999));
    PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
}
