//! Webhook endpoints: addresses outside to which a project's events are sent, each with the key that they are signed with.
//!
//! The key comes encrypted and leaves so. While it is being changed the one before is kept beside it. How often calls to an
//! endpoint have failed in a row stands with it, so that one that never answers is disabled.

use flowforge_core::Scope;

use crate::cells::{Row, params};
use crate::connection::Connection;
use crate::sql::{self, signed, small, unsigned};
use crate::{Store, StoreError};

/// Webhook endpoints of a project at most.
pub const MAX_ENDPOINTS: u32 = 100;

/// A key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedKey {
    /// Encrypted.
    pub sealed: Vec<u8>,
    /// Grows with each key of the endpoint; bound to it.
    pub version: u32,
}

/// What is said of an endpoint besides its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointPlan {
    /// Its name in the project.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// The kinds of events that it is told; none if only workflows name it.
    pub kinds: Vec<String>,
    /// Only of this workflow; none: of all.
    pub workflow: Option<String>,
}

/// An endpoint without its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// What was said of it.
    pub plan: EndpointPlan,
    /// Which key it has.
    pub key_version: u32,
    /// Until when the key before signs beside it.
    pub old_until_ms: Option<u64>,
    /// Who made it.
    pub made_by: String,
    /// When.
    pub made_at_ms: u64,
    /// How many calls failed since the last one that did not.
    pub failures: u64,
    /// Since when they fail.
    pub failing_since_ms: Option<u64>,
    /// Since when nothing is sent there, and why.
    pub disabled: Option<(u64, String)>,
}

/// What a call to an endpoint needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointKeys {
    /// Where it is.
    pub url: String,
    /// Its key.
    pub key: SealedKey,
    /// The one before, and until when it signs, too.
    pub old: Option<(SealedKey, u64)>,
}

/// What became of setting an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointSet {
    /// It is new, with the given key.
    Made,
    /// It was there, and keeps its key.
    Changed,
    /// There are [`MAX_ENDPOINTS`].
    TooMany,
}

const COLUMNS: &str = "select name, url, kinds, workflow, secret_version, old_until_ms, made_by, made_at_ms, failures, \
     failing_since_ms, disabled_at_ms, disabled_why from endpoint where workspace = ?1 and project = ?2";

fn from_row(row: &Row<'_>) -> Result<Endpoint, StoreError> {
    let time = |column| Ok::<_, StoreError>(row.get::<Option<i64>>(column)?.map(unsigned));
    let kinds = row.text(2)?.split_whitespace().map(str::to_owned).collect();
    Ok(Endpoint {
        plan: EndpointPlan {
            name: row.get(0)?,
            url: row.get(1)?,
            kinds,
            workflow: row.get(3)?,
        },
        key_version: small(row.get(4)?),
        old_until_ms: time(5)?,
        made_by: row.get(6)?,
        made_at_ms: unsigned(row.get(7)?),
        failures: unsigned(row.get(8)?),
        failing_since_ms: time(9)?,
        disabled: time(10)?.zip(row.get::<Option<String>>(11)?),
    })
}

impl Store {
    /// The endpoints of a project, by name: at most [`MAX_ENDPOINTS`].
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn endpoints(&self, scope: &Scope) -> Result<Vec<Endpoint>, StoreError> {
        self.read(scope, |connection, scope| {
            let sql = format!("{COLUMNS} order by name");
            sql::all(connection, &sql, [scope.workspace(), scope.project()], from_row)
        })
        .await
    }

    /// The endpoint of this name.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn endpoint(&self, scope: &Scope, name: &str) -> Result<Option<Endpoint>, StoreError> {
        let name = name.to_owned();
        self.read(scope, move |connection, scope| {
            let sql = format!("{COLUMNS} and name = ?3");
            let params = [scope.workspace(), scope.project(), name.as_str()];
            sql::first(connection, &sql, params, from_row)
        })
        .await
    }

    /// Makes an endpoint with this key, or says anew where one is and what it is told, which leaves its key as it is.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_endpoint(
        &self,
        scope: &Scope,
        plan: EndpointPlan,
        key: SealedKey,
        (by, at_ms): (String, u64),
    ) -> Result<EndpointSet, StoreError> {
        let took = |set: &EndpointSet| *set != EndpointSet::TooMany;
        self.change(scope, None, took, move |transaction, scope| {
            let (workspace, project) = (scope.workspace(), scope.project());
            let kinds = format!(" {} ", plan.kinds.join(" "));
            let changed = sql::run(
                transaction,
                "update endpoint set url = ?4, kinds = ?5, workflow = ?6 \
                 where workspace = ?1 and project = ?2 and name = ?3",
                params![workspace, project, plan.name, plan.url, kinds, plan.workflow],
            )?;
            if changed > 0 {
                return Ok(EndpointSet::Changed);
            }
            let is_full = sql::first(
                transaction,
                "select count(*) >= ?3 from endpoint where workspace = ?1 and project = ?2",
                params![workspace, project, MAX_ENDPOINTS],
                |row| row.get::<bool>(0),
            )?;
            if is_full == Some(true) {
                return Ok(EndpointSet::TooMany);
            }
            sql::run(
                transaction,
                "insert into endpoint (workspace, project, name, url, kinds, workflow, secret, secret_version, made_by, \
                 made_at_ms) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                params![
                    workspace,
                    project,
                    plan.name,
                    plan.url,
                    kinds,
                    plan.workflow,
                    key.sealed,
                    key.version,
                    by,
                    signed(at_ms)
                ],
            )?;
            Ok(EndpointSet::Made)
        })
        .await
    }

    /// Gives an endpoint another key, the next of its versions; the one that it had signs beside it until then. False if
    /// there is no such endpoint, or somebody else gave it a key meanwhile.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn rotate_endpoint(
        &self,
        scope: &Scope,
        name: String,
        key: SealedKey,
        old_until_ms: u64,
    ) -> Result<bool, StoreError> {
        self.change(
            scope,
            None,
            |rotated| *rotated,
            move |transaction, scope| {
                let rotated = sql::run(
                    transaction,
                    "update endpoint set old_secret = secret, old_secret_version = secret_version, old_until_ms = ?6, \
                     secret = ?4, secret_version = ?5 \
                     where workspace = ?1 and project = ?2 and name = ?3 and secret_version + 1 = ?5",
                    params![
                        scope.workspace(),
                        scope.project(),
                        name,
                        key.sealed,
                        key.version,
                        signed(old_until_ms)
                    ],
                )?;
                Ok(rotated > 0)
            },
        )
        .await
    }

    /// Disables an endpoint, or enables it: then what waits for it is due at once. False if there is none of this name, or it
    /// is so already.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn decide_endpoint(
        &self,
        scope: &Scope,
        name: String,
        disabled: Option<String>,
        at_ms: u64,
    ) -> Result<bool, StoreError> {
        self.change(
            scope,
            None,
            |decided| *decided,
            move |transaction, scope| {
                let (workspace, project) = (scope.workspace(), scope.project());
                if let Some(why) = disabled {
                    return disable(transaction, scope, &name, (at_ms, &why));
                }
                let enabled = sql::run(
                    transaction,
                    "update endpoint set disabled_at_ms = null, disabled_why = null, failures = 0, failing_since_ms = null \
                     where workspace = ?1 and project = ?2 and name = ?3 and disabled_at_ms is not null",
                    [workspace, project, name.as_str()],
                )?;
                if enabled > 0 {
                    sql::run(
                        transaction,
                        "update event_delivery set due_ms = ?4 where workspace = ?1 and project = ?2 and endpoint = ?3 \
                         and state = 'pending'",
                        params![workspace, project, name, signed(at_ms)],
                    )?;
                }
                Ok(enabled > 0)
            },
        )
        .await
    }

    /// Removes an endpoint with everything that was sent to it or waits for it. False if there is none of this name.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn delete_endpoint(&self, scope: &Scope, name: String) -> Result<bool, StoreError> {
        self.change(
            scope,
            None,
            |deleted| *deleted,
            move |transaction, scope| {
                let of = [scope.workspace(), scope.project(), name.as_str()];
                let deleted = sql::run(
                    transaction,
                    "delete from endpoint where workspace = ?1 and project = ?2 and name = ?3",
                    of,
                )?;
                sql::run(
                    transaction,
                    "delete from event_delivery where workspace = ?1 and project = ?2 and endpoint = ?3",
                    of,
                )?;
                Ok(deleted > 0)
            },
        )
        .await
    }

    /// What a call to an endpoint needs; none if there is none, or nothing is sent there.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn endpoint_keys(&self, scope: &Scope, name: &str) -> Result<Option<EndpointKeys>, StoreError> {
        let name = name.to_owned();
        self.read(scope, move |connection, scope| {
            sql::first(
                connection,
                "select url, secret, secret_version, old_secret, old_secret_version, old_until_ms from endpoint \
                 where workspace = ?1 and project = ?2 and name = ?3 and disabled_at_ms is null",
                [scope.workspace(), scope.project(), name.as_str()],
                |row| {
                    let key = |sealed, version: i64| SealedKey {
                        sealed,
                        version: small(version),
                    };
                    let old: Option<Vec<u8>> = row.get(3)?;
                    let version: Option<i64> = row.get(4)?;
                    let until: Option<i64> = row.get(5)?;
                    let old = old.zip(version).zip(until);
                    Ok(EndpointKeys {
                        url: row.get(0)?,
                        key: key(row.get(1)?, row.get(2)?),
                        old: old.map(|((sealed, version), until)| (key(sealed, version), unsigned(until))),
                    })
                },
            )
        })
        .await
    }
}

/// Nothing is sent to an endpoint from now on. False if it is so already.
pub(crate) fn disable(
    connection: &Connection,
    scope: &Scope,
    name: &str,
    (at_ms, why): (u64, &str),
) -> Result<bool, StoreError> {
    let disabled = sql::run(
        connection,
        "update endpoint set disabled_at_ms = ?4, disabled_why = ?5 \
         where workspace = ?1 and project = ?2 and name = ?3 and disabled_at_ms is null",
        params![scope.workspace(), scope.project(), name, signed(at_ms), why],
    )?;
    Ok(disabled > 0)
}
