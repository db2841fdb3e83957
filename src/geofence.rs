//! Agents who stay in a geofence while no fix comes that would say so.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    domain::{
        UserId,
        audit::Entry,
        crossing::is_believed,
        fact::{Before, Fact, FactKind, Subject},
        geofence::{Event, Kind},
    },
    error::Result,
    store::{self, Conn, geofence_stay::Due},
};

/// Time between looks at whose time is over.
const LOOK: Duration = Duration::from_millis(500);
/// Agents and fences of one look.
const BATCH: i64 = 50;
/// Longest that one of them may keep the others waiting.
const PATIENCE: Duration = Duration::from_secs(5);
/// Method of the audit's rows of what the system does.
const DWELT: &str = "geofence.dwelt";

/// Looks again and again who has stayed for long, until stopped. Replicas do not wait for each other: each takes what no other has.
pub async fn run(app: &App, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        if let Err(cause) = look(app).await {
            tracing::warn!(%cause, "who stays in geofences could not be looked at");
        }
    }
}

async fn look(app: &App) -> Result<()> {
    let mut conn = app.database.lease().await?;
    let now = app.clock.now();
    for due in store::geofence_stay::due(&*conn, now, BATCH).await? {
        // One that cannot be told must not keep the others from it.
        if let Err(cause) = stay(app, &mut conn, due, now).await {
            tracing::error!(%cause, fence = due.fence.0, agent = due.agent.0, "a stay in a geofence could not be told");
        }
    }
    Ok(())
}

/// Tells of a stay, unless another replica does, a fix says otherwise meanwhile, or the last one is too old to be believed: then
/// the next one says it.
async fn stay(app: &App, conn: &mut Conn, due: Due, now: Timestamp) -> Result<()> {
    let tx = conn.begin(Some(PATIENCE)).await?;
    if !store::position::try_lock(&tx, due.agent).await? {
        return Ok(());
    }
    let Some(stay) = store::geofence_stay::get(&tx, due).await? else {
        // The agent is gone; its row need not be looked at again.
        store::geofence_stay::end(&tx, due, false).await?;
        return tx.commit().await;
    };
    let Some(over) = stay.due.filter(|over| *over <= now) else {
        return Ok(());
    };
    let there = stay.fix.filter(|fix| stay.near && is_believed(fix, over));
    store::geofence_stay::end(&tx, due, there.is_some()).await?;
    let Some(fix) = there else {
        return tx.commit().await;
    };
    let mut events = [Event {
        id: 0,
        geofence: due.fence,
        display_name: stay.display_name,
        zone: Some(stay.zone),
        agent: due.agent,
        user: stay.user,
        kind: Kind::Dwelt,
        fix_time: fix.time,
        location: fix.location,
        time: now,
    }];
    store::geofence_event::add(&tx, &mut events).await?;
    let facts: Vec<Fact> = events.into_iter().map(|event| fact(event, None)).collect();
    let mut seat = app.audit.seat(&tx, now).await?;
    let resource = format!("geofence/{}", due.fence.0);
    let entry = Entry::by_system(DWELT, resource, "{}".to_owned(), app.uid(now), now);
    app.audit.append(&tx, &mut seat, vec![entry], &facts).await?;
    tx.commit().await?;
    seat.settle()?;
    app.wake.ring();
    Ok(())
}

/// What is told of an event.
pub fn fact(event: Event, actor: Option<UserId>) -> Fact {
    let kind = match event.kind {
        Kind::Entered => FactKind::GeofenceEntered,
        Kind::Left => FactKind::GeofenceLeft,
        Kind::Dwelt => FactKind::GeofenceDwelt,
    };
    Fact {
        kind,
        time: event.time,
        actor,
        subject: Subject::Geofence(Box::new(event)),
        before: Before::default(),
    }
}
