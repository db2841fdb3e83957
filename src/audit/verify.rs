//! `gad audit verify`: reads the whole audit, a little at a time, and names whatever is not as it was written.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::Deserialize;

use super::{
    Chain,
    ends::Ends,
    key,
    walk::{Finding, Walk},
};
use crate::{
    config::AuditVerifySettings,
    domain::audit::{ANCHOR, Head, Place, Row},
    error::{Error, Result},
    identity::{Seal, is_same},
    store::{self, Database, Query, Tx, audit::Found},
};

/// Rows read at a time.
const PAGE: i64 = 1000;

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Days that have rows.
    pub days: u64,
    /// Rows.
    pub rows: u64,
    /// Things that are not as they were written.
    pub findings: u64,
}

/// Looks at all days, or at one, and tells each finding at once.
pub async fn run(settings: &AuditVerifySettings, tell: &mut (dyn FnMut(&Finding) + Send)) -> Result<Summary> {
    let sealed = &settings.sealed;
    let database = Database::connect(&sealed.database).await?;
    let seal = Seal::changing(sealed.secret_key.clone(), sealed.secret_key_previous.clone());
    let chain = {
        let conn = database.lease().await?;
        key::find(&*conn, &seal).await?
    };
    let chain = chain.ok_or_else(|| Error::internal("there is no audit: no server was ever started on this database"))?;
    let verifier = Verifier { database, chain };
    verifier.run(settings.day, settings.anchor.as_deref(), tell).await
}

/// Looks at the audit of a database.
pub struct Verifier {
    /// The database.
    pub database: Database,
    /// The chain that rows should hang in.
    pub chain: Chain,
}

impl Verifier {
    /// Looks at all days, or at one. Each day is looked at as it is at one moment.
    pub async fn run(
        &self,
        only: Option<Date>,
        anchor: Option<&str>,
        tell: &mut (dyn FnMut(&Finding) + Send),
    ) -> Result<Summary> {
        let mut summary = Summary::default();
        let mut note = |findings: Vec<Finding>, rows: u64| {
            summary.rows += rows;
            summary.findings += findings.len() as u64;
            findings.iter().for_each(&mut *tell);
        };
        let mut days: BTreeSet<Date> = only.into_iter().collect();
        if only.is_none() {
            let conn = self.database.lease().await?;
            days.extend(store::audit::days(&*conn).await?.iter().map(|known| known.day.day));
            days.extend(store::audit::partitions(&*conn).await?);
        }
        let count = days.len() as u64;
        for day in days {
            let mut conn = self.database.lease().await?;
            let tx = conn.begin(None).await?;
            tx.freeze().await?;
            let (findings, rows) = self.day(&tx, day).await?;
            note(findings, rows);
        }
        if let Some(anchor) = anchor {
            let conn = self.database.lease().await?;
            let there = self.is_anchored(&*conn, anchor).await?;
            note((!there).then(|| Finding::Anchor(anchor.to_owned())).into_iter().collect(), 0);
        }
        summary.days = count;
        Ok(summary)
    }

    /// Whether a row that was logged as an anchor is there, or was dropped in its time.
    async fn is_anchored(&self, on: &impl Query, anchor: &str) -> Result<bool> {
        let wrong = || Error::invalid("anchor", "no es un ancla", "is no anchor, such as 2026-01-31/3/17/<hash>");
        let (place, hash) = anchor.rsplit_once('/').ok_or_else(wrong)?;
        let place: Place = place.parse().map_err(|_| wrong())?;
        let hash = hex::decode(hash).map_err(|_| wrong())?;
        match found(on, place).await? {
            Some(found) => Ok(is_same(&found.hash, &hash)),
            None => self.was_dropped(on, place.day).await,
        }
    }

    async fn day(&self, tx: &Tx<'_>, day: Date) -> Result<(Vec<Finding>, u64)> {
        let Some(known) = store::audit::day(tx, day).await? else {
            let what = "the day was inserted, or what is known of it was removed";
            return Ok((vec![Finding::Day(day, what)], 0));
        };
        let mut findings = Vec::new();
        if !is_same(&self.chain.of_day(&known.day), &known.guard) {
            findings.push(Finding::Day(day, "what is known of the day was altered"));
        }
        if let Some(previous) = known.day.previous
            && store::audit::day(tx, previous).await?.is_none()
        {
            findings.push(Finding::Day(previous, "the day was removed"));
        }
        let heads = store::audit::heads(tx, day).await?;
        findings.extend(self.check_heads(&heads, day, known.day.segments));
        if known.dropped_by.is_some() {
            if self.was_dropped(tx, day).await? {
                return Ok((findings, 0));
            }
            findings.push(Finding::Day(day, "no row tells that its rows were dropped"));
        }
        let heads: BTreeMap<i32, Head> = heads.into_iter().map(|(head, _)| (head.place.segment, head)).collect();
        let rows = self.rows(tx, day, &heads, &mut findings).await?;
        Ok((findings, rows))
    }

    fn check_heads(&self, heads: &[(Head, Vec<u8>)], day: Date, segments: i32) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut missing: BTreeSet<i32> = (1..=segments).collect();
        for (head, guard) in heads {
            let known = missing.remove(&head.place.segment);
            if !known || !is_same(&self.chain.of_head(head), guard) {
                findings.push(Finding::End(head.place));
            }
        }
        let gone = |segment| Place { day, segment, number: 0 };
        findings.extend(missing.into_iter().map(|segment| Finding::NoEnd(gone(segment))));
        findings
    }

    /// Walks along all segments of a day; says how many rows there are.
    async fn rows(&self, tx: &Tx<'_>, day: Date, heads: &BTreeMap<i32, Head>, findings: &mut Vec<Finding>) -> Result<u64> {
        let mut count = 0;
        let mut walked: BTreeSet<i32> = BTreeSet::new();
        let mut walk: Option<Walk<'_>> = None;
        let mut at = (0, 0);
        loop {
            let page = store::audit::after(tx, day, at.0, at.1, PAGE).await?;
            let Some(last) = page.last().map(|found| found.place) else {
                break;
            };
            at = (last.segment, last.number);
            count += page.len() as u64;
            for found in page {
                let place = found.place;
                if walk.as_ref().is_none_or(|walk| walk.segment() != place.segment) {
                    findings.extend(ended(walk.take(), heads));
                    walked.insert(place.segment);
                }
                if let Some(row) = &found.row {
                    findings.extend(self.look_aside(tx, row).await?);
                }
                let end = heads.get(&place.segment).map(|head| head.place.number);
                walk.get_or_insert_with(|| Walk::begin(&self.chain, place, end)).step(found);
            }
        }
        findings.extend(ended(walk, heads));
        for head in heads.values().filter(|head| !walked.contains(&head.place.segment)) {
            let end = Some(head.place.number);
            findings.extend(Walk::begin(&self.chain, head.place, end).end(Some(head)));
        }
        Ok(count)
    }

    /// What a row tells of others: the ends of segments.
    async fn look_aside(&self, tx: &Tx<'_>, row: &Row) -> Result<Vec<Finding>> {
        if row.entry.method != ANCHOR {
            return Ok(Vec::new());
        }
        #[derive(Deserialize)]
        struct Told {
            days: Vec<Ends>,
        }
        let detail = row.entry.personal.as_ref().map(|personal| personal.detail.as_str());
        let Ok(told) = serde_json::from_str::<Told>(detail.unwrap_or_default()) else {
            return Ok(vec![Finding::Altered(row.place)]);
        };
        let mut findings = Vec::new();
        for ends in told.days {
            if !self.has_ends(tx, &ends).await? {
                findings.push(Finding::Ends(row.place, ends.day));
            }
        }
        Ok(findings)
    }

    async fn has_ends(&self, on: &impl Query, ends: &Ends) -> Result<bool> {
        let hashes = store::audit::hashes(on, ends.day, &ends.rows()).await?;
        let same = hex::encode(self.chain.of_ends(&hashes)) == ends.digest;
        Ok(same || self.was_dropped(on, ends.day).await?)
    }

    /// The row at a place, if it hangs in the chain.
    async fn proven(&self, on: &impl Query, place: Place) -> Result<Option<Row>> {
        let before = Place {
            number: place.number - 1,
            ..place
        };
        let before = match before.number {
            0 => Some(Vec::new()),
            _ => found(on, before).await?.map(|found| found.hash),
        };
        let row = found(on, place).await?.and_then(|found| found.row);
        let (Some(before), Some(row)) = (before, row) else {
            return Ok(None);
        };
        let fits = is_same(&self.chain.of_row(&row, place.number, &before), &row.hash);
        Ok(fits.then_some(row))
    }

    /// Whether the rows of a day were dropped when they were too old; the row that tells of it may have gone likewise.
    async fn was_dropped(&self, on: &impl Query, day: Date) -> Result<bool> {
        let mut day = day;
        loop {
            let known = store::audit::day(on, day).await?;
            let Some(by) = known.and_then(|known| known.dropped_by).filter(|by| by.day > day) else {
                return Ok(false);
            };
            if let Some(row) = self.proven(on, by).await? {
                return Ok(row.entry.drops(day));
            }
            day = by.day;
        }
    }
}

fn ended(walk: Option<Walk<'_>>, heads: &BTreeMap<i32, Head>) -> Vec<Finding> {
    walk.map_or_else(Vec::new, |walk| {
        let head = heads.get(&walk.segment());
        walk.end(head)
    })
}

async fn found(on: &impl Query, place: Place) -> Result<Option<Found>> {
    let Place { day, segment, number } = place;
    let rows = store::audit::after(on, day, segment, number - 1, 1).await?;
    Ok(rows.into_iter().find(|found| found.place == place))
}
