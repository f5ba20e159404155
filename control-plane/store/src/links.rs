//! One-time links: of the first administrator, of who is invited, and of who forgot a password.

use std::collections::BTreeSet;

use flowforge_core::{Role, Scope};
use flowforge_protocol::Digest;

use crate::cells::{Row, params};
use crate::connection::Connection;
use crate::sessions::{self, NewSession};
use crate::sql::{self, signed, unsigned};
use crate::{Store, StoreError, accounts, roles};

/// Links of a project at most that are neither used nor expired.
pub const MAX_LINKS: u32 = 1_000;
/// Links that expired so long ago are forgotten, milliseconds: 30 days.
const FORGOTTEN_AFTER_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// The kind that makes the first administrator: good only while there is no member.
const FIRST: &str = "first-administrator";

/// A link to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLink {
    /// Digest of its secret.
    pub digest: Digest,
    /// What it is listed by.
    pub id: String,
    /// `first-administrator`, `invitation` or `password-reset`.
    pub kind: String,
    /// The account that gets another password; none where an account is made.
    pub account: Option<String>,
    /// The roles that the account gets.
    pub roles: BTreeSet<Role>,
    /// Who made it.
    pub made_by: String,
    /// When, milliseconds since 1970 UTC.
    pub made_at_ms: u64,
    /// From when on it is not good.
    pub expires_at_ms: u64,
}

/// What became of a link that was to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKept {
    /// It is good now.
    Kept,
    /// There are [`MAX_LINKS`] that wait to be used.
    TooMany,
    /// It would reset the password of somebody who is no member.
    Unknown,
    /// It would make the first member, and there are some.
    NotFirst,
}

/// What is kept of a link, without its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLink {
    /// What it is listed by.
    pub id: String,
    /// As in [`NewLink`].
    pub kind: String,
    /// As in [`NewLink`].
    pub account: Option<String>,
    /// As in [`NewLink`].
    pub roles: BTreeSet<Role>,
    /// Who made it.
    pub made_by: String,
    /// When, milliseconds since 1970 UTC.
    pub made_at_ms: u64,
    /// From when on it is not good.
    pub expires_at_ms: u64,
    /// When it was used.
    pub used_at_ms: Option<u64>,
}

/// Somebody uses a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkUse {
    /// Digest of the secret that was shown.
    pub digest: Digest,
    /// The name of the account that it makes; must be the link's own where it resets a password.
    pub name: String,
    /// The hash of its password.
    pub password: String,
    /// The session that begins with it.
    pub session: NewSession,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkUsed {
    /// The account is there with this password, and the session has begun.
    Done,
    /// There is no such link, or it is good for nothing any more.
    NotGood,
    /// The name is, or was, somebody's.
    NameTaken,
    /// The link is for another account.
    OtherName,
    /// There are too many members.
    TooMany,
}

fn stored(row: &Row<'_>) -> Result<StoredLink, StoreError> {
    Ok(StoredLink {
        id: row.get(0)?,
        kind: row.get(1)?,
        account: row.get(2)?,
        roles: roles::roles(row, 3)?,
        made_by: row.get(4)?,
        made_at_ms: unsigned(row.get(5)?),
        expires_at_ms: unsigned(row.get(6)?),
        used_at_ms: row.get::<Option<i64>>(7)?.map(unsigned),
    })
}

fn keep(transaction: &Connection, scope: &Scope, new: &NewLink) -> Result<LinkKept, StoreError> {
    if new.kind == FIRST && accounts::count(transaction, scope)? > 0 {
        return Ok(LinkKept::NotFirst);
    }
    if let Some(account) = &new.account {
        let member = sql::first(
            transaction,
            "select 1 from member where workspace = ?1 and project = ?2 and account = ?3",
            [scope.workspace(), scope.project(), account.as_str()],
            |_| Ok(()),
        )?;
        if member.is_none() {
            return Ok(LinkKept::Unknown);
        }
    }
    sql::run(
        transaction,
        "delete from account_link where workspace = ?1 and project = ?2 and expires_at_ms < ?3",
        params![
            scope.workspace(),
            scope.project(),
            signed(new.made_at_ms.saturating_sub(FORGOTTEN_AFTER_MS))
        ],
    )?;
    let is_full = sql::first(
        transaction,
        "select count(*) >= ?4 from account_link where workspace = ?1 and project = ?2 and used_at_ms is null \
         and expires_at_ms > ?3",
        params![
            scope.workspace(),
            scope.project(),
            signed(new.made_at_ms),
            MAX_LINKS
        ],
        |row| row.get::<bool>(0),
    )?;
    if is_full == Some(true) {
        return Ok(LinkKept::TooMany);
    }
    sql::run(
        transaction,
        "insert into account_link (digest, workspace, project, id, kind, account, roles, made_by, made_at_ms, expires_at_ms) \
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            new.digest.as_bytes(),
            scope.workspace(),
            scope.project(),
            new.id,
            new.kind,
            new.account,
            roles::roles_text(&new.roles),
            new.made_by,
            signed(new.made_at_ms),
            signed(new.expires_at_ms)
        ],
    )?;
    Ok(LinkKept::Kept)
}

/// The link with this digest, if it can be used now.
fn good(
    connection: &Connection,
    scope: &Scope,
    digest: &Digest,
    now_ms: u64,
) -> Result<Option<StoredLink>, StoreError> {
    let link = sql::first(
        connection,
        "select id, kind, account, roles, made_by, made_at_ms, expires_at_ms, used_at_ms from account_link \
         where digest = ?1 and workspace = ?2 and project = ?3",
        params![digest.as_bytes(), scope.workspace(), scope.project()],
        stored,
    )?;
    Ok(link.filter(|link| link.used_at_ms.is_none() && now_ms < link.expires_at_ms))
}

fn use_it(transaction: &Connection, scope: &Scope, used: &LinkUse) -> Result<LinkUsed, StoreError> {
    let now_ms = used.session.at_ms;
    let Some(link) = good(transaction, scope, &used.digest, now_ms)? else {
        return Ok(LinkUsed::NotGood);
    };
    let members = accounts::count(transaction, scope)?;
    let done = match &link.account {
        Some(account) if *account != used.name => return Ok(LinkUsed::OtherName),
        Some(account) => accounts::new_password(transaction, scope, account, &used.password, None)?,
        None if link.kind == FIRST && members > 0 => return Ok(LinkUsed::NotGood),
        None if members >= u64::from(accounts::MAX_MEMBERS) => return Ok(LinkUsed::TooMany),
        None => accounts::insert(
            transaction,
            scope,
            &used.name,
            &used.password,
            &link.roles,
            now_ms,
        )?,
    };
    if !done {
        return Ok(match link.account {
            Some(_) => LinkUsed::NotGood,
            None => LinkUsed::NameTaken,
        });
    }
    sql::run(
        transaction,
        "update account_link set used_at_ms = ?4 where digest = ?1 and workspace = ?2 and project = ?3",
        params![
            used.digest.as_bytes(),
            scope.workspace(),
            scope.project(),
            signed(now_ms)
        ],
    )?;
    sessions::begin(transaction, scope, &used.name, &used.session)?;
    Ok(LinkUsed::Done)
}

impl Store {
    /// Keeps a link.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn make_link(&self, scope: &Scope, new: NewLink) -> Result<LinkKept, StoreError> {
        let took = |kept: &LinkKept| *kept == LinkKept::Kept;
        self.change(scope, None, took, move |transaction, scope| {
            keep(transaction, scope, &new)
        })
        .await
    }

    /// Somebody uses a link: the account, its roles and its session are made in one, or nothing is. It is good once.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn use_link(&self, scope: &Scope, used: LinkUse) -> Result<LinkUsed, StoreError> {
        let took = |used: &LinkUsed| *used == LinkUsed::Done;
        self.change(scope, None, took, move |transaction, scope| {
            use_it(transaction, scope, &used)
        })
        .await
    }

    /// The link with this digest, as long as it can be used.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn find_link(
        &self,
        scope: &Scope,
        digest: Digest,
        now_ms: u64,
    ) -> Result<Option<StoredLink>, StoreError> {
        self.read(scope, move |connection, scope| {
            good(connection, scope, &digest, now_ms)
        })
        .await
    }

    /// The links that wait to be used, newest first, at most [`MAX_LINKS`].
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn links(&self, scope: &Scope, now_ms: u64) -> Result<Vec<StoredLink>, StoreError> {
        self.read(scope, move |connection, scope| {
            sql::all(
                connection,
                "select id, kind, account, roles, made_by, made_at_ms, expires_at_ms, used_at_ms from account_link \
                 where workspace = ?1 and project = ?2 and used_at_ms is null and expires_at_ms > ?3 \
                 order by made_at_ms desc limit ?4",
                params![scope.workspace(), scope.project(), signed(now_ms), MAX_LINKS],
                stored,
            )
        })
        .await
    }

    /// Takes a link back that nobody has used. False if there is none with this id.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn withdraw_link(&self, scope: &Scope, id: String) -> Result<bool, StoreError> {
        self.change(
            scope,
            None,
            |withdrawn| *withdrawn,
            move |transaction, scope| {
                let withdrawn = sql::run(
                    transaction,
                    "delete from account_link where workspace = ?1 and project = ?2 and id = ?3 and used_at_ms is null",
                    [scope.workspace(), scope.project(), id.as_str()],
                )?;
                Ok(withdrawn > 0)
            },
        )
        .await
    }
}
