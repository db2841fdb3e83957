//! A whole installation on one machine, as child processes: `gad up` and `gad with-stores`.
//!
//! Call [`up`] and [`with_stores`] from the main thread's `block_on`: a child is told to end when the *thread*
//! that started it ends, so none may be started from a worker thread.

mod envoy;
mod home;
mod postgres;
mod probe;
mod process;
mod signals;
mod stores;
mod summary;
mod supervisor;
mod up;
mod with_stores;

use std::{
    fmt::Display,
    io::{Write as _, stdout},
};

pub use envoy::{OlderRest, Streams, envoy_yaml};
pub use up::up;
pub use with_stores::with_stores;

/// Writes a line for the person at the terminal, who may have closed it.
fn say(line: impl Display) {
    let _ = writeln!(stdout(), "{line}");
}
