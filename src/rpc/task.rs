//! TaskService: changes of tasks. Reading them is in `task_read`.

use std::{collections::BTreeSet, sync::Arc};

use prost_types::FieldMask;
use tonic::{Request, Response, Status};

use super::{
    Call,
    change::{Change, asked, tried},
    detail, sync, task_mask, task_read as read, wire,
};
use crate::{
    app::App,
    domain::{
        AgentId, TaskId,
        access::Caller,
        agent::Duty,
        fact::{Before, FactKind},
        task::{Action, Task},
        user::User,
    },
    emergency,
    error::{Error, Missing, Result},
    pb::{self, task_service_server::TaskService},
    store::{
        self,
        task::{Draft, Step},
    },
};

/// The service.
#[derive(Debug, Clone)]
pub struct Tasks(pub Arc<App>);

#[tonic::async_trait]
impl TaskService for Tasks {
    async fn create_task(&self, request: Request<pb::CreateTaskRequest>) -> Result<Response<pb::Task>, Status> {
        Ok(create(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn get_task(&self, request: Request<pb::GetTaskRequest>) -> Result<Response<pb::Task>, Status> {
        Ok(read::get(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn batch_get_tasks(
        &self,
        request: Request<pb::BatchGetTasksRequest>,
    ) -> Result<Response<pb::BatchGetTasksResponse>, Status> {
        Ok(read::batch_get(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn list_tasks(&self, request: Request<pb::ListTasksRequest>) -> Result<Response<pb::ListTasksResponse>, Status> {
        Ok(read::list(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn update_task(&self, request: Request<pb::UpdateTaskRequest>) -> Result<Response<pb::Task>, Status> {
        Ok(update(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn delete_task(&self, request: Request<pb::DeleteTaskRequest>) -> Result<Response<pb::Task>, Status> {
        Ok(delete(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn undelete_task(&self, request: Request<pb::TaskStepRequest>) -> Result<Response<pb::Task>, Status> {
        Ok(undelete(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn start_task(&self, request: Request<pb::TaskStepRequest>) -> Result<Response<pb::Task>, Status> {
        let call = Call::of(&request)?;
        Ok(step(&self.0, &call, Action::Start, "StartTask", request.into_inner()).await?)
    }

    async fn pause_task(&self, request: Request<pb::TaskStepRequest>) -> Result<Response<pb::Task>, Status> {
        let call = Call::of(&request)?;
        Ok(step(&self.0, &call, Action::Pause, "PauseTask", request.into_inner()).await?)
    }

    async fn resume_task(&self, request: Request<pb::TaskStepRequest>) -> Result<Response<pb::Task>, Status> {
        let call = Call::of(&request)?;
        Ok(step(&self.0, &call, Action::Resume, "ResumeTask", request.into_inner()).await?)
    }

    async fn finish_task(&self, request: Request<pb::TaskStepRequest>) -> Result<Response<pb::Task>, Status> {
        let call = Call::of(&request)?;
        Ok(step(&self.0, &call, Action::Finish, "FinishTask", request.into_inner()).await?)
    }

    async fn cancel_task(&self, request: Request<pb::TaskStepRequest>) -> Result<Response<pb::Task>, Status> {
        let call = Call::of(&request)?;
        Ok(step(&self.0, &call, Action::Cancel, "CancelTask", request.into_inner()).await?)
    }

    async fn reopen_task(&self, request: Request<pb::TaskStepRequest>) -> Result<Response<pb::Task>, Status> {
        Ok(reopen(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn assign_task(&self, request: Request<pb::AssignTaskRequest>) -> Result<Response<pb::Task>, Status> {
        Ok(assign(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn unassign_task(&self, request: Request<pb::UnassignTaskRequest>) -> Result<Response<pb::Task>, Status> {
        Ok(unassign(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn get_workflow(&self, _request: Request<pb::GetWorkflowRequest>) -> Result<Response<pb::Workflow>, Status> {
        Ok(Response::new(wire::workflow()))
    }

    async fn list_task_history(
        &self,
        request: Request<pb::ListTaskHistoryRequest>,
    ) -> Result<Response<pb::ListTaskHistoryResponse>, Status> {
        Ok(read::history(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

/// CreateTask.
pub async fn create(app: &App, call: &Call, request: pb::CreateTaskRequest) -> Result<Response<pb::Task>> {
    let asked = tried("CreateTask", &request.request_id, request.validate_only);
    let mut conn = app.database.lease().await?;
    let mut change = Change::begin(app, call, &mut conn, asked, &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let task = begin(app, &mut change, request.task.clone().unwrap_or_default()).await?;
    let mut answer = wire::task(&task, &change.caller, change.now);
    if request.validate_only {
        answer.id = 0;
    }
    change.commit(answer).await
}

/// Adds the task that somebody asks for.
pub async fn begin(app: &App, change: &mut Change<'_>, wire: pb::Task) -> Result<Task> {
    let plan = task_mask::plan(wire, change.caller.user, change.now)?;
    change.check_known(plan.delegate).await?;
    let draft = Draft {
        uid: app.uid(change.now),
        plan,
        creator: change.caller.user,
        reopened_from: None,
        now: change.now,
    };
    add(change, &draft, None, String::new()).await
}

/// Adds a task with the first line of its history.
pub async fn add(change: &mut Change<'_>, draft: &Draft, action: Option<Action>, reason: String) -> Result<Task> {
    let task = store::task::insert(change.tx(), draft).await?;
    change.trail.resource("task", task.id.0);
    change.trail.anew();
    let first = Step {
        id: 0,
        action,
        from: None,
        to: task.state(),
        user: Some(change.caller.user),
        agent: None,
        reason,
        time: change.now,
    };
    store::task::add_step(change.tx(), task.id, &first).await?;
    change.task_fact(FactKind::TaskCreated, &task, Before::default());
    Ok(task)
}

async fn update(app: &App, call: &Call, request: pb::UpdateTaskRequest) -> Result<Response<pb::Task>> {
    let asked = tried("UpdateTask", &request.request_id, request.validate_only);
    let wire = request.task.clone().unwrap_or_default();
    if wire.id == 0 {
        return Err(Error::invalid("task.id", "falta", "is required"));
    }
    let etag = wire::seen_etag(&request.etag, &wire.etag);
    let id = TaskId(wire.id);
    let mut conn = app.database.lease().await?;
    let mut change = Change::begin(app, call, &mut conn, asked, &request).await?;
    store::task::lock(change.tx(), id).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let task = change.task(id, &etag).await?;
    let task = set(&mut change, task, wire, request.update_mask.as_ref()).await?;
    answer(change, &task).await
}

/// Sets fields of a task, which is locked.
pub async fn set(change: &mut Change<'_>, mut task: Task, wire: pb::Task, mask: Option<&FieldMask>) -> Result<Task> {
    permit(&task, &change.caller, Action::Update)?;
    let before = Before::of(&task);
    let delegate = task.plan.delegate;
    task_mask::apply(&mut task.plan, wire, mask)?;
    if task.plan.delegate != delegate {
        change.check_known(task.plan.delegate).await?;
    }
    let task = store::task::save(change.tx(), &task, change.now).await?;
    change.task_fact(FactKind::TaskUpdated, &task, before);
    Ok(task)
}

/// StartTask, PauseTask, ResumeTask, FinishTask, CancelTask.
pub async fn step(
    app: &App,
    call: &Call,
    action: Action,
    method: &'static str,
    request: pb::TaskStepRequest,
) -> Result<Response<pb::Task>> {
    let mut conn = app.database.lease().await?;
    let mut change = Change::begin(app, call, &mut conn, asked(method, &request.request_id), &request).await?;
    let id = TaskId(request.id);
    let agents = lock_with_agents(&change, id, &[]).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let reported = sync::reported("reported_time", request.reported_time, change.now)?;
    let task = change.task(id, &request.etag).await?;
    let task = take(&mut change, task, action, &agents, &request.reason).await?;
    store::task::report_time(change.tx(), task.id, reported).await?;
    answer(change, &task).await
}

/// Takes a step. Task and agents are locked.
pub async fn take(change: &mut Change<'_>, mut task: Task, action: Action, agents: &[AgentId], reason: &str) -> Result<Task> {
    permit(&task, &change.caller, action)?;
    let (before, from) = (Before::of(&task), task.state());
    let crew = change.agents(agents).await?;
    task.progress = task.progress.step(action, change.now).map_err(illegal)?;
    detail::gate(change.tx(), &task, action).await?;
    let task = store::task::save(change.tx(), &task, change.now).await?;
    store::task::occupy(change.tx(), &task).await?;
    note(change, &task, action, Some(from), None, reason.to_owned()).await?;
    change.task_fact(FactKind::TaskStateChanged, &task, before);
    change.tell_of(crew).await?;
    follow(change, &task, action, reason).await?;
    Ok(task)
}

/// DeleteTask.
pub async fn delete(app: &App, call: &Call, request: pb::DeleteTaskRequest) -> Result<Response<pb::Task>> {
    let mut conn = app.database.lease().await?;
    let mut change = Change::begin(app, call, &mut conn, asked("DeleteTask", &request.request_id), &request).await?;
    let id = TaskId(request.id);
    let agents = lock_with_agents(&change, id, &[]).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let task = change.task(id, &request.etag).await?;
    let task = remove(&mut change, task, &agents).await?;
    answer(change, &task).await
}

/// Marks a task deleted. It and its agents are locked.
pub async fn remove(change: &mut Change<'_>, mut task: Task, agents: &[AgentId]) -> Result<Task> {
    if task.deleted.is_some() {
        return Err(Error::NotFound(Missing::Task));
    }
    let before = Before::of(&task);
    let crew = change.agents(agents).await?;
    for agent in agents {
        store::task::unassign(change.tx(), task.id, *agent).await?;
    }
    task.deleted = Some(change.now);
    let task = store::task::save(change.tx(), &task, change.now).await?;
    note(change, &task, Action::Delete, Some(task.state()), None, String::new()).await?;
    change.task_fact(FactKind::TaskDeleted, &task, before);
    change.tell_of(crew).await?;
    follow(change, &task, Action::Delete, "").await?;
    Ok(task)
}

async fn undelete(app: &App, call: &Call, request: pb::TaskStepRequest) -> Result<Response<pb::Task>> {
    let mut conn = app.database.lease().await?;
    let mut change = Change::begin(app, call, &mut conn, asked("UndeleteTask", &request.request_id), &request).await?;
    let id = TaskId(request.id);
    store::task::lock(change.tx(), id).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let task = change.task(id, &request.etag).await?;
    let task = restore(&mut change, task, request.reason).await?;
    answer(change, &task).await
}

/// Takes the deletion of a locked task back.
pub async fn restore(change: &mut Change<'_>, mut task: Task, reason: String) -> Result<Task> {
    if task.deleted.take().is_none() {
        return Err(Error::NotDeleted);
    }
    let before = Before::of(&task);
    let task = store::task::save(change.tx(), &task, change.now).await?;
    note(change, &task, Action::Undelete, Some(task.state()), None, reason).await?;
    change.task_fact(FactKind::TaskUndeleted, &task, before);
    Ok(task)
}

async fn reopen(app: &App, call: &Call, request: pb::TaskStepRequest) -> Result<Response<pb::Task>> {
    let mut conn = app.database.lease().await?;
    let mut change = Change::begin(app, call, &mut conn, asked("ReopenTask", &request.request_id), &request).await?;
    let id = TaskId(request.id);
    store::task::lock(change.tx(), id).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let old = change.task(id, &request.etag).await?;
    permit(&old, &change.caller, Action::Reopen)?;
    note(&change, &old, Action::Reopen, Some(old.state()), None, request.reason.clone()).await?;
    let mut plan = old.plan;
    plan.code.clear();
    plan.planned_start = change.now;
    plan.planned_end = None;
    let delegate = store::user::get(change.tx(), plan.delegate).await?;
    plan.delegate = delegate
        .filter(User::may_sign_in)
        .map_or(change.caller.user, |delegate| delegate.id);
    let draft = Draft {
        uid: app.uid(change.now),
        plan,
        creator: change.caller.user,
        reopened_from: Some(id),
        now: change.now,
    };
    let task = add(&mut change, &draft, Some(Action::Reopen), request.reason.clone()).await?;
    answer(change, &task).await
}

async fn assign(app: &App, call: &Call, request: pb::AssignTaskRequest) -> Result<Response<pb::Task>> {
    let mut conn = app.database.lease().await?;
    let mut change = Change::begin(app, call, &mut conn, asked("AssignTask", &request.request_id), &request).await?;
    let (id, agent_id) = (TaskId(request.id), AgentId(request.agent_id));
    store::task::lock(change.tx(), id).await?;
    store::agent::lock(change.tx(), &[agent_id]).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let task = change.task(id, &request.etag).await?;
    let task = put_on(&mut change, task, agent_id, request.exclusive).await?;
    answer(change, &task).await
}

/// Puts an agent on a task. Both are locked.
pub async fn put_on(change: &mut Change<'_>, task: Task, agent_id: AgentId, exclusive: bool) -> Result<Task> {
    permit(&task, &change.caller, Action::Assign)?;
    let id = task.id;
    let crew = change.agents(&[agent_id]).await?;
    let agent = crew
        .first()
        .filter(|agent| agent.deleted.is_none() && agent.is_visible_to(&change.caller))
        .ok_or(Error::NotFound(Missing::Agent))?;
    if task.assignments.iter().any(|assignment| assignment.agent == agent_id) {
        return Err(Error::AlreadyAssigned);
    }
    if exclusive && agent.duty != Duty::Available {
        return Err(Error::AgentOffDuty);
    }
    if exclusive && agent.occupied {
        return Err(Error::AgentBusy);
    }
    let before = Before::of(&task);
    let occupying = exclusive || task.state().occupies();
    store::task::assign(change.tx(), id, agent_id, exclusive, occupying, change.now).await?;
    let task = store::task::save(change.tx(), &task, change.now).await?;
    let (state, reason) = (Some(task.state()), String::new());
    note(change, &task, Action::Assign, state, Some(agent_id), reason).await?;
    change.task_fact(FactKind::TaskAssigned, &task, before);
    change.tell_of(crew).await?;
    Ok(task)
}

async fn unassign(app: &App, call: &Call, request: pb::UnassignTaskRequest) -> Result<Response<pb::Task>> {
    let mut conn = app.database.lease().await?;
    let mut change = Change::begin(app, call, &mut conn, asked("UnassignTask", &request.request_id), &request).await?;
    let (id, agent_id) = (TaskId(request.id), AgentId(request.agent_id));
    store::task::lock(change.tx(), id).await?;
    store::agent::lock(change.tx(), &[agent_id]).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let task = change.task(id, &request.etag).await?;
    let task = take_off(&mut change, task, agent_id).await?;
    answer(change, &task).await
}

/// Takes an agent off a task. Both are locked.
pub async fn take_off(change: &mut Change<'_>, task: Task, agent_id: AgentId) -> Result<Task> {
    entitle(&task, &change.caller, Action::Unassign)?;
    if task.deleted.is_none() && task.state().is_open() && !task.assignments.iter().any(|on| on.agent == agent_id) {
        return Err(Error::NotAssigned);
    }
    permit(&task, &change.caller, Action::Unassign)?;
    let before = Before::of(&task);
    let crew = change.agents(&[agent_id]).await?;
    store::task::unassign(change.tx(), task.id, agent_id).await?;
    let task = store::task::save(change.tx(), &task, change.now).await?;
    let (state, reason) = (Some(task.state()), String::new());
    note(change, &task, Action::Unassign, state, Some(agent_id), reason).await?;
    change.task_fact(FactKind::TaskUnassigned, &task, before);
    change.tell_of(crew).await?;
    follow(change, &task, Action::Unassign, "").await?;
    Ok(task)
}

fn illegal(step: crate::domain::task::IllegalStep) -> Error {
    Error::IllegalStep {
        action: step.action,
        state: step.state,
    }
}

/// Authority first, then the state: who may not do it learns nothing of whether it could be done.
pub fn permit(task: &Task, caller: &Caller, action: Action) -> Result<()> {
    entitle(task, caller, action)?;
    if task.deleted.is_some() {
        return Err(Error::NotFound(Missing::Task));
    }
    task.admits(action).map_err(illegal)
}

/// Whether the caller's authority reaches it, whatever its state.
fn entitle(task: &Task, caller: &Caller, action: Action) -> Result<()> {
    if task.is_open_to(caller, action) {
        Ok(())
    } else {
        Err(Error::Forbidden)
    }
}

/// Locks a task, then whoever is on it and some more; nobody can join or leave it meanwhile. On a task that is not there for the
/// caller is nobody: it is asked for like one that is not there at all.
pub async fn lock_with_agents(change: &Change<'_>, id: TaskId, more: &[AgentId]) -> Result<Vec<AgentId>> {
    store::task::lock(change.tx(), id).await?;
    let task = store::task::get(change.tx(), id).await?;
    let task = task.filter(|task| task.is_there_for(&change.caller));
    let assignments = task.map(|task| task.assignments).unwrap_or_default();
    let agents: BTreeSet<AgentId> = assignments.iter().map(|on| on.agent).chain(more.iter().copied()).collect();
    let agents: Vec<AgentId> = agents.into_iter().collect();
    store::agent::lock(change.tx(), &agents).await?;
    Ok(agents)
}

/// The emergency that a task is for follows it.
async fn follow(change: &mut Change<'_>, task: &Task, action: Action, reason: &str) -> Result<()> {
    let facts = emergency::follow(change.tx(), task, action, &change.caller, reason, change.now).await?;
    change.tell(facts);
    Ok(())
}

async fn note(
    change: &Change<'_>,
    task: &Task,
    action: Action,
    from: Option<crate::domain::task::State>,
    agent: Option<AgentId>,
    reason: String,
) -> Result<()> {
    change.trail.reason(&reason);
    let step = Step {
        id: 0,
        action: Some(action),
        from,
        to: task.state(),
        user: Some(change.caller.user),
        agent,
        reason,
        time: change.now,
    };
    store::task::add_step(change.tx(), task.id, &step).await
}

/// Commits, and answers with the task.
pub async fn answer(change: Change<'_>, task: &Task) -> Result<Response<pb::Task>> {
    let answer = wire::task(task, &change.caller, change.now);
    change.commit(answer).await
}
