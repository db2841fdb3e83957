//! BulkService: one action on many tasks. Exports are in `extract`, imports in `task_import`.

use std::{collections::BTreeSet, sync::Arc};

use tonic::{Request, Response, Status, Streaming};

use super::{
    Call,
    change::{Change, tried},
    extract, refusal, rule, task, task_import, wire,
};
use crate::{
    app::App,
    domain::{
        AgentId, TaskId,
        task::{Action, Task},
    },
    error::{Error, Result},
    pb::{self, BatchChangeStatus, bulk_service_server::BulkService},
    store,
};

/// The service.
#[derive(Debug, Clone)]
pub struct Bulk(pub Arc<App>);

#[tonic::async_trait]
impl BulkService for Bulk {
    type ExportTasksStream = extract::Pieces;
    type ExportAgentsStream = extract::Pieces;
    type ExportEmergenciesStream = extract::Pieces;

    async fn export_tasks(&self, request: Request<pb::ExportTasksRequest>) -> Result<Response<extract::Pieces>, Status> {
        Ok(extract::tasks(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn export_agents(&self, request: Request<pb::ExportAgentsRequest>) -> Result<Response<extract::Pieces>, Status> {
        Ok(extract::agents(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn export_emergencies(
        &self,
        request: Request<pb::ExportEmergenciesRequest>,
    ) -> Result<Response<extract::Pieces>, Status> {
        Ok(extract::emergencies(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn import_tasks(
        &self,
        request: Request<Streaming<pb::ImportTasksRequest>>,
    ) -> Result<Response<pb::ImportTasksResponse>, Status> {
        task_import::import(&self.0, &Call::of(&request)?, request.into_inner()).await
    }

    async fn batch_change_tasks(
        &self,
        request: Request<pb::BatchChangeTasksRequest>,
    ) -> Result<Response<pb::BatchChangeTasksResponse>, Status> {
        Ok(change(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

/// The single RPC of an action: who may take it on many tasks is who may take it on one.
fn path(action: Action) -> Result<&'static str> {
    Ok(match action {
        Action::Start => "/gad.v1.TaskService/StartTask",
        Action::Pause => "/gad.v1.TaskService/PauseTask",
        Action::Resume => "/gad.v1.TaskService/ResumeTask",
        Action::Finish => "/gad.v1.TaskService/FinishTask",
        Action::Cancel => "/gad.v1.TaskService/CancelTask",
        Action::Assign => "/gad.v1.TaskService/AssignTask",
        Action::Unassign => "/gad.v1.TaskService/UnassignTask",
        Action::Update => "/gad.v1.TaskService/UpdateTask",
        Action::Delete => "/gad.v1.TaskService/DeleteTask",
        Action::Undelete => "/gad.v1.TaskService/UndeleteTask",
        Action::Reopen | Action::Comment | Action::Attach | Action::Detach | Action::Checklist | Action::Depend => {
            return Err(not_for_many());
        }
    })
}

fn not_for_many() -> Error {
    Error::invalid("action", "no se hace con varias a la vez", "is not taken on many at once")
}

async fn change(app: &App, call: &Call, request: pb::BatchChangeTasksRequest) -> Result<Response<pb::BatchChangeTasksResponse>> {
    let action = Action::of(request.action).ok_or_else(|| Error::required("action"))?;
    rule::admit_to(app, path(action)?, call.signed_in()?)?;
    check(action, &request)?;
    let mut conn = app.database.lease().await?;
    let asked = tried("BatchChangeTasks", &request.request_id, request.validate_only);
    let mut change = Change::begin(app, call, &mut conn, asked, &request).await?;
    let ids = request.tasks.iter().map(|task| TaskId(task.id)).collect();
    lock(&change, &ids, AgentId(request.agent_id)).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let mut answer = pb::BatchChangeTasksResponse::default();
    for chosen in &request.tasks {
        let result = one(&mut change, action, chosen, &request).await?;
        match result.status() {
            BatchChangeStatus::Changed => answer.changed_count += 1,
            _ => answer.refused_count += 1,
        }
        answer.results.push(result);
    }
    if request.all_or_nothing && answer.refused_count > 0 {
        return Ok(change.forgo(undone(answer)));
    }
    answer.applied = !request.validate_only && answer.changed_count > 0;
    change.commit(answer).await
}

fn check(action: Action, request: &pb::BatchChangeTasksRequest) -> Result<()> {
    let ids: BTreeSet<i64> = request.tasks.iter().map(|task| task.id).collect();
    if ids.len() < request.tasks.len() {
        return Err(Error::invalid(
            "tasks",
            "hay una tarea repetida",
            "a task is in it more than once",
        ));
    }
    match action {
        Action::Assign | Action::Unassign if request.agent_id == 0 => Err(Error::required("agent_id")),
        Action::Update if request.task.is_none() => Err(Error::required("task")),
        _ => Ok(()),
    }
}

/// What becomes of one task; only what says nothing of it fails the whole.
async fn one(
    change: &mut Change<'_>,
    action: Action,
    chosen: &pb::ChosenTask,
    request: &pb::BatchChangeTasksRequest,
) -> Result<pb::BatchChangeResult> {
    let part = change.begin_part().await?;
    let mut result = pb::BatchChangeResult::default();
    match act(change, action, chosen, request).await {
        Ok(task) => {
            let task = wire::task(&task, &change.caller, change.now);
            change.keep_part(&task).await?;
            result.status = BatchChangeStatus::Changed as i32;
            result.task = Some(task);
        }
        Err(error) => {
            let refused = refusal::expect(error)?;
            change.undo_part(part, Some(&refused)).await?;
            result.status = BatchChangeStatus::Refused as i32;
            result.refusal = Some(refusal::of(&refused));
        }
    }
    Ok(result)
}

/// Does what the single RPC would do. Tasks and agents are locked.
async fn act(
    change: &mut Change<'_>,
    action: Action,
    chosen: &pb::ChosenTask,
    request: &pb::BatchChangeTasksRequest,
) -> Result<Task> {
    let task = change.task(TaskId(chosen.id), &chosen.etag).await?;
    let agents: Vec<AgentId> = task.assignments.iter().map(|on| on.agent).collect();
    let agent = AgentId(request.agent_id);
    match action {
        Action::Start | Action::Pause | Action::Resume | Action::Finish | Action::Cancel => {
            task::take(change, task, action, &agents, &request.reason).await
        }
        Action::Undelete => task::restore(change, task, request.reason.clone()).await,
        Action::Delete => task::remove(change, task, &agents).await,
        Action::Assign => task::put_on(change, task, agent, request.exclusive).await,
        Action::Unassign => task::take_off(change, task, agent).await,
        Action::Update => {
            let wanted = request.task.clone().unwrap_or_default();
            task::set(change, task, wanted, request.update_mask.as_ref()).await
        }
        Action::Reopen | Action::Comment | Action::Attach | Action::Detach | Action::Checklist | Action::Depend => {
            Err(not_for_many())
        }
    }
}

/// Locks tasks, then whoever is on them, and another agent; nobody can join or leave a task meanwhile. On a task that is not
/// there for the caller is nobody.
async fn lock(change: &Change<'_>, ids: &BTreeSet<TaskId>, other: AgentId) -> Result<()> {
    for id in ids {
        store::task::lock(change.tx(), *id).await?;
    }
    let mut agents: Vec<AgentId> = Some(other).filter(|agent| agent.0 != 0).into_iter().collect();
    for id in ids {
        let task = store::task::get(change.tx(), *id).await?;
        let task = task.filter(|task| task.is_there_for(&change.caller));
        agents.extend(task.iter().flat_map(|task| &task.assignments).map(|on| on.agent));
    }
    store::agent::lock(change.tx(), &agents).await
}

/// What is answered when nothing lasts because of those that refuse.
fn undone(mut answer: pb::BatchChangeTasksResponse) -> pb::BatchChangeTasksResponse {
    for result in &mut answer.results {
        if result.status() == BatchChangeStatus::Changed {
            result.status = BatchChangeStatus::Undone as i32;
            result.task = None;
        }
    }
    answer.changed_count = 0;
    answer
}
