//! What comments, attachments, checklists and dependencies share: they are of a task, and nothing without it.

use super::change::Change;
use crate::{
    domain::{
        TaskId,
        access::Caller,
        fact::{Before, FactKind},
        task::{Action, Task},
    },
    error::{Error, Missing, Result},
    store::{self, Query, Tx, task::Step},
};

/// The task of a thing, to read it; of one that is hidden it is said, and costs the same, as of one that is not there.
pub async fn seen(on: &impl Query, task: Option<TaskId>, caller: &Caller, missing: Missing) -> Result<Task> {
    let task = store::task::get(on, of(task)).await?;
    task.filter(|task| task.is_there_for(caller)).ok_or(Error::NotFound(missing))
}

/// The number of a thing's task; of a thing that is not there one that no task has.
pub fn of(task: Option<TaskId>) -> TaskId {
    task.unwrap_or(TaskId(0))
}

/// The task of a thing, to change the thing; nothing of deleted tasks changes.
pub async fn task(change: &Change<'_>, task: TaskId, missing: Missing) -> Result<Task> {
    let task = store::task::get(change.tx(), task).await?;
    task.filter(|task| task.is_there_for(&change.caller) && task.deleted.is_none())
        .ok_or(Error::NotFound(missing))
}

/// Writes into the task's history what was done, and tells whoever sees the task.
pub async fn note(change: &mut Change<'_>, task: &Task, action: Action, kind: FactKind, text: &str) -> Result<()> {
    let step = Step {
        id: 0,
        action: Some(action),
        from: Some(task.state()),
        to: task.state(),
        user: Some(change.caller.user),
        agent: None,
        reason: text.to_owned(),
        time: change.now,
    };
    store::task::add_step(change.tx(), task.id, &step).await?;
    change.task_fact(kind, task, Before::default());
    Ok(())
}

/// Refuses to start a task that waits for others, and to finish one without the proof that its kind takes.
pub async fn gate(tx: &Tx<'_>, task: &Task, action: Action) -> Result<()> {
    match action {
        Action::Start if store::dependency::waits(tx, task.id).await? => Err(Error::DependencyUnfinished),
        Action::Finish => {
            let policy = store::attachment::policy(tx, task.plan.kind).await?;
            if !policy.asks() {
                return Ok(());
            }
            let lacks = policy.lacks(store::attachment::proof(tx, task.id).await?);
            if lacks.is_empty() {
                Ok(())
            } else {
                Err(Error::ProofRequired(lacks))
            }
        }
        _ => Ok(()),
    }
}
