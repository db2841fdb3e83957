//! Emergencies: raising one, and calling more and more people until somebody answers.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    dispatch::{self, Order},
    domain::{
        EmergencyId, TaskId, UserId,
        access::Caller,
        audit::Entry,
        emergency::{Emergency, Outcome, Plan, Stage, State, Step, StepKind},
        fact::{Before, Fact, FactKind, Subject},
        task::{Action, Task},
    },
    error::{Error, Result},
    store::{self, Conn, Tx},
};

/// Time between looks at whose time is over.
const LOOK: Duration = Duration::from_millis(250);
/// Emergencies of one look.
const BATCH: i64 = 20;
/// Longest that one emergency may keep the others waiting.
const PATIENCE: Duration = Duration::from_secs(5);
/// Method of the audit's rows of what the system does.
const ESCALATION: &str = "emergency.escalation";

/// Looks again and again whose time is over, until stopped. Replicas do not wait for each other: each takes what no other has.
pub async fn run(app: &App, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        if let Err(cause) = escalate_due(app).await {
            tracing::warn!(%cause, "emergencies could not be looked at");
        }
    }
}

async fn escalate_due(app: &App) -> Result<()> {
    let mut conn = app.database.lease().await?;
    let now = app.clock.now();
    for (id, task) in store::emergency::due(&*conn, now, BATCH).await? {
        // One that cannot be moved on must not keep the others from it.
        if let Err(cause) = escalate(app, &mut conn, id, task, now).await {
            tracing::error!(%cause, emergency = id.0, "an emergency could not be escalated");
        }
    }
    Ok(())
}

/// Calls the next ones, unless another replica does, or somebody has answered meanwhile.
async fn escalate(app: &App, conn: &mut Conn, id: EmergencyId, task: TaskId, now: Timestamp) -> Result<()> {
    let tx = conn.begin(Some(PATIENCE)).await?;
    if !store::task::try_lock(&tx, task).await? {
        return Ok(());
    }
    let emergency = store::emergency::get(&tx, id).await?;
    let Some(emergency) = emergency.filter(|emergency| emergency.due.is_some_and(|due| due <= now)) else {
        return Ok(());
    };
    let plan = store::emergency::plan(&tx).await?;
    let (_, facts) = call_next(&tx, emergency, &plan, FactKind::EmergencyChanged, now).await?;
    let mut seat = app.audit.seat(&tx, now).await?;
    let entry = Entry::by_system(ESCALATION, format!("emergency/{}", id.0), "{}".to_owned(), app.uid(now), now);
    app.audit.append(&tx, &mut seat, vec![entry], &facts).await?;
    tx.commit().await?;
    seat.settle()?;
    app.wake.ring();
    Ok(())
}

/// Sends one more agent if more are to be sent, calls whoever is next, and says when to look again. The task is locked.
pub async fn call_next(
    tx: &Tx<'_>,
    mut emergency: Emergency,
    plan: &Plan,
    kind: FactKind,
    now: Timestamp,
) -> Result<(Emergency, Vec<Fact>)> {
    let task = store::task::get(tx, emergency.task).await?;
    let task = task.ok_or_else(|| Error::internal("the task of an emergency is gone"))?;
    // Somebody cares for it, and somebody was put on it meanwhile: nobody else is needed.
    let served = emergency.state >= State::Acknowledged && !task.assignments.is_empty();
    let mut facts = match served {
        true => Vec::new(),
        false => send_one(tx, &emergency, &task, plan, now).await?,
    };
    let sent = !facts.is_empty();
    let found = served || sent;
    let (stage, due) = emergency.after_try(plan, found, now);
    let first = emergency.called == 0 && emergency.stage == Stage::Agents;
    if !found && first && emergency.state < State::Acknowledged {
        note(tx, &emergency, StepKind::Unassigned, None, String::new(), now).await?;
    }
    if stage != emergency.stage {
        emergency.stage = stage;
        note(tx, &emergency, StepKind::Escalated, None, String::new(), now).await?;
    }
    emergency.called += u32::from(sent);
    emergency.due = due;
    let before = Before {
        audience: emergency.audience.clone(),
        ..Before::default()
    };
    let emergency = store::emergency::save(tx, &emergency, now).await?;
    facts.push(fact(kind, &emergency, before, None, now));
    Ok((emergency, facts))
}

/// Sends the next best agent, if there are fewer than may be sent; gives the facts of it, none if there is none.
async fn send_one(tx: &Tx<'_>, emergency: &Emergency, task: &Task, plan: &Plan, now: Timestamp) -> Result<Vec<Fact>> {
    let sendable = task.plan.location.is_some() && task.state().is_open();
    if task.assignments.len() >= plan.crew_count || !sendable {
        return Ok(Vec::new());
    }
    let policy = store::dispatch::policy(tx, task.plan.kind).await?;
    let order = Order {
        task,
        policy: &policy,
        count: 1,
        sight: None,
        now,
    };
    let claimed = dispatch::claim(tx, &order).await?;
    let Some(candidate) = claimed.candidates.first() else {
        return Ok(Vec::new());
    };
    let (_, facts) = dispatch::send(tx, &order, &claimed.candidates, None, "").await?;
    let agent = candidate.agent.id;
    let step = Step {
        agent: Some(agent),
        ..step(emergency, StepKind::Sent, None, String::new(), now)
    };
    store::emergency::add_step(tx, emergency.id, &step).await?;
    Ok(facts)
}

/// Somebody answers: the emergency goes forward to a state. One that is there already stays as it is. The task is locked.
pub async fn advance(
    tx: &Tx<'_>,
    mut emergency: Emergency,
    to: State,
    user: UserId,
    text: String,
    now: Timestamp,
) -> Result<(Emergency, Vec<Fact>)> {
    if emergency.state >= to {
        return Ok((emergency, Vec::new()));
    }
    emergency.state = to;
    let kind = match to {
        State::Received => StepKind::Received,
        State::Seen => StepKind::Seen,
        State::Acknowledged => StepKind::Acknowledged,
        State::OnSite => StepKind::OnSite,
        State::Closed => StepKind::Closed,
    };
    if to >= State::Acknowledged && !emergency.agents.is_empty() {
        emergency.due = None;
    }
    note(tx, &emergency, kind, Some(user), text, now).await?;
    let emergency = store::emergency::save(tx, &emergency, now).await?;
    let told = fact(FactKind::EmergencyChanged, &emergency, Before::default(), Some(user), now);
    Ok((emergency, vec![told]))
}

/// Follows what was done to a task, if it is one of an emergency: who starts it takes care of it, its end is the emergency's
/// end, and somebody else is looked for when nobody is on it any more. Nobody deletes the task of one that goes on: it is
/// finished or cancelled first. The task is locked.
pub async fn follow(tx: &Tx<'_>, task: &Task, action: Action, caller: &Caller, text: &str, now: Timestamp) -> Result<Vec<Fact>> {
    let Some(id) = store::emergency::of_task(tx, task.id).await? else {
        return Ok(Vec::new());
    };
    let emergency = store::emergency::get(tx, id).await?.filter(Emergency::is_open);
    let Some(mut emergency) = emergency else {
        return Ok(Vec::new());
    };
    if action == Action::Delete {
        return Err(Error::IllegalStep {
            action,
            state: task.state(),
        });
    }
    let user = caller.user;
    if action == Action::Start {
        let (_, facts) = advance(tx, emergency, State::Acknowledged, user, text.to_owned(), now).await?;
        return Ok(facts);
    }
    if !task.state().is_open() {
        emergency.outcome = Some(match action {
            Action::Finish => Outcome::Resolved,
            _ if emergency.reporter == Some(user) => Outcome::Withdrawn,
            _ => Outcome::FalseAlarm,
        });
        emergency.due = None;
        let (_, facts) = advance(tx, emergency, State::Closed, user, text.to_owned(), now).await?;
        return Ok(facts);
    }
    if !emergency.agents.is_empty() || emergency.due.is_some() {
        return Ok(Vec::new());
    }
    emergency.due = Some(now);
    note(tx, &emergency, StepKind::Unassigned, Some(user), text.to_owned(), now).await?;
    let emergency = store::emergency::save(tx, &emergency, now).await?;
    let told = fact(FactKind::EmergencyChanged, &emergency, Before::default(), Some(user), now);
    Ok(vec![told])
}

/// Writes down what happened.
pub async fn note(
    tx: &Tx<'_>,
    emergency: &Emergency,
    kind: StepKind,
    user: Option<UserId>,
    text: String,
    now: Timestamp,
) -> Result<()> {
    store::emergency::add_step(tx, emergency.id, &step(emergency, kind, user, text, now)).await
}

fn step(emergency: &Emergency, kind: StepKind, user: Option<UserId>, note: String, now: Timestamp) -> Step {
    Step {
        kind,
        user,
        agent: None,
        stage: emergency.stage,
        note,
        time: now,
    }
}

/// What is told of an emergency.
pub fn fact(kind: FactKind, emergency: &Emergency, before: Before, actor: Option<UserId>, now: Timestamp) -> Fact {
    Fact {
        kind,
        time: now,
        actor,
        subject: Subject::Emergency(Box::new(emergency.clone())),
        before,
    }
}
