-- Where people put workflows, and what they threw away: it comes back within its time. A workflow without a row here stands
-- at the top, without tags. `drafts` says whether runs of drafts may use the secret.
create table workflow (
    workspace     text collate "C" not null,
    project       text collate "C" not null,
    name          text collate "C" not null,
    folder        text collate "C" not null,
    tags          text not null,
    deleted_at_ms bigint,
    deleted_by    text,
    primary key (workspace, project, name)
);
alter table secret add column drafts bigint not null default 0;
alter table secret add column deleted_at_ms bigint;
alter table secret add column deleted_by text;
