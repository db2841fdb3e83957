//! WebhookService.

use std::sync::Arc;

use jiff::SignedDuration;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{
    Call,
    change::{Change, asked},
    page, wire,
};
use crate::{
    app::App,
    error::{Error, Missing, Result},
    identity::Secret,
    notify::SECRETS,
    pb::{self, webhook_service_server::WebhookService},
    store::{
        self,
        webhook::{Draft, Webhook},
    },
};

/// For how long calls are signed by the former secret too.
const OVERLAP: SignedDuration = SignedDuration::from_hours(24);

/// The service.
#[derive(Debug, Clone)]
pub struct Webhooks(pub Arc<App>);

#[tonic::async_trait]
impl WebhookService for Webhooks {
    async fn create_webhook(
        &self,
        request: Request<pb::CreateWebhookRequest>,
    ) -> Result<Response<pb::CreateWebhookResponse>, Status> {
        Ok(create(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn list_webhooks(
        &self,
        request: Request<pb::ListWebhooksRequest>,
    ) -> Result<Response<pb::ListWebhooksResponse>, Status> {
        Ok(list(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn update_webhook(&self, request: Request<pb::UpdateWebhookRequest>) -> Result<Response<pb::Webhook>, Status> {
        Ok(update(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn rotate_webhook_secret(
        &self,
        request: Request<pb::RotateWebhookSecretRequest>,
    ) -> Result<Response<pb::RotateWebhookSecretResponse>, Status> {
        Ok(rotate(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }

    async fn delete_webhook(
        &self,
        request: Request<pb::DeleteWebhookRequest>,
    ) -> Result<Response<pb::DeleteWebhookResponse>, Status> {
        Ok(delete(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

/// A new secret: its text, and sealed for a webhook.
fn secret(app: &App, uid: Uuid) -> Result<(String, Vec<u8>)> {
    let text = format!("whsec_{}", Secret::make()?.text);
    let sealed = app.seal.close(SECRETS, &uid.to_string(), text.as_bytes())?;
    Ok((text, sealed))
}

/// Name and URL as somebody wants them.
fn check(app: &App, webhook: &pb::Webhook) -> Result<()> {
    if webhook.display_name.trim().is_empty() {
        return Err(Error::required("webhook.display_name"));
    }
    app.webhooks
        .check(&webhook.url)
        .map_err(|refusal| Error::invalid("webhook.url", "no es una dirección que se pueda llamar", &refusal.to_string()))
}

async fn create(app: &App, call: &Call, request: pb::CreateWebhookRequest) -> Result<Response<pb::CreateWebhookResponse>> {
    let wanted = request.webhook.clone().unwrap_or_default();
    check(app, &wanted)?;
    let mut conn = app.database.lease().await?;
    let asked = asked("CreateWebhook", &request.request_id);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?.sealed();
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let uid = app.uid(change.now);
    let (secret, sealed) = secret(app, uid)?;
    let draft = Draft {
        uid,
        name: wanted.display_name.trim(),
        url: &wanted.url,
        disabled: wanted.disabled,
        owner: change.caller.user,
        sealed: &sealed,
        now: change.now,
    };
    let webhook = store::webhook::insert(change.tx(), &draft).await?;
    change.trail.resource("webhook", webhook.id);
    change.trail.anew();
    change
        .commit(pb::CreateWebhookResponse {
            webhook: Some(answer(&webhook)),
            secret,
        })
        .await
}

async fn list(app: &App, call: &Call, request: pb::ListWebhooksRequest) -> Result<Response<pb::ListWebhooksResponse>> {
    let query = page::Query::of("ListWebhooks", &String::new(), call.caller()?.user.0);
    let after = query.open(&request.page_token)?.map_or(0, |[id]| id);
    let limit = page::limit(request.page_size, 50);
    let conn = app.database.lease().await?;
    let mut rows = store::webhook::page(&*conn, after, limit).await?;
    let next_page_token = query.cut(&mut rows, limit, |webhook| [webhook.id]);
    Ok(Response::new(pb::ListWebhooksResponse {
        webhooks: rows.iter().map(answer).collect(),
        next_page_token,
    }))
}

async fn update(app: &App, call: &Call, request: pb::UpdateWebhookRequest) -> Result<Response<pb::Webhook>> {
    let wanted = request.webhook.clone().unwrap_or_default();
    let etag = wire::seen_etag(&request.etag, &wanted.etag);
    check(app, &wanted)?;
    let mut conn = app.database.lease().await?;
    let asked = asked("UpdateWebhook", &request.request_id);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let webhook = Webhook {
        name: wanted.display_name.trim().to_owned(),
        url: wanted.url,
        disabled: wanted.disabled,
        ..locked(&change, wanted.id, &etag).await?
    };
    let webhook = store::webhook::save(change.tx(), &webhook, change.now).await?;
    change.commit(answer(&webhook)).await
}

async fn rotate(
    app: &App,
    call: &Call,
    request: pb::RotateWebhookSecretRequest,
) -> Result<Response<pb::RotateWebhookSecretResponse>> {
    let mut conn = app.database.lease().await?;
    let asked = asked("RotateWebhookSecret", &request.request_id);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?.sealed();
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    change.trail.reason(&request.reason);
    let before = locked(&change, request.id, "").await?;
    let (secret, sealed) = secret(app, before.uid)?;
    let webhook = Webhook {
        former: Some((before.sealed.clone(), change.now + OVERLAP)),
        sealed,
        ..before
    };
    let webhook = store::webhook::save(change.tx(), &webhook, change.now).await?;
    change
        .commit(pb::RotateWebhookSecretResponse {
            webhook: Some(answer(&webhook)),
            secret,
        })
        .await
}

async fn delete(app: &App, call: &Call, request: pb::DeleteWebhookRequest) -> Result<Response<pb::DeleteWebhookResponse>> {
    let mut conn = app.database.lease().await?;
    let asked = asked("DeleteWebhook", &request.request_id);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let webhook = locked(&change, request.id, &request.etag).await?;
    store::webhook::delete(change.tx(), webhook.id, change.now).await?;
    change.trail.gone();
    change.commit(pb::DeleteWebhookResponse {}).await
}

/// The webhook as it is now, if its etag is the one the caller saw.
async fn locked(change: &Change<'_>, id: i64, etag: &str) -> Result<Webhook> {
    change.trail.resource("webhook", id);
    let webhook = store::webhook::locked(change.tx(), id).await?;
    let webhook = webhook.ok_or(Error::NotFound(Missing::Webhook))?;
    change.trail.before(&answer(&webhook));
    wire::check_etag(etag, webhook.revision)?;
    Ok(webhook)
}

fn answer(webhook: &Webhook) -> pb::Webhook {
    let Webhook {
        id,
        uid: _,
        name,
        url,
        disabled,
        owner,
        sealed: _,
        former: _,
        failures,
        resumes,
        created,
        updated,
        revision,
    } = webhook;
    pb::Webhook {
        id: *id,
        display_name: name.clone(),
        url: url.clone(),
        disabled: *disabled,
        owner_user_id: owner.0,
        failure_count: i32::try_from(*failures).unwrap_or(i32::MAX),
        resume_time: resumes.map(wire::timestamp),
        create_time: Some(wire::timestamp(*created)),
        update_time: Some(wire::timestamp(*updated)),
        etag: wire::etag(*revision),
    }
}
