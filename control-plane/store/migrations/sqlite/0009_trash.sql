-- Where people put workflows, and what they threw away: it comes back within its time. A workflow without a row here stands
-- at the top, without tags. `drafts` says whether runs of drafts may use the secret.
create table workflow (
    workspace     text not null,
    project       text not null,
    name          text not null,
    folder        text not null,
    tags          text not null,
    deleted_at_ms integer,
    deleted_by    text,
    primary key (workspace, project, name)
) strict, without rowid;
alter table secret add column drafts integer not null default 0;
alter table secret add column deleted_at_ms integer;
alter table secret add column deleted_by text;
