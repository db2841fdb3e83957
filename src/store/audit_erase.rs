//! The audit: emptying what rows tell of a person.

use jiff::civil::Date;
use tokio_postgres::Row as Record;

use super::{Query, Tx, audit::head, decode::Column};
use crate::{
    domain::{
        UserId,
        audit::{Erased, Head, Place},
    },
    error::Result,
};

/// Up to `limit` rows that the person made or that are about the person, and still tell of somebody.
pub async fn telling_of(tx: &Tx<'_>, user: UserId, limit: i64) -> Result<Vec<Head>> {
    let rows = tx
        .rows(
            "select day, segment, number, hash from audit
             where (user_id = $1 or subject_user_id = $1) and salt is not null limit $2",
            &[&user.0, &limit],
        )
        .await?;
    rows.iter().map(|row| head(row, row.read("day")?)).collect()
}

/// Up to `limit` rows of what was done to these things that name somebody, and the place of the thing in the list, from 1.
pub async fn naming(tx: &Tx<'_>, resources: &[String], pattern: &str, limit: i64) -> Result<Vec<(Head, i64)>> {
    let rows = tx
        .rows(
            "select a.day, a.segment, a.number, a.hash, n.place
             from unnest($1::text[]) with ordinality n (resource, place) join audit a on a.resource = n.resource
             where a.salt is not null and (a.detail::text ~* $2 or a.reason ~* $2) limit $3",
            &[&resources, &pattern, &limit],
        )
        .await?;
    let read = |row: &Record| Ok((head(row, row.read("day")?)?, row.read("place")?));
    rows.iter().map(read).collect()
}

/// Erases what may tell of a person from these rows.
pub async fn forget(tx: &Tx<'_>, rows: &[(Place, Erased)]) -> Result<()> {
    let places = |place: fn(&(Place, Erased)) -> Place| -> (Vec<Date>, Vec<i32>, Vec<i64>) {
        let places = rows.iter().map(place);
        places.map(|Place { day, segment, number }| (day, segment, number)).collect()
    };
    let (days, segments, numbers) = places(|(place, _)| *place);
    let (by_days, by_segments, by_numbers) = places(|(_, erased)| erased.by);
    let proofs: Vec<&[u8]> = rows.iter().map(|(_, erased)| erased.proof.as_slice()).collect();
    tx.run(
        "update audit a set detail = null, reason = null, address = null, salt = null,
                            erase_day = n.by_day, erase_segment = n.by_segment, erase_number = n.by_number, erase_hash = n.proof
         from unnest($1::date[], $2::int[], $3::bigint[], $4::date[], $5::int[], $6::bigint[], $7::bytea[])
              n (day, segment, number, by_day, by_segment, by_number, proof)
         where a.day = n.day and a.segment = n.segment and a.number = n.number",
        &[&days, &segments, &numbers, &by_days, &by_segments, &by_numbers, &proofs],
    )
    .await?;
    Ok(())
}
