//! The older products' REST, through the public door, as their clients use it.

use std::sync::Mutex;

use gad::{
    config::DEMO_BOT_TOKEN,
    pb::legacy::{self as pb, auth_service_client::AuthServiceClient},
};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

use crate::{
    edge::Edge,
    legacy_contract::Described,
    world::{World, reason},
};

/// A world with its public door.
pub struct Door {
    /// What stands behind it.
    pub world: World,
    edge: Edge,
    client: reqwest::Client,
    /// The `id` of the last answer that had one.
    last: Mutex<i64>,
}

/// An answer: status, headers, body as text.
#[derive(Debug)]
pub struct Told {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub text: String,
}

impl Told {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// A header's text; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    /// Fails unless it is this status with this body.
    #[track_caller]
    pub fn is(&self, status: u16, body: &Value) {
        assert_eq!((self.status.as_u16(), &self.json()), (status, body), "{self:?}");
    }
}

/// What a request carries.
#[derive(Debug, Clone, Default)]
pub struct With<'a> {
    /// Access token.
    pub token: Option<&'a str>,
    /// JSON body.
    pub json: Option<Value>,
    /// Form.
    pub form: Option<&'a [(&'a str, &'a str)]>,
    /// Body as it is, with its content type.
    pub raw: Option<(&'a str, Vec<u8>)>,
    /// Headers beside.
    pub headers: &'a [(&'a str, &'a str)],
}

impl Door {
    /// Opens one before a fresh world.
    pub async fn open() -> Self {
        Self::before(World::start().await).await
    }

    /// Opens one before a world.
    pub async fn before(world: World) -> Self {
        let edge = Edge::before(&[world.replica.address]).await;
        Self {
            world,
            edge,
            client: reqwest::Client::new(),
            last: Mutex::default(),
        }
    }

    /// Sends a request.
    pub async fn send(&self, method: Method, path: &str, with: With<'_>) -> Told {
        let mut request = self.client.request(method, self.edge.url(path));
        if let Some(token) = with.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(json) = with.json {
            request = request.json(&json);
        }
        if let Some(form) = with.form {
            let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
            request = request.header("content-type", "application/x-www-form-urlencoded").body(text);
        }
        if let Some((kind, body)) = with.raw {
            request = request.header("content-type", kind).body(body);
        }
        for (name, value) in with.headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        Told {
            status: answer.status(),
            headers: answer.headers().clone(),
            text: answer.text().await.unwrap(),
        }
    }

    /// GET.
    pub async fn get(&self, path: &str, token: Option<&str>) -> Told {
        self.send(
            Method::GET,
            path,
            With {
                token,
                ..With::default()
            },
        )
        .await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, token: Option<&str>, json: Value) -> Told {
        let with = With {
            token,
            json: Some(json),
            ..With::default()
        };
        self.send(Method::POST, path, with).await
    }

    /// POST with a form.
    pub async fn form(&self, path: &str, form: &[(&str, &str)]) -> Told {
        let with = With {
            form: Some(form),
            ..With::default()
        };
        self.send(Method::POST, path, with).await
    }

    /// Closes door and world.
    pub async fn close(self) {
        let Self { world, edge, .. } = self;
        drop(edge);
        world.replica.stop().await;
    }
}

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Nobody.
    Nobody,
    /// Somebody with a token that is none.
    Forger,
    /// A field agent.
    Agent,
    /// Another field agent.
    Colleague,
    /// A supervisor.
    Supervisor,
    /// An administrator.
    Administrator,
    /// The Telegram bot.
    Bot,
}

/// A request, and what is to come of it.
#[derive(Debug, Clone)]
pub struct Row {
    /// The RPC, such as `AuthService.Login`.
    pub rpc: &'static str,
    /// Reason of the refusal; empty: an answer.
    pub reason: &'static str,
    who: Who,
    /// HTTP method.
    pub method: Method,
    /// Path and query.
    pub path: &'static str,
    /// Form, if it has one.
    pub form: Option<&'static [(&'static str, &'static str)]>,
    /// JSON, if it has some.
    pub json: Option<Value>,
    /// HTTP status of what comes of it.
    pub status: u16,
    body: Value,
    headers: &'static [(&'static str, &'static str)],
}

impl Row {
    /// Nobody's GET of a path.
    pub fn get(rpc: &'static str, reason: &'static str, path: &'static str) -> Self {
        Self {
            rpc,
            reason,
            who: Who::Nobody,
            method: Method::GET,
            path,
            form: None,
            json: None,
            status: 200,
            body: Value::Null,
            headers: &[],
        }
    }

    /// The same by another method.
    pub fn by(self, method: Method) -> Self {
        Self { method, ..self }
    }

    /// The same by somebody.
    pub fn of(self, who: Who) -> Self {
        Self { who, ..self }
    }

    /// A POST with a form.
    pub fn form(self, form: &'static [(&'static str, &'static str)]) -> Self {
        Self {
            form: Some(form),
            method: Method::POST,
            ..self
        }
    }

    /// With a JSON body; a GET becomes a POST.
    pub fn json(self, json: Value) -> Self {
        let method = if self.method == Method::GET {
            Method::POST
        } else {
            self.method
        };
        Self {
            json: Some(json),
            method,
            ..self
        }
    }

    /// What comes of it. `"$"` in the body stands for anything but null, `"*"` for anything or nothing; null is no body.
    pub fn gives(self, status: u16, body: Value) -> Self {
        Self { status, body, ..self }
    }

    /// The text that it is to say.
    pub fn said(&self) -> Option<&str> {
        self.body["detail"].as_str()
    }

    /// With these headers.
    pub fn and(self, headers: &'static [(&'static str, &'static str)]) -> Self {
        Self { headers, ..self }
    }

    /// Sends it, and complains if something else comes of it. `{last}` in its path is the `id` of the last answer that had
    /// one, `{agent}` and the like are people's.
    pub async fn complaint(&self, door: &Door, described: &mut Described) -> Option<String> {
        let world = &door.world;
        let (agent, supervisor, administrator) = (world.agent().await, world.supervisor().await, world.administrator().await);
        let token = match self.who {
            Who::Nobody => None,
            Who::Forger => Some("junk".to_owned()),
            Who::Agent => Some(agent.token),
            Who::Colleague => Some(world.other_agent().await.token),
            Who::Supervisor => Some(supervisor.token),
            Who::Administrator => Some(administrator.token),
            Who::Bot => Some(DEMO_BOT_TOKEN.to_owned()),
        };
        let last = *door.last.lock().unwrap();
        let mut path = self.path.to_owned();
        for (name, id) in [
            ("last", last),
            ("agent", agent.id),
            ("supervisor", supervisor.id),
            ("administrator", administrator.id),
        ] {
            path = path.replace(&format!("{{{name}}}"), &id.to_string());
        }
        let with = With {
            token: token.as_deref(),
            json: self.json.clone(),
            form: self.form,
            ..With::default()
        };
        let told = door.send(self.method.clone(), &path, with).await;
        if let Some(id) = serde_json::from_str::<Value>(&told.text)
            .ok()
            .and_then(|told| told["id"].as_i64())
        {
            *door.last.lock().unwrap() = id;
        }
        let same = if self.body.is_null() {
            told.text.is_empty()
        } else {
            fits(&self.body, &told.json())
        };
        let headers = self.headers.iter().all(|(name, value)| told.header(name) == *value);
        if let Some(complaint) = described.add(self, &told) {
            return Some(complaint);
        }
        (told.status.as_u16() != self.status || !same || !headers).then(|| format!("{self:?}\n  {told:?}"))
    }
}

fn fits(wanted: &Value, told: &Value) -> bool {
    match (wanted, told) {
        (Value::String(any), told) if any == "$" => !told.is_null(),
        (Value::String(any), _) if any == "*" => true,
        (Value::Object(wanted), Value::Object(told)) => {
            let known = told.keys().all(|key| wanted.contains_key(key));
            let fit = |(key, value): (&String, &Value)| told.get(key).map_or(value == "*", |told| fits(value, told));
            known && wanted.iter().all(fit)
        }
        (Value::Array(wanted), Value::Array(told)) => {
            wanted.len() == told.len() && wanted.iter().zip(told).all(|(wanted, told)| fits(wanted, told))
        }
        _ => wanted == told,
    }
}

/// What GRUPO_GAD's clients read when they may not.
pub const PRIVILEGES: &str = "The user doesn't have enough privileges";

/// A refusal with nothing but a text.
pub fn detail(text: &str) -> Value {
    json!({ "detail": text })
}

/// One field that is wrong, as GRUPO_GAD tells it.
pub fn gad_invalid(place: Value, kind: &str) -> Value {
    json!({ "detail": "Validation Error", "errors": [fault(place, kind)] })
}

/// One field that is wrong, as the others tell it.
pub fn invalid(place: Value, kind: &str) -> Value {
    json!({ "detail": [fault(place, kind)] })
}

fn fault(place: Value, kind: &str) -> Value {
    json!({ "loc": place, "type": kind, "msg": "$", "input": "*" })
}

/// Plays rows in their order in a world of their own.
pub async fn play(rows: Vec<Row>) {
    let door = Door::open().await;
    let mut described = Described::default();
    let mut complaints = Vec::new();
    for row in rows {
        complaints.extend(row.complaint(&door, &mut described).await);
    }
    door.close().await;
    assert!(complaints.is_empty(), "{} rows:\n{}", complaints.len(), complaints.join("\n"));
    described.check();
}

#[tokio::test]
async fn what_no_path_is_or_takes_is_told_in_the_older_words() {
    let door = Door::open().await;
    let nothing = detail("Not Found");
    door.get("/api/v1/nothing", None).await.is(404, &nothing);
    door.get("/api/nothing", None).await.is(404, &nothing);
    assert!(
        door.get("/redoc", None).await.text.contains("REST API"),
        "it leads to the description"
    );
    let described = door.get("/api/v1/openapi.json", None).await;
    assert_eq!(
        described.json()["paths"]["/api/v1/auth/login"]["post"]["tags"],
        json!(["AuthService"])
    );
    door.post("/api/v1/auth/nothing", None, json!({})).await.is(404, &nothing);
    let told = door.get("/api/v1/auth/login", None).await;
    told.is(405, &detail("Method Not Allowed"));
    assert_eq!(told.header("allow"), "POST");
    // Where two templates fit, each method is named once.
    let told = door.post("/api/v1/users/me", None, json!({})).await;
    told.is(405, &detail("Method Not Allowed"));
    assert_eq!(told.header("allow"), "DELETE, GET, PUT");
    let raw = |kind, body: &[u8]| With {
        raw: Some((kind, body.to_vec())),
        ..With::default()
    };
    let told = door
        .send(Method::POST, "/api/v1/auth/login", raw("application/json", b"{\"email\""))
        .await;
    told.is(
        422,
        &json!({ "detail": [{ "type": "json_invalid", "loc": ["body"], "msg": "JSON decode error", "input": null }] }),
    );
    let told = door.send(Method::POST, "/api/v1/auth/login", raw("text/plain", b"[1]")).await;
    assert_eq!(told.json()["detail"][0]["type"], "model_attributes_type");
    let told = door
        .send(
            Method::POST,
            "/api/v1/auth/login",
            raw("application/json", &vec![b' '; 11 << 20]),
        )
        .await;
    told.is(413, &detail("Request body too large"));
    door.close().await;
}

#[tokio::test]
async fn a_header_that_brings_no_bearer_token_brings_none() {
    let door = Door::open().await;
    let ask = async |value: &str| {
        let with = With {
            headers: &[("authorization", value)],
            ..With::default()
        };
        door.send(Method::GET, "/api/v1/users/me", with).await
    };
    for none in ["", "Basic YTpi", "Token x"] {
        let told = ask(none).await;
        told.is(401, &detail("Not authenticated"));
        assert_eq!(told.header("www-authenticate"), "Bearer");
    }
    for bad in ["Bearer", "Bearer junk", "bearer junk"] {
        ask(bad).await.is(403, &detail("Could not validate credentials"));
    }
    let token = door.world.supervisor().await.token;
    assert_eq!(ask(&format!("bearer {token}")).await.status, 200);
    door.close().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_parameter_is_told_as_of_a_field() {
    let door = Door::open().await;
    let token = door.world.supervisor().await.token;
    let wrong = |place: Value, kind: &str, input: Value| json!({ "type": kind, "loc": place, "msg": "$", "input": input });
    let told = door.get("/api/v1/geo/map/view?center_lat=91", Some(&token)).await;
    let expected = json!({ "detail": "Validation Error", "errors": [
        wrong(json!(["query", "center_lat"]), "value_error", json!("91")),
        wrong(json!(["query", "center_lng"]), "missing", Value::Null),
    ] });
    assert!(told.status == 422 && fits(&expected, &told.json()), "{told:?}");
    let told = door.get("/api/v1/tasks/-1", Some(&token)).await;
    let expected = json!({ "detail": "Validation Error", "errors": [wrong(json!(["path", "id"]), "value_error", json!("-1"))] });
    assert!(told.status == 422 && fits(&expected, &told.json()), "{told:?}");
    door.close().await;
}

#[tokio::test]
async fn grupo_gads_headers_stand_beside_every_answer_of_its_paths() {
    let door = Door::open().await;
    let token = door.world.supervisor().await.token;
    for (path, status) in [
        ("/api/v1/tasks/", 200),
        ("/api/v1/tasks/999999", 404),
        ("/api/v1/tasks/-1", 422),
    ] {
        let told = door.get(path, Some(&token)).await;
        assert_eq!(told.status, status);
        assert_eq!(
            (told.header("x-government-service"), told.header("x-ratelimit-window")),
            ("GRUPO_GAD", "60"),
            "{path}"
        );
        assert_eq!(told.header("x-xss-protection"), "1; mode=block");
        assert!(!told.header("x-ratelimit-limit").is_empty());
    }
    assert_eq!(door.get("/api/v1/countries", None).await.header("x-government-service"), "");
    door.close().await;
}

#[tokio::test]
async fn too_many_calls_are_told_in_grupo_gads_own_form() {
    let door = Door::before(World::with(|settings| settings.rate_limit_calls = 2).await).await;
    let token = door.world.supervisor().await.token;
    let told = loop {
        let told = door.get("/api/v1/tasks/", Some(&token)).await;
        if told.status != 200 {
            break told;
        }
    };
    let expected = json!({
        "detail": "Rate limit exceeded",
        "error": "rate_limit_exceeded",
        "message": "$",
        "details": "$",
        "retry_after_seconds": "$",
        "rate_limit": 2,
        "window_seconds": 60,
        "government_service": "GRUPO_GAD",
        "citizen_support": "$",
        "timestamp": "$",
    });
    assert!(told.status == 429 && fits(&expected, &told.json()), "{told:?}");
    assert_eq!(told.json()["retry_after_seconds"].to_string(), told.header("retry-after"));
    assert_eq!(
        (told.header("x-ratelimit-policy"), told.header("x-ratelimit-window")),
        ("government_citizen_protection", "60")
    );
    door.close().await;
}

#[tokio::test]
async fn collections_have_both_slashes_and_unknown_parameters_do_no_harm() {
    let door = Door::open().await;
    let there = door.get("/api/v1/countries", None).await;
    for path in [
        "/api/v1/countries/",
        "/api/v1/countries?page=2&x.y=z",
        "/api/v1/auth/countries/?limit=abc",
    ] {
        let told = door.get(path, None).await;
        assert_eq!((told.status, &told.text), (there.status, &there.text), "{path}");
    }
    assert_eq!(there.header("content-type"), "application/json");
    door.close().await;
}

#[tokio::test]
async fn callers_of_grpc_get_grpc() {
    let world = World::start().await;
    let edge = Edge::before(&[world.replica.address]).await;
    let mut client = AuthServiceClient::new(edge.channel());
    let countries = client.list_countries(pb::ListCountriesRequest {}).await.unwrap();
    assert!(countries.into_inner().countries.iter().any(|country| country.code == "EC"));
    let refused = client.get_me(pb::GetMeRequest {}).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (tonic::Code::Unauthenticated, "SIGNED_OUT")
    );
    let form = pb::LoginForm {
        username: "admin@gad.example".to_owned(),
        password: "wrong".to_owned(),
        code: None,
    };
    let request = pb::LoginRequest {
        form: Some(form),
        ..Default::default()
    };
    let refused = client.login(request).await.unwrap_err();
    assert_eq!(reason(&refused), "WRONG_CREDENTIALS");
    let refused = client.login(pb::LoginRequest::default()).await.unwrap_err();
    assert_eq!(reason(&refused), "INVALID_FIELD");
    drop(edge);
    world.replica.stop().await;
}
