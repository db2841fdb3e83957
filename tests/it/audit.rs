//! `gad audit verify` against everything that somebody who has the database can do to the audit, and what is lawful.

use std::process::Command;

use gad::{
    config::DEMO_SECRET,
    pb::{self, RetentionKind, UserLevel},
};
use jiff::SignedDuration;

use crate::{
    newcomer::Hands,
    world::{Person, Replica, World, connect},
};

/// What `gad audit verify` finds, a line each; nothing: it is content.
pub fn verify(url: &str, secret: &str, arguments: &[&str]) -> Vec<String> {
    let verified = Command::new(env!("CARGO_BIN_EXE_gad"))
        .args(["audit", "verify"])
        .args(arguments)
        .env_clear()
        .envs([("DATABASE_URL", url), ("SECRET_KEY", secret)])
        .output()
        .unwrap();
    let said = String::from_utf8(verified.stdout).unwrap();
    let mut lines: Vec<String> = said.lines().map(str::to_owned).collect();
    let errors = String::from_utf8_lossy(&verified.stderr);
    let summary = lines.pop().unwrap_or_else(|| panic!("it says nothing: {errors}"));
    assert!(
        summary.ends_with(&format!("{} findings", lines.len())),
        "{summary}\n{lines:?}\n{errors}"
    );
    assert_eq!(
        verified.status.code(),
        Some(i32::from(!lines.is_empty())),
        "{lines:?}\n{errors}"
    );
    lines
}

/// Changes a task's title.
pub async fn retitle(person: &Person, id: i64, title: &str) {
    let request = pb::UpdateTaskRequest {
        task: Some(pb::Task {
            id,
            title: title.to_owned(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["title".to_owned()],
        }),
        ..Default::default()
    };
    person.tasks().update_task(request).await.unwrap();
}

/// A database whose server has ended: two days of calls, one person erased, an anchor.
struct Scene {
    url: String,
    database: tokio_postgres::Client,
    /// The last anchor, as it was logged.
    anchor: String,
}

/// What the audit is kept in.
const TABLES: [&str; 3] = ["audit", "audit_heads", "audit_days"];

impl Scene {
    async fn build() -> Self {
        let hands = Hands::now();
        let world = World::with_clock(hands.clock(), |_| {}).await;
        let other = Replica::start(world.settings.clone(), hands.clock()).await;
        let supervisor = world.supervisor().await;
        let task = supervisor.task("Buscar a plantada@gad.example").await.id;
        retitle(&supervisor.over(other.channel()), task, "Buscarla").await;
        for title in ["uno", "dos"] {
            retitle(&supervisor, task, title).await;
        }
        // A day later.
        hands.pass(SignedDuration::from_hours(25));
        let supervisor = world.sign_in("supervisor@gad.example").await;
        for title in ["tres", "cuatro", "cinco", "Buscar a plantada@gad.example"] {
            retitle(&supervisor, task, title).await;
        }
        erase(&world, "plantada@gad.example").await;
        // A server that starts ten minutes later tells where all segments end.
        hands.pass(SignedDuration::from_mins(10));
        let later = Replica::start(world.settings.clone(), hands.clock()).await;
        let database = world.database().await;
        crate::world::until("there is an anchor", async || {
            let sql = "select count(*) from audit where method = 'audit.anchor'";
            database.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0
        })
        .await;
        for replica in [later, other] {
            replica.stop().await;
        }
        let url = world.database_url().to_owned();
        world.replica.stop().await;
        let sql = "select day || '/' || segment || '/' || number || '/' || encode(hash, 'hex') from audit
                   where method = 'audit.anchor' order by time desc limit 1";
        let anchor = database.query_one(sql, &[]).await.unwrap().get(0);
        // As a superuser may: no trigger holds them.
        database
            .batch_execute("set session_replication_role = replica")
            .await
            .unwrap();
        let scene = Self { url, database, anchor };
        scene.keep("kept").await;
        assert_eq!(scene.verify(&[]), Vec::<String>::new());
        scene
    }

    fn verify(&self, arguments: &[&str]) -> Vec<String> {
        verify(&self.url, DEMO_SECRET, arguments)
    }

    async fn run(&self, sql: &str) {
        self.database
            .batch_execute(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    async fn text(&self, sql: &str) -> String {
        let row = self.database.query_one(sql, &[]).await;
        row.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
    }

    /// Keeps a copy of all of it.
    async fn keep(&self, schema: &str) {
        self.run(&format!("create schema {schema}")).await;
        for table in TABLES {
            self.run(&format!("create table {schema}.{table} as select * from {table}"))
                .await;
        }
    }

    /// Puts a copy in the place of all of it.
    async fn restore(&self, schema: &str) {
        self.run("delete from audit; delete from audit_heads; delete from audit_days")
            .await;
        for day in ["audit_days", "audit"] {
            self.run(&format!(
                "select ensure_audit_partition(day) from (select distinct day from {schema}.{day}) d"
            ))
            .await;
        }
        for table in TABLES {
            self.run(&format!("insert into {table} select * from {schema}.{table}")).await;
        }
    }

    /// What is found after somebody did this; all is as it was afterwards.
    async fn harm(&self, sql: &str) -> Vec<String> {
        self.run(sql).await;
        let found = self.verify(&[]);
        self.restore("kept").await;
        found
    }

    /// The place of the row that such a condition finds first.
    async fn place(&self, condition: &str) -> String {
        let sql = format!(
            "select day || '/' || segment || '/' || number from audit where {condition} order by day, segment, number limit 1"
        );
        self.text(&sql).await
    }

    /// Columns of a table with their types.
    async fn columns(&self, table: &str) -> Vec<(String, String)> {
        let sql = "select column_name::text, data_type::text from information_schema.columns
                   where table_schema = 'public' and table_name = $1 order by ordinal_position";
        let rows = self.database.query(sql, &[&table]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }
}

/// Makes somebody who is erased by an administrator.
async fn erase(world: &World, email: &str) {
    let administrator = world.sign_in("admin@gad.example").await;
    let user = pb::User {
        email: email.to_owned(),
        display_name: "Rosa Plantada".to_owned(),
        level: UserLevel::Agent as i32,
        ..Default::default()
    };
    let request = pb::CreateUserRequest {
        user: Some(user),
        password: gad::config::DEMO_PASSWORD.to_owned(),
        email_verified: true,
        ..Default::default()
    };
    let user = administrator.users().create_user(request).await.unwrap().into_inner();
    let request = pb::ErasePersonRequest {
        user_id: user.id,
        reason: "lo pidió Rosa Plantada por escrito".to_owned(),
        ..Default::default()
    };
    administrator.privacy().erase_person(request).await.unwrap();
}

/// SQL for a value that differs from the column's by as little as its type allows.
fn altered(column: &str, kind: &str) -> String {
    let (other, some) = match kind {
        "bigint" | "integer" | "smallint" if ["segment", "number"].contains(&column) => (format!("{column} + 1000"), "1"),
        "bigint" | "integer" | "smallint" => (format!("{column} + 1"), "1"),
        // Rows have no place but in a day that was opened.
        "date" if column == "day" => ("(select max(day) + $days from audit_days)".to_owned(), "'2026-01-01'"),
        "date" => (format!("{column} + 1"), "'2026-01-01'"),
        "timestamp with time zone" => (format!("{column} + interval '1 microsecond'"), "now()"),
        "text" => (
            format!("overlay({column} placing chr(ascii({column}) + 1) from 1 for 1)"),
            "'x'",
        ),
        "json" => (format!("({column}::text || ' ')::json"), "'{}'"),
        "uuid" => (
            format!(
                "overlay({column}::text placing to_hex((('x' || left({column}::text, 1))::bit(4)::int + 1) % 16) from 1 for 1)::uuid"
            ),
            "gen_random_uuid()",
        ),
        "inet" => (format!("{column} + 1"), "'192.0.2.1'"),
        "bytea" => (format!("set_byte({column}, 0, get_byte({column}, 0) # 1)"), r"'\x01'"),
        other => panic!("nobody knows how to alter a {other}: {column}"),
    };
    format!("case when {column} is null or {column}::text = '' then {some} else {other} end")
}

fn at(place: &str) -> String {
    let [day, segment, number] = place.split('/').collect::<Vec<_>>()[..] else {
        panic!("{place} is no place");
    };
    format!("day = '{day}' and segment = {segment} and number = {number}")
}

#[tokio::test]
async fn one_byte_altered_in_any_column_names_the_row() {
    let scene = Scene::build().await;
    let rows = [
        scene
            .place("method = 'gad.v1.TaskService/UpdateTask' and number > 2 and salt is not null")
            .await,
        scene.place("erase_hash is not null").await,
        // The last one of its segment.
        scene.place("method = 'audit.anchor'").await,
    ];
    for (column, kind) in scene.columns("audit").await {
        for row in &rows {
            let found = scene
                .harm(&format!(
                    "update audit set {column} = {} where {}",
                    altered(&column, &kind).replace("$days", "0"),
                    at(row)
                ))
                .await;
            if ["day", "segment", "number"].contains(&column.as_str()) {
                let gone = [format!("{row}: removed"), format!("{row} to ")];
                assert!(
                    found.iter().any(|line| gone.iter().any(|gone| line.starts_with(gone))),
                    "{column} of {row}: {found:?}"
                );
            } else {
                assert!(found.contains(&format!("{row}: altered")), "{column} of {row}: {found:?}");
                let others = found.iter().filter(|line| !line.starts_with(&format!("{row}:")));
                // An anchor tells of rows by their hashes.
                let others: Vec<&String> = others.filter(|line| !line.contains("do not go on")).collect();
                assert!(others.is_empty(), "{column} of {row}: {others:?}");
            }
        }
    }
}

#[tokio::test]
async fn ends_and_days_that_are_altered_are_named() {
    let scene = Scene::build().await;
    let head = scene
        .text("select day || '/' || segment from audit_heads where number > 2 order by 1 desc limit 1")
        .await;
    let (day, segment) = head.split_once('/').unwrap();
    for (column, kind) in scene.columns("audit_heads").await {
        let sql = format!(
            "update audit_heads set {column} = {} where day = '{day}' and segment = {segment}",
            altered(&column, &kind).replace("$days", "1")
        );
        let found = scene.harm(&sql).await;
        assert!(found.iter().any(|line| line.starts_with(&head)), "{column}: {found:?}");
    }
    // They say only what is to be done next: a row that tells the ends comes sooner or later, an index is made again.
    let free = ["anchor_time", "indexed"];
    for (column, kind) in scene.columns("audit_days").await {
        if free.contains(&column.as_str()) {
            continue;
        }
        let more = match column.as_str() {
            "drop_day" | "drop_segment" | "drop_number" => "drop_day = day + 1, drop_segment = 1, drop_number = 1".to_owned(),
            _ => format!("{column} = {}", altered(&column, &kind).replace("$days", "1")),
        };
        let found = scene.harm(&format!("update audit_days set {more} where day = '{day}'")).await;
        assert!(
            found.iter().any(|line| line.starts_with(&format!("{day}: "))),
            "{column}: {found:?}"
        );
    }
}

#[tokio::test]
async fn rows_that_are_removed_inserted_or_swapped_are_named() {
    let scene = Scene::build().await;
    let head = scene
        .text("select day || '/' || segment from audit_heads order by number desc limit 1")
        .await;
    let (day, segment) = head.split_once('/').unwrap();
    let last: i64 = scene
        .text(&format!(
            "select number::text from audit_heads where day = '{day}' and segment = {segment}"
        ))
        .await
        .parse()
        .unwrap();
    assert!(last >= 5, "{last} rows");
    let row = |number: i64| format!("{head}/{number}");
    let segment_is = format!("day = '{day}' and segment = {segment}");
    let found = scene.harm(&format!("delete from audit where {}", at(&row(3)))).await;
    assert!(found.contains(&format!("{}: removed", row(3))), "{found:?}");
    let found = scene.harm(&format!("delete from audit where {}", at(&row(last)))).await;
    assert!(found.contains(&format!("{}: removed", row(last))), "{found:?}");
    // The same, with the numbers closed and the end taken back.
    let found = scene
        .harm(&format!(
            "delete from audit where {};
             update audit set number = number - 1 where {segment_is} and number > 3;
             update audit_heads set number = number - 1 where {segment_is}",
            at(&row(3))
        ))
        .await;
    assert!(found.contains(&format!("{}: removed", row(3))), "{found:?}");

    let copy = |number: i64| {
        format!(
            "create temporary table forged as select * from audit where {};
             update forged set number = {number}; insert into audit select * from forged; drop table forged",
            at(&row(2))
        )
    };
    let found = scene.harm(&copy(last + 1)).await;
    assert_eq!(found, [format!("{}: inserted", row(last + 1))]);
    let found = scene
        .harm(&format!(
            "update audit set number = -number where {segment_is} and number >= 4;
             update audit set number = 1 - number where {segment_is} and number < 0; {}",
            copy(4)
        ))
        .await;
    assert!(found.contains(&format!("{}: inserted", row(4))), "{found:?}");

    let found = scene
        .harm(&format!(
            "update audit set number = -4 where {}; update audit set number = 3 where {};
             update audit set number = 4 where {segment_is} and number = -4",
            at(&row(3)),
            at(&row(4))
        ))
        .await;
    assert_eq!(found, [format!("{} and {}: reordered", row(3), row(4))]);
}

#[tokio::test]
async fn segments_and_days_that_are_removed_are_named() {
    let scene = Scene::build().await;
    let head = scene
        .text("select day || '/' || segment from audit_heads order by number desc limit 1")
        .await;
    let (day, segment) = head.split_once('/').unwrap();
    let segment_is = format!("day = '{day}' and segment = {segment}");
    let found = scene.harm(&format!("delete from audit_heads where {segment_is}")).await;
    assert!(
        found.contains(&format!("{head}: the end of the segment was removed")),
        "{found:?}"
    );
    let found = scene
        .harm(&format!(
            "delete from audit_heads where {segment_is}; delete from audit where {segment_is}"
        ))
        .await;
    assert!(
        found.contains(&format!("{head}: the end of the segment was removed")),
        "{found:?}"
    );

    let first = scene.text("select min(day)::text from audit").await;
    let partition = format!("drop table audit_{}", first.replace('-', ""));
    let found = scene.harm(&partition).await;
    let named = format!("{first}/");
    assert!(
        found
            .iter()
            .any(|line| line.starts_with(&named) && line.ends_with(": removed")),
        "{found:?}"
    );
    let all = format!("{partition}; delete from audit_heads where day = '{first}'; delete from audit_days where day = '{first}'");
    let found = scene.harm(&all).await;
    assert!(found.contains(&format!("{first}: the day was removed")), "{found:?}");
    // A drop that no row tells of.
    let last = scene.place("method = 'audit.anchor'").await;
    let [by_day, by_segment, by_number] = last.split('/').collect::<Vec<_>>()[..] else {
        panic!("{last}");
    };
    let pretend = format!(
        "{partition}; update audit_days set drop_day = '{by_day}', drop_segment = {by_segment}, drop_number = {by_number}
         where day = '{first}'"
    );
    let found = scene.harm(&pretend).await;
    assert!(
        found.contains(&format!("{first}: no row tells that its rows were dropped")),
        "{found:?}"
    );
}

#[tokio::test]
async fn an_erasure_that_somebody_pretends_is_named() {
    let scene = Scene::build().await;
    let (task, user) = ("resource like 'task/%'", "resource like 'user/%'");
    for whose in [task, user] {
        // A row of the very thing that was erased, older than the erasure, pointing to the row that tells of it.
        let by = format!("from audit where method = 'audit.erasure' and {whose}");
        let resource = scene.text(&format!("select resource {by}")).await;
        let erased = scene
            .place(&format!("resource = '{resource}' and erase_hash is not null"))
            .await;
        let victim = match whose == task {
            true => {
                scene
                    .place(&format!(
                        "resource = '{resource}' and salt is not null and method like '%UpdateTask'"
                    ))
                    .await
            }
            false => scene.place("salt is not null and method like '%UpdateTask'").await,
        };
        let blank = "detail = null, reason = null, address = null, salt = null";
        for proof in [
            format!("(select erase_hash from audit where {})", at(&erased)),
            r"'\x00'".to_owned(),
            "null".to_owned(),
        ] {
            let sql = format!(
                "update audit set {blank}, (erase_day, erase_segment, erase_number) = (select day, segment, number {by}),
                                  erase_hash = {proof}
                 where {}",
                at(&victim)
            );
            assert_eq!(scene.harm(&sql).await, [format!("{victim}: altered")], "{proof}");
        }
        let sql = format!("update audit set {blank} where {}", at(&victim));
        assert_eq!(scene.harm(&sql).await, [format!("{victim}: altered")]);
    }
}

#[tokio::test]
async fn an_anchor_that_is_removed_is_named_even_if_all_is_taken_back() {
    let scene = Scene::build().await;
    let (place, _) = scene.anchor.rsplit_once('/').unwrap();
    let found = scene.harm(&format!("delete from audit where {}", at(place))).await;
    assert!(found.contains(&format!("{place}: removed")), "{found:?}");
    assert_eq!(scene.verify(&["--anchor", &scene.anchor]), Vec::<String>::new());

    // Another server writes more, and then the whole database is taken back to before it, as a backup would.
    let settings = crate::world::settings(scene.url.clone());
    let replica = Replica::start(settings, gad::clock::Clock::system()).await;
    let login = crate::newcomer::login(&replica.channel(), "admin@gad.example", gad::config::DEMO_PASSWORD, "").await;
    login.unwrap();
    replica.stop().await;
    let sql = "select day || '/' || segment || '/' || number || '/' || encode(hash, 'hex') from audit
               where (day, segment, number) not in (select day, segment, number from kept.audit) order by time desc limit 1";
    let newer = scene.text(sql).await;
    assert_eq!(scene.verify(&["--anchor", &newer]), Vec::<String>::new());
    scene.restore("kept").await;
    assert_eq!(scene.verify(&[]), Vec::<String>::new(), "it is whole, as it was");
    let found = scene.verify(&["--anchor", &newer]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with(&newer), "{found:?}");
}

#[tokio::test]
async fn what_is_lawful_leaves_the_audit_valid() {
    const NEXT: &str = "another-secret-key-of-thirty-two-characters";
    let hands = Hands::now();
    let world = World::with_clock(hands.clock(), |_| {}).await;
    let url = world.database_url().to_owned();
    let content = Vec::<String>::new();
    let administrator = world.administrator().await;
    let task = administrator.task("Patrullar").await.id;

    // Two replicas at once, and one that starts anew.
    let other = Replica::start(world.settings.clone(), hands.clock()).await;
    let there = administrator.over(other.channel());
    tokio::join!(retitle(&administrator, task, "uno"), retitle(&there, task, "dos"));
    other.stop().await;
    let other = Replica::start(world.settings.clone(), hands.clock()).await;
    retitle(&administrator.over(other.channel()), task, "tres").await;
    assert_eq!(verify(&url, DEMO_SECRET, &[]), content);

    erase(&world, "plantada@gad.example").await;
    let database = connect(&url).await;
    let reason: String = database
        .query_one(
            "select reason from audit where method like '%/ErasePerson' and outcome = 'OK'",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert!(
        reason.starts_with("lo pidió USUARIO_ELIMINADO_") && !reason.contains("Plantada"),
        "{reason}"
    );
    assert_eq!(verify(&url, DEMO_SECRET, &[]), content);

    // Six years and a day later the first day is over.
    let first: String = database
        .query_one("select min(day)::text from audit", &[])
        .await
        .unwrap()
        .get(0);
    hands.pass(SignedDuration::from_hours(24 * 2192));
    let administrator = world.sign_in("admin@gad.example").await;
    let run = |dry_run| pb::RunRetentionRequest {
        kinds: vec![RetentionKind::Audit as i32],
        dry_run,
    };
    let count = async |dry_run| {
        let answer = administrator
            .privacy()
            .run_retention(run(dry_run))
            .await
            .unwrap()
            .into_inner();
        answer.counts[0].count
    };
    let due = count(true).await;
    assert!(due >= 1, "{due}");
    assert_eq!((count(false).await, count(false).await), (due, 0));
    let told = "select count(*) from audit where method = 'audit.retention' and resource = 'day/' || $1";
    let told: i64 = database.query_one(told, &[&first]).await.unwrap().get(0);
    assert_eq!(told, 1);
    let rows: i64 = database
        .query_one("select count(*) from audit where day::text = $1", &[&first])
        .await
        .unwrap()
        .get(0);
    assert_eq!(rows, 0);
    assert_eq!(verify(&url, DEMO_SECRET, &[]), content);

    // Another secret key.
    other.stop().await;
    world.replica.stop().await;
    let resealed = Command::new(env!("CARGO_BIN_EXE_gad"))
        .args(["keys", "reseal"])
        .env_clear()
        .envs([
            ("DATABASE_URL", url.as_str()),
            ("SECRET_KEY", NEXT),
            ("SECRET_KEY_PREVIOUS", DEMO_SECRET),
        ])
        .output()
        .unwrap();
    assert!(resealed.status.success(), "{}", String::from_utf8_lossy(&resealed.stderr));
    assert_eq!(verify(&url, NEXT, &[]), content);
    let mut settings = world.settings.clone();
    settings.secret_key = NEXT.into();
    let replica = Replica::start(settings, hands.clock()).await;
    let login = crate::newcomer::login(&replica.channel(), "admin@gad.example", gad::config::DEMO_PASSWORD, "").await;
    login.unwrap();
    replica.stop().await;
    assert_eq!(verify(&url, NEXT, &[]), content);
}
