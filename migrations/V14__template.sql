-- Templates of tasks, and the occurrences of which tasks were made.

create table task_templates (
    id                   bigint      generated always as identity primary key,
    uid                  uuid        not null,
    display_name         text        not null,
    title                text        not null,
    description          text        not null default '',
    kind                 smallint    not null,
    priority             smallint    not null,
    location             geography(Point, 4326),
    location_description text        not null default '',
    delegate_user_id     bigint,
    creator_user_id      bigint      not null,
    planned_seconds      bigint,
    checklist            text[]      not null default '{}',
    paused               boolean     not null default false,
    rule                 text,
    start_time           timestamptz,
    time_zone            text,
    lead_seconds         bigint,
    missed               smallint,
    -- The next occurrence, and when its task is made.
    next_time            timestamptz,
    due_time             timestamptz,
    create_time          timestamptz not null,
    update_time          timestamptz not null,
    revision             bigint      not null default 1,
    constraint task_templates_uid_key unique (uid),
    constraint task_templates_delegate_fkey foreign key (delegate_user_id) references users (id),
    constraint task_templates_creator_fkey foreign key (creator_user_id) references users (id),
    constraint task_templates_kind check (kind between 1 and 8),
    constraint task_templates_priority check (priority between 1 and 5),
    constraint task_templates_recurrence check (
        num_nulls(rule, start_time, time_zone, lead_seconds, missed) in (0, 5) and (missed between 1 and 3)),
    constraint task_templates_due check (
        (next_time is null) = (due_time is null) and (next_time is null or rule is not null and not paused))
);
create index task_templates_by_due on task_templates (due_time) where due_time is not null;
create index task_templates_by_creator on task_templates (creator_user_id);
create index task_templates_by_delegate on task_templates (delegate_user_id);

-- Of each occurrence one task.
create table template_occurrences (
    template_id     bigint      not null,
    occurrence_time timestamptz not null,
    task_id         bigint,
    create_time     timestamptz not null,
    constraint template_occurrences_pkey primary key (template_id, occurrence_time),
    constraint template_occurrences_template_fkey foreign key (template_id) references task_templates (id) on delete cascade,
    constraint template_occurrences_task_fkey foreign key (task_id) references tasks (id) on delete set null
);
create index template_occurrences_by_task on template_occurrences (task_id) where task_id is not null;
