-- People: accounts of a workspace, their roles in its projects, and what they carry, of which digests are kept. The name of
-- an account is never given to somebody else: one that was removed keeps its row.
create table account (
    workspace     text collate "C" not null,
    name          text collate "C" not null,
    password      text not null,
    created_at_ms bigint not null,
    removed_at_ms bigint,
    primary key (workspace, name)
);
create table member (
    workspace text collate "C" not null,
    project   text collate "C" not null,
    account   text collate "C" not null,
    roles     text collate "C" not null,
    since_ms  bigint not null,
    primary key (workspace, project, account)
);
create table account_session (
    digest      bytea primary key,
    workspace   text collate "C" not null,
    project     text collate "C" not null,
    account     text collate "C" not null,
    id          text collate "C" not null,
    began_at_ms bigint not null,
    used_at_ms  bigint not null,
    agent       text collate "C" not null
);
create index account_session_of_account on account_session (workspace, account, began_at_ms);
create table api_token (
    digest        bytea primary key,
    workspace     text collate "C" not null,
    project       text collate "C" not null,
    account       text collate "C" not null,
    id            text collate "C" not null,
    name          text collate "C" not null,
    permissions   text collate "C" not null,
    made_at_ms    bigint not null,
    expires_at_ms bigint not null,
    used_at_ms    bigint
);
create index api_token_of_account on api_token (workspace, project, account, made_at_ms);
create table account_link (
    digest        bytea primary key,
    workspace     text collate "C" not null,
    project       text collate "C" not null,
    id            text collate "C" not null,
    kind          text collate "C" not null,
    account       text collate "C",
    roles         text collate "C" not null,
    made_by       text collate "C" not null,
    made_at_ms    bigint not null,
    expires_at_ms bigint not null,
    used_at_ms    bigint
);
create index account_link_of_scope on account_link (workspace, project, made_at_ms);
