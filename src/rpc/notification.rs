//! NotificationService: the bell and messages; rules are in `notification_rule`.

use std::{collections::HashMap, sync::Arc};

use tonic::{Request, Response, Status};

use super::{
    Call,
    change::{Change, asked},
    notification_rule as rules, page, wire,
};
use crate::{
    app::App,
    domain::{
        AgentId, EmergencyId, TaskId,
        access::Caller,
        fact::{Before, Fact, FactKind, Subject},
        notification::{Delivery, LIFETIME, Notification, State, Target, Thing},
    },
    error::{Error, Missing, Result},
    pb::{self, notification_service_server::NotificationService},
    store::{self, Query},
};

/// How many unread notifications are counted.
const MOST: i64 = 1000;

/// The service.
#[derive(Debug, Clone)]
pub struct Notifications(pub Arc<App>);

#[tonic::async_trait]
impl NotificationService for Notifications {
    async fn list_notifications(
        &self,
        request: Request<pb::ListNotificationsRequest>,
    ) -> Result<Response<pb::ListNotificationsResponse>, Status> {
        Ok(list(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn mark_notifications_read(
        &self,
        request: Request<pb::MarkNotificationsReadRequest>,
    ) -> Result<Response<pb::MarkNotificationsReadResponse>, Status> {
        Ok(mark(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn list_notification_rules(
        &self,
        request: Request<pb::ListNotificationRulesRequest>,
    ) -> Result<Response<pb::ListNotificationRulesResponse>, Status> {
        Ok(rules::list(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn create_notification_rule(
        &self,
        request: Request<pb::CreateNotificationRuleRequest>,
    ) -> Result<Response<pb::NotificationRule>, Status> {
        Ok(rules::create(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn update_notification_rule(
        &self,
        request: Request<pb::UpdateNotificationRuleRequest>,
    ) -> Result<Response<pb::NotificationRule>, Status> {
        Ok(rules::update(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn delete_notification_rule(
        &self,
        request: Request<pb::DeleteNotificationRuleRequest>,
    ) -> Result<Response<pb::DeleteNotificationRuleResponse>, Status> {
        Ok(rules::delete(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn list_deliveries(
        &self,
        request: Request<pb::ListDeliveriesRequest>,
    ) -> Result<Response<pb::ListDeliveriesResponse>, Status> {
        Ok(deliveries(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn replay_delivery(&self, request: Request<pb::ReplayDeliveryRequest>) -> Result<Response<pb::Delivery>, Status> {
        Ok(replay(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

async fn list(app: &App, call: &Call, request: pb::ListNotificationsRequest) -> Result<Response<pb::ListNotificationsResponse>> {
    let caller = call.caller()?;
    let query = page::Query::of("ListNotifications", &request.unread_only, caller.user.0);
    let before = query.open(&request.page_token)?.map_or(i64::MAX, |[id]| id);
    let limit = page::limit(request.page_size, 50);
    let conn = app.database.lease().await?;
    let mut rows = store::notification::page(&*conn, caller.user, before, request.unread_only, limit).await?;
    let next_page_token = query.cut(&mut rows, limit, |notification| [notification.id]);
    let texts = texts(&*conn, &rows, &caller).await?;
    let unread = store::notification::unread(&*conn, caller.user, MOST).await?;
    Ok(Response::new(pb::ListNotificationsResponse {
        notifications: rows
            .iter()
            .map(|row| pb::Notification {
                text: texts.get(&row.id).cloned().unwrap_or_default(),
                ..bare(row)
            })
            .collect(),
        next_page_token,
        unread_count: i32::try_from(unread).map_err(Error::internal)?,
    }))
}

/// What notifications are about, by their numbers, as far as the caller may see it now.
async fn texts(on: &impl Query, rows: &[Notification], caller: &Caller) -> Result<HashMap<i64, String>> {
    let tasks: Vec<TaskId> = rows.iter().filter_map(|row| row.task).collect();
    let agents: Vec<AgentId> = rows.iter().filter_map(|row| row.agent).collect();
    let emergencies: Vec<EmergencyId> = rows.iter().filter_map(|row| row.emergency).collect();
    let tasks = store::task::find(on, &tasks).await?;
    let agents = store::agent::find(on, &agents).await?;
    let emergencies = store::emergency::find(on, &emergencies).await?;
    let crossings: Vec<i64> = rows.iter().filter_map(|row| row.crossing).collect();
    let crossings = store::geofence_event::find(on, &crossings).await?;
    let mut texts = HashMap::new();
    for row in rows {
        let called = emergencies
            .iter()
            .any(|emergency| Some(emergency.id) == row.emergency && emergency.is_visible_to(caller));
        let task = tasks.iter().find(|task| Some(task.id) == row.task);
        let task = task.filter(|task| called || task.is_there_for(caller));
        let agent = agents.iter().find(|agent| Some(agent.id) == row.agent);
        let agent = agent.filter(|agent| agent.is_visible_to(caller));
        let crossing = crossings.iter().find(|crossing| Some(crossing.id) == row.crossing);
        let crossing = crossing.filter(|crossing| crossing.is_visible_to(caller));
        let parts = [
            agent.map(|agent| agent.profile.code.clone()),
            task.map(|task| format!("{} {}", task.plan.code, task.plan.title)),
            crossing.map(|crossing| crossing.display_name.clone()),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        texts.insert(row.id, parts.join(", "));
    }
    Ok(texts)
}

async fn mark(
    app: &App,
    call: &Call,
    request: pb::MarkNotificationsReadRequest,
) -> Result<Response<pb::MarkNotificationsReadResponse>> {
    let mut conn = app.database.lease().await?;
    let asked = asked("MarkNotificationsRead", &request.request_id);
    let mut change = Change::begin(app, call, &mut conn, asked, &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let (user, now) = (change.caller.user, change.now);
    change.trail.resource("user", user.0);
    change.trail.subject(user);
    let marked = store::notification::mark(change.tx(), user, &request.ids, request.up_to_id, now).await?;
    let unread = store::notification::unread(change.tx(), user, MOST).await?;
    let count = marked.len();
    if let Some(last) = marked.into_iter().next_back() {
        change.tell(vec![Fact {
            kind: FactKind::NotificationRead,
            time: now,
            actor: Some(user),
            subject: Subject::Notification(Box::new(last)),
            before: Before::default(),
        }]);
    }
    change
        .commit(pb::MarkNotificationsReadResponse {
            marked_count: i32::try_from(count).map_err(Error::internal)?,
            unread_count: i32::try_from(unread).map_err(Error::internal)?,
        })
        .await
}

async fn deliveries(app: &App, call: &Call, request: pb::ListDeliveriesRequest) -> Result<Response<pb::ListDeliveriesResponse>> {
    let pb::ListDeliveriesRequest {
        page_size,
        page_token,
        state,
        channel,
        webhook_id,
    } = request;
    let bound = pb::ListDeliveriesRequest {
        page_size: 0,
        page_token: String::new(),
        state,
        channel,
        webhook_id,
    };
    let query = page::Query::of("ListDeliveries", &bound, call.caller()?.user.0);
    let before = query.open(&page_token)?.map_or(i64::MAX, |[id]| id);
    let limit = page::limit(page_size, 50);
    let conn = app.database.lease().await?;
    let mut rows = store::delivery::page(&*conn, before, state, channel, webhook_id, limit).await?;
    let next_page_token = query.cut(&mut rows, limit, |delivery| [delivery.id]);
    Ok(Response::new(pb::ListDeliveriesResponse {
        deliveries: rows.into_iter().map(delivery).collect(),
        next_page_token,
    }))
}

async fn replay(app: &App, call: &Call, request: pb::ReplayDeliveryRequest) -> Result<Response<pb::Delivery>> {
    let mut conn = app.database.lease().await?;
    let asked = asked("ReplayDelivery", &request.request_id);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    change.trail.resource("delivery", request.id);
    change.trail.reason(&request.reason);
    let found = store::delivery::locked(change.tx(), request.id).await?;
    let found = found.ok_or(Error::NotFound(Missing::Delivery))?;
    if let Target::User(user) = found.target {
        change.trail.subject(user);
    }
    change.trail.before(&delivery(found.clone()));
    if matches!(found.state, State::Waiting | State::Sent) {
        return Err(Error::DeliveryNotOver);
    }
    let again = store::delivery::again(change.tx(), found.id, change.now + LIFETIME, change.now).await?;
    change.commit(delivery(again)).await
}

fn delivery(delivery: Delivery) -> pb::Delivery {
    let Delivery {
        id,
        uid,
        channel,
        target,
        rule,
        event,
        time,
        actor: _,
        thing,
        message,
        state,
        attempts,
        next,
        expires: _,
        failure,
        http_status,
        created,
        ended,
    } = delivery;
    let (user_id, webhook_id) = match target {
        Target::User(user) => (user.0, 0),
        Target::Webhook(webhook) => (0, webhook),
    };
    pb::Delivery {
        id,
        uid: uid.to_string(),
        channel: channel as i32,
        user_id,
        webhook_id,
        rule_id: rule.unwrap_or_default(),
        event_type: event,
        event_time: Some(wire::timestamp(time)),
        task_id: thing.and_then(Thing::task).map_or(0, |task| task.0),
        agent_id: thing.and_then(Thing::agent).map_or(0, |agent| agent.0),
        emergency_id: thing.and_then(Thing::emergency).map_or(0, |emergency| emergency.0),
        geofence_event_id: thing.and_then(Thing::crossing).unwrap_or_default(),
        state: state as i32,
        attempt_count: i32::try_from(attempts).unwrap_or(i32::MAX),
        next_time: next.map(wire::timestamp),
        failure,
        http_status: http_status.map_or(0, i32::from),
        create_time: Some(wire::timestamp(created)),
        end_time: ended.map(wire::timestamp),
        message_id: message.unwrap_or_default(),
    }
}

/// A notification, without what it is about in words.
pub fn bare(notification: &Notification) -> pb::Notification {
    let Notification {
        id,
        user: _,
        event,
        time,
        actor,
        task,
        agent,
        emergency,
        crossing,
        read,
    } = notification;
    pb::Notification {
        id: *id,
        event_type: *event,
        event_time: Some(wire::timestamp(*time)),
        actor_user_id: actor.map_or(0, |actor| actor.0),
        task_id: task.map_or(0, |task| task.0),
        agent_id: agent.map_or(0, |agent| agent.0),
        emergency_id: emergency.map_or(0, |emergency| emergency.0),
        geofence_event_id: crossing.unwrap_or_default(),
        text: String::new(),
        read_time: read.map(wire::timestamp),
    }
}
