//! What connectors may have in a project: the first version that was used there sets it, people add to it.

use flowforge_core::Scope;
use serde_json::json;

use crate::cells::params;
use crate::{Store, StoreError, sql};

/// Capabilities of one connector in one project at most.
pub const MAX_CAPABILITIES: u64 = 1_000;

/// Stands for a connector that was used while it asked for nothing.
const NOTHING: &str = "";

/// That a connector may have something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapabilityGrant {
    /// `publisher:name`.
    pub connector: String,
    /// In words such as `http https://a.example`; empty for a connector that asked for nothing when it was first used.
    pub capability: String,
    /// Who granted it, or published the first release that used it.
    pub granted_by: String,
    /// Milliseconds since 1970 UTC.
    pub granted_at_ms: u64,
}

// Only connectors that nobody used here before get what they ask for so.
const FIRST_USE: &str = "insert into connector_grant (workspace, project, connector, capability, granted_by, granted_at_ms) \
     select cast(?2 as text), cast(?3 as text), item.value ->> 0, item.value ->> 1, cast(?4 as text), cast(?5 as bigint) from json_each(?1) item where not exists \
     (select 1 from connector_grant known where known.workspace = ?2 and known.project = ?3 \
     and known.connector = item.value ->> 0)";
const GRANT: &str = "insert into connector_grant (workspace, project, connector, capability, granted_by, granted_at_ms) \
     select cast(?2 as text), cast(?3 as text), item.value ->> 0, item.value ->> 1, cast(?4 as text), cast(?5 as bigint) from json_each(?1) item where true on conflict do nothing";
const TAKE: &str = "delete from connector_grant where workspace = ?2 and project = ?3 and connector = ?4 \
     and capability in (select item.value ->> 1 from json_each(?1) item) and capability <> ''";

impl Store {
    /// Everything that connectors may have, by connector and capability.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn capability_grants(&self, scope: &Scope) -> Result<Vec<CapabilityGrant>, StoreError> {
        self.read(scope, |connection, scope| {
            sql::all(
                connection,
                "select connector, capability, granted_by, granted_at_ms from connector_grant \
                 where workspace = ?1 and project = ?2 order by connector, capability",
                [scope.workspace(), scope.project()],
                |row| {
                    Ok(CapabilityGrant {
                        connector: row.get(0)?,
                        capability: row.get(1)?,
                        granted_by: row.get(2)?,
                        granted_at_ms: sql::unsigned(row.get(3)?),
                    })
                },
            )
        })
        .await
    }

    /// Gives connectors that were never used here what they ask for; others keep what they have.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn use_connectors(
        &self,
        scope: &Scope,
        asked: Vec<(String, Vec<String>)>,
        by: String,
        at_ms: u64,
    ) -> Result<(), StoreError> {
        let rows: Vec<_> = asked
            .iter()
            .flat_map(|(connector, capabilities)| {
                let nothing = std::iter::once(NOTHING);
                let all = nothing.chain(capabilities.iter().map(String::as_str));
                all.map(move |capability| json!([connector, capability]))
            })
            .collect();
        let rows = json!(rows).to_string();
        self.alone(scope, None, move |transaction, scope| {
            let (workspace, project) = (scope.workspace(), scope.project());
            let values = params![rows, workspace, project, by, sql::signed(at_ms)];
            sql::run(transaction, FIRST_USE, values)?;
            Ok(())
        })
        .await
    }

    /// Grants capabilities to a connector, or takes them; how many were not granted, or not there, before.
    /// `None`: it would have more than [`MAX_CAPABILITIES`], and nothing was changed.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_capabilities(
        &self,
        scope: &Scope,
        change: CapabilityChange,
    ) -> Result<Option<usize>, StoreError> {
        let rows: Vec<_> = change
            .capabilities
            .iter()
            .map(|capability| json!([change.connector, capability]))
            .collect();
        let rows = json!(rows).to_string();
        self.change(
            scope,
            None,
            |changed: &Option<usize>| changed.is_some_and(|changed| changed > 0),
            move |transaction, scope| {
                let (workspace, project) = (scope.workspace(), scope.project());
                if change.taken {
                    let values = params![rows, workspace, project, change.connector];
                    return sql::run(transaction, TAKE, values).map(Some);
                }
                let known = sql::first(
                    transaction,
                    "select count(*) from connector_grant where workspace = ?1 and project = ?2 and connector = ?3",
                    [workspace, project, change.connector.as_str()],
                    |row| Ok(sql::unsigned(row.get(0)?)),
                )?;
                let more = u64::try_from(change.capabilities.len()).unwrap_or(u64::MAX);
                if known.unwrap_or(0).saturating_add(more) > MAX_CAPABILITIES {
                    return Ok(None);
                }
                let values = params![rows, workspace, project, change.by, sql::signed(change.at_ms)];
                sql::run(transaction, GRANT, values).map(Some)
            },
        )
        .await
    }
}

/// What a connector is granted, or what is taken from it.
#[derive(Debug, Clone)]
pub struct CapabilityChange {
    /// `publisher:name`.
    pub connector: String,
    /// In words such as `http https://a.example`.
    pub capabilities: Vec<String>,
    /// Whether they are taken.
    pub taken: bool,
    /// Who decides.
    pub by: String,
    /// Milliseconds since 1970 UTC.
    pub at_ms: u64,
}
