//! Waiting for a state.

use std::time::{Duration, Instant};

use crate::error::{Kind, Result};
use crate::identity::Identity;
use crate::monitor::client::{Client, Waiting, receive_state};
use crate::monitor::protocol::StateRequest;
use crate::state::State;

/// How long to wait between looks at a container that does not run.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until the container is in one of `states`, at most `timeout`; says whether it is. A
/// container that does not exist is STOPPED.
pub fn wait(identity: &Identity, states: &[State], timeout: Option<Duration>) -> Result<bool> {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let client = Client::new(identity);
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match client.add_state_client(StateRequest::of(states)) {
            Ok(Waiting::Already) => return Ok(true),
            Ok(Waiting::Told(connection)) => match receive_state(&connection, left) {
                Ok(state) if states.contains(&state) => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind == Kind::TimedOut => return Ok(false),
                Err(error) => return Err(error),
            },
            Err(error) if error.kind == Kind::NotRunning => {
                if states.contains(&State::Stopped) {
                    return Ok(true);
                }
                if left == Some(Duration::ZERO) {
                    return Ok(false);
                }
                std::thread::sleep(left.map_or(LOOK_EVERY, |left| left.min(LOOK_EVERY)));
            }
            Err(error) => return Err(error),
        }
    }
}
