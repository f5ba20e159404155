-- Who did what, written in the transaction of the change. Words are those of the program that wrote them.
create table audit (
    seq         integer primary key,
    workspace   text not null,
    project     text not null,
    at_ms       integer not null,
    actor_kind  text not null,
    actor       text not null,
    shown_by    text not null,
    action      text not null,
    object_kind text not null,
    object      text not null,
    outcome     text not null,
    detail      text,
    request     text not null
) strict;
create index audit_of_scope on audit (workspace, project, seq);
create index audit_of_object on audit (workspace, project, object, seq);
