//! What is asked of several runs at once: one statement, however many they are.

use std::collections::HashMap;

use flowforge_core::Scope;
use flowforge_protocol::RunId;
use serde_json::json;

use crate::cells::params;
use crate::runs::{FROM, HEAD, OF_SCOPE, RunHead, RunTexts, TEXT_COLUMN, TEXTS, from_row};
use crate::sql;
use crate::{Store, StoreError};

impl Store {
    /// Runs by their ids, without their texts; those that are not here are left out.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn run_heads(&self, scope: &Scope, ids: Vec<RunId>) -> Result<Vec<RunHead>, StoreError> {
        self.read(scope, move |connection, scope| {
            let sql =
                format!("{HEAD}{FROM} where run.id in (select value from json_each(?1)) and {OF_SCOPE}");
            let ids = json!(ids).to_string();
            let params = [ids.as_str(), scope.workspace(), scope.project()];
            sql::all(connection, &sql, params, |row| Ok(from_row(row)?.1))
        })
        .await
    }

    /// The texts of runs; those that are not here are left out.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn run_texts(
        &self,
        scope: &Scope,
        ids: Vec<RunId>,
    ) -> Result<HashMap<RunId, RunTexts>, StoreError> {
        self.read(scope, move |connection, scope| {
            let sql = format!(
                "select run.id{TEXTS} from run where run.id in (select value from json_each(?1)) and {OF_SCOPE}"
            );
            let ids = json!(ids).to_string();
            let params = [ids.as_str(), scope.workspace(), scope.project()];
            let rows = sql::all(connection, &sql, params, |row| {
                let texts = RunTexts {
                    input: row.get(1)?,
                    outcome: row.get(2)?,
                    response: row.get(3)?,
                    receipt: row.get(4)?,
                };
                Ok((sql::parsed(row, 0, "run id")?, texts))
            })?;
            Ok(rows.into_iter().collect())
        })
        .await
    }

    /// Runs that these runs have ordered, each with the run that did, oldest first, at most `limit` of each.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn children_of(
        &self,
        scope: &Scope,
        runs: Vec<RunId>,
        limit: u32,
    ) -> Result<Vec<(RunId, RunHead)>, StoreError> {
        self.runs_beside(scope, runs, "parent", limit).await
    }

    /// Runs that were made from these runs by a retry, each with the run it was made from, oldest first, at most `limit` of
    /// each.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn successors_of(
        &self,
        scope: &Scope,
        runs: Vec<RunId>,
        limit: u32,
    ) -> Result<Vec<(RunId, RunHead)>, StoreError> {
        self.runs_beside(scope, runs, "predecessor", limit).await
    }

    async fn runs_beside(
        &self,
        scope: &Scope,
        runs: Vec<RunId>,
        column: &'static str,
        limit: u32,
    ) -> Result<Vec<(RunId, RunHead)>, StoreError> {
        self.read(scope, move |connection, scope| {
            let sql = format!(
                "{HEAD}, run.{column}{FROM} where run.seq in (select seq from (select seq, row_number() over \
                 (partition by {column} order by seq) as place from run where {column} in \
                 (select value from json_each(?1)) and workspace = ?3 and project = ?4) ranked where place <= ?2) \
                 order by run.seq"
            );
            let runs = json!(runs).to_string();
            let params = params![runs, limit, scope.workspace(), scope.project()];
            sql::all(connection, &sql, params, |row| {
                Ok((sql::parsed(row, TEXT_COLUMN, "run id")?, from_row(row)?.1))
            })
        })
        .await
    }
}
