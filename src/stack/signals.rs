//! The wish of the person or the system that we end.

use anyhow::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What asked us to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM, or the terminal is gone.
    Terminate,
}

/// Listens to the signals that end a program.
#[derive(Debug)]
pub struct Wishes {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Wishes {
    /// From now on the signals come here instead of ending us at once.
    pub fn listen() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next wish; may be dropped and called again.
    pub async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.interrupt.recv() => Wish::Interrupt,
            _ = self.terminate.recv() => Wish::Terminate,
            _ = self.hangup.recv() => Wish::Terminate,
        }
    }
}
