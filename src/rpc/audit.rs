//! AuditService: who did what, as administrators read it. Files of it are in `audit_export`.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Call, audit_export as export, page, wire};
use crate::{
    app::App,
    domain::{
        UserId,
        audit::{Door, Entry, Row},
    },
    error::{Error, Result},
    pb::{self, audit_service_server::AuditService},
    store::{
        self,
        audit_list::{Filter, Key, Method},
    },
};

/// The service.
#[derive(Debug, Clone)]
pub struct Audits(pub Arc<App>);

#[tonic::async_trait]
impl AuditService for Audits {
    async fn list_audit_entries(
        &self,
        request: Request<pb::ListAuditEntriesRequest>,
    ) -> Result<Response<pb::ListAuditEntriesResponse>, Status> {
        Ok(list(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    type ExportAuditEntriesStream = export::Pieces;

    async fn export_audit_entries(
        &self,
        request: Request<pb::ExportAuditEntriesRequest>,
    ) -> Result<Response<export::Pieces>, Status> {
        Ok(export::export(&self.0, &Call::of(&request)?, request.into_inner())?)
    }
}

async fn list(app: &App, call: &Call, request: pb::ListAuditEntriesRequest) -> Result<Response<pb::ListAuditEntriesResponse>> {
    let caller = call.caller()?;
    call.trail.request(&request);
    let pb::ListAuditEntriesRequest {
        page_size,
        page_token,
        filter: wanted,
    } = request;
    let bound = pb::ListAuditEntriesRequest {
        page_size: 0,
        page_token: String::new(),
        filter: wanted.clone(),
    };
    let query = page::Query::of("ListAuditEntries", &bound, caller.user.0);
    let filter = filter(wanted.unwrap_or_default())?;
    let after = query.open(&page_token)?.map(place).transpose()?;
    let limit = page::limit(page_size, 50);
    let conn = app.database.lease().await?;
    let mut rows = store::audit_list::page(&*conn, &filter, true, after, limit).await?;
    let next_page_token = query.cut(&mut rows, limit, |row| {
        let (time, segment, number) = store::audit_list::key(row);
        [time.as_microsecond(), segment.into(), number]
    });
    Ok(Response::new(pb::ListAuditEntriesResponse {
        entries: rows.iter().map(entry).collect(),
        next_page_token,
    }))
}

fn place([time, segment, number]: [i64; 3]) -> Result<Key> {
    let time = Timestamp::from_microsecond(time).map_err(|_| Error::PageToken)?;
    let segment = i32::try_from(segment).map_err(|_| Error::PageToken)?;
    Ok((time, segment, number))
}

/// A filter from the wire.
pub fn filter(wire: pb::AuditFilter) -> Result<Filter> {
    let pb::AuditFilter {
        start_time,
        end_time,
        user_ids,
        subject_user_id,
        method,
        resource,
        outcomes,
        address,
        request_id,
        doors,
    } = wire;
    Ok(Filter {
        from: start_time.map(|time| wire::time("filter.start_time", time)).transpose()?,
        until: end_time.map(|time| wire::time("filter.end_time", time)).transpose()?,
        users: user_ids,
        subject: subject_user_id.map(UserId),
        method: (!method.is_empty()).then(|| match method.strip_suffix('*') {
            Some(start) => Method::Begins(start.to_owned()),
            None => Method::Is(method),
        }),
        resource,
        outcomes,
        address: network(address)?,
        request_id: call_id(&request_id)?,
        doors: wire::enums("filter.doors", &doors, Door::of)?,
    })
}

fn network(address: String) -> Result<String> {
    let known = address.is_empty()
        || address.parse::<std::net::IpAddr>().is_ok()
        || address
            .parse::<ipnet::IpNet>()
            .is_ok_and(|network| network.addr() == network.network());
    let wrong = || {
        Error::invalid(
            "filter.address",
            "no es una dirección ni una red",
            "is no address and no network",
        )
    };
    known.then_some(address).ok_or_else(wrong)
}

fn call_id(text: &str) -> Result<Option<Uuid>> {
    let wrong = |_| Error::invalid("filter.request_id", "no es un UUID", "is no UUID");
    Some(text)
        .filter(|text| !text.is_empty())
        .map(Uuid::try_parse)
        .transpose()
        .map_err(wrong)
}

/// A row on the wire.
pub fn entry(row: &Row) -> pb::AuditEntry {
    let Row {
        place,
        entry,
        salt: _,
        personal_hash: _,
        hash,
        erased,
    } = row;
    let Entry {
        time,
        actor,
        door,
        method,
        permission,
        resource,
        subject,
        outcome,
        request_id,
        idempotency_id,
        personal,
    } = entry;
    let (mut changes, mut detail) = (Vec::new(), String::new());
    if let Some(personal) = personal {
        (changes, detail) = told(&personal.detail);
    }
    let personal = personal.as_ref();
    let address = personal.and_then(|personal| personal.address);
    pb::AuditEntry {
        place: place.to_string(),
        time: Some(wire::timestamp(*time)),
        actor: actor.kind().into(),
        user_id: actor.user().map(|user| user.0),
        api_token_id: actor.token(),
        subject_user_id: subject.map(|user| user.0),
        door: *door as i32,
        method: method.clone(),
        permission: permission.clone(),
        resource: resource.clone(),
        outcome: outcome.clone(),
        request_id: request_id.to_string(),
        idempotency_id: idempotency_id.clone(),
        reason: personal.map(|personal| personal.reason.clone()).unwrap_or_default(),
        address: address.map(|address| address.to_string()).unwrap_or_default(),
        changes,
        detail,
        erased: erased.is_some(),
        hash: hex::encode(hash),
    }
}

/// What changed, and what else was noted.
fn told(detail: &str) -> (Vec<pb::AuditChange>, String) {
    let Ok(Value::Object(mut detail)) = serde_json::from_str(detail) else {
        return (Vec::new(), detail.to_owned());
    };
    let mut side = |name: &str| match detail.remove(name) {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let (mut before, after) = (side("before"), side("after"));
    let changes = after.into_iter().map(|(field, value)| pb::AuditChange {
        before: before.remove(&field).unwrap_or_default().to_string(),
        after: value.to_string(),
        field,
    });
    let changes = changes.collect();
    let rest = if detail.is_empty() {
        String::new()
    } else {
        Value::Object(detail).to_string()
    };
    (changes, rest)
}
