//! All that is kept of a person, row by row, as the data map says: never more than a batch in memory.

use tokio_postgres::Portal;

use super::{Tx, decode::Column as _};
use crate::{
    domain::{
        UserId,
        data_map::{Table, Told},
    },
    error::{Error, Result},
};

/// Rows of one batch.
const BATCH: i32 = 500;

/// The rows of a user in one table, as JSON objects.
pub struct Rows<'a> {
    tx: &'a Tx<'a>,
    portal: Portal,
}

impl<'a> Rows<'a> {
    /// All rows of the table that belong to the user, in the order of its key; none if it has none of anybody.
    pub async fn of(tx: &'a Tx<'a>, table: &Table, user: UserId) -> Result<Option<Self>> {
        let Some(sql) = statement(table) else { return Ok(None) };
        let portal = tx
            .guard(async {
                let statement = tx.raw().prepare_typed(&sql, &[postgres_types::Type::INT8]).await?;
                tx.raw().bind(&statement, &[&user.0]).await
            })
            .await;
        let portal = portal.map_err(Error::from)?;
        Ok(Some(Self { tx, portal }))
    }

    /// The next rows; empty: there are no more.
    pub async fn next(&self) -> Result<Vec<String>> {
        let rows = self.tx.guard(self.tx.raw().query_portal(&self.portal, BATCH)).await?;
        rows.iter().map(|row| row.read("record")).collect()
    }
}

/// Times in what is told are those of UTC.
pub async fn tell_in_utc(tx: &Tx<'_>) -> Result<()> {
    tx.run_sql("select set_config('timezone', 'UTC', true)", &[]).await
}

/// The statement that tells the rows of the user `$1`.
fn statement(table: &Table) -> Option<String> {
    if table.whose.is_empty() {
        return None;
    }
    let plain = table.plain.iter().map(|column| pair(column, Told::AsIs));
    let personal = table.personal.iter().map(|personal| pair(personal.column, personal.told));
    let pairs: Vec<String> = plain.chain(personal).flatten().collect();
    let order: Vec<String> = table.key.split(", ").map(|column| format!("t.{column}")).collect();
    Some(format!(
        "select json_build_object({})::text as record from {} t where {} order by {}",
        pairs.join(", "),
        table.name,
        super::erase::belongs(table.whose),
        order.join(", ")
    ))
}

/// A name and a value of the object; none if the column is not told as the database has it.
fn pair(column: &str, told: Told) -> Option<String> {
    match told {
        Told::AsIs => Some(format!("'{column}', t.{column}")),
        Told::AsPlace => Some(format!("'{column}', st_asgeojson(t.{column})::json")),
        Told::Opened(_) | Told::Left(_) => None,
    }
}
