//! What is forgotten in time, and national ids.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, Ordering},
};

use gad::{
    clock::Clock,
    identity::{Seal, national_id},
    pb::{self, RetentionKind},
    store::Database,
};
use jiff::Timestamp;
use tokio_postgres::Client;

use crate::world::{Person, World, fields, reason, until};

const DAY: i64 = 86_400;

async fn set_policy(person: &Person, kind: RetentionKind, seconds: i64) -> Result<pb::RetentionPolicy, tonic::Status> {
    let request = pb::UpdateRetentionPolicyRequest {
        kind: kind as i32,
        keep: Some(prost_types::Duration { seconds, nanos: 0 }),
        ..Default::default()
    };
    Ok(person.privacy().update_retention_policy(request).await?.into_inner())
}

async fn run(person: &Person, kinds: &[RetentionKind], dry_run: bool) -> Vec<(RetentionKind, i64)> {
    let request = pb::RunRetentionRequest {
        kinds: kinds.iter().map(|kind| *kind as i32).collect(),
        dry_run,
    };
    let answer = person.privacy().run_retention(request).await.unwrap().into_inner();
    answer.counts.iter().map(|count| (count.kind(), count.count)).collect()
}

async fn count(database: &Client, table: &str) -> i64 {
    let sql = format!("select count(*) from {table}");
    database.query_one(&sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn every_kind_has_a_policy_within_bounds() {
    let world = World::start().await;
    let administrator = world.administrator().await;
    let request = pb::ListRetentionPoliciesRequest {};
    let answer = world.agent().await.privacy().list_retention_policies(request).await;
    let policies = answer.unwrap().into_inner().policies;
    let kinds: Vec<RetentionKind> = policies.iter().map(pb::RetentionPolicy::kind).collect();
    let all = (1..100).map_while(|number| RetentionKind::try_from(number).ok());
    assert_eq!(kinds, all.collect::<Vec<_>>());
    for policy in &policies {
        let seconds = |length: &Option<prost_types::Duration>| length.unwrap().seconds;
        let (least, most) = (seconds(&policy.min_keep), seconds(&policy.max_keep));
        assert!((least..=most).contains(&seconds(&policy.keep)), "{policy:?}");
        for wrong in [least - 1, most + 1] {
            let refused = set_policy(&administrator, policy.kind(), wrong).await.unwrap_err();
            assert_eq!(fields(&refused), ["keep"], "{policy:?}");
        }
        let set = set_policy(&administrator, policy.kind(), least).await.unwrap();
        assert_eq!((seconds(&set.keep), set.update_user_id), (least, Some(administrator.id)));
    }
    let refused = set_policy(&world.supervisor().await, RetentionKind::Mails, 30 * DAY)
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "FORBIDDEN");
}

#[tokio::test]
async fn what_is_over_is_counted_first_and_then_forgotten() {
    // The server itself forgets once a minute: its first round is over before anything is there to forget.
    let world = World::start().await;
    let (administrator, agent) = (world.administrator().await, world.agent().await);
    let database = world.database().await;
    let user = agent.id;
    database
        .batch_execute(&format!(
            "insert into sessions (id, user_id, create_time, auth_time, last_use_time, expire_time)
             select gen_random_uuid(), {user}, t, t, t, t from (select now() - n * interval '20 days' as t from generate_series(1, 3) n) s;
             insert into mails (user_id, purpose, sealed, create_time, next_time, expire_time, fail_time)
             select {user}, 3, '', t, t, t, t from (select now() - n * interval '20 days' as t from generate_series(1, 3) n) m;
             insert into mailed_tokens (hash, user_id, purpose, email, create_time, expire_time)
             select ('h' || n)::bytea, {user}, 3, 'x@y.z', now(), now() - n * interval '20 days' from generate_series(1, 3) n;
             insert into shifts (agent_id, start_time, end_time)
             select {agent}, t, t + interval '1 hour' from (select now() - n * interval '60 days' as t from generate_series(1, 3) n) s;
             insert into replays (user_id, request_id, method, request_hash, response, create_time)
             select {user}, 'r' || n, 'M', '', '', now() - n * interval '20 hours' from generate_series(1, 2500) n;
             insert into location_reveals (agent_id, user_id, by_user_id, reason, create_time)
             values ({agent}, {user}, {user}, 'hace mucho', now() - interval '1827 days'), ({agent}, {user}, {user}, 'ayer', now());
             select ensure_position_partition((now() - n * interval '1 day')::date) from generate_series(89, 93) n;",
            agent = agent.agent_id.unwrap()
        ))
        .await
        .unwrap();
    let supervisor = world.supervisor().await;
    let old = supervisor.task("Vieja").await.id;
    let again = {
        let step = |id| pb::TaskStepRequest {
            id,
            ..Default::default()
        };
        supervisor.tasks().start_task(step(old)).await.unwrap();
        supervisor.tasks().finish_task(step(old)).await.unwrap();
        let reopen = pb::TaskStepRequest {
            id: old,
            ..Default::default()
        };
        supervisor.tasks().reopen_task(reopen).await.unwrap().into_inner().id
    };
    let sql = "update tasks set delete_time = now() - interval '6 years' where id = $1";
    database.execute(sql, &[&old]).await.unwrap();

    let kinds = [
        RetentionKind::Positions,
        RetentionKind::Shifts,
        RetentionKind::Replays,
        RetentionKind::Sessions,
        RetentionKind::Mails,
        RetentionKind::MailedTokens,
        RetentionKind::DeletedTasks,
        RetentionKind::Reveals,
    ];
    let due = [3, 2, 2499, 2, 2, 2, 1, 1];
    let expected: Vec<_> = kinds.into_iter().zip(due).collect();
    assert_eq!(run(&administrator, &kinds, true).await, expected);
    assert_eq!(run(&administrator, &kinds, true).await, expected, "a dry run forgets nothing");
    assert_eq!(run(&administrator, &kinds, false).await, expected);
    assert_eq!(run(&administrator, &kinds, false).await, kinds.map(|kind| (kind, 0)));
    for (table, left) in [("mails", 1), ("mailed_tokens", 1), ("replays", 1), ("location_reveals", 1)] {
        assert_eq!(count(&database, table).await, left, "{table}");
    }
    let reopened = pb::GetTaskRequest { id: again };
    let reopened = supervisor.tasks().get_task(reopened).await.unwrap().into_inner();
    assert_eq!(reopened.reopened_from_task_id, None);
    assert_eq!(count(&database, &format!("task_history where task_id = {old}")).await, 0);
    let days = "pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'positions'::regclass
                and c.relname < 'positions_' || to_char(now() - interval '90 days', 'YYYYMMDD')";
    assert_eq!(count(&database, days).await, 0);
}

#[tokio::test]
async fn the_server_forgets_by_itself_and_erases_who_was_deleted_long_ago() {
    let seconds = Arc::new(AtomicI64::new(1_900_000_800));
    let told = Arc::clone(&seconds);
    let clock = Clock::of(move || Timestamp::from_second(told.load(Ordering::SeqCst)).unwrap());
    let world = World::with_clock(clock.clone(), |_| {}).await;
    let (agent, supervisor) = (world.agent().await, world.supervisor().await);
    let task = supervisor.task("Abierta").await.id;
    let assign = pb::AssignTaskRequest {
        id: task,
        agent_id: agent.agent_id.unwrap(),
        ..Default::default()
    };
    supervisor.tasks().assign_task(assign).await.unwrap();
    let other = world.other_agent().await;
    let database = world.database().await;
    let sql = "update users set active = false, delete_time = to_timestamp(1900000800) where id = any($1)";
    database.execute(sql, &[&vec![agent.id, other.id]]).await.unwrap();
    seconds.fetch_add(366 * DAY, Ordering::SeqCst);
    // A server that starts begins with a round.
    let replica = crate::world::Replica::start(world.settings.clone(), clock).await;
    let name = async |id: i64| -> String {
        let row = database
            .query_one("select display_name from users where id = $1", &[&id])
            .await;
        row.unwrap().get(0)
    };
    until("who was deleted is erased", async || {
        name(other.id).await == format!("USUARIO_ELIMINADO_{}", other.id)
    })
    .await;
    // So is what the audit tells of them.
    let sql = "select count(*), count(salt) from audit where $1 in (user_id, subject_user_id)";
    let row = database.query_one(sql, &[&other.id]).await.unwrap();
    let (rows, telling): (i64, i64) = (row.get(0), row.get(1));
    assert!(rows > 0 && telling == 0, "{telling} of {rows} rows still tell");
    // Who still has open tasks is left, and does not keep others from it.
    assert_eq!(name(agent.id).await, "Ana Rojas");
    replica.stop().await;
}

fn national(user_id: i64, national_id: &str) -> pb::SetNationalIdRequest {
    pb::SetNationalIdRequest {
        user_id,
        national_id: national_id.to_owned(),
        ..Default::default()
    }
}

async fn national_of(person: &Person, user_id: i64) -> String {
    let answer = person.privacy().get_national_id(pb::GetNationalIdRequest { user_id }).await;
    answer.unwrap().into_inner().national_id
}

#[tokio::test]
async fn a_national_id_is_sealed_unique_and_found_however_it_is_typed() {
    let world = World::start().await;
    let (agent, other, administrator) = (world.agent().await, world.other_agent().await, world.administrator().await);
    assert_eq!(national_of(&agent, 0).await, "");
    agent.privacy().set_national_id(national(0, "1.020-304 05k")).await.unwrap();
    assert_eq!(national_of(&agent, 0).await, "102030405K");
    assert_eq!(national_of(&administrator, agent.id).await, "102030405K");
    let find = |text: &str| pb::FindUserByNationalIdRequest {
        national_id: text.to_owned(),
    };
    let found = administrator.privacy().find_user_by_national_id(find("10 20 30 40 5K")).await;
    assert_eq!(found.unwrap().into_inner().id, agent.id);
    let taken = other.privacy().set_national_id(national(0, "102030405k")).await.unwrap_err();
    assert_eq!(reason(&taken), "IDENTITY_TAKEN");
    for wrong in ["1234", "abcdefgh", "12345678901234567890"] {
        let refused = agent.privacy().set_national_id(national(0, wrong)).await.unwrap_err();
        assert_eq!(fields(&refused), ["national_id"], "{wrong}");
    }
    // Not in the database in any form that could be read or guessed without its keys.
    let database = world.database().await;
    let sql = "select national_id_sealed, national_id_index from users where id = $1";
    let row = database.query_one(sql, &[&agent.id]).await.unwrap();
    let (sealed, index): (Vec<u8>, Vec<u8>) = (row.get(0), row.get(1));
    let plain = b"102030405K";
    assert!(!sealed.windows(plain.len()).any(|part| part == plain));
    let guess = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, plain);
    assert_ne!(index, guess.as_ref());
    // Who moves it to another row does not open it.
    let sql = "update users o set national_id_sealed = u.national_id_sealed, national_id_key = u.national_id_key, national_id_index = 'x'
               from users u where u.id = $1 and o.id = $2";
    database.execute(sql, &[&agent.id, &other.id]).await.unwrap();
    let moved = other.privacy().get_national_id(pb::GetNationalIdRequest { user_id: 0 }).await;
    assert_eq!(reason(&moved.unwrap_err()), "INTERNAL");
    let forgotten = agent.privacy().set_national_id(national(0, "")).await.unwrap().into_inner();
    assert!(!forgotten.known);
    assert_eq!(national_of(&agent, 0).await, "");
    let refused = administrator
        .privacy()
        .find_user_by_national_id(find("102030405K"))
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "USER_NOT_FOUND");
}

#[tokio::test]
async fn keys_are_replaced_while_ids_are_read_and_written() {
    let world = World::start().await;
    let (agent, administrator) = (world.agent().await, world.administrator().await);
    let database = world.database().await;
    let sql = "insert into users (uid, email, display_name, level, create_time, update_time)
               select gen_random_uuid(), 'p' || n || '@gad.example', 'P', 1, now(), now() from generate_series(1, 500) n returning id";
    let rows = database.query(sql, &[]).await.unwrap();
    let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    let store = Database::connect(&world.settings.database).await.unwrap();
    let seal = Seal::new(world.settings.secret_key.clone());
    let number = |id: i64| format!("7{id:09}");
    for id in &ids {
        administrator
            .privacy()
            .set_national_id(national(*id, &number(*id)))
            .await
            .unwrap();
    }
    let key = async || -> Vec<i32> {
        let sql = "select distinct national_id_key from users where national_id_key is not null order by 1";
        let rows = database.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    let before = key().await;
    assert_eq!(before.len(), 1);
    let done = Arc::new(AtomicBool::new(false));
    let reading = {
        let (done, agent, administrator, ids) = (Arc::clone(&done), agent.clone(), administrator.clone(), ids.clone());
        tokio::spawn(async move {
            let mut rounds = 0;
            while !done.load(Ordering::SeqCst) || rounds < 10 {
                let id = ids[rounds % ids.len()];
                assert_eq!(national_of(&administrator, id).await, number(id));
                agent
                    .privacy()
                    .set_national_id(national(0, &number(1_000_000 + i64::try_from(rounds).unwrap())))
                    .await
                    .unwrap();
                rounds += 1;
            }
            rounds
        })
    };
    let renewed = national_id::rotate(&store, &seal, Clock::system().now()).await.unwrap();
    done.store(true, Ordering::SeqCst);
    let rounds = reading.await.unwrap();
    assert!(renewed >= 500, "{renewed}");
    let after = key().await;
    assert!(after.len() == 1 && after != before, "{before:?} {after:?}");
    for id in &ids {
        assert_eq!(national_of(&administrator, *id).await, number(*id));
    }
    let last = 1_000_000 + i64::try_from(rounds).unwrap() - 1;
    assert_eq!(national_of(&agent, 0).await, number(last));
    // The older key is gone for good, and the index finds as before.
    let sql = "select length(sealed) from data_keys where number = $1 and retire_time is not null";
    let length: i32 = database.query_one(sql, &[&before[0]]).await.unwrap().get(0);
    assert_eq!(length, 0);
    let find = pb::FindUserByNationalIdRequest {
        national_id: number(ids[0]),
    };
    let found = administrator
        .privacy()
        .find_user_by_national_id(find)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(found.id, ids[0]);
}
