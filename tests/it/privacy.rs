//! What people may know of and decide on their own data.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use gad::{
    config::{DEMO_PASSWORD, DEMO_SECRET},
    domain::data_map::{self, Rows},
    pb::{self, ConsentPurpose, ConsentStanding, auth_service_client::AuthServiceClient},
};
use redis::AsyncCommands as _;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio_postgres::Client;
use tonic::Code;

use crate::{
    edge::Edge,
    live::Watcher,
    world::{Person, World, fields, reason, redis_url, until},
};

/// All lines of an export.
pub async fn export(person: &Person, request: pb::ExportPersonalDataRequest) -> Vec<Value> {
    let mut stream = person.privacy().export_personal_data(request).await.unwrap().into_inner();
    let mut text = Vec::new();
    while let Some(chunk) = stream.message().await.unwrap() {
        assert_eq!(chunk.content_type, "application/x-ndjson");
        text.extend(chunk.data);
    }
    lines(&text)
}

fn lines(text: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(text).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.first().unwrap()["schema"], "gad.export.v1");
    let end = lines.last().unwrap();
    assert_eq!(end["schema"], "gad.export.v1/end");
    assert_eq!(end["record_count"], lines.len() - 2);
    lines
}

/// Records of one table.
pub fn records<'a>(lines: &'a [Value], table: &str) -> Vec<&'a Value> {
    let schema = format!("gad.export.v1/{table}");
    let of_table = lines.iter().filter(|line| line["schema"] == schema.as_str());
    of_table.map(|line| &line["record"]).collect()
}

/// Tables of ours with their columns, as the database has them; partitions are their parent's.
async fn schema(database: &Client) -> BTreeMap<String, BTreeSet<String>> {
    let sql = "select c.relname::text, a.attname::text from pg_class c
               join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
               where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition
                 and a.attnum > 0 and not a.attisdropped
                 and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')";
    let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in database.query(sql, &[]).await.unwrap() {
        tables.entry(row.get(0)).or_default().insert(row.get(1));
    }
    tables
}

#[tokio::test]
async fn the_data_map_has_every_column_and_no_other() {
    let database = crate::world::connect(&crate::world::fresh_database().await).await;
    let there = schema(&database).await;
    let mapped: BTreeMap<String, BTreeSet<String>> = data_map::tables()
        .map(|table| (table.name.to_owned(), table.columns().map(str::to_owned).collect()))
        .collect();
    for (table, columns) in &there {
        let mapped = mapped.get(table);
        let mapped = mapped.unwrap_or_else(|| panic!("{table} is not in src/domain/data_map: whose is it, and how does it go?"));
        assert_eq!(
            columns, mapped,
            "columns of {table} (left), and what src/domain/data_map says (right)"
        );
    }
    let names: Vec<_> = mapped.keys().filter(|name| !there.contains_key(*name)).collect();
    assert_eq!(names, Vec::<&String>::new(), "tables of the map that there are not");
}

#[tokio::test]
async fn everything_that_refers_to_users_or_agents_is_somebodys() {
    // A new foreign key to people makes the table personal, whatever its columns are called.
    let database = crate::world::connect(&crate::world::fresh_database().await).await;
    let sql = "select c.conrelid::regclass::text, a.attname::text from pg_constraint c
               join pg_attribute a on a.attrelid = c.conrelid and a.attnum = any(c.conkey)
               where c.contype = 'f' and c.confrelid in ('users'::regclass, 'agents'::regclass, 'sessions'::regclass)
                 and c.conparentid = 0";
    let references = database.query(sql, &[]).await.unwrap();
    assert!(references.len() > 10);
    for row in references {
        let (name, column): (String, String) = (row.get(0), row.get(1));
        let table = data_map::tables().find(|table| table.name == name).unwrap();
        assert_ne!(table.rows, Rows::Nobodys, "{name}");
        assert!(
            table.personal.iter().any(|personal| personal.column == column),
            "{name}.{column}"
        );
    }
}

/// Somebody with a value in every field that may hold one, signed in.
struct Planted {
    person: Person,
    agent_id: i64,
    /// What must not be found anywhere once they are erased.
    values: Vec<String>,
}

/// Values that stand nowhere else.
async fn plant(world: &World) -> Planted {
    let database = world.database().await;
    let (agent, supervisor, administrator) = (world.agent().await, world.supervisor().await, world.administrator().await);
    let (user, agent_id) = (agent.id, agent.agent_id.unwrap());
    let sql =
        "update users set email = 'plantada.rosa@gad.example', username = 'rosa.plantada', display_name = 'Rosalba Plantada',
                      given_name = 'Rosalba', family_name = 'Plantada', phone = '+57 311 555 7788', telegram_id = 778899445566
               where id = $1";
    database.execute(sql, &[&user]).await.unwrap();
    let sql = "insert into user_zones (user_id, zone_id) select $1, min(id) from zones";
    database.execute(sql, &[&user]).await.unwrap();
    let sql = "update sessions set user_agent = 'TelefonoDeRosalba', address = '203.0.113.77' where user_id = $1";
    database.execute(sql, &[&user]).await.unwrap();
    let sql = "insert into api_tokens (user_id, display_name, prefix, hash, scopes, create_time)
               values ($1, 'TokenDeRosalba', 'prefijo77', 'huellatoken77', '{task.read}', now())";
    database.execute(sql, &[&user]).await.unwrap();
    let sql = "insert into mailed_tokens (hash, user_id, purpose, email, create_time, expire_time)
               values ('huellacorreo77', $1, 3, 'plantada.rosa@gad.example', now(), now() + interval '1 hour')";
    database.execute(sql, &[&user]).await.unwrap();
    let sql = "insert into recovery_codes (user_id, hash) values ($1, 'huellacodigo77')";
    database.execute(sql, &[&user]).await.unwrap();
    let sql = "insert into mails (user_id, purpose, sealed, create_time, next_time, expire_time)
               values ($1, 3, 'cartasellada77', now(), now() + interval '1 day', now() + interval '1 day')";
    database.execute(sql, &[&user]).await.unwrap();
    let id = pb::SetNationalIdRequest {
        national_id: "1.020.777.888".to_owned(),
        ..Default::default()
    };
    agent.privacy().set_national_id(id).await.unwrap();
    let profile = pb::UpdateAgentRequest {
        agent: Some(pb::Agent {
            id: agent_id,
            code: "ROSALBA-1".to_owned(),
            rank: "RangoPlantado".to_owned(),
            specialty: "EspecialidadPlantada".to_owned(),
            ..Default::default()
        }),
        request_id: "plant-profile".to_owned(),
        ..Default::default()
    };
    // An answer to somebody else, kept for repeats, that names her.
    administrator.agents().update_agent(profile).await.unwrap();
    for purpose in [ConsentPurpose::Location, ConsentPurpose::DataProcessing] {
        let consent = pb::GrantConsentRequest {
            purpose: purpose as i32,
            version: 1,
            language: "es".to_owned(),
            ..Default::default()
        };
        agent.privacy().grant_consent(consent).await.unwrap();
    }
    let sql = "update consents set address = '203.0.113.78' where user_id = $1";
    database.execute(sql, &[&user]).await.unwrap();
    let sql = "with g as (insert into geofences (zone_id, display_name, on_enter, on_exit, everybody, margin_meters, max_accuracy_meters,
                                                confirmation_count, create_time, update_time)
                          select min(id), 'Cerca', true, true, false, 25, 100, 2, now(), now() from zones returning id),
                    named as (insert into geofence_agents (geofence_id, agent_id) select id, $1 from g),
                    inside as (insert into geofence_places (geofence_id, agent_id, side, contrary, since_time, dwelt)
                               select id, $1, 2, 0, now(), true from g)
               insert into geofence_events (geofence_id, agent_id, kind, fix_time, location, create_time)
               select id, $1, 1, now(), st_makepoint(-74.07654321, 4.65432177), now() from g";
    database.execute(sql, &[&agent_id]).await.unwrap();
    let now = std::time::SystemTime::now();
    let position = pb::Position {
        agent_id,
        location: Some(pb::LatLng {
            latitude: 4.654_321_77,
            longitude: -74.076_543_21,
        }),
        fix_time: Some(now.into()),
        accuracy_meters: Some(7.25),
        ..Default::default()
    };
    let request = pb::ReportPositionsRequest {
        positions: vec![position],
    };
    agent.agents().report_positions(request).await.unwrap();
    mention(&agent, &supervisor).await;
    Planted {
        person: agent,
        agent_id,
        values: [
            "plantada.rosa@gad.example",
            "rosa.plantada",
            "Rosalba Plantada",
            "Rosalba",
            "+57 311 555 7788",
            "778899445566",
            "1020777888",
            "1.020.777.888",
            "TelefonoDeRosalba",
            "203.0.113.77",
            "203.0.113.78",
            "TokenDeRosalba",
            "prefijo77",
            "huellatoken77",
            "huellacorreo77",
            "huellacodigo77",
            "cartasellada77",
            "ROSALBA-1",
            "RangoPlantado",
            "EspecialidadPlantada",
            "4.65432177",
            "-74.07654321",
        ]
        .map(str::to_owned)
        .to_vec(),
    }
}

/// Others write her name: in a task, and in the reason of a step. The task ends, so that she can be erased.
async fn mention(agent: &Person, supervisor: &Person) {
    let mut task = crate::world::draft("Relevo de Rosalba Plantada en el parque");
    task.description = "Llamar a +57 311 555 7788 o a Plantada.Rosa@gad.example. La plantada del parque queda.".to_owned();
    let request = pb::CreateTaskRequest {
        task: Some(task),
        request_id: "plant-task".to_owned(),
        ..Default::default()
    };
    let id = supervisor.tasks().create_task(request).await.unwrap().into_inner().id;
    let assign = pb::AssignTaskRequest {
        id,
        agent_id: agent.agent_id.unwrap(),
        ..Default::default()
    };
    supervisor.tasks().assign_task(assign).await.unwrap();
    let step = |reason: &str| pb::TaskStepRequest {
        id,
        reason: reason.to_owned(),
        ..Default::default()
    };
    agent.tasks().start_task(step("Empiezo")).await.unwrap();
    supervisor
        .tasks()
        .finish_task(step("Lo terminó ROSALBA PLANTADA"))
        .await
        .unwrap();
}

/// Every place in the database and in Redis where a value is found, read as text and as bytes.
async fn find(world: &World, values: &[String]) -> Vec<String> {
    let database = world.database().await;
    let mut found = Vec::new();
    let tables = "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
                  where n.nspname = 'public' and c.relkind = 'r'
                    and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')";
    let columns = "select a.attname::text, format_type(a.atttypid, null) from pg_attribute a
                   where a.attrelid = $1::text::regclass and a.attnum > 0 and not a.attisdropped";
    for row in database.query(tables, &[]).await.unwrap() {
        let table: String = row.get(0);
        let seen = database.query(columns, &[&table]).await.unwrap().into_iter().map(|column| {
            let (name, kind): (String, String) = (column.get(0), column.get(1));
            match kind.as_str() {
                "bytea" => format!("position(convert_to(v, 'UTF8') in t.\"{name}\") > 0"),
                "geography" => format!("st_astext(t.\"{name}\", 8) ilike '%' || v || '%'"),
                _ => format!("t.\"{name}\"::text ilike '%' || v || '%'"),
            }
        });
        let seen = seen.collect::<Vec<_>>().join(" or ");
        let sql = format!("select v from unnest($1::text[]) v where exists (select from {table} t where {seen})");
        for row in database.query(&sql, &[&values]).await.unwrap() {
            found.push(format!("{table}: {}", row.get::<_, String>(0)));
        }
    }
    for text in redis_texts(world).await {
        found.extend(
            values
                .iter()
                .filter(|value| text.contains(*value))
                .map(|value| format!("Redis: {value}")),
        );
    }
    found
}

/// Everything under the world's prefix in Redis: keys, strings, and entries of streams.
async fn redis_texts(world: &World) -> Vec<String> {
    let client = redis::Client::open(redis_url().expose_secret()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis.keys(format!("{}*", world.settings.redis.redis_prefix)).await.unwrap();
    let mut texts = keys.clone();
    for key in keys {
        let kind: String = redis::cmd("TYPE").arg(&key).query_async(&mut redis).await.unwrap();
        let value: redis::Value = match kind.as_str() {
            "string" => redis::cmd("GET").arg(&key).query_async(&mut redis).await.unwrap(),
            "stream" => redis::cmd("XRANGE")
                .arg(&key)
                .arg("-")
                .arg("+")
                .query_async(&mut redis)
                .await
                .unwrap(),
            "hash" => redis::cmd("HGETALL").arg(&key).query_async(&mut redis).await.unwrap(),
            "none" => continue,
            other => panic!("{key} is a {other}: read it here"),
        };
        collect(&value, &mut texts);
    }
    texts
}

fn collect(value: &redis::Value, texts: &mut Vec<String>) {
    match value {
        redis::Value::BulkString(bytes) => texts.push(String::from_utf8_lossy(bytes).into_owned()),
        redis::Value::SimpleString(text) => texts.push(text.clone()),
        redis::Value::Array(items) | redis::Value::Set(items) => items.iter().for_each(|item| collect(item, texts)),
        redis::Value::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            collect(key, texts);
            collect(value, texts);
        }),
        _ => {}
    }
}

/// To erase somebody.
pub fn erase(user_id: i64, reason: &str) -> pb::ErasePersonRequest {
    pb::ErasePersonRequest {
        user_id,
        reason: reason.to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn an_erased_person_leaves_no_value_anywhere() {
    let world = World::start().await;
    let other = world.another_replica().await;
    let Planted {
        person,
        agent_id,
        values,
    } = plant(&world).await;
    let administrator = world.administrator().await;
    // The search finds what is there: else it could not say that nothing is.
    until("the relay has copied it", async || {
        let texts = redis_texts(&world).await;
        texts.iter().any(|text| text.contains("ROSALBA-1"))
    })
    .await;
    let before = find(&world, &values).await;
    for place in [
        "users",
        "outbox",
        "sessions",
        "positions",
        "tasks",
        "task_history",
        "replays",
        "agents",
        "mails",
    ] {
        assert!(before.iter().any(|found| found.starts_with(place)), "{place} in {before:?}");
    }
    for hidden in ["1020777888", "1.020.777.888"] {
        assert!(
            !before.iter().any(|found| found.ends_with(hidden)),
            "sealed at rest: {before:?}"
        );
    }
    let mut watcher = Watcher::live(&administrator).await;

    let answer = administrator
        .privacy()
        .erase_person(erase(person.id, "lo pidió por escrito"))
        .await;
    let answer = answer.unwrap().into_inner();
    let name = format!("USUARIO_ELIMINADO_{}", person.id);
    assert_eq!((answer.user_id, &answer.display_name), (person.id, &name));
    let cleared: BTreeMap<&str, (i64, bool)> = answer
        .cleared
        .iter()
        .map(|cleared| (cleared.table.as_str(), (cleared.row_count, cleared.deleted)))
        .collect();
    assert_eq!((cleared["users"], cleared["consents"]), ((1, false), (2, false)));
    assert!(cleared["positions"].1 && cleared["positions"].0 >= 2, "{cleared:?}");
    assert_eq!(find(&world, &values).await, Vec::<String>::new());
    let verified = Command::new(env!("CARGO_BIN_EXE_gad"))
        .args(["audit", "verify"])
        .env("DATABASE_URL", world.database_url())
        .env("SECRET_KEY", DEMO_SECRET)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(
        verified.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&verified.stderr)
    );

    // Her tokens are refused, here at once and there within a second; nobody signs in with the old values.
    for door in [person.clone(), person.over(other.channel())] {
        until("the token is refused", async || {
            let refused = door.auth().get_me(pb::GetMeRequest {}).await;
            refused.is_err_and(|status| status.code() == Code::Unauthenticated)
        })
        .await;
    }
    let login = pb::LoginRequest {
        email: "plantada.rosa@gad.example".to_owned(),
        password: DEMO_PASSWORD.to_owned(),
        code: String::new(),
    };
    let refused = AuthServiceClient::new(world.replica.channel())
        .login(login)
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "WRONG_CREDENTIALS");

    // Watchers hear that the agent is gone, and read the text without her.
    let mut event = watcher.event().await;
    while event.r#type() != pb::EventType::AgentDeleted {
        // What came before she was planted may still be on its way.
        event = watcher.event().await;
    }
    let Some(pb::event::Resource::Agent(gone)) = event.resource else {
        panic!("an agent was expected");
    };
    assert_eq!((gone.id, gone.display_name, gone.position), (agent_id, name.clone(), None));
    let event = watcher.event().await;
    let Some(pb::event::Resource::Task(task)) = event.resource else {
        panic!("a task was expected");
    };
    assert_eq!(task.title, format!("Relevo de {name} en el parque"));
    assert_eq!(
        task.description,
        format!("Llamar a {name} o a {name}. La plantada del parque queda.")
    );
    let history = pb::ListTaskHistoryRequest {
        task_id: task.id,
        ..Default::default()
    };
    let history = administrator
        .tasks()
        .list_task_history(history)
        .await
        .unwrap()
        .into_inner()
        .entries;
    assert!(history.iter().any(|entry| entry.reason == format!("Lo terminó {name}")));
    assert!(
        history
            .iter()
            .any(|entry| entry.reason == "Empiezo" && entry.user_id == person.id)
    );

    // Again: nothing more, the same time.
    let again = administrator
        .privacy()
        .erase_person(erase(person.id, "otra vez"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((again.erase_time, again.cleared), (answer.erase_time, Vec::new()));
    other.stop().await;
}

#[tokio::test]
async fn a_repeat_of_what_named_an_erased_person_takes_no_effect_again() {
    let world = World::start().await;
    let Planted { person, agent_id, .. } = plant(&world).await;
    let administrator = world.administrator().await;
    administrator
        .privacy()
        .erase_person(erase(person.id, "lo pidió"))
        .await
        .unwrap();
    let profile = pb::UpdateAgentRequest {
        agent: Some(pb::Agent {
            id: agent_id,
            code: "ROSALBA-1".to_owned(),
            rank: "RangoPlantado".to_owned(),
            specialty: "EspecialidadPlantada".to_owned(),
            ..Default::default()
        }),
        request_id: "plant-profile".to_owned(),
        ..Default::default()
    };
    let answer = administrator.agents().update_agent(profile).await.unwrap();
    assert!(answer.metadata().contains_key("idempotent-replayed"));
    assert_eq!(answer.into_inner(), pb::Agent::default());
}

#[tokio::test]
async fn oneself_is_erased_without_a_reason_and_with_a_fresh_proof() {
    let world = World::start().await;
    let agent = world.other_agent().await;
    let checked = pb::ErasePersonRequest {
        validate_only: true,
        ..Default::default()
    };
    let answer = agent.privacy().erase_person(checked).await.unwrap().into_inner();
    assert!(
        answer
            .cleared
            .iter()
            .any(|cleared| cleared.table == "sessions" && cleared.deleted)
    );
    agent.auth().get_me(pb::GetMeRequest {}).await.unwrap();
    let request = pb::ErasePersonRequest {
        request_id: "me-voy".to_owned(),
        ..Default::default()
    };
    agent.privacy().erase_person(request).await.unwrap();
    let refused = agent.auth().get_me(pb::GetMeRequest {}).await.unwrap_err();
    assert_eq!(reason(&refused), "SIGNED_OUT");
    let left: i64 = world
        .database()
        .await
        .query_one("select count(*) from replays where user_id = $1", &[&agent.id])
        .await
        .unwrap()
        .get(0);
    assert_eq!(left, 0);
}

#[tokio::test]
async fn nobody_is_erased_with_open_tasks_nor_the_last_administrator() {
    let world = World::start().await;
    let (agent, supervisor, administrator) = (world.agent().await, world.supervisor().await, world.administrator().await);
    let mut ids = Vec::new();
    for title in ["Uno", "Dos"] {
        let id = supervisor.task(title).await.id;
        let assign = pb::AssignTaskRequest {
            id,
            agent_id: agent.agent_id.unwrap(),
            ..Default::default()
        };
        supervisor.tasks().assign_task(assign).await.unwrap();
        ids.push(id);
    }
    for (who, count) in [(&agent, "(2)"), (&supervisor, "(2)")] {
        let refused = administrator
            .privacy()
            .erase_person(erase(who.id, "se fue"))
            .await
            .unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::FailedPrecondition, "STILL_IN_USE")
        );
        assert!(refused.message().ends_with(count), "{}", refused.message());
    }
    for id in ids {
        let cancel = pb::TaskStepRequest {
            id,
            ..Default::default()
        };
        supervisor.tasks().cancel_task(cancel).await.unwrap();
    }
    administrator
        .privacy()
        .erase_person(erase(supervisor.id, "se fue"))
        .await
        .unwrap();
    let refused = administrator.privacy().erase_person(erase(0, "")).await.unwrap_err();
    assert_eq!(reason(&refused), "LAST_ADMINISTRATOR");
    administrator.auth().get_me(pb::GetMeRequest {}).await.unwrap();
}

#[tokio::test]
async fn others_are_asked_for_by_administrators_who_say_why() {
    let world = World::start().await;
    let (agent, supervisor, administrator) = (world.agent().await, world.supervisor().await, world.administrator().await);
    for low in [&world.other_agent().await, &supervisor] {
        let refused = low.privacy().erase_person(erase(agent.id, "porque sí")).await.unwrap_err();
        assert_eq!(reason(&refused), "USER_NOT_FOUND");
        let request = pb::ExportPersonalDataRequest {
            user_id: agent.id,
            reason: "porque sí".to_owned(),
        };
        let refused = low.privacy().export_personal_data(request).await.unwrap_err();
        assert_eq!(reason(&refused), "USER_NOT_FOUND");
        let request = pb::ListConsentsRequest {
            user_id: agent.id,
            ..Default::default()
        };
        assert_eq!(
            reason(&low.privacy().list_consents(request).await.unwrap_err()),
            "USER_NOT_FOUND"
        );
    }
    let refused = administrator.privacy().erase_person(erase(agent.id, "  ")).await.unwrap_err();
    assert_eq!(fields(&refused), ["reason"]);
    let request = pb::ExportPersonalDataRequest {
        user_id: agent.id,
        reason: String::new(),
    };
    let refused = administrator.privacy().export_personal_data(request).await.unwrap_err();
    assert_eq!(fields(&refused), ["reason"]);
}

#[tokio::test]
async fn an_export_has_everything_of_the_person_and_nothing_of_others() {
    let world = World::start().await;
    let Planted { person, .. } = plant(&world).await;
    let told = export(&person, pb::ExportPersonalDataRequest::default()).await;
    let tables: BTreeSet<&str> = told[0]["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|table| table["schema"].as_str().unwrap())
        .collect();
    for line in &told[1..told.len() - 1] {
        assert!(tables.contains(line["schema"].as_str().unwrap()), "{line}");
    }
    let [user] = records(&told, "users")[..] else {
        panic!("one user")
    };
    assert_eq!(user["email"], "plantada.rosa@gad.example");
    assert_eq!(user["national_id"], "1020777888");
    assert_eq!(user["telegram_id"], 778_899_445_566_i64);
    for secret in ["password_hash", "national_id_sealed", "national_id_index", "totp_sealed"] {
        assert!(user[secret].is_null(), "{secret}");
    }
    let text = told.iter().map(Value::to_string).collect::<String>();
    for secret in [
        "huellatoken77",
        "huellacorreo77",
        "huellacodigo77",
        "cartasellada77",
        "$argon2",
    ] {
        assert!(!text.contains(secret), "{secret}");
    }
    let positions = records(&told, "positions");
    let there = positions
        .iter()
        .any(|position| position["location"]["type"] == "Point" && position["location"]["coordinates"][1] == 4.654_321_77);
    assert!(there, "{positions:?}");
    assert_eq!(records(&told, "sessions")[0]["user_agent"], "TelefonoDeRosalba");
    assert_eq!(records(&told, "consents").len(), 2);
    assert_eq!(records(&told, "tasks").len(), 1);
    assert_eq!(records(&told, "api_tokens")[0]["scopes"][0], "task.read");
    assert!(!text.contains("supervisor@gad.example") && !text.contains("agente1@gad.example"));
    // An administrator gets the same, but for what happened meanwhile.
    let request = pb::ExportPersonalDataRequest {
        user_id: person.id,
        reason: "lo pidió por escrito".to_owned(),
    };
    let same = export(&world.administrator().await, request).await;
    assert_eq!(told[0]["tables"], same[0]["tables"]);
    // The first export is in the audit by now, and counts.
    let rest = |told: &[Value]| -> Vec<Value> {
        let grown = ["gad.export.v1/audit", "gad.export.v1/end"];
        let others = told[1..]
            .iter()
            .filter(|line| !grown.iter().any(|schema| line["schema"] == *schema));
        others.cloned().collect()
    };
    assert_eq!(rest(&told), rest(&same));
}

#[tokio::test]
async fn an_export_of_many_positions_comes_in_small_pieces_and_downloads_over_rest() {
    let world = World::start().await;
    let agent = world.agent().await;
    let database = world.database().await;
    let count = 100_000_i64;
    let sql = "insert into positions (agent_id, fix_time, location, source, receive_time)
               select $1, now() - n * interval '1 microsecond', st_setsrid(st_makepoint(-74, 4), 4326)::geography, 1, now()
               from generate_series(1, $2::bigint) n";
    database
        .batch_execute("select ensure_position_partition((now() - interval '1 second')::date)")
        .await
        .unwrap();
    database.execute(sql, &[&agent.agent_id.unwrap(), &count]).await.unwrap();
    let request = pb::ExportPersonalDataRequest::default();
    let mut stream = agent.privacy().export_personal_data(request).await.unwrap().into_inner();
    let (mut longest, mut pieces) = (0, 0);
    while let Some(chunk) = stream.message().await.unwrap() {
        longest = longest.max(chunk.data.len());
        pieces += 1;
    }
    assert!(longest < 128 * 1024, "{longest}");
    assert!(pieces > 100, "{pieces}");

    let edge = Edge::before(&[world.replica.address]).await;
    let url = edge.url(&format!("/v1/users/{}:exportData", agent.id));
    let answer = reqwest::Client::new()
        .get(url)
        .bearer_auth(&agent.token)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    assert_eq!(
        answer.headers()["content-disposition"],
        format!("attachment; filename=\"gad-{}.jsonl\"", agent.id)
    );
    let told = lines(&answer.bytes().await.unwrap());
    assert!(records(&told, "positions").len() > usize::try_from(count).unwrap());
}

#[tokio::test]
async fn a_consent_is_given_to_a_version_and_can_be_proved() {
    let world = World::start().await;
    let (agent, administrator) = (world.agent().await, world.administrator().await);
    let mine = async || {
        let answer = agent.privacy().get_my_consents(pb::GetMyConsentsRequest {}).await;
        let consents = answer.unwrap().into_inner().consents;
        consents
            .into_iter()
            .find(|consent| consent.purpose() == ConsentPurpose::DataProcessing)
            .unwrap()
    };
    let grant = |version: i32| pb::GrantConsentRequest {
        purpose: ConsentPurpose::DataProcessing as i32,
        version,
        language: "es".to_owned(),
        ..Default::default()
    };
    assert_eq!(mine().await.standing(), ConsentStanding::Undecided);
    let refused = agent.privacy().grant_consent(grant(2)).await.unwrap_err();
    assert_eq!(reason(&refused), "CONSENT_TEXT_NOT_FOUND");
    agent.privacy().grant_consent(grant(1)).await.unwrap();
    assert_eq!(mine().await.standing(), ConsentStanding::Granted);

    let publish = |texts: Vec<(&str, &str)>| pb::PublishConsentTextRequest {
        purpose: ConsentPurpose::DataProcessing as i32,
        texts: texts
            .into_iter()
            .map(|(language, body)| pb::LocalizedConsentText {
                language: language.to_owned(),
                title: "Datos".to_owned(),
                body: body.to_owned(),
            })
            .collect(),
        ..Default::default()
    };
    for wrong in [vec![("en", "b")], vec![("es", "a"), ("es", "b")]] {
        let refused = administrator
            .privacy()
            .publish_consent_text(publish(wrong))
            .await
            .unwrap_err();
        assert_eq!(fields(&refused), ["texts"]);
    }
    let published = administrator
        .privacy()
        .publish_consent_text(publish(vec![("es", "Otro texto")]))
        .await;
    let published = published.unwrap().into_inner().texts;
    assert_eq!((published.len(), published[0].version, published[0].in_force), (1, 2, true));
    assert_eq!(mine().await.standing(), ConsentStanding::Outdated);
    let refused = agent.privacy().grant_consent(grant(1)).await.unwrap_err();
    assert_eq!(reason(&refused), "STALE_ETAG");
    agent.privacy().grant_consent(grant(2)).await.unwrap();
    let withdraw = pb::WithdrawConsentRequest {
        purpose: ConsentPurpose::DataProcessing as i32,
        ..Default::default()
    };
    let answer = agent.privacy().withdraw_consent(withdraw).await.unwrap().into_inner();
    assert_eq!(answer.consent.unwrap().standing(), ConsentStanding::Withdrawn);

    // The proof, for oneself and for administrators: what, when, how, and the very text.
    let mut proofs = Vec::new();
    for (person, user_id) in [(&agent, 0), (&administrator, agent.id)] {
        let (mut token, mut seen) = (String::new(), Vec::new());
        loop {
            let request = pb::ListConsentsRequest {
                user_id,
                page_size: 2,
                page_token: token,
            };
            let page = person.privacy().list_consents(request).await.unwrap().into_inner();
            seen.extend(page.decisions);
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        proofs.push(seen);
    }
    assert_eq!(proofs[0], proofs[1]);
    let told: Vec<(bool, i32, String)> = proofs[0]
        .iter()
        .map(|decision| {
            let text = decision.text.clone().unwrap();
            (decision.granted, text.version, text.body.chars().take(10).collect())
        })
        .collect();
    let expected = [(false, 2, "Otro texto"), (true, 2, "Otro texto"), (true, 1, "La entidad")];
    assert_eq!(
        told,
        expected.map(|(granted, version, body)| (granted, version, body.to_owned()))
    );
    for decision in &proofs[0] {
        assert_eq!(
            (decision.door(), decision.address.as_str()),
            (pb::ConsentDoor::Grpc, "127.0.0.1")
        );
        assert!(decision.create_time.is_some());
    }
    let hash = &proofs[0][0].text.as_ref().unwrap().hash;
    let expected = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, "Datos\nOtro texto".as_bytes());
    assert_eq!(*hash, hex::encode(expected));

    // What was published stays as it is, also for who has the database.
    let sql = "update consent_texts set body = 'falso'";
    assert!(world.database().await.execute(sql, &[]).await.is_err());
}
