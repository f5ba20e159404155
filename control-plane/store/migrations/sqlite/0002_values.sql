-- Large values of records, once however many records of however many runs hold them, by the SHA-256 of their bytes.
-- `received` is how many of the `bytes` are here, in pieces that follow each other; a value is `whole` when all are and
-- their digest fits. `used` is 1 while a run holds it; one that none does goes after a while.
create table value (
    seq        integer primary key,
    digest     blob not null unique,
    bytes      integer not null,
    received   integer not null,
    whole      integer not null,
    used       integer not null,
    touched_ms integer not null
) strict;
create index value_unused on value (touched_ms, received) where used = 0;

create table value_piece (
    value   integer not null references value (seq) on delete cascade,
    from_at integer not null,
    bytes   blob not null
) strict;
create unique index value_piece_place on value_piece (value, from_at);

-- Which runs hold which values.
create table value_use (
    run   integer not null references run (seq),
    value integer not null references value (seq),
    primary key (run, value)
) strict, without rowid;
create index value_use_value on value_use (value);

-- Bytes of the large values that the records of a run hold, each as often as it is held.
alter table run add column held_bytes integer not null default 0;
