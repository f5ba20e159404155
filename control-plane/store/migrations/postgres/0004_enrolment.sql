-- Invitations of hosts. Only the digest of an invitation's secret is kept. `link_key` and `host` are of the machine that used
-- it; `spent_at_ms` is set when another machine tried to use it after that: from then on it is good for nobody.
create table invitation (
    secret_hash   bytea primary key,
    workspace     text collate "C" not null,
    project       text collate "C" not null,
    name          text collate "C" not null,
    created_by    text collate "C" not null,
    created_at_ms bigint not null,
    expires_at_ms bigint not null,
    claimed_at_ms bigint,
    link_key      bytea,
    host          text collate "C" references host (id),
    spent_at_ms   bigint
);
create index invitation_scope on invitation (workspace, project, expires_at_ms);

-- Certificates of hosts, by their digest. `generation` counts up with each one that a host gets.
create table host_certificate (
    digest        bytea primary key,
    workspace     text collate "C" not null,
    project       text collate "C" not null,
    host          text collate "C" not null references host (id),
    generation    bigint not null,
    link_key      bytea not null,
    certificate   bytea not null,
    issued_at_ms  bigint not null,
    expires_at_ms bigint not null,
    first_used_ms bigint,
    unique (host, generation)
);

-- What was decided about a host; one without a row is active.
create table host_standing (
    host          text collate "C" primary key references host (id),
    workspace     text collate "C" not null,
    project       text collate "C" not null,
    standing      text collate "C" not null,
    reason        text collate "C" not null,
    since_ms      bigint not null
);
