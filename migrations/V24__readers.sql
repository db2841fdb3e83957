-- Whom a rule of notifications means is found by the way it names them, page by page, however many people there are.

drop index users_by_level;
create index users_by_level on users (level, id) where active;
drop index agents_by_unit;
create index agents_by_unit on agents (unit, user_id);
