-- Where runs may be, and which of them may move. `labels` are words as JSON: of a run those that its host must have, null for
-- any host; of a host those that its site says (`labels`) and those that whoever invited it gave it (`given_labels`).
-- `lease_ms` is how long a host may have the run without renewing its lease; null for a run that stays at its host.
-- `lapsed_at_ms` is when the run was found without a lease: from then on another host may take it, until its own is heard.
-- `renewals` counts how often a host renewed its leases.
alter table run add column labels text;
alter table run add column lease_ms integer;
alter table run add column lapsed_at_ms integer;
alter table host add column labels text not null default '[]';
alter table host add column given_labels text not null default '[]';
alter table host add column renewals integer not null default 0;
alter table invitation add column labels text not null default '[]';
create index run_leased on run (host, lease_ms) where lease_ms is not null and ended_at_ms is null;
create index run_lapsed on run (workspace, project, seq) where lapsed_at_ms is not null and ended_at_ms is null;
