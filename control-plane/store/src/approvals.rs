//! Questions to people, their answers, and the decision that these make (B12).
//!
//! The row is made from the host's record and decided here: answers are kept one behind the other, and with the one that
//! decides the question its order to the host is stored in the same commit. The host's later records say what became of it.

use crate::cells::{Row, params};
use crate::connection::Connection;
use flowforge_core::Scope;
use flowforge_failpoints::Point;
use flowforge_protocol::approval::{Answer, Decision, Terms};
use flowforge_protocol::{ApprovalId, RunId};
use serde_json::Value;

use crate::jobs::{self, NewJob};
use crate::runs::Found;
use crate::sql::{self, signed, unsigned};
use crate::{Page, Store, StoreError};

/// Where a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalState {
    /// Nobody has answered.
    Pending,
    /// Yes.
    Approved,
    /// No.
    Rejected,
    /// It was not answered in time.
    Expired,
    /// The run ended before anybody answered.
    Withdrawn,
}

impl ApprovalState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    fn from_column(text: &str) -> Result<Self, StoreError> {
        [
            Self::Pending,
            Self::Approved,
            Self::Rejected,
            Self::Expired,
            Self::Withdrawn,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| StoreError::unreadable("approval state", text))
    }
}

/// One question.
#[derive(Debug, Clone, PartialEq)]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// The run that asks.
    pub run: RunId,
    /// The run's workflow.
    pub workflow: String,
    /// The step that asks.
    pub step: String,
    /// The question.
    pub title: String,
    /// What a person sees with it.
    pub show: Value,
    /// Who may answer; empty for everybody.
    pub approvers: Vec<String>,
    /// Where it stands.
    pub state: ApprovalState,
    /// When it was asked.
    pub requested_at_ms: u64,
    /// When it ends unanswered.
    pub expires_at_ms: Option<u64>,
    /// Who answered.
    pub decided_by: Option<String>,
    /// In which words.
    pub comment: Option<String>,
    /// When.
    pub decided_at_ms: Option<u64>,
    /// What it wants besides somebody who may answer.
    pub terms: Terms,
    /// What people answered, in the order in which they did.
    pub answers: Vec<Answer<Value>>,
}

/// An answer to be stored behind those that are there, with the order that tells the host if it decides the question.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDecision {
    /// The question.
    pub approval: ApprovalId,
    /// Every answer, the new one last. Stored only while all but that one are there.
    pub answers: Vec<Answer<Value>>,
    /// What they decide and the signed order that says so; none while others have to answer, too.
    pub decided: Option<(Decision<Value>, NewJob)>,
    /// When.
    pub at_ms: u64,
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// It counts.
    Stored,
    /// Somebody else answered meanwhile, and the question is still open: nothing was stored.
    Overtaken,
    /// Another was first, or the question is closed: nothing was stored.
    TooLate,
}

const COLUMNS: &str = "select approval.seq, approval.id, run.id, run.workflow, approval.step, approval.title, \
     approval.show, approval.approvers, approval.state, approval.requested_at_ms, approval.expires_at_ms, \
     approval.decided_by, approval.comment, approval.decided_at_ms, approval.terms, approval.answers \
     from approval join run on run.seq = approval.run ";

const OF_SCOPE: &str = "approval.workspace = ?2 and approval.project = ?3";

fn from_row(row: &Row<'_>) -> Result<(i64, Approval), StoreError> {
    let (show, approvers): (String, String) = (row.get(6)?, row.get(7)?);
    let (terms, answers): (String, String) = (row.get(14)?, row.get(15)?);
    let approval = Approval {
        id: sql::parsed(row, 1, "approval id")?,
        run: sql::parsed(row, 2, "run id")?,
        workflow: row.get(3)?,
        step: row.get(4)?,
        title: row.get(5)?,
        show: serde_json::from_str(&show).map_err(|e| StoreError::unreadable("approval", e))?,
        approvers: serde_json::from_str(&approvers).map_err(|e| StoreError::unreadable("approvers", e))?,
        state: ApprovalState::from_column(&row.get::<String>(8)?)?,
        requested_at_ms: unsigned(row.get(9)?),
        expires_at_ms: row.get::<Option<i64>>(10)?.map(unsigned),
        decided_by: row.get(11)?,
        comment: row.get(12)?,
        decided_at_ms: row.get::<Option<i64>>(13)?.map(unsigned),
        terms: serde_json::from_str(&terms).map_err(|e| StoreError::unreadable("terms", e))?,
        answers: serde_json::from_str(&answers).map_err(|e| StoreError::unreadable("answers", e))?,
    };
    Ok((row.get(0)?, approval))
}

fn without_place(row: &Row<'_>) -> Result<Approval, StoreError> {
    Ok(from_row(row)?.1)
}

impl Store {
    /// Questions, newest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn approvals(
        &self,
        scope: &Scope,
        state: Option<ApprovalState>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<Approval>, StoreError> {
        let (before, state) = (before.unwrap_or(i64::MAX), state.map(ApprovalState::as_str));
        self.read(scope, move |connection, scope| {
            let of_state = match state {
                Some(_) => "and approval.state = ?2",
                None => "and cast(?2 as text) is null",
            };
            let sql = format!(
                "{COLUMNS} where approval.seq < ?1 and approval.workspace = ?4 and approval.project = ?5 {of_state} \
                 order by approval.seq desc limit ?3"
            );
            let params = params![before, state, i64::from(limit) + 1, scope.workspace(), scope.project()];
            Ok(Page::from_rows(
                sql::all(connection, &sql, params, from_row)?,
                limit,
            ))
        })
        .await
    }

    /// Questions of runs, oldest first, at most `limit` of each.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn approvals_of(
        &self,
        scope: &Scope,
        runs: Vec<RunId>,
        limit: u32,
    ) -> Result<Vec<Approval>, StoreError> {
        self.read(scope, move |connection, scope| {
            let sql = format!(
                "{COLUMNS} where approval.seq in (select seq from (select asked.seq, row_number() over \
                 (partition by asked.run order by asked.seq) as place from approval asked join run asking \
                 on asking.seq = asked.run where asking.id in (select value from json_each(?1)) \
                 and asking.workspace = ?3 and asking.project = ?4) ranked where place <= ?2) order by approval.seq"
            );
            let runs = serde_json::json!(runs).to_string();
            let params = params![runs, limit, scope.workspace(), scope.project()];
            sql::all(connection, &sql, params, without_place)
        })
        .await
    }

    /// The question with this id, id prefix, or `last`, the newest that waits.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn find_approval(&self, scope: &Scope, wanted: &str) -> Result<Found<Approval>, StoreError> {
        let wanted = wanted.to_owned();
        self.read(scope, move |connection, scope| {
            let sql = if wanted == "last" {
                format!(
                    "{COLUMNS} where cast(?1 as text) = ?1 and approval.state = 'pending' and {OF_SCOPE} order by approval.seq desc limit 1"
                )
            } else {
                format!(
                    "{COLUMNS} where approval.id >= ?1 and approval.id < ?1 || '~' and {OF_SCOPE} order by approval.id limit 2"
                )
            };
            Ok(Found::from_rows(sql::all(
                connection,
                &sql,
                [wanted.as_str(), scope.workspace(), scope.project()],
                without_place,
            )?))
        })
        .await
    }

    /// Stores an answer behind the others, and the order if it decides the question (B12).
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn decide(&self, scope: &Scope, decision: NewDecision) -> Result<Decided, StoreError> {
        let took = |decided: &Decided| *decided == Decided::Stored;
        self.change(scope, Some(Point::B12), took, move |transaction, scope| {
            let answers = serde_json::to_string(&decision.answers)
                .map_err(|error| StoreError::unreadable("answers", error))?;
            let answered = i64::try_from(decision.answers.len()).unwrap_or(i64::MAX);
            let sum = decision.decided.as_ref().map(|(sum, _)| sum);
            let state = match sum {
                Some(sum) if sum.approved => "approved",
                Some(_) => "rejected",
                None => "pending",
            };
            let changed = sql::run(
                transaction,
                &format!(
                    "update approval set state = ?2, decided_by = ?3, comment = ?4, decided_at_ms = ?5, answers = ?6, \
                     answered = ?7 where answered = ?7 - 1 and {STILL_OPEN}"
                ),
                params![
                    decision.approval.as_str(),
                    state,
                    sum.map(|sum| sum.by.clone()),
                    sum.and_then(|sum| sum.comment.clone()),
                    sum.map(|_| signed(decision.at_ms)),
                    answers,
                    answered,
                    signed(decision.at_ms),
                    scope.workspace(),
                    scope.project()
                ],
            )?;
            if changed == 0 {
                return why_not(transaction, scope, &decision);
            }
            let jobs = decision.decided.as_ref().map(|(_, job)| std::slice::from_ref(job));
            jobs::insert(transaction, scope, jobs.unwrap_or_default())?;
            Ok(Decided::Stored)
        })
        .await
    }
}

/// `?1` is a question that takes answers at the time `?8`.
const STILL_OPEN: &str = "id = ?1 and state = 'pending' and open = 1 and (expires_at_ms is null or expires_at_ms > ?8) \
     and workspace = ?9 and project = ?10";

/// Why an answer was not stored.
fn why_not(connection: &Connection, scope: &Scope, decision: &NewDecision) -> Result<Decided, StoreError> {
    let open = sql::first(
        connection,
        "select 1 from approval where id = ?1 and state = 'pending' and open = 1 \
         and (expires_at_ms is null or expires_at_ms > ?2) and workspace = ?3 and project = ?4",
        params![
            decision.approval.as_str(),
            signed(decision.at_ms),
            scope.workspace(),
            scope.project()
        ],
        |row| row.get::<i64>(0),
    )?;
    Ok(match open {
        Some(_) => Decided::Overtaken,
        None => Decided::TooLate,
    })
}

/// Opens a question again whose decision its host refused: the answers to it do not count there.
pub(crate) fn reopen(connection: &Connection, approval: &str) -> Result<(), StoreError> {
    sql::run(
        connection,
        "update approval set state = 'pending', decided_by = null, comment = null, decided_at_ms = null, answers = '[]', \
         answered = 0 where id = ?1 and open = 1",
        [approval],
    )?;
    Ok(())
}
