//! UserService: reading users and their sessions.

use jiff::Timestamp;
use tonic::Response;
use uuid::Uuid;

use super::{Call, page, wire};
use crate::{
    app::App,
    domain::{
        UserId,
        access::{Caller, Level},
        user::User,
    },
    error::{Error, Missing, Result},
    identity::Credential,
    pb,
    store::{
        self, Query,
        user_list::{Card, Filter, Key, Order},
    },
};

/// GetUser.
pub async fn get(app: &App, call: &Call, request: pb::GetUserRequest) -> Result<Response<pb::User>> {
    call.trail.resource("user", request.id);
    let conn = app.database.lease().await?;
    let id = UserId(request.id);
    let user = store::user::get(&*conn, id).await?;
    answer(&*conn, call, user, id).await
}

/// GetUserByTelegramId.
pub async fn by_telegram_id(app: &App, call: &Call, request: pb::GetUserByTelegramIdRequest) -> Result<Response<pb::User>> {
    let conn = app.database.lease().await?;
    let user = store::user::by_telegram_id(&*conn, request.telegram_id).await?;
    let id = user.as_ref().map_or(UserId(0), |user| user.id);
    answer(&*conn, call, user, id).await
}

/// The user as the caller sees it, if the caller does. Whoever is not there is asked for like whoever is not seen.
async fn answer(on: &impl Query, call: &Call, user: Option<User>, id: UserId) -> Result<Response<pb::User>> {
    let caller = call.caller()?;
    let met = match caller.sight() {
        Some(sight) => store::user_list::meets(on, &sight, id).await?,
        None => true,
    };
    let seen = user.filter(|user| met && (!user.is_gone() || caller.level >= Level::Administrator));
    let user = seen.ok_or(Error::NotFound(Missing::User))?;
    call.trail.resource("user", user.id.0);
    call.trail.subject(user.id);
    Ok(Response::new(wire::user_for(&user, &caller)))
}

/// BatchGetUsers.
pub async fn batch_get(app: &App, call: &Call, request: pb::BatchGetUsersRequest) -> Result<Response<pb::BatchGetUsersResponse>> {
    let sight = call.caller()?.sight();
    let conn = app.database.lease().await?;
    let cards = store::user_list::cards(&*conn, &request.ids, sight.as_ref()).await?;
    let users = cards.into_iter().map(card).collect();
    Ok(Response::new(pb::BatchGetUsersResponse { users }))
}

fn card(card: Card) -> pb::UserCard {
    let Card {
        id,
        display_name,
        level,
        agent,
    } = card;
    pb::UserCard {
        id: id.0,
        display_name,
        level: level as i32,
        agent_id: agent.map(|agent| agent.0),
    }
}

/// ListUsers.
pub async fn list(app: &App, call: &Call, request: pb::ListUsersRequest) -> Result<Response<pb::ListUsersResponse>> {
    let caller = call.caller()?;
    call.trail.request(&request);
    let pb::ListUsersRequest {
        page_size,
        page_token,
        filter: wire_filter,
        order_by,
    } = request;
    let bound = pb::ListUsersRequest {
        page_size: 0,
        page_token: String::new(),
        filter: wire_filter.clone(),
        order_by: order_by.clone(),
    };
    let query = page::Query::of("ListUsers", &bound, caller.user.0);
    let order = order(&order_by)?;
    if order.key == Key::LastLogin && caller.level < Level::Administrator {
        return Err(Error::Forbidden);
    }
    let filter = filter(wire_filter.unwrap_or_default(), &caller, app.clock.now())?;
    let after = query.open(&page_token)?.map(|[id]| UserId(id));
    let limit = page::limit(page_size, 50);
    let conn = app.database.lease().await?;
    let mut rows = store::user_list::page(&*conn, &filter, order, after, limit).await?;
    let next_page_token = query.cut(&mut rows, limit, |user| [user.id.0]);
    Ok(Response::new(pb::ListUsersResponse {
        users: rows.iter().map(|user| wire::user_for(user, &caller)).collect(),
        next_page_token,
    }))
}

/// The order that `order_by` names; its rule has made it one of these.
pub fn order(order_by: &str) -> Result<Order> {
    let (name, descending) = match order_by.strip_suffix(" desc") {
        Some(name) => (name, true),
        None => (order_by, false),
    };
    let key = match name {
        "" | "display_name" => Key::Name,
        "create_time" => Key::Create,
        "last_login_time" => Key::LastLogin,
        _ => return Err(Error::invalid("order_by", "no es un orden conocido", "is not a known order")),
    };
    Ok(Order { key, descending })
}

/// The filter as a caller may have it at `now`.
pub fn filter(wire: pb::UserFilter, caller: &Caller, now: Timestamp) -> Result<Filter> {
    let pb::UserFilter {
        levels,
        active,
        verified,
        locked,
        service,
        zone_ids,
        text,
        deleted_shown,
    } = wire;
    let whole = caller.level >= Level::Administrator;
    // A filter by what is not shown would show it.
    if !whole && (deleted_shown || verified.is_some() || locked.is_some()) {
        return Err(Error::Forbidden);
    }
    Ok(Filter {
        levels: wire::enums("filter.levels", &levels, Level::of)?,
        active,
        verified,
        locked,
        service,
        zones: zone_ids,
        words: page::words("filter.text", &text)?,
        by_address: whole,
        deleted_shown,
        sight: caller.sight(),
        now,
    })
}

/// ListUserSessions.
pub async fn sessions(
    app: &App,
    call: &Call,
    request: pb::ListUserSessionsRequest,
) -> Result<Response<pb::ListUserSessionsResponse>> {
    let signed_in = call.signed_in()?;
    call.trail.resource("user", request.user_id);
    call.trail.request(&request);
    let pb::ListUserSessionsRequest {
        user_id,
        page_size,
        page_token,
        ended_shown,
    } = request;
    let bound = pb::ListUserSessionsRequest {
        user_id,
        page_size: 0,
        page_token: String::new(),
        ended_shown,
    };
    let current = match &signed_in.credential {
        Credential::Session { id, .. } => Some(*id),
        Credential::ApiToken { .. } => None,
    };
    let query = page::Query::of("ListUserSessions", &bound, signed_in.caller.user.0);
    let before = query.open(&page_token)?.map(place).transpose()?;
    let limit = page::limit(page_size, 50);
    let conn = app.database.lease().await?;
    let user = store::user::get(&*conn, UserId(user_id)).await?;
    let user = user.ok_or(Error::NotFound(Missing::User))?;
    call.trail.subject(user.id);
    let mut rows = if ended_shown {
        store::session::list_all(&*conn, user.id, before, limit).await?
    } else {
        store::session::list(&*conn, user.id, before, limit, app.clock.now()).await?
    };
    let next_page_token = query.cut(&mut rows, limit, |session| {
        let (high, low) = session.id.as_u64_pair();
        [session.created.as_microsecond(), high.cast_signed(), low.cast_signed()]
    });
    Ok(Response::new(pb::ListUserSessionsResponse {
        sessions: rows.iter().map(|row| wire::session(row, current)).collect(),
        next_page_token,
    }))
}

/// A place in a list of sessions.
fn place([time, high, low]: [i64; 3]) -> Result<(Timestamp, Uuid)> {
    let time = Timestamp::from_microsecond(time).map_err(|_| Error::PageToken)?;
    Ok((time, Uuid::from_u64_pair(high.cast_unsigned(), low.cast_unsigned())))
}
