-- When the values of a run were erased on purpose, and who asked. Null while they are here.
alter table run add column erased_at_ms integer;
alter table run add column erased_by text;
