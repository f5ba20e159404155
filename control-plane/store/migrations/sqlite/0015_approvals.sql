-- What a question wants besides somebody who may answer, and the answers of people to it in the order in which they came:
-- a question that several must answer has some before it is decided. `answered` is how many they are.
alter table approval add column terms text not null default '{}';
alter table approval add column answers text not null default '[]';
alter table approval add column answered integer not null default 0;
-- The public key with which a person signs answers, for those who write workflows: what counts is the key in the release.
alter table account add column signing_key text;
