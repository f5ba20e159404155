//! Sessions of accounts: found by the digest of their secret, listed and ended by their id.

use std::collections::BTreeSet;

use flowforge_core::{Permission, Role, Scope};
use flowforge_protocol::Digest;

use crate::cells::{Row, params};
use crate::connection::Connection;
use crate::roles;
use crate::sql::{self, signed, unsigned};
use crate::{Store, StoreError};

/// Sessions of an account at most: the next one ends the oldest.
pub const MAX_SESSIONS: u32 = 50;

/// A session that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// Digest of its secret.
    pub digest: Digest,
    /// What it is listed by.
    pub id: String,
    /// When, milliseconds since 1970 UTC.
    pub at_ms: u64,
    /// What its browser or program calls itself.
    pub agent: String,
}

/// What is kept of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSession {
    /// What it is listed by.
    pub id: String,
    /// Digest of its secret.
    pub digest: Digest,
    /// When it began, milliseconds since 1970 UTC.
    pub began_at_ms: u64,
    /// When it was used last, to some minutes.
    pub used_at_ms: u64,
    /// What its browser or program calls itself.
    pub agent: String,
}

/// Whom a secret speaks for that was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Id of the session or token.
    pub id: String,
    /// Name of the account.
    pub account: String,
    /// Its roles here.
    pub roles: BTreeSet<Role>,
    /// The permissions that it passes on; none: all.
    pub passes_on: Option<BTreeSet<Permission>>,
    /// When it was used last.
    pub used_at_ms: u64,
    /// From when on it is not good, whatever is done with it.
    pub ends_at_ms: u64,
}

/// Ends all sessions of an account, but for one.
pub(crate) fn end_all(
    connection: &Connection,
    scope: &Scope,
    account: &str,
    keep: Option<&Digest>,
) -> Result<(), StoreError> {
    let none = [];
    let keep: &[u8] = keep.map_or(&none, |digest| digest.as_bytes());
    sql::run(
        connection,
        "delete from account_session where workspace = ?1 and account = ?2 and digest <> ?3",
        params![scope.workspace(), account, keep],
    )?;
    Ok(())
}

/// Begins a session of an account that is there.
pub(crate) fn begin(
    connection: &Connection,
    scope: &Scope,
    account: &str,
    new: &NewSession,
) -> Result<(), StoreError> {
    sql::run(
        connection,
        "delete from account_session where digest in (select digest from account_session where workspace = ?1 \
         and account = ?2 order by began_at_ms desc limit 1000 offset ?3)",
        params![scope.workspace(), account, MAX_SESSIONS - 1],
    )?;
    sql::run(
        connection,
        "insert into account_session (digest, workspace, project, account, id, began_at_ms, used_at_ms, agent) \
         values (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7)",
        params![
            new.digest.as_bytes(),
            scope.workspace(),
            scope.project(),
            account,
            new.id,
            signed(new.at_ms),
            new.agent
        ],
    )?;
    Ok(())
}

fn stored(row: &Row<'_>) -> Result<StoredSession, StoreError> {
    Ok(StoredSession {
        id: row.get(0)?,
        digest: row.get(1)?,
        began_at_ms: unsigned(row.get(2)?),
        used_at_ms: unsigned(row.get(3)?),
        agent: row.get(4)?,
    })
}

impl Store {
    /// Begins a session of an account that is a member here. False if it is none, or its password is another one than
    /// when it was compared.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn begin_session(
        &self,
        scope: &Scope,
        account: String,
        password: String,
        new: NewSession,
    ) -> Result<bool, StoreError> {
        self.change(
            scope,
            None,
            |begun| *begun,
            move |transaction, scope| {
                let is_member = sql::first(
                    transaction,
                    "select 1 from account join member on member.workspace = account.workspace \
                     and member.account = account.name where account.workspace = ?1 and member.project = ?2 \
                     and account.name = ?3 and account.password = ?4 and account.removed_at_ms is null",
                    [
                        scope.workspace(),
                        scope.project(),
                        account.as_str(),
                        password.as_str(),
                    ],
                    |_| Ok(()),
                )?;
                if is_member.is_none() {
                    return Ok(false);
                }
                begin(transaction, scope, &account, &new)?;
                Ok(true)
            },
        )
        .await
    }

    /// Whom the session with this digest speaks for now. A session ends `idle_ms` after its last use and `life_ms` after its
    /// beginning.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn of_session(
        &self,
        scope: &Scope,
        digest: Digest,
        now_ms: u64,
        (idle_ms, life_ms): (u64, u64),
    ) -> Result<Option<Shown>, StoreError> {
        self.read(scope, move |connection, scope| {
            let shown = sql::first(
                connection,
                "select account_session.id, account_session.account, member.roles, used_at_ms, began_at_ms \
                 from account_session join member on member.workspace = account_session.workspace \
                 and member.project = ?3 and member.account = account_session.account \
                 where digest = ?1 and account_session.workspace = ?2",
                params![digest.as_bytes(), scope.workspace(), scope.project()],
                |row| {
                    let used_at_ms = unsigned(row.get(3)?);
                    let until_ms = unsigned(row.get(4)?).saturating_add(life_ms);
                    Ok(Shown {
                        id: row.get(0)?,
                        account: row.get(1)?,
                        roles: roles::roles(row, 2)?,
                        passes_on: None,
                        used_at_ms,
                        ends_at_ms: until_ms.min(used_at_ms.saturating_add(idle_ms)),
                    })
                },
            )?;
            Ok(shown.filter(|shown| now_ms < shown.ends_at_ms))
        })
        .await
    }

    /// Notes that a session was used.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn session_used(&self, scope: &Scope, digest: Digest, now_ms: u64) -> Result<(), StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            sql::run(
                transaction,
                "update account_session set used_at_ms = ?3 where digest = ?1 and workspace = ?2 and used_at_ms < ?3",
                params![digest.as_bytes(), scope.workspace(), signed(now_ms)],
            )?;
            Ok(())
        })
        .await
    }

    /// The sessions of an account, newest first, at most [`MAX_SESSIONS`].
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn sessions(&self, scope: &Scope, account: &str) -> Result<Vec<StoredSession>, StoreError> {
        let account = account.to_owned();
        self.read(scope, move |connection, scope| {
            sql::all(
                connection,
                "select id, digest, began_at_ms, used_at_ms, agent from account_session \
                 where workspace = ?1 and account = ?2 order by began_at_ms desc limit ?3",
                params![scope.workspace(), account, MAX_SESSIONS],
                stored,
            )
        })
        .await
    }

    /// Ends a session of an account. False if it has none with this id.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn end_session(&self, scope: &Scope, account: String, id: String) -> Result<bool, StoreError> {
        self.change(
            scope,
            None,
            |ended| *ended,
            move |transaction, scope| {
                let ended = sql::run(
                    transaction,
                    "delete from account_session where workspace = ?1 and account = ?2 and id = ?3",
                    [scope.workspace(), account.as_str(), id.as_str()],
                )?;
                Ok(ended > 0)
            },
        )
        .await
    }

    /// Forgets the sessions of a workspace that ended by themselves. Returns how many.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn forget_sessions(
        &self,
        scope: &Scope,
        now_ms: u64,
        (idle_ms, life_ms): (u64, u64),
    ) -> Result<usize, StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            sql::run(
                transaction,
                "delete from account_session where workspace = ?1 and (used_at_ms <= ?2 or began_at_ms <= ?3)",
                params![
                    scope.workspace(),
                    signed(now_ms.saturating_sub(idle_ms)),
                    signed(now_ms.saturating_sub(life_ms))
                ],
            )
        })
        .await
    }
}
