//! Secrets, encrypted before they come here.

use rusqlite::{Row, params};

use crate::sql::{self, signed, small, unsigned};
use crate::{Store, StoreError};

/// A secret to be stored.
#[derive(Clone)]
pub struct NewSecret {
    /// Its name.
    pub name: String,
    /// `bearer`, `basic`, `api-key`, `hmac-key`, `opaque`.
    pub kind: String,
    /// Where it may be sent.
    pub destinations: Vec<String>,
    /// The version the ciphertext is bound to: one more than [`Store::last_secret_version`] says.
    pub version: u32,
    /// Nonce and ciphertext.
    pub sealed: Vec<u8>,
    /// When.
    pub at_ms: u64,
}

impl std::fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSecret")
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// A stored secret, its value encrypted.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredSecret {
    /// Its name.
    pub name: String,
    /// `bearer`, `basic`, `api-key`, `hmac-key`, `opaque`.
    pub kind: String,
    /// Where it may be sent.
    pub destinations: Vec<String>,
    /// Grows with each value; never comes back.
    pub version: u32,
    /// Nonce and ciphertext.
    pub sealed: Vec<u8>,
    /// When the value was set.
    pub updated_at_ms: u64,
}

impl std::fmt::Debug for StoredSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("StoredSecret");
        out.field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

const COLUMNS: &str = "select name, kind, destinations, version, sealed, updated_at_ms from secret ";

fn from_row(row: &Row<'_>) -> Result<StoredSecret, StoreError> {
    let destinations: String = row.get(2)?;
    Ok(StoredSecret {
        name: row.get(0)?,
        kind: row.get(1)?,
        destinations: serde_json::from_str(&destinations)
            .map_err(|e| StoreError::unreadable("secret destinations", e))?,
        version: small(row.get(3)?),
        sealed: row.get(4)?,
        updated_at_ms: unsigned(row.get(5)?),
    })
}

impl Store {
    /// The last version a secret of this name ever had; 0 if none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn last_secret_version(&self, name: &str) -> Result<u32, StoreError> {
        let name = name.to_owned();
        self.read(move |connection| {
            let sql = "select version from secret where name = ?1";
            let version = sql::first(connection, sql, [name], |row| Ok(small(row.get(0)?)))?;
            Ok(version.unwrap_or(0))
        })
        .await
    }

    /// Stores a value, if its version is the next one. False if another value came first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_secret(&self, secret: NewSecret) -> Result<bool, StoreError> {
        self.alone(None, move |transaction| {
            let stored = sql::run(
                transaction,
                "insert into secret (name, kind, destinations, version, sealed, updated_at_ms) \
                 values (?1, ?2, ?3, ?4, ?5, ?6) on conflict (name) do update set kind = excluded.kind, \
                 destinations = excluded.destinations, version = excluded.version, sealed = excluded.sealed, \
                 updated_at_ms = excluded.updated_at_ms where secret.version = excluded.version - 1",
                params![
                    secret.name,
                    secret.kind,
                    serde_json::Value::from(secret.destinations).to_string(),
                    secret.version,
                    secret.sealed,
                    signed(secret.at_ms)
                ],
            )?;
            Ok(stored == 1)
        })
        .await
    }

    /// Forgets a value. False if there was none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn delete_secret(&self, name: String) -> Result<bool, StoreError> {
        self.alone(None, move |transaction| {
            let forgotten = sql::run(
                transaction,
                "update secret set sealed = null where name = ?1 and sealed is not null",
                [name],
            )?;
            Ok(forgotten == 1)
        })
        .await
    }

    /// Every secret, by name; at most 10,000.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn secrets(&self) -> Result<Vec<StoredSecret>, StoreError> {
        self.read(|connection| {
            let sql = format!("{COLUMNS} where sealed is not null order by name limit 10000");
            sql::all(connection, &sql, (), from_row)
        })
        .await
    }

    /// One secret.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn secret(&self, name: &str) -> Result<Option<StoredSecret>, StoreError> {
        let name = name.to_owned();
        self.read(move |connection| {
            let sql = format!("{COLUMNS} where name = ?1 and sealed is not null");
            sql::first(connection, &sql, [name], from_row)
        })
        .await
    }
}
