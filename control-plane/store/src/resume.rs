//! The way of a run to another host, or back to one that has lost it: its records, and the lease with the next epoch.

use std::collections::HashMap;

use flowforge_core::Scope;
use flowforge_failpoints::Point;
use flowforge_protocol::chain::chain_start;
use flowforge_protocol::job::RecordPrefix;
use flowforge_protocol::{Digest, HostId, RunId};
use serde_json::json;

use crate::cells::params;
use crate::jobs::{self, NewJob, OpenJob, open_job};
use crate::sql::{self, signed, unsigned};
use crate::{Store, StoreError};

/// How far the records of a run are stored here, as its host must know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// There is no such run here.
    Unknown,
    /// Another host has the lease, or this one under another epoch.
    NotOwner {
        /// The current epoch.
        epoch: u64,
    },
    /// This host has the lease.
    Stored {
        /// The number of the next record.
        next_seq: u64,
        /// Chain value after the last stored record.
        chain: Digest,
        /// True if the last stored record ends the run.
        ended: bool,
        /// True if the receipt is stored.
        receipt: bool,
    },
}

/// What is stored of a run that goes to another host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeBasis {
    /// Its current epoch.
    pub epoch: u64,
    /// Its records: the host gets them behind the order.
    pub prefix: RecordPrefix,
    /// What the run was told and that has not taken effect.
    pub orders: Vec<OpenJob>,
}

/// A run that goes on at a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewResume {
    /// The run.
    pub run: RunId,
    /// The epoch of the [`ResumeBasis`]; the run gets the next one.
    pub from_epoch: u64,
    /// Records of the basis.
    pub records: u64,
    /// Who goes on.
    pub host: HostId,
    /// The order to resume, and then the orders of the basis, all signed for this host and the next epoch.
    pub jobs: Vec<NewJob>,
}

impl Store {
    /// Where the records of these runs stand, for this host. What a host holds and the answer does not cover, it offers
    /// again.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn cursors(
        &self,
        scope: &Scope,
        host: &HostId,
        runs: Vec<(RunId, u64)>,
    ) -> Result<Vec<(RunId, Cursor)>, StoreError> {
        let host = host.clone();
        self.read(scope, move |connection, scope| {
            let ids: Vec<&RunId> = runs.iter().map(|(run, _)| run).collect();
            let found: HashMap<RunId, (bool, u64, Cursor)> = sql::all(
                connection,
                "select run.id, run.host, run.epoch, run.next_seq, run.chain, run.ended_at_ms is not null, \
                 run.receipt is not null from run where run.id in (select value from json_each(?1)) \
                 and run.workspace = ?2 and run.project = ?3",
                [
                    json!(ids).to_string().as_str(),
                    scope.workspace(),
                    scope.project(),
                ],
                |row| {
                    let id: RunId = sql::parsed(row, 0, "run id")?;
                    let own = row.get::<Option<String>>(1)?.as_deref() == Some(host.as_str());
                    let chain = row.get::<Option<Vec<u8>>>(4)?;
                    let cursor = Cursor::Stored {
                        next_seq: unsigned(row.get(3)?),
                        chain: chain.map_or_else(|| Ok(chain_start(&id)), |chain| sql::digest(&chain))?,
                        ended: row.get(5)?,
                        receipt: row.get(6)?,
                    };
                    Ok((id, (own, unsigned(row.get(2)?), cursor)))
                },
            )?
            .into_iter()
            .collect();
            let cursor = |(run, epoch): (RunId, u64)| {
                let cursor = match found.get(&run) {
                    None => Cursor::Unknown,
                    Some((own, current, cursor)) if *own && *current == epoch => *cursor,
                    Some((_, current, _)) => Cursor::NotOwner { epoch: *current },
                };
                (run, cursor)
            };
            Ok(runs.into_iter().map(cursor).collect())
        })
        .await
    }

    /// Where the records of a run stand that is not over, and the orders that wait for it; `None` if it is over.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn resume_basis(&self, scope: &Scope, run: &RunId) -> Result<Option<ResumeBasis>, StoreError> {
        let wanted = run.clone();
        self.read(scope, move |connection, scope| {
            // Records and orders belong together.
            connection.snapshot(|connection| {
                let basis = sql::first(
                    connection,
                    "select epoch, next_seq, chain from run where id = ?1 and ended_at_ms is null \
                     and workspace = ?2 and project = ?3",
                    [wanted.as_str(), scope.workspace(), scope.project()],
                    |row| {
                        let chain = row.get::<Option<Vec<u8>>>(2)?;
                        Ok(ResumeBasis {
                            epoch: unsigned(row.get(0)?),
                            prefix: RecordPrefix {
                                count: unsigned(row.get(1)?),
                                chain: chain
                                    .map_or_else(|| Ok(chain_start(&wanted)), |chain| sql::digest(&chain))?,
                                run: wanted.clone(),
                            },
                            orders: Vec::new(),
                        })
                    },
                )?;
                let Some(mut basis) = basis else {
                    return Ok(None);
                };
                basis.orders = sql::all(
                    connection,
                    "select id, sequence, run, kind, document, expires_at_ms, issue from job \
                     where run = ?1 and kind not in ('start', 'resume') order by sequence",
                    [wanted.as_str()],
                    open_job,
                )?;
                Ok(Some(basis))
            })
        })
        .await
    }

    /// Gives a run to a host with the next epoch (B2): from this commit on, whoever had it before writes nothing more.
    /// False if the run moved, ended or changed hands since the basis was read, or its own host was heard: only a run whose lease
    /// is over, or that is lost, goes to another one.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn resume(&self, scope: &Scope, resume: NewResume) -> Result<bool, StoreError> {
        self.alone(scope, Some(Point::B2), move |transaction, scope| {
            let moved = sql::run(
                transaction,
                "update run set host = ?2, epoch = epoch + 1, lost_at_ms = null, lapsed_at_ms = null, trouble = null \
                 where id = ?1 and epoch = ?3 and next_seq = ?4 and ended_at_ms is null \
                 and (lapsed_at_ms is not null or lost_at_ms is not null) \
                 and workspace = ?5 and project = ?6",
                params![
                    resume.run.as_str(),
                    resume.host.as_str(),
                    signed(resume.from_epoch),
                    signed(resume.records),
                    scope.workspace(),
                    scope.project()
                ],
            )?;
            if moved == 0 {
                return Ok(false);
            }
            sql::run(
                transaction,
                "delete from job where run = ?1",
                [resume.run.as_str()],
            )?;
            jobs::insert(transaction, scope, &resume.jobs)?;
            Ok(true)
        })
        .await
    }
}
