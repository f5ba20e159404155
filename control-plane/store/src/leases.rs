//! Leases of runs that may move: who renewed, who did not, and which runs another host may take.
//!
//! A lease is renewed by a count at its host, never by a time: whoever watches sees that the count stood still for so long by a
//! clock of its own, and says so together with the count. A renewal that was committed before that makes it untrue; one that
//! comes afterwards takes the lapse back, unless another host has the run by then.

use flowforge_core::Scope;
use flowforge_protocol::HostId;

use crate::cells::{Row, params};
use crate::sql::{self, signed, unsigned};
use crate::{Store, StoreError};

/// A lease is over when it was not renewed for its life, a tenth more, and so many milliseconds: two clocks do not go alike.
const GRACE_MS: i64 = 250;

/// Where a run may be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placement {
    /// The words that its host must have; none for any host.
    pub labels: Vec<String>,
    /// How long a host may have it without renewing its lease, milliseconds; none for a run that stays at its host.
    pub lease_ms: Option<u64>,
    /// Since when another host may take it.
    pub lapsed_at_ms: Option<u64>,
}

/// A host with runs that may move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The host.
    pub host: HostId,
    /// How often it renewed its leases.
    pub renewals: u64,
}

/// From these columns of a row and the two behind it.
pub(crate) fn placement(row: &Row<'_>, column: usize) -> Result<Placement, StoreError> {
    Ok(Placement {
        labels: match row.get::<Option<String>>(column)? {
            Some(text) => serde_json::from_str(&text).map_err(|e| StoreError::unreadable("labels", e))?,
            None => Vec::new(),
        },
        lease_ms: row.get::<Option<i64>>(column + 1)?.map(unsigned),
        lapsed_at_ms: row.get::<Option<i64>>(column + 2)?.map(unsigned),
    })
}

impl Store {
    /// A host says that it is at work on its runs: none of them may be taken from it from now on, until it was not heard for
    /// the life of a lease again. Runs that another host has by now are not its own any more.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn renew_leases(&self, scope: &Scope, host: HostId) -> Result<(), StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            let host = [host.as_str(), scope.workspace(), scope.project()];
            sql::run(
                transaction,
                "update host set renewals = renewals + 1 where id = ?1 and workspace = ?2 and project = ?3",
                host,
            )?;
            sql::run(
                transaction,
                "update run set lapsed_at_ms = null where host = ?1 and lapsed_at_ms is not null and lost_at_ms is null \
                 and ended_at_ms is null and workspace = ?2 and project = ?3",
                host,
            )?;
            Ok(())
        })
        .await
    }

    /// The hosts with runs that may move and that nobody may take yet.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn lease_holders(&self, scope: &Scope) -> Result<Vec<Holder>, StoreError> {
        self.read(scope, |connection, scope| {
            sql::all(
                connection,
                "select host.id, host.renewals from host where host.workspace = ?1 and host.project = ?2 \
                 and exists (select 1 from run where run.host = host.id and run.lease_ms is not null \
                 and run.ended_at_ms is null and run.lapsed_at_ms is null) order by host.id",
                [scope.workspace(), scope.project()],
                |row| {
                    Ok(Holder {
                        host: sql::parsed(row, 0, "host id")?,
                        renewals: unsigned(row.get(1)?),
                    })
                },
            )
        })
        .await
    }

    /// A host's count stood still for so long, seen by one clock: its runs whose leases are shorter may be taken by others.
    /// Returns how many became so; none if the host has renewed meanwhile.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn lapse(
        &self,
        scope: &Scope,
        holder: Holder,
        still_ms: u64,
        at_ms: u64,
    ) -> Result<usize, StoreError> {
        self.alone(scope, None, move |transaction, scope| {
            sql::run(
                transaction,
                "update run set lapsed_at_ms = ?4 where host = ?1 and lease_ms is not null and ended_at_ms is null \
                 and lapsed_at_ms is null and lease_ms + lease_ms / 10 + ?7 <= ?3 \
                 and exists (select 1 from host where host.id = ?1 and host.renewals = ?2) \
                 and workspace = ?5 and project = ?6",
                params![
                    holder.host.as_str(),
                    signed(holder.renewals),
                    signed(still_ms),
                    signed(at_ms),
                    scope.workspace(),
                    scope.project(),
                    GRACE_MS
                ],
            )
        })
        .await
    }

    /// Runs that may move and that their hosts said they do not have, when the life of their leases is over since then. Returns
    /// how many became so.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn lapse_lost(&self, scope: &Scope, at_ms: u64) -> Result<usize, StoreError> {
        const LOST: &str = "lease_ms is not null and ended_at_ms is null and lapsed_at_ms is null and lost_at_ms is not null \
             and lost_at_ms + lease_ms + lease_ms / 10 + ?4 <= ?1 and host is not null and workspace = ?2 and project = ?3";
        // There seldom is one, and to look costs no turn of the writer.
        let found = self.read(scope, move |connection, scope| {
            sql::first(
                connection,
                &format!("select 1 from run where {LOST} limit 1"),
                params![signed(at_ms), scope.workspace(), scope.project(), GRACE_MS],
                |_| Ok(()),
            )
        });
        if found.await?.is_none() {
            return Ok(0);
        }
        self.alone(scope, None, move |transaction, scope| {
            sql::run(
                transaction,
                &format!("update run set lapsed_at_ms = ?1 where {LOST}"),
                params![signed(at_ms), scope.workspace(), scope.project(), GRACE_MS],
            )
        })
        .await
    }
}
