//! API tokens of accounts: each for some permissions in one project, and for a time.

use std::collections::BTreeSet;

use flowforge_core::{Permission, Scope};
use flowforge_protocol::Digest;
use serde_json::json;

use crate::cells::{Row, params};
use crate::connection::Connection;
use crate::sessions::Shown;
use crate::sql::{self, signed, unsigned};
use crate::{Store, StoreError, roles};

/// Tokens of an account in a project at most; expired ones that are not revoked count, too.
pub const MAX_TOKENS: u32 = 100;

/// A token to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// Digest of its secret.
    pub digest: Digest,
    /// What it is listed by.
    pub id: String,
    /// The account that it speaks for.
    pub account: String,
    /// What its owner calls it.
    pub name: String,
    /// What it passes on.
    pub permissions: BTreeSet<Permission>,
    /// When it was made, milliseconds since 1970 UTC.
    pub made_at_ms: u64,
    /// From when on it is not good.
    pub expires_at_ms: u64,
}

/// What is kept of a token, without its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredToken {
    /// What it is listed by.
    pub id: String,
    /// The account that it speaks for.
    pub account: String,
    /// What its owner calls it.
    pub name: String,
    /// What it passes on, as far as its account has it.
    pub permissions: BTreeSet<Permission>,
    /// When it was made, milliseconds since 1970 UTC.
    pub made_at_ms: u64,
    /// From when on it is not good.
    pub expires_at_ms: u64,
    /// When it was used last, to some minutes; none if never.
    pub used_at_ms: Option<u64>,
}

/// The permissions in a column. One that a newer program wrote is none here.
fn permissions(row: &Row<'_>, column: usize) -> Result<BTreeSet<Permission>, StoreError> {
    let names: Vec<String> = serde_json::from_str(row.text(column)?)
        .map_err(|error| StoreError::unreadable("permissions of a token", error))?;
    Ok(names.iter().filter_map(|name| Permission::named(name)).collect())
}

fn stored(row: &Row<'_>) -> Result<StoredToken, StoreError> {
    Ok(StoredToken {
        id: row.get(0)?,
        account: row.get(1)?,
        name: row.get(2)?,
        permissions: permissions(row, 3)?,
        made_at_ms: unsigned(row.get(4)?),
        expires_at_ms: unsigned(row.get(5)?),
        used_at_ms: row.get::<Option<i64>>(6)?.map(unsigned),
    })
}

/// Revokes all tokens of an account, in every project of the workspace.
pub(crate) fn revoke_all(connection: &Connection, scope: &Scope, account: &str) -> Result<(), StoreError> {
    sql::run(
        connection,
        "delete from api_token where workspace = ?1 and account = ?2",
        [scope.workspace(), account],
    )?;
    Ok(())
}

impl Store {
    /// Keeps a token. False if its account has [`MAX_TOKENS`] here.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn make_token(&self, scope: &Scope, new: NewToken) -> Result<bool, StoreError> {
        self.change(
            scope,
            None,
            |made| *made,
            move |transaction, scope| {
                let is_full = sql::first(
                    transaction,
                    "select count(*) >= ?4 from api_token where workspace = ?1 and project = ?2 and account = ?3",
                    params![scope.workspace(), scope.project(), new.account, MAX_TOKENS],
                    |row| row.get::<bool>(0),
                )?;
                if is_full == Some(true) {
                    return Ok(false);
                }
                let names: Vec<&str> = new.permissions.iter().map(|held| held.as_str()).collect();
                sql::run(
                    transaction,
                    "insert into api_token (digest, workspace, project, account, id, name, permissions, made_at_ms, \
                     expires_at_ms) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                    params![
                        new.digest.as_bytes(),
                        scope.workspace(),
                        scope.project(),
                        new.account,
                        new.id,
                        new.name,
                        json!(names).to_string(),
                        signed(new.made_at_ms),
                        signed(new.expires_at_ms)
                    ],
                )?;
                Ok(true)
            },
        )
        .await
    }

    /// Whom the token with this digest speaks for now, in this project only.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn of_token(
        &self,
        scope: &Scope,
        digest: Digest,
        now_ms: u64,
    ) -> Result<Option<Shown>, StoreError> {
        self.read(scope, move |connection, scope| {
            let shown = sql::first(
                connection,
                "select api_token.id, api_token.account, member.roles, permissions, used_at_ms, expires_at_ms \
                 from api_token join member on member.workspace = api_token.workspace \
                 and member.project = api_token.project and member.account = api_token.account \
                 where digest = ?1 and api_token.workspace = ?2 and api_token.project = ?3",
                params![digest.as_bytes(), scope.workspace(), scope.project()],
                |row| {
                    Ok(Shown {
                        id: row.get(0)?,
                        account: row.get(1)?,
                        roles: roles::roles(row, 2)?,
                        passes_on: Some(permissions(row, 3)?),
                        used_at_ms: row.get::<Option<i64>>(4)?.map_or(0, unsigned),
                        ends_at_ms: unsigned(row.get(5)?),
                    })
                },
            )?;
            Ok(shown.filter(|shown| now_ms < shown.ends_at_ms))
        })
        .await
    }

    /// Notes that a token was used.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn token_used(&self, scope: &Scope, digest: Digest, now_ms: u64) -> Result<(), StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            sql::run(
                transaction,
                "update api_token set used_at_ms = ?3 where digest = ?1 and workspace = ?2 and project = ?4",
                params![
                    digest.as_bytes(),
                    scope.workspace(),
                    signed(now_ms),
                    scope.project()
                ],
            )?;
            Ok(())
        })
        .await
    }

    /// The tokens of an account, newest first, at most [`MAX_TOKENS`].
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn tokens(&self, scope: &Scope, account: &str) -> Result<Vec<StoredToken>, StoreError> {
        let account = account.to_owned();
        self.read(scope, move |connection, scope| {
            sql::all(
                connection,
                "select id, account, name, permissions, made_at_ms, expires_at_ms, used_at_ms from api_token \
                 where workspace = ?1 and project = ?2 and account = ?3 order by made_at_ms desc limit ?4",
                params![scope.workspace(), scope.project(), account, MAX_TOKENS],
                stored,
            )
        })
        .await
    }

    /// Revokes a token of an account: it is good for nothing from now on, and not listed. False if it has none with this id.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn revoke_token(&self, scope: &Scope, account: String, id: String) -> Result<bool, StoreError> {
        self.change(
            scope,
            None,
            |revoked| *revoked,
            move |transaction, scope| {
                let revoked = sql::run(
                    transaction,
                    "delete from api_token where workspace = ?1 and project = ?2 and account = ?3 and id = ?4",
                    [scope.workspace(), scope.project(), account.as_str(), id.as_str()],
                )?;
                Ok(revoked > 0)
            },
        )
        .await
    }
}
