//! Erasing a person within a transaction: what is locked and looked up first, then what is written.

use jiff::Timestamp;

use crate::{
    domain::{
        AgentId, TaskId, UserId,
        agent::Agent,
        audit::Forgotten,
        erasure::{Known, Traces},
        fact::{Before, Fact, FactKind, Subject},
        user::User,
    },
    error::{Error, Missing, Result},
    identity::{Seal, national_id},
    store::{self, Tx, erase::Cleared, revocation::Revoked},
};

/// What an erasure is about to change, locked.
pub struct Ready {
    user: UserId,
    agents: Vec<AgentId>,
    tasks: Vec<TaskId>,
    traces: Traces,
}

impl Ready {
    /// A text about the user with the pseudonym for what names them.
    pub async fn unnamed(&self, tx: &Tx<'_>, text: &str) -> Result<String> {
        store::erase::unnamed(tx, self.user, &self.traces, text).await
    }
}

/// What came of an erasure.
pub struct Erased {
    /// How many rows of which table.
    pub cleared: Vec<Cleared>,
    /// What watchers hear of it.
    pub facts: Vec<Fact>,
    /// Number of the erasure in the feed.
    pub erasures: i64,
    /// What the audit is to forget.
    pub forgotten: Forgotten,
}

/// Looks up what names the user, and locks all of it. Comes after `user::lock`, before the first write.
pub async fn prepare(tx: &Tx<'_>, seal: &Seal, user: &User) -> Result<Ready> {
    let national_id = national_id::of(tx, seal, user.id).await?;
    let traces = Traces::of(Known {
        name: &user.name,
        email: &user.email,
        username: user.username.as_deref().unwrap_or_default(),
        phone: &user.phone,
        telegram_id: user.telegram_id,
        national_id: national_id.as_deref().unwrap_or_default(),
    });
    let tasks = store::erase::tasks_naming(tx, user.id, &traces).await?;
    for task in &tasks {
        store::task::lock(tx, *task).await?;
    }
    let agents = store::erase::agents(tx, user.id).await?;
    store::agent::lock(tx, &agents).await?;
    store::position::lock(tx, agents.iter().copied()).await?;
    Ok(Ready {
        user: user.id,
        agents,
        tasks,
        traces,
    })
}

/// Erases the user, unless open tasks wait for them. The database keeps the last administrator. `actor` is who asked; none: the time was over.
pub async fn erase(tx: &Tx<'_>, ready: Ready, actor: Option<UserId>, now: Timestamp) -> Result<Erased> {
    let Ready {
        user,
        agents,
        tasks,
        traces,
    } = ready;
    let count = store::user::open_tasks(tx, user).await?;
    if count > 0 {
        return Err(Error::StillInUse { count });
    }
    let agents_before = store::agent::find(tx, &agents).await?;
    let tasks_before = store::task::find(tx, &tasks).await?;
    let emergencies = store::erase::emergencies_naming(tx, &tasks, &traces).await?;
    let details = store::erase::details_naming(tx, &traces).await?;
    let cleared = store::erase::by_map(tx, user).await?;
    let version = store::erase::bury(tx, user, now).await?;
    store::revocation::add(tx, Revoked::User { user, version }, now).await?;
    store::erase::unname(tx, user, &tasks, &traces, now).await?;
    let erasures = store::erase::tell_feed(tx).await?;
    let fact = |kind, subject, before| Fact {
        kind,
        time: now,
        actor,
        subject,
        before,
    };
    let mut facts = Vec::new();
    for before in agents_before.iter().filter(|agent| agent.deleted.is_none()) {
        let after = find(tx, before).await?;
        let zone = Before {
            zone: before.zone,
            ..Before::default()
        };
        facts.push(fact(FactKind::AgentDeleted, Subject::Agent(Box::new(after)), zone));
    }
    for after in store::task::find(tx, &tasks).await? {
        let before = tasks_before.iter().find(|task| task.id == after.id);
        if let Some(before) = before.filter(|task| task.deleted.is_none()) {
            let mut before = Before::of(before);
            before.location = None;
            facts.push(fact(FactKind::TaskUpdated, Subject::Task(Box::new(after)), before));
        }
    }
    let task_names = tasks.iter().map(|task| format!("task/{}", task.0));
    let emergency_names = emergencies.iter().map(|emergency| format!("emergency/{}", emergency.0));
    Ok(Erased {
        cleared,
        facts,
        erasures,
        forgotten: Forgotten {
            user,
            things: task_names.chain(emergency_names).chain(details).collect(),
            pattern: traces.json_pattern(),
        },
    })
}

async fn find(tx: &Tx<'_>, agent: &Agent) -> Result<Agent> {
    let found = store::agent::get(tx, agent.id).await?;
    found.ok_or(Error::NotFound(Missing::Agent))
}
