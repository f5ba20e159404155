-- Several servers on one database. `duty` says which of them does what only one may do, and until when. Numbers of jobs are
-- taken in blocks of 64. A registration of a host is of use once, at whichever server it comes.
create table duty (
    workspace text collate "C" not null,
    project   text collate "C" not null,
    name      text collate "C" not null,
    holder    text collate "C" not null,
    until_ms  bigint not null,
    primary key (workspace, project, name)
);

create sequence job_block minvalue 0 start 0;
select setval('job_block', (select coalesce(max(cast(value as bigint)), 0) / 64 + 1 from meta where key = 'job_sequence'));

create table used_nonce (
    nonce        text collate "C" primary key,
    issued_at_ms bigint not null
);
create index used_nonce_time on used_nonce (issued_at_ms);
