//! Check-ins whose time is over: a warning, then an emergency in the agent's name.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    domain::{
        TaskId, UserId,
        audit::Entry,
        check_in::{CheckIn, State},
        emergency::{Emergency, Source},
        fact::{Before, Fact, FactKind, Subject},
        task::Task,
    },
    emergency::{self, Report},
    error::{Error, Result},
    store::{self, Conn, Tx, check_in::Due, emergency::Reporter},
};

/// Time between looks at whose time is over.
const LOOK: Duration = Duration::from_millis(250);
/// Check-ins of one look.
const BATCH: i64 = 20;
/// Longest that one check-in may keep the others waiting.
const PATIENCE: Duration = Duration::from_secs(5);
/// Method of the audit's rows of what the system does.
const OVERDUE: &str = "check_in.overdue";

/// Looks again and again whose time is over, until stopped. Replicas do not wait for each other: each takes what no other has.
pub async fn run(app: &App, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        if let Err(cause) = look(app).await {
            tracing::warn!(%cause, "check-ins could not be looked at");
        }
    }
}

async fn look(app: &App) -> Result<()> {
    let mut conn = app.database.lease().await?;
    let now = app.clock.now();
    for due in store::check_in::due(&*conn, now, BATCH).await? {
        // One that cannot be moved on must not keep the others from it.
        if let Err(cause) = overdue(app, &mut conn, due, now).await {
            tracing::error!(%cause, task = due.task.0, agent = due.agent.0, "a missed check-in could not be told");
        }
    }
    Ok(())
}

/// Warns, or raises the alarm, unless another replica does, or the agent was heard meanwhile.
async fn overdue(app: &App, conn: &mut Conn, due: Due, now: Timestamp) -> Result<()> {
    let tx = conn.begin(Some(PATIENCE)).await?;
    store::emergency::lock_reporter(&tx, &own(due.user)).await?;
    if !store::task::try_lock(&tx, due.task).await? {
        return Ok(());
    }
    let (Some(task), Some(check_in)) = (
        store::task::get(&tx, due.task).await?,
        store::check_in::get(&tx, due.task, due.agent).await?,
    ) else {
        return Ok(());
    };
    if check_in.due.is_none_or(|due| due > now) {
        return Ok(());
    }
    let policy = store::check_in::policy(&tx, task.plan.kind).await?;
    let was = check_in.state;
    let mut check_in = check_in.overdue(&policy, now);
    let mut facts = Vec::new();
    if check_in.state == State::Raised {
        let Some((emergency, told)) = alarm(app, &tx, &check_in, &task, now).await? else {
            return Ok(());
        };
        check_in.emergency = Some(emergency.id);
        facts = told;
    }
    let check_in = store::check_in::save(&tx, &check_in, now).await?;
    if check_in.state != was {
        let kind = match check_in.state {
            State::Raised => FactKind::CheckInRaised,
            State::Waiting | State::Missed => FactKind::CheckInMissed,
        };
        facts.push(fact(kind, &check_in, None, now));
    }
    let mut seat = app.audit.seat(&tx, now).await?;
    let entry = Entry::by_system(
        OVERDUE,
        format!("check_in/{}", check_in.id),
        "{}".to_owned(),
        app.uid(now),
        now,
    );
    app.audit.append(&tx, &mut seat, vec![entry], &facts).await?;
    tx.commit().await?;
    seat.settle()?;
    app.wake.ring();
    Ok(())
}

/// An emergency in the agent's name, where the agent was last; the one there is, if the agent has called for help itself just
/// now. None: that one is being changed by somebody else. The reporter and the task are locked.
async fn alarm(
    app: &App,
    tx: &Tx<'_>,
    check_in: &CheckIn,
    task: &Task,
    now: Timestamp,
) -> Result<Option<(Emergency, Vec<Fact>)>> {
    let plan = store::emergency::plan(tx).await?;
    if let Some((id, its)) = store::emergency::reported(tx, &own(check_in.user), now - plan.repeat).await? {
        if !is_held(tx, its, task.id).await? {
            return Ok(None);
        }
        let same = store::emergency::get(tx, id).await?.filter(Emergency::is_open);
        if let Some(same) = same {
            let (emergency, told) = emergency::repeat(tx, same, None, now).await?;
            return Ok(Some((emergency, vec![told])));
        }
    }
    let agent = store::agent::get(tx, check_in.agent).await?;
    let agent = agent.ok_or_else(|| Error::internal("an agent at work is gone"))?;
    let report = Report {
        reporter: own(check_in.user),
        actor: None,
        delegate: task.plan.delegate,
        source: Source::Program,
        location: agent.fix.map(|fix| fix.location).or(task.plan.location),
        description: words(&agent.profile.code, task),
    };
    let raised = emergency::raise(app, tx, report, &plan, now).await?;
    Ok(Some(raised))
}

/// Who reports for themselves.
fn own(user: UserId) -> Reporter {
    Reporter {
        user,
        mark: String::new(),
    }
}

async fn is_held(tx: &Tx<'_>, task: TaskId, held: TaskId) -> Result<bool> {
    if task == held {
        Ok(true)
    } else {
        store::task::try_lock(tx, task).await
    }
}

fn words(agent: &str, task: &Task) -> String {
    format!("{agent} no responde en la tarea {}\n{}", task.plan.code, task.plan.title)
}

/// What is told of a check-in.
pub fn fact(kind: FactKind, check_in: &CheckIn, actor: Option<UserId>, now: Timestamp) -> Fact {
    Fact {
        kind,
        time: now,
        actor,
        subject: Subject::CheckIn(Box::new(check_in.clone())),
        before: Before::default(),
    }
}
