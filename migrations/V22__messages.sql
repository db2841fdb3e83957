-- Words to a group of people, sent to each as a delivery. Unlike what rules ask for, what they say is kept: there is no thing to
-- write it of when it is sent.
create table messages (
    id          bigint      generated always as identity primary key,
    uid         uuid        not null,
    user_id     bigint      not null,
    audience    smallint    not null,
    urgency     smallint    not null,
    text        text        not null,
    create_time timestamptz not null,
    expire_time timestamptz not null,
    constraint messages_uid_key unique (uid),
    constraint messages_user_fkey foreign key (user_id) references users (id),
    constraint messages_audience check (audience between 1 and 4),
    constraint messages_urgency check (urgency between 1 and 4)
);
create index messages_by_user on messages (user_id);
create index messages_by_time on messages (create_time);

alter table deliveries
    add column message_id bigint,
    add constraint deliveries_message_fkey foreign key (message_id) references messages (id) on delete cascade;
create index deliveries_by_message on deliveries (message_id) where message_id is not null;
