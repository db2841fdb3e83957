//! Migrations: forward only, embedded, one at a time among all replicas.

use tokio_postgres::Client;

use super::connector::Connector;
use crate::error::{Error, Result};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Brings the database to this program's version; says which migrations ran.
pub async fn run(connector: &Connector) -> Result<Vec<String>> {
    let (mut client, connection) = connector.connect().await?;
    let driver = tokio::spawn(connection);
    // refinery takes no lock: of replicas that start together all but one would fail.
    let lock = "select pg_advisory_lock(hashtextextended('gad-migrate', 0))";
    client.batch_execute(lock).await?;
    let ran = apply(&mut client).await;
    drop(client);
    driver.await.map_err(Error::internal)??;
    ran
}

async fn apply(client: &mut Client) -> Result<Vec<String>> {
    let report = embedded::migrations::runner()
        .set_migration_table_name("migrations")
        .run_async(client)
        .await
        .map_err(Error::internal)?;
    Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
}

/// Migrations that this program has and the database has not; an error if the database is newer than the program.
pub async fn pending(on: &impl super::Query) -> Result<i64> {
    let known = i64::try_from(embedded::migrations::runner().get_migrations().len()).map_err(Error::internal)?;
    let there = on.one("select to_regclass('migrations') is not null as there", &[]).await?;
    if !super::decode::Column::read::<bool>(&there, "there")? {
        return Ok(known);
    }
    let row = on.one("select count(*) as n from migrations", &[]).await?;
    Ok(known - super::decode::Column::read::<i64>(&row, "n")?)
}
