//! Drafts: the text of a workflow that somebody is writing, one for each workflow, saved over the revision that was read.
//!
//! A release of a draft, so that it can be tried, is kept among the releases under a name that no workflow has:
//! [`draft_of`]. It is never the newest of its workflow, and goes like any other that nothing uses.

use flowforge_core::Scope;

use crate::cells::{Row, params};
use crate::connection::Connection;
use crate::sql::{self, signed, small, unsigned};
use crate::{Page, Store, StoreError, StoredRelease};

/// Drafts at most, in one project.
pub const MAX_DRAFTS: u32 = 1_000;

/// What the name of a workflow is followed by where a release of its draft is meant; no name has such a character.
const SUFFIX: &str = "~draft";
/// What it is followed by where runs are meant that only find the events of its triggers.
pub(crate) const FINDER: &str = "~trigger";

/// The name under which releases of a workflow's draft are kept.
#[must_use]
pub fn draft_of(workflow: &str) -> String {
    format!("{workflow}{SUFFIX}")
}

/// The name of the workflow, and whether it is its draft that is named.
#[must_use]
pub fn without_draft(name: &str) -> (&str, bool) {
    match name.strip_suffix(SUFFIX) {
        Some(workflow) => (workflow, true),
        None => (name.strip_suffix(FINDER).unwrap_or(name), false),
    }
}

/// A draft without its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftHead {
    /// Its workflow, which need not be published.
    pub workflow: String,
    /// Grows with each save; never repeats.
    pub revision: u32,
    /// The published version that it began from.
    pub base_version: Option<u32>,
    /// Bytes of its texts.
    pub bytes: u64,
    /// When it was begun.
    pub created_at_ms: u64,
    /// When it was saved last.
    pub saved_at_ms: u64,
    /// Who saved it last.
    pub saved_by: String,
}

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftText {
    /// The workflow file.
    pub source: String,
    /// Where its nodes stand, JSON.
    pub layout: String,
    /// `workflow.lock`, if it has one.
    pub lock: Option<String>,
}

impl DraftText {
    fn bytes(&self) -> usize {
        self.source.len() + self.layout.len() + self.lock.as_ref().map_or(0, String::len)
    }
}

/// A draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What is known of it.
    pub head: DraftHead,
    /// Its texts.
    pub text: DraftText,
}

/// A draft to be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDraft {
    /// Its workflow.
    pub workflow: String,
    /// The revision that was changed; 0: there was none.
    pub over: u32,
    /// Its texts.
    pub text: DraftText,
    /// The published version that it began from; kept as it was where this is none.
    pub base_version: Option<u32>,
    /// When.
    pub saved_at_ms: u64,
    /// Who.
    pub saved_by: String,
}

/// What became of a save.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DraftSaved {
    /// It is saved.
    Saved(Box<Draft>),
    /// Another revision is there, or none: nothing changed.
    Other(Option<Box<Draft>>),
    /// There are as many drafts as there may be.
    Full,
}

/// What became of a discarding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DraftDiscarded {
    /// It is gone.
    Gone,
    /// There was none.
    None,
    /// Another revision is there: nothing changed.
    Other(Box<Draft>),
}

const HEAD: &str = "select workflow, revision, base_version, bytes, created_at_ms, saved_at_ms, saved_by";

fn head(row: &Row<'_>) -> Result<DraftHead, StoreError> {
    Ok(DraftHead {
        workflow: row.get(0)?,
        revision: small(row.get(1)?),
        base_version: row.get::<Option<i64>>(2)?.map(small),
        bytes: unsigned(row.get(3)?),
        created_at_ms: unsigned(row.get(4)?),
        saved_at_ms: unsigned(row.get(5)?),
        saved_by: row.get(6)?,
    })
}

fn find(connection: &Connection, scope: &Scope, workflow: &str) -> Result<Option<Draft>, StoreError> {
    let sql = format!(
        "{HEAD}, source, layout, lock from draft where workspace = ?1 and project = ?2 and workflow = ?3"
    );
    sql::first(
        connection,
        &sql,
        [scope.workspace(), scope.project(), workflow],
        |row| {
            Ok(Draft {
                head: head(row)?,
                text: DraftText {
                    source: row.get(7)?,
                    layout: row.get(8)?,
                    lock: row.get(9)?,
                },
            })
        },
    )
}

impl Store {
    /// Saves a draft, if the revision that was changed is the one that is there.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn save_draft(&self, scope: &Scope, draft: NewDraft) -> Result<DraftSaved, StoreError> {
        let took = |saved: &DraftSaved| matches!(saved, DraftSaved::Saved(_));
        self.change(scope, None, took, move |transaction, scope| {
            save(transaction, scope, &draft)
        })
        .await
    }

    /// Forgets a draft, if this revision is the one that is there.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn discard_draft(
        &self,
        scope: &Scope,
        workflow: &str,
        revision: u32,
    ) -> Result<DraftDiscarded, StoreError> {
        let workflow = workflow.to_owned();
        let took = |discarded: &DraftDiscarded| *discarded == DraftDiscarded::Gone;
        self.change(scope, None, took, move |transaction, scope| {
            match find(transaction, scope, &workflow)? {
                None => Ok(DraftDiscarded::None),
                Some(draft) if draft.head.revision != revision => Ok(DraftDiscarded::Other(Box::new(draft))),
                Some(_) => {
                    let delete = "delete from draft where workspace = ?1 and project = ?2 and workflow = ?3";
                    sql::run(
                        transaction,
                        delete,
                        [scope.workspace(), scope.project(), &workflow],
                    )?;
                    Ok(DraftDiscarded::Gone)
                }
            }
        })
        .await
    }

    /// The draft of a workflow.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn draft(&self, scope: &Scope, workflow: &str) -> Result<Option<Draft>, StoreError> {
        let workflow = workflow.to_owned();
        self.read(scope, move |connection, scope| find(connection, scope, &workflow))
            .await
    }

    /// Drafts, saved last first, without their texts; those that were saved before the place `after`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn drafts(
        &self,
        scope: &Scope,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Page<DraftHead>, StoreError> {
        self.read(scope, move |connection, scope| {
            let sql = format!(
                "{HEAD} from draft where workspace = ?1 and project = ?2 and revision < ?3 \
                 order by revision desc limit ?4"
            );
            let rows = sql::all(
                connection,
                &sql,
                params![
                    scope.workspace(),
                    scope.project(),
                    after.unwrap_or(i64::MAX),
                    i64::from(limit) + 1
                ],
                |row| Ok((row.get::<i64>(1)?, head(row)?)),
            )?;
            Ok(Page::from_rows(rows, limit))
        })
        .await
    }

    /// Keeps a release of a draft under [`draft_of`] its workflow, numbered by itself. The same release again is kept once.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn keep_draft_release(
        &self,
        scope: &Scope,
        mut release: StoredRelease,
    ) -> Result<StoredRelease, StoreError> {
        release.workflow = draft_of(&release.workflow);
        self.alone(scope, None, move |transaction, scope| {
            let known = sql::first(
                transaction,
                "select version from release where workspace = ?1 and project = ?2 and digest = ?3",
                [scope.workspace(), scope.project(), &release.digest.to_string()],
                |row| Ok(small(row.get(0)?)),
            )?;
            if let Some(version) = known {
                release.version = version;
                return Ok(release);
            }
            let next = sql::first(
                transaction,
                "select coalesce(max(version), 0) + 1 from release \
                 where workspace = ?1 and project = ?2 and workflow = ?3",
                [scope.workspace(), scope.project(), &release.workflow],
                |row| Ok(small(row.get(0)?)),
            )?;
            release.version = next.unwrap_or(1);
            crate::releases::insert(transaction, scope, &release)?;
            Ok(release)
        })
        .await
    }
}

fn save(connection: &Connection, scope: &Scope, draft: &NewDraft) -> Result<DraftSaved, StoreError> {
    let there = find(connection, scope, &draft.workflow)?;
    let revision = there.as_ref().map_or(0, |there| there.head.revision);
    if revision != draft.over {
        return Ok(DraftSaved::Other(there.map(Box::new)));
    }
    if there.is_none() {
        let count = sql::first(
            connection,
            "select count(*) from draft where workspace = ?1 and project = ?2",
            [scope.workspace(), scope.project()],
            |row| Ok(small(row.get(0)?)),
        )?;
        if count.unwrap_or(0) >= MAX_DRAFTS {
            return Ok(DraftSaved::Full);
        }
    }
    let next = sql::first(
        connection,
        "update draft_counter set revision = revision + 1 returning revision",
        (),
        |row| Ok(small(row.get(0)?)),
    )?;
    let text = &draft.text;
    sql::run(
        connection,
        "insert into draft (workspace, project, workflow, revision, source, layout, lock, base_version, bytes, created_at_ms, \
         saved_at_ms, saved_by) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11) \
         on conflict (workspace, project, workflow) do update set revision = excluded.revision, source = excluded.source, layout = excluded.layout, \
         lock = excluded.lock, base_version = coalesce(excluded.base_version, draft.base_version), bytes = excluded.bytes, \
         saved_at_ms = excluded.saved_at_ms, saved_by = excluded.saved_by",
        params![
            scope.workspace(),
            scope.project(),
            draft.workflow,
            next.unwrap_or(0),
            text.source,
            text.layout,
            text.lock,
            draft.base_version,
            signed(text.bytes() as u64),
            signed(draft.saved_at_ms),
            draft.saved_by
        ],
    )?;
    let saved = find(connection, scope, &draft.workflow)?;
    Ok(match saved {
        Some(saved) => DraftSaved::Saved(Box::new(saved)),
        None => DraftSaved::Other(None),
    })
}
