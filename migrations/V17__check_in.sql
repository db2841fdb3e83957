-- Check-ins: on a running task each agent shows again and again that all is well. A policy per kind of task says how often.
-- Nothing is asked for until somebody says so.

create table check_in_policies (
    kind             smallint    primary key,
    interval_seconds integer     not null default 0,
    grace_seconds    integer     not null default 300,
    sos              boolean     not null default true,
    update_time      timestamptz not null default now(),
    revision         bigint      not null default 1,
    constraint check_in_policies_kind check (kind between 1 and 8),
    constraint check_in_policies_positive check (interval_seconds >= 0 and grace_seconds > 0)
);
insert into check_in_policies (kind) select generate_series(1, 8);

create table check_ins (
    id           bigint      generated always as identity primary key,
    task_id      bigint      not null,
    agent_id     bigint      not null,
    state        smallint    not null default 1,
    due_time     timestamptz,
    check_time   timestamptz,
    emergency_id bigint,
    create_time  timestamptz not null,
    update_time  timestamptz not null,
    revision     bigint      not null default 1,
    constraint check_ins_task_agent_key unique (task_id, agent_id),
    constraint check_ins_task_fkey foreign key (task_id) references tasks (id) on delete cascade,
    constraint check_ins_agent_fkey foreign key (agent_id) references agents (id) on delete cascade,
    constraint check_ins_emergency_fkey foreign key (emergency_id) references emergencies (id) on delete set null,
    constraint check_ins_state check (state between 1 and 3),
    -- After the emergency was raised nothing more is due.
    constraint check_ins_due check (state < 3 or due_time is null)
);
create index check_ins_by_due on check_ins (due_time) where due_time is not null;
create index check_ins_by_agent on check_ins (agent_id);

-- Whoever is on a task that runs has a timer, and nobody else: whatever changes a task or who is on it writes the task's row.
create function follow_check_ins() returns trigger
language plpgsql as $$
begin
    delete from check_ins c
    where c.task_id = new.id
      and (new.state <> 2 or new.delete_time is not null
           or not exists (select from assignments s where s.task_id = c.task_id and s.agent_id = c.agent_id));
    if new.state = 2 and new.delete_time is null then
        insert into check_ins (task_id, agent_id, due_time, create_time, update_time)
        select new.id, s.agent_id,
               case when p.interval_seconds > 0 then new.update_time + make_interval(secs => p.interval_seconds) end,
               new.update_time, new.update_time
        from assignments s join check_in_policies p on p.kind = new.kind
        where s.task_id = new.id
        on conflict on constraint check_ins_task_agent_key do nothing;
    end if;
    return null;
end $$;
create trigger tasks_check_ins after update on tasks
    for each row when (old.state = 2 or new.state = 2) execute function follow_check_ins();

insert into check_ins (task_id, agent_id, create_time, update_time)
select s.task_id, s.agent_id, now(), now() from assignments s join tasks t on t.id = s.task_id
where t.state = 2 and t.delete_time is null;
