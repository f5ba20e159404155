-- What came to webhooks and what became of it. A body is kept for the newest of each path only, so that a person can have it
-- done once more; it is base64 text.
create table delivery (
    seq        integer primary key,
    workspace  text not null,
    project    text not null,
    id         text not null unique,
    at_ms      integer not null,
    path       text not null,
    workflow   text not null,
    trigger    text not null,
    scheme     text not null,
    media_type text,
    bytes      integer not null,
    outcome    text not null,
    code       text,
    run        text,
    signal     text,
    replay_of  text,
    asked_by   text,
    body       text
) strict;
create index delivery_of_scope on delivery (workspace, project, seq);
create index delivery_of_path on delivery (workspace, project, path, seq);
create index delivery_of_run on delivery (run) where body is not null;
create index delivery_with_body on delivery (workspace, project, seq) where body is not null;
-- Of a schedule: what it started last, and which times wait until that is over.
alter table schedule add column last_due_ms integer;
alter table schedule add column last_run text;
alter table schedule add column waiting text not null default '[]';
alter table schedule add column skipped integer not null default 0;
