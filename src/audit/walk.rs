//! A walk along a segment: what was altered, removed, inserted or reordered in it.

use std::fmt;

use super::Chain;
use crate::{
    domain::audit::{Erased, Head, Place, Row},
    identity::is_same,
    store::audit::Found,
};

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The row does not say what it said.
    Altered(Place),
    /// The rows are gone: the first and the last of them.
    Removed(Place, Place),
    /// The row was not written by the server.
    Inserted(Place),
    /// The rows have each other's place.
    Swapped(Place, Place),
    /// The row cannot be proven: the one before it was altered together with its hash.
    Unproven(Place),
    /// The end of the segment (number 0) is not the one that was written.
    End(Place),
    /// The segment (number 0) has no end.
    NoEnd(Place),
    /// Something about the day as a whole.
    Day(jiff::civil::Date, &'static str),
    /// The ends that a row told are not there as it told them.
    Ends(Place, jiff::civil::Date),
    /// The row that was logged as an anchor is not there.
    Anchor(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segment = |place: &Place| format!("{}/{}", place.day, place.segment);
        match self {
            Self::Altered(place) => write!(f, "{place}: altered"),
            Self::Removed(first, last) if first == last => write!(f, "{first}: removed"),
            Self::Removed(first, last) => write!(f, "{first} to {last}: removed"),
            Self::Inserted(place) => write!(f, "{place}: inserted"),
            Self::Swapped(one, other) => write!(f, "{one} and {other}: reordered"),
            Self::Unproven(place) => write!(
                f,
                "{place}: cannot be proven, for the row before it was altered with its hash"
            ),
            Self::End(place) => write!(f, "{}: the end of the segment was altered", segment(place)),
            Self::NoEnd(place) => write!(f, "{}: the end of the segment was removed", segment(place)),
            Self::Day(day, what) => write!(f, "{day}: {what}"),
            Self::Ends(place, day) => write!(f, "{day}: the segments do not go on to where {place} told they ended"),
            Self::Anchor(text) => write!(f, "{text}: the anchor is not there: the audit was taken back to before it"),
        }
    }
}

/// A row that did not fit, until the one after it tells more.
struct Doubt {
    found: Found,
    /// The hash of the row before it.
    before: Vec<u8>,
}

/// A walk along one segment.
pub struct Walk<'a> {
    chain: &'a Chain,
    /// Place of the last row seen; number 0: none yet.
    at: Place,
    /// Number of the last row by the segment's end; none: it has no end.
    end: Option<i64>,
    /// By how much the numbers of rows are greater than they were when they were written.
    shift: i64,
    /// Hashes that the last row may truly have; none: not known.
    before: Vec<Vec<u8>>,
    doubt: Option<Doubt>,
    findings: Vec<Finding>,
}

impl<'a> Walk<'a> {
    /// Begins before the first row of a segment.
    pub fn begin(chain: &'a Chain, start: Place, end: Option<i64>) -> Self {
        Self {
            chain,
            at: Place { number: 0, ..start },
            end,
            shift: 0,
            before: vec![Vec::new()],
            doubt: None,
            findings: Vec::new(),
        }
    }

    /// Segment that is walked along.
    pub fn segment(&self) -> i32 {
        self.at.segment
    }

    /// Goes on to the next row.
    pub fn step(&mut self, found: Found) {
        let place = found.place;
        if place.number > self.at.number + 1 {
            self.tell_doubt();
            let first = Place {
                number: self.at.number + 1,
                ..place
            };
            let last = Place {
                number: place.number - 1,
                ..place
            };
            self.findings.push(Finding::Removed(first, last));
            self.before.clear();
        }
        self.at = place;
        if let Some(row) = &found.row
            && !self.says_what_it_said(row)
        {
            self.findings.push(Finding::Altered(place));
        }
        let beyond = self.end.is_some_and(|end| place.number - self.shift > end);
        let pushed = |doubt: &Doubt| self.fits(&found, -1, &doubt.before);
        if beyond && !self.doubt.as_ref().is_some_and(pushed) {
            self.tell_doubt();
            self.findings.push(Finding::Inserted(place));
            return;
        }
        let fits = self.before.is_empty() || self.before.iter().any(|before| self.fits(&found, 0, before));
        if fits {
            self.tell_doubt();
            self.before = vec![found.hash];
        } else if let Some(doubt) = self.doubt.take() {
            self.explain(doubt, found);
        } else {
            self.begin_doubt(found);
        }
    }

    /// Whether what may tell of a person is what was written, or was erased by the server.
    fn says_what_it_said(&self, row: &Row) -> bool {
        match (&row.entry.personal, &row.salt) {
            (Some(personal), Some(salt)) => {
                row.erased.is_none() && is_same(&self.chain.personal(personal, salt), &row.personal_hash)
            }
            (None, None) => row
                .erased
                .as_ref()
                .is_some_and(|Erased { by, proof }| is_same(&self.chain.of_erasure(&row.hash, *by), proof)),
            _ => false,
        }
    }

    /// Whether a row is the one that was written with this much greater a number, after one with this hash.
    fn fits(&self, found: &Found, more: i64, before: &[u8]) -> bool {
        let number = found.place.number - self.shift + more;
        let row = found.row.as_ref();
        row.is_some_and(|row| is_same(&self.chain.of_row(row, number, before), &found.hash))
    }

    fn begin_doubt(&mut self, found: Found) {
        let before = self.before[0].clone();
        // If only its hash was altered, the next row goes on from what the hash should be.
        let number = found.place.number - self.shift;
        let due = found.row.as_ref().map(|row| self.chain.of_row(row, number, &before));
        self.before = [Some(found.hash.clone()), due].into_iter().flatten().collect();
        self.doubt = Some(Doubt { found, before });
    }

    fn tell_doubt(&mut self) {
        if let Some(doubt) = self.doubt.take() {
            self.alter(doubt.found.place);
        }
    }

    fn alter(&mut self, place: Place) {
        let finding = Finding::Altered(place);
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// What two rows in a row that do not fit tell of each other.
    fn explain(&mut self, doubt: Doubt, found: Found) {
        let Doubt { found: first, before } = doubt;
        let next = found.hash.clone();
        if self.fits(&found, -1, &before) {
            if self.fits(&first, 1, &next) {
                self.findings.push(Finding::Swapped(first.place, found.place));
                self.before = vec![first.hash];
            } else {
                self.findings.push(Finding::Inserted(first.place));
                self.shift += 1;
                self.before = vec![next];
            }
        } else if self.fits(&found, 1, &first.hash) {
            self.findings.push(Finding::Removed(first.place, first.place));
            self.shift -= 1;
            self.before = vec![next];
        } else {
            self.alter(first.place);
            self.findings.push(Finding::Unproven(found.place));
            self.before = vec![next];
        }
    }

    /// Ends the walk where the segment should end; what was found.
    pub fn end(mut self, head: Option<&Head>) -> Vec<Finding> {
        self.tell_doubt();
        let Some(head) = head else {
            return self.findings;
        };
        let last = self.at.number - self.shift;
        if head.place.number > last {
            let first = Place {
                number: last + 1,
                ..head.place
            };
            self.findings.push(Finding::Removed(first, head.place));
        } else if head.place.number == last && !self.before.is_empty() && !self.before.contains(&head.hash) {
            self.findings.push(Finding::End(Place { number: 0, ..head.place }));
        }
        self.findings
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::domain::audit::Entry;

    fn chain() -> Chain {
        Chain::of(b"a key of tests")
    }

    fn place(number: i64) -> Place {
        Place {
            day: jiff::civil::date(1970, 1, 1),
            segment: 1,
            number,
        }
    }

    /// Rows 1 to 9, and their end.
    fn rows() -> (Vec<Row>, Head) {
        let chain = chain();
        let mut end = Head {
            place: place(0),
            hash: Vec::new(),
        };
        let mut rows = Vec::new();
        for number in 1..=9 {
            let resource = format!("task/{number}");
            let entry = Entry::by_system("x", resource, "{}".to_owned(), Uuid::nil(), Timestamp::UNIX_EPOCH);
            let row = chain.link(entry, &end).expect("a row");
            end = Head {
                place: row.place,
                hash: row.hash.clone(),
            };
            rows.push(row);
        }
        (rows, end)
    }

    /// What a walk finds after somebody did something to the rows.
    fn found(harm: impl FnOnce(&mut Vec<Row>)) -> Vec<String> {
        let chain = chain();
        let (mut rows, end) = rows();
        harm(&mut rows);
        rows.sort_by_key(|row| row.place.number);
        let mut walk = Walk::begin(&chain, place(0), Some(end.place.number));
        for row in rows {
            walk.step(Found {
                place: row.place,
                hash: row.hash.clone(),
                row: Some(row),
            });
        }
        walk.end(Some(&end)).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn untouched_rows_are_proven() {
        assert_eq!(found(|_| {}), Vec::<String>::new());
    }

    #[test]
    fn a_row_with_another_word_is_named_alone() {
        for at in 0..9 {
            let named = found(|rows| rows[at].entry.outcome = "no".to_owned());
            assert_eq!(named, [format!("1970-01-01/1/{}: altered", at + 1)]);
        }
    }

    #[test]
    fn a_row_with_another_hash_is_named_alone() {
        for at in 0..8 {
            let named = found(|rows| rows[at].hash[0] ^= 1);
            assert_eq!(named, [format!("1970-01-01/1/{}: altered", at + 1)]);
        }
        assert_eq!(found(|rows| rows[8].hash[31] ^= 1), ["1970-01-01/1/9: altered"]);
    }

    #[test]
    fn rows_that_are_gone_are_named() {
        assert_eq!(found(|rows| drop(rows.remove(4))), ["1970-01-01/1/5: removed"]);
        assert_eq!(
            found(|rows| drop(rows.drain(2..5))),
            ["1970-01-01/1/3 to 1970-01-01/1/5: removed"]
        );
        assert_eq!(found(|rows| drop(rows.remove(0))), ["1970-01-01/1/1: removed"]);
        assert_eq!(found(|rows| drop(rows.pop())), ["1970-01-01/1/9: removed"]);
        assert_eq!(found(Vec::clear), ["1970-01-01/1/1 to 1970-01-01/1/9: removed"]);
    }

    #[test]
    fn a_gap_that_was_closed_by_new_numbers_is_named() {
        let named = found(|rows| {
            rows.remove(4);
            rows[4..].iter_mut().for_each(|row| row.place.number -= 1);
        });
        assert_eq!(named, ["1970-01-01/1/5: removed"]);
    }

    #[test]
    fn a_row_put_between_others_is_named() {
        let named = found(|rows| {
            rows[4..].iter_mut().for_each(|row| row.place.number += 1);
            let mut forged = rows[0].clone();
            forged.place.number = 5;
            rows.push(forged);
        });
        assert_eq!(named, ["1970-01-01/1/5: inserted"]);
        let named = found(|rows| {
            rows[8].place.number = 10;
            let mut forged = rows[0].clone();
            forged.place.number = 9;
            rows.push(forged);
        });
        assert_eq!(named, ["1970-01-01/1/9: inserted"]);
    }

    #[test]
    fn a_row_put_at_the_end_is_named() {
        let named = found(|rows| {
            let mut forged = rows[8].clone();
            forged.place.number = 10;
            rows.push(forged);
        });
        assert_eq!(named, ["1970-01-01/1/10: inserted"]);
    }

    #[test]
    fn rows_that_changed_places_are_named() {
        let swap = |one: usize, other: usize| {
            found(|rows| {
                let kept = rows[one].place;
                rows[one].place = rows[other].place;
                rows[other].place = kept;
            })
        };
        assert_eq!(swap(3, 4), ["1970-01-01/1/4 and 1970-01-01/1/5: reordered"]);
        let far = swap(2, 6);
        assert!(far.contains(&"1970-01-01/1/3: altered".to_owned()), "{far:?}");
        assert!(far.contains(&"1970-01-01/1/7: altered".to_owned()), "{far:?}");
    }

    #[test]
    fn a_row_that_says_something_else_of_a_person_is_named() {
        let named = found(|rows| rows[2].entry.personal.as_mut().expect("words").reason = "otra".to_owned());
        assert_eq!(named, ["1970-01-01/1/3: altered"]);
    }
}
