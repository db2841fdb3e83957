//! Where the segments of a day end, as rows of the audit tell it.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::Audit;
use crate::{
    domain::audit::Head,
    error::Result,
    store::{self, Query},
};

/// Where the segments of a day end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// The day (UTC).
    pub day: Date,
    /// Numbers of the last rows of the segments, from segment 1; 0: none yet.
    pub numbers: Vec<i64>,
    /// One keyed hash of all of it and the rows' hashes.
    pub digest: String,
}

impl Ends {
    /// Places of the last rows.
    pub fn rows(&self) -> Vec<(i32, i64)> {
        let numbered = (1..).zip(self.numbers.iter().copied());
        numbered.filter(|(_, number)| *number > 0).collect()
    }
}

impl Audit {
    /// Where the segments of a day end now.
    pub async fn ends(&self, on: &impl Query, day: Date) -> Result<Ends> {
        let heads = store::audit::heads(on, day).await?;
        let heads: Vec<Head> = heads.into_iter().map(|(head, _)| head).collect();
        let filled: Vec<Head> = heads.iter().filter(|head| head.place.number > 0).cloned().collect();
        Ok(Ends {
            day,
            numbers: heads.iter().map(|head| head.place.number).collect(),
            digest: hex::encode(self.chain.of_ends(&filled)),
        })
    }
}
