-- Who did what: one row for each call that changes something or reads something sensitive, and each that was refused.
-- Rows are chained: each has a keyed hash of what it says and of the hash of the row before it. A day (UTC) has several
-- chains, its segments, so that writers do not queue. Numbers of enums are those of the proto.

create table audit (
    day             date        not null,
    segment         integer     not null,
    -- Dense within a segment, from 1.
    number          bigint      not null,
    time            timestamptz not null,
    actor           smallint    not null,
    user_id         bigint,
    api_token_id    bigint,
    -- The person whom the row is about.
    subject_user_id bigint,
    door            smallint    not null,
    method          text        not null,
    permission      text        not null,
    resource        text        not null,
    outcome         text        not null,
    request_id      uuid        not null,
    idempotency_id  text        not null,
    -- What may tell of a person: not chained itself, but by a hash with a salt, so that it can be erased.
    -- `json` keeps the very letters that were hashed.
    detail          json,
    reason          text,
    address         inet,
    salt            bytea,
    personal_hash   bytea       not null,
    hash            bytea       not null,
    -- The row of the call that erased it.
    erase_day       date,
    erase_segment   integer,
    erase_number    bigint,
    -- No checks: PostgreSQL reads them anew for each insert, which costs more than the rest of it. What is
    -- impossible is found by `gad audit verify` as everything else is.
    constraint audit_pkey primary key (day, segment, number)
) partition by list (day);
create index audit_by_time on audit (time, segment, number);

-- Adds what finds rows by who, whom and what: when a day is over, so that those who write need not wait for it.
create function index_audit_partition(day date) returns void
language plpgsql as $$
declare
    name text := 'audit_' || to_char(day, 'YYYYMMDD');
begin
    if to_regclass(name) is not null then
        execute format('create index if not exists %I on %I (user_id, time)', name || '_by_user', name);
        execute format('create index if not exists %I on %I (subject_user_id) where subject_user_id is not null', name || '_by_subject', name);
        execute format('create index if not exists %I on %I (resource, time)', name || '_by_resource', name);
    end if;
end $$;

-- Rows stay as they are; only what may tell of a person can go, together with its salt.
create function audit_stays() returns trigger
language plpgsql as $$
begin
    if tg_op = 'UPDATE' and new.salt is null and old.salt is not null then
        old.detail := null;
        old.reason := null;
        old.address := null;
        old.salt := null;
        old.erase_day := new.erase_day;
        old.erase_segment := new.erase_segment;
        old.erase_number := new.erase_number;
        if to_jsonb(old) = to_jsonb(new) then
            return new;
        end if;
    end if;
    raise exception 'audit rows stay as they are' using errcode = 'restrict_violation';
end $$;
create trigger audit_stays before update or delete on audit for each row execute function audit_stays();
create trigger audit_is_not_emptied before truncate on audit for each statement execute function audit_stays();

-- Days that have rows; `hash` is keyed, over all of it but the last columns.
create table audit_days (
    day          date        primary key,
    previous_day date,
    segments     integer     not null,
    hash         bytea       not null,
    -- When its heads were last told in a row.
    anchor_time  timestamptz not null,
    -- Whether rows are found by who, whom and what.
    indexed      boolean     not null default false,
    -- The row of the retention that dropped its rows.
    drop_day     date,
    drop_segment integer,
    drop_number  bigint,
    constraint audit_days_dropped check (num_nonnulls(drop_day, drop_segment, drop_number) in (0, 3))
);

-- The last row of each segment; `head_hash` is keyed, over all of it.
create table audit_heads (
    day       date    not null,
    segment   integer not null,
    number    bigint  not null,
    hash      bytea   not null,
    head_hash bytea   not null,
    constraint audit_heads_pkey primary key (day, segment)
) with (fillfactor = 40);

-- The key of all these hashes, sealed with the secret key: one for all time, so that old rows can be proven.
create table audit_keys (
    one         boolean     primary key default true check (one),
    sealed      bytea       not null,
    create_time timestamptz not null
);

-- Makes the partition of a day if it is not there. Attaching does not stop those who write to other days.
create function ensure_audit_partition(day date) returns void
language plpgsql as $$
declare
    name text := 'audit_' || to_char(day, 'YYYYMMDD');
begin
    if to_regclass(name) is null then
        execute format('create table %I (like audit including defaults including constraints)', name);
        execute format('alter table audit attach partition %I for values in (%L)', name, day);
        execute format('create trigger audit_is_not_emptied before truncate on %I for each statement execute function audit_stays()', name);
    end if;
end $$;

-- Drops the partition of a day.
create function drop_audit_partition(day date) returns void
language plpgsql as $$
begin
    execute format('drop table if exists %I', 'audit_' || to_char(day, 'YYYYMMDD'));
end $$;
