-- Whose everything is: a project of a workspace. Rows from before there were scopes belong to the one in
-- `temp.older_scope`. Names are unique inside a project; ids are unique everywhere. What belongs to a run, a value or a host
-- by its number belongs to their scope.

create table release_new (
    seq             integer primary key,
    workspace       text not null,
    project         text not null,
    digest          text not null unique,
    workflow        text not null,
    version         integer not null,
    title           text not null,
    envelope        text not null,
    grants_digest   text not null,
    grants          text not null,
    source          text,
    published_at_ms integer not null,
    unique (workspace, project, workflow, version)
) strict;
insert into release_new select release.rowid, older_scope.workspace, older_scope.project, release.* from release, older_scope;
drop table release;
alter table release_new rename to release;

create table hook_new (
    workspace text not null,
    project   text not null,
    path      text not null,
    workflow  text not null,
    primary key (workspace, project, path)
) strict, without rowid;
insert into hook_new select older_scope.*, hook.* from hook, older_scope;
drop table hook;
alter table hook_new rename to hook;

create table request_new (
    workspace text not null,
    project   text not null,
    name      text not null,
    body      text not null,
    run       text not null,
    at_ms     integer not null,
    primary key (workspace, project, name)
) strict, without rowid;
insert into request_new select older_scope.*, request.* from request, older_scope;
drop table request;
alter table request_new rename to request;
create index request_time on request (workspace, project, at_ms);

create table approver_group_new (
    workspace text not null,
    project   text not null,
    name      text not null,
    members   text not null,
    primary key (workspace, project, name)
) strict, without rowid;
insert into approver_group_new select older_scope.*, approver_group.* from approver_group, older_scope;
drop table approver_group;
alter table approver_group_new rename to approver_group;

create table secret_new (
    workspace     text not null,
    project       text not null,
    name          text not null,
    kind          text not null,
    destinations  text not null,
    version       integer not null,
    sealed        blob,
    updated_at_ms integer not null,
    primary key (workspace, project, name)
) strict;
insert into secret_new select older_scope.*, secret.* from secret, older_scope;
drop table secret;
alter table secret_new rename to secret;

create table schedule_new (
    workspace   text not null,
    project     text not null,
    workflow    text not null,
    trigger     text not null,
    fingerprint text not null,
    next_due_ms integer not null,
    primary key (workspace, project, workflow, trigger)
) strict, without rowid;
insert into schedule_new select older_scope.*, schedule.* from schedule, older_scope;
drop table schedule;
alter table schedule_new rename to schedule;

create table value_new (
    seq        integer primary key,
    workspace  text not null,
    project    text not null,
    digest     blob not null,
    bytes      integer not null,
    received   integer not null,
    whole      integer not null,
    used       integer not null,
    touched_ms integer not null,
    unique (workspace, project, digest)
) strict;
insert into value_new select value.seq, older_scope.workspace, older_scope.project, value.digest, value.bytes,
    value.received, value.whole, value.used, value.touched_ms from value, older_scope;
drop table value;
alter table value_new rename to value;
create index value_unused on value (workspace, project, touched_ms, received) where used = 0;

alter table host add column workspace text not null default '';
alter table host add column project text not null default '';
update host set workspace = older_scope.workspace, project = older_scope.project from older_scope;

alter table run add column workspace text not null default '';
alter table run add column project text not null default '';
update run set workspace = older_scope.workspace, project = older_scope.project from older_scope;
drop index run_workflow;
drop index run_not_done;
drop index run_closed;
drop index run_owed;
drop index run_to_stop;
create index run_scope on run (workspace, project, seq);
create index run_workflow on run (workspace, project, workflow, seq);
create index run_not_done on run (workspace, project, seq) where state in ('failed', 'rejected', 'expired', 'cancelled');
create index run_closed on run (workspace, project, closed_at_ms, bytes) where closed_at_ms is not null;
create index run_owed on run (workspace, project, seq) where parent_told = 0 and ended_at_ms is not null;
create index run_to_stop on run (workspace, project, seq) where stop_wanted is not null and ended_at_ms is null;

alter table signal add column workspace text not null default '';
alter table signal add column project text not null default '';
update signal set workspace = older_scope.workspace, project = older_scope.project from older_scope;
drop index signal_name;
create index signal_scope on signal (workspace, project, seq);

alter table job add column workspace text not null default '';
alter table job add column project text not null default '';
update job set workspace = older_scope.workspace, project = older_scope.project from older_scope;

alter table approval add column workspace text not null default '';
alter table approval add column project text not null default '';
update approval set workspace = older_scope.workspace, project = older_scope.project from older_scope;
drop index approval_state;
create index approval_scope on approval (workspace, project, seq);
create index approval_state on approval (workspace, project, state, seq);
