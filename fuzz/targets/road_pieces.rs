//! Road pieces that are imported from a file.

use gad::{domain::UserId, import};

/// Longest title that `tasks` takes, in characters.
const TITLE: usize = 200;

/// The file.
pub fn run(data: &[u8]) {
    let Ok(pieces) = import::parse(data) else {
        return;
    };
    for piece in &pieces {
        let Ok(plan) = import::plan(piece, UserId(1), super::now()) else {
            continue;
        };
        // As the API would want it.
        assert!(plan.title.chars().count() <= TITLE && !plan.title.trim().is_empty());
        assert!(plan.location_description.chars().count() <= TITLE);
        assert!(plan.code.len() <= 50 && plan.code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
        assert!(plan.location.is_some());
        for text in [&plan.title, &plan.location_description] {
            assert!(!text.contains(|letter: char| letter < ' ' || letter == '\u{7f}'), "{text:?}");
        }
        assert!(plan.description.chars().count() <= 10_000);
    }
}
