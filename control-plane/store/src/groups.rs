//! Groups of people who may answer questions.

use crate::cells::params;
use crate::connection::Connection;
use flowforge_core::Scope;
use serde_json::json;

use crate::sql;
use crate::{Store, StoreError};

/// Groups of a project at most.
pub const MAX_GROUPS: u64 = 1_000;

/// People who may answer what is put to their group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name, as approvers of a workflow say it.
    pub name: String,
    /// Names of its members; a group without any does not exist.
    pub members: Vec<String>,
}

impl Store {
    /// Every group, by name.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn groups(&self, scope: &Scope) -> Result<Vec<Group>, StoreError> {
        self.read(scope, |connection, scope| {
            sql::all(
                connection,
                "select name, members from approver_group where workspace = ?1 and project = ?2 order by name",
                [scope.workspace(), scope.project()],
                |row| {
                    let members: String = row.get(1)?;
                    Ok(Group {
                        name: row.get(0)?,
                        members: serde_json::from_str(&members)
                            .map_err(|e| StoreError::unreadable("members of a group", e))?,
                    })
                },
            )
        })
        .await
    }

    /// Makes these the members of a group; without any it is gone. False if there are too many groups: nothing changed.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_group(&self, scope: &Scope, group: Group) -> Result<bool, StoreError> {
        self.change(
            scope,
            None,
            |set| *set,
            move |transaction, scope| {
                sql::run(
                    transaction,
                    "delete from approver_group where name = ?1 and workspace = ?2 and project = ?3",
                    [group.name.as_str(), scope.workspace(), scope.project()],
                )?;
                if group.members.is_empty() {
                    return Ok(true);
                }
                if count(transaction, scope)? >= MAX_GROUPS {
                    return Ok(false);
                }
                sql::run(
                    transaction,
                    "insert into approver_group (name, members, workspace, project) values (?1, ?2, ?3, ?4)",
                    params![
                        group.name,
                        json!(group.members).to_string(),
                        scope.workspace(),
                        scope.project()
                    ],
                )?;
                Ok(true)
            },
        )
        .await
    }
}

fn count(connection: &Connection, scope: &Scope) -> Result<u64, StoreError> {
    let count = sql::first(
        connection,
        "select count(*) from approver_group where workspace = ?1 and project = ?2",
        [scope.workspace(), scope.project()],
        |row| Ok(sql::unsigned(row.get(0)?)),
    )?;
    Ok(count.unwrap_or(0))
}
