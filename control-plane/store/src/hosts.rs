//! Registered hosts, and when they were not heard.

use std::collections::HashMap;

use flowforge_protocol::{Digest, HostId};
use rusqlite::{Row, params};

use crate::ingest::digest_of;
use crate::sql::{self, signed, unsigned};
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

fn from_row(row: &Row<'_>) -> Result<Host, StoreError> {
    let key = |column: usize| -> Result<[u8; 32], StoreError> {
        let bytes: Vec<u8> = row.get(column)?;
        bytes
            .try_into()
            .map_err(|_| StoreError::unreadable("host key", "not 32 bytes"))
    };
    Ok(Host {
        id: sql::parsed(row, 0, "host id")?,
        name: row.get(1)?,
        identity_key: key(2)?,
        seal_key: key(3)?,
        session_hash: digest_of(&row.get::<_, Vec<u8>>(4)?)?,
        registered_at_ms: unsigned(row.get(5)?),
        last_heard_ms: row.get::<_, Option<i64>>(6)?.map(unsigned),
    })
}

impl Store {
    /// Registers a host. The same identity key keeps its id; name, seal key and session become the new ones.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn register_host(&self, host: NewHost) -> Result<Host, StoreError> {
        self.alone(None, move |transaction| {
            let registered = sql::all(
                transaction,
                "insert into host (id, name, identity_key, seal_key, session_hash, registered_at_ms, last_heard_ms) \
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?6) on conflict (identity_key) do update set name = excluded.name, \
                 seal_key = excluded.seal_key, session_hash = excluded.session_hash, \
                 last_heard_ms = excluded.last_heard_ms \
                 returning id, name, identity_key, seal_key, session_hash, registered_at_ms, last_heard_ms",
                params![
                    host.id.as_str(),
                    host.name,
                    host.identity_key,
                    host.seal_key,
                    host.session_hash.as_bytes(),
                    signed(host.at_ms)
                ],
                from_row,
            )?;
            let row = registered.into_iter().next();
            row.ok_or_else(|| rusqlite::Error::QueryReturnedNoRows.into())
        })
        .await
    }

    /// Every host, by name; at most 2,000.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn hosts(&self) -> Result<Vec<Host>, StoreError> {
        self.read(|connection| {
            sql::all(
                connection,
                "select id, name, identity_key, seal_key, session_hash, registered_at_ms, last_heard_ms \
                 from host order by name, id limit 2000",
                (),
                from_row,
            )
        })
        .await
    }

    /// How many runs of each host are not over.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn open_runs(&self) -> Result<HashMap<HostId, u64>, StoreError> {
        self.read(|connection| {
            let counts = sql::all(
                connection,
                "select host, count(*) from run where ended_at_ms is null and host is not null group by host",
                (),
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
        host: &HostId,
        from_ms: u64,
        to_ms: u64,
    ) -> Result<Vec<(u64, u64)>, StoreError> {
        let host = host.clone();
        self.read(move |connection| {
            sql::all(
                connection,
                "select from_ms, to_ms from host_gap where host = ?1 and to_ms >= ?2 and from_ms <= ?3 \
                 order by from_ms limit 1000",
                params![host.as_str(), signed(from_ms), signed(to_ms)],
                |row| Ok((unsigned(row.get(0)?), unsigned(row.get(1)?))),
            )
        })
        .await
    }
}
