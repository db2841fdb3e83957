//! AgentService: which fixes of a message cross geofences.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::position::Reporters;
use crate::{
    domain::{
        AgentId, GeofenceId, UserId,
        agent::Fix,
        fact::{Before, Fact, FactKind, Subject},
        geofence::{Contrary, Event, Kind, Place, Sight, is_possible},
    },
    error::Result,
    store::{self, Tx, geofence::View},
};

/// What was known of agents before this message.
struct Known<'a> {
    reporters: &'a Reporters,
    received: BTreeMap<AgentId, Timestamp>,
    now: Timestamp,
}

impl Known<'_> {
    /// The agent's latest fix before, if it is of its present shift.
    fn latest(&self, agent: AgentId) -> Option<&Fix> {
        let reporter = self.reporters.get(&agent)?;
        reporter.fix.as_ref().filter(|fix| fix.time >= reporter.service.since)
    }

    /// Where an agent is to a fence that has kept nothing of it: outside, if it has looked at a fix of this shift before.
    fn place(&self, agent: AgentId, armed: Timestamp) -> Place {
        let seen = self.latest(agent).is_some() && self.received.get(&agent).is_some_and(|time| *time >= armed);
        if seen {
            Place::Outside(Contrary::default())
        } else {
            Place::Unknown
        }
    }
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
    let mut agents: Vec<AgentId> = fixes.iter().map(|fix| fix.agent).collect();
    agents.dedup();
    let known = Known {
        reporters,
        received: store::geofence::received(tx, &agents).await?,
        now,
    };
    let (places, mut events) = observed(&fixes, &view, &known);
    store::geofence::settle(tx, &places).await?;
    store::geofence_event::add(tx, &mut events).await?;
    Ok(events.into_iter().map(|event| fact(event, actor)).collect())
}

type Places = BTreeMap<(AgentId, GeofenceId), Place>;

/// Where agents are after these fixes, and what happened.
fn observed(fixes: &[Fix], view: &View, known: &Known<'_>) -> (Places, Vec<Event>) {
    let mut places = Places::new();
    let mut events = Vec::new();
    for seen in &view.seen {
        let fix = &fixes[seen.fix];
        let key = (fix.agent, seen.fence);
        let (Some(fence), Some(reporter)) = (view.watching.get(&key), known.reporters.get(&fix.agent)) else {
            continue;
        };
        let before = seen
            .fix
            .checked_sub(1)
            .map(|at| &fixes[at])
            .filter(|before| before.agent == fix.agent);
        let before = before.or_else(|| known.latest(fix.agent));
        let place = *places.entry(key).or_insert_with(|| match fence.place {
            // What was kept is of an earlier shift, or of before the person's places were forgotten.
            Some(_) if known.latest(fix.agent).is_none() => Place::Unknown,
            Some(place) => place,
            None => known.place(fix.agent, fence.armed),
        });
        if before.is_some_and(|before| !is_possible(before, fix)) {
            continue;
        }
        let sight = Sight {
            time: fix.time.min(known.now),
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
            time: known.now,
        }));
    }
    (places, events)
}

fn fact(event: Event, actor: UserId) -> Fact {
    let kind = match event.kind {
        Kind::Entered => FactKind::GeofenceEntered,
        Kind::Left => FactKind::GeofenceLeft,
        Kind::Dwelt => FactKind::GeofenceDwelt,
    };
    Fact {
        kind,
        time: event.time,
        actor: Some(actor),
        subject: Subject::Geofence(Box::new(event)),
        before: Before::default(),
    }
}
