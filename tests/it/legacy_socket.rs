//! `/ws/connect` of GRUPO_GAD: an unmodified WebSocket client through Envoy.

use std::{collections::BTreeMap, net::SocketAddr};

use futures::{SinkExt as _, StreamExt as _};
use gad::{
    config::{BridgeSettings, Environment},
    pb,
};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message, client::IntoClientRequest as _, http::HeaderValue},
};

use crate::{
    bridge_clients::Running,
    edge::Edge,
    world::{PATIENCE, Person, World, draft},
};

/// The keys of an envelope.
const KEYS: [&str; 11] = [
    "channel_name",
    "channel_type",
    "data",
    "event_type",
    "message_id",
    "priority_level",
    "routing_metadata",
    "target_role",
    "target_user_id",
    "timestamp",
    "topic",
];

/// An older client.
pub struct Client {
    ws: WebSocketStream<TcpStream>,
}

impl Client {
    /// Opens a socket at this address; the status if it is refused.
    async fn open(door: SocketAddr, query: &str, bearer: Option<&str>) -> Result<Self, u16> {
        let stream = TcpStream::connect(door).await.unwrap();
        let mut request = format!("ws://{door}/ws/connect{query}").into_client_request().unwrap();
        if let Some(token) = bearer {
            let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
            request.headers_mut().insert("authorization", value);
        }
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((ws, _)) => Ok(Self { ws }),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(cause) => panic!("{cause}"),
        }
    }

    /// The same for somebody, or for nobody, who is acknowledged.
    pub async fn welcomed(door: SocketAddr, token: &str) -> Self {
        let mut client = Self::open(door, &format!("?token={token}"), None).await.unwrap();
        assert_eq!(client.next().await["event_type"], "connection_ack");
        client
    }

    /// The next envelope; the close code if there is none.
    async fn next_or_close(&mut self) -> Result<Value, u16> {
        loop {
            match timeout(PATIENCE, self.ws.next()).await.expect("something in time") {
                Some(Ok(Message::Text(text))) => {
                    let envelope: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
                    let keys: Vec<&str> = envelope.keys().map(String::as_str).collect();
                    assert_eq!(keys, KEYS);
                    return Ok(json!(envelope));
                }
                Some(Ok(Message::Close(frame))) => return Err(frame.expect("a reason").code.into()),
                Some(Ok(_)) => {}
                Some(Err(cause)) => panic!("{cause}"),
                None => return Err(1006),
            }
        }
    }

    async fn next(&mut self) -> Value {
        self.next_or_close().await.expect("the socket stays open")
    }

    /// The next envelope but pings.
    pub async fn news(&mut self) -> Value {
        loop {
            let envelope = self.next().await;
            if envelope["event_type"] != "ping" {
                return envelope;
            }
        }
    }

    async fn say(&mut self, text: &str) {
        self.ws.send(Message::text(text)).await.unwrap();
    }

    /// All envelopes up to the one that answers a question asked now.
    async fn rest(&mut self) -> Vec<Value> {
        self.say(r#"{"event_type":"subscribe","data":{"events":["fin"]}}"#).await;
        let mut heard = Vec::new();
        loop {
            let envelope = self.news().await;
            if envelope["data"]["title"] == "Suscripción confirmada" {
                return heard;
            }
            heard.push(envelope);
        }
    }
}

/// Heartbeats so seldom that a client whom nobody reads for a while, on a machine that has much to do, is not taken for dead.
fn patient(settings: &mut BridgeSettings) {
    settings.heartbeat_interval = 40.0;
}

/// A world behind Envoy with one bridge.
async fn stage() -> (World, Running, Edge) {
    let world = World::start().await;
    let bridge = Running::with(&[&world.replica], patient).await;
    let edge = Edge::start(&[world.replica.address], &[bridge.address]).await;
    (world, bridge, edge)
}

fn kinds(envelopes: &[Value]) -> Vec<&str> {
    envelopes.iter().map(|one| one["event_type"].as_str().unwrap()).collect()
}

async fn urgent(person: &Person, title: &str, priority: pb::TaskPriority) -> pb::Task {
    let task = pb::Task {
        priority: priority.into(),
        ..draft(title)
    };
    let request = pb::CreateTaskRequest {
        task: Some(task),
        ..Default::default()
    };
    person.tasks().create_task(request).await.unwrap().into_inner()
}

async fn page(edge: &Edge, method: &str, path: &str, token: &str, body: Option<Value>) -> (u16, Value) {
    let mut request = reqwest::Client::new().request(method.parse().unwrap(), edge.url(path));
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}: {text}")),
    )
}

#[tokio::test]
async fn a_task_is_heard_from_its_beginning_to_its_end_in_the_older_words() {
    let (world, _bridge, edge) = stage().await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let mut client = Client::open(edge.address, "", Some(&supervisor.token)).await.unwrap();
    let ack = client.next().await;
    assert_eq!(ack["event_type"], "connection_ack");
    for key in [
        "connection_id",
        "connected_at",
        "server_time",
        "assigned_channel",
        "channel_type",
    ] {
        assert!(ack["data"][key].is_string(), "{key}: {ack}");
    }
    let task = supervisor.task("Patrullar el parque").await;
    let assign = pb::AssignTaskRequest {
        id: task.id,
        agent_id: agent.agent_id.unwrap(),
        ..Default::default()
    };
    supervisor.tasks().assign_task(assign).await.unwrap();
    let start = pb::TaskStepRequest {
        id: task.id,
        ..Default::default()
    };
    agent.tasks().start_task(start).await.unwrap();
    let mut of_task = Vec::new();
    let at_work = |envelope: &Value| {
        let data = &envelope["data"];
        envelope["event_type"] == "efectivo_status_changed"
            && data["efectivo_id"] == agent.agent_id.unwrap()
            && data["efectivo_data"]["estado_disponibilidad"] == "en_tarea"
    };
    let mut heard = false;
    while of_task.len() < 3 || !heard {
        let envelope = client.news().await;
        heard |= at_work(&envelope);
        if envelope["data"]["task_id"] == task.id {
            of_task.push(envelope);
        }
    }
    assert_eq!(kinds(&of_task), ["task_created", "task_assigned", "task_status_changed"]);
    let created = &of_task[0]["data"]["task_data"];
    assert_eq!(
        (
            &created["titulo"],
            &created["estado"],
            &created["tipo"],
            &created["prioridad"]
        ),
        (
            &json!("Patrullar el parque"),
            &json!("programada"),
            &json!("patrullaje"),
            &json!(2)
        )
    );
    assert_eq!(
        of_task[1]["data"]["task_data"]["efectivos_asignados"],
        json!([agent.agent_id])
    );
    assert_eq!(of_task[2]["data"]["task_data"]["estado"], "en_curso");
}

#[tokio::test]
async fn a_moving_agent_is_heard() {
    let (world, _bridge, edge) = stage().await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let mut client = Client::welcomed(edge.address, &supervisor.token).await;
    let fix = pb::Position {
        agent_id: agent.agent_id.unwrap(),
        location: Some(pb::LatLng {
            latitude: 4.651,
            longitude: -74.071,
        }),
        fix_time: Some(std::time::SystemTime::now().into()),
        source: pb::PositionSource::Manual.into(),
        ..Default::default()
    };
    let request = pb::ReportPositionsRequest { positions: vec![fix] };
    agent.agents().report_positions(request).await.unwrap();
    let envelope = client.news().await;
    assert_eq!(envelope["event_type"], "efectivo_location_update");
    assert_eq!(envelope["data"]["efectivo_id"], agent.agent_id.unwrap());
    assert!((envelope["data"]["efectivo_data"]["lat"].as_f64().unwrap() - 4.651).abs() < 0.01);
}

#[tokio::test]
async fn every_new_task_of_priority_4_or_5_alerts_from_whichever_door() {
    let (world, _bridge, edge) = stage().await;
    let supervisor = world.supervisor().await;
    let mut client = Client::welcomed(edge.address, &supervisor.token).await;
    urgent(&supervisor, "Alta", pb::TaskPriority::High).await;
    urgent(&supervisor, "Urgente", pb::TaskPriority::Urgent).await;
    let body = json!({ "title": "Crítica", "kind": "TASK_KIND_PATROL", "priority": "TASK_PRIORITY_CRITICAL" });
    let (status, _) = page(&edge, "POST", "/v1/tasks", &supervisor.token, Some(body)).await;
    assert_eq!(status, 200);
    let raise = pb::RaiseEmergencyRequest {
        description: "Robo".to_owned(),
        ..Default::default()
    };
    supervisor.emergencies().raise_emergency(raise).await.unwrap();
    let mut alerts = Vec::new();
    while alerts.len() < 3 {
        let envelope = client.news().await;
        if envelope["event_type"] == "alert" {
            alerts.push(envelope["data"].clone());
        }
    }
    let told: Vec<_> = alerts.iter().map(|data| (&data["titulo"], &data["prioridad"])).collect();
    let expected = [("Urgente", 4), ("Crítica", 5), ("Emergencia: Robo", 5)].map(|(title, level)| (json!(title), json!(level)));
    assert_eq!(told, expected.each_ref().map(|(title, level)| (title, level)));
    assert_eq!(alerts[0]["creador"], supervisor.id);
}

#[tokio::test]
async fn a_field_agent_hears_of_its_own_tasks_only() {
    let (world, _bridge, edge) = stage().await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let mut client = Client::welcomed(edge.address, &agent.token).await;
    let mut witness = Client::welcomed(edge.address, &supervisor.token).await;
    urgent(&supervisor, "Ajena", pb::TaskPriority::Critical).await;
    let mine = supervisor.task("Propia").await;
    let assign = pb::AssignTaskRequest {
        id: mine.id,
        agent_id: agent.agent_id.unwrap(),
        ..Default::default()
    };
    supervisor.tasks().assign_task(assign).await.unwrap();
    loop {
        if witness.news().await["event_type"] == "task_assigned" {
            break;
        }
    }
    let first = client.news().await;
    assert_eq!(
        (&first["event_type"], &first["data"]["task_id"]),
        (&json!("task_assigned"), &json!(mine.id))
    );
    for envelope in client.rest().await {
        assert!(!envelope.to_string().contains("Ajena"), "{envelope}");
    }
}

#[tokio::test]
async fn each_of_three_bridges_and_servers_gives_each_client_one_copy() {
    let world = World::start().await;
    let (second, third) = (world.another_replica().await, world.another_replica().await);
    let mut bridges = Vec::new();
    for replica in [&world.replica, &second, &third] {
        bridges.push(Running::with(&[replica], patient).await);
    }
    let doors: Vec<SocketAddr> = bridges.iter().map(|bridge| bridge.address).collect();
    let edge = Edge::start(&[world.replica.address, second.address, third.address], &doors).await;
    let (administrator, supervisor) = (world.administrator().await, world.supervisor().await);
    let mut clients = Vec::new();
    for door in doors.iter().chain([&edge.address, &edge.address]) {
        clients.push(Client::welcomed(*door, &supervisor.token).await);
        clients.push(Client::welcomed(*door, "").await);
    }
    let body = json!({ "title": "Aviso", "content": "Una vez" });
    let (status, answer) = page(&edge, "POST", "/ws/_test/broadcast", &administrator.token, Some(body)).await;
    assert_eq!((status, &answer["status"]), (200, &json!("ok")), "{answer}");
    let over_rpc = supervisor.over(second.channel());
    let task = over_rpc.task("Una vez").await;
    let mut names = Vec::new();
    for (number, client) in clients.iter_mut().enumerate() {
        let mut heard = Vec::new();
        let expected = if number % 2 == 0 { 2 } else { 1 };
        while heard.len() < expected {
            heard.push(client.news().await);
        }
        heard.extend(client.rest().await);
        let told: Vec<&Value> = heard.iter().map(|one| &one["event_type"]).collect();
        if number % 2 == 0 {
            assert_eq!(told, ["notification", "task_created"], "{heard:?}");
            assert_eq!(heard[1]["data"]["task_id"], task.id);
        } else {
            assert_eq!(
                told,
                ["notification"],
                "nobody in particular hears system events only: {heard:?}"
            );
        }
        assert_eq!(
            heard[0]["data"],
            json!({ "title": "Aviso", "content": "Una vez", "level": "info" })
        );
        names.push(heard[0]["message_id"].clone());
    }
    names.dedup();
    assert_eq!(names.len(), 1, "one message has one name on all bridges");
}

#[tokio::test]
async fn a_message_with_a_topic_is_heard_by_who_subscribed_to_it() {
    let (world, _bridge, edge) = stage().await;
    let (administrator, supervisor) = (world.administrator().await, world.supervisor().await);
    let mut subscribed = Client::welcomed(edge.address, &supervisor.token).await;
    let mut other = Client::welcomed(edge.address, &supervisor.token).await;
    subscribed
        .say(r#"{"event_type":"subscribe","data":{"events":["dashboard:kpis","notifications"]}}"#)
        .await;
    let reply = subscribed.news().await;
    assert_eq!(
        reply["data"],
        json!({ "title": "Suscripción confirmada", "content": "Suscrito a 2 tipos de eventos", "level": "info" })
    );
    assert_eq!(reply["event_type"], "notification");
    let tell = async |title: &str, topic: &str, expected: i64| {
        let body = json!({ "title": title, "topic": topic });
        let (_, answer) = page(&edge, "POST", "/ws/_test/broadcast", &administrator.token, Some(body)).await;
        assert_eq!(answer["sent"], expected, "{answer}");
    };
    tell("Uno", "dashboard:kpis", 1).await;
    let heard = subscribed.news().await;
    assert_eq!(
        (&heard["data"]["title"], &heard["topic"]),
        (&json!("Uno"), &json!("dashboard:kpis"))
    );
    subscribed
        .say(r#"{"event_type":"unsubscribe","data":{"events":["dashboard:kpis"]}}"#)
        .await;
    subscribed.rest().await;
    tell("Dos", "dashboard:kpis", 0).await;
    tell("Tres", "", 2).await;
    assert_eq!(subscribed.news().await["data"]["title"], "Tres");
    assert_eq!(other.news().await["data"]["title"], "Tres");
}

/// The next `dashboard_update`.
async fn counts(client: &mut Client) -> Value {
    loop {
        let envelope = client.news().await;
        if envelope["event_type"] == "dashboard_update" {
            return envelope;
        }
    }
}

#[tokio::test]
async fn how_much_is_open_is_told_to_who_asks_and_to_who_subscribed() {
    let (world, _bridge, edge) = stage().await;
    let (supervisor, agent) = (world.supervisor().await, world.agent().await);
    let ask = r#"{"event_type":"dashboard_update"}"#;
    // The second sits down at the watch of the first, which was told at its beginning.
    let mut first = Client::welcomed(edge.address, &supervisor.token).await;
    let mut second = Client::welcomed(edge.address, &supervisor.token).await;
    for client in [&mut first, &mut second] {
        client.say(ask).await;
        let told = counts(client).await;
        let data = told["data"].as_object().unwrap();
        let none = ["completed_tasks", "active_efectivos", "available_efectivos", "busy_efectivos"];
        for key in none {
            assert_eq!(data[key], Value::Null, "nobody counts it");
        }
        for key in [
            "total_tasks",
            "active_tasks",
            "pending_tasks",
            "paused_tasks",
            "overdue_tasks",
            "emergencies",
            "alerts_count",
        ] {
            assert_eq!(data[key], 0, "{told}");
        }
        assert!(data["last_updated"].is_string());
        assert_eq!(data.len(), 12);
        assert_eq!(told["topic"], Value::Null);
    }
    // The one topic is the older product's, the other what its own page subscribes to.
    first
        .say(r#"{"event_type":"subscribe","data":{"events":["dashboard:kpis"]}}"#)
        .await;
    first.rest().await;
    let mut third = Client::welcomed(edge.address, &world.administrator().await.token).await;
    third
        .say(r#"{"event_type":"subscribe","data":{"events":["task_created","dashboard_update"]}}"#)
        .await;
    // Who subscribes is told at once where things stand, or as soon as they change.
    urgent(&supervisor, "Incendio", pb::TaskPriority::Critical).await;
    let mut names = Vec::new();
    for client in [&mut first, &mut third] {
        let told = loop {
            let told = counts(client).await;
            if told["data"]["total_tasks"] == 1 {
                break told;
            }
        };
        assert_eq!(
            (&told["topic"], &told["data"]["pending_tasks"], &told["data"]["alerts_count"]),
            (&json!("dashboard:kpis"), &json!(1), &json!(1))
        );
        names.push(told["message_id"].clone());
    }
    // Who did not subscribe hears of the task and of nothing else, and reads the new counts when it asks.
    let heard = second.rest().await;
    assert_eq!(kinds(&heard), ["task_created", "alert"]);
    loop {
        second.say(ask).await;
        if counts(&mut second).await["data"]["total_tasks"] == 1 {
            break;
        }
    }
    // A field agent does not see it.
    let mut field = Client::welcomed(edge.address, &agent.token).await;
    field.say(ask).await;
    let answer = field.news().await;
    assert_eq!(
        (&answer["event_type"], &answer["data"]["error"]),
        (&json!("error"), &json!("The user doesn't have enough privileges"))
    );
    // Nobody's socket is not answered.
    let mut nobody = Client::welcomed(edge.address, "").await;
    nobody.say(ask).await;
    assert_eq!(nobody.rest().await, Vec::<Value>::new());
}

#[tokio::test]
async fn junk_is_answered_and_cuts_nobody_off() {
    let (world, _bridge, edge) = stage().await;
    let supervisor = world.supervisor().await;
    let mut client = Client::welcomed(edge.address, &supervisor.token).await;
    for (junk, words) in [
        ("{", "Invalid JSON format"),
        ("", "Invalid JSON format"),
        ("[1]", "Message must be a JSON object"),
        ("7", "Message must be a JSON object"),
        ("null", "Message must be a JSON object"),
        (
            r#"{"event_type":"subscribe","data":{"events":7}}"#,
            "events must be a list of short texts",
        ),
    ] {
        client.say(junk).await;
        let answer = client.news().await;
        assert_eq!(
            (&answer["event_type"], &answer["data"]),
            (&json!("error"), &json!({ "error": words })),
            "{junk}"
        );
    }
    for ignored in [
        r#"{"event_type":"nonsense"}"#,
        r#"{"event_type":7,"data":[]}"#,
        r#"{"data":"x"}"#,
        r#"{"event_type":"pong","data":{"timestamp":"now"}}"#,
    ] {
        client.say(ignored).await;
    }
    assert_eq!(client.rest().await, Vec::<Value>::new());
    client.ws.send(Message::binary(vec![0xff])).await.unwrap();
    assert_eq!(client.news().await["event_type"], "error");
    supervisor.task("Sigue").await;
    assert_eq!(client.news().await["event_type"], "task_created");
}

#[tokio::test]
async fn a_message_that_is_too_big_is_answered_and_ends_the_socket() {
    let world = World::start().await;
    let bridge = Running::with(&[&world.replica], |settings| settings.message_max_size = 1000).await;
    let edge = Edge::start(&[world.replica.address], &[bridge.address]).await;
    let token = world.supervisor().await.token;
    let mut client = Client::welcomed(edge.address, &token).await;
    client.say(&format!("\"{}\"", "x".repeat(1000))).await;
    assert_eq!(client.news().await["event_type"], "error");
    assert_eq!(client.next_or_close().await, Err(1009));
    let mut client = Client::welcomed(edge.address, &token).await;
    client.say(&"x".repeat(100_000)).await;
    assert_eq!(client.next_or_close().await, Err(1009));
}

#[tokio::test]
async fn in_production_nobody_comes_without_a_token() {
    let world = World::start().await;
    let production = Running::with(&[&world.replica], |settings| {
        settings.environment = Environment::Production;
    })
    .await;
    let edge = Edge::start(&[world.replica.address], &[production.address]).await;
    assert_eq!(Client::open(edge.address, "", None).await.err(), Some(403));
    assert_eq!(Client::open(edge.address, "?token=junk", None).await.err(), Some(403));
    assert_eq!(Client::open(edge.address, "", Some("junk")).await.err(), Some(403));
    let administrator = world.administrator().await;
    Client::welcomed(edge.address, &administrator.token).await;
    let told = page(&edge, "POST", "/ws/_test/broadcast", &administrator.token, Some(json!({}))).await;
    assert_eq!(told, (200, json!({ "status": "forbidden" })));
}

#[tokio::test]
async fn logging_out_silences_a_socket() {
    let (world, _bridge, edge) = stage().await;
    let supervisor = world.supervisor().await;
    let other = world.sign_in("supervisor@gad.example").await;
    let mut client = Client::welcomed(edge.address, &supervisor.token).await;
    let mut stays = Client::welcomed(edge.address, &other.token).await;
    let (status, _) = page(&edge, "POST", "/api/v1/auth/logout", &supervisor.token, None).await;
    assert_eq!(status, 200);
    let closed = timeout(std::time::Duration::from_secs(5), client.next_or_close()).await;
    assert_eq!(closed.expect("within five seconds"), Err(1008));
    other.task("Sigue").await;
    assert_eq!(stays.news().await["event_type"], "task_created");
}

#[tokio::test]
async fn a_client_is_pinged_and_one_that_never_answers_is_dropped() {
    let world = World::start().await;
    let bridge = Running::with(&[&world.replica], |settings| settings.heartbeat_interval = 0.2).await;
    let edge = Edge::start(&[world.replica.address], &[bridge.address]).await;
    let token = world.supervisor().await.token;
    let mut client = Client::welcomed(edge.address, &token).await;
    let ping = client.next().await;
    assert_eq!(ping["event_type"], "ping");
    assert!(ping["data"]["server_time"].is_string(), "{ping}");
    let silent = Client::welcomed(edge.address, &token).await;
    bridge.until("both are there", |stats| stats.websockets == 2).await;
    // The one is read, so its library answers pings; the other is not.
    while bridge.stats().websockets == 2 {
        client.next().await;
    }
    assert_eq!(client.next().await["event_type"], "ping");
    drop(silent);
}

#[tokio::test]
async fn a_full_bridge_and_a_user_with_too_many_sockets_are_refused() {
    let world = World::start().await;
    let bridge = Running::with(&[&world.replica], |settings| {
        settings.max_connections = 3;
        settings.max_connections_per_user = 2;
    })
    .await;
    let edge = Edge::start(&[world.replica.address], &[bridge.address]).await;
    let supervisor = world.supervisor().await;
    let first = Client::welcomed(edge.address, &supervisor.token).await;
    let _second = Client::welcomed(edge.address, &supervisor.token).await;
    let query = format!("?token={}", supervisor.token);
    assert_eq!(Client::open(edge.address, &query, None).await.err(), Some(429));
    let _third = Client::welcomed(edge.address, "").await;
    assert_eq!(Client::open(edge.address, "", None).await.err(), Some(503));
    drop(first);
    bridge.until("the first has left", |stats| stats.websockets == 2).await;
    Client::welcomed(edge.address, &supervisor.token).await;
}

#[tokio::test]
async fn what_is_no_page_is_told_in_the_older_words() {
    let (_world, _bridge, edge) = stage().await;
    let told = page(&edge, "GET", "/ws/nothing", "", None).await;
    assert_eq!(told, (404, json!({ "detail": "Not Found" })));
}

#[tokio::test]
async fn the_pages_are_for_administrators_and_tell_the_truth() {
    let (world, _bridge, edge) = stage().await;
    let (administrator, supervisor) = (world.administrator().await, world.supervisor().await);
    for (method, path) in [
        ("GET", "/ws/stats"),
        ("POST", "/ws/_test/broadcast"),
        ("POST", "/ws/admin/channels?channel_type=users&channel_name=x"),
        ("GET", "/ws/admin/channels/status"),
        ("POST", "/ws/admin/channels/optimize"),
        ("GET", "/ws/cleanup/status"),
        ("GET", "/ws/cleanup/report"),
        ("GET", "/ws/cleanup/health"),
        ("GET", "/ws/cleanup/metrics"),
        ("GET", "/ws/cleanup/recommendations"),
        ("POST", "/ws/cleanup/emergency"),
        ("POST", "/ws/cleanup/initialize"),
        ("POST", "/ws/cleanup/shutdown"),
    ] {
        let refused = |status: u16, detail: &str| (status, json!({ "detail": detail }));
        assert_eq!(
            page(&edge, method, path, "", None).await,
            refused(401, "Not authenticated"),
            "{path}"
        );
        let junk = page(&edge, method, path, "junk", None).await;
        assert_eq!(junk, refused(403, "Could not validate credentials"), "{path}");
        let small = page(&edge, method, path, &supervisor.token, None).await;
        assert_eq!(small, refused(400, "The user doesn't have enough privileges"), "{path}");
        let body = (method == "POST").then(|| json!({}));
        let (status, answer) = page(&edge, method, path, &administrator.token, body).await;
        let expected = if path.ends_with("shutdown") { "error" } else { "ok" };
        assert_eq!((status, &answer["status"]), (200, &json!(expected)), "{path}: {answer}");
    }
    let mut client = Client::welcomed(edge.address, &supervisor.token).await;
    let _nobody = Client::welcomed(edge.address, "").await;
    let (_, stats) = page(&edge, "GET", "/ws/stats", &administrator.token, None).await;
    let stats = &stats["stats"];
    assert_eq!(stats["total_connections"], 2, "{stats}");
    assert_eq!(stats["unique_users"], 1);
    assert_eq!(stats["connections_by_role"]["LEVEL_2"], 1);
    assert_eq!(stats["connections_by_role"]["anonymous"], 1);
    assert_eq!(stats["metrics"]["total_messages_sent"], 2, "the two acknowledgements");
    client.say(r#"{"event_type":"metrics_update"}"#).await;
    let metrics = client.news().await;
    assert_eq!(
        metrics["data"]["usage"],
        json!({ "active_users": 1, "total_sessions": 2, "peak_concurrent_users": 2 })
    );
    let wrong = page(
        &edge,
        "POST",
        "/ws/admin/channels?channel_type=users&channel_name=y&capacity=0",
        &administrator.token,
        None,
    );
    let (status, answer) = wrong.await;
    assert_eq!((status, &answer["errors"][0]["loc"]), (422, &json!(["query", "capacity"])));
    let (_, channels) = page(&edge, "GET", "/ws/admin/channels/status", &administrator.token, None).await;
    let named = channels["channels"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["channel_name"] == "x");
    assert_eq!(named.unwrap()["capacity"], 100, "{channels}");
    assert_eq!(page(&edge, "PUT", "/ws/stats", &administrator.token, None).await.0, 405);
}
