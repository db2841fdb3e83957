//! Rows of the matrix for the map and geofences.

use serde_json::json;

use crate::{
    matrix::Row,
    matrix_rows::{NOTHING, good, row},
    stage::Who::{Administrator, Agent, Newcomer, Supervisor},
};

/// The rows.
pub fn rows() -> Vec<Row> {
    [map(), tracks(), fences()].concat()
}

fn map() -> Vec<Row> {
    let city = json!({ "south": 4, "west": -75, "north": 5, "east": -73 });
    let upside_down = json!({ "south": 5, "west": -75, "north": 4, "east": -73 });
    let matrix = |agent: serde_json::Value, task: serde_json::Value| json!({ "agent_ids": [agent], "task_ids": [task], "places": [{ "latitude": 4.7, "longitude": -74 }] });
    vec![
        good(
            "MapView",
            Supervisor,
            json!({ "box": city, "zoom": 12, "task_kinds": ["TASK_KIND_PATROL"] }),
        ),
        row("MapView", "INVALID_FIELD", Supervisor, json!({ "box": upside_down })),
        good("GetTile", Supervisor, json!({ "z": 5, "x": 9, "y": "15.mvt" })),
        row(
            "GetTile",
            "INVALID_FIELD",
            Supervisor,
            json!({ "z": 5, "x": 32, "y": "15.mvt" }),
        ),
        good(
            "Heatmap",
            Supervisor,
            json!({ "box": city, "states": ["TASK_STATE_FINISHED"], "start_time": "2020-01-01T00:00:00Z" }),
        ),
        row("Heatmap", "INVALID_FIELD", Supervisor, json!({ "box": upside_down })),
        good("DistanceMatrix", Supervisor, matrix(json!("$me"), json!("$task"))),
        row(
            "DistanceMatrix",
            "AGENT_NOT_FOUND",
            Supervisor,
            matrix(json!(NOTHING), json!("$task")),
        ),
        row(
            "DistanceMatrix",
            "TASK_NOT_FOUND",
            Supervisor,
            matrix(json!("$me"), json!(NOTHING)),
        ),
        row("DistanceMatrix", "INVALID_FIELD", Supervisor, json!({ "agent_ids": [] })),
    ]
}

fn tracks() -> Vec<Row> {
    vec![
        good(
            "GetTrackLine",
            Agent,
            json!({ "agent_id": "$me", "point_count": 10, "gap": "60s" }),
        ),
        row("GetTrackLine", "AGENT_NOT_FOUND", Newcomer, json!({ "agent_id": "$me" })),
        row(
            "GetTrackLine",
            "INVALID_FIELD",
            Agent,
            json!({ "agent_id": "$me", "point_count": 5001 }),
        ),
        good(
            "Replay",
            Supervisor,
            json!({ "time": "$now", "page_size": 1, "max_fix_age": "3600s" }),
        ),
        row(
            "Replay",
            "INVALID_PAGE_TOKEN",
            Supervisor,
            json!({ "time": "$now", "page_token": "nonsense" }),
        ),
        row(
            "Replay",
            "INVALID_FIELD",
            Supervisor,
            json!({ "time": "$now", "page_size": -1 }),
        ),
    ]
}

fn fences() -> Vec<Row> {
    let fence = |zone: serde_json::Value, agent: serde_json::Value| {
        json!({ "geofence": {
            "display_name": "Mercado", "zone_id": zone, "agent_ids": [agent], "dwell_time": "600s",
            "crossings": ["GEOFENCE_EVENT_KIND_ENTERED", "GEOFENCE_EVENT_KIND_LEFT"],
        } })
    };
    let change = |field: &str, value: serde_json::Value| {
        let mut geofence = json!({ "id": "$geofence" });
        geofence[field] = value;
        json!({ "geofence": geofence })
    };
    vec![
        good("CreateGeofence", Supervisor, fence(json!("$zone"), json!("$me"))),
        row(
            "CreateGeofence",
            "ZONE_NOT_FOUND",
            Supervisor,
            fence(json!(NOTHING), json!("$me")),
        ),
        row(
            "CreateGeofence",
            "AGENT_NOT_FOUND",
            Supervisor,
            fence(json!("$zone"), json!(NOTHING)),
        ),
        row(
            "CreateGeofence",
            "INVALID_FIELD",
            Supervisor,
            json!({ "geofence": { "display_name": "Nada", "zone_id": "$zone" } }),
        ),
        good("GetGeofence", Supervisor, json!({ "id": "$geofence" })),
        row("GetGeofence", "GEOFENCE_NOT_FOUND", Supervisor, json!({ "id": NOTHING })),
        row("GetGeofence", "INVALID_FIELD", Supervisor, json!({ "id": 0 })),
        good("ListGeofences", Supervisor, json!({ "page_size": 1 })),
        row(
            "ListGeofences",
            "INVALID_PAGE_TOKEN",
            Supervisor,
            json!({ "page_token": "nonsense" }),
        ),
        row("ListGeofences", "INVALID_FIELD", Supervisor, json!({ "page_size": 201 })),
        good("UpdateGeofence", Supervisor, change("margin_meters", json!(40))),
        row(
            "UpdateGeofence",
            "GEOFENCE_NOT_FOUND",
            Administrator,
            json!({ "geofence": { "id": NOTHING, "margin_meters": 40 } }),
        ),
        row(
            "UpdateGeofence",
            "ZONE_NOT_FOUND",
            Supervisor,
            change("zone_id", json!(NOTHING)),
        ),
        row(
            "UpdateGeofence",
            "AGENT_NOT_FOUND",
            Supervisor,
            change("agent_ids", json!([NOTHING])),
        ),
        row(
            "UpdateGeofence",
            "INVALID_FIELD",
            Supervisor,
            change("margin_meters", json!(1001)),
        ),
        good("DeleteGeofence", Supervisor, json!({ "id": "$geofence" })),
        row("DeleteGeofence", "GEOFENCE_NOT_FOUND", Supervisor, json!({ "id": NOTHING })),
        row("DeleteGeofence", "INVALID_FIELD", Supervisor, json!({ "id": 0 })),
        good("ListGeofenceEvents", Agent, json!({ "page_size": 1 })),
        row(
            "ListGeofenceEvents",
            "INVALID_PAGE_TOKEN",
            Agent,
            json!({ "page_token": "nonsense" }),
        ),
        row("ListGeofenceEvents", "INVALID_FIELD", Agent, json!({ "page_size": 1001 })),
    ]
}
