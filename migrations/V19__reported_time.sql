-- When a step happened by the clock of who took it, offline: told, and never trusted for order.
alter table task_history add column reported_time timestamptz;
