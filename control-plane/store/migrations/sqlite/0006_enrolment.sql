-- Invitations of hosts. Only the digest of an invitation's secret is kept. `link_key` and `host` are of the machine that used
-- it; `spent_at_ms` is set when another machine tried to use it after that: from then on it is good for nobody.
create table invitation (
    secret_hash   blob primary key,
    workspace     text not null,
    project       text not null,
    name          text not null,
    created_by    text not null,
    created_at_ms integer not null,
    expires_at_ms integer not null,
    claimed_at_ms integer,
    link_key      blob,
    host          text references host (id),
    spent_at_ms   integer
) strict, without rowid;
create index invitation_scope on invitation (workspace, project, expires_at_ms);

-- Certificates of hosts, by their digest. `generation` counts up with each one that a host gets.
create table host_certificate (
    digest        blob primary key,
    workspace     text not null,
    project       text not null,
    host          text not null references host (id),
    generation    integer not null,
    link_key      blob not null,
    certificate   blob not null,
    issued_at_ms  integer not null,
    expires_at_ms integer not null,
    first_used_ms integer,
    unique (host, generation)
) strict, without rowid;

-- What was decided about a host; one without a row is active.
create table host_standing (
    host          text primary key references host (id),
    workspace     text not null,
    project       text not null,
    standing      text not null,
    reason        text not null,
    since_ms      integer not null
) strict, without rowid;
