-- Of who stays in a geofence it is told by time, without a fix; and who was first seen at its edge can come.

alter table geofence_places
    -- When it is to be told that it stays; none: it was, or need not be, or the next fix says it.
    add column due_time timestamptz,
    -- It was first seen at the edge: how far inside it can have been then, and the fixes in a row that are surely farther inside.
    add column reach_meters double precision,
    add column deeper smallint not null default 0,
    add constraint geofence_places_due check (due_time is null or side = 2 and not dwelt);
create index geofence_places_by_due on geofence_places (due_time) where due_time is not null;

update geofence_places p set due_time = p.since_time + make_interval(secs => g.dwell_seconds)
from geofences g where g.id = p.geofence_id and p.side = 2 and not p.dwelt and p.contrary = 0 and g.dwell_seconds is not null;
