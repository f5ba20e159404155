-- What goes out: webhook endpoints that people name, and the events that are sent to them. A row of `event_delivery` is written in
-- the transaction of what it tells; `event` is the name that the receiver knows the event by. `due_ms` is when it is tried next,
-- and while somebody tries it, from when on another may. Of the words that stand in a row its body is made.
create table endpoint (
    workspace          text not null,
    project            text not null,
    name               text not null,
    url                text not null,
    -- The kinds of events that it is told, each between spaces.
    kinds              text not null,
    workflow           text,
    secret             blob not null,
    secret_version     integer not null,
    old_secret         blob,
    old_secret_version integer,
    old_until_ms       integer,
    made_by            text not null,
    made_at_ms         integer not null,
    failures           integer not null default 0,
    failing_since_ms   integer,
    disabled_at_ms     integer,
    disabled_why       text,
    primary key (workspace, project, name)
) strict, without rowid;
create table event_delivery (
    seq         integer primary key,
    workspace   text not null,
    project     text not null,
    endpoint    text not null,
    event       text not null,
    kind        text not null,
    at_ms       integer not null,
    state       text not null default 'pending',
    due_ms      integer not null,
    attempts    integer not null default 0,
    last_at_ms  integer,
    last_status integer,
    last_answer text,
    asked_by    text,
    workflow    text,
    version     integer,
    subject     text,
    run         text,
    ended_as    text,
    title       text,
    until_ms    integer,
    detail      text,
    unique (workspace, project, endpoint, event)
) strict;
create index event_delivery_of_scope on event_delivery (workspace, project, seq);
create index event_delivery_due on event_delivery (workspace, project, due_ms) where state = 'pending';
create index event_delivery_of_run on event_delivery (run) where run is not null;
-- What a run starts when it ends: `{"done": {…}, "failed": {…}}`, as its release says.
alter table run add column on_end text;
-- Workflows that are to be started because a run ended, and what became of it.
create table follow_up (
    run       text not null primary key,
    workspace text not null,
    project   text not null,
    workflow  text not null,
    started   text,
    refused   text
) strict, without rowid;
create index follow_up_open on follow_up (workspace, project, run) where started is null and refused is null;
