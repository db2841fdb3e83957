//! Tasks that the calendar makes: of each occurrence of a template exactly one, whichever server is there.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    domain::{
        UserId,
        audit::Entry,
        fact::{Before, Fact, FactKind, Subject},
        recurrence::{Recurrence, Wrong},
        task::Task,
        template::Template,
    },
    error::{Error, Result},
    store::{
        self, Tx,
        task::{Draft, Step},
    },
};

/// Time between looks at what is due.
const LOOK: Duration = Duration::from_secs(1);
/// Longest that one template may keep the others waiting.
const PATIENCE: Duration = Duration::from_secs(30);
/// Tasks that are made in a transaction; the rest come in the next.
const BATCH: usize = 50;
/// Method of the audit's rows of what the system does.
const MAKING: &str = "template.recurrence";

/// Looks again and again what is due, until stopped. Replicas do not wait for each other: each takes what no other has.
pub async fn run(app: &App, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        // A template of which nothing can be made must not keep the others from it.
        let mut failed = Vec::new();
        while !stop.is_cancelled() {
            match make_due(app, &mut failed).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(cause) => {
                    tracing::warn!(%cause, "templates could not be looked at");
                    break;
                }
            }
        }
    }
}

/// Makes what is due of one template; whether there was one.
async fn make_due(app: &App, failed: &mut Vec<i64>) -> Result<bool> {
    let now = app.clock.now();
    let mut conn = app.database.lease().await?;
    // A transaction is begun only if there is something to do in it.
    if !store::template::is_due(&*conn, now, failed).await? {
        return Ok(false);
    }
    let tx = conn.begin(Some(PATIENCE)).await?;
    let Some(template) = store::template::due(&tx, now, failed).await? else {
        return Ok(false);
    };
    if let Err(cause) = make(app, tx, &template, now).await {
        tracing::error!(%cause, template = template.id, "no task could be made of a template");
        failed.push(template.id);
    }
    Ok(true)
}

async fn make(app: &App, tx: Tx<'_>, template: &Template, now: Timestamp) -> Result<()> {
    let (Some(recurrence), Some(first)) = (&template.pattern.recurrence, template.next) else {
        return Err(Error::internal("a template without a recurrence is due"));
    };
    let (made, next) = due(template, recurrence, first, now).map_err(Error::internal)?;
    let mut facts = Vec::new();
    let mut entries = Vec::new();
    for occurrence in made {
        if !store::template::claim(&tx, template.id, occurrence, now).await? {
            continue;
        }
        let task = add(app, &tx, template, occurrence, now).await?;
        store::template::made(&tx, template.id, occurrence, task.id).await?;
        let resource = format!("task/{}", task.id.0);
        let detail = format!("{{\"template_id\":{}}}", template.id);
        entries.push(Entry::by_system(MAKING, resource, detail, app.uid(now), now));
        facts.push(Fact {
            kind: FactKind::TaskCreated,
            time: now,
            actor: None,
            subject: Subject::Task(Box::new(task)),
            before: Before::default(),
        });
    }
    store::template::expect(&tx, template, next).await?;
    if entries.is_empty() {
        return tx.commit().await;
    }
    let mut seat = app.audit.seat(&tx, now).await?;
    app.audit.append(&tx, &mut seat, entries, &facts).await?;
    tx.commit().await?;
    seat.settle()?;
    app.wake.ring();
    Ok(())
}

/// The occurrences of which tasks are made now, and the next one after them.
fn due(
    template: &Template,
    recurrence: &Recurrence,
    first: Timestamp,
    now: Timestamp,
) -> Result<(Vec<Timestamp>, Option<Timestamp>), Wrong> {
    let mut passed = vec![first];
    let mut next = None;
    for time in recurrence.times(first)? {
        if template.due(time) > now {
            next = Some(time);
            break;
        }
        passed.push(time);
    }
    let mut made = recurrence.missed.made(passed, now);
    if made.len() > BATCH {
        next = Some(made[BATCH]);
        made.truncate(BATCH);
    }
    Ok((made, next))
}

/// Adds the task of an occurrence. Nobody did it: the history has no user.
async fn add(app: &App, tx: &Tx<'_>, template: &Template, occurrence: Timestamp, now: Timestamp) -> Result<Task> {
    let overseer = overseer(tx, template).await?;
    let mut plan = template.pattern.plan(overseer, occurrence);
    plan.delegate = overseer;
    let draft = Draft {
        uid: app.uid(now),
        plan,
        creator: template.creator,
        reopened_from: None,
        now,
    };
    let task = store::task::insert(tx, &draft).await?;
    let first = Step {
        id: 0,
        action: None,
        from: None,
        to: task.state(),
        user: None,
        agent: None,
        reason: String::new(),
        time: now,
    };
    store::task::add_step(tx, task.id, &first).await?;
    store::checklist::insert(tx, task.id, &template.pattern.checklist, now).await?;
    Ok(task)
}

/// Who oversees a task: the template's delegate, its creator, or if neither is there any more an administrator who is.
async fn overseer(tx: &Tx<'_>, template: &Template) -> Result<UserId> {
    for user in [template.pattern.delegate, Some(template.creator)].into_iter().flatten() {
        let there = store::user::get(tx, user).await?;
        if there.is_some_and(|user| user.active && user.deleted.is_none() && user.erased.is_none()) {
            return Ok(user);
        }
    }
    let found = store::user::first_administrator(tx).await?;
    found.ok_or_else(|| Error::internal("nobody can oversee a task"))
}
