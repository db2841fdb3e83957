//! `GET /ws/connect`: the handshake.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, Query, State, WebSocketUpgrade},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};

use super::{
    answer::refusal,
    socket::{self, Guest},
};
use crate::{
    config::Environment,
    ws_bridge::{
        Shared,
        door::{BUFFER, Refused, Visitor, bearer, tell},
        token::Credential,
    },
};

/// The token comes by header, else as a parameter. Where anybody may come, nobody's token makes nobody's socket.
pub async fn connect(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(parameters): Query<HashMap<String, String>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Response> {
    let entry = shared.enter().map_err(Refused::into_response)?;
    let token = bearer(&headers).or_else(|| parameters.get("token").cloned());
    let address = shared.proxies.caller(peer.ip(), &headers);
    let received = shared.receive(token.as_deref(), address).await;
    let Visitor { credential, limits } = received.map_err(Refused::into_response)?;
    let full = || Refused::TOO_MANY.into_response();
    let mut held = vec![entry];
    let mut of_user = Vec::new();
    match &credential {
        Some(credential) => {
            let user = credential.identity().user;
            of_user.push(shared.users.enter(user).ok_or_else(full)?);
            of_user.push(shared.subscribers.enter(user).ok_or_else(full)?);
        }
        None if shared.settings.environment == Environment::Production => {
            return Err(refusal(StatusCode::FORBIDDEN, "Authentication required"));
        }
        None => held.push(shared.strangers.enter().ok_or(Refused::OVERLOADED.into_response())?),
    }
    let guest = Guest {
        known: credential.is_some(),
        credential: Arc::new(credential.unwrap_or_else(Credential::of_nobody)),
        _held: (held, of_user),
    };
    // Somewhat more than a frame may have, so that one that is too big can be answered.
    let hard_limit = shared.settings.message_max_size.saturating_mul(4);
    let mut response = upgrade
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(hard_limit)
        .max_frame_size(hard_limit)
        .on_upgrade(move |ws| socket::serve(shared, ws, guest));
    tell(&limits, response.headers_mut());
    Ok(response)
}
