//! Segments that are one server's own. Nobody else writes to them, so that writers need not ask where a segment ends:
//! each transaction takes one that is free, remembers where it ends now, and gives it back.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::civil::Date;

use crate::{
    domain::audit::{Head, Place},
    error::{Error, Result},
    store::{self, Tx},
};

/// Days whose segments are remembered: calls may have begun before midnight.
const DAYS: usize = 2;

/// A segment, and where it ends; none: it must be looked for.
type Free = (i32, Option<Head>);

/// Free segments by day.
#[derive(Debug, Default)]
pub struct Seats(Mutex<BTreeMap<Date, Vec<Free>>>);

impl Seats {
    fn days(&self) -> MutexGuard<'_, BTreeMap<Date, Vec<Free>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a free segment of a day; none: there is none.
    pub fn take(self: &Arc<Self>, day: Date) -> Option<Seat> {
        let (segment, end) = self.days().get_mut(&day)?.pop()?;
        Some(Seat {
            home: Arc::clone(self),
            back: true,
            day,
            segment,
            end,
        })
    }

    /// A segment that the transaction adds. It is given back only if it is settled: otherwise another server may add
    /// one with the same number.
    pub fn add(self: &Arc<Self>, end: Head) -> Seat {
        Seat {
            home: Arc::clone(self),
            back: false,
            day: end.place.day,
            segment: end.place.segment,
            end: Some(end),
        }
    }

    fn put_back(&self, day: Date, free: Free) {
        let mut days = self.days();
        days.entry(day).or_default().push(free);
        while days.len() > DAYS {
            days.pop_first();
        }
    }
}

/// A segment that a transaction has taken. Given back without being settled, it is not known where it ends: the
/// transaction may have been committed or not.
#[derive(Debug)]
pub struct Seat {
    home: Arc<Seats>,
    /// Whether it is given back.
    back: bool,
    day: Date,
    segment: i32,
    end: Option<Head>,
}

impl Seat {
    /// The same, knowing where it ends; none if there is no such segment any more.
    pub async fn find(mut self, tx: &Tx<'_>) -> Result<Option<Self>> {
        if self.end.is_none() {
            self.end = store::audit::end(tx, self.day, self.segment).await?;
        }
        self.back = self.end.is_some();
        Ok(self.back.then_some(self))
    }

    /// Where it ends.
    pub fn end(&self) -> Result<&Head> {
        self.end
            .as_ref()
            .ok_or_else(|| Error::internal("nobody knows where a segment ends"))
    }

    /// Place of the row that comes next.
    pub fn next(&self) -> Result<Place> {
        let place = self.end()?.place;
        Ok(Place {
            number: place.number + 1,
            ..place
        })
    }

    /// It ends here, if the transaction is committed.
    pub fn go_on(&mut self, end: Head) {
        self.end = Some(end);
    }

    /// The transaction was committed; says where the segment ends.
    pub fn settle(mut self) -> Result<Head> {
        let end = self.end()?.clone();
        self.home.put_back(self.day, (self.segment, Some(end.clone())));
        self.back = false;
        Ok(end)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.back {
            self.home.put_back(self.day, (self.segment, None));
        }
    }
}
