//! Connections: a fair bb8 pool whose connections cache their statements and end with their call.

use std::{
    collections::HashMap,
    future::Future,
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use postgres_types::{ToSql, Type};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use secrecy::ExposeSecret as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::{CancelToken, Client, Config, Row, Statement, config::Host, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    config::{DatabaseSettings, secret::password_weakness},
    error::{Error, Result},
};

/// Parameters of a statement.
pub type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Names every type that is not built in.
const TYPES: &str = "select null::geography as place";

/// A pool of connections. Callers are served in the order they came.
#[derive(Clone)]
pub struct Database {
    pool: bb8::Pool<Manager>,
    turns: Arc<Semaphore>,
    connector: Connector,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("state", &self.pool.state()).finish()
    }
}

/// How to open a connection.
#[derive(Clone)]
pub struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Connector {
    /// Reads the URL; forces TLS to every host that is not this machine, unless it is allowed to go without.
    pub fn new(settings: &DatabaseSettings) -> Result<Self> {
        let mut config = parsed(settings)?;
        if is_remote(&config) && !settings.database_allow_plaintext {
            if config.get_ssl_mode() == SslMode::Disable {
                return Err(Error::Down(PLAINTEXT.to_owned()));
            }
            config.ssl_mode(SslMode::Require);
        }
        config.application_name("gad").connect_timeout(Duration::from_secs(5));
        let tls = rustls::ClientConfig::builder()
            .with_root_certificates(authorities(settings)?)
            .with_no_client_auth();
        Ok(Self {
            config,
            tls: MakeRustlsConnect::new(tls),
        })
    }

    /// A connection of its own, for locks and notifications that must not share.
    pub async fn connect(
        &self,
    ) -> std::result::Result<
        (
            Client,
            tokio_postgres::Connection<
                tokio_postgres::Socket,
                <MakeRustlsConnect as tokio_postgres::tls::MakeTlsConnect<tokio_postgres::Socket>>::Stream,
            >,
        ),
        tokio_postgres::Error,
    > {
        self.config.connect(self.tls.clone()).await
    }

    /// A connection with the usual settings, outside of any pool.
    pub async fn open(&self, statement_timeout_ms: u64) -> std::result::Result<Conn, tokio_postgres::Error> {
        let (client, connection) = self.connect().await?;
        tokio::spawn(async move {
            if let Err(cause) = connection.await {
                tracing::warn!(%cause, "database connection ended");
            }
        });
        client
            .batch_execute(&format!(
                "set statement_timeout = {statement_timeout_ms}; set lock_timeout = '10s';
                 set idle_in_transaction_session_timeout = '30s'; set jit = off"
            ))
            .await?;
        Ok(Conn {
            cancel: client.cancel_token(),
            tls: self.tls.clone(),
            client,
            cache: Cache::default(),
        })
    }
}

/// Why a database is not spoken to.
const PLAINTEXT: &str =
    "DATABASE_URL asks for no TLS to another machine: if the network between is safe, set DATABASE_ALLOW_PLAINTEXT=true";

/// All reasons why a program may not start with this database in production.
pub fn production_problems(settings: &DatabaseSettings) -> Vec<String> {
    let config = match parsed(settings) {
        Ok(config) => config,
        Err(cause) => return vec![cause.to_string()],
    };
    let mut problems = Vec::new();
    if is_remote(&config) && !settings.database_allow_plaintext && config.get_ssl_mode() == SslMode::Disable {
        problems.push(PLAINTEXT.to_owned());
    }
    let by_socket = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
    let password = String::from_utf8_lossy(config.get_password().unwrap_or_default());
    // Who comes by a socket is known to the kernel, and needs no password.
    if !(by_socket && password.is_empty()) {
        let why = password_weakness(&password);
        problems.extend(why.map(|why| format!("the password in DATABASE_URL (or POSTGRES_PASSWORD) {why}")));
    }
    problems
}

fn parsed(settings: &DatabaseSettings) -> Result<Config> {
    let url = settings.database_url.expose_secret();
    url.parse().map_err(|cause| Error::Down(format!("DATABASE_URL: {cause}")))
}

/// Whether any of the hosts is not this machine.
fn is_remote(config: &Config) -> bool {
    let local = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
    };
    !config.get_hosts().iter().all(local) || !config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
}

/// The authorities that a database's certificate may be from.
fn authorities(settings: &DatabaseSettings) -> Result<rustls::RootCertStore> {
    let mut roots = rustls::RootCertStore::empty();
    let Some(path) = &settings.database_tls_ca else {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(roots);
    };
    let wrong = |cause: &dyn std::fmt::Display| Error::Down(format!("DATABASE_TLS_CA: {}: {cause}", path.display()));
    for certificate in CertificateDer::pem_file_iter(path).map_err(|cause| wrong(&cause))? {
        let certificate = certificate.map_err(|cause| wrong(&cause))?;
        roots.add(certificate).map_err(|cause| wrong(&cause))?;
    }
    Ok(roots)
}

impl Database {
    /// A pool; connects when first asked.
    pub async fn connect(settings: &DatabaseSettings) -> Result<Self> {
        let connector = Connector::new(settings)?;
        let manager = Manager {
            connector: connector.clone(),
            statement_timeout_ms: settings.database_statement_timeout_ms,
        };
        let pool = bb8::Pool::builder()
            .max_size(settings.database_pool_size)
            .min_idle(Some(1))
            .test_on_check_out(false)
            .connection_timeout(Duration::from_secs(5))
            .build_unchecked(manager);
        Ok(Self {
            pool,
            turns: Arc::new(Semaphore::new(settings.database_pool_size as usize)),
            connector,
        })
    }

    /// How to open a connection outside the pool.
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    /// A connection, when it is this caller's turn.
    pub async fn lease(&self) -> Result<Lease> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(Error::internal)?;
        // After a restart of the database the idle connections are dead: those are left for the pool to replace.
        let mut conn = self.pool.get_owned().await?;
        while conn.client.is_closed() {
            drop(conn);
            conn = self.pool.get_owned().await?;
        }
        Ok(Lease { conn, _turn: turn })
    }

    /// Connections open and idle now.
    pub fn connections(&self) -> (u32, u32) {
        let state = self.pool.state();
        (state.connections, state.idle_connections)
    }
}

/// A connection on loan.
pub struct Lease {
    conn: bb8::PooledConnection<'static, Manager>,
    _turn: OwnedSemaphorePermit,
}

impl Deref for Lease {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.conn.abandon();
    }
}

/// Opens connections for the pool.
#[derive(Clone)]
pub struct Manager {
    connector: Connector,
    statement_timeout_ms: u64,
}

impl bb8::ManageConnection for Manager {
    type Connection = Conn;
    type Error = tokio_postgres::Error;

    async fn connect(&self) -> std::result::Result<Conn, Self::Error> {
        self.connector.open(self.statement_timeout_ms).await
    }

    async fn is_valid(&self, conn: &mut Conn) -> std::result::Result<(), Self::Error> {
        conn.client.simple_query("").await.map(drop)
    }

    fn has_broken(&self, conn: &mut Conn) -> bool {
        conn.client.is_closed() || conn.cache.is_busy()
    }
}

/// Statements prepared on one connection, and how many queries are under way on it.
#[derive(Default)]
pub struct Cache {
    statements: Mutex<HashMap<&'static str, Statement>>,
    running: AtomicUsize,
}

impl Cache {
    fn get(&self, sql: &'static str) -> Option<Statement> {
        let statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        statements.get(sql).cloned()
    }

    fn put(&self, sql: &'static str, statement: Statement) {
        let mut statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        statements.insert(sql, statement);
    }

    fn clear(&self) {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn is_busy(&self) -> bool {
        self.running.load(Ordering::Acquire) > 0
    }

    /// Counts a query while it runs. If its future is dropped the count stays,
    /// and the connection is given up instead of making the next caller wait.
    async fn run<T>(&self, query: impl Future<Output = T>) -> T {
        self.running.fetch_add(1, Ordering::AcqRel);
        let answer = query.await;
        self.running.fetch_sub(1, Ordering::AcqRel);
        answer
    }
}

/// One connection.
pub struct Conn {
    client: Client,
    cache: Cache,
    cancel: CancelToken,
    tls: MakeRustlsConnect,
}

impl Conn {
    /// Starts a transaction. Its statements end when `deadline` passes.
    pub async fn begin(&mut self, deadline: Option<Duration>) -> Result<Tx<'_>> {
        let Self { client, cache, .. } = self;
        let tx = cache.run(client.transaction()).await?;
        if let Some(left) = deadline {
            let set = format!("set local statement_timeout = {}", left.as_millis().max(1));
            cache.run(tx.batch_execute(&set)).await?;
        }
        Ok(Tx { tx, cache })
    }

    /// Called when the loan ends: a query nobody waits for is cancelled on the server.
    fn abandon(&self) {
        if self.cache.is_busy() && !self.client.is_closed() {
            let (cancel, tls) = (self.cancel.clone(), self.tls.clone());
            tokio::spawn(async move {
                if let Err(cause) = cancel.cancel_query(tls).await {
                    tracing::debug!(%cause, "cancel failed");
                }
            });
        }
    }
}

/// A transaction; rolls back unless committed.
pub struct Tx<'a> {
    tx: tokio_postgres::Transaction<'a>,
    cache: &'a Cache,
}

impl Tx<'_> {
    /// Makes it last.
    pub async fn commit(self) -> Result<()> {
        self.cache.run(self.tx.commit()).await?;
        Ok(())
    }

    /// From here on the transaction reads one snapshot. Comes before everything else.
    pub async fn freeze(&self) -> Result<()> {
        let set = "set transaction isolation level repeatable read read only";
        Ok(self.cache.run(self.tx.batch_execute(set)).await?)
    }

    /// Remembers this point, to which [`Tx::rewind`] goes back.
    pub async fn mark(&self) -> Result<()> {
        Ok(self.cache.run(self.tx.batch_execute("savepoint mark")).await?)
    }

    /// Undoes all since [`Tx::mark`], and gives back the locks that were taken since.
    pub async fn rewind(&self) -> Result<()> {
        Ok(self.cache.run(self.tx.batch_execute("rollback to savepoint mark")).await?)
    }

    /// Forgets the point of [`Tx::mark`]; what was done since stays.
    pub async fn release(&self) -> Result<()> {
        Ok(self.cache.run(self.tx.batch_execute("release savepoint mark")).await?)
    }

    /// A statement whose answer does not matter, such as a lock.
    pub async fn run_sql(&self, sql: &'static str, params: Params<'_>) -> Result<()> {
        self.rows(sql, params).await.map(drop)
    }

    /// The transaction itself, for COPY.
    pub fn raw(&self) -> &tokio_postgres::Transaction<'_> {
        &self.tx
    }

    /// Runs something on [`Tx::raw`] so that a dropped call gives the connection up.
    pub async fn guard<T>(&self, query: impl Future<Output = T>) -> T {
        self.cache.run(query).await
    }
}

/// Anything that runs SQL.
pub trait Query: Sync {
    /// The client to ask.
    fn client(&self) -> &Client;
    /// Its statements.
    fn cache(&self) -> &Cache;

    /// All rows.
    fn rows(&self, sql: &'static str, params: Params<'_>) -> impl Future<Output = Result<Vec<Row>>> + Send {
        async move {
            let statement = self.prepare(sql).await?;
            let answer = self.cache().run(self.client().query(&statement, params)).await;
            self.checked(answer)
        }
    }

    /// All rows of a statement that is made for this call: planned for these very values, not kept.
    ///
    /// tokio-postgres asks for a type it does not know in the midst of the answer, and then both wait for each other if
    /// the answer is long. So the types of our columns are made known before, by a statement that is prepared.
    fn typed(&self, sql: &str, params: &[(&(dyn ToSql + Sync), Type)]) -> impl Future<Output = Result<Vec<Row>>> + Send {
        async move {
            self.prepare(TYPES).await?;
            let answer = self.cache().run(self.client().query_typed(sql, params)).await;
            self.checked(answer)
        }
    }

    /// The row, if there is one.
    fn row(&self, sql: &'static str, params: Params<'_>) -> impl Future<Output = Result<Option<Row>>> + Send {
        async move {
            let statement = self.prepare(sql).await?;
            let answer = self.cache().run(self.client().query_opt(&statement, params)).await;
            self.checked(answer)
        }
    }

    /// The only row.
    fn one(&self, sql: &'static str, params: Params<'_>) -> impl Future<Output = Result<Row>> + Send {
        async move {
            self.row(sql, params)
                .await?
                .ok_or_else(|| Error::internal("a row was expected"))
        }
    }

    /// Number of rows changed.
    fn run(&self, sql: &'static str, params: Params<'_>) -> impl Future<Output = Result<u64>> + Send {
        async move {
            let statement = self.prepare(sql).await?;
            let answer = self.cache().run(self.client().execute(&statement, params)).await;
            self.checked(answer)
        }
    }

    /// The statement, prepared once per connection.
    fn prepare(&self, sql: &'static str) -> impl Future<Output = Result<Statement>> + Send {
        async move {
            if let Some(statement) = self.cache().get(sql) {
                return Ok(statement);
            }
            let statement = self.cache().run(self.client().prepare(sql)).await?;
            self.cache().put(sql, statement.clone());
            Ok(statement)
        }
    }

    /// Forgets all statements when a change of the schema made them stale.
    fn checked<T>(&self, answer: std::result::Result<T, tokio_postgres::Error>) -> Result<T> {
        answer.map_err(|error| {
            if matches!(error.code().map(|code| code.code()), Some("0A000" | "26000")) {
                self.cache().clear();
            }
            Error::from(error)
        })
    }
}

impl Query for Conn {
    fn client(&self) -> &Client {
        &self.client
    }

    fn cache(&self) -> &Cache {
        &self.cache
    }
}

impl Query for Tx<'_> {
    fn client(&self) -> &Client {
        self.tx.client()
    }

    fn cache(&self) -> &Cache {
        self.cache
    }
}
