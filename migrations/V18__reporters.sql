-- For whom an emergency is reported, where that is no user: a keyed hash, which tells one's repeats from another's report.

alter table emergencies add column reporter_mark text not null default '';
