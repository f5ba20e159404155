-- What connectors may have in a project, in words such as `http https://a.example`: what the first version that was used here
-- asked for, and what people granted to later ones. A connector that asks for nothing has a row without a word.
create table connector_grant (
    workspace     text not null,
    project       text not null,
    connector     text not null,
    capability    text not null,
    granted_by    text not null,
    granted_at_ms integer not null,
    primary key (workspace, project, connector, capability)
) strict, without rowid;
