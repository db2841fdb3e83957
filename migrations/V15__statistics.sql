-- Statistics: what counts of each task, what changes of it as rows that nobody waits for, and their sums.
-- Numbers of enums are those of the proto; measures are those of domain/statistics.rs.

-- One row a task, written with the task, by whoever has its lock.
create table task_facts (
    task_id            bigint      primary key,
    kind               smallint    not null,
    priority           smallint    not null,
    zone_id            bigint,
    user_id            bigint      not null,
    state              smallint    not null,
    deleted            boolean     not null,
    create_time        timestamptz not null,
    planned_start_time timestamptz not null,
    planned_end_time   timestamptz,
    start_time         timestamptz,
    end_time           timestamptz,
    paused_ms          bigint      not null,
    -- The first agent was put on it.
    assign_time        timestamptz,
    -- Its emergency was reported, and somebody said that they take care of it.
    report_time        timestamptz,
    acknowledge_time   timestamptz,
    constraint task_facts_task_fkey foreign key (task_id) references tasks (id) on delete cascade
);

-- Sums by day: of tasks by whom they are delegated to (subject 1), and by the agents on them (subject 2). A measure is a count
-- by state or minute, or lengths of time by class; `n` says how many, `ms` how long together.
create table statistic_sums (
    subject  smallint not null,
    measure  smallint not null,
    day      date     not null,
    kind     smallint not null,
    priority smallint not null,
    zone_id  bigint   not null,
    owner_id bigint   not null,
    bucket   smallint not null,
    n        bigint   not null,
    ms       bigint   not null,
    constraint statistic_sums_pkey primary key (subject, measure, day, kind, priority, zone_id, owner_id, bucket)
);
create index statistic_sums_by_owner on statistic_sums (subject, owner_id);
create index statistic_sums_open on statistic_sums (subject, zone_id) where measure = 1 and bucket <= 3 or measure = 2;
create index statistic_sums_empty on statistic_sums (n) where n = 0 and ms = 0;

-- What is still to be added to the sums. Writers only append, so that none waits for another.
create table statistic_deltas (
    id       bigint   generated always as identity primary key,
    subject  smallint not null,
    measure  smallint not null,
    day      date     not null,
    kind     smallint not null,
    priority smallint not null,
    zone_id  bigint   not null,
    owner_id bigint   not null,
    bucket   smallint not null,
    n        bigint   not null,
    ms       bigint   not null
);

-- Milliseconds from one time to another, never negative.
create function span_ms(since timestamptz, until timestamptz) returns bigint
language sql immutable parallel safe
return greatest(floor(extract(epoch from (until - since)) * 1000), 0)::bigint;

-- Class of a length of time: sixteen to the octave. In whole decimals, so that every machine finds the same.
create function span_class(ms bigint) returns smallint
language sql immutable parallel safe
return case when ms < 1 then 0 else 1 + floor(16 * log(2.0, ms::numeric)) end::smallint;

create function utc_day(at timestamptz) returns date
language sql immutable parallel safe
return (at at time zone 'UTC')::date;

-- What a task adds to the sums; nothing if it is deleted, or none.
create function task_sums(f task_facts)
returns table (kind smallint, priority smallint, zone_id bigint, user_id bigint, measure smallint, day date, bucket smallint, ms bigint)
language plpgsql immutable parallel safe rows 8 as $$
#variable_conflict use_column
begin
    return query select f.kind, f.priority, coalesce(f.zone_id, 0), f.user_id, m.measure, m.day, m.bucket, m.ms
    from (
        select 1::smallint, utc_day(f.create_time), f.state, 0::bigint
        union all
        select 2::smallint, utc_day(f.planned_end_time),
               (extract(hour from f.planned_end_time at time zone 'UTC') * 60
                + extract(minute from f.planned_end_time at time zone 'UTC'))::smallint, 0::bigint
        where f.state <= 3 and f.planned_end_time is not null
        union all
        select l.measure, utc_day(l.at), span_class(l.ms), l.ms
        from (values
            (3::smallint, f.end_time, greatest(span_ms(f.start_time, f.end_time) - f.paused_ms, 0), f.state = 4),
            (4::smallint, f.end_time, span_ms(f.planned_start_time, f.planned_end_time), f.state = 4 and f.planned_end_time is not null),
            (5::smallint, f.assign_time, span_ms(f.create_time, f.assign_time), f.assign_time is not null),
            (6::smallint, f.acknowledge_time, span_ms(f.report_time, f.acknowledge_time), f.acknowledge_time is not null),
            (7::smallint, f.start_time, span_ms(f.create_time, f.start_time), f.start_time is not null),
            (8::smallint, f.end_time, span_ms(f.create_time, f.end_time), f.state = 4),
            (9::smallint, f.end_time, 0::bigint, f.state = 4 and f.end_time > f.planned_end_time)
        ) l (measure, at, ms, counts)
        where l.counts
    ) m (measure, day, bucket, ms)
    where not f.deleted;
end $$;

insert into task_facts (task_id, kind, priority, zone_id, user_id, state, deleted, create_time, planned_start_time, planned_end_time,
                        start_time, end_time, paused_ms, assign_time, report_time, acknowledge_time)
select t.id, t.kind, t.priority, t.zone_id, t.delegate_user_id, t.state, t.delete_time is not null, t.create_time,
       t.planned_start_time, t.planned_end_time, t.actual_start_time, t.actual_end_time, t.paused_ms,
       least((select min(h.create_time) from task_history h where h.task_id = t.id and h.action = 7),
             (select min(a.create_time) from assignments a where a.task_id = t.id)),
       case when k.at is not null then e.create_time end, k.at
from tasks t
left join emergencies e on e.task_id = t.id
left join lateral (select min(s.create_time) as at from emergency_steps s where s.emergency_id = e.id and s.kind in (6, 7)) k on true;

insert into statistic_sums (subject, measure, day, kind, priority, zone_id, owner_id, bucket, n, ms)
select 1, s.measure, s.day, s.kind, s.priority, s.zone_id, s.user_id, s.bucket, count(*), sum(s.ms)
from task_facts f cross join lateral task_sums(f) s group by 2, 3, 4, 5, 6, 7, 8
union all
select 2, s.measure, s.day, s.kind, s.priority, s.zone_id, a.agent_id, s.bucket, count(*), sum(s.ms)
from task_facts f join assignments a on a.task_id = f.task_id cross join lateral task_sums(f) s group by 2, 3, 4, 5, 6, 7, 8;

-- The facts of a task follow it.
create function tasks_tell_facts() returns trigger
language plpgsql as $$
begin
    insert into task_facts as f (task_id, kind, priority, zone_id, user_id, state, deleted, create_time, planned_start_time,
                                 planned_end_time, start_time, end_time, paused_ms)
    values (new.id, new.kind, new.priority, new.zone_id, new.delegate_user_id, new.state, new.delete_time is not null,
            new.create_time, new.planned_start_time, new.planned_end_time, new.actual_start_time, new.actual_end_time, new.paused_ms)
    on conflict (task_id) do update
    set kind = excluded.kind, priority = excluded.priority, zone_id = excluded.zone_id, user_id = excluded.user_id,
        state = excluded.state, deleted = excluded.deleted, planned_start_time = excluded.planned_start_time,
        planned_end_time = excluded.planned_end_time, start_time = excluded.start_time, end_time = excluded.end_time,
        paused_ms = excluded.paused_ms
    where (f.kind, f.priority, f.zone_id, f.user_id, f.state, f.deleted, f.planned_start_time, f.planned_end_time, f.start_time,
           f.end_time, f.paused_ms)
          is distinct from
          (excluded.kind, excluded.priority, excluded.zone_id, excluded.user_id, excluded.state, excluded.deleted,
           excluded.planned_start_time, excluded.planned_end_time, excluded.start_time, excluded.end_time, excluded.paused_ms);
    return null;
end $$;
create trigger tasks_tell_facts after insert or update on tasks for each row execute function tasks_tell_facts();

-- What changes of the facts changes the sums, of the task and of the agents on it.
create function task_facts_tell_sums() returns trigger
language plpgsql as $$
begin
    insert into statistic_deltas (subject, measure, day, kind, priority, zone_id, owner_id, bucket, n, ms)
    with change as (
        select s.*, -1 as sign from task_sums(old) s
        union all
        select s.*, 1 from task_sums(new) s
    ), owned as (
        select 1::smallint as subject, c.user_id as owner, c.* from change c
        union all
        select 2::smallint, a.agent_id, c.*
        from change c cross join assignments a where a.task_id = coalesce(new.task_id, old.task_id)
    )
    select o.subject, o.measure, o.day, o.kind, o.priority, o.zone_id, o.owner, o.bucket, sum(o.sign), sum(o.sign * o.ms)
    from owned o
    group by o.subject, o.measure, o.day, o.kind, o.priority, o.zone_id, o.owner, o.bucket
    having sum(o.sign) <> 0 or sum(o.sign * o.ms) <> 0;
    return null;
end $$;
create trigger task_facts_tell_sums after insert or update or delete on task_facts
    for each row execute function task_facts_tell_sums();

-- Who is put on a task takes its sums, and who is taken off gives them back.
create function assignments_tell_sums() returns trigger
language plpgsql as $$
declare
    sign integer := case tg_op when 'INSERT' then 1 else -1 end;
begin
    insert into statistic_deltas (subject, measure, day, kind, priority, zone_id, owner_id, bucket, n, ms)
    select 2, s.measure, s.day, s.kind, s.priority, s.zone_id, coalesce(new.agent_id, old.agent_id), s.bucket, sign, sign * s.ms
    from task_facts f cross join lateral task_sums(f) s where f.task_id = coalesce(new.task_id, old.task_id);
    if tg_op = 'INSERT' then
        update task_facts set assign_time = new.create_time where task_id = new.task_id and assign_time is null;
    end if;
    return null;
end $$;
create trigger assignments_tell_sums after insert or delete on assignments
    for each row execute function assignments_tell_sums();

-- Somebody takes care of an emergency.
create function emergency_steps_tell_facts() returns trigger
language plpgsql as $$
begin
    update task_facts f set acknowledge_time = new.create_time, report_time = e.create_time
    from emergencies e
    where e.id = new.emergency_id and f.task_id = e.task_id and f.acknowledge_time is null;
    return null;
end $$;
create trigger emergency_steps_tell_facts after insert on emergency_steps
    for each row when (new.kind in (6, 7)) execute function emergency_steps_tell_facts();
