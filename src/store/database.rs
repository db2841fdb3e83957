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

use futures::{FutureExt as _, future::join_all};
use postgres_types::{ToSql, Type};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::{CancelToken, Client, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connector::Connector;
use crate::{
    config::DatabaseSettings,
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
    /// A connection that was opened.
    pub(super) fn new(client: Client, tls: MakeRustlsConnect) -> Self {
        Self {
            cancel: client.cancel_token(),
            tls,
            client,
            cache: Cache::default(),
        }
    }

    /// Starts a transaction. Its statements end when `deadline` passes.
    pub async fn begin(&mut self, deadline: Option<Duration>) -> Result<Tx<'_>> {
        let Self { client, cache, .. } = self;
        let tx = cache.run(client.transaction()).await?;
        let tx = Tx { tx, cache };
        if let Some(left) = deadline {
            tx.ahead(&format!("set local statement_timeout = {}", left.as_millis().max(1)));
        }
        Ok(tx)
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

    /// Sends a command whose answer nobody waits for: where it fails, whatever comes after it in the transaction fails.
    fn ahead(&self, command: &str) {
        let _ = self.tx.batch_execute(command).now_or_never();
    }

    /// Remembers this point, to which [`Tx::rewind`] goes back.
    pub fn mark(&self) {
        self.ahead("savepoint mark");
    }

    /// Undoes all since [`Tx::mark`], and gives back the locks that were taken since.
    pub fn rewind(&self) {
        self.ahead("rollback to savepoint mark");
    }

    /// Forgets the point of [`Tx::mark`]; what was done since stays.
    pub fn release(&self) {
        self.ahead("release savepoint mark");
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

    /// The rows of several statements in one trip. They run in this order, and each sees what those before it did or
    /// waited for.
    fn batch(&self, statements: &[(&'static str, Params<'_>)]) -> impl Future<Output = Result<Vec<Vec<Row>>>> + Send {
        async move {
            let mut asked = Vec::with_capacity(statements.len());
            for (sql, params) in statements {
                asked.push((self.prepare(sql).await?, *params));
            }
            // The first poll of each sends it; of so few, they are polled in their order.
            let queries = asked.iter().map(|(statement, params)| self.client().query(statement, params));
            let answers = self.cache().run(join_all(queries)).await;
            answers.into_iter().map(|answer| self.checked(answer)).collect()
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
