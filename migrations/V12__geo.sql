-- Geofences, who is inside them, what happened at them; and how places are shown where they are counted.

create table geofences (
    id                  bigint      generated always as identity primary key,
    -- None: the fence was taken away, and then the zone.
    zone_id             bigint,
    display_name        text        not null,
    on_enter            boolean     not null,
    on_exit             boolean     not null,
    dwell_seconds       bigint,
    everybody           boolean     not null,
    units               text[]      not null default '{}',
    margin_meters       double precision not null,
    max_accuracy_meters double precision not null,
    confirmation_count  smallint    not null,
    create_time         timestamptz not null,
    update_time         timestamptz not null,
    delete_time         timestamptz,
    revision            bigint      not null default 1,
    constraint geofences_zone_fkey foreign key (zone_id) references zones (id) on delete set null,
    constraint geofences_zone check (zone_id is not null or delete_time is not null),
    constraint geofences_named check (display_name <> ''),
    constraint geofences_tells check (on_enter or on_exit or dwell_seconds > 0)
);
create index geofences_by_zone on geofences (zone_id);
create index geofences_living on geofences (id) where delete_time is null;

-- Agents that a fence looks at by name.
create table geofence_agents (
    geofence_id bigint not null,
    agent_id    bigint not null,
    constraint geofence_agents_pkey primary key (geofence_id, agent_id),
    constraint geofence_agents_geofence_fkey foreign key (geofence_id) references geofences (id) on delete cascade,
    constraint geofence_agents_agent_fkey foreign key (agent_id) references agents (id)
);
create index geofence_agents_by_agent on geofence_agents (agent_id);

-- Where agents are to fences. Who has no row is outside: whoever was near when the fence was drawn has one, which says that
-- nobody knows where they are to it.
create table geofence_places (
    geofence_id bigint      not null,
    agent_id    bigint      not null,
    -- 0: not known; 1: outside, but fixes in a row say otherwise; 2: inside.
    side        smallint    not null,
    -- Fixes in a row that say otherwise, and the time of the first.
    contrary    smallint    not null,
    turn_time   timestamptz,
    -- Since when it is inside, and whether it was told that it stays.
    since_time  timestamptz,
    dwelt       boolean     not null,
    constraint geofence_places_pkey primary key (agent_id, geofence_id),
    constraint geofence_places_geofence_fkey foreign key (geofence_id) references geofences (id) on delete cascade,
    constraint geofence_places_side check (side between 0 and 2)
);
create index geofence_places_by_geofence on geofence_places (geofence_id);

create table geofence_events (
    id          bigint      generated always as identity primary key,
    geofence_id bigint      not null,
    agent_id    bigint      not null,
    kind        smallint    not null,
    fix_time    timestamptz not null,
    location    geography(Point, 4326) not null,
    create_time timestamptz not null,
    constraint geofence_events_geofence_fkey foreign key (geofence_id) references geofences (id),
    constraint geofence_events_agent_fkey foreign key (agent_id) references agents (id),
    constraint geofence_events_kind check (kind between 1 and 3)
);
create index geofence_events_by_geofence on geofence_events (geofence_id, id);
create index geofence_events_by_agent on geofence_events (agent_id, id);
create index geofence_events_by_time on geofence_events (create_time);

-- The middle of the cell that holds a place, in a grid of cells at least this many metres wide and high; 0: the place itself.
-- The same as `Point::blurred` in `src/domain/geo.rs`.
create function blurred(place geometry, meters double precision) returns geometry
language plpgsql immutable parallel safe strict as $$
declare
    height double precision := meters / (6371008.8 * pi() / 180);
    width  double precision;
    north  double precision;
begin
    if meters = 0 then
        return place;
    end if;
    north := least(greatest((floor(st_y(place) / height) + 0.5) * height, -90), 90);
    width := 360 / greatest(floor(360 * greatest(cos(radians(north)), 0) / height), 1);
    return st_setsrid(st_makepoint(least(greatest((floor(st_x(place) / width) + 0.5) * width, -180), 180), north), 4326);
end $$;
