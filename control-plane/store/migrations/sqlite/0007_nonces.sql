-- A registration of a host is of use once, after a restart too.
create table used_nonce (
    nonce        text primary key,
    issued_at_ms integer not null
) without rowid;
create index used_nonce_time on used_nonce (issued_at_ms);
