//! Secrets, encrypted before they come here.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::jobs::{signed, unsigned};
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

fn from_row(row: &SqliteRow) -> Result<StoredSecret, StoreError> {
    let destinations: String = row.try_get(2)?;
    Ok(StoredSecret {
        name: row.try_get(0)?,
        kind: row.try_get(1)?,
        destinations: serde_json::from_str(&destinations)
            .map_err(|e| StoreError::unreadable("secret destinations", e))?,
        version: u32::try_from(row.try_get::<i64, _>(3)?).unwrap_or(u32::MAX),
        sealed: row.try_get(4)?,
        updated_at_ms: unsigned(row.try_get(5)?),
    })
}

impl Store {
    /// The last version a secret of this name ever had; 0 if none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn last_secret_version(&self, name: &str) -> Result<u32, StoreError> {
        let version: Option<i64> = sqlx::query_scalar("select version from secret where name = ?1")
            .bind(name)
            .fetch_optional(&self.readers)
            .await?;
        Ok(u32::try_from(version.unwrap_or(0)).unwrap_or(u32::MAX))
    }

    /// Stores a value, if its version is the next one. False if another value came first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_secret(&self, secret: NewSecret) -> Result<bool, StoreError> {
        self.alone(None, move |transaction| {
            Box::pin(async move {
                let stored = sqlx::query(
                    "insert into secret (name, kind, destinations, version, sealed, updated_at_ms) \
                     values (?1, ?2, ?3, ?4, ?5, ?6) on conflict (name) do update set kind = excluded.kind, \
                     destinations = excluded.destinations, version = excluded.version, sealed = excluded.sealed, \
                     updated_at_ms = excluded.updated_at_ms where secret.version = excluded.version - 1",
                )
                .bind(&secret.name)
                .bind(&secret.kind)
                .bind(serde_json::Value::from(secret.destinations).to_string())
                .bind(secret.version)
                .bind(&secret.sealed)
                .bind(signed(secret.at_ms))
                .execute(&mut *transaction)
                .await?;
                Ok(stored.rows_affected() == 1)
            })
        })
        .await
    }

    /// Forgets a value. False if there was none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn delete_secret(&self, name: String) -> Result<bool, StoreError> {
        self.alone(None, move |transaction| {
            Box::pin(async move {
                let changed =
                    sqlx::query("update secret set sealed = null where name = ?1 and sealed is not null")
                        .bind(&name)
                        .execute(&mut *transaction)
                        .await?;
                Ok(changed.rows_affected() == 1)
            })
        })
        .await
    }

    /// Every secret, by name; at most 10,000.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn secrets(&self) -> Result<Vec<StoredSecret>, StoreError> {
        let sql = format!("{COLUMNS} where sealed is not null order by name limit 10000");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(from_row).collect()
    }

    /// One secret.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn secret(&self, name: &str) -> Result<Option<StoredSecret>, StoreError> {
        let sql = format!("{COLUMNS} where name = ?1 and sealed is not null");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(name)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(from_row).transpose()
    }
}
