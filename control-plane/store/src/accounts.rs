//! Accounts of people, and which roles they have in a project.

use std::collections::BTreeSet;

use flowforge_core::{Role, Scope};
use flowforge_protocol::{Digest, VerifyingKey};

use crate::cells::{Row, params};
use crate::connection::Connection;
use crate::roles::{roles, roles_text};
use crate::sql::{self, signed, unsigned};
use crate::{Store, StoreError, sessions, tokens};

/// Members of a project at most.
pub const MAX_MEMBERS: u32 = 10_000;

/// An account with its roles in a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Name of the account.
    pub name: String,
    /// What it is here; never empty.
    pub roles: BTreeSet<Role>,
    /// Since when it is a member, milliseconds since 1970 UTC.
    pub since_ms: u64,
    /// The public key with which this person signs answers, if one is known here.
    pub signing_key: Option<Box<VerifyingKey>>,
}

/// What became of a change of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// It was made.
    Changed,
    /// There is no such member.
    Unknown,
    /// Nobody would be an administrator any more: nothing was changed.
    LastAdmin,
}

/// What is compared when somebody signs in. Nothing shows it, and `Debug` does not either.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordOf {
    /// The hash, in the form that it was stored in.
    pub hash: String,
}

impl std::fmt::Debug for PasswordOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordOf")
    }
}

const MEMBERS: &str = "select member.account, member.roles, member.since_ms, account.signing_key from member join account \
     on account.workspace = member.workspace and account.name = member.account \
     where member.workspace = ?1 and member.project = ?2";

fn member(row: &Row<'_>) -> Result<Member, StoreError> {
    Ok(Member {
        name: row.get(0)?,
        roles: roles(row, 1)?,
        since_ms: unsigned(row.get(2)?),
        signing_key: row
            .get::<Option<String>>(3)?
            .map(|key| key.parse().map(Box::new))
            .transpose()
            .map_err(|error| StoreError::unreadable("signing key", error))?,
    })
}

/// How many are members.
pub(crate) fn count(connection: &Connection, scope: &Scope) -> Result<u64, StoreError> {
    let count = sql::first(
        connection,
        "select count(*) from member where workspace = ?1 and project = ?2",
        [scope.workspace(), scope.project()],
        |row| Ok(unsigned(row.get(0)?)),
    )?;
    Ok(count.unwrap_or(0))
}

fn all(connection: &Connection, scope: &Scope) -> Result<Vec<Member>, StoreError> {
    sql::all(
        connection,
        &format!("{MEMBERS} order by member.account limit ?3"),
        params![scope.workspace(), scope.project(), MAX_MEMBERS],
        member,
    )
}

/// Makes an account and its membership. False if the name is, or was, somebody's.
pub(crate) fn insert(
    connection: &Connection,
    scope: &Scope,
    name: &str,
    password: &str,
    roles: &BTreeSet<Role>,
    now_ms: u64,
) -> Result<bool, StoreError> {
    let made = sql::run(
        connection,
        "insert into account (workspace, name, password, created_at_ms) values (?1, ?2, ?3, ?4) on conflict do nothing",
        params![scope.workspace(), name, password, signed(now_ms)],
    )?;
    if made == 0 {
        return Ok(false);
    }
    sql::run(
        connection,
        "insert into member (workspace, project, account, roles, since_ms) values (?1, ?2, ?3, ?4, ?5)",
        params![
            scope.workspace(),
            scope.project(),
            name,
            roles_text(roles),
            signed(now_ms)
        ],
    )?;
    Ok(true)
}

/// Gives an account another password and ends its sessions, but for one. False if there is no such account.
pub(crate) fn new_password(
    connection: &Connection,
    scope: &Scope,
    name: &str,
    password: &str,
    keep: Option<&Digest>,
) -> Result<bool, StoreError> {
    let changed = sql::run(
        connection,
        "update account set password = ?3 where workspace = ?1 and name = ?2 and removed_at_ms is null",
        params![scope.workspace(), name, password],
    )?;
    sessions::end_all(connection, scope, name, keep)?;
    Ok(changed > 0)
}

/// Whether somebody else than this one is an administrator.
fn has_other_admin(connection: &Connection, scope: &Scope, name: &str) -> Result<bool, StoreError> {
    let members = all(connection, scope)?;
    Ok(members
        .iter()
        .any(|member| member.name != name && member.roles.contains(&Role::Admin)))
}

fn find(connection: &Connection, scope: &Scope, name: &str) -> Result<Option<Member>, StoreError> {
    sql::first(
        connection,
        &format!("{MEMBERS} and member.account = ?3"),
        [scope.workspace(), scope.project(), name],
        member,
    )
}

impl Store {
    /// Every member, by name; at most [`MAX_MEMBERS`].
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn members(&self, scope: &Scope) -> Result<Vec<Member>, StoreError> {
        self.read(scope, all).await
    }

    /// The member of this name.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn member(&self, scope: &Scope, name: &str) -> Result<Option<Member>, StoreError> {
        let name = name.to_owned();
        self.read(scope, move |connection, scope| find(connection, scope, &name))
            .await
    }

    /// The password of an account that is a member here.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn password_of(&self, scope: &Scope, name: &str) -> Result<Option<PasswordOf>, StoreError> {
        let name = name.to_owned();
        self.read(scope, move |connection, scope| {
            sql::first(
                connection,
                "select account.password from account join member on member.workspace = account.workspace \
                 and member.account = account.name where account.workspace = ?1 and member.project = ?2 \
                 and account.name = ?3 and account.removed_at_ms is null",
                [scope.workspace(), scope.project(), name.as_str()],
                |row| Ok(PasswordOf { hash: row.get(0)? }),
            )
        })
        .await
    }

    /// Gives an account another password. All its sessions end, but for the one with this digest. False if there is none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_password(
        &self,
        scope: &Scope,
        name: String,
        hash: String,
        keep: Option<Digest>,
    ) -> Result<bool, StoreError> {
        self.change(
            scope,
            None,
            |changed| *changed,
            move |transaction, scope| new_password(transaction, scope, &name, &hash, keep.as_ref()),
        )
        .await
    }

    /// Keeps the public key with which a person signs answers, in the place of an earlier one. False if there is no account.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_signing_key(
        &self,
        scope: &Scope,
        name: String,
        key: VerifyingKey,
    ) -> Result<bool, StoreError> {
        self.change(
            scope,
            None,
            |kept| *kept,
            move |transaction, scope| {
                let kept = sql::run(
                    transaction,
                    "update account set signing_key = ?3 where workspace = ?1 and name = ?2 and removed_at_ms is null",
                    params![scope.workspace(), name, key.to_string()],
                )?;
                Ok(kept > 0)
            },
        )
        .await
    }

    /// Gives a member these roles in the place of those it had. They must not be empty: that is a removal.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_roles(
        &self,
        scope: &Scope,
        name: String,
        roles: BTreeSet<Role>,
    ) -> Result<Membership, StoreError> {
        let took = |done: &Membership| *done == Membership::Changed;
        self.change(scope, None, took, move |transaction, scope| {
            if find(transaction, scope, &name)?.is_none() {
                return Ok(Membership::Unknown);
            }
            if !roles.contains(&Role::Admin) && !has_other_admin(transaction, scope, &name)? {
                return Ok(Membership::LastAdmin);
            }
            sql::run(
                transaction,
                "update member set roles = ?4 where workspace = ?1 and project = ?2 and account = ?3",
                params![scope.workspace(), scope.project(), name, roles_text(&roles)],
            )?;
            Ok(Membership::Changed)
        })
        .await
    }

    /// Removes a member, with its account, sessions and tokens. The name stays taken.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn remove_member(
        &self,
        scope: &Scope,
        name: String,
        now_ms: u64,
    ) -> Result<Membership, StoreError> {
        let took = |done: &Membership| *done == Membership::Changed;
        self.change(scope, None, took, move |transaction, scope| {
            if find(transaction, scope, &name)?.is_none() {
                return Ok(Membership::Unknown);
            }
            if !has_other_admin(transaction, scope, &name)? {
                return Ok(Membership::LastAdmin);
            }
            sql::run(
                transaction,
                "update account set removed_at_ms = ?3, password = '' where workspace = ?1 and name = ?2",
                params![scope.workspace(), name, signed(now_ms)],
            )?;
            sql::run(
                transaction,
                "delete from member where workspace = ?1 and account = ?2",
                [scope.workspace(), name.as_str()],
            )?;
            sessions::end_all(transaction, scope, &name, None)?;
            tokens::revoke_all(transaction, scope, &name)?;
            Ok(Membership::Changed)
        })
        .await
    }
}
