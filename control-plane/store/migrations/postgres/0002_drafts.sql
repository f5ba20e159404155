-- What people are writing. `revision` comes from one counter of the whole store, so that it never repeats, not even after a
-- draft was discarded and begun anew; it also says which draft was saved last. `bytes` are those of the texts.
create table draft (
    workspace     text not null,
    project       text not null,
    workflow      text not null,
    revision      bigint not null unique,
    source        text not null,
    layout        text not null,
    lock          text,
    base_version  bigint,
    bytes         bigint not null,
    created_at_ms bigint not null,
    saved_at_ms   bigint not null,
    saved_by      text not null,
    primary key (workspace, project, workflow)
);

create table draft_counter (
    only_one bigint primary key check (only_one = 1),
    revision bigint not null
);
insert into draft_counter (only_one, revision) values (1, 0);
