//! The helper: a program with one thread, which does what would change the process that asks.
//!
//! A program that uses this library may have threads, signal handlers and children of its own. So
//! whatever needs another namespace, umask, signal handler or child is an [`Order`], and the helper, which
//! is this package's program under the name [`PROGRAM`], does it ([`obey()`]). The `lxc-*` commands are that
//! program already and call the functions themselves.

mod ask;
mod obey;
mod order;

pub(crate) use ask::{ask, ask_with};
pub(crate) use obey::obey;
pub(crate) use order::{AttachEnd, Order};
pub use order::{Copy, Started};

/// The name that the helper is installed and executed under.
pub(crate) const PROGRAM: &str = "lxc-helper";
/// Its first argument where the order enters no container: then it need not run from a protected file.
const STAYS_OUT: &str = "stays-out";
/// The descriptor that has the order.
const ORDER_FD: i32 = 3;
/// The descriptor that gets the answer.
const ANSWER_FD: i32 = 4;
