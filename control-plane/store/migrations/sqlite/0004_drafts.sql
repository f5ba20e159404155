-- What people are writing. `revision` comes from one counter of the whole store, so that it never repeats, not even after a
-- draft was discarded and begun anew; it also says which draft was saved last. `bytes` are those of the texts.
create table draft (
    workspace     text not null,
    project       text not null,
    workflow      text not null,
    revision      integer not null unique,
    source        text not null,
    layout        text not null,
    lock          text,
    base_version  integer,
    bytes         integer not null,
    created_at_ms integer not null,
    saved_at_ms   integer not null,
    saved_by      text not null,
    primary key (workspace, project, workflow)
) strict, without rowid;

create table draft_counter (
    only_one integer primary key check (only_one = 1),
    revision integer not null
) strict;
insert into draft_counter (only_one, revision) values (1, 0);
