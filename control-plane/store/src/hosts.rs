//! Registered hosts, and when they were not heard.

use std::collections::HashMap;

use crate::cells::{Row, params};
use crate::connection::Connection;
use flowforge_core::Scope;
use flowforge_protocol::{Digest, HostId, JobId, RunId};
use serde_json::json;

use crate::sql::{self, signed, unsigned};
use crate::{Store, StoreError};

/// Hosts of a project at most.
pub const MAX_HOSTS: u32 = 2_000;

/// A host that registers; its proof is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHost {
    /// The id it gets if its identity key is new.
    pub id: HostId,
    /// Name for people.
    pub name: String,
    /// Ed25519 public key.
    pub identity_key: [u8; 32],
    /// X25519 public key.
    pub seal_key: [u8; 32],
    /// Digest of the session secret.
    pub session_hash: Digest,
    /// What its site says that it is; see [`flowforge_protocol::labels`].
    pub labels: Vec<String>,
    /// Words that it is given beside those, in the place of those that it was given before; none if they stay.
    pub given_labels: Option<Vec<String>>,
    /// When.
    pub at_ms: u64,
    /// The moment and the name of this registration, by which it is of use once; those before `forget_before_ms` are
    /// forgotten, because they are too old to be taken.
    pub nonce: Option<UsedNonce>,
}

/// What makes a registration one of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedNonce {
    /// Its name.
    pub nonce: String,
    /// When it was made, by its host's clock.
    pub issued_at_ms: u64,
    /// Registrations that were made before are not taken any more.
    pub forget_before_ms: u64,
}

/// A registered host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its id.
    pub id: HostId,
    /// Whose runs it does.
    pub scope: Scope,
    /// Name for people.
    pub name: String,
    /// Ed25519 public key.
    pub identity_key: [u8; 32],
    /// X25519 public key.
    pub seal_key: [u8; 32],
    /// Digest of the session secret.
    pub session_hash: Digest,
    /// When it registered first.
    pub registered_at_ms: u64,
    /// When it was last heard, to within a few seconds.
    pub last_heard_ms: Option<u64>,
    /// The life of its journal, as it said last.
    pub incarnation: Option<String>,
    /// What it is: the words of its site, and those that it was given when it was invited.
    pub labels: Vec<String>,
}

/// What became of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registered {
    /// It is known now, as this.
    Host(Box<Host>),
    /// It is new, and there are [`MAX_HOSTS`] already.
    TooMany,
    /// Its identity key is that of a host of another project.
    Elsewhere,
    /// The same registration came before.
    Replayed,
}

/// What was lost with a host's journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LostWithJournal {
    /// The runs.
    pub runs: Vec<RunId>,
    /// Starts that were taken back.
    pub orders: Vec<JobId>,
}

fn from_row(row: &Row<'_>) -> Result<Host, StoreError> {
    let key = |column: usize| -> Result<[u8; 32], StoreError> {
        let bytes: Vec<u8> = row.get(column)?;
        bytes
            .try_into()
            .map_err(|_| StoreError::unreadable("host key", "not 32 bytes"))
    };
    let words = |column: usize| -> Result<Vec<String>, StoreError> {
        let text: String = row.get(column)?;
        serde_json::from_str(&text).map_err(|error| StoreError::unreadable("labels", error))
    };
    let (of_site, given) = (words(10)?, words(11)?);
    let labels = of_site.iter().chain(&given).map(String::as_str);
    Ok(Host {
        labels: flowforge_protocol::labels::words(None, labels),
        id: sql::parsed(row, 0, "host id")?,
        scope: sql::scope(row, 8)?,
        name: row.get(1)?,
        identity_key: key(2)?,
        seal_key: key(3)?,
        session_hash: sql::digest(&row.get::<Vec<u8>>(4)?)?,
        registered_at_ms: unsigned(row.get(5)?),
        last_heard_ms: row.get::<Option<i64>>(6)?.map(unsigned),
        incarnation: row.get(7)?,
    })
}

/// Registers a host, as [`Store::register_host`] says.
pub(crate) fn register(
    transaction: &Connection,
    scope: &Scope,
    host: &NewHost,
) -> Result<Registered, StoreError> {
    let is_full = sql::first(
        transaction,
        "select not exists (select 1 from host where identity_key = ?1) \
         and (select count(*) from host where workspace = ?3 and project = ?4) >= ?2",
        params![host.identity_key, MAX_HOSTS, scope.workspace(), scope.project()],
        |row| row.get::<bool>(0),
    )?;
    if is_full == Some(true) {
        return Ok(Registered::TooMany);
    }
    let registered = sql::all(
        transaction,
        "insert into host (id, name, identity_key, seal_key, session_hash, registered_at_ms, last_heard_ms, \
         workspace, project, labels, given_labels) values (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8, ?9, coalesce(cast(?10 as text), '[]')) on conflict (identity_key) do update set name = excluded.name, \
         seal_key = excluded.seal_key, session_hash = excluded.session_hash, \
         last_heard_ms = excluded.last_heard_ms, labels = excluded.labels, \
         given_labels = coalesce(cast(?10 as text), host.given_labels) \
         where host.workspace = excluded.workspace and host.project = excluded.project \
         returning id, name, identity_key, seal_key, session_hash, registered_at_ms, last_heard_ms, incarnation, \
         workspace, project, labels, given_labels",
        params![
            host.id.as_str(),
            host.name,
            host.identity_key,
            host.seal_key,
            host.session_hash.as_bytes(),
            signed(host.at_ms),
            scope.workspace(),
            scope.project(),
            json!(host.labels).to_string(),
            host.given_labels.as_ref().map(|given| json!(given).to_string())
        ],
        from_row,
    )?;
    Ok(registered
        .into_iter()
        .next()
        .map_or(Registered::Elsewhere, |host| Registered::Host(Box::new(host))))
}

/// False if it was used before.
fn use_up(connection: &Connection, used: &UsedNonce) -> Result<bool, StoreError> {
    let oldest = signed(used.forget_before_ms);
    sql::run(
        connection,
        "delete from used_nonce where issued_at_ms < ?1",
        [oldest],
    )?;
    let is_new = sql::run(
        connection,
        "insert into used_nonce (nonce, issued_at_ms) values (?1, ?2) on conflict do nothing",
        params![used.nonce, signed(used.issued_at_ms)],
    )?;
    Ok(is_new == 1)
}

const COLUMNS: &str = "select id, name, identity_key, seal_key, session_hash, registered_at_ms, last_heard_ms, incarnation, \
     workspace, project, labels, given_labels from host";

impl Store {
    /// Whether a host's statement comes for the first time; from now on it does not.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn use_nonce(&self, scope: &Scope, used: UsedNonce) -> Result<bool, StoreError> {
        self.alone(scope, None, move |transaction, _| use_up(transaction, &used))
            .await
    }

    /// Registers a host. The same identity key keeps its id; name, seal key and session become the new ones.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn register_host(&self, scope: &Scope, host: NewHost) -> Result<Registered, StoreError> {
        let took = |registered: &Registered| matches!(registered, Registered::Host(_));
        self.change(scope, None, took, move |transaction, scope| {
            if let Some(used) = &host.nonce
                && !use_up(transaction, used)?
            {
                return Ok(Registered::Replayed);
            }
            register(transaction, scope, &host)
        })
        .await
    }

    /// Every host, by name.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn hosts(&self, scope: &Scope) -> Result<Vec<Host>, StoreError> {
        self.read(scope, |connection, scope| {
            sql::all(
                connection,
                &format!("{COLUMNS} where workspace = ?2 and project = ?3 order by name, id limit ?1"),
                params![MAX_HOSTS, scope.workspace(), scope.project()],
                from_row,
            )
        })
        .await
    }

    /// One host.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn host(&self, scope: &Scope, id: &HostId) -> Result<Option<Host>, StoreError> {
        let id = id.clone();
        self.read(scope, move |connection, scope| {
            sql::first(
                connection,
                &format!("{COLUMNS} where id = ?1 and workspace = ?2 and project = ?3"),
                [id.as_str(), scope.workspace(), scope.project()],
                from_row,
            )
        })
        .await
    }

    /// The host whose session has this digest.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn host_of_session(
        &self,
        scope: &Scope,
        session_hash: Digest,
    ) -> Result<Option<Host>, StoreError> {
        self.read(scope, move |connection, scope| {
            sql::first(
                connection,
                &format!("{COLUMNS} where session_hash = ?1 and workspace = ?2 and project = ?3"),
                params![session_hash.as_bytes(), scope.workspace(), scope.project()],
                from_row,
            )
        })
        .await
    }

    /// Notes the life of a host's journal. If it is another one than before, the host has lost what only that journal held:
    /// its runs are lost from now on, until a record of them comes. A run whose start waits here undelivered is not one of
    /// them; those in `delivered` are, although nobody has confirmed them: the old journal may have begun them, so their
    /// starts are taken back. Without `delivered` nobody knows which were delivered, and any may have been.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn note_journal(
        &self,
        scope: &Scope,
        host: HostId,
        incarnation: String,
        delivered: Option<Vec<RunId>>,
        at_ms: u64,
    ) -> Result<LostWithJournal, StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            let before = sql::first(
                transaction,
                "select incarnation from host where id = ?1 and workspace = ?2 and project = ?3",
                [host.as_str(), scope.workspace(), scope.project()],
                |row| row.get::<Option<String>>(0),
            )?;
            sql::run(
                transaction,
                "update host set incarnation = ?2 where id = ?1 and workspace = ?3 and project = ?4",
                [host.as_str(), &incarnation, scope.workspace(), scope.project()],
            )?;
            let is_another = before.flatten().is_some_and(|before| before != incarnation);
            if !is_another {
                return Ok(LostWithJournal::default());
            }
            let orders = sql::all(
                transaction,
                "delete from job where host = ?1 and kind in ('start', 'resume') \
                 and (?5 = 1 or run in (select value from json_each(?2))) and received = 0 \
                 and workspace = ?3 and project = ?4 returning id",
                params![
                    host.as_str(),
                    json!(delivered.as_deref().unwrap_or_default()).to_string(),
                    scope.workspace(),
                    scope.project(),
                    delivered.is_none()
                ],
                |row| sql::parsed(row, 0, "job id"),
            )?;
            let runs = sql::all(
                transaction,
                "update run set lost_at_ms = ?2 where host = ?1 and ended_at_ms is null and lost_at_ms is null \
                 and workspace = ?3 and project = ?4 and not exists (select 1 from job where job.run = run.id and job.kind in ('start', 'resume') \
                 and job.received = 0) returning id",
                params![host.as_str(), signed(at_ms), scope.workspace(), scope.project()],
                |row| sql::parsed(row, 0, "run id"),
            )?;
            Ok(LostWithJournal { runs, orders })
        })
        .await
    }

    /// How many runs of each host are not over.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn open_runs(&self, scope: &Scope) -> Result<HashMap<HostId, u64>, StoreError> {
        self.read(scope, |connection, scope| {
            let counts = sql::all(
                connection,
                "select host, count(*) from run where ended_at_ms is null and host is not null \
                 and workspace = ?1 and project = ?2 group by host",
                [scope.workspace(), scope.project()],
                |row| Ok((sql::parsed(row, 0, "host id")?, unsigned(row.get(1)?))),
            )?;
            Ok(counts.into_iter().collect())
        })
        .await
    }

    /// Times between `from_ms` and `to_ms` when a host was not heard, oldest first, at most 1,000.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn host_gaps(
        &self,
        scope: &Scope,
        host: &HostId,
        from_ms: u64,
        to_ms: u64,
    ) -> Result<Vec<(u64, u64)>, StoreError> {
        let host = host.clone();
        self.read(scope, move |connection, scope| {
            sql::all(
                connection,
                "select from_ms, to_ms from host_gap where to_ms >= ?2 and from_ms <= ?3 \
                 and host = (select id from host where id = ?1 and workspace = ?4 and project = ?5) order by from_ms limit 1000",
                params![
                    host.as_str(),
                    signed(from_ms),
                    signed(to_ms),
                    scope.workspace(),
                    scope.project()
                ],
                |row| Ok((unsigned(row.get(0)?), unsigned(row.get(1)?))),
            )
        })
        .await
    }
}
