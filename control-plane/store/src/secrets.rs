//! Secrets, encrypted before they come here.

use crate::cells::{Row, params};
use crate::connection::Connection;
use flowforge_core::Scope;

use crate::sql::{self, signed, small, unsigned};
use crate::{Store, StoreError};

/// Most secrets of a project that have a value.
pub const MAX_SECRETS: u64 = 10_000;
/// Most names of secrets of a project, those without a value counted: each is remembered for good, so that no version ever comes back.
pub const MAX_SECRET_NAMES: u64 = 100_000;

/// What became of a value that was to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretSet {
    /// It is stored.
    Stored,
    /// Another value came first.
    Raced,
    /// There are [`MAX_SECRETS`] or [`MAX_SECRET_NAMES`] already.
    TooMany,
}

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

/// Whether there is no room for a secret of this name.
fn is_full(connection: &Connection, scope: &Scope, name: &str) -> Result<bool, StoreError> {
    let full = sql::first(
        connection,
        "select count(case when sealed is not null then 1 end) >= ?2 or count(*) >= ?3 from secret \
         where name <> ?1 and workspace = ?4 and project = ?5",
        params![
            name,
            signed(MAX_SECRETS),
            signed(MAX_SECRET_NAMES),
            scope.workspace(),
            scope.project()
        ],
        |row| row.get::<bool>(0),
    )?;
    Ok(full.unwrap_or(false))
}

impl Store {
    /// The last version a secret of this name ever had; 0 if none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn last_secret_version(&self, scope: &Scope, name: &str) -> Result<u32, StoreError> {
        let name = name.to_owned();
        self.read(scope, move |connection, scope| {
            let sql = "select version from secret where name = ?1 and workspace = ?2 and project = ?3";
            let params = [name.as_str(), scope.workspace(), scope.project()];
            let version = sql::first(connection, sql, params, |row| Ok(small(row.get(0)?)))?;
            Ok(version.unwrap_or(0))
        })
        .await
    }

    /// Stores a value, if its version is the next one and there are not too many secrets.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_secret(&self, scope: &Scope, secret: NewSecret) -> Result<SecretSet, StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            if is_full(transaction, scope, &secret.name)? {
                return Ok(SecretSet::TooMany);
            }
            let stored = sql::run(
                transaction,
                "insert into secret (name, kind, destinations, version, sealed, updated_at_ms, workspace, project) \
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) on conflict (workspace, project, name) do update set kind = excluded.kind, \
                 destinations = excluded.destinations, version = excluded.version, sealed = excluded.sealed, \
                 updated_at_ms = excluded.updated_at_ms where secret.version = excluded.version - 1",
                params![
                    secret.name,
                    secret.kind,
                    serde_json::Value::from(secret.destinations).to_string(),
                    secret.version,
                    secret.sealed,
                    signed(secret.at_ms),
                    scope.workspace(),
                    scope.project()
                ],
            )?;
            Ok(if stored == 1 {
                SecretSet::Stored
            } else {
                SecretSet::Raced
            })
        })
        .await
    }

    /// Forgets a value. False if there was none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn delete_secret(&self, scope: &Scope, name: String) -> Result<bool, StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            let forgotten = sql::run(
                transaction,
                "update secret set sealed = null where name = ?1 and sealed is not null and workspace = ?2 and project = ?3",
                [name.as_str(), scope.workspace(), scope.project()],
            )?;
            Ok(forgotten == 1)
        })
        .await
    }

    /// Every secret, by name; at most [`MAX_SECRETS`].
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn secrets(&self, scope: &Scope) -> Result<Vec<StoredSecret>, StoreError> {
        self.read(scope, |connection, scope| {
            let sql = format!(
                "{COLUMNS} where sealed is not null and workspace = ?1 and project = ?2 order by name limit {MAX_SECRETS}"
            );
            sql::all(connection, &sql, [scope.workspace(), scope.project()], from_row)
        })
        .await
    }

    /// One secret.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn secret(&self, scope: &Scope, name: &str) -> Result<Option<StoredSecret>, StoreError> {
        let name = name.to_owned();
        self.read(scope, move |connection, scope| {
            let sql = format!(
                "{COLUMNS} where name = ?1 and sealed is not null and workspace = ?2 and project = ?3"
            );
            let params = [name.as_str(), scope.workspace(), scope.project()];
            sql::first(connection, &sql, params, from_row)
        })
        .await
    }
}
