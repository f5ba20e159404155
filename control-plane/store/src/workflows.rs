//! Where people put workflows: folders, tags and the trash. What a workflow is stands in its releases.
//!
//! A workflow in the trash starts nothing: its webhook paths are free and its schedules are gone, and whoever takes it out
//! sets them again. When its time is over its releases go, each as soon as no run needs it, and its name is free again.

use flowforge_core::Scope;
use serde_json::json;

use crate::cells::{Row, params};
use crate::connection::Connection;
use crate::releases::{self, is_trashed};
use crate::sql::{self, signed, small, unsigned};
use crate::{Store, StoreError, StoredRelease};

/// Longest path of a folder, in bytes.
pub const MAX_FOLDER_BYTES: usize = 200;
/// Tags of a workflow at most.
pub const MAX_TAGS: usize = 20;
/// Longest tag, in bytes.
pub const MAX_TAG_BYTES: usize = 40;

/// Where a workflow is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrangement {
    /// Its name.
    pub workflow: String,
    /// `shop/orders`; empty at the top.
    pub folder: String,
    /// In the order of the alphabet.
    pub tags: Vec<String>,
    /// When and by whom it was put into the trash, if it is there.
    pub deleted: Option<(u64, String)>,
}

/// What became of a workflow that was to be thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trashed {
    /// It is in the trash.
    Trashed,
    /// It was there before.
    Before,
    /// There is no such workflow.
    None,
}

const COLUMNS: &str = "select name, folder, tags, deleted_at_ms, deleted_by from workflow";

fn from_row(row: &Row<'_>) -> Result<Arrangement, StoreError> {
    let tags: String = row.get(2)?;
    let deleted_at_ms: Option<i64> = row.get(3)?;
    let deleted_by: Option<String> = row.get(4)?;
    Ok(Arrangement {
        workflow: row.get(0)?,
        folder: row.get(1)?,
        tags: serde_json::from_str(&tags).map_err(|e| StoreError::unreadable("tags", e))?,
        deleted: deleted_at_ms.map(|at_ms| (unsigned(at_ms), deleted_by.unwrap_or_default())),
    })
}

fn is_published(connection: &Connection, scope: &Scope, workflow: &str) -> Result<bool, StoreError> {
    let there = sql::first(
        connection,
        "select 1 from release where workflow = ?1 and workspace = ?2 and project = ?3 limit 1",
        [workflow, scope.workspace(), scope.project()],
        |_| Ok(()),
    )?;
    Ok(there.is_some())
}

impl Store {
    /// Where every workflow is that is not at the top without tags.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn arrangements(&self, scope: &Scope) -> Result<Vec<Arrangement>, StoreError> {
        self.read(scope, |connection, scope| {
            let sql = format!("{COLUMNS} where workspace = ?1 and project = ?2 order by name");
            sql::all(connection, &sql, [scope.workspace(), scope.project()], from_row)
        })
        .await
    }

    /// Where one workflow is; none if nobody has put it anywhere.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn arrangement(
        &self,
        scope: &Scope,
        workflow: &str,
    ) -> Result<Option<Arrangement>, StoreError> {
        let workflow = workflow.to_owned();
        self.read(scope, move |connection, scope| {
            let sql = format!("{COLUMNS} where name = ?1 and workspace = ?2 and project = ?3");
            let params = [workflow.as_str(), scope.workspace(), scope.project()];
            sql::first(connection, &sql, params, from_row)
        })
        .await
    }

    /// Puts a published workflow into a folder and gives it these tags. False if there is none, or it is in the trash.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn arrange(
        &self,
        scope: &Scope,
        workflow: &str,
        folder: &str,
        tags: Vec<String>,
    ) -> Result<bool, StoreError> {
        let (workflow, folder) = (workflow.to_owned(), folder.to_owned());
        self.change(scope, None, |arranged| *arranged, move |transaction, scope| {
            if !is_published(transaction, scope, &workflow)? || is_trashed(transaction, scope, &workflow)? {
                return Ok(false);
            }
            sql::run(
                transaction,
                "insert into workflow (workspace, project, name, folder, tags) values (?1, ?2, ?3, ?4, ?5) \
                 on conflict (workspace, project, name) do update set folder = excluded.folder, tags = excluded.tags",
                params![
                    scope.workspace(),
                    scope.project(),
                    workflow,
                    folder,
                    json!(tags).to_string()
                ],
            )?;
            Ok(true)
        })
        .await
    }

    /// Puts a workflow into the trash; its webhook paths and schedules are gone with that.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn trash_workflow(
        &self,
        scope: &Scope,
        workflow: &str,
        by: &str,
        at_ms: u64,
    ) -> Result<Trashed, StoreError> {
        let (workflow, by) = (workflow.to_owned(), by.to_owned());
        let took = |trashed: &Trashed| *trashed == Trashed::Trashed;
        self.change(scope, None, took, move |transaction, scope| {
            if !is_published(transaction, scope, &workflow)? {
                return Ok(Trashed::None);
            }
            let trashed = sql::run(
                transaction,
                "insert into workflow (workspace, project, name, folder, tags, deleted_at_ms, deleted_by) \
                 values (?1, ?2, ?3, '', '[]', ?4, ?5) on conflict (workspace, project, name) do update \
                 set deleted_at_ms = excluded.deleted_at_ms, deleted_by = excluded.deleted_by \
                 where workflow.deleted_at_ms is null",
                params![scope.workspace(), scope.project(), workflow, signed(at_ms), by],
            )?;
            if trashed == 0 {
                return Ok(Trashed::Before);
            }
            for statement in [
                "delete from hook where workflow = ?1 and workspace = ?2 and project = ?3",
                "delete from schedule where workflow = ?1 and workspace = ?2 and project = ?3",
            ] {
                let params = [workflow.as_str(), scope.workspace(), scope.project()];
                sql::run(transaction, statement, params)?;
            }
            Ok(Trashed::Trashed)
        })
        .await
    }

    /// The newest release of a workflow that is in the trash; none of one that is not.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn trashed_release(
        &self,
        scope: &Scope,
        workflow: &str,
    ) -> Result<Option<StoredRelease>, StoreError> {
        let workflow = workflow.to_owned();
        self.read(scope, move |connection, scope| {
            if is_trashed(connection, scope, &workflow)? {
                return releases::newest(connection, scope, &workflow);
            }
            Ok(None)
        })
        .await
    }

    /// Takes a workflow out of the trash and gives it its webhook paths again. The path that another workflow has taken
    /// meanwhile, if there is one: then nothing changed. `None` if it is not in the trash.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn restore_workflow(
        &self,
        scope: &Scope,
        workflow: &str,
        hooks: Vec<String>,
    ) -> Result<Option<Result<(), String>>, StoreError> {
        let workflow = workflow.to_owned();
        let took = |restored: &Option<Result<(), String>>| matches!(restored, Some(Ok(())));
        self.change(scope, None, took, move |transaction, scope| {
            if !is_trashed(transaction, scope, &workflow)? {
                return Ok(None);
            }
            let hooks = json!(hooks).to_string();
            let taken = sql::first(
                transaction,
                "select path from hook where workflow <> ?1 and path in (select value from json_each(?2)) \
                 and workspace = ?3 and project = ?4 limit 1",
                [workflow.as_str(), &hooks, scope.workspace(), scope.project()],
                |row| row.get::<String>(0),
            )?;
            if let Some(path) = taken {
                return Ok(Some(Err(path)));
            }
            sql::run(
                transaction,
                "insert into hook (path, workflow, workspace, project) select new.value, ?1, ?3, ?4 \
                 from (select value from json_each(?2)) new where true on conflict do nothing",
                [workflow.as_str(), &hooks, scope.workspace(), scope.project()],
            )?;
            sql::run(
                transaction,
                "update workflow set deleted_at_ms = null, deleted_by = null where name = ?1 and workspace = ?2 \
                 and project = ?3",
                [workflow.as_str(), scope.workspace(), scope.project()],
            )?;
            Ok(Some(Ok(())))
        })
        .await
    }
}

/// What was put into the trash before this time loses its releases, as far as no run needs them; without any it is gone.
/// Returns how many releases went.
pub(crate) fn empty_trash(
    connection: &Connection,
    scope: &Scope,
    since_ms: u64,
    rows_max: u32,
) -> Result<usize, StoreError> {
    let expired: Vec<(String, u32)> = sql::all(
        connection,
        "select name, (select count(*) from release where release.workspace = workflow.workspace \
         and release.project = workflow.project and release.workflow = workflow.name) \
         from workflow where deleted_at_ms < ?1 and workspace = ?2 and project = ?3",
        params![signed(since_ms), scope.workspace(), scope.project()],
        |row| Ok((row.get(0)?, small(row.get(1)?))),
    )?;
    let mut gone = 0;
    for (name, releases) in expired {
        gone += sql::run(
            connection,
            "delete from release where digest in (select old.digest from release old where old.workspace = ?2 \
             and old.project = ?3 and old.workflow = ?1 \
             and not exists (select 1 from run where run.release = old.digest) \
             and not exists (select 1 from pinned where pinned.child = old.digest) \
             and not exists (select 1 from ordered_child where ordered_child.release = old.digest) limit ?4)",
            params![name, scope.workspace(), scope.project(), rows_max],
        )?;
        if releases == 0 {
            for statement in [
                "delete from poll where workflow = ?1 and workspace = ?2 and project = ?3",
                "delete from workflow where name = ?1 and workspace = ?2 and project = ?3",
            ] {
                let params = [name.as_str(), scope.workspace(), scope.project()];
                sql::run(connection, statement, params)?;
            }
        }
    }
    Ok(gone)
}
