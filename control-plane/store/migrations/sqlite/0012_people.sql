-- People: accounts of a workspace, their roles in its projects, and what they carry, of which digests are kept. The name of
-- an account is never given to somebody else: one that was removed keeps its row.
create table account (
    workspace     text not null,
    name          text not null,
    password      text not null,
    created_at_ms integer not null,
    removed_at_ms integer,
    primary key (workspace, name)
) strict, without rowid;
create table member (
    workspace text not null,
    project   text not null,
    account   text not null,
    roles     text not null,
    since_ms  integer not null,
    primary key (workspace, project, account)
) strict, without rowid;
create table account_session (
    digest      blob primary key,
    workspace   text not null,
    project     text not null,
    account     text not null,
    id          text not null,
    began_at_ms integer not null,
    used_at_ms  integer not null,
    agent       text not null
) strict, without rowid;
create index account_session_of_account on account_session (workspace, account, began_at_ms);
create table api_token (
    digest        blob primary key,
    workspace     text not null,
    project       text not null,
    account       text not null,
    id            text not null,
    name          text not null,
    permissions   text not null,
    made_at_ms    integer not null,
    expires_at_ms integer not null,
    used_at_ms    integer
) strict, without rowid;
create index api_token_of_account on api_token (workspace, project, account, made_at_ms);
create table account_link (
    digest        blob primary key,
    workspace     text not null,
    project       text not null,
    id            text not null,
    kind          text not null,
    account       text,
    roles         text not null,
    made_by       text not null,
    made_at_ms    integer not null,
    expires_at_ms integer not null,
    used_at_ms    integer
) strict, without rowid;
create index account_link_of_scope on account_link (workspace, project, made_at_ms);
