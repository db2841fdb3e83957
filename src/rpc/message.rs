//! MessageService.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{
    Call,
    change::{Change, asked},
    wire::timestamp,
};
use crate::{
    app::App,
    domain::message::{Audience, LIFETIME, Message, Urgency},
    error::{Error, Result},
    pb::{self, message_service_server::MessageService},
    store,
};

/// The service.
#[derive(Debug, Clone)]
pub struct Messages(pub Arc<App>);

#[tonic::async_trait]
impl MessageService for Messages {
    async fn create_message(&self, request: Request<pb::CreateMessageRequest>) -> Result<Response<pb::Message>, Status> {
        Ok(create(&self.0, &Call::of(&request)?, request.into_inner()).await?)
    }
}

/// Queues a message for everybody who is meant.
pub async fn create(app: &App, call: &Call, request: pb::CreateMessageRequest) -> Result<Response<pb::Message>> {
    let mut conn = app.database.lease().await?;
    let asked = asked("CreateMessage", &request.request_id);
    let change = Change::begin(app, call, &mut conn, asked, &request).await?;
    if let Some(answer) = change.replay().await? {
        return Ok(answer);
    }
    let pb::CreateMessageRequest {
        audience,
        urgency,
        text,
        request_id: _,
    } = request.clone();
    let message = Message {
        uid: app.uid(change.now),
        sender: change.caller.user,
        audience: Audience::of(audience).ok_or_else(|| Error::unreadable("no audience"))?,
        urgency: Urgency::of(urgency).unwrap_or(Urgency::Normal),
        text,
        created: change.now,
        expires: change.now + LIFETIME,
    };
    let (id, recipients) = store::message::send(change.tx(), &message).await?;
    change.trail.resource("message", id);
    let sendable = app.settings.notify.bot_token().is_some();
    change
        .commit(wire(
            id,
            &message,
            i64::try_from(recipients).map_err(Error::internal)?,
            sendable,
        ))
        .await
}

fn wire(id: i64, message: &Message, recipient_count: i64, sendable: bool) -> pb::Message {
    let Message {
        uid,
        sender,
        audience,
        urgency,
        text,
        created,
        expires,
    } = message;
    pb::Message {
        id,
        uid: uid.to_string(),
        sender_user_id: sender.0,
        audience: *audience as i32,
        urgency: *urgency as i32,
        text: text.clone(),
        recipient_count,
        sendable,
        create_time: Some(timestamp(*created)),
        expire_time: Some(timestamp(*expires)),
    }
}
