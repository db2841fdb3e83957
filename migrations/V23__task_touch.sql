-- What a change of a task costs that changes nothing of its words and of what is counted.

-- As before, and: words are made anew only where the text they come from changes.
create or replace function tasks_before_write() returns trigger
language plpgsql as $$
begin
    if tg_op = 'INSERT' or (new.code, new.title, new.description) is distinct from (old.code, old.title, old.description) then
        new.words := to_tsvector('simple', fold(new.code || ' ' || new.title || ' ' || new.description));
    end if;
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

-- As before, but only where what the facts follow is changed.
drop trigger tasks_tell_facts on tasks;
create trigger tasks_tell_facts after insert on tasks for each row execute function tasks_tell_facts();
create trigger tasks_change_facts after update on tasks for each row
    when ((old.kind, old.priority, old.zone_id, old.delegate_user_id, old.state, old.delete_time is null, old.planned_start_time,
           old.planned_end_time, old.actual_start_time, old.actual_end_time, old.paused_ms)
          is distinct from
          (new.kind, new.priority, new.zone_id, new.delegate_user_id, new.state, new.delete_time is null, new.planned_start_time,
           new.planned_end_time, new.actual_start_time, new.actual_end_time, new.paused_ms))
    execute function tasks_tell_facts();
