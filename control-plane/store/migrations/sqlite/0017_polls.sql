-- Triggers whose events a connector finds. `place` is the cursor of the next poll as JSON, null for the first. `polls` counts
-- those that were begun, `open_run` is the run of the one whose answer is not handed over yet. `last_*`, `failures` and
-- `problem` tell of the polls before; `paused_by` says who stopped it.
create table poll (
    workspace    text not null,
    project      text not null,
    workflow     text not null,
    trigger      text not null,
    fingerprint  text not null,
    place        text,
    due_ms       integer not null,
    polls        integer not null default 0,
    open_run     text,
    last_ms      integer,
    last_run     text,
    last_events  integer not null default 0,
    events       integer not null default 0,
    failures     integer not null default 0,
    problem_code text,
    problem      text,
    paused_by    text,
    primary key (workspace, project, workflow, trigger)
) strict, without rowid;
