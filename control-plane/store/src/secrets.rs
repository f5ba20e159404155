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
    /// Whether runs of drafts may use it.
    pub drafts: bool,
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
    /// Whether runs of drafts may use it.
    pub drafts: bool,
    /// Grows with each value; never comes back.
    pub version: u32,
    /// Nonce and ciphertext.
    pub sealed: Vec<u8>,
    /// When the value was set.
    pub updated_at_ms: u64,
}

/// What is known of a secret besides its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretHead {
    /// Its name.
    pub name: String,
    /// `bearer`, `basic`, `api-key`, `hmac-key`, `opaque`.
    pub kind: String,
    /// Where it may be sent.
    pub destinations: Vec<String>,
    /// Whether runs of drafts may use it.
    pub drafts: bool,
    /// Grows with each value; never comes back.
    pub version: u32,
    /// When the value was set.
    pub updated_at_ms: u64,
    /// When and by whom it was put into the trash, if it is there.
    pub deleted: Option<(u64, String)>,
}

impl std::fmt::Debug for StoredSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("StoredSecret");
        out.field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

const COLUMNS: &str =
    "select name, kind, destinations, drafts, version, updated_at_ms, deleted_at_ms, deleted_by";

fn head(row: &Row<'_>) -> Result<SecretHead, StoreError> {
    let destinations: String = row.get(2)?;
    let deleted_at_ms: Option<i64> = row.get(6)?;
    let deleted_by: Option<String> = row.get(7)?;
    Ok(SecretHead {
        name: row.get(0)?,
        kind: row.get(1)?,
        destinations: serde_json::from_str(&destinations)
            .map_err(|e| StoreError::unreadable("secret destinations", e))?,
        drafts: row.get(3)?,
        version: small(row.get(4)?),
        updated_at_ms: unsigned(row.get(5)?),
        deleted: deleted_at_ms.map(|at_ms| (unsigned(at_ms), deleted_by.unwrap_or_default())),
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
        let took = |set: &SecretSet| *set == SecretSet::Stored;
        self.change(scope, None, took, move |transaction, scope| {
            if is_full(transaction, scope, &secret.name)? {
                return Ok(SecretSet::TooMany);
            }
            let stored = sql::run(
                transaction,
                "insert into secret (name, kind, destinations, version, sealed, updated_at_ms, workspace, project, drafts) \
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) on conflict (workspace, project, name) do update set kind = excluded.kind, \
                 destinations = excluded.destinations, version = excluded.version, sealed = excluded.sealed, \
                 updated_at_ms = excluded.updated_at_ms, drafts = excluded.drafts, deleted_at_ms = null, \
                 deleted_by = null where secret.version = excluded.version - 1",
                params![
                    secret.name,
                    secret.kind,
                    serde_json::Value::from(secret.destinations).to_string(),
                    secret.version,
                    secret.sealed,
                    signed(secret.at_ms),
                    scope.workspace(),
                    scope.project(),
                    secret.drafts
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

    /// Puts a secret into the trash: it is used no more, and can come back. With `purge` its value is forgotten at once,
    /// from the trash too. False if there was none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn delete_secret(
        &self,
        scope: &Scope,
        name: &str,
        by: &str,
        at_ms: u64,
        purge: bool,
    ) -> Result<bool, StoreError> {
        let (name, by) = (name.to_owned(), by.to_owned());
        self.change(scope, None, |deleted| *deleted, move |transaction, scope| {
            let statement = if purge {
                "update secret set sealed = null, deleted_at_ms = null, deleted_by = null where name = ?1 \
                 and sealed is not null and workspace = ?2 and project = ?3 \
                 and (cast(?4 as bigint) is not null or cast(?5 as text) is not null)"
            } else {
                "update secret set deleted_at_ms = ?4, deleted_by = ?5 where name = ?1 and sealed is not null \
                 and deleted_at_ms is null and workspace = ?2 and project = ?3"
            };
            let params = params![name, scope.workspace(), scope.project(), signed(at_ms), by];
            Ok(sql::run(transaction, statement, params)? == 1)
        })
        .await
    }

    /// Takes a secret out of the trash, with the value that it had. False if it is not there.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn restore_secret(&self, scope: &Scope, name: &str) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.change(scope, None, |restored| *restored, move |transaction, scope| {
            let restored = sql::run(
                transaction,
                "update secret set deleted_at_ms = null, deleted_by = null where name = ?1 and sealed is not null \
                 and deleted_at_ms is not null and workspace = ?2 and project = ?3",
                [name.as_str(), scope.workspace(), scope.project()],
            )?;
            Ok(restored == 1)
        })
        .await
    }

    /// Secrets by name, above `after`, at most `limit`, without their values: those that can be used, or those in the
    /// trash.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn secrets(
        &self,
        scope: &Scope,
        after: &str,
        limit: u32,
        trash: bool,
    ) -> Result<Vec<SecretHead>, StoreError> {
        let after = after.to_owned();
        self.read(scope, move |connection, scope| {
            let which = if trash { "is not null" } else { "is null" };
            let sql = format!(
                "{COLUMNS} from secret where sealed is not null and deleted_at_ms {which} and workspace = ?1 \
                 and project = ?2 and name > ?3 order by name limit ?4"
            );
            let params = params![scope.workspace(), scope.project(), after, limit];
            sql::all(connection, &sql, params, head)
        })
        .await
    }

    /// One secret that can be used.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn secret(&self, scope: &Scope, name: &str) -> Result<Option<StoredSecret>, StoreError> {
        let name = name.to_owned();
        self.read(scope, move |connection, scope| {
            let sql = format!(
                "{COLUMNS}, sealed from secret where name = ?1 and sealed is not null and deleted_at_ms is null \
                 and workspace = ?2 and project = ?3"
            );
            let params = [name.as_str(), scope.workspace(), scope.project()];
            sql::first(connection, &sql, params, |row| {
                let head = head(row)?;
                Ok(StoredSecret {
                    name: head.name,
                    kind: head.kind,
                    destinations: head.destinations,
                    drafts: head.drafts,
                    version: head.version,
                    sealed: row.get(8)?,
                    updated_at_ms: head.updated_at_ms,
                })
            })
        })
        .await
    }

    /// Which of these secrets cannot be used by runs of drafts, although they are here.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn closed_to_drafts(
        &self,
        scope: &Scope,
        names: Vec<String>,
    ) -> Result<Vec<String>, StoreError> {
        self.read(scope, move |connection, scope| {
            sql::all(
                connection,
                "select name from secret where drafts = 0 and sealed is not null and deleted_at_ms is null \
                 and workspace = ?2 and project = ?3 and name in (select value from json_each(?1)) order by name",
                [
                    serde_json::Value::from(names).to_string().as_str(),
                    scope.workspace(),
                    scope.project(),
                ],
                |row| row.get(0),
            )
        })
        .await
    }
}

/// Forgets the values of secrets that were put into the trash before this time.
pub(crate) fn empty_trash(connection: &Connection, scope: &Scope, since_ms: u64) -> Result<(), StoreError> {
    sql::run(
        connection,
        "update secret set sealed = null, deleted_at_ms = null, deleted_by = null where deleted_at_ms < ?1 \
         and workspace = ?2 and project = ?3",
        params![signed(since_ms), scope.workspace(), scope.project()],
    )?;
    Ok(())
}
