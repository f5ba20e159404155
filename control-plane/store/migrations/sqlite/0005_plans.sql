-- Runs that are open are found without those that are over.
drop index run_open;
create index run_open on run (workspace, project, host, seq) where ended_at_ms is null;
create index run_open_seq on run (workspace, project, seq) where ended_at_ms is null;

-- What a grown file looks like, so that every file has the plans of a grown one from its first day on: without these rows
-- SQLite believes that a scope narrows a search as much as an id does, and walks all runs of a project to find one. Each row
-- says how many rows an index has, and how many share the first column, the first two, and so on. Nothing else here runs
-- `analyze`; a migration that makes one of these tables or indexes anew says its numbers again.
analyze sqlite_schema;
delete from sqlite_stat1;
insert into sqlite_stat1 (tbl, idx, stat) values
    ('run', 'sqlite_autoindex_run_1', '1000000 1'),
    ('run', 'run_scope', '1000000 1000000 1000000 1'),
    ('run', 'run_workflow', '1000000 1000000 1000000 50000 1'),
    ('run', 'run_release', '1000000 20000'),
    ('run', 'run_closed', '1000000 1000000 1000000 10 1'),
    ('run', 'run_not_done', '50000 50000 50000 1'),
    ('run', 'run_open', '1000 1000 1000 100 1'),
    ('run', 'run_open_seq', '1000 1000 1000 1'),
    ('run', 'run_parent', '10000 10 1'),
    ('run', 'run_predecessor', '10000 1'),
    ('run', 'run_owed', '10 10 10 1'),
    ('run', 'run_to_stop', '10 10 10 1'),
    ('batch', 'batch_place', '2000000 2 1'),
    ('job', 'sqlite_autoindex_job_1', '1000 1'),
    ('job', 'job_host', '1000 100 1'),
    ('job', 'job_run', '1000 2'),
    ('wait', 'wait', '1000 2 1'),
    ('wait', 'wait_signal', '100 10 1'),
    ('ordered_child', 'ordered_child', '10 1'),
    ('ordered_child', 'ordered_child_parent', '10 2');
analyze sqlite_schema;
