//! Reading runs and their records.

use crate::cells::{Row, params};
use flowforge_core::Scope;
use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::{ApprovalId, Digest, HostId, RunId};

use crate::leases::{Placement, placement};
use crate::sql::{self, signed, small, unsigned};
use crate::waits::{self, OpenWait};
use crate::{Page, Store, StoreError, values};

/// Where a run stands, as far as its records are stored here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// No host has confirmed it.
    Queued,
    /// A host has it.
    Running,
    /// It waits for a person, a time, a signal or another run.
    Waiting,
    /// A step of it waits for a person's look: its outcome is unknown.
    NeedsReview,
    /// Somebody paused it.
    Paused,
    /// Its host says that it does not have it.
    Lost,
    /// It ended well.
    Done,
    /// A step failed.
    Failed,
    /// A person said no.
    Rejected,
    /// Nobody answered in time.
    Expired,
    /// Somebody stopped it.
    Cancelled,
}

impl RunState {
    const ALL: [(Self, &'static str); 11] = [
        (Self::Queued, "queued"),
        (Self::Running, "running"),
        (Self::Waiting, "waiting"),
        (Self::NeedsReview, "needs_review"),
        (Self::Paused, "paused"),
        (Self::Lost, "lost"),
        (Self::Done, "done"),
        (Self::Failed, "failed"),
        (Self::Rejected, "rejected"),
        (Self::Expired, "expired"),
        (Self::Cancelled, "cancelled"),
    ];

    /// Its word: `done`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(state, _)| *state == self)
            .map_or("", |(_, name)| name)
    }

    fn from_column(text: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found
            .map(|(state, _)| *state)
            .ok_or_else(|| StoreError::unreadable("run state", text))
    }

    /// True if the run is over.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Done | Self::Failed | Self::Rejected | Self::Expired | Self::Cancelled
        )
    }
}

/// One run without its texts: what lists are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunHead {
    /// Its id.
    pub id: RunId,
    /// Workflow name.
    pub workflow: String,
    /// Its version.
    pub version: u32,
    /// Digest of the release.
    pub release: Digest,
    /// Where it stands.
    pub state: RunState,
    /// What started it, as JSON text.
    pub trigger: String,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// Who has the lease.
    pub host: Option<HostId>,
    /// Fencing number; 0 without a host.
    pub epoch: u64,
    /// When it was accepted.
    pub created_at_ms: u64,
    /// When it ended, by the host's clock.
    pub ended_at_ms: Option<u64>,
    /// Number of records stored.
    pub records: u64,
    /// Chain value after the last of them.
    pub chain: Option<Digest>,
    /// Digest of the outcome as its record says it; absent for a run that ended without a record.
    pub outcome_digest: Option<Digest>,
    /// Why somebody asked for its end, if somebody did.
    pub cancel_reason: Option<String>,
    /// Why an order for it does not take effect, for people.
    pub trouble: Option<String>,
    /// Who paused it and why, while it is paused.
    pub paused_by: Option<String>,
    /// The oldest question that it waits for, while it waits for a person.
    pub question: Option<OpenQuestion>,
    /// What else it waits for: a step that needs review, or the oldest wait.
    pub wait: Option<OpenWait>,
    /// Where it comes from among runs, as JSON text.
    pub lineage: Option<String>,
    /// What else its order said, as JSON text.
    pub options: Option<String>,
    /// Bytes of its input and of all its stored records with their values: what reading them gives.
    pub bytes: u64,
    /// Bytes of its input, its outcome and its receipt.
    pub text_bytes: TextBytes,
    /// That its values were erased, if they were.
    pub erased: Option<Erasure>,
    /// Where it may be.
    pub placement: Placement,
}

/// How large the texts of a run are; 0 for one that is not here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TextBytes {
    /// Of the input.
    pub input: u64,
    /// Of the outcome.
    pub outcome: u64,
    /// Of the receipt.
    pub receipt: u64,
}

/// The texts of a run, which may be large.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunTexts {
    /// The input as JSON text.
    pub input: String,
    /// The outcome as JSON text.
    pub outcome: Option<String>,
    /// Its answer to the request that started it, `{status, headers, body}` as JSON text, `body` being JSON text itself.
    pub response: Option<String>,
    /// The host's receipt: the envelope as JSON text.
    pub receipt: Option<String>,
}

/// One run with its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRun {
    /// What is known of it besides.
    pub head: RunHead,
    /// Its texts.
    pub texts: RunTexts,
}

impl std::ops::Deref for StoredRun {
    type Target = RunHead;

    fn deref(&self) -> &RunHead {
        &self.head
    }
}

/// The values of a run were erased on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Who asked.
    pub by: String,
    /// When, by the clock here.
    pub at_ms: u64,
}

/// A question that nobody has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenQuestion {
    /// Its id.
    pub id: ApprovalId,
    /// The question.
    pub title: String,
    /// Who may answer; empty for everybody.
    pub approvers: Vec<String>,
}

/// Which runs to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only runs of this workflow.
    pub workflow: Option<String>,
    /// Only runs in this state.
    pub state: Option<RunState>,
}

/// The answer to a search by id or prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<T> {
    /// Exactly one.
    One(T),
    /// None.
    None,
    /// The prefix fits several.
    Several,
}

impl<T> Found<T> {
    pub(crate) fn from_rows(mut rows: Vec<T>) -> Self {
        let one = rows.pop();
        match (one, rows.is_empty()) {
            (Some(row), true) => Self::One(row),
            (Some(_), false) => Self::Several,
            (None, _) => Self::None,
        }
    }
}

// What a waiting run waits for comes along: asking for it run by run would cost a statement each.
pub(crate) const HEAD: &str = "select run.seq, run.id, run.workflow, run.version, run.release, \
     case when run.lost_at_ms is not null then 'lost' when run.paused_by is not null and run.ended_at_ms is null \
     then 'paused' else run.state end, octet_length(run.input), run.trigger, run.traceparent, \
     run.host, run.epoch, run.created_at_ms, run.ended_at_ms, run.next_seq, run.chain, octet_length(run.outcome), \
     octet_length(run.receipt), \
     run.cancel_reason, run.trouble, run.bytes + run.held_bytes, question.id, question.title, question.approvers, \
     run.outcome_digest, run.paused_by, run.lineage, run.options, run.erased_by, run.erased_at_ms, \
     run.labels, run.lease_ms, run.lapsed_at_ms, \
     wait.step, wait.kind, wait.name, wait.correlation, wait.child, wait.reason, wait.since_ms, wait.due_ms";
pub(crate) const TEXTS: &str = ", run.input, run.outcome, run.response, run.receipt";
pub(crate) const FROM: &str = " from run left join approval question on run.state = 'waiting' and question.seq = (select min(pending.seq) \
     from approval pending where pending.run = run.seq and pending.state = 'pending') \
     left join wait on run.state in ('waiting', 'needs_review') and wait.run = run.seq and wait.step = \
     (select first.step from wait first where first.run = run.seq order by first.kind <> 'review', first.since_ms limit 1) ";
pub(crate) const OF_SCOPE: &str = "run.workspace = ?2 and run.project = ?3";
/// Runs that only find the events of triggers are in no list: the trigger tells of them.
const NO_FINDER: &str = "run.workflow not like '%~trigger'";
/// Where the columns of the wait begin.
const OPEN_COLUMN: usize = 32;
/// Where the texts begin.
pub(crate) const TEXT_COLUMN: usize = 40;

fn whole(row: &Row<'_>) -> Result<StoredRun, StoreError> {
    Ok(StoredRun {
        head: from_row(row)?.1,
        texts: RunTexts {
            input: row.get(TEXT_COLUMN)?,
            outcome: row.get(TEXT_COLUMN + 1)?,
            response: row.get(TEXT_COLUMN + 2)?,
            receipt: row.get(TEXT_COLUMN + 3)?,
        },
    })
}

pub(crate) fn from_row(row: &Row<'_>) -> Result<(i64, RunHead), StoreError> {
    let bytes = |column: usize| -> Result<u64, StoreError> {
        Ok(row.get::<Option<i64>>(column)?.map_or(0, unsigned))
    };
    let host: Option<String> = row.get(9)?;
    let digest = |column: usize| -> Result<Option<Digest>, StoreError> {
        let bytes: Option<Vec<u8>> = row.get(column)?;
        bytes.as_deref().map(sql::digest).transpose()
    };
    let run = RunHead {
        id: sql::parsed(row, 1, "run id")?,
        workflow: row.get(2)?,
        version: small(row.get(3)?),
        release: sql::parsed(row, 4, "release digest")?,
        state: RunState::from_column(&row.get::<String>(5)?)?,
        trigger: row.get(7)?,
        traceparent: row.get(8)?,
        host: match host {
            Some(text) => Some(text.parse().map_err(|e| StoreError::unreadable("host id", e))?),
            None => None,
        },
        epoch: unsigned(row.get(10)?),
        created_at_ms: unsigned(row.get(11)?),
        ended_at_ms: row.get::<Option<i64>>(12)?.map(unsigned),
        records: unsigned(row.get(13)?),
        chain: digest(14)?,
        text_bytes: TextBytes {
            input: bytes(6)?,
            outcome: bytes(15)?,
            receipt: bytes(16)?,
        },
        cancel_reason: row.get(17)?,
        trouble: row.get(18)?,
        bytes: unsigned(row.get(19)?),
        question: question(row)?,
        outcome_digest: digest(23)?,
        paused_by: row.get(24)?,
        lineage: row.get(25)?,
        options: row.get(26)?,
        wait: waits::from_row(row, OPEN_COLUMN)?,
        erased: erasure(row.get(27)?, row.get(28)?),
        placement: placement(row, 29)?,
    };
    Ok((row.get(0)?, run))
}

pub(crate) fn erasure(by: Option<String>, at_ms: Option<i64>) -> Option<Erasure> {
    Some(Erasure {
        by: by?,
        at_ms: unsigned(at_ms?),
    })
}

fn question(row: &Row<'_>) -> Result<Option<OpenQuestion>, StoreError> {
    if row.get::<Option<String>>(20)?.is_none() {
        return Ok(None);
    }
    let approvers: String = row.get(22)?;
    Ok(Some(OpenQuestion {
        id: sql::parsed(row, 20, "approval id")?,
        title: row.get(21)?,
        approvers: serde_json::from_str(&approvers).map_err(|e| StoreError::unreadable("approvers", e))?,
    }))
}

impl Store {
    /// The run with this id.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn run(&self, scope: &Scope, id: &RunId) -> Result<Option<StoredRun>, StoreError> {
        let id = id.clone();
        self.read(scope, move |connection, scope| {
            let sql =
                format!("{HEAD}{TEXTS}{FROM} where run.id = ?1 and run.workspace = ?2 and run.project = ?3");
            let params = [id.as_str(), scope.workspace(), scope.project()];
            sql::first(connection, &sql, params, whole)
        })
        .await
    }

    /// The run with this id, id prefix, or `last`, the newest that does not only find the events of a trigger.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn find_run(&self, scope: &Scope, wanted: &str) -> Result<Found<StoredRun>, StoreError> {
        let wanted = wanted.to_owned();
        self.read(scope, move |connection, scope| {
            let sql = if wanted == "last" {
                format!("{HEAD}{TEXTS}{FROM} where cast(?1 as text) = ?1 and {OF_SCOPE} and {NO_FINDER} order by run.seq desc limit 1")
            } else {
                format!("{HEAD}{TEXTS}{FROM} where run.id >= ?1 and run.id < ?1 || '~' and {OF_SCOPE} order by run.id limit 2")
            };
            Ok(Found::from_rows(sql::all(
                connection,
                &sql,
                [wanted.as_str(), scope.workspace(), scope.project()],
                whole,
            )?))
        })
        .await
    }

    /// Runs, newest first, without their texts.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn runs(
        &self,
        scope: &Scope,
        filter: &RunFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<RunHead>, StoreError> {
        let (filter, before) = (filter.clone(), before.unwrap_or(i64::MAX));
        self.read(scope, move |connection, scope| {
            let sql = list_statement(&filter);
            let state = filter.state.map(RunState::as_str);
            let params = params![
                before,
                state,
                i64::from(limit) + 1,
                filter.workflow,
                scope.workspace(),
                scope.project()
            ];
            Ok(Page::from_rows(
                sql::all(connection, &sql, params, from_row)?,
                limit,
            ))
        })
        .await
    }

    /// Record batches of a run from `first_seq` on, in order and with their values beside them, as far as these are here;
    /// `max_bytes` bounds the lines, but one batch always comes.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn batches(
        &self,
        scope: &Scope,
        run: &RunId,
        first_seq: u64,
        max_bytes: u64,
    ) -> Result<Vec<RecordBatch>, StoreError> {
        let run = run.clone();
        self.read(scope, move |connection, scope| {
            let batches = sql::all(
                connection,
                "select epoch, first_seq, count, chain, lines from ( \
                     select batch.*, sum(length(lines)) over (order by first_seq) - length(lines) as before \
                     from batch where run = (select seq from run where id = ?1 and workspace = ?4 and project = ?5) \
                     and first_seq + count > ?2) stored \
                 where before < ?3 order by first_seq",
                params![
                    run.as_str(),
                    signed(first_seq),
                    signed(max_bytes),
                    scope.workspace(),
                    scope.project()
                ],
                |row| {
                    Ok(RecordBatch {
                        run: run.clone(),
                        epoch: unsigned(row.get(0)?),
                        first_seq: unsigned(row.get(1)?),
                        count: small(row.get(2)?),
                        chain: sql::digest(&row.get::<Vec<u8>>(3)?)?,
                        lines: row.get(4)?,
                    })
                },
            )?;
            let (mut resolved, mut bytes) = (Vec::with_capacity(batches.len()), 0);
            for batch in batches {
                if bytes >= max_bytes && !resolved.is_empty() {
                    break;
                }
                let batch = values::resolve(connection, scope, batch)?;
                bytes += batch.lines.len() as u64;
                resolved.push(batch);
            }
            Ok(resolved)
        })
        .await
    }

    /// Releases of the runs that a host has and that are not over.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn open_releases(&self, scope: &Scope, host: &HostId) -> Result<Vec<Digest>, StoreError> {
        let host = host.clone();
        self.read(scope, move |connection, scope| {
            sql::all(
                connection,
                "select distinct release from run where host = ?1 and ended_at_ms is null \
                 and workspace = ?2 and project = ?3",
                [host.as_str(), scope.workspace(), scope.project()],
                |row| sql::parsed(row, 0, "release digest"),
            )
        })
        .await
    }
}

fn list_statement(filter: &RunFilter) -> String {
    // Each state has the partial index that fits it; `done` is most of the table and needs none.
    let state = match filter.state {
        None => " and cast(?2 as text) is null",
        Some(RunState::Done) => " and run.state = ?2",
        Some(RunState::Lost) => {
            " and cast(?2 as text) is not null and run.lost_at_ms is not null and run.ended_at_ms is null"
        }
        Some(RunState::Paused) => {
            " and cast(?2 as text) is not null and run.paused_by is not null and run.lost_at_ms is null and run.ended_at_ms is null"
        }
        Some(state) if state.is_final() => {
            " and run.state = ?2 and run.state in ('failed', 'rejected', 'expired', 'cancelled')"
        }
        Some(_) => {
            " and run.state = ?2 and run.lost_at_ms is null and run.paused_by is null and run.ended_at_ms is null"
        }
    };
    let workflow = match filter.workflow {
        Some(_) => " and run.workflow = ?4".to_owned(),
        None => format!(" and cast(?4 as text) is null and {NO_FINDER}"),
    };
    format!(
        "{HEAD}{FROM} where run.workspace = ?5 and run.project = ?6 and run.seq < ?1{workflow}{state} order by run.seq desc limit ?3"
    )
}
