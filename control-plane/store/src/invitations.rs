//! Invitations of hosts: each is good once, and again only for the machine that used it.

use flowforge_core::Scope;
use flowforge_protocol::{Digest, HostId};

use crate::cells::params;
use crate::certificates::{self, HostStanding, NewCertificate, Standing, StoredCertificate};
use crate::connection::Connection;
use crate::hosts::{Host, NewHost, Registered, register};
use crate::sql::{self, signed, unsigned};
use crate::{Store, StoreError};

/// Invitations of a project at most that are neither used nor expired.
pub const MAX_INVITATIONS: u32 = 1_000;
/// How long the machine that used an invitation may repeat its call, milliseconds: ten minutes.
const REPEATED_WITHIN_MS: u64 = 10 * 60 * 1_000;
/// Invitations that expired so long ago are forgotten, milliseconds: 30 days.
const FORGOTTEN_AFTER_MS: u64 = 30 * 24 * 60 * 60 * 1_000;

/// An invitation to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInvitation {
    /// Digest of its secret.
    pub secret_hash: Digest,
    /// Name that the host gets.
    pub name: String,
    /// Who made it.
    pub created_by: String,
    /// When, milliseconds since 1970 UTC.
    pub created_at_ms: u64,
    /// From when on it is not good.
    pub expires_at_ms: u64,
    /// Words that the host is given; see [`flowforge_protocol::labels`].
    pub labels: Vec<String>,
}

/// What became of an invitation that was to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invited {
    /// It is good now.
    Kept,
    /// There are [`MAX_INVITATIONS`] that wait to be used.
    TooMany,
}

/// A machine that uses an invitation; what it proved is verified.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Digest of the secret that it brought.
    pub secret_hash: Digest,
    /// The host that it is to be.
    pub host: NewHost,
    /// The certificate that it gets; made for the id in `host`.
    pub certificate: NewCertificate,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// The host is known, and this is its certificate; the same one as before if it repeats its call.
    Certificate(Box<Host>, Box<StoredCertificate>),
    /// There is no such invitation.
    Unknown,
    /// It was good until then.
    Expired(u64),
    /// A machine with another key used it then. From now on it is good for nobody.
    Taken(u64),
    /// The machine that used it repeats its call too late, or after another one tried it.
    Spent(u64),
    /// The identity key is known under this id: make the certificate for it.
    OtherId(HostId),
    /// See [`Registered::TooMany`].
    TooManyHosts,
    /// See [`Registered::Elsewhere`].
    Elsewhere,
}

/// What is kept of an invitation.
struct Kept {
    name: String,
    expires_at_ms: u64,
    claimed_at_ms: Option<u64>,
    link_key: Option<Vec<u8>>,
    host: Option<String>,
    spent: bool,
    labels: String,
}

fn kept(transaction: &Connection, scope: &Scope, secret_hash: &Digest) -> Result<Option<Kept>, StoreError> {
    sql::first(
        transaction,
        "select name, expires_at_ms, claimed_at_ms, link_key, host, spent_at_ms, labels from invitation \
         where secret_hash = ?1 and workspace = ?2 and project = ?3",
        params![secret_hash.as_bytes(), scope.workspace(), scope.project()],
        |row| {
            Ok(Kept {
                name: row.get(0)?,
                expires_at_ms: unsigned(row.get(1)?),
                claimed_at_ms: row.get::<Option<i64>>(2)?.map(unsigned),
                link_key: row.get(3)?,
                host: row.get(4)?,
                spent: row.get::<Option<i64>>(5)?.is_some(),
                labels: row.get(6)?,
            })
        },
    )
}

/// An invitation that a machine has used comes once more.
fn again(
    transaction: &Connection,
    scope: &Scope,
    claim: &Claim,
    kept: &Kept,
    at_ms: u64,
) -> Result<Claimed, StoreError> {
    let now_ms = claim.host.at_ms;
    if kept.link_key.as_deref() != Some(claim.certificate.link_key.as_slice()) {
        sql::run(
            transaction,
            "update invitation set spent_at_ms = ?2 where secret_hash = ?1 and spent_at_ms is null \
             and workspace = ?3 and project = ?4",
            params![
                claim.secret_hash.as_bytes(),
                signed(now_ms),
                scope.workspace(),
                scope.project()
            ],
        )?;
        return Ok(Claimed::Taken(at_ms));
    }
    if kept.spent || now_ms > at_ms.saturating_add(REPEATED_WITHIN_MS) {
        return Ok(Claimed::Spent(at_ms));
    }
    let id: Option<HostId> = kept.host.as_ref().and_then(|host| host.parse().ok());
    let Some(certificate) = id
        .map(|id| certificates::newest(transaction, scope, &id))
        .transpose()?
        .flatten()
        .filter(|newest| newest.link_key == claim.certificate.link_key)
    else {
        return Ok(Claimed::Spent(at_ms));
    };
    let host = NewHost {
        id: certificate.host.clone(),
        name: kept.name.clone(),
        ..claim.host.clone()
    };
    Ok(match register(transaction, scope, &host)? {
        Registered::Host(host) => Claimed::Certificate(host, Box::new(certificate)),
        Registered::TooMany => Claimed::TooManyHosts,
        Registered::Elsewhere | Registered::Replayed => Claimed::Elsewhere,
    })
}

fn first(transaction: &Connection, scope: &Scope, claim: Claim, kept: Kept) -> Result<Claimed, StoreError> {
    let now_ms = claim.host.at_ms;
    let wanted = claim.host.id.clone();
    let given = serde_json::from_str(&kept.labels).map_err(|e| StoreError::unreadable("labels", e))?;
    let host = NewHost {
        name: kept.name,
        given_labels: Some(given),
        ..claim.host
    };
    let known = sql::first(
        transaction,
        "select id from host where identity_key = ?1 and workspace = ?2 and project = ?3",
        params![host.identity_key, scope.workspace(), scope.project()],
        |row| sql::parsed::<HostId>(row, 0, "host id"),
    )?;
    if let Some(known) = known.filter(|known| *known != wanted) {
        return Ok(Claimed::OtherId(known));
    }
    let host = match register(transaction, scope, &host)? {
        Registered::Host(host) => host,
        Registered::TooMany => return Ok(Claimed::TooManyHosts),
        Registered::Elsewhere | Registered::Replayed => return Ok(Claimed::Elsewhere),
    };
    let before = certificates::newest(transaction, scope, &host.id)?.map_or(0, |newest| newest.generation);
    let link_key = claim.certificate.link_key;
    let stored = certificates::insert(
        transaction,
        scope,
        &host.id,
        before.saturating_add(1),
        claim.certificate,
    )?;
    let Some(certificate) = stored else {
        return Err(StoreError::unreadable("certificate", "its number is taken"));
    };
    // Whoever invites it anew takes back what was decided about it before.
    certificates::decide(
        transaction,
        scope,
        &HostStanding {
            host: host.id.clone(),
            standing: Standing::Active,
            reason: "enrolled".to_owned(),
            since_ms: now_ms,
        },
    )?;
    sql::run(
        transaction,
        "update invitation set claimed_at_ms = ?2, link_key = ?3, host = ?4 where secret_hash = ?1 \
         and workspace = ?5 and project = ?6",
        params![
            claim.secret_hash.as_bytes(),
            signed(now_ms),
            link_key,
            host.id.as_str(),
            scope.workspace(),
            scope.project()
        ],
    )?;
    Ok(Claimed::Certificate(host, Box::new(certificate)))
}

impl Store {
    /// Keeps an invitation.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn invite(&self, scope: &Scope, new: NewInvitation) -> Result<Invited, StoreError> {
        let took = |invited: &Invited| matches!(invited, Invited::Kept);
        self.change(scope, None, took, move |transaction, scope| {
            let now_ms = new.created_at_ms;
            sql::run(
                transaction,
                "delete from invitation where expires_at_ms < ?1 and workspace = ?2 and project = ?3",
                params![
                    signed(now_ms.saturating_sub(FORGOTTEN_AFTER_MS)),
                    scope.workspace(),
                    scope.project()
                ],
            )?;
            let is_full = sql::first(
                transaction,
                "select count(*) >= ?2 from invitation where claimed_at_ms is null and expires_at_ms > ?1 \
                 and workspace = ?3 and project = ?4",
                params![signed(now_ms), MAX_INVITATIONS, scope.workspace(), scope.project()],
                |row| row.get::<bool>(0),
            )?;
            if is_full == Some(true) {
                return Ok(Invited::TooMany);
            }
            sql::run(
                transaction,
                "insert into invitation (secret_hash, name, created_by, created_at_ms, expires_at_ms, workspace, project, labels) \
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    new.secret_hash.as_bytes(),
                    new.name,
                    new.created_by,
                    signed(now_ms),
                    signed(new.expires_at_ms),
                    scope.workspace(),
                    scope.project(),
                    serde_json::json!(new.labels).to_string()
                ],
            )?;
            Ok(Invited::Kept)
        })
        .await
    }

    /// A machine uses an invitation. The machine that used it may repeat the call for ten minutes and gets the same answer;
    /// for every other one it is gone. Who is invited is active from then on, whatever was decided before.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn claim(&self, scope: &Scope, claim: Claim) -> Result<Claimed, StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            let Some(kept) = kept(transaction, scope, &claim.secret_hash)? else {
                return Ok(Claimed::Unknown);
            };
            if let Some(at_ms) = kept.claimed_at_ms {
                return again(transaction, scope, &claim, &kept, at_ms);
            }
            if claim.host.at_ms >= kept.expires_at_ms {
                return Ok(Claimed::Expired(kept.expires_at_ms));
            }
            first(transaction, scope, claim, kept)
        })
        .await
    }
}
