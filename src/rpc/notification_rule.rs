//! NotificationService: rules.

use jiff::Timestamp;
use tonic::Response;

use super::{
    Call,
    change::{Change, asked},
    page, wire,
};
use crate::{
    app::App,
    domain::{
        Revision, UserId,
        access::Level,
        notification::{Channel, Rule},
        plan::{Kind, Priority},
    },
    error::{Error, Missing, Result},
    pb,
    store::{self, Tx},
};

/// ListNotificationRules.
pub async fn list(
    app: &App,
    call: &Call,
    request: pb::ListNotificationRulesRequest,
) -> Result<Response<pb::ListNotificationRulesResponse>> {
    let query = page::Query::of("ListNotificationRules", &String::new(), call.caller()?.user.0);
    let after = query.open(&request.page_token)?.map_or(0, |[id]| id);
    let limit = page::limit(request.page_size, 50);
    let conn = app.database.lease().await?;
    let mut rows = store::notification::rules(&*conn, after, limit).await?;
    let next_page_token = query.cut(&mut rows, limit, |rule| [rule.id]);
    Ok(Response::new(pb::ListNotificationRulesResponse {
        rules: rows.iter().map(answer).collect(),
        next_page_token,
    }))
}

/// CreateNotificationRule.
pub async fn create(
    app: &App,
    call: &Call,
    request: pb::CreateNotificationRuleRequest,
) -> Result<Response<pb::NotificationRule>> {
    let rule = Rule {
        id: 0,
        ..read(request.rule.clone().unwrap_or_default())?
    };
    let mut conn = app.database.lease().await?;
    let asked = asked("CreateNotificationRule", &request.request_id);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    check_webhooks(change.tx(), &rule).await?;
    let rule = store::notification::save_rule(change.tx(), &rule, change.now).await?;
    change.trail.resource("notification_rule", rule.id);
    change.trail.anew();
    change.commit(answer(&rule)).await
}

/// UpdateNotificationRule.
pub async fn update(
    app: &App,
    call: &Call,
    request: pb::UpdateNotificationRuleRequest,
) -> Result<Response<pb::NotificationRule>> {
    let wanted = request.rule.clone().unwrap_or_default();
    let etag = wire::seen_etag(&request.etag, &wanted.etag);
    let rule = read(wanted)?;
    let mut conn = app.database.lease().await?;
    let asked = asked("UpdateNotificationRule", &request.request_id);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    locked(&change, rule.id, &etag).await?;
    check_webhooks(change.tx(), &rule).await?;
    let rule = store::notification::save_rule(change.tx(), &rule, change.now).await?;
    change.commit(answer(&rule)).await
}

/// DeleteNotificationRule.
pub async fn delete(
    app: &App,
    call: &Call,
    request: pb::DeleteNotificationRuleRequest,
) -> Result<Response<pb::DeleteNotificationRuleResponse>> {
    let mut conn = app.database.lease().await?;
    let asked = asked("DeleteNotificationRule", &request.request_id);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let rule = locked(&change, request.id, &request.etag).await?;
    store::notification::delete_rule(change.tx(), rule.id).await?;
    change.trail.gone();
    change.commit(pb::DeleteNotificationRuleResponse {}).await
}

/// The rule as it is now, if its etag is the one the caller saw.
async fn locked(change: &Change<'_>, id: i64, etag: &str) -> Result<Rule> {
    change.trail.resource("notification_rule", id);
    let rule = store::notification::locked_rule(change.tx(), id).await?;
    let rule = rule.ok_or(Error::NotFound(Missing::NotificationRule))?;
    change.trail.before(&answer(&rule));
    wire::check_etag(etag, rule.revision)?;
    Ok(rule)
}

/// Webhooks that a rule names are there, and stay until it is stored.
async fn check_webhooks(tx: &Tx<'_>, rule: &Rule) -> Result<()> {
    let there = store::webhook::there(tx, &rule.webhooks).await?;
    if there.len() == rule.webhooks.len() {
        Ok(())
    } else {
        Err(Error::NotFound(Missing::Webhook))
    }
}

fn read(rule: pb::NotificationRule) -> Result<Rule> {
    let pb::NotificationRule {
        id,
        display_name,
        disabled,
        event_types,
        kinds,
        min_priority,
        audience_told,
        user_ids,
        levels,
        units,
        channels,
        webhook_ids,
        update_time: _,
        etag: _,
    } = rule;
    let name = display_name.trim().to_owned();
    if name.is_empty() {
        return Err(Error::required("rule.display_name"));
    }
    Ok(Rule {
        id,
        name,
        disabled,
        events: event_types,
        kinds: wire::enums("rule.kinds", &kinds, Kind::of)?,
        least: Priority::of(min_priority),
        audience: audience_told,
        users: user_ids.into_iter().map(UserId).collect(),
        levels: wire::enums("rule.levels", &levels, Level::of)?,
        units,
        channels: wire::enums("rule.channels", &channels, Channel::of)?,
        webhooks: webhook_ids,
        updated: Timestamp::UNIX_EPOCH,
        revision: Revision(0),
    })
}

fn answer(rule: &Rule) -> pb::NotificationRule {
    let Rule {
        id,
        name,
        disabled,
        events,
        kinds,
        least,
        audience,
        users,
        levels,
        units,
        channels,
        webhooks,
        updated,
        revision,
    } = rule;
    pb::NotificationRule {
        id: *id,
        display_name: name.clone(),
        disabled: *disabled,
        event_types: events.clone(),
        kinds: kinds.iter().map(|kind| *kind as i32).collect(),
        min_priority: least.map_or(0, |least| least as i32),
        audience_told: *audience,
        user_ids: users.iter().map(|user| user.0).collect(),
        levels: levels.iter().map(|level| *level as i32).collect(),
        units: units.clone(),
        channels: channels.iter().map(|channel| *channel as i32).collect(),
        webhook_ids: webhooks.clone(),
        update_time: Some(wire::timestamp(*updated)),
        etag: wire::etag(*revision),
    }
}
