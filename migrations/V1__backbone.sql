-- Users, zones, tasks, agents, positions, and the outbox that feeds every live screen.
-- Numbers of enums are those of the proto.

create extension if not exists postgis;
create extension if not exists unaccent;

create table users (
    id            bigint generated always as identity primary key,
    uid           uuid        not null,
    email         text        not null,
    password_hash text        not null,
    display_name  text        not null,
    level         smallint    not null,
    active        boolean     not null default true,
    create_time   timestamptz not null,
    constraint users_uid_key unique (uid),
    constraint users_email_key unique (email),
    constraint users_email_lower check (email = lower(email)),
    constraint users_level check (level between 1 and 3)
);

-- Keys that sign access tokens; the private half is sealed with the secret key.
create table signing_keys (
    kid         text        primary key,
    sealed      bytea       not null,
    public      bytea       not null,
    create_time timestamptz not null,
    retire_time timestamptz
);

create table zones (
    id           bigint generated always as identity primary key,
    code         text not null,
    display_name text not null,
    boundary     geography(Polygon, 4326) not null,
    constraint zones_code_key unique (code)
);
create index zones_boundary on zones using gist (boundary);

create table agents (
    id                bigint generated always as identity primary key,
    uid               uuid        not null,
    user_id           bigint      not null,
    code              text        not null,
    rank              text        not null default '',
    unit              text        not null default '',
    specialty         text        not null default '',
    duty              smallint    not null,
    availability_time timestamptz not null,
    create_time       timestamptz not null,
    update_time       timestamptz not null,
    delete_time       timestamptz,
    revision          bigint      not null default 1,
    constraint agents_uid_key unique (uid),
    constraint agents_code_key unique (code),
    constraint agents_user_fkey foreign key (user_id) references users (id),
    constraint agents_code_filled check (code <> ''),
    constraint agents_duty check (duty in (1, 3, 4))
);
create unique index agents_one_per_user on agents (user_id) where delete_time is null;
create index agents_by_unit on agents (unit);
create index agents_by_specialty on agents (specialty);
create index agents_available on agents (id) where duty = 1 and delete_time is null;

-- Latest fix per agent, and the zone that holds it: narrow, because it is written most.
create table agent_locations (
    agent_id     bigint      primary key,
    location     geography(Point, 4326) not null,
    zone_id      bigint,
    fix_time     timestamptz not null,
    accuracy     real,
    speed        real,
    heading      real,
    source       smallint    not null,
    receive_time timestamptz not null,
    constraint agent_locations_agent_fkey foreign key (agent_id) references agents (id),
    constraint agent_locations_zone_fkey foreign key (zone_id) references zones (id) on delete set null
) with (fillfactor = 80);
create index agent_locations_location on agent_locations using gist (location);
create index agent_locations_by_time on agent_locations (fix_time);

-- All fixes, a partition a day.
create table positions (
    agent_id     bigint      not null,
    fix_time     timestamptz not null,
    location     geography(Point, 4326) not null,
    accuracy     real,
    speed        real,
    heading      real,
    source       smallint    not null,
    receive_time timestamptz not null,
    primary key (agent_id, fix_time)
) partition by range (fix_time);

-- Makes the partition of a day (UTC) if it is not there.
create function ensure_position_partition(day date) returns void
language plpgsql as $$
declare
    name text := 'positions_' || to_char(day, 'YYYYMMDD');
begin
    if to_regclass(name) is null then
        perform pg_advisory_xact_lock(hashtextextended('ensure_position_partition', 0));
        execute format(
            'create table if not exists %I partition of positions for values from (%L) to (%L)',
            name, to_char(day, 'YYYY-MM-DD') || ' 00:00:00+00', to_char(day + 1, 'YYYY-MM-DD') || ' 00:00:00+00');
    end if;
end $$;

-- Drops the partitions of the days (UTC) before this one; says how many.
create function drop_position_partitions(before date) returns bigint
language plpgsql as $$
declare
    name text;
    gone bigint := 0;
begin
    for name in
        select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'positions'::regclass and c.relname < 'positions_' || to_char(before, 'YYYYMMDD')
        order by c.relname
    loop
        execute format('drop table if exists %I', name);
        gone := gone + 1;
    end loop;
    return gone;
end $$;

create table tasks (
    id                   bigint generated by default as identity primary key,
    uid                  uuid        not null,
    code                 text        not null,
    title                text        not null,
    description          text        not null default '',
    kind                 smallint    not null,
    priority             smallint    not null,
    state                smallint    not null,
    planned_start_time   timestamptz not null,
    planned_end_time     timestamptz,
    actual_start_time    timestamptz,
    actual_end_time      timestamptz,
    pause_start_time     timestamptz,
    paused_ms            bigint      not null default 0,
    location             geography(Point, 4326),
    location_description text        not null default '',
    zone_id              bigint,
    delegate_user_id     bigint      not null,
    creator_user_id      bigint      not null,
    reopened_from        bigint,
    create_time          timestamptz not null,
    update_time          timestamptz not null,
    delete_time          timestamptz,
    revision             bigint      not null default 1,
    words                tsvector    not null,
    constraint tasks_uid_key unique (uid),
    constraint tasks_code_key unique (code),
    constraint tasks_zone_fkey foreign key (zone_id) references zones (id) on delete set null,
    constraint tasks_delegate_fkey foreign key (delegate_user_id) references users (id),
    constraint tasks_creator_fkey foreign key (creator_user_id) references users (id),
    constraint tasks_reopened_fkey foreign key (reopened_from) references tasks (id),
    constraint tasks_code_filled check (code <> ''),
    constraint tasks_title_filled check (title <> ''),
    constraint tasks_kind check (kind between 1 and 8),
    constraint tasks_priority check (priority between 1 and 5),
    constraint tasks_plan check (planned_end_time > planned_start_time),
    constraint tasks_times check (
        case state
            when 1 then actual_start_time is null and actual_end_time is null and pause_start_time is null and paused_ms = 0
            when 2 then actual_start_time is not null and actual_end_time is null and pause_start_time is null
            when 3 then actual_start_time is not null and actual_end_time is null and pause_start_time >= actual_start_time
            when 4 then actual_end_time >= actual_start_time and pause_start_time is null
            when 5 then actual_end_time is not null and pause_start_time is null
            else false
        end)
);
create index tasks_by_create on tasks (create_time, id);
create index tasks_by_update on tasks (update_time, id);
create index tasks_by_planned_start on tasks (planned_start_time, id);
create index tasks_by_priority on tasks (priority, id);
create index tasks_open on tasks (id) where state <= 3 and delete_time is null;
create index tasks_by_creator on tasks (creator_user_id);
create index tasks_by_delegate on tasks (delegate_user_id);
create index tasks_location on tasks using gist ((location::geometry));
create index tasks_words on tasks using gin (words);

-- Words of a text without case, accents and punctuation.
create function fold(value text) returns text
language sql immutable parallel safe strict
return regexp_replace(lower(public.unaccent('public.unaccent'::regdictionary, value)), '[^[:alnum:]]+', ' ', 'g');

create function tasks_before_write() returns trigger
language plpgsql as $$
begin
    new.words := to_tsvector('simple', fold(new.code || ' ' || new.title || ' ' || new.description));
    if tg_op = 'INSERT' or new.location is distinct from old.location then
        new.zone_id := (select z.id from zones z where st_covers(z.boundary, new.location) order by z.id limit 1);
    end if;
    return new;
end $$;
create trigger tasks_before_write before insert or update on tasks
    for each row execute function tasks_before_write();

-- Who is on which task. `occupying`: the agent is at work on it, or claimed for it, now.
create table assignments (
    task_id     bigint      not null,
    agent_id    bigint      not null,
    exclusive   boolean     not null,
    occupying   boolean     not null,
    create_time timestamptz not null,
    constraint assignments_pkey primary key (task_id, agent_id),
    constraint assignments_task_fkey foreign key (task_id) references tasks (id),
    constraint assignments_agent_fkey foreign key (agent_id) references agents (id)
);
create index assignments_by_agent on assignments (agent_id);
create index assignments_occupying on assignments (agent_id) where occupying;
create unique index assignments_one_exclusive_claim on assignments (agent_id) where exclusive and occupying;

create table task_history (
    id          bigint generated always as identity primary key,
    task_id     bigint      not null,
    action      smallint    not null,
    from_state  smallint    not null,
    to_state    smallint    not null,
    user_id     bigint      not null,
    agent_id    bigint,
    reason      text        not null default '',
    create_time timestamptz not null,
    constraint task_history_task_fkey foreign key (task_id) references tasks (id)
);
create index task_history_by_task on task_history (task_id, id);

-- Facts, written in the transaction that made them true. Readers stop at the oldest transaction
-- still running, so (xid, seq) never shows a later fact before an earlier one.
create table outbox (
    xid        bigint      not null default (pg_current_xact_id()::text::bigint),
    seq        bigint      generated always as identity,
    event_time timestamptz not null,
    fact       jsonb       not null,
    primary key (xid, seq)
);
create index outbox_by_time on outbox (event_time);

-- Which feed the outbox is. `cluster` tells the database cluster and its timeline: in another one,
-- transaction numbers mean other things and the feed starts anew.
create table feed (
    one       boolean primary key default true check (one),
    epoch     bigint not null default 0,
    cluster   text   not null default '',
    floor_xid bigint not null default 0,
    floor_seq bigint not null default 0
);
insert into feed default values;

-- Answers to mutations that carried a request id.
create table replays (
    user_id      bigint      not null,
    request_id   text        not null,
    method       text        not null,
    request_hash bytea       not null,
    response     bytea       not null,
    create_time  timestamptz not null,
    primary key (user_id, request_id)
);
create index replays_by_time on replays (create_time);
