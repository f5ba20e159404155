-- Runs that are open are found without those that are over.
drop index run_open;
create index run_open on run (workspace, project, host, seq) where ended_at_ms is null;
create index run_open_seq on run (workspace, project, seq) where ended_at_ms is null;
