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

-- Releases of other workflows that the nodes of a release run.
create table pinned (
    parent text not null references release (digest) on delete cascade,
    child  text not null references release (digest),
    primary key (parent, child)
) strict, without rowid;
create index pinned_child on pinned (child);

-- Webhook paths of the newest release of each workflow. A path belongs to one workflow.
create table hook (
    path     text primary key,
    workflow text not null
) strict, without rowid;

-- `incarnation` is the life of the host's journal, as it was said last.
create table host (
    id               text primary key,
    name             text not null,
    identity_key     blob not null unique,
    seal_key         blob not null,
    session_hash     blob not null,
    registered_at_ms integer not null,
    last_heard_ms    integer,
    incarnation      text
) strict;

-- Times when a host was not heard.
create table host_gap (
    host    text not null references host (id),
    from_ms integer not null,
    to_ms   integer not null,
    primary key (host, from_ms)
) strict, without rowid;

-- `lost_at_ms` is set while the run's host says that it does not have the run. `trouble` says for people why an order for
-- the run does not take effect. `bytes` are those of the input and of all stored records. `ended_at_ms` is by the clock of
-- the host, `closed_at_ms` by this one: what is kept for how long goes by the second. `lineage` and `options` are what the
-- order says besides release, input and trigger, as JSON. `parent_told` is 0 while the run's end is owed to its parent.
-- `stop_wanted` says why the run is to be cancelled although nobody has asked for it here.
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
    closed_at_ms  integer,
    lost_at_ms    integer,
    trouble       text,
    next_seq      integer not null default 0,
    chain         blob,
    outcome       text,
    outcome_digest blob,
    response      text,
    receipt       text,
    cancel_reason text,
    paused_by     text,
    stop_wanted   text,
    lineage       text,
    options       text,
    parent        text,
    parent_step   text,
    parent_told   integer not null,
    predecessor   text,
    bytes         integer not null
) strict;
create index run_workflow on run (workflow, seq);
create index run_open on run (host, seq) where ended_at_ms is null;
create index run_not_done on run (seq) where state in ('failed', 'rejected', 'expired', 'cancelled');
create index run_release on run (release);
create index run_closed on run (closed_at_ms, bytes) where closed_at_ms is not null;
create index run_parent on run (parent, seq) where parent is not null;
create index run_predecessor on run (predecessor) where predecessor is not null;
create index run_owed on run (seq) where parent_told = 0 and ended_at_ms is not null;
create index run_to_stop on run (seq) where stop_wanted is not null and ended_at_ms is null;

-- What runs that are not over wait for, besides questions to people and the time of another attempt.
create table wait (
    run         integer not null references run (seq),
    step        text not null,
    kind        text not null,
    name        text,
    correlation text,
    child       text,
    reason      text,
    since_ms    integer not null,
    due_ms      integer,
    primary key (run, step)
) strict, without rowid;
create index wait_signal on wait (name, run) where kind = 'signal';

-- Runs that a parent has ordered and that are not stored yet. `input` is null if its bytes are not here.
create table ordered_child (
    id      text primary key,
    parent  integer not null references run (seq),
    step    text not null,
    release text not null,
    grants  text not null,
    input   text
) strict, without rowid;
create index ordered_child_parent on ordered_child (parent);

-- Signals on their way to the run that they name, or to the next runs of a workflow that wait for them.
create table signal (
    seq         integer primary key,
    id          text not null unique,
    run         text,
    workflow    text not null,
    name        text not null,
    correlation text,
    sender      text not null,
    at_ms       integer not null,
    bytes       integer not null,
    payload     text not null
) strict;
create index signal_run on signal (run) where run is not null;
create index signal_name on signal (name, workflow) where run is null;

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
-- confirmed it; any other only when a record says so, or the run has ended. `subject` is what the order is about: the
-- approval of a decision, the message of a signal, the child that ended, the step that was looked at. An order that is
-- `received` is durable at its host and not delivered again.
create table job (
    sequence       integer primary key,
    id             text not null unique,
    host           text not null references host (id),
    run            text not null,
    kind           text not null,
    subject        text,
    document       text not null,
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

-- Who may answer what is put to a group.
create table approver_group (
    name    text primary key,
    members text not null
) strict, without rowid;

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
