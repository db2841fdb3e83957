//! EdgeService.

use std::{net::IpAddr, sync::Arc};

use tonic::{
    Request, Response, Status,
    metadata::{MetadataMap, MetadataValue},
};

use crate::{
    app::App,
    domain::limit::{Class, Payer, Standing},
    error::{Error, Result},
    live::limits::Counted,
    pb::{self, edge_service_server::EdgeService},
};

/// The service.
#[derive(Debug, Clone)]
pub struct Edge(pub Arc<App>);

#[tonic::async_trait]
impl EdgeService for Edge {
    async fn admit_handshake(
        &self,
        request: Request<pb::AdmitHandshakeRequest>,
    ) -> Result<Response<pb::AdmitHandshakeResponse>, Status> {
        admit_handshake(&self.0, request.into_inner()).await
    }
}

async fn admit_handshake(app: &App, request: pb::AdmitHandshakeRequest) -> Result<Response<pb::AdmitHandshakeResponse>, Status> {
    let pb::AdmitHandshakeRequest { token, address } = request;
    let signed_in = match app.tokens.verify(&token, app.clock.now()).await {
        Ok(signed_in) => Some(signed_in),
        Err(Error::SignedOut) => None,
        Err(cause) => return Err(cause.into()),
    };
    let user = signed_in.map(|signed_in| signed_in.caller.user);
    let payer = match user {
        Some(user) => Some(Payer::User(user)),
        None => known(&address)?.map(Payer::at),
    };
    let Counted { standing, verdict } = match payer {
        Some(payer) => app.limits.count(Class::Handshake, payer).await,
        None => Counted {
            standing: None,
            verdict: Ok(()),
        },
    };
    match verdict {
        Ok(()) => {
            let user_id = user.map_or(0, |user| user.0);
            let mut response = Response::new(pb::AdmitHandshakeResponse { user_id });
            tell(standing, response.metadata_mut());
            Ok(response)
        }
        Err(refusal) => {
            let mut status = Status::from(refusal);
            tell(standing, status.metadata_mut());
            Err(status)
        }
    }
}

fn known(address: &str) -> Result<Option<IpAddr>> {
    if address.is_empty() {
        return Ok(None);
    }
    let wrong = |_| Error::invalid("address", "no es una dirección IP", "is no IP address");
    address.parse().map(Some).map_err(wrong)
}

fn tell(standing: Option<Standing>, metadata: &mut MetadataMap) {
    for (name, number) in standing.iter().flat_map(Standing::headers) {
        metadata.insert(name, MetadataValue::from(number));
    }
}
