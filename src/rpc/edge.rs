//! EdgeService.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::sync::{broadcast::error::RecvError, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{
    Call,
    event::{self, Heard},
    wire,
};
use crate::{
    app::App,
    domain::{
        UserId,
        access::{Caller, Level},
        interest::{Interest, Noun, Wanted},
        limit::{Class, Payer},
    },
    error::{Error, Result},
    identity::{SignedIn, token::SKEW},
    pb::{self, edge_service_server::EdgeService},
    store::revocation::Revoked,
};

/// Messages that wait for a bridge.
const CHANNEL: usize = 16;
/// Revocations that are told at a time.
const BATCH: usize = 1000;
/// Longest silence while there is nothing to tell.
const BEAT: Duration = Duration::from_secs(1);

/// The service.
#[derive(Debug, Clone)]
pub struct Edge(pub Arc<App>);

#[tonic::async_trait]
impl EdgeService for Edge {
    async fn admit_handshake(
        &self,
        request: Request<pb::AdmitHandshakeRequest>,
    ) -> Result<Response<pb::AdmitHandshakeResponse>, Status> {
        let call = Call::of(&request)?;
        Ok(admit_handshake(&self.0, &call, request.into_inner()).await?)
    }

    type WatchRevocationsStream = ReceiverStream<Result<pb::Revocations, Status>>;

    async fn watch_revocations(
        &self,
        _request: Request<pb::WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchRevocationsStream>, Status> {
        let (sender, receiver) = mpsc::channel(CHANNEL);
        tokio::spawn(tell_revocations(Arc::clone(&self.0), sender));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    type WatchAnnouncementsStream = Heard;

    async fn watch_announcements(&self, request: Request<pb::WatchAnnouncementsRequest>) -> Result<Response<Heard>, Status> {
        let call = Call::of(&request)?;
        Ok(watch_announcements(&self.0, &call, &request.into_inner().cursor).await?)
    }
}

/// What nobody in particular may hear.
async fn watch_announcements(app: &Arc<App>, call: &Call, cursor: &str) -> Result<Response<Heard>> {
    let nobody = Caller {
        user: UserId(0),
        level: Level::Agent,
        zones: Arc::default(),
    };
    let interest = Interest {
        lens: app.precision.shared_lens(&nobody),
        caller: nobody,
        wanted: Wanted {
            nouns: vec![Noun::Announcement],
            ..Wanted::default()
        },
    };
    event::begin(app, call, interest, None, cursor, false).await
}

/// Tells what is not believed any more until the receiver is gone or the server goes down.
async fn tell_revocations(app: Arc<App>, sender: mpsc::Sender<Result<pb::Revocations, Status>>) {
    let revocations = &app.tokens.revocations;
    loop {
        let (all, mut news) = revocations.tell();
        let mut batches = all.chunks(BATCH).peekable();
        while let Some(batch) = batches.next() {
            let whole = batches.peek().is_none();
            if sender.send(Ok(told(&app, batch, whole))).await.is_err() {
                return;
            }
        }
        if all.is_empty() && sender.send(Ok(told(&app, &[], true))).await.is_err() {
            return;
        }
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                () = app.closing.cancelled() => return,
                () = sender.closed() => return,
                () = tokio::time::sleep(BEAT) => {}
                heard = news.recv() => match heard {
                    Ok(revoked) => batch.push(revoked),
                    // Too far behind: from the beginning.
                    Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return,
                }
            }
            while batch.len() < BATCH
                && let Ok(revoked) = news.try_recv()
            {
                batch.push(revoked);
            }
            let quiet = batch.is_empty() && !revocations.is_current();
            if !quiet && sender.send(Ok(told(&app, &batch, true))).await.is_err() {
                return;
            }
        }
    }
}

fn told(app: &App, batch: &[Revoked], whole: bool) -> pb::Revocations {
    let mut told = pb::Revocations {
        whole,
        keep: Some(wire::duration(app.tokens.lifetime() + SKEW + SKEW)),
        ..Default::default()
    };
    for revoked in batch {
        match revoked {
            Revoked::Session(id) => told.session_ids.push(id.to_string()),
            Revoked::ApiToken(id) => told.api_token_ids.push(*id),
            Revoked::User { user, version } => told.users.push(pb::RevokedUser {
                user_id: user.0,
                version: *version,
            }),
        }
    }
    told
}

async fn admit_handshake(
    app: &App,
    call: &Call,
    request: pb::AdmitHandshakeRequest,
) -> Result<Response<pb::AdmitHandshakeResponse>> {
    let pb::AdmitHandshakeRequest { token, address } = request;
    let signed_in = match app.tokens.verify(&token, app.clock.now()).await {
        Ok(signed_in) => Some(signed_in),
        Err(Error::SignedOut) => None,
        Err(cause) => return Err(cause),
    };
    let payer = match &signed_in {
        Some(signed_in) => Some(signed_in.payer()),
        None => known(&address)?.map(Payer::at),
    };
    if let Some(payer) = payer {
        call.count(&app.limits, Class::Handshake, payer).await?;
    }
    Ok(Response::new(pb::AdmitHandshakeResponse {
        user_id: signed_in.map_or(0, |SignedIn { caller, .. }| caller.user.0),
    }))
}

fn known(address: &str) -> Result<Option<IpAddr>> {
    if address.is_empty() {
        return Ok(None);
    }
    let wrong = |_| Error::invalid("address", "no es una dirección IP", "is no IP address");
    address.parse().map(Some).map_err(wrong)
}
