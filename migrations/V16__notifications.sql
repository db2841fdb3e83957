-- Notifications: rules, webhooks, the bell, and messages on their way. Numbers of enums are those of the proto.
-- What a message says is not kept: it is written when it is sent.

create table notification_rules (
    id            bigint      generated always as identity primary key,
    display_name  text        not null,
    disabled      boolean     not null default false,
    event_types   smallint[]  not null,
    kinds         smallint[]  not null default '{}',
    min_priority  smallint    not null default 0,
    audience_told boolean     not null default false,
    user_ids      bigint[]    not null default '{}',
    levels        smallint[]  not null default '{}',
    units         text[]      not null default '{}',
    channels      smallint[]  not null default '{}',
    webhook_ids   bigint[]    not null default '{}',
    update_time   timestamptz not null,
    revision      bigint      not null default 1,
    constraint notification_rules_filled check (display_name <> '' and cardinality(event_types) > 0)
);
-- Emergencies: raised, and whatever happens to them. Tasks: put on one, and its steps.
insert into notification_rules (display_name, event_types, audience_told, levels, channels, update_time)
values ('Emergencias', '{16}', true, '{2,3}', '{1,2}', now()),
       ('Pasos de emergencias', '{17}', true, '{}', '{1}', now()),
       ('Asignaciones', '{4}', true, '{}', '{1,2}', now());

create table webhooks (
    id              bigint      generated always as identity primary key,
    uid             uuid        not null,
    display_name    text        not null,
    url             text        not null,
    disabled        boolean     not null default false,
    owner_user_id   bigint      not null,
    -- The secret, and the one before it for as long as calls are signed by it too. Sealed.
    sealed          bytea       not null,
    former_sealed   bytea,
    former_end_time timestamptz,
    create_time     timestamptz not null,
    update_time     timestamptz not null,
    revision        bigint      not null default 1,
    constraint webhooks_uid_key unique (uid),
    constraint webhooks_owner_fkey foreign key (owner_user_id) references users (id),
    constraint webhooks_filled check (display_name <> '' and url <> ''),
    constraint webhooks_former check ((former_sealed is null) = (former_end_time is null))
);
create index webhooks_by_owner on webhooks (owner_user_id);

-- How far the facts of the feed were looked at. Whoever has its lock looks; it moves with what was queued.
create table notification_reader (
    one   boolean primary key default true check (one),
    epoch bigint  not null,
    xid   bigint  not null,
    seq   bigint  not null
);

-- What people were told by the bell. One of a fact and person, however many rules ask for it.
create table notifications (
    id            bigint      generated always as identity primary key,
    user_id       bigint      not null,
    event_type    smallint    not null,
    event_time    timestamptz not null,
    actor_user_id bigint,
    task_id       bigint,
    agent_id      bigint,
    emergency_id  bigint,
    epoch         bigint      not null,
    xid           bigint      not null,
    seq           bigint      not null,
    read_time     timestamptz,
    create_time   timestamptz not null,
    constraint notifications_once unique (user_id, xid, seq, epoch),
    constraint notifications_user_fkey foreign key (user_id) references users (id)
);
create index notifications_by_user on notifications (user_id, id);
create index notifications_unread on notifications (user_id, id) where read_time is null;
create index notifications_by_task on notifications (task_id) where task_id is not null;
create index notifications_by_time on notifications (create_time);

-- Messages to people and webhooks. One of a fact, channel and reader, however many rules ask for it.
create table deliveries (
    id            bigint      generated always as identity primary key,
    uid           uuid        not null,
    channel       smallint    not null,
    user_id       bigint,
    webhook_id    bigint,
    rule_id       bigint,
    event_type    smallint    not null,
    event_time    timestamptz not null,
    actor_user_id bigint,
    task_id       bigint,
    agent_id      bigint,
    emergency_id  bigint,
    epoch         bigint      not null,
    xid           bigint      not null,
    seq           bigint      not null,
    state         smallint    not null default 1,
    attempts      integer     not null default 0,
    next_time     timestamptz,
    expire_time   timestamptz not null,
    failure       text        not null default '',
    http_status   integer     not null default 0,
    create_time   timestamptz not null,
    end_time      timestamptz,
    constraint deliveries_uid_key unique (uid),
    constraint deliveries_user_fkey foreign key (user_id) references users (id),
    constraint deliveries_webhook_fkey foreign key (webhook_id) references webhooks (id) on delete cascade,
    constraint deliveries_rule_fkey foreign key (rule_id) references notification_rules (id) on delete set null,
    constraint deliveries_channel check (channel between 2 and 4 and (channel = 4) = (webhook_id is not null)),
    constraint deliveries_reader check (num_nonnulls(user_id, webhook_id) = 1),
    -- One that waits has its turn; one that is over has none.
    constraint deliveries_state check (
        case state when 1 then next_time is not null and end_time is null
                   when 2 then next_time is null and end_time is not null
                   when 3 then next_time is null and end_time is not null
                   when 4 then next_time is null and end_time is not null
                   else false end)
);
create unique index deliveries_once on deliveries (xid, seq, epoch, channel, coalesce(user_id, 0), coalesce(webhook_id, 0));
create index deliveries_waiting on deliveries (channel, coalesce(webhook_id, 0), next_time) where state = 1;
create index deliveries_over on deliveries (end_time) where state <> 1;
create index deliveries_dead on deliveries (id) where state = 3;
create index deliveries_by_user on deliveries (user_id) where user_id is not null;
create index deliveries_by_webhook on deliveries (webhook_id) where webhook_id is not null;
create index deliveries_by_task on deliveries (task_id) where task_id is not null;
create index deliveries_by_rule on deliveries (rule_id) where rule_id is not null;

-- Channels, and of webhooks each by itself, that failed in a row: the others do not wait for them.
create table circuits (
    channel     smallint    not null,
    target      bigint      not null,
    failures    integer     not null,
    resume_time timestamptz,
    constraint circuits_pkey primary key (channel, target)
);
