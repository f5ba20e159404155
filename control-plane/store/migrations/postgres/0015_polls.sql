-- Triggers whose events a connector finds. `place` is the cursor of the next poll as JSON, null for the first. `polls` counts
-- those that were begun, `open_run` is the run of the one whose answer is not handed over yet. `last_*`, `failures` and
-- `problem` tell of the polls before; `paused_by` says who stopped it.
create table poll (
    workspace    text collate "C" not null,
    project      text collate "C" not null,
    workflow     text collate "C" not null,
    trigger      text collate "C" not null,
    fingerprint  text collate "C" not null,
    place        text,
    due_ms       bigint not null,
    polls        bigint not null default 0,
    open_run     text collate "C",
    last_ms      bigint,
    last_run     text collate "C",
    last_events  bigint not null default 0,
    events       bigint not null default 0,
    failures     bigint not null default 0,
    problem_code text collate "C",
    problem      text,
    paused_by    text,
    primary key (workspace, project, workflow, trigger)
);
