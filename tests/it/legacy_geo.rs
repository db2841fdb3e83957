//! `/api/v1/geo` of GRUPO_GAD.

use gad::pb;
use serde_json::{Value, json};

use crate::{
    emergency::only,
    legacy::{Door, Row, Who, detail, gad_invalid, play},
    world::draft,
};

const MAP: &str = "/api/v1/geo/map/view?center_lat=4.65&center_lng=-74.07";
const TWICE: &str = "/api/v1/geo/geo/map/view?center_lat=4.65&center_lng=-74.07&radius_m=100";
const UNKNOWN: &str = "/api/v1/geo/location/usuario/0198c0de-0000-7000-8000-000000000000";
const MISSING: &str = "The user with this id does not exist in the system";

/// Where what no row gives is tested.
pub const ELSEWHERE: &[(&str, usize, &str, &str)] = &[
    ("GeoService.SetLocation", 0, "", SETTING),
    ("GeoService.SetLocation", 0, "AGENT_OFF_DUTY", SETTING),
];
const SETTING: &str = "legacy_geo::a_place_that_a_person_sets_is_on_the_map";

/// Every path and its refusals.
pub fn rows() -> Vec<Row> {
    let map = |reason, path| Row::get("GeoService.GetMap", reason, path).of(Who::Supervisor);
    let set = |reason, path| Row::get("GeoService.SetLocation", reason, path).of(Who::Supervisor);
    let place = json!({ "lat": 4.65, "lng": -74.07, "source": "MANUAL" });
    let with = |key: &str, value: Value| {
        let mut place = place.clone();
        place[key] = value;
        place
    };
    vec![
        map("", MAP).gives(200, json!({ "usuarios": "$", "tareas": [] })),
        map("", TWICE).gives(200, json!({ "usuarios": "$", "tareas": [] })),
        map("INVALID_FIELD", "/api/v1/geo/map/view?center_lng=0")
            .gives(422, gad_invalid(json!(["query", "center_lat"]), "missing")),
        map("INVALID_FIELD", "/api/v1/geo/map/view?center_lat=91&center_lng=0")
            .gives(422, gad_invalid(json!(["query", "center_lat"]), "value_error")),
        map("INVALID_FIELD", "/api/v1/geo/map/view?center_lat=0&center_lng=0&radius_m=99")
            .gives(422, gad_invalid(json!(["query", "radius_m"]), "value_error")),
        map("SIGNED_OUT", MAP).of(Who::Nobody).gives(401, detail("Not authenticated")),
        set("USER_NOT_FOUND", UNKNOWN).json(place.clone()).gives(404, detail(MISSING)),
        set("INVALID_FIELD", "/api/v1/geo/location/usuario/ana")
            .json(place.clone())
            .gives(422, gad_invalid(json!(["path", "uuid"]), "value_error")),
        set("INVALID_FIELD", UNKNOWN)
            .json(with("lat", json!(-90.5)))
            .gives(422, gad_invalid(json!(["body", "lat"]), "value_error")),
        set("INVALID_FIELD", UNKNOWN)
            .json(with("source", json!("ORACLE")))
            .gives(422, gad_invalid(json!(["body", "source"]), "value_error")),
        set("SIGNED_OUT", UNKNOWN)
            .of(Who::Nobody)
            .json(place.clone())
            .gives(401, detail("Not authenticated")),
    ]
}

#[tokio::test]
async fn every_path_answers_as_its_clients_know_it() {
    play(rows()).await;
}

#[tokio::test]
async fn a_place_that_a_person_sets_is_on_the_map() {
    let door = Door::open().await;
    let (agent, colleague) = (door.world.agent().await, door.world.other_agent().await);
    let supervisor = door.world.supervisor().await;
    let uid = door.get("/api/v1/users/me", Some(&agent.token)).await.json()["uuid"].clone();
    let uid = uid.as_str().unwrap();
    let path = format!("/api/v1/geo/location/usuario/{uid}");
    // As far as nothing goes that drives.
    for (lat, lng) in [(-34.6037, -58.3816), (4.65, -74.07)] {
        let place = json!({ "lat": lat, "lng": lng, "source": "MANUAL" });
        let told = door.post(&path, Some(&supervisor.token), place).await;
        assert_eq!(
            (told.status.as_u16(), &told.json()["status"]),
            (200, &json!("ok")),
            "{told:?}"
        );
        let map = format!("/api/v1/geo/map/view?center_lat={lat}&center_lng={lng}&radius_m=200");
        let map = door.get(&map, Some(&supervisor.token)).await.json();
        let mine: Vec<&Value> = map["usuarios"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["entity_id"] == uid)
            .collect();
        assert_eq!(mine.len(), 1, "{map}");
        assert!(mine[0]["distance_m"].as_i64().unwrap() <= 100, "{map}");
        assert_eq!(mine[0]["estado"], "disponible");
    }
    // Oneself, and nobody else; who is off duty is nowhere.
    let place = json!({ "lat": 4.65, "lng": -74.07 });
    assert_eq!(door.post(&path, Some(&agent.token), place.clone()).await.status, 200);
    door.post(&path, Some(&colleague.token), place.clone())
        .await
        .is(404, &detail(MISSING));
    let rows = door.world.database().await;
    rows.execute(
        "update agents set duty = 3, duty_time = now() - interval '1 hour' where user_id = $1",
        &[&agent.id],
    )
    .await
    .unwrap();
    assert_eq!(door.post(&path, Some(&supervisor.token), place).await.status, 409);
    door.close().await;
}

#[tokio::test]
async fn the_map_has_open_tasks_and_what_the_caller_sees() {
    let door = Door::open().await;
    let (agent, supervisor) = (door.world.agent().await, door.world.supervisor().await);
    only(&door.world, &[&agent]).await;
    let request = pb::CreateTaskRequest {
        task: Some(pb::Task {
            priority: 5,
            ..draft("Incendio")
        }),
        ..Default::default()
    };
    let task = supervisor.tasks().create_task(request).await.unwrap().into_inner();
    let seen = door.get(MAP, Some(&supervisor.token)).await.json();
    assert_eq!(
        seen["tareas"],
        json!([{ "lat": 4.65, "lng": -74.07, "entity_id": task.uid, "distance_m": 0, "priority": "CRITICA" }])
    );
    assert_eq!(
        door.get(TWICE, Some(&supervisor.token)).await.json()["tareas"],
        seen["tareas"]
    );
    let far = "/api/v1/geo/map/view?center_lat=4.7&center_lng=-74.07&radius_m=5000";
    assert_eq!(door.get(far, Some(&supervisor.token)).await.json()["tareas"], json!([]));
    // The agent's own place, and none of the tasks of others.
    let own = door.get(MAP, Some(&agent.token)).await.json();
    assert_eq!((own["usuarios"].as_array().unwrap().len(), &own["tareas"]), (1, &json!([])));
    let request = pb::TaskStepRequest {
        id: task.id,
        ..Default::default()
    };
    supervisor.tasks().cancel_task(request).await.unwrap();
    assert_eq!(door.get(MAP, Some(&supervisor.token)).await.json()["tareas"], json!([]));
    door.close().await;
}

#[tokio::test]
async fn the_map_goes_over_the_date_line_and_the_poles() {
    let door = Door::open().await;
    let supervisor = door.world.supervisor().await;
    for (latitude, longitude) in [(-16.5, 179.99), (89.95, 10.0)] {
        let place = pb::LatLng { latitude, longitude };
        let request = pb::CreateTaskRequest {
            task: Some(pb::Task {
                location: Some(place),
                ..draft("Lejos")
            }),
            ..Default::default()
        };
        supervisor.tasks().create_task(request).await.unwrap();
    }
    for path in [
        "/api/v1/geo/map/view?center_lat=-16.5&center_lng=-179.99&radius_m=10000",
        "/api/v1/geo/map/view?center_lat=89.95&center_lng=-170&radius_m=100000",
    ] {
        let map = door.get(path, Some(&supervisor.token)).await.json();
        assert_eq!(map["tareas"].as_array().unwrap().len(), 1, "{path}: {map}");
    }
    door.close().await;
}
