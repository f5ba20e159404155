-- Who did what, written in the transaction of the change. Words are those of the program that wrote them.
create table audit (
    seq         bigint generated always as identity primary key,
    workspace   text collate "C" not null,
    project     text collate "C" not null,
    at_ms       bigint not null,
    actor_kind  text collate "C" not null,
    actor       text collate "C" not null,
    shown_by    text not null,
    action      text collate "C" not null,
    object_kind text collate "C" not null,
    object      text collate "C" not null,
    outcome     text collate "C" not null,
    detail      text,
    request     text not null
);
create index audit_of_scope on audit (workspace, project, seq);
create index audit_of_object on audit (workspace, project, object, seq);
