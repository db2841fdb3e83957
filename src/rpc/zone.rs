//! ZoneService.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::wire;
use crate::{
    app::App,
    error::Result,
    pb::{self, zone_service_server::ZoneService},
    store,
};

/// The service.
#[derive(Debug, Clone)]
pub struct Zones(pub Arc<App>);

#[tonic::async_trait]
impl ZoneService for Zones {
    async fn list_zones(&self, _request: Request<pb::ListZonesRequest>) -> Result<Response<pb::ListZonesResponse>, Status> {
        Ok(list(&self.0).await?)
    }
}

async fn list(app: &App) -> Result<Response<pb::ListZonesResponse>> {
    let conn = app.database.lease().await?;
    let zones = store::zone::list(&*conn).await?.into_iter().map(|zone| {
        let store::zone::Zone {
            id,
            code,
            display_name,
            boundary,
        } = zone;
        pb::Zone {
            id: id.0,
            code,
            display_name,
            boundary: boundary.into_iter().map(wire::lat_lng).collect(),
        }
    });
    Ok(Response::new(pb::ListZonesResponse { zones: zones.collect() }))
}
