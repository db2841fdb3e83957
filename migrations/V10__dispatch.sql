-- Who is sent to tasks of a kind. The system, which sends without being asked, is nobody in a task's history.

create table dispatch_policies (
    kind            smallint         primary key,
    radius_meters   double precision not null default 0,
    fix_age_seconds bigint           not null default 900,
    agent_count     integer          not null default 1,
    exclusive       boolean          not null default true,
    units           text[]           not null default '{}',
    specialties     text[]           not null default '{}',
    ranks           text[]           not null default '{}',
    strict          boolean          not null default false,
    mismatch_meters double precision not null default 0,
    task_meters     double precision not null default 0,
    rest_seconds    bigint           not null default 0,
    update_time     timestamptz      not null default now(),
    revision        bigint           not null default 1,
    constraint dispatch_policies_kind check (kind between 1 and 8),
    constraint dispatch_policies_count check (agent_count between 1 and 50),
    constraint dispatch_policies_positive check (
        radius_meters >= 0 and fix_age_seconds > 0 and mismatch_meters >= 0 and task_meters >= 0 and rest_seconds >= 0)
);
insert into dispatch_policies (kind) select generate_series(1, 8);

alter table task_history alter column user_id drop not null;
