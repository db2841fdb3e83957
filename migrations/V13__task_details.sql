-- What a task has beside itself: comments, files, a checklist, and the tasks that it waits for.

create table comments (
    id          bigint      generated always as identity primary key,
    task_id     bigint      not null,
    user_id     bigint      not null,
    kind        smallint    not null,
    text        text        not null default '',
    create_time timestamptz not null,
    update_time timestamptz not null,
    revision    bigint      not null default 1,
    constraint comments_task_fkey foreign key (task_id) references tasks (id) on delete cascade,
    constraint comments_user_fkey foreign key (user_id) references users (id),
    constraint comments_kind check (kind between 1 and 2)
);
create index comments_by_task on comments (task_id, id);
create index comments_by_user on comments (user_id);

-- Files in the store of files, of which the database knows before they are there and until they are gone.
create table blobs (
    uid         uuid        primary key,
    create_time timestamptz not null,
    -- When it may go, because nothing has it; null while something has it.
    due_time    timestamptz
);
create index blobs_by_due on blobs (due_time) where due_time is not null;

create table attachments (
    id           bigint      generated always as identity primary key,
    uid          uuid        not null,
    task_id      bigint      not null,
    user_id      bigint      not null,
    kind         smallint    not null,
    file_name    text        not null,
    content_type text        not null,
    size_bytes   bigint      not null,
    sha256       bytea       not null,
    note         text        not null default '',
    create_time  timestamptz not null,
    constraint attachments_uid_key unique (uid),
    constraint attachments_blob_fkey foreign key (uid) references blobs (uid),
    constraint attachments_task_fkey foreign key (task_id) references tasks (id) on delete cascade,
    constraint attachments_user_fkey foreign key (user_id) references users (id),
    constraint attachments_kind check (kind between 1 and 3),
    constraint attachments_file check (size_bytes > 0 and length(sha256) = 32)
);
create index attachments_by_task on attachments (task_id, id);
create index attachments_by_user on attachments (user_id);

-- However an attachment goes, its file goes after it.
create function attachments_release() returns trigger
language plpgsql as $$
begin
    update blobs set due_time = '-infinity' where uid = old.uid;
    return old;
end $$;
create trigger attachments_release after delete on attachments
    for each row execute function attachments_release();

-- What finishing a task of a kind takes; at first nothing.
create table proof_policies (
    kind            smallint    primary key,
    photo_count     integer     not null default 0,
    signature_count integer     not null default 0,
    whole_checklist boolean     not null default false,
    update_time     timestamptz not null default now(),
    revision        bigint      not null default 1,
    constraint proof_policies_kind check (kind between 1 and 8),
    constraint proof_policies_counts check (photo_count between 0 and 20 and signature_count between 0 and 20)
);
insert into proof_policies (kind) select generate_series(1, 8);

create table checklist_items (
    id           bigint      generated always as identity primary key,
    task_id      bigint      not null,
    title        text        not null,
    done_time    timestamptz,
    done_user_id bigint,
    create_time  timestamptz not null,
    revision     bigint      not null default 1,
    constraint checklist_items_task_fkey foreign key (task_id) references tasks (id) on delete cascade,
    constraint checklist_items_user_fkey foreign key (done_user_id) references users (id),
    constraint checklist_items_done check ((done_time is null) = (done_user_id is null))
);
create index checklist_items_by_task on checklist_items (task_id, id);
create index checklist_items_by_user on checklist_items (done_user_id) where done_user_id is not null;

create table task_dependencies (
    task_id            bigint      not null,
    depends_on_task_id bigint      not null,
    user_id            bigint      not null,
    create_time        timestamptz not null,
    constraint task_dependencies_pkey primary key (task_id, depends_on_task_id),
    constraint task_dependencies_task_fkey foreign key (task_id) references tasks (id) on delete cascade,
    constraint task_dependencies_other_fkey foreign key (depends_on_task_id) references tasks (id) on delete cascade,
    constraint task_dependencies_user_fkey foreign key (user_id) references users (id),
    constraint task_dependencies_other check (task_id <> depends_on_task_id)
);
create index task_dependencies_by_other on task_dependencies (depends_on_task_id);
create index task_dependencies_by_user on task_dependencies (user_id);
