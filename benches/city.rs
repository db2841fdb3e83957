//! A city with many tasks and agents, made by SQL: two years of work, of which the newest is open.

use anyhow::{Context as _, Result};
use tokio_postgres::{Client, NoTls};

use crate::{sizes::Sizes, world::World};

/// Database with few tasks.
pub const SMALL: &str = "bench_small";
/// Database with many.
pub const GREAT: &str = "bench_great";

/// Newest tasks, which may be open.
pub const OPEN: u32 = 2000;

/// Connects to a database by URL.
pub async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Makes both databases. They have the same agents.
pub async fn build(world: &World, sizes: &Sizes) -> Result<()> {
    let admin = connect(&world.database_url).await?;
    admin.batch_execute(&format!("create database {SMALL}")).await?;
    world.gad(&["migrate"], SMALL).await?;
    world.gad(&["seed", "--tasks", "0", "--agents", "3"], SMALL).await?;
    {
        let small = connect(&world.database(SMALL)).await?;
        agents(&small, sizes.agents).await.context("agents")?;
    }
    // A template must not be in use; its connections take a moment to end.
    while admin
        .batch_execute(&format!("create database {GREAT} template {SMALL}"))
        .await
        .is_err_and(|cause| cause.code() == Some(&tokio_postgres::error::SqlState::OBJECT_IN_USE))
    {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for (name, rows) in [(SMALL, sizes.small_rows), (GREAT, sizes.rows)] {
        let client = connect(&world.database(name)).await?;
        tasks(&client, rows, sizes.agents).await.context("tasks")?;
        client.batch_execute("vacuum analyze").await?;
    }
    admin.batch_execute("checkpoint").await?;
    Ok(())
}

/// Adds agents all over the city: seven in ten on duty, one in ten with a stale fix.
async fn agents(on: &Client, count: u32) -> Result<()> {
    on.batch_execute(&format!(
        "set session_replication_role = replica;
         select setseed(0.465);
         insert into users (uid, email, password_hash, display_name, level, create_time, update_time)
         select gen_random_uuid(), 'bench' || n || '@gad.example', '-', 'Agente ' || n, 1, now(), now() from generate_series(1, {count}) n;
         insert into agents (uid, user_id, code, rank, unit, specialty, duty, availability_time, create_time, update_time)
         select gen_random_uuid(), u.id, 'B-' || u.id, 'Patrullero', (array['Norte', 'Centro', 'Sur', 'Occidente'])[1 + u.id % 4],
                (array['rescate', 'comunidad'])[1 + u.id % 2],
                case when u.id % 10 < 7 then 1 when u.id % 10 < 9 then 3 else 4 end, now(), now(), now()
         from users u where u.email like 'bench%' order by u.id;
         insert into agent_locations (agent_id, location, zone_id, fix_time, accuracy, speed, heading, source, receive_time)
         select a.id, a.place, (select z.id from zones z where st_covers(z.boundary, a.place) order by z.id limit 1),
                now() - interval '8 hours' - case when a.id % 10 = 3 then interval '3 days' else interval '0' end, 5, 3, 90, 1, now()
         from (select id, st_setsrid(st_makepoint(-74.14 + random() * 0.14, 4.58 + random() * 0.14), 4326)::geography as place
               from agents where code like 'B-%' offset 0) a;"
    ))
    .await?;
    on.batch_execute("vacuum analyze").await?;
    Ok(())
}

/// Adds tasks, one a minute up to now. Indexes are made again when all are there, which is many times quicker.
async fn tasks(on: &Client, rows: u32, agents: u32) -> Result<()> {
    on.batch_execute("set session_replication_role = replica; set maintenance_work_mem = '256MB'; select setseed(0.5)")
        .await?;
    let indexes = on
        .query(
            "select i.indexname, i.indexdef from pg_indexes i
             where i.tablename in ('tasks', 'assignments') and not exists (select from pg_constraint c where c.conname = i.indexname)",
            &[],
        )
        .await?;
    for index in &indexes {
        on.batch_execute(&format!("drop index {}", index.get::<_, &str>(0))).await?;
    }
    let open = OPEN.min(rows / 5);
    on.batch_execute(&format!(
        "insert into tasks (uid, code, title, description, kind, priority, state, planned_start_time, planned_end_time,
                            actual_start_time, actual_end_time, pause_start_time, location, location_description, zone_id,
                            delegate_user_id, creator_user_id, create_time, update_time, words)
         select gen_random_uuid(), 'B-' || n, title, title || ', solicitada por la ciudadania.', 1 + n % 8, 1 + n % 5, state,
                made + interval '1 hour', made + interval '5 hours',
                case when state >= 2 then made + interval '1 hour' end, case when state >= 4 then made + interval '2 hours' end,
                case when state = 3 then made + interval '90 minutes' end,
                st_setsrid(st_makepoint(-74.14 + random() * 0.14, 4.58 + random() * 0.14), 4326)::geography, 'Parque central',
                1 + n % 4, boss, boss, made, made + interval '2 hours',
                to_tsvector('simple', 'b ' || n || ' ' || lower(title) || ' solicitada por la ciudadania')
         from (select n, now() - ({rows} - n) * interval '1 minute' as made, (select min(id) from users where level = 2) as boss,
                      (array['Patrullaje', 'Inspeccion', 'Informe', 'Emergencia'])[1 + n % 4] || ': '
                      || (array['parque', 'mercado', 'puente', 'hospital', 'colegio'])[1 + n % 5] as title,
                      (case when n > {rows} - {open} then (array[1, 1, 1, 1, 1, 2, 2, 2, 3, 4])[1 + n % 10]
                            when n % 5000 = 17 then 1 when n % 10 = 3 then 5 else 4 end)::smallint as state
               from generate_series(1, {rows}) n) t;
         insert into assignments (task_id, agent_id, exclusive, occupying, create_time)
         select t.id, 4 + (t.id * 7919) % {agents}, false, t.state in (2, 3), t.create_time from tasks t where t.state > 1;"
    ))
    .await?;
    for index in &indexes {
        on.batch_execute(index.get::<_, &str>(1)).await?;
    }
    Ok(())
}
