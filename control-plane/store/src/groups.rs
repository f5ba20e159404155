//! Groups of people who may answer questions.

use std::collections::BTreeSet;

use crate::cells::params;
use crate::connection::Connection;
use flowforge_core::Scope;
use serde_json::json;

use crate::sql;
use crate::{Store, StoreError};

/// Groups of a project at most.
pub const MAX_GROUPS: u64 = 1_000;
/// Members of a group at most.
pub const MAX_GROUP_MEMBERS: usize = 1_000;

/// People who may answer what is put to their group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name, as approvers of a workflow say it.
    pub name: String,
    /// Names of its members; a group without any does not exist.
    pub members: Vec<String>,
}

/// A change of who is in a group. What it says of one person leaves the others as they are, whoever else changes the group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupChange {
    /// The group; one that is not there is made.
    pub name: String,
    /// Its members in the place of those there are; none: those that there are.
    pub members: Option<Vec<String>>,
    /// Who is in it besides.
    pub add: Vec<String>,
    /// Who is not in it any more.
    pub remove: Vec<String>,
}

/// What became of a change of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupChanged {
    /// The group has these members now; without any it is gone.
    Now(Group),
    /// There are [`MAX_GROUPS`]: nothing was changed.
    TooManyGroups,
    /// It would have more than [`MAX_GROUP_MEMBERS`]: nothing was changed.
    TooManyMembers,
}

impl GroupChange {
    /// The members after it of a group that has these before.
    fn members_of(&self, before: Vec<String>) -> Vec<String> {
        let mut members = self.members.clone().unwrap_or(before);
        members.extend(self.add.iter().cloned());
        let mut seen = BTreeSet::new();
        members.retain(|member| !self.remove.contains(member) && seen.insert(member.clone()));
        members
    }
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

    /// Changes who is in a group; without members it is gone.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn change_group(&self, scope: &Scope, change: GroupChange) -> Result<GroupChanged, StoreError> {
        let took = |changed: &GroupChanged| matches!(changed, GroupChanged::Now(_));
        self.change(scope, None, took, move |transaction, scope| {
            let before = members(transaction, scope, &change.name)?;
            let members = change.members_of(before);
            if members.len() > MAX_GROUP_MEMBERS {
                return Ok(GroupChanged::TooManyMembers);
            }
            let group = Group {
                name: change.name,
                members,
            };
            write(transaction, scope, group)
        })
        .await
    }
}

fn members(connection: &Connection, scope: &Scope, name: &str) -> Result<Vec<String>, StoreError> {
    let found = sql::first(
        connection,
        "select members from approver_group where name = ?1 and workspace = ?2 and project = ?3",
        [name, scope.workspace(), scope.project()],
        |row| row.get::<String>(0),
    )?;
    let members = found.map(|text| serde_json::from_str(&text)).transpose();
    let members = members.map_err(|error| StoreError::unreadable("members of a group", error))?;
    Ok(members.unwrap_or_default())
}

fn write(connection: &Connection, scope: &Scope, group: Group) -> Result<GroupChanged, StoreError> {
    let was = sql::run(
        connection,
        "delete from approver_group where name = ?1 and workspace = ?2 and project = ?3",
        [group.name.as_str(), scope.workspace(), scope.project()],
    )?;
    if group.members.is_empty() {
        return Ok(GroupChanged::Now(group));
    }
    if was == 0 && count(connection, scope)? >= MAX_GROUPS {
        return Ok(GroupChanged::TooManyGroups);
    }
    sql::run(
        connection,
        "insert into approver_group (name, members, workspace, project) values (?1, ?2, ?3, ?4)",
        params![
            group.name,
            json!(group.members).to_string(),
            scope.workspace(),
            scope.project()
        ],
    )?;
    Ok(GroupChanged::Now(group))
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
