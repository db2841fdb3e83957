//! A world of its own for each test: a fresh database, a server in this process, people with tokens.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Mutex, OnceLock},
    time::Duration,
};

use gad::{
    app::Clock,
    config::{
        DEMO_ACCOUNTS, DEMO_PASSWORD, DEMO_SECRET, DatabaseSettings, Environment, LogFormat, RedisSettings, SeedSettings,
        ServeSettings, TelemetrySettings,
    },
    pb::{
        self, agent_service_client::AgentServiceClient, auth_service_client::AuthServiceClient,
        event_service_client::EventServiceClient, task_service_client::TaskServiceClient, zone_service_client::ZoneServiceClient,
    },
    seed,
    serve::Server,
    store,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::task::JoinHandle;
use tokio_postgres::NoTls;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};
use uuid::Uuid;

/// Longest that anything a test waits for may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Sends a person's token with every call.
#[derive(Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// A channel that speaks for a person.
pub type Door = InterceptedService<Channel, Bearer>;

/// Somebody signed in.
#[derive(Clone)]
pub struct Person {
    /// Number of the user.
    pub id: i64,
    /// The user's agent.
    pub agent_id: Option<i64>,
    /// Access token.
    pub token: String,
    door: Door,
}

impl Person {
    /// Calls as this person over another channel.
    pub fn over(&self, channel: Channel) -> Self {
        let bearer = Bearer(format!("Bearer {}", self.token).parse().unwrap());
        Self {
            door: InterceptedService::new(channel, bearer),
            ..self.clone()
        }
    }

    /// Tasks.
    pub fn tasks(&self) -> TaskServiceClient<Door> {
        TaskServiceClient::new(self.door.clone())
    }

    /// Agents.
    pub fn agents(&self) -> AgentServiceClient<Door> {
        AgentServiceClient::new(self.door.clone())
    }

    /// Events.
    pub fn events(&self) -> EventServiceClient<Door> {
        EventServiceClient::new(self.door.clone())
    }

    /// The person itself.
    pub fn auth(&self) -> AuthServiceClient<Door> {
        AuthServiceClient::new(self.door.clone())
    }

    /// Zones.
    pub fn zones(&self) -> ZoneServiceClient<Door> {
        ZoneServiceClient::new(self.door.clone())
    }

    /// Creates a task with a title.
    pub async fn task(&self, title: &str) -> pb::Task {
        let request = pb::CreateTaskRequest {
            task: Some(draft(title)),
            ..Default::default()
        };
        self.tasks().create_task(request).await.unwrap().into_inner()
    }
}

/// A patrol with a title in the middle of the city.
pub fn draft(title: &str) -> pb::Task {
    pb::Task {
        title: title.to_owned(),
        kind: pb::TaskKind::Patrol as i32,
        location: Some(pb::LatLng {
            latitude: 4.65,
            longitude: -74.07,
        }),
        ..Default::default()
    }
}

/// One server of a world.
pub struct Replica {
    /// Where it serves.
    pub address: SocketAddr,
    /// Where its health and metrics are.
    pub internal: SocketAddr,
    stop: CancellationToken,
    running: Option<JoinHandle<()>>,
}

impl Replica {
    /// Starts a server with these settings and waits until it is ready.
    pub async fn start(settings: ServeSettings, clock: Clock) -> Self {
        let server = Server::bind(settings, clock).await.unwrap();
        let (address, internal) = server.addresses().unwrap();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let running = tokio::spawn(async move { server.run(stopped).await.unwrap() });
        let replica = Self {
            address,
            internal,
            stop,
            running: Some(running),
        };
        replica.ready().await;
        replica
    }

    async fn ready(&self) {
        let url = format!("http://{}/ready", self.internal);
        until("the server is ready", async || {
            reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }

    /// A channel to it.
    pub fn channel(&self) -> Channel {
        channel(self.address)
    }

    /// Begins its graceful end without waiting for it.
    pub fn begin_stop(&self) {
        self.stop.cancel();
    }

    /// Ends it gracefully.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(running) = self.running.take() {
            tokio::time::timeout(PATIENCE, running)
                .await
                .expect("the server ends")
                .unwrap();
        }
    }
}

/// A lazy channel to an address.
pub fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

/// A world of its own.
pub struct World {
    /// Settings that its servers share.
    pub settings: ServeSettings,
    /// Its first server.
    pub replica: Replica,
    people: Mutex<HashMap<String, Person>>,
}

impl World {
    /// With the usual settings.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With settings of its own.
    pub async fn with(change: impl FnOnce(&mut ServeSettings)) -> Self {
        Self::with_clock(Clock::system(), change).await
    }

    /// With a clock and settings of its own.
    pub async fn with_clock(clock: Clock, change: impl FnOnce(&mut ServeSettings)) -> Self {
        show_logs();
        let mut settings = settings(fresh_database().await);
        change(&mut settings);
        let replica = Replica::start(settings.clone(), clock).await;
        Self {
            settings,
            replica,
            people: Mutex::default(),
        }
    }

    /// One more server on the same stores.
    pub async fn another_replica(&self) -> Replica {
        Replica::start(self.settings.clone(), Clock::system()).await
    }

    /// The database's URL.
    pub fn database_url(&self) -> &str {
        self.settings.database.database_url.expose_secret()
    }

    /// A connection to the database, to see what is really there.
    pub async fn database(&self) -> tokio_postgres::Client {
        connect(self.database_url()).await
    }

    /// The administrator.
    pub async fn administrator(&self) -> Person {
        self.person(DEMO_ACCOUNTS[0]).await
    }

    /// The supervisor.
    pub async fn supervisor(&self) -> Person {
        self.person(DEMO_ACCOUNTS[1]).await
    }

    /// A field agent, free, with a fix; `AG-001`.
    pub async fn agent(&self) -> Person {
        self.person(DEMO_ACCOUNTS[2]).await
    }

    /// Another field agent, free, with a fix; `AG-002`.
    pub async fn other_agent(&self) -> Person {
        self.person("agente1@gad.example").await
    }

    /// Somebody by e-mail, signed in once.
    pub async fn person(&self, email: &str) -> Person {
        if let Some(known) = self.people.lock().unwrap().get(email) {
            return known.clone();
        }
        let person = self.sign_in(email).await;
        self.people.lock().unwrap().insert(email.to_owned(), person.clone());
        person
    }

    /// Somebody by e-mail, with a token of now.
    pub async fn sign_in(&self, email: &str) -> Person {
        let request = pb::LoginRequest {
            email: email.to_owned(),
            password: DEMO_PASSWORD.to_owned(),
        };
        let answer = AuthServiceClient::new(self.replica.channel())
            .login(request)
            .await
            .unwrap()
            .into_inner();
        let user = answer.user.unwrap();
        let bearer = Bearer(format!("Bearer {}", answer.access_token).parse().unwrap());
        Person {
            id: user.id,
            agent_id: user.agent_id,
            token: answer.access_token,
            door: InterceptedService::new(self.replica.channel(), bearer),
        }
    }
}

/// Warnings go where the test's output goes: shown when it fails.
fn show_logs() {
    let filter = tracing_subscriber::EnvFilter::new("warn");
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_test_writer()
        .try_init();
}

/// Settings of a server in a test.
pub fn settings(database_url: String) -> ServeSettings {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    ServeSettings {
        environment: Environment::Testing,
        listen: any,
        internal_listen: any,
        secret_key: DEMO_SECRET.into(),
        access_token_expire_minutes: 30,
        web_dir: None,
        tile_url: None,
        cors_allowed_origins: Vec::new(),
        max_concurrent_calls: 512,
        max_streams: 2000,
        rate_limit_calls: 1_000_000,
        rate_limit_logins: 1_000_000,
        default_deadline_ms: 20_000,
        lame_duck_seconds: 0.0,
        drain_seconds: 5.0,
        feed_retention_hours: 72,
        audit_retention_days: 0,
        audited: true,
        watch_queue: 1024,
        checkpoint_seconds: 1.0,
        database: DatabaseSettings {
            database_url: database_url.into(),
            database_pool_size: 10,
            database_statement_timeout_ms: 30_000,
        },
        redis: RedisSettings {
            redis_url: Some(redis_url()),
            redis_prefix: format!("t{}", Uuid::new_v4().simple()),
        },
        telemetry: TelemetrySettings {
            log_level: "info".to_owned(),
            log_format: LogFormat::Text,
            otlp_endpoint: None,
        },
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests by `make test`"))
}

/// The Redis that tests share, each under a prefix of its own.
pub fn redis_url() -> SecretString {
    variable("REDIS_URL").into()
}

/// Connects to a database by URL.
pub async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A copy of the template: migrated, with three accounts, three agents, four zones, no tasks.
pub async fn fresh_database() -> String {
    let server = variable("DATABASE_URL");
    let admin = connect(&server).await;
    let template = template(&admin, &server).await;
    let name = format!("t{}", Uuid::new_v4().simple());
    admin
        .batch_execute(&format!("create database {name} template {template}"))
        .await
        .unwrap();
    renamed(&server, &name)
}

/// Makes the template once per cluster, whichever test comes first.
async fn template(admin: &tokio_postgres::Client, server: &str) -> String {
    static NAME: OnceLock<String> = OnceLock::new();
    let name = NAME.get_or_init(|| "gad_template".to_owned());
    admin.batch_execute("select pg_advisory_lock(4711)").await.unwrap();
    let there = admin
        .query_opt("select from pg_database where datname = $1", &[name])
        .await
        .unwrap()
        .is_some();
    if !there {
        let making = "gad_template_making";
        admin
            .batch_execute(&format!("drop database if exists {making}"))
            .await
            .unwrap();
        admin.batch_execute(&format!("create database {making}")).await.unwrap();
        fill(renamed(server, making)).await;
        admin
            .batch_execute(&format!("alter database {making} rename to {name}"))
            .await
            .unwrap();
    }
    admin.batch_execute("select pg_advisory_unlock(4711)").await.unwrap();
    name.clone()
}

async fn fill(url: String) {
    let database = DatabaseSettings {
        database_url: url.into(),
        database_pool_size: 1,
        database_statement_timeout_ms: 30_000,
    };
    let connector = store::database::Connector::new(&database.database_url).unwrap();
    store::migrate::run(&connector).await.unwrap();
    let seed = SeedSettings {
        environment: Environment::Testing,
        tasks: 0,
        agents: 3,
        database,
    };
    assert!(seed::run(&seed, Clock::system().now()).await.unwrap());
}

/// The URL with another database's name; `postgresql://user@host/name`.
fn renamed(url: &str, name: &str) -> String {
    let (server, _) = url.rsplit_once('/').expect("a URL with a database's name");
    format!("{server}/{name}")
}

/// Asks again and again until it is so; a bound for what cannot be waited for otherwise.
pub async fn until(what: &str, so: impl AsyncFn() -> bool) {
    let wait = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"));
}

/// The reason of a refusal, as `google.rpc.ErrorInfo` has it.
pub fn reason(status: &Status) -> String {
    use tonic_types::StatusExt as _;
    status
        .get_error_details()
        .error_info()
        .map(|info| info.reason.clone())
        .unwrap_or_default()
}

/// The fields that a refusal names.
pub fn fields(status: &Status) -> Vec<String> {
    use tonic_types::StatusExt as _;
    let details = status.get_error_details();
    let violations = details
        .bad_request()
        .map(|bad| bad.field_violations.clone())
        .unwrap_or_default();
    violations.into_iter().map(|violation| violation.field).collect()
}
