//! AgentService: which fixes of a message cross geofences.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::position::Reporters;
use crate::{
    domain::{
        AgentId, GeofenceId, UserId,
        agent::Fix,
        crossing::{Contrary, Place, Sight, is_possible},
        fact::Fact,
        geofence::Event,
    },
    error::Result,
    geofence::fact,
    store::{self, Tx, geofence::View},
};

/// The agent's latest fix before this message, if it is of its present shift.
fn latest(reporters: &Reporters, agent: AgentId) -> Option<&Fix> {
    let reporter = reporters.get(&agent)?;
    reporter.fix.as_ref().filter(|fix| fix.time >= reporter.service.since)
}

/// The fixes that fences look at: of agents on duty, later than their latest, by agent and time.
fn looked_at(fixes: &[Fix], reporters: &Reporters) -> Vec<Fix> {
    let counts = |fix: &&Fix| {
        reporters.get(&fix.agent).is_some_and(|reporter| {
            let later = reporter.fix.is_none_or(|latest| fix.time > latest.time);
            reporter.service.duty.is_on() && fix.time >= reporter.service.since && later
        })
    };
    let mut all: Vec<Fix> = fixes.iter().filter(counts).copied().collect();
    all.sort_by(|one, other| one.agent.cmp(&other.agent).then_with(|| one.cmp_time(other)));
    all
}

/// Finds what fixes that are kept now do at fences, keeps it, and tells it. The agents' shares of positions are locked, and
/// their latest places are those of before.
pub async fn cross(tx: &Tx<'_>, kept: &[Fix], reporters: &Reporters, actor: UserId, now: Timestamp) -> Result<Vec<Fact>> {
    let fixes = looked_at(kept, reporters);
    if fixes.is_empty() {
        return Ok(Vec::new());
    }
    let view = store::geofence::view(tx, &fixes).await?;
    if view.seen.is_empty() {
        return Ok(Vec::new());
    }
    let (places, mut events) = observed(&fixes, &view, reporters, now);
    let due = |(key, place): (_, Place)| {
        let due = view.watching.get(&key).and_then(|fence| fence.rule.due(&place));
        (key, (place, due))
    };
    store::geofence::settle(tx, &places.into_iter().map(due).collect()).await?;
    store::geofence_event::add(tx, &mut events).await?;
    Ok(events.into_iter().map(|event| fact(event, Some(actor))).collect())
}

type Places = BTreeMap<(AgentId, GeofenceId), Place>;

/// Where agents are after these fixes, and what happened.
fn observed(fixes: &[Fix], view: &View, reporters: &Reporters, now: Timestamp) -> (Places, Vec<Event>) {
    let mut places = Places::new();
    let mut events = Vec::new();
    for seen in &view.seen {
        let fix = &fixes[seen.fix];
        let key = (fix.agent, seen.fence);
        let (Some(fence), Some(reporter)) = (view.watching.get(&key), reporters.get(&fix.agent)) else {
            continue;
        };
        let before = seen
            .fix
            .checked_sub(1)
            .map(|at| &fixes[at])
            .filter(|before| before.agent == fix.agent);
        let latest = latest(reporters, fix.agent);
        let place = *places.entry(key).or_insert_with(|| match latest {
            // What was kept is of an earlier shift, or of before the person's places were forgotten.
            None => Place::Unknown(None),
            Some(_) => fence.place.unwrap_or(Place::Outside(Contrary::default())),
        });
        let before = before.or(latest);
        if before.is_some_and(|before| !is_possible(before, fix)) {
            continue;
        }
        let sight = Sight {
            time: fix.time.min(now),
            inside: seen.inside,
            edge_meters: seen.edge_meters,
            accuracy_meters: fix.accuracy_meters,
        };
        let (next, kind) = fence.rule.observe(place, &sight);
        places.insert(key, next);
        events.extend(kind.map(|kind| Event {
            id: 0,
            geofence: fence.id,
            display_name: fence.display_name.clone(),
            zone: Some(fence.zone),
            agent: fix.agent,
            user: reporter.user,
            kind,
            fix_time: fix.time,
            location: fix.location,
            time: now,
        }));
    }
    (places, events)
}
