//! DependencyService.

use std::{collections::BTreeMap, sync::Arc};

use tonic::{Request, Response, Status};

use super::{
    Call,
    change::{Change, asked},
    detail,
    task::permit,
    wire,
};
use crate::{
    app::App,
    domain::{
        TaskId,
        dependency::{Dependency, OTHERS},
        fact::FactKind,
        task::Action,
    },
    error::{Error, Missing, Result},
    pb::{self, dependency_service_server::DependencyService},
    store,
};

/// Tasks that an answer names of those that wait for one.
const WAITING: i64 = 200;

/// The service.
#[derive(Debug, Clone)]
pub struct Dependencies(pub Arc<App>);

#[tonic::async_trait]
impl DependencyService for Dependencies {
    async fn list_dependencies(
        &self,
        request: Request<pb::ListDependenciesRequest>,
    ) -> Result<Response<pb::ListDependenciesResponse>, Status> {
        Ok(list(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn add_dependency(&self, request: Request<pb::AddDependencyRequest>) -> Result<Response<pb::Dependency>, Status> {
        Ok(add(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn remove_dependency(&self, request: Request<pb::RemoveDependencyRequest>) -> Result<Response<pb::Dependency>, Status> {
        Ok(remove(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

async fn list(app: &App, call: &Call, request: pb::ListDependenciesRequest) -> Result<Response<pb::ListDependenciesResponse>> {
    let caller = call.caller()?;
    let task = TaskId(request.task_id);
    let conn = app.database.lease().await?;
    detail::seen(&*conn, Some(task), &caller, Missing::Task).await?;
    let on = store::dependency::of_task(&*conn, task, OTHERS).await?;
    let by = store::dependency::on_task(&*conn, task, WAITING).await?;
    let others: Vec<TaskId> = on.iter().map(|one| one.on).chain(by.iter().map(|one| one.task)).collect();
    let others = store::task::find(&*conn, &others).await?;
    let others: BTreeMap<TaskId, bool> = others.iter().map(|task| (task.id, task.is_there_for(&caller))).collect();
    let shown = |id: &TaskId| others.get(id).copied().unwrap_or_default();
    let (seen, hidden): (Vec<Dependency>, Vec<Dependency>) = on.into_iter().partition(|one| shown(&one.on));
    Ok(Response::new(pb::ListDependenciesResponse {
        depends_on: seen.iter().map(wire_dependency).collect(),
        needed_by: by.iter().filter(|one| shown(&one.task)).map(wire_dependency).collect(),
        hidden_count: i32::try_from(hidden.len()).map_err(Error::internal)?,
    }))
}

async fn add(app: &App, call: &Call, request: pb::AddDependencyRequest) -> Result<Response<pb::Dependency>> {
    let mut conn = app.database.lease().await?;
    let asked = asked("AddDependency", &request.request_id);
    let mut change = Change::begin(app, call, &mut conn, asked, &request).await?;
    let (id, other) = (TaskId(request.task_id), TaskId(request.depends_on_task_id));
    store::task::lock(change.tx(), id).await?;
    store::dependency::lock(change.tx()).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    change.trail.resource("task", id.0);
    let task = detail::task(&change, id, Missing::Task).await?;
    permit(&task, &change.caller, Action::Depend)?;
    detail::task(&change, other, Missing::Task).await?;
    let before = store::dependency::of_task(change.tx(), id, OTHERS).await?;
    if let Some(there) = before.iter().find(|one| one.on == other) {
        return change.commit(wire_dependency(there)).await;
    }
    if store::dependency::reaches(change.tx(), other, id).await? {
        return Err(Error::DependencyCycle);
    }
    if i64::try_from(before.len()).map_err(Error::internal)? >= OTHERS {
        return Err(Error::TaskFull);
    }
    store::dependency::insert(change.tx(), id, other, change.caller.user, change.now).await?;
    let added = find(&change, id, other).await?;
    change.trail.anew();
    detail::note(&mut change, &task, Action::Depend, FactKind::TaskDependenciesChanged, "").await?;
    change.commit(wire_dependency(&added)).await
}

async fn remove(app: &App, call: &Call, request: pb::RemoveDependencyRequest) -> Result<Response<pb::Dependency>> {
    let mut conn = app.database.lease().await?;
    let asked = asked("RemoveDependency", &request.request_id);
    let mut change = Change::begin(app, call, &mut conn, asked, &request).await?;
    let (id, other) = (TaskId(request.task_id), TaskId(request.depends_on_task_id));
    store::task::lock(change.tx(), id).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    change.trail.resource("task", id.0);
    let task = detail::task(&change, id, Missing::Task).await?;
    permit(&task, &change.caller, Action::Depend)?;
    let there = find(&change, id, other).await?;
    change.trail.before(&wire_dependency(&there));
    change.trail.gone();
    store::dependency::delete(change.tx(), id, other).await?;
    detail::note(&mut change, &task, Action::Depend, FactKind::TaskDependenciesChanged, "").await?;
    change.commit(wire_dependency(&there)).await
}

async fn find(change: &Change<'_>, task: TaskId, other: TaskId) -> Result<Dependency> {
    let all = store::dependency::of_task(change.tx(), task, OTHERS).await?;
    let found = all.into_iter().find(|one| one.on == other);
    found.ok_or(Error::NotFound(Missing::Dependency))
}

fn wire_dependency(dependency: &Dependency) -> pb::Dependency {
    let Dependency {
        task,
        on,
        user,
        created,
        satisfied,
    } = dependency;
    pb::Dependency {
        task_id: task.0,
        depends_on_task_id: on.0,
        user_id: user.0,
        create_time: Some(wire::timestamp(*created)),
        satisfied: *satisfied,
    }
}
