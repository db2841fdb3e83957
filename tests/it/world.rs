//! A world of its own for each test: a fresh database, a server in this process, people with tokens.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Mutex, OnceLock},
    time::Duration,
};

use gad::{
    clock::Clock,
    config::{
        AccountSettings, DEMO_ACCOUNTS, DEMO_DOMAIN, DEMO_PASSWORD, DEMO_SECRET, DatabaseSettings, Environment, FileSettings,
        LogFormat, MailSettings, NotifySettings, RedisSettings, SeedSettings, ServeSettings, SmtpTls, TelemetrySettings,
    },
    pb::{
        self, UserLevel, agent_service_client::AgentServiceClient, api_token_service_client::ApiTokenServiceClient,
        attachment_service_client::AttachmentServiceClient, auth_service_client::AuthServiceClient,
        bulk_service_client::BulkServiceClient, check_in_service_client::CheckInServiceClient,
        checklist_service_client::ChecklistServiceClient, comment_service_client::CommentServiceClient,
        dependency_service_client::DependencyServiceClient, dispatch_service_client::DispatchServiceClient,
        emergency_service_client::EmergencyServiceClient, event_service_client::EventServiceClient,
        geo_service_client::GeoServiceClient, geofence_service_client::GeofenceServiceClient,
        message_service_client::MessageServiceClient, notification_service_client::NotificationServiceClient,
        permission_service_client::PermissionServiceClient, privacy_service_client::PrivacyServiceClient,
        statistics_service_client::StatisticsServiceClient, sync_service_client::SyncServiceClient,
        task_service_client::TaskServiceClient, template_service_client::TemplateServiceClient,
        user_service_client::UserServiceClient, webhook_service_client::WebhookServiceClient,
        zone_service_client::ZoneServiceClient,
    },
    seed,
    serve::Server,
    store,
};
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;
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
    /// Whoever got these tokens, calling over a channel.
    pub fn of(tokens: &pb::LoginResponse, channel: Channel) -> Self {
        let user = tokens.user.as_ref().unwrap();
        let bearer = Bearer(format!("Bearer {}", tokens.access_token).parse().unwrap());
        Self {
            id: user.id,
            agent_id: user.agent_id,
            token: tokens.access_token.clone(),
            door: InterceptedService::new(channel, bearer),
        }
    }

    /// The same person with another access token.
    pub fn with(&self, token: &str, channel: Channel) -> Self {
        let person = Self {
            token: token.to_owned(),
            ..self.clone()
        };
        person.over(channel)
    }

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

    /// Dispatch.
    pub fn dispatch(&self) -> DispatchServiceClient<Door> {
        DispatchServiceClient::new(self.door.clone())
    }

    /// Check-ins.
    pub fn check_ins(&self) -> CheckInServiceClient<Door> {
        CheckInServiceClient::new(self.door.clone())
    }
    /// Much at once.
    pub fn bulk(&self) -> BulkServiceClient<Door> {
        BulkServiceClient::new(self.door.clone())
    }

    /// What was done offline.
    pub fn sync(&self) -> SyncServiceClient<Door> {
        SyncServiceClient::new(self.door.clone())
    }

    /// Emergencies.
    pub fn emergencies(&self) -> EmergencyServiceClient<Door> {
        EmergencyServiceClient::new(self.door.clone())
    }

    /// The map.
    pub fn maps(&self) -> GeoServiceClient<Door> {
        GeoServiceClient::new(self.door.clone()).max_decoding_message_size(16 * 1024 * 1024)
    }

    /// Geofences.
    pub fn geofences(&self) -> GeofenceServiceClient<Door> {
        GeofenceServiceClient::new(self.door.clone())
    }

    /// Comments.
    pub fn comments(&self) -> CommentServiceClient<Door> {
        CommentServiceClient::new(self.door.clone())
    }

    /// Attachments.
    pub fn attachments(&self) -> AttachmentServiceClient<Door> {
        AttachmentServiceClient::new(self.door.clone())
    }

    /// Checklists.
    pub fn checklists(&self) -> ChecklistServiceClient<Door> {
        ChecklistServiceClient::new(self.door.clone())
    }

    /// Dependencies.
    pub fn dependencies(&self) -> DependencyServiceClient<Door> {
        DependencyServiceClient::new(self.door.clone())
    }

    /// Templates.
    pub fn templates(&self) -> TemplateServiceClient<Door> {
        TemplateServiceClient::new(self.door.clone())
    }

    /// Notifications.
    pub fn notifications(&self) -> NotificationServiceClient<Door> {
        NotificationServiceClient::new(self.door.clone())
    }

    /// Messages to groups.
    pub fn messages(&self) -> MessageServiceClient<Door> {
        MessageServiceClient::new(self.door.clone())
    }

    /// Webhooks.
    pub fn webhooks(&self) -> WebhookServiceClient<Door> {
        WebhookServiceClient::new(self.door.clone())
    }

    /// Statistics.
    pub fn statistics(&self) -> StatisticsServiceClient<Door> {
        StatisticsServiceClient::new(self.door.clone())
    }

    /// Events.
    pub fn events(&self) -> EventServiceClient<Door> {
        EventServiceClient::new(self.door.clone())
    }

    /// What is kept of people.
    pub fn privacy(&self) -> PrivacyServiceClient<Door> {
        PrivacyServiceClient::new(self.door.clone())
    }

    /// The person itself.
    pub fn auth(&self) -> AuthServiceClient<Door> {
        AuthServiceClient::new(self.door.clone())
    }

    /// Zones.
    pub fn zones(&self) -> ZoneServiceClient<Door> {
        ZoneServiceClient::new(self.door.clone())
    }

    /// Users.
    pub fn users(&self) -> UserServiceClient<Door> {
        UserServiceClient::new(self.door.clone())
    }

    /// API tokens.
    pub fn api_tokens(&self) -> ApiTokenServiceClient<Door> {
        ApiTokenServiceClient::new(self.door.clone())
    }

    /// Permissions.
    pub fn permissions(&self) -> PermissionServiceClient<Door> {
        PermissionServiceClient::new(self.door.clone())
    }

    /// Calls by another token over a channel.
    pub fn by(&self, token: &str, channel: Channel) -> Self {
        let person = Self {
            token: token.to_owned(),
            ..self.clone()
        };
        person.over(channel)
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
    _files: TempDir,
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
        let files = tempfile::tempdir().unwrap();
        settings.files.files_dir = files.path().to_owned();
        change(&mut settings);
        if settings.environment == Environment::Production {
            leave_the_demo(settings.database.database_url.expose_secret()).await;
        }
        let replica = Replica::start(settings.clone(), clock).await;
        Self {
            settings,
            replica,
            _files: files,
            people: Mutex::default(),
        }
    }

    /// One more server on the same stores.
    pub async fn another_replica(&self) -> Replica {
        Replica::start(self.settings.clone(), Clock::system()).await
    }

    /// One more server on the same stores, by another clock.
    pub async fn another_replica_at(&self, clock: Clock) -> Replica {
        Replica::start(self.settings.clone(), clock).await
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

    /// Somebody new with the usual password, signed in; authority ends at these zones.
    pub async fn newcomer(&self, email: &str, level: UserLevel, zone_ids: &[i64]) -> Person {
        let user = pb::User {
            email: email.to_owned(),
            display_name: email.to_owned(),
            level: level as i32,
            zone_ids: zone_ids.to_vec(),
            ..Default::default()
        };
        let request = pb::CreateUserRequest {
            user: Some(user),
            password: DEMO_PASSWORD.to_owned(),
            email_verified: true,
            ..Default::default()
        };
        self.administrator().await.users().create_user(request).await.unwrap();
        self.sign_in(email).await
    }

    /// The number of a zone by its code.
    pub async fn zone(&self, code: &str) -> i64 {
        let zones = self.supervisor().await.zones().list_zones(pb::ListZonesRequest {}).await;
        let zones = zones.unwrap().into_inner().zones;
        zones.iter().find(|zone| zone.code == code).expect("a zone of the city").id
    }

    /// Somebody by e-mail, with a token of now.
    pub async fn sign_in(&self, email: &str) -> Person {
        let email = match self.settings.environment {
            Environment::Production => email.replace(DEMO_DOMAIN, CITY_DOMAIN),
            _ => email.to_owned(),
        };
        let request = pb::LoginRequest {
            email,
            password: DEMO_PASSWORD.to_owned(),
            ..Default::default()
        };
        let answer = AuthServiceClient::new(self.replica.channel())
            .login(request)
            .await
            .unwrap()
            .into_inner();
        Person::of(&answer, self.replica.channel())
    }
}

/// Where people of a production live: it does not start with demo accounts.
pub const CITY_DOMAIN: &str = "@city.test";

/// Gives the people of the template addresses that are not the demo's.
pub async fn leave_the_demo(database_url: &str) {
    connect(database_url)
        .await
        .execute(
            "update users set email = replace(email, $1, $2)",
            &[&DEMO_DOMAIN, &CITY_DOMAIN],
        )
        .await
        .unwrap();
}

/// Warnings, or what `RUST_LOG` says, go where the test's output goes: shown when it fails.
fn show_logs() {
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
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
        debug: false,
        listen: any,
        internal_listen: any,
        tls_cert: None,
        tls_key: None,
        tls_client_ca: None,
        secret_key: DEMO_SECRET.into(),
        secret_key_previous: None,
        bridge_token: None,
        telegram_service_token: None,
        access_token_expire_minutes: 30,
        refresh_token_expire_days: 7,
        step_up_minutes: 15,
        web_dir: None,
        tile_url: None,
        cors_allowed_origins: Vec::new(),
        cors_allow_credentials: false,
        secure_cookies: true,
        trusted_proxy_hosts: vec!["127.0.0.0/8".parse().unwrap()],
        max_connections: 12_000,
        max_request_body_size: 10 * 1024 * 1024,
        max_concurrent_calls: 512,
        max_streams: 2000,
        rate_limit_calls: 1_000_000,
        rate_limit_period: 60,
        rate_limit_admin: 1_000_000,
        rate_limit_logins: 1_000_000,
        rate_limit_registrations: 1_000_000,
        rate_limit_refreshes: 1_000_000,
        rate_limit_emergencies: 1_000_000,
        rate_limit_handshakes: 1_000_000,
        rate_limit_exports: 1_000_000,
        default_deadline_ms: 20_000,
        lame_duck_seconds: 0.0,
        drain_seconds: 5.0,
        feed_retention_hours: 72,
        audited: true,
        watch_queue: 1024,
        checkpoint_seconds: 1.0,
        account: account_settings(),
        files: file_settings(),
        notify: notify_settings(),
        database: database_settings(database_url, 10),
        redis: RedisSettings {
            redis_url: Some(redis_url()),
            redis_prefix: format!("t{}", Uuid::new_v4().simple()),
            redis_tls_ca: None,
            redis_allow_plaintext: false,
        },
        telemetry: TelemetrySettings {
            log_level: "info".to_owned(),
            log_format: LogFormat::Text,
            otlp_endpoint: None,
        },
    }
}

/// Settings of files in a test: a world has a folder of its own.
pub fn file_settings() -> FileSettings {
    FileSettings {
        files_dir: "files".into(),
        max_file_size: 256 * 1024,
        file_types: ["image/png", "image/jpeg", "application/pdf"].map(str::to_owned).to_vec(),
        s3_bucket: None,
        s3_endpoint: String::new(),
        s3_region: "us-east-1".to_owned(),
        s3_access_key_id: String::new(),
        s3_secret_access_key: None,
        s3_virtual_host: false,
    }
}

/// Settings of accounts in a test: mail waits.
pub fn account_settings() -> AccountSettings {
    AccountSettings {
        project_name: "GAD".to_owned(),
        frontend_url: "https://gad.example".to_owned(),
        open_registration: true,
        admin_email: None,
        mail: MailSettings {
            smtp_host: None,
            smtp_port: 587,
            smtp_username: None,
            smtp_password: None,
            smtp_use_tls: SmtpTls::None,
            smtp_from: "GAD <gad@gad.example>".to_owned(),
            mail_dir: None,
        },
    }
}

/// Settings of notifications in a test: nobody is told by Telegram, and webhooks are called as in earnest.
pub fn notify_settings() -> NotifySettings {
    NotifySettings {
        telegram_bot_token: None,
        telegram_api_url: "https://api.telegram.org".to_owned(),
        webhook_networks: Vec::new(),
        webhook_ports: vec![443],
        webhook_http: false,
    }
}

/// Settings of a database in a test.
pub fn database_settings(url: String, pool_size: u32) -> DatabaseSettings {
    DatabaseSettings {
        database_url: url.into(),
        database_pool_size: pool_size,
        database_statement_timeout_ms: 30_000,
        database_tls_ca: None,
        database_allow_plaintext: false,
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
    // The tests' own HTTP client asks for one; another test of this process may have been quicker.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
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

/// A database with nothing in it, not even tables.
pub async fn empty_database() -> String {
    let server = variable("DATABASE_URL");
    let name = format!("t{}", Uuid::new_v4().simple());
    let admin = connect(&server).await;
    admin.batch_execute(&format!("create database {name}")).await.unwrap();
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
    let database = database_settings(url, 1);
    let connector = store::connector::Connector::new(&database).unwrap();
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
