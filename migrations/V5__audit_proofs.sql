-- An erased row of the audit proves itself: by a keyed hash over its own hash and the place of the row that tells of it.
alter table audit add column erase_hash bytea;

create or replace function audit_stays() returns trigger
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
        old.erase_hash := new.erase_hash;
        if to_jsonb(old) = to_jsonb(new) then
            return new;
        end if;
    end if;
    raise exception 'audit rows stay as they are' using errcode = 'restrict_violation';
end $$;

-- The audit is kept by a policy as everything else is: six years.
insert into retention_policies (kind, keep_seconds, update_time) values (10, 2190 * 86400, now());
