-- Emergencies, what happened to each, and the plan by which more and more people are called.

create table emergencies (
    id               bigint      generated always as identity primary key,
    uid              uuid        not null,
    task_id          bigint      not null,
    reporter_user_id bigint,
    source           smallint    not null,
    location         geography(Point, 4326),
    description      text        not null default '',
    state            smallint    not null,
    stage            smallint    not null,
    called           integer     not null default 0,
    repeats          integer     not null default 0,
    due_time         timestamptz,
    outcome          smallint,
    create_time      timestamptz not null,
    update_time      timestamptz not null,
    revision         bigint      not null default 1,
    constraint emergencies_uid_key unique (uid),
    constraint emergencies_task_key unique (task_id),
    constraint emergencies_task_fkey foreign key (task_id) references tasks (id),
    constraint emergencies_reporter_fkey foreign key (reporter_user_id) references users (id),
    constraint emergencies_state check (state between 1 and 5),
    constraint emergencies_stage check (stage between 1 and 3),
    -- One that nobody has answered is looked at again, whatever happens.
    constraint emergencies_due check (
        case when state < 3 then due_time is not null and outcome is null
             when state < 5 then outcome is null
             else due_time is null and outcome is not null end)
);
create index emergencies_by_due on emergencies (due_time) where due_time is not null;
create index emergencies_open on emergencies (id) where state < 5;
create index emergencies_by_reporter on emergencies (reporter_user_id, create_time);

create table emergency_steps (
    id           bigint      generated always as identity primary key,
    emergency_id bigint      not null,
    kind         smallint    not null,
    user_id      bigint,
    agent_id     bigint,
    stage        smallint    not null,
    note         text        not null default '',
    create_time  timestamptz not null,
    constraint emergency_steps_emergency_fkey foreign key (emergency_id) references emergencies (id) on delete cascade,
    constraint emergency_steps_kind check (kind between 1 and 8)
);
create index emergency_steps_by_emergency on emergency_steps (emergency_id, id);

create table escalation_plan (
    one                 boolean     primary key default true check (one),
    acknowledge_seconds integer     not null default 30,
    agent_count         integer     not null default 2,
    supervisor_seconds  integer     not null default 60,
    retry_seconds       integer     not null default 15,
    crew_count          integer     not null default 3,
    repeat_seconds      integer     not null default 300,
    update_time         timestamptz not null default now(),
    revision            bigint      not null default 1,
    constraint escalation_plan_positive check (
        acknowledge_seconds > 0 and agent_count > 0 and supervisor_seconds > 0 and retry_seconds > 0 and crew_count > 0
        and repeat_seconds >= 0)
);
insert into escalation_plan default values;
