//! TaskService: reading tasks and their history.

use jiff::Timestamp;
use tonic::Response;

use super::{Call, page, wire};
use crate::{
    app::App,
    domain::{
        TaskId,
        access::{Caller, Level},
        task::{Kind, Priority, State, Task},
    },
    error::{Error, Missing, Result},
    pb,
    store::{
        self,
        task_list::{Filter, Key, Order},
    },
};

/// GetTask.
pub async fn get(app: &App, call: &Call, request: pb::GetTaskRequest) -> Result<Response<pb::Task>> {
    let caller = call.caller()?;
    let conn = app.database.lease().await?;
    let task = visible(store::task::get(&*conn, TaskId(request.id)).await?, &caller)?;
    Ok(Response::new(wire::task(&task, &caller, app.clock.now())))
}

/// BatchGetTasks.
pub async fn batch_get(app: &App, call: &Call, request: pb::BatchGetTasksRequest) -> Result<Response<pb::BatchGetTasksResponse>> {
    let (caller, now) = (call.caller()?, app.clock.now());
    let ids: Vec<TaskId> = request.ids.iter().copied().map(TaskId).collect();
    let conn = app.database.lease().await?;
    let found = store::task::find(&*conn, &ids).await?;
    let tasks = ids
        .into_iter()
        .map(|id| {
            let task = visible(found.iter().find(|task| task.id == id).cloned(), &caller)?;
            Ok(wire::task(&task, &caller, now))
        })
        .collect::<Result<_>>()?;
    Ok(Response::new(pb::BatchGetTasksResponse { tasks }))
}

/// ListTasks.
pub async fn list(app: &App, call: &Call, request: pb::ListTasksRequest) -> Result<Response<pb::ListTasksResponse>> {
    let (caller, now) = (call.caller()?, app.clock.now());
    let pb::ListTasksRequest {
        page_size,
        page_token,
        filter: wire_filter,
        order_by,
    } = request;
    let bound = pb::ListTasksRequest {
        page_size: 0,
        page_token: String::new(),
        filter: wire_filter.clone(),
        order_by: order_by.clone(),
    };
    let query = page::Query::of("ListTasks", &bound, caller.user.0);
    let order = order(&order_by)?;
    let filter = filter(wire_filter.unwrap_or_default(), &caller)?;
    let after = query.open(&page_token)?.map(|[value, id]| (value, id));
    let limit = page::limit(page_size, 50);
    let conn = app.database.lease().await?;
    let mut rows = store::task_list::page(&*conn, &filter, order, after, limit).await?;
    let next_page_token = query.cut(&mut rows, limit, |task| [order.key.of(task), task.id.0]);
    Ok(Response::new(pb::ListTasksResponse {
        tasks: rows.iter().map(|task| wire::task(task, &caller, now)).collect(),
        next_page_token,
    }))
}

/// ListTaskHistory.
pub async fn history(
    app: &App,
    call: &Call,
    request: pb::ListTaskHistoryRequest,
) -> Result<Response<pb::ListTaskHistoryResponse>> {
    let caller = call.caller()?;
    let id = TaskId(request.task_id);
    let query = page::Query::of("ListTaskHistory", &request.task_id, caller.user.0);
    let after = query.open(&request.page_token)?.map_or(0, |[id]| id);
    let limit = page::limit(request.page_size, 100);
    let conn = app.database.lease().await?;
    visible(store::task::get(&*conn, id).await?, &caller)?;
    let mut rows = store::task::history(&*conn, id, after, limit).await?;
    let next_page_token = query.cut(&mut rows, limit, |(step, _)| [step.id]);
    let entries = rows.into_iter().map(entry).collect();
    Ok(Response::new(pb::ListTaskHistoryResponse {
        entries,
        next_page_token,
    }))
}

fn entry((step, reported): (store::task::Step, Option<Timestamp>)) -> pb::TaskHistoryEntry {
    let store::task::Step {
        id,
        action,
        from,
        to,
        user,
        agent,
        reason,
        time,
    } = step;
    pb::TaskHistoryEntry {
        id,
        action: action.map_or(0, |action| action as i32),
        from: from.map_or(0, |state| state as i32),
        to: to as i32,
        user_id: user.map_or(0, |user| user.0),
        agent_id: agent.map(|agent| agent.0),
        reason,
        create_time: Some(wire::timestamp(time)),
        reported_time: reported.map(wire::timestamp),
    }
}

/// The task, if it is there for this caller.
pub fn visible(task: Option<Task>, caller: &Caller) -> Result<Task> {
    task.filter(|task| task.is_there_for(caller))
        .ok_or(Error::NotFound(Missing::Task))
}

/// The order that `order_by` names; its rule has made it one of these.
pub fn order(order_by: &str) -> Result<Order> {
    let (name, descending) = match order_by.strip_suffix(" desc") {
        Some(name) => (name, true),
        None => (order_by, order_by.is_empty()),
    };
    let key = match name {
        "" | "create_time" => Key::Create,
        "update_time" => Key::Update,
        "planned_start_time" => Key::PlannedStart,
        "priority" => Key::Priority,
        _ => return Err(Error::invalid("order_by", "no es un orden conocido", "is not a known order")),
    };
    Ok(Order { key, descending })
}

/// The filter as a caller may have it.
pub fn filter(wire: pb::TaskFilter, caller: &Caller) -> Result<Filter> {
    let pb::TaskFilter {
        states,
        priorities,
        kinds,
        agent_ids,
        planned_from_time,
        planned_until_time,
        r#box,
        text,
        deleted_shown,
        zone_ids,
    } = wire;
    if deleted_shown && caller.level < Level::Administrator {
        return Err(Error::Forbidden);
    }
    Ok(Filter {
        states: wire::enums("filter.states", &states, State::of)?,
        priorities: wire::enums("filter.priorities", &priorities, Priority::of)?,
        kinds: wire::enums("filter.kinds", &kinds, Kind::of)?,
        agents: agent_ids,
        zones: zone_ids,
        planned_from: planned_from_time
            .map(|time| wire::time("filter.planned_from_time", time))
            .transpose()?,
        planned_until: planned_until_time
            .map(|time| wire::time("filter.planned_until_time", time))
            .transpose()?,
        bounds: r#box.map(|bounds| wire::bounds("filter.box", bounds)).transpose()?,
        words: page::words("filter.text", &text)?,
        deleted_shown,
        sight: caller.sight(),
    })
}
