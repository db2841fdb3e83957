//! A thing that a caller may not know of costs the database as much as one that is not there: the same statements. That the
//! answers are the same, `access` sees.

use gad::descriptor;
use prost_reflect::MethodDescriptor;
use serde_json::Value;

use crate::{
    access_cast::{Caller, Cast},
    access_rows::{Asked, Slot, requests},
    access_stock::{Kind, Stock, kinds},
    contract::all_methods,
    doors::{Answer, Door, Doorway},
    tap::Tap,
    world::World,
};

/// Parts of statements that no call waits for: of what goes on beside them.
const BESIDE: &[&str] = &[
    // What goes on beside has transactions too; what is done in them is compared.
    "START TRANSACTION",
    "set local statement_timeout",
    "where c.due_time <=",
    "from emergencies where due_time",
    "from blobs where due_time",
    "from geofence_places where due_time",
    "delete from messages",
    "where d.due_time",
    // Types that a connection has not met before.
    "pg_catalog.pg_type",
    "r.session_id, r.api_token_id",
    "select 1 as one",
    "from signing_keys",
    "outbox",
    "from feed",
    "from mails",
    "update mails",
    "location_precisions",
    "set last_use_time",
    "COMMIT",
    "ROLLBACK",
    "notification_reader",
    "with recursive targets",
    "statistic_deltas",
    "statistic_sums",
    "gad-statistics",
    "update deliveries set state = 3",
    "end_time <",
];

/// A world whose database is listened to, behind its first door.
struct Stage {
    tap: Tap,
    door: Doorway,
    cast: Cast,
    stock: Stock,
    database: tokio_postgres::Client,
}

impl Stage {
    /// Calls, and hears what that takes. Twice: what a connection learns when it is new does not count.
    async fn call(
        &mut self,
        method: &MethodDescriptor,
        asked: &Asked,
        slot: &Slot,
        kind: Kind,
        caller: Caller,
    ) -> (Answer, Vec<String>) {
        let rule = descriptor::rule(&descriptor::pool(), method).unwrap();
        let (mut live, token) = self.cast.enter(caller, &rule, &mut self.stock);
        let request: Value = self.stock.fill(&asked.request, Some((&slot.name, kind)), &mut live);
        self.stock.flush(&self.database).await;
        let until = ["snapshot_end", "checkpoint", "end", "whole"];
        self.door.call(method, &request, token.as_deref(), &until).await;
        self.tap.take();
        let answer = self.door.call(method, &request, token.as_deref(), &until).await;
        let mut heard = self.tap.take();
        heard.retain(|sql| !BESIDE.iter().any(|part| sql.contains(part)));
        // Some go together, in any order.
        heard.sort();
        (answer, heard)
    }
}

#[tokio::test]
async fn what_is_hidden_takes_the_same_statements_as_what_is_not_there() {
    let mut tap = None;
    let world = World::with(|settings| {
        // Refusals are written down in their own time.
        settings.audited = false;
        // One connection: statements are prepared once.
        settings.database.database_pool_size = 2;
        let heard = Tap::before(secrecy::ExposeSecret::expose_secret(&settings.database.database_url));
        settings.database.database_url = heard.url.clone().into();
        tap = Some(heard);
    })
    .await;
    let zones = [world.zone("Z-NE").await, world.zone("Z-SO").await];
    let mut stage = Stage {
        tap: tap.unwrap(),
        door: Doorway::open(Door::Grpc, &world.replica).await,
        cast: Cast::of(&world, zones[0]).await,
        stock: Stock::new(zones, &world.settings.files.files_dir),
        database: world.database().await,
    };
    let (mut compared, mut wrong) = (0, Vec::new());
    for method in all_methods(&descriptor::pool()) {
        for asked in requests(&method) {
            for slot in asked.slots.clone() {
                // A zone is nobody's, and so never hidden. A stream goes on reading after its answer.
                if !kinds(&slot.name).contains(&Kind::Foreign) || method.is_server_streaming() {
                    continue;
                }
                for caller in [Caller::Agent, Caller::Zonal] {
                    let (answer, foreign) = stage.call(&method, &asked, &slot, Kind::Foreign, caller).await;
                    let (_, absent) = stage.call(&method, &asked, &slot, Kind::Absent, caller).await;
                    compared += usize::from(!foreign.is_empty());
                    if foreign != absent {
                        let name = format!("{} {} {caller:?} ({})", method.name(), slot.field, answer.reason());
                        wrong.push(format!("{name}:\n  foreign {foreign:#?}\n  absent {absent:#?}"));
                    }
                }
            }
        }
    }
    world.replica.stop().await;
    assert!(compared > 40, "only {compared} calls asked the database anything");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
