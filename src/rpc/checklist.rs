//! ChecklistService.

use std::sync::Arc;

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
        checklist::{ITEMS, Item},
        fact::FactKind,
        task::{Action, Task},
    },
    error::{Error, Missing, Result},
    pb::{self, checklist_service_server::ChecklistService},
    store,
};

/// The service.
#[derive(Debug, Clone)]
pub struct Checklists(pub Arc<App>);

#[tonic::async_trait]
impl ChecklistService for Checklists {
    async fn list_checklist_items(
        &self,
        request: Request<pb::ListChecklistItemsRequest>,
    ) -> Result<Response<pb::ListChecklistItemsResponse>, Status> {
        Ok(list(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn create_checklist_item(
        &self,
        request: Request<pb::CreateChecklistItemRequest>,
    ) -> Result<Response<pb::ChecklistItem>, Status> {
        Ok(create(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn update_checklist_item(
        &self,
        request: Request<pb::UpdateChecklistItemRequest>,
    ) -> Result<Response<pb::ChecklistItem>, Status> {
        Ok(update(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn delete_checklist_item(
        &self,
        request: Request<pb::DeleteChecklistItemRequest>,
    ) -> Result<Response<pb::ChecklistItem>, Status> {
        Ok(delete(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

async fn list(
    app: &App,
    call: &Call,
    request: pb::ListChecklistItemsRequest,
) -> Result<Response<pb::ListChecklistItemsResponse>> {
    let caller = call.caller()?;
    let task = TaskId(request.task_id);
    let conn = app.database.lease().await?;
    detail::seen(&*conn, Some(task), &caller, Missing::Task).await?;
    let items = store::checklist::of_task(&*conn, task).await?;
    Ok(Response::new(pb::ListChecklistItemsResponse {
        items: items.iter().map(wire_item).collect(),
    }))
}

async fn create(app: &App, call: &Call, request: pb::CreateChecklistItemRequest) -> Result<Response<pb::ChecklistItem>> {
    let mut conn = app.database.lease().await?;
    let asked = asked("CreateChecklistItem", &request.request_id);
    let mut change = Change::begin(app, call, &mut conn, asked, &request).await?;
    let id = TaskId(request.task_id);
    store::task::lock(change.tx(), id).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let task = detail::task(&change, id, Missing::Task).await?;
    permit(&task, &change.caller, Action::Update)?;
    if store::checklist::count(change.tx(), id).await? >= ITEMS {
        return Err(Error::TaskFull);
    }
    let mut items = store::checklist::insert(change.tx(), id, &[request.title], change.now).await?;
    let item = items.pop().ok_or_else(|| Error::internal("a new item is gone"))?;
    change.trail.resource("checklist_item", item.id);
    change.trail.anew();
    tell(&mut change, &task, &item).await?;
    change.commit(wire_item(&item)).await
}

async fn update(app: &App, call: &Call, request: pb::UpdateChecklistItemRequest) -> Result<Response<pb::ChecklistItem>> {
    let mut conn = app.database.lease().await?;
    let asked = asked("UpdateChecklistItem", &request.request_id);
    let mut change = Change::begin(app, call, &mut conn, asked, &request).await?;
    lock(&change, request.id).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let (mut item, task) = known(&change, request.id, &request.etag).await?;
    permit(&task, &change.caller, Action::Checklist)?;
    if let Some(title) = request.title {
        permit(&task, &change.caller, Action::Update)?;
        item.title = title;
    }
    if let Some(done) = request.done {
        item.tick(done, change.caller.user, change.now);
    }
    let item = store::checklist::save(change.tx(), &item).await?;
    tell(&mut change, &task, &item).await?;
    change.commit(wire_item(&item)).await
}

async fn delete(app: &App, call: &Call, request: pb::DeleteChecklistItemRequest) -> Result<Response<pb::ChecklistItem>> {
    let mut conn = app.database.lease().await?;
    let asked = asked("DeleteChecklistItem", &request.request_id);
    let mut change = Change::begin(app, call, &mut conn, asked, &request).await?;
    lock(&change, request.id).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let (item, task) = known(&change, request.id, &request.etag).await?;
    permit(&task, &change.caller, Action::Update)?;
    store::checklist::delete(change.tx(), item.id).await?;
    change.trail.gone();
    tell(&mut change, &task, &item).await?;
    change.commit(wire_item(&item)).await
}

/// Locks the task of an item.
async fn lock(change: &Change<'_>, id: i64) -> Result<()> {
    let item = store::checklist::get(change.tx(), id).await?;
    store::task::lock(change.tx(), detail::of(item.map(|item| item.task))).await
}

/// The item as it is now, and its task, if they are there for the caller.
async fn known(change: &Change<'_>, id: i64, etag: &str) -> Result<(Item, Task)> {
    change.trail.resource("checklist_item", id);
    let item = store::checklist::get(change.tx(), id).await?;
    let task = detail::of(item.as_ref().map(|item| item.task));
    let task = detail::task(change, task, Missing::ChecklistItem).await?;
    let item = item.ok_or(Error::NotFound(Missing::ChecklistItem))?;
    change.trail.before(&wire_item(&item));
    wire::check_etag(etag, item.revision)?;
    Ok((item, task))
}

async fn tell(change: &mut Change<'_>, task: &Task, item: &Item) -> Result<()> {
    detail::note(change, task, Action::Checklist, FactKind::TaskChecklistChanged, &item.title).await
}

fn wire_item(item: &Item) -> pb::ChecklistItem {
    let Item {
        id,
        task,
        title,
        done,
        created,
        revision,
    } = item;
    pb::ChecklistItem {
        id: *id,
        task_id: task.0,
        title: title.clone(),
        done: done.is_some(),
        done_time: done.map(|(time, _)| wire::timestamp(time)),
        done_user_id: done.map_or(0, |(_, user)| user.0),
        create_time: Some(wire::timestamp(*created)),
        etag: wire::etag(*revision),
    }
}
