-- People, their sessions and service tokens, and what is no longer to be believed.
-- Numbers of enums are those of the proto. Secrets are kept as hashes, or sealed with the secret key.

alter table users
    alter column password_hash drop not null,
    add column username             text,
    add column given_name           text        not null default '',
    add column family_name          text        not null default '',
    add column phone                text        not null default '',
    add column telegram_id          bigint,
    add column language             text        not null default 'es',
    -- ISO 3166, where the person said it.
    add column country_code         text,
    -- The national id, sealed, and a keyed hash of it that finds equal ones.
    add column national_id_sealed   bytea,
    add column national_id_key      integer,
    add column national_id_index    bytea,
    add column email_verify_time    timestamptz,
    -- Registered by themselves: may sign in only once the e-mail was proved.
    add column must_verify_email    boolean     not null default false,
    add column password_change_time timestamptz,
    add column password_expired     boolean     not null default false,
    add column failed_logins        integer     not null default 0,
    add column lock_end_time        timestamptz,
    add column last_login_time      timestamptz,
    -- Grows whenever older access tokens must not be believed any more.
    add column token_version        integer     not null default 1,
    add column totp_sealed          bytea,
    add column totp_confirm_time    timestamptz,
    -- Last time step whose code was used: a code works once.
    add column totp_step            bigint      not null default 0,
    add column update_time          timestamptz,
    add column delete_time          timestamptz,
    add column erase_time           timestamptz,
    add column revision             bigint      not null default 1,
    -- Not a person: acts by API tokens only.
    add column service              boolean     not null default false,
    -- Kept out by an administrator.
    add column lock_time            timestamptz,
    add column lock_reason          text        not null default '',
    -- What lists are ordered and searched by; the e-mail is for administrators only.
    add column folded_name          text        generated always as (fold(display_name)) stored,
    add column name_words           tsvector    generated always as
        (to_tsvector('simple', fold(display_name || ' ' || given_name || ' ' || family_name))) stored,
    add column words                tsvector    generated always as
        (to_tsvector('simple', fold(display_name || ' ' || given_name || ' ' || family_name || ' ' || email || ' '
                                    || coalesce(username, '')))) stored,
    add constraint users_username_key unique (username),
    add constraint users_username_lower check (username = lower(username) and username <> ''),
    add constraint users_telegram_key unique (telegram_id),
    add constraint users_national_id_key unique (national_id_index),
    add constraint users_national_id_whole check (
        (national_id_sealed is null) = (national_id_index is null) and (national_id_sealed is null) = (national_id_key is null)),
    add constraint users_country_code check (country_code ~ '^[A-Z]{2}$'),
    add constraint users_totp_whole check (totp_confirm_time is null or totp_sealed is not null),
    add constraint users_lock_whole check ((lock_time is null) = (lock_reason = '')),
    add constraint users_service_password check (not service or password_hash is null);
update users set update_time = create_time, email_verify_time = create_time;
alter table users alter column update_time set not null;
create index users_by_level on users (level) where active;
create index users_by_name on users (folded_name collate "C", id);
create index users_by_create on users (create_time, id);
create index users_words on users using gin (words);

-- One administrator who can sign in remains, whatever happens at the same time.
create function users_keep_administrator() returns trigger
language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('users_last_administrator', 0));
    if not exists (select from users where level = 3 and active and password_hash is not null
                   and lock_time is null and delete_time is null and erase_time is null) then
        raise exception 'no administrator would remain'
            using errcode = 'check_violation', constraint = 'users_last_administrator';
    end if;
    return null;
end $$;
create trigger users_keep_administrator after update on users
    for each row
    when ((old.level = 3 and old.active and old.password_hash is not null
           and old.lock_time is null and old.delete_time is null and old.erase_time is null)
          and not (new.level = 3 and new.active and new.password_hash is not null
                   and new.lock_time is null and new.delete_time is null and new.erase_time is null))
    execute function users_keep_administrator();

-- Zones that a supervisor's authority ends at; none: it does not end.
create table user_zones (
    user_id bigint not null,
    zone_id bigint not null,
    primary key (user_id, zone_id),
    constraint user_zones_user_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint user_zones_zone_fkey foreign key (zone_id) references zones (id)
);
create index user_zones_by_zone on user_zones (zone_id);

-- A sign-in on one device, from its first password to its last refresh.
create table sessions (
    id            uuid        primary key,
    user_id       bigint      not null,
    create_time   timestamptz not null,
    -- When the person last proved to be there: by password, or by code.
    auth_time     timestamptz not null,
    last_use_time timestamptz not null,
    expire_time   timestamptz not null,
    end_time      timestamptz,
    -- Why it ended; numbers of the proto's SessionEnd.
    end_reason    smallint,
    user_agent    text        not null default '',
    address       inet,
    constraint sessions_user_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint sessions_end_whole check ((end_time is null) = (end_reason is null))
);
create index sessions_by_user on sessions (user_id, create_time desc);
create index sessions_by_expiry on sessions (expire_time);

-- Refresh tokens of a session by SHA-256: one is fresh, the used ones tell a thief.
create table refresh_tokens (
    hash        bytea       primary key,
    session_id  uuid        not null,
    create_time timestamptz not null,
    use_time    timestamptz,
    constraint refresh_tokens_session_fkey foreign key (session_id) references sessions (id) on delete cascade
);
create unique index refresh_tokens_one_fresh on refresh_tokens (session_id) where use_time is null;
create index refresh_tokens_by_session on refresh_tokens (session_id);
create index refresh_tokens_used on refresh_tokens (use_time) where use_time is not null;

-- Tokens of services and scripts by SHA-256: a user's authority, narrowed to scopes.
create table api_tokens (
    id            bigint generated always as identity primary key,
    user_id       bigint      not null,
    display_name  text        not null,
    -- First letters, to tell tokens apart.
    prefix        text        not null,
    hash          bytea       not null,
    scopes        text[]      not null,
    create_time   timestamptz not null,
    expire_time   timestamptz,
    last_use_time timestamptz,
    end_time      timestamptz,
    constraint api_tokens_hash_key unique (hash),
    constraint api_tokens_user_fkey foreign key (user_id) references users (id) on delete cascade
);
create index api_tokens_by_user on api_tokens (user_id, id);

-- What no longer is to be believed although it was signed: a session, an API token, or all older tokens of a user.
-- Replicas read new rows several times a second; rows are dropped once every token they speak of has ended by itself.
create table revocations (
    xid          bigint      not null default pg_current_xact_id()::text::bigint,
    seq          bigint generated always as identity,
    time         timestamptz not null,
    session_id   uuid,
    api_token_id bigint,
    user_id      bigint,
    -- Least version of the user's tokens that is good.
    version      integer,
    primary key (xid, seq),
    constraint revocations_of_one check (num_nonnulls(session_id, api_token_id, user_id) = 1),
    constraint revocations_version check ((user_id is null) = (version is null))
);
create index revocations_by_time on revocations (time);

-- Secrets that were mailed, by SHA-256: each works once.
create table mailed_tokens (
    hash        bytea       primary key,
    user_id     bigint      not null,
    purpose     smallint    not null,
    -- The address it proves.
    email       text        not null,
    create_time timestamptz not null,
    expire_time timestamptz not null,
    use_time    timestamptz,
    constraint mailed_tokens_user_fkey foreign key (user_id) references users (id) on delete cascade
);
create index mailed_tokens_by_user on mailed_tokens (user_id, purpose);
create index mailed_tokens_by_expiry on mailed_tokens (expire_time);

-- Codes for who lost the device that makes codes, by keyed hash: each works once.
create table recovery_codes (
    user_id  bigint not null,
    hash     bytea  not null,
    use_time timestamptz,
    primary key (user_id, hash),
    constraint recovery_codes_user_fkey foreign key (user_id) references users (id) on delete cascade
);

-- Mail that waits to be sent. What it says is sealed, and forgotten once it was sent.
create table mails (
    id          bigint generated always as identity primary key,
    user_id     bigint      not null,
    purpose     smallint    not null,
    sealed      bytea       not null,
    create_time timestamptz not null,
    -- When it is not worth sending any more.
    expire_time timestamptz not null,
    -- When it is tried next.
    next_time   timestamptz not null,
    attempts    integer     not null default 0,
    -- When it was given up.
    fail_time   timestamptz,
    failure     text        not null default '',
    constraint mails_user_fkey foreign key (user_id) references users (id) on delete cascade
);
create index mails_waiting on mails (next_time) where fail_time is null;
create index mails_by_user on mails (user_id, purpose);

alter table zones
    add column create_time timestamptz not null default now(),
    add column update_time timestamptz not null default now(),
    add column revision    bigint      not null default 1,
    add constraint zones_boundary_valid check (st_isvalid(boundary::geometry));
create index tasks_by_zone on tasks (zone_id) where zone_id is not null;

-- As before, and: a task is delegated to somebody who can do it, and no zone changes while one is looked up.
create or replace function tasks_before_write() returns trigger
language plpgsql as $$
begin
    new.words := to_tsvector('simple', fold(new.code || ' ' || new.title || ' ' || new.description));
    if tg_op = 'INSERT' or new.location is distinct from old.location then
        perform pg_advisory_xact_lock_shared(5, 0);
        new.zone_id := (select z.id from zones z where st_covers(z.boundary, new.location) order by z.id limit 1);
    end if;
    if tg_op = 'INSERT' or new.delegate_user_id <> old.delegate_user_id then
        perform from users u where u.id = new.delegate_user_id and u.active and u.delete_time is null and u.erase_time is null
            for share;
        if not found then
            raise exception 'nobody to delegate to'
                using errcode = 'foreign_key_violation', constraint = 'tasks_delegate_fkey';
        end if;
    end if;
    return new;
end $$;
