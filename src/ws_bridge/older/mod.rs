//! `/ws/connect` of GRUPO_GAD, and the pages beside it: the older protocol over the same feeds.
//!
//! A message is translated once, when the first older socket hears it, and shared like all others. Its `message_id` is made
//! of its place in the feed, so it is the same on every bridge.

mod answer;
pub mod door;
mod envelope;
mod event;
pub mod pages;
mod roster;
mod socket;

pub use envelope::Message;
pub use event::messages;
pub use roster::Roster;

use crate::{
    pb::{Noun, WatchFilter},
    ws_bridge::frame::{Start, Wish},
};

/// What an older client hears of: what its envelopes have words for.
fn wish(nouns: &[Noun]) -> Wish {
    let mut nouns: Vec<i32> = nouns.iter().map(|noun| i32::from(*noun)).collect();
    nouns.sort_unstable();
    Wish {
        filter: WatchFilter {
            nouns,
            ..WatchFilter::default()
        },
        start: Start::Now,
    }
}
