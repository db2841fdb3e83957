-- What people may know of and decide on their own data: consents, shifts, who looked, how long things are kept, and the keys
-- of what is sealed. Numbers of enums are those of the proto.

-- Since when an agent is on duty, or off it; all before is in `shifts`.
alter table agents add column duty_time timestamptz not null default 'epoch';
update agents set duty_time = case when duty = 3 then availability_time else create_time end;

-- Times on duty that are over: a fix may come late, but must have been taken in one of them.
create table shifts (
    agent_id   bigint      not null,
    start_time timestamptz not null,
    end_time   timestamptz not null,
    constraint shifts_pkey primary key (agent_id, start_time),
    constraint shifts_agent_fkey foreign key (agent_id) references agents (id),
    constraint shifts_times check (end_time >= start_time)
);
create index shifts_by_end on shifts (end_time);
insert into shifts (agent_id, start_time, end_time)
select id, create_time, availability_time from agents where duty = 3 and availability_time > create_time;

-- How exactly each level sees where others are: the width of the grid's cells in metres; 0: exactly.
create table location_precisions (
    level          smallint    primary key,
    meters         integer     not null,
    update_time    timestamptz not null,
    update_user_id bigint,
    constraint location_precisions_level check (level between 1 and 3),
    constraint location_precisions_meters check (meters between 0 and 100000)
);
insert into location_precisions (level, meters, update_time) values (1, 0, now()), (2, 0, now()), (3, 0, now());

-- Who looked, with a reason, where somebody is whose place was hidden.
create table location_reveals (
    id          bigint generated always as identity primary key,
    agent_id    bigint      not null,
    -- The person who was looked for, and the one who looked.
    user_id     bigint      not null,
    by_user_id  bigint      not null,
    reason      text        not null,
    fix_time    timestamptz,
    create_time timestamptz not null,
    constraint location_reveals_agent_fkey foreign key (agent_id) references agents (id)
);
create index location_reveals_by_user on location_reveals (user_id);
create index location_reveals_by_looker on location_reveals (by_user_id);

-- What people are asked to agree to. A text that was published stays as it is; a change is another version.
create table consent_texts (
    purpose         smallint    not null,
    version         integer     not null,
    language        text        not null,
    title           text        not null,
    body            text        not null,
    -- SHA-256 of title, a line feed, and body.
    hash            bytea       not null,
    start_time      timestamptz not null,
    create_time     timestamptz not null,
    publish_user_id bigint,
    constraint consent_texts_pkey primary key (purpose, version, language),
    constraint consent_texts_purpose check (purpose between 1 and 2),
    constraint consent_texts_language check (language in ('es', 'en')),
    constraint consent_texts_filled check (title <> '' and body <> '')
);
create function consent_texts_stay() returns trigger
language plpgsql as $$
begin
    raise exception 'consent texts stay as they are' using errcode = 'restrict_violation';
end $$;
create trigger consent_texts_stay before update or delete on consent_texts for each row execute function consent_texts_stay();

-- What people decided, one row a decision; the present one of a purpose is the one that is not replaced.
create table consents (
    id          bigint generated always as identity primary key,
    user_id     bigint      not null,
    purpose     smallint    not null,
    version     integer     not null,
    language    text        not null,
    granted     boolean     not null,
    replaced    boolean     not null default false,
    -- How and from where it was said.
    door        smallint    not null default 0,
    address     inet,
    create_time timestamptz not null,
    constraint consents_user_fkey foreign key (user_id) references users (id),
    constraint consents_text_fkey foreign key (purpose, version, language) references consent_texts (purpose, version, language)
);
create index consents_by_user on consents (user_id, id);
create unique index consents_one_present on consents (user_id, purpose) where not replaced;
create index consents_withdrawn on consents (user_id, purpose) where not replaced and not granted;

insert into consent_texts (purpose, version, language, title, body, hash, start_time, create_time)
select purpose, 1, language, title, body, sha256(convert_to(title || E'\n' || body, 'UTF8')), 'epoch', now()
from (values
    (1, 'es', 'Tratamiento de datos personales',
     'La entidad guarda su nombre, correo, teléfono, número de Telegram, documento de identidad y lo que usted hace en el sistema, para asignar y dejar constancia del trabajo de campo. Puede ver todo lo que se guarda de usted, descargarlo, corregirlo y pedir que se borre. Puede retirar este consentimiento en cualquier momento; lo hecho hasta entonces sigue siendo válido.'),
    (1, 'en', 'Processing of personal data',
     'The authority keeps your name, e-mail, telephone, Telegram number, national id and what you do in this system, to assign field work and to keep a record of it. You may see all that is kept of you, download it, correct it, and ask for its erasure. You may withdraw this consent at any time; what was done before stays valid.'),
    (2, 'es', 'Ubicación durante el servicio',
     'Mientras usted está de servicio, su teléfono envía su ubicación para enviar a quien esté más cerca y proteger a quienes están en la calle. Fuera de servicio no se recibe ni se guarda ninguna ubicación, y nadie ve la última. Si retira este consentimiento, desde ese momento no se aceptan más ubicaciones suyas y se elimina la última conocida; el recorrido anterior se guarda hasta que vence su plazo.'),
    (2, 'en', 'Location while on duty',
     'While you are on duty your telephone sends where you are, so that whoever is nearest can be sent and those in the street are safe. Off duty no place is received or kept, and nobody sees the last one. If you withdraw this consent, from then on no place of yours is taken and the last known one is removed; earlier tracks are kept until their time is over.')
) t (purpose, language, title, body);

-- How long what is kept.
create table retention_policies (
    kind           smallint    primary key,
    keep_seconds   bigint      not null,
    update_time    timestamptz not null,
    update_user_id bigint,
    constraint retention_policies_keep check (keep_seconds > 0)
);
insert into retention_policies (kind, keep_seconds, update_time)
select kind, days * 86400, now()
from (values (1, 90), (2, 90), (3, 1), (4, 30), (5, 30), (6, 30), (7, 1826), (8, 365), (9, 1826)) p (kind, days);

-- Keys under which single values are sealed, and the one of their blind index; themselves sealed with the secret key.
create table data_keys (
    number      integer generated always as identity primary key,
    purpose     smallint    not null,
    sealed      bytea       not null,
    create_time timestamptz not null,
    -- From then on nothing is sealed with it any more, and nothing that was is left.
    retire_time timestamptz,
    constraint data_keys_purpose check (purpose between 1 and 2)
);
create unique index data_keys_one_index on data_keys (purpose) where purpose = 2;
create index users_by_national_id_key on users (national_id_key) where national_id_key is not null;

-- Whom a fact of an agent or a fix is about, so that their facts can be found when they are erased.
alter table outbox add column user_id bigint;
create index outbox_by_user on outbox (user_id);
update outbox set user_id = coalesce(fact->'subject'->'Agent'->>'user', fact->'subject'->'Fix'->>'user')::bigint;

-- Grows when facts are taken out of the middle of the feed: then copies of it are to be forgotten.
alter table feed add column erasures bigint not null default 0;

create index task_history_by_user on task_history (user_id);
create index task_history_words on task_history using gin (to_tsvector('simple', fold(reason))) where reason <> '';

-- What is deleted is few and found when its time is over.
create index tasks_deleted on tasks (delete_time) where delete_time is not null;
create index tasks_by_reopened on tasks (reopened_from) where reopened_from is not null;
create index users_deleted on users (delete_time) where delete_time is not null;
