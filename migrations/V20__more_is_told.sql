-- Rules may name what happens at geofences, and check-ins. A check-in is its task and its agent together; it has no column of its own.

alter table notifications add column geofence_event_id bigint;
alter table deliveries add column geofence_event_id bigint;

-- Nobody has heard of an agent at work: it is told itself, and those who direct. That an emergency was raised for it, its own rule tells.
insert into notification_rules (display_name, event_types, audience_told, levels, channels, update_time)
values ('Falta la señal de vida', '{52}', true, '{2,3}', '{1,2}', now());
