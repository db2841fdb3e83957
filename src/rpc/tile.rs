//! GeoService: vector tiles.

use tonic::{Response, metadata::MetadataValue};

use super::{
    Call,
    map::{open, viewer},
};
use crate::{
    app::App,
    domain::map::Tile,
    error::{Error, Result},
    pb::{self, google::api::HttpBody},
    store::{
        self,
        map::{Area, Layer, Tasks},
    },
};

/// What a tile is.
const MVT: &str = "application/vnd.mapbox-vector-tile";

/// Who may keep a tile, and how long: it shows what this caller may see, as it was a moment ago.
const KEPT: &str = "private, max-age=5";

/// GetTile.
pub async fn get(app: &App, call: &Call, request: pb::GetTileRequest) -> Result<Response<HttpBody>> {
    let viewer = viewer(app, &call.caller()?);
    let tile = tile(&request)?;
    let bounds = tile.bounds().ok_or_else(|| Error::internal("a tile without a place"))?;
    let area = Area {
        bounds,
        circle: None,
        grid: tile.grid(),
    };
    let agents = Layer::Agents {
        availabilities: Vec::new(),
        units: Vec::new(),
    };
    let tasks = Layer::Tasks(Tasks {
        states: open(),
        ..Tasks::default()
    });
    let conn = app.database.lease().await?;
    let mut data = store::map::tile_zones(&*conn, tile, bounds).await?;
    for layer in [agents, tasks, Layer::Emergencies] {
        data.extend(store::map::tile(&*conn, tile, &area, &viewer, &layer).await?);
    }
    let mut response = Response::new(HttpBody {
        content_type: MVT.to_owned(),
        data,
        extensions: Vec::new(),
    });
    response
        .metadata_mut()
        .insert("cache-control", MetadataValue::from_static(KEPT));
    Ok(response)
}

/// The tile that a request names.
fn tile(request: &pb::GetTileRequest) -> Result<Tile> {
    let pb::GetTileRequest { z, x, y } = request;
    let row = y.strip_suffix(".mvt").unwrap_or(y);
    let number = |text: &str| text.parse::<u32>().ok();
    let zoom = u32::try_from(*z).unwrap_or_default();
    let wrong = |field| Error::invalid(field, "no está en el mapa", "is not on the map");
    let column = u32::try_from(*x).map_err(|_| wrong("x"))?;
    let row = number(row).ok_or_else(|| wrong("y"))?;
    if Tile::new(zoom, column, 0).is_none() {
        return Err(wrong("x"));
    }
    Tile::new(zoom, column, row).ok_or_else(|| wrong("y"))
}
