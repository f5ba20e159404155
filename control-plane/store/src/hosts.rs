//! Registered hosts.

use flowforge_protocol::{Digest, HostId};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::ingest::digest_of;
use crate::jobs::{signed, unsigned};
use crate::{Store, StoreError};

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
    /// When.
    pub at_ms: u64,
}

/// A registered host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its id.
    pub id: HostId,
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
}

fn from_row(row: &SqliteRow) -> Result<Host, StoreError> {
    let id: String = row.try_get(0)?;
    let key = |column: usize| -> Result<[u8; 32], StoreError> {
        let bytes: Vec<u8> = row.try_get(column)?;
        bytes
            .try_into()
            .map_err(|_| StoreError::unreadable("host key", "not 32 bytes"))
    };
    Ok(Host {
        id: id.parse().map_err(|e| StoreError::unreadable("host id", e))?,
        name: row.try_get(1)?,
        identity_key: key(2)?,
        seal_key: key(3)?,
        session_hash: digest_of(row.try_get(4)?)?,
        registered_at_ms: unsigned(row.try_get(5)?),
        last_heard_ms: row.try_get::<Option<i64>, _>(6)?.map(unsigned),
    })
}

impl Store {
    /// Registers a host. The same identity key keeps its id; name, seal key and session become the new ones.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn register_host(&self, host: NewHost) -> Result<Host, StoreError> {
        self.alone(None, move |transaction| {
            Box::pin(async move {
                let row = sqlx::query(
                    "insert into host (id, name, identity_key, seal_key, session_hash, registered_at_ms, last_heard_ms) \
                     values (?1, ?2, ?3, ?4, ?5, ?6, ?6) on conflict (identity_key) do update set name = excluded.name, \
                     seal_key = excluded.seal_key, session_hash = excluded.session_hash, \
                     last_heard_ms = excluded.last_heard_ms \
                     returning id, name, identity_key, seal_key, session_hash, registered_at_ms, last_heard_ms",
                )
                .bind(host.id.as_str())
                .bind(&host.name)
                .bind(host.identity_key.as_slice())
                .bind(host.seal_key.as_slice())
                .bind(host.session_hash.as_bytes().as_slice())
                .bind(signed(host.at_ms))
                .fetch_one(&mut *transaction)
                .await?;
                from_row(&row)
            })
        })
        .await
    }

    /// Every host, by name; at most 2,000.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn hosts(&self) -> Result<Vec<Host>, StoreError> {
        let rows = sqlx::query(
            "select id, name, identity_key, seal_key, session_hash, registered_at_ms, last_heard_ms \
             from host order by name, id limit 2000",
        )
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(from_row).collect()
    }

    /// How many runs of each host are not over.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn open_runs(&self) -> Result<Vec<(HostId, u64)>, StoreError> {
        let rows = sqlx::query(
            "select host, count(*) from run where ended_at_ms is null and host is not null group by host",
        )
        .fetch_all(&self.readers)
        .await?;
        rows.iter()
            .map(|row| {
                let id: String = row.try_get(0)?;
                let id = id.parse().map_err(|e| StoreError::unreadable("host id", e))?;
                Ok((id, unsigned(row.try_get(1)?)))
            })
            .collect()
    }
}
