-- Times are milliseconds since 1970 UTC. `seq` columns order rows and are what cursors carry.

create table meta (
    key   text primary key,
    value text not null
) strict;

create table release (
    digest          text primary key,
    workflow        text not null,
    version         integer not null,
    title           text not null,
    envelope        text not null,
    grants_digest   text not null,
    grants          text not null,
    source          text,
    published_at_ms integer not null,
    unique (workflow, version)
) strict;

-- Webhook paths of the newest release of each workflow. A path belongs to one workflow.
create table hook (
    path     text primary key,
    workflow text not null
) strict, without rowid;

create table host (
    id               text primary key,
    name             text not null,
    identity_key     blob not null unique,
    seal_key         blob not null,
    session_hash     blob not null,
    registered_at_ms integer not null,
    last_heard_ms    integer
) strict;

-- Times when a host was not heard.
create table host_gap (
    host    text not null references host (id),
    from_ms integer not null,
    to_ms   integer not null,
    primary key (host, from_ms)
) strict, without rowid;

-- `lost_at_ms` is set while the run's host says that it does not have the run. `trouble` says for people why an order for
-- the run does not take effect. `bytes` are those of the input and of all stored records.
create table run (
    seq           integer primary key,
    id            text not null unique,
    workflow      text not null,
    version       integer not null,
    release       text not null references release (digest),
    state         text not null,
    input         text not null,
    trigger       text not null,
    traceparent   text,
    host          text references host (id),
    epoch         integer not null,
    created_at_ms integer not null,
    ended_at_ms   integer,
    lost_at_ms    integer,
    trouble       text,
    next_seq      integer not null default 0,
    chain         blob,
    outcome       text,
    receipt       text,
    cancel_reason text,
    bytes         integer not null
) strict;
create index run_workflow on run (workflow, seq);
create index run_open on run (host, seq) where ended_at_ms is null;
create index run_not_done on run (seq) where state in ('failed', 'rejected', 'expired', 'cancelled');
create index run_release on run (release);
create index run_ended on run (ended_at_ms, bytes) where ended_at_ms is not null;

-- Names under which callers asked for runs, so that a request that comes again starts nothing.
create table request (
    name  text primary key,
    body  text not null,
    run   text not null,
    at_ms integer not null
) strict, without rowid;
create index request_time on request (at_ms);

-- Records of a run as they came: opaque lines, checked for order and chain before they are stored.
create table batch (
    run       integer not null references run (seq),
    first_seq integer not null,
    count     integer not null,
    epoch     integer not null,
    chain     blob not null,
    lines     blob not null
) strict;
create unique index batch_place on batch (run, first_seq);

-- Signed orders that have not taken effect yet. A start has when the first record of its run is stored or its host has
-- confirmed it; a decision or a cancellation only when a record says so, or the run has ended. `subject` is the approval of
-- a decision. An order that is `received` is durable at its host and
-- not delivered again.
create table job (
    sequence       integer primary key,
    id             text not null unique,
    host           text not null references host (id),
    run            text not null,
    kind           text not null,
    subject        text,
    envelope       text not null,
    expires_at_ms  integer not null,
    issue          integer not null,
    received       integer not null default 0
) strict;
create index job_host on job (host, sequence) where received = 0;
create index job_run on job (run);

-- `open` is 1 until a record says what became of the question: a decision that is stored here may come too late there.
create table approval (
    seq             integer primary key,
    id              text not null unique,
    run             integer not null references run (seq),
    step            text not null,
    title           text not null,
    show            text not null,
    approvers       text not null,
    state           text not null,
    open            integer not null default 1,
    requested_at_ms integer not null,
    expires_at_ms   integer,
    decided_by      text,
    comment         text,
    decided_at_ms   integer
) strict;
create index approval_run on approval (run, seq);
create index approval_state on approval (state, seq);

-- A deleted secret keeps its row without a value, so that its version never comes back.
create table secret (
    name          text primary key,
    kind          text not null,
    destinations  text not null,
    version       integer not null,
    sealed        blob,
    updated_at_ms integer not null
) strict;

create table schedule (
    workflow    text not null,
    trigger     text not null,
    fingerprint text not null,
    next_due_ms integer not null,
    primary key (workflow, trigger)
) strict, without rowid;
