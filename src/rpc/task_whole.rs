//! TaskService for those who say all of a task at once: its fields, who is on it, and its state, in one transaction.

use std::collections::BTreeSet;

use tonic::Response;

use super::{
    Call,
    change::{Change, asked},
    task,
};
use crate::{
    app::App,
    domain::{
        AgentId, TaskId,
        task::{Action, State, action_towards},
    },
    error::{Error, Missing, Result},
    pb, store,
};

/// A task as somebody wants it.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Fields, and which of them; an empty mask changes none.
    pub fields: pb::UpdateTaskRequest,
    /// Exactly these are on it; none: whoever is.
    pub crew: Option<BTreeSet<AgentId>>,
    /// Where it stands; none: where it does.
    pub state: Option<State>,
}

/// Creates a task with agents on it.
pub async fn create(
    app: &App,
    call: &Call,
    request: pb::CreateTaskRequest,
    crew: &BTreeSet<AgentId>,
) -> Result<Response<pb::Task>> {
    let mut conn = app.database.lease().await?;
    let mut change = Change::begin(app, call, &mut conn, asked("CreateTask", &request.request_id), &request).await?;
    let agents: Vec<AgentId> = crew.iter().copied().collect();
    store::agent::lock(change.tx(), &agents).await?;
    let mut created = task::begin(app, &mut change, request.task.clone().unwrap_or_default()).await?;
    for agent in agents {
        created = task::put_on(&mut change, created, agent, false).await?;
    }
    task::answer(change, &created).await
}

/// Makes a task what somebody wants it to be, or leaves it as it is. What is so already is no change.
pub async fn revise(app: &App, call: &Call, id: TaskId, wanted: Wanted) -> Result<Response<pb::Task>> {
    let Wanted { fields, crew, state } = wanted;
    let mut conn = app.database.lease().await?;
    let mut change = Change::begin(app, call, &mut conn, asked("UpdateTask", ""), &fields).await?;
    let joining: Vec<AgentId> = crew.iter().flatten().copied().collect();
    let agents = task::lock_with_agents(&change, id, &joining).await?;
    let mut present = change.task(id, "").await?;
    if present.deleted.is_some() {
        return Err(Error::NotFound(Missing::Task));
    }
    let on: BTreeSet<AgentId> = present.assignments.iter().map(|on| on.agent).collect();
    let mask = fields.update_mask.filter(|mask| !mask.paths.is_empty());
    if let Some(mask) = mask {
        present = task::set(&mut change, present, fields.task.unwrap_or_default(), Some(&mask)).await?;
    }
    if let Some(crew) = crew {
        for agent in on.difference(&crew) {
            present = task::take_off(&mut change, present, *agent).await?;
        }
        for agent in crew.difference(&on) {
            present = task::put_on(&mut change, present, *agent, false).await?;
        }
    }
    if let Some(state) = state.filter(|state| *state != present.state()) {
        let action = action_towards(present.state(), state);
        present = task::take(&mut change, present, action, &agents, "").await?;
    }
    task::answer(change, &present).await
}

/// Finishes a task; one that was not begun is begun and finished at once.
pub async fn finish(app: &App, call: &Call, request: pb::TaskStepRequest) -> Result<Response<pb::Task>> {
    let mut conn = app.database.lease().await?;
    let mut change = Change::begin(app, call, &mut conn, asked("FinishTask", &request.request_id), &request).await?;
    let id = TaskId(request.id);
    let agents = task::lock_with_agents(&change, id, &[]).await?;
    let mut present = change.task(id, "").await?;
    if present.state() == State::Scheduled {
        present = task::take(&mut change, present, Action::Start, &agents, "").await?;
    }
    let finished = task::take(&mut change, present, Action::Finish, &agents, &request.reason).await?;
    task::answer(change, &finished).await
}
