//! Certificates of hosts, and what was decided about a host.

use std::str::FromStr;

use flowforge_core::Scope;
use flowforge_protocol::{Digest, HostId};

use crate::cells::{Row, params};
use crate::connection::Connection;
use crate::hosts::MAX_HOSTS;
use crate::sql::{self, signed, unsigned};
use crate::{Store, StoreError};

/// Certificates that expired so long ago are forgotten, milliseconds: 90 days. None of them is let in any more.
const FORGOTTEN_AFTER_MS: u64 = 90 * 24 * 60 * 60 * 1_000;

/// A certificate that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCertificate {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Whose it is.
    pub host: HostId,
    /// Counts the certificates of a host, from 1.
    pub generation: u64,
    /// The Ed25519 public key that it is for.
    pub link_key: [u8; 32],
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// When it was issued, milliseconds since 1970 UTC.
    pub issued_at_ms: u64,
    /// Until when it is good.
    pub expires_at_ms: u64,
    /// When it was shown first.
    pub first_used_ms: Option<u64>,
}

/// A certificate to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCertificate {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// The Ed25519 public key that it is for.
    pub link_key: [u8; 32],
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// When it was issued, milliseconds since 1970 UTC.
    pub issued_at_ms: u64,
    /// Until when it is good.
    pub expires_at_ms: u64,
}

/// What was decided about a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// It works.
    #[default]
    Active,
    /// It finishes what it has and gets nothing new.
    Draining,
    /// Its calls are refused: somebody said so.
    Revoked,
    /// Its calls are refused: two machines showed its certificate.
    Cloned,
    /// It said good-bye.
    Left,
}

impl Standing {
    /// As it is stored and told.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Revoked => "revoked",
            Self::Cloned => "cloned",
            Self::Left => "left",
        }
    }

    /// Whether the host's calls are answered.
    #[must_use]
    pub fn is_admitted(self) -> bool {
        matches!(self, Self::Active | Self::Draining)
    }
}

/// Not one of the words of [`Standing::as_str`].
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no standing of a host")]
pub struct UnknownStanding(String);

impl FromStr for Standing {
    type Err = UnknownStanding;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [
            Self::Active,
            Self::Draining,
            Self::Revoked,
            Self::Cloned,
            Self::Left,
        ]
        .into_iter()
        .find(|standing| standing.as_str() == text)
        .ok_or_else(|| UnknownStanding(text.to_owned()))
    }
}

/// What was decided about a host, why and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostStanding {
    /// The host.
    pub host: HostId,
    /// What was decided.
    pub standing: Standing,
    /// Why, for people.
    pub reason: String,
    /// When, milliseconds since 1970 UTC.
    pub since_ms: u64,
}

const COLUMNS: &str = "select digest, host, generation, link_key, certificate, issued_at_ms, expires_at_ms, first_used_ms \
    from host_certificate ";

fn from_row(row: &Row<'_>) -> Result<StoredCertificate, StoreError> {
    let link_key: Vec<u8> = row.get(3)?;
    Ok(StoredCertificate {
        digest: row.get(0)?,
        host: sql::parsed(row, 1, "host id")?,
        generation: unsigned(row.get(2)?),
        link_key: link_key
            .try_into()
            .map_err(|_| StoreError::unreadable("link key", "not 32 bytes"))?,
        certificate: row.get(4)?,
        issued_at_ms: unsigned(row.get(5)?),
        expires_at_ms: unsigned(row.get(6)?),
        first_used_ms: row.get::<Option<i64>>(7)?.map(unsigned),
    })
}

/// The certificate of a host with the highest number.
pub(crate) fn newest(
    connection: &Connection,
    scope: &Scope,
    host: &HostId,
) -> Result<Option<StoredCertificate>, StoreError> {
    let sql = format!(
        "{COLUMNS} where host = ?1 and workspace = ?2 and project = ?3 order by generation desc limit 1"
    );
    sql::first(
        connection,
        &sql,
        [host.as_str(), scope.workspace(), scope.project()],
        from_row,
    )
}

/// Stores a certificate under this number; `None` if the number is taken.
pub(crate) fn insert(
    transaction: &Connection,
    scope: &Scope,
    host: &HostId,
    generation: u64,
    new: NewCertificate,
) -> Result<Option<StoredCertificate>, StoreError> {
    sql::run(
        transaction,
        "delete from host_certificate where host = ?1 and expires_at_ms < ?2 and workspace = ?3 and project = ?4",
        params![
            host.as_str(),
            signed(new.issued_at_ms.saturating_sub(FORGOTTEN_AFTER_MS)),
            scope.workspace(),
            scope.project()
        ],
    )?;
    let stored = sql::run(
        transaction,
        "insert into host_certificate (digest, host, generation, link_key, certificate, issued_at_ms, expires_at_ms, \
         workspace, project) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) on conflict do nothing",
        params![
            new.digest.as_bytes(),
            host.as_str(),
            signed(generation),
            new.link_key,
            new.certificate,
            signed(new.issued_at_ms),
            signed(new.expires_at_ms),
            scope.workspace(),
            scope.project()
        ],
    )?;
    Ok((stored == 1).then(|| StoredCertificate {
        digest: new.digest,
        host: host.clone(),
        generation,
        link_key: new.link_key,
        certificate: new.certificate,
        issued_at_ms: new.issued_at_ms,
        expires_at_ms: new.expires_at_ms,
        first_used_ms: None,
    }))
}

/// Notes what was decided about a host.
pub(crate) fn decide(
    transaction: &Connection,
    scope: &Scope,
    decided: &HostStanding,
) -> Result<bool, StoreError> {
    let written = sql::run(
        transaction,
        "insert into host_standing (host, standing, reason, since_ms, workspace, project) \
         select id, ?2, ?3, ?4, workspace, project from host where id = ?1 and workspace = ?5 and project = ?6 \
         on conflict (host) do update set standing = excluded.standing, reason = excluded.reason, \
         since_ms = excluded.since_ms",
        params![
            decided.host.as_str(),
            decided.standing.as_str(),
            decided.reason,
            signed(decided.since_ms),
            scope.workspace(),
            scope.project()
        ],
    )?;
    Ok(written == 1)
}

impl Store {
    /// The certificate with this digest, and the newest one of its host.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn certificate(
        &self,
        scope: &Scope,
        digest: &Digest,
    ) -> Result<Option<(StoredCertificate, StoredCertificate)>, StoreError> {
        let digest = *digest;
        self.read(scope, move |connection, scope| {
            let sql = format!("{COLUMNS} where digest = ?1 and workspace = ?2 and project = ?3");
            let params = params![digest.as_bytes(), scope.workspace(), scope.project()];
            let Some(shown) = sql::first(connection, &sql, params, from_row)? else {
                return Ok(None);
            };
            let newest = newest(connection, scope, &shown.host)?;
            Ok(newest.map(|newest| (shown, newest)))
        })
        .await
    }

    /// The newest certificate of every host that has one.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn newest_certificates(&self, scope: &Scope) -> Result<Vec<StoredCertificate>, StoreError> {
        self.read(scope, |connection, scope| {
            let sql = format!(
                "{COLUMNS} where workspace = ?1 and project = ?2 and generation = (select max(generation) from \
                 host_certificate of_host where of_host.host = host_certificate.host) limit {MAX_HOSTS}"
            );
            sql::all(connection, &sql, [scope.workspace(), scope.project()], from_row)
        })
        .await
    }

    /// Stores the certificate that a host gets as this number; `None` if another one came first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn issue_certificate(
        &self,
        scope: &Scope,
        host: HostId,
        generation: u64,
        new: NewCertificate,
    ) -> Result<Option<StoredCertificate>, StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            insert(transaction, scope, &host, generation, new)
        })
        .await
    }

    /// A certificate was shown; the first time is kept.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn certificate_shown(
        &self,
        scope: &Scope,
        digest: Digest,
        at_ms: u64,
    ) -> Result<(), StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            sql::run(
                transaction,
                "update host_certificate set first_used_ms = ?2 where digest = ?1 and first_used_ms is null \
                 and workspace = ?3 and project = ?4",
                params![
                    digest.as_bytes(),
                    signed(at_ms),
                    scope.workspace(),
                    scope.project()
                ],
            )?;
            Ok(())
        })
        .await
    }

    /// Notes what was decided about a host; false if there is no such host.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn decide_host(&self, scope: &Scope, decided: HostStanding) -> Result<bool, StoreError> {
        self.change(
            scope,
            None,
            |decided| *decided,
            move |transaction, scope| decide(transaction, scope, &decided),
        )
        .await
    }

    /// What was decided about hosts; none is told of one that nothing was decided about.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn standings(&self, scope: &Scope) -> Result<Vec<HostStanding>, StoreError> {
        self.read(scope, |connection, scope| {
            sql::all(
                connection,
                "select host, standing, reason, since_ms from host_standing where workspace = ?2 and project = ?3 limit ?1",
                params![MAX_HOSTS, scope.workspace(), scope.project()],
                standing_from_row,
            )
        })
        .await
    }

    /// What was decided about a host, if anything was, and its newest certificate, if it has one.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn admission(
        &self,
        scope: &Scope,
        host: &HostId,
    ) -> Result<(Option<HostStanding>, Option<StoredCertificate>), StoreError> {
        let host = host.clone();
        self.read(scope, move |connection, scope| {
            let decided = sql::first(
                connection,
                "select host, standing, reason, since_ms from host_standing \
                 where host = ?1 and workspace = ?2 and project = ?3",
                [host.as_str(), scope.workspace(), scope.project()],
                standing_from_row,
            )?;
            Ok((decided, newest(connection, scope, &host)?))
        })
        .await
    }
}

fn standing_from_row(row: &Row<'_>) -> Result<HostStanding, StoreError> {
    Ok(HostStanding {
        host: sql::parsed(row, 0, "host id")?,
        standing: sql::parsed(row, 1, "standing")?,
        reason: row.get(2)?,
        since_ms: unsigned(row.get(3)?),
    })
}
