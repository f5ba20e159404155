//! Published releases: envelopes by digest, numbered without holes for each workflow.

use crate::cells::{Row, params};
use crate::connection::Connection;

use flowforge_core::Scope;
use flowforge_protocol::Digest;
use serde_json::json;

use crate::sql::{self, signed, small, unsigned};
use crate::{Page, Store, StoreError, outbox};

/// A release; its signatures were verified before it came here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRelease {
    /// Digest of the release's payload.
    pub digest: Digest,
    /// Workflow name.
    pub workflow: String,
    /// Its number.
    pub version: u32,
    /// For people.
    pub title: String,
    /// The release's envelope as JSON text.
    pub envelope: String,
    /// Digest of the grant set's payload.
    pub grants_digest: Digest,
    /// The grant set's envelope as JSON text.
    pub grants: String,
    /// The workflow file, for people.
    pub source: Option<String>,
    /// When.
    pub published_at_ms: u64,
}

/// A release without its documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseHead {
    /// Digest of the release's payload.
    pub digest: Digest,
    /// Workflow name.
    pub workflow: String,
    /// Its number.
    pub version: u32,
    /// For people.
    pub title: String,
    /// Digest of the grant set's payload.
    pub grants_digest: Digest,
    /// When.
    pub published_at_ms: u64,
    /// Bytes of the workflow file, if it was published with it.
    pub source_bytes: Option<u64>,
}

/// What a release is bound to besides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    /// Webhook paths of the workflow from now on.
    pub hooks: Vec<String>,
    /// Releases of other workflows that its nodes run: kept as long as this one.
    pub children: Vec<Digest>,
}

/// What became of a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// It is the newest version now.
    New,
    /// The very same documents were stored before. Nothing changed: above all, which version is the newest.
    Known,
}

/// Why a release was not stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PublishError {
    /// The release is stored with other grants: those that were signed first stand.
    #[error("this release is published with other grants")]
    OtherGrants,
    /// There are as many workflows as there may be.
    #[error("there are {MAX_WORKFLOWS} workflows, and no more may be published")]
    TooMany,
    /// A webhook path belongs to another workflow.
    #[error("webhook path `{path}` belongs to workflow `{workflow}`")]
    HookTaken {
        /// The path.
        path: String,
        /// Whose it is.
        workflow: String,
    },
    /// A release that its nodes run is not published here.
    #[error("release {child} of another workflow, which a node runs, is not published here")]
    NoChild {
        /// Which.
        child: Digest,
    },
    /// The release is one of another project.
    #[error("this release belongs to another project")]
    Elsewhere,
    /// The workflow is in the trash.
    #[error("workflow `{workflow}` is in the trash; take it out with `restoreWorkflow` first")]
    Trashed {
        /// Which.
        workflow: String,
    },
    /// Another version is due.
    #[error("the next version of this workflow is {expected}")]
    Version {
        /// Which.
        expected: u32,
    },
    /// See [`StoreError`].
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Workflows of a project at most.
pub const MAX_WORKFLOWS: u32 = 10_000;

const COLUMNS: &str = "select seq, digest, workflow, version, title, envelope, grants_digest, grants, source, \
     published_at_ms from release ";

/// True while a workflow is in the trash.
pub(crate) fn is_trashed(connection: &Connection, scope: &Scope, workflow: &str) -> Result<bool, StoreError> {
    let there = sql::first(
        connection,
        "select 1 from workflow where name = ?1 and workspace = ?2 and project = ?3 and deleted_at_ms is not null",
        [workflow, scope.workspace(), scope.project()],
        |_| Ok(()),
    )?;
    Ok(there.is_some())
}

/// Not of a workflow that is in the trash.
const IN_USE: &str = "not exists (select 1 from workflow trash where trash.workspace = release.workspace \
     and trash.project = release.project and trash.name = release.workflow and trash.deleted_at_ms is not null)";

fn from_row(row: &Row<'_>) -> Result<(i64, StoredRelease), StoreError> {
    let release = StoredRelease {
        digest: sql::parsed(row, 1, "release digest")?,
        workflow: row.get(2)?,
        version: small(row.get(3)?),
        title: row.get(4)?,
        envelope: row.get(5)?,
        grants_digest: sql::parsed(row, 6, "grants digest")?,
        grants: row.get(7)?,
        source: row.get(8)?,
        published_at_ms: unsigned(row.get(9)?),
    };
    Ok((row.get(0)?, release))
}

fn without_place(row: &Row<'_>) -> Result<StoredRelease, StoreError> {
    Ok(from_row(row)?.1)
}

impl Store {
    /// Stores a release as the next version of its workflow, with its links. The same release again is no error and changes
    /// nothing.
    ///
    /// # Errors
    /// `Version`: sign it again with the expected number. `HookTaken`: choose another path. `NoChild`: publish that one
    /// first. `OtherGrants`, `Store`: see there.
    pub async fn publish(
        &self,
        scope: &Scope,
        release: StoredRelease,
        links: Links,
    ) -> Result<Published, PublishError> {
        let took = |published: &Result<Published, PublishError>| matches!(published, Ok(Published::New));
        self.change(scope, None, took, move |transaction, scope| {
            publish(transaction, scope, &release, &links)
        })
        .await?
    }

    /// The workflow that a webhook path belongs to.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn hook_owner(&self, scope: &Scope, path: &str) -> Result<Option<String>, StoreError> {
        let path = path.to_owned();
        self.read(scope, move |connection, scope| {
            let sql = "select workflow from hook where path = ?1 and workspace = ?2 and project = ?3";
            let params = [path.as_str(), scope.workspace(), scope.project()];
            sql::first(connection, sql, params, |row| row.get(0))
        })
        .await
    }

    /// The release with this digest.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn release(&self, scope: &Scope, digest: &Digest) -> Result<Option<StoredRelease>, StoreError> {
        let digest = digest.to_string();
        self.read(scope, move |connection, scope| {
            let sql = format!("{COLUMNS} where digest = ?1 and workspace = ?2 and project = ?3");
            let params = [digest.as_str(), scope.workspace(), scope.project()];
            sql::first(connection, &sql, params, without_place)
        })
        .await
    }

    /// One version of a workflow, or the newest; none of a workflow that is in the trash.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn release_of(
        &self,
        scope: &Scope,
        workflow: &str,
        version: Option<u32>,
    ) -> Result<Option<StoredRelease>, StoreError> {
        let workflow = workflow.to_owned();
        self.read(scope, move |connection, scope| {
            let sql = format!(
                "{COLUMNS} where workflow = ?1 and (cast(?2 as bigint) is null or version = ?2) and workspace = ?3 \
                 and project = ?4 and {IN_USE} order by version desc limit 1"
            );
            let params = params![workflow, version, scope.workspace(), scope.project()];
            sql::first(connection, &sql, params, without_place)
        })
        .await
    }

    /// The newest release of every workflow that is not in the trash and whose name is above `after`, by name.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn newest_releases(
        &self,
        scope: &Scope,
        after: &str,
        limit: u32,
    ) -> Result<Page<StoredRelease>, StoreError> {
        let after = after.to_owned();
        self.read(scope, move |connection, scope| {
            let sql = format!(
                "{COLUMNS} where workspace = ?3 and project = ?4 and workflow > ?1 and version = \
                 (select max(version) from release newest where newest.workspace = release.workspace \
                 and newest.project = release.project and newest.workflow = release.workflow) and {IN_USE} \
                 order by workflow limit ?2"
            );
            let params = params![after, i64::from(limit) + 1, scope.workspace(), scope.project()];
            let rows = sql::all(connection, &sql, params, from_row)?;
            Ok(Page::from_rows(rows, limit))
        })
        .await
    }

    /// The newest versions of workflows, newest first, at most `limit` of each, without their documents.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn versions(
        &self,
        scope: &Scope,
        workflows: Vec<String>,
        limit: u32,
    ) -> Result<Vec<ReleaseHead>, StoreError> {
        self.read(scope, move |connection, scope| {
            sql::all(
                connection,
                "select digest, workflow, version, title, grants_digest, published_at_ms, source_bytes from ( \
                     select digest, workflow, version, title, grants_digest, published_at_ms, \
                     octet_length(source) as source_bytes, \
                     row_number() over (partition by workflow order by version desc) as place from release \
                     where workflow in (select value from json_each(?1)) and workspace = ?3 and project = ?4) ranked \
                 where place <= ?2 order by workflow, version desc",
                params![
                    json!(workflows).to_string(),
                    limit,
                    scope.workspace(),
                    scope.project()
                ],
                |row| {
                    Ok(ReleaseHead {
                        digest: sql::parsed(row, 0, "release digest")?,
                        workflow: row.get(1)?,
                        version: small(row.get(2)?),
                        title: row.get(3)?,
                        grants_digest: sql::parsed(row, 4, "grants digest")?,
                        published_at_ms: unsigned(row.get(5)?),
                        source_bytes: row.get::<Option<i64>>(6)?.map(unsigned),
                    })
                },
            )
        })
        .await
    }
}

/// The newest release of a workflow, wherever it is.
pub(crate) fn newest(
    connection: &Connection,
    scope: &Scope,
    workflow: &str,
) -> Result<Option<StoredRelease>, StoreError> {
    let sql = format!(
        "{COLUMNS} where workflow = ?1 and workspace = ?2 and project = ?3 order by version desc limit 1"
    );
    let params = [workflow, scope.workspace(), scope.project()];
    sql::first(connection, &sql, params, without_place)
}

/// What is stored under the digest of a release already.
fn before(
    connection: &Connection,
    scope: &Scope,
    release: &StoredRelease,
) -> Result<Option<Result<Published, PublishError>>, StoreError> {
    let (digest, grants) = (release.digest.to_string(), release.grants_digest.to_string());
    let stored = sql::first(
        connection,
        "select workspace = ?3 and project = ?4, grants_digest = ?2 from release where digest = ?1",
        [digest.as_str(), &grants, scope.workspace(), scope.project()],
        |row| Ok((row.get::<bool>(0)?, row.get::<bool>(1)?)),
    )?;
    Ok(stored.map(|stored| match stored {
        (false, _) => Err(PublishError::Elsewhere),
        (true, false) => Err(PublishError::OtherGrants),
        (true, true) => Ok(Published::Known),
    }))
}

/// The first of the releases that a new one runs and that is not published in its project.
fn absent_child(connection: &Connection, scope: &Scope, links: &Links) -> Result<Option<Digest>, StoreError> {
    for child in &links.children {
        let there = sql::first(
            connection,
            "select 1 from release where digest = ?1 and workspace = ?2 and project = ?3",
            [child.to_string().as_str(), scope.workspace(), scope.project()],
            |_| Ok(()),
        )?;
        if there.is_none() {
            return Ok(Some(*child));
        }
    }
    Ok(None)
}

fn publish(
    connection: &Connection,
    scope: &Scope,
    release: &StoredRelease,
    links: &Links,
) -> Result<Result<Published, PublishError>, StoreError> {
    if let Some(known) = before(connection, scope, release)? {
        return Ok(known);
    }
    if is_trashed(connection, scope, &release.workflow)? {
        let workflow = release.workflow.clone();
        return Ok(Err(PublishError::Trashed { workflow }));
    }
    let expected = sql::first(
        connection,
        "select coalesce(max(version), 0) + 1 from release where workflow = ?1 \
         and workspace = ?2 and project = ?3",
        [release.workflow.as_str(), scope.workspace(), scope.project()],
        |row| Ok(small(row.get(0)?)),
    )?;
    let expected = expected.unwrap_or(1);
    if expected != release.version {
        return Ok(Err(PublishError::Version { expected }));
    }
    if release.version == 1 {
        let count = sql::first(
            connection,
            "select count(distinct workflow) from release where workspace = ?1 and project = ?2",
            [scope.workspace(), scope.project()],
            |row| Ok(small(row.get(0)?)),
        )?;
        if count.unwrap_or(0) >= MAX_WORKFLOWS {
            return Ok(Err(PublishError::TooMany));
        }
    }
    if let Some(child) = absent_child(connection, scope, links)? {
        return Ok(Err(PublishError::NoChild { child }));
    }
    let hooks = json!(links.hooks).to_string();
    let taken = sql::first(
        connection,
        "select path, workflow from hook where workflow <> ?1 and path in (select value from json_each(?2)) \
         and workspace = ?3 and project = ?4 limit 1",
        [
            release.workflow.as_str(),
            &hooks,
            scope.workspace(),
            scope.project(),
        ],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    if let Some((path, workflow)) = taken {
        return Ok(Err(PublishError::HookTaken { path, workflow }));
    }
    sql::run(
        connection,
        "delete from hook where workflow = ?1 and workspace = ?2 and project = ?3",
        [release.workflow.as_str(), scope.workspace(), scope.project()],
    )?;
    sql::run(
        connection,
        "insert into hook (path, workflow, workspace, project) select new.value, ?1, ?3, ?4 from (select value from json_each(?2)) new \
         where true on conflict do nothing",
        [
            release.workflow.as_str(),
            &hooks,
            scope.workspace(),
            scope.project(),
        ],
    )?;
    insert(connection, scope, release)?;
    let told = outbox::NewVersion {
        release: &release.digest,
        workflow: &release.workflow,
        version: release.version,
        title: &release.title,
        at_ms: release.published_at_ms,
    };
    outbox::tell_version(connection, scope, &told)?;
    let children: Vec<String> = links.children.iter().map(Digest::to_string).collect();
    sql::run(
        connection,
        "insert into pinned (parent, child) select ?1, new.value from (select value from json_each(?2)) new where true on conflict do nothing",
        [release.digest.to_string(), json!(children).to_string()],
    )?;
    Ok(Ok(Published::New))
}

pub(crate) fn insert(
    connection: &Connection,
    scope: &Scope,
    release: &StoredRelease,
) -> Result<(), StoreError> {
    sql::run(
        connection,
        "insert into release (digest, workflow, version, title, envelope, grants_digest, grants, source, \
         published_at_ms, workspace, project) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            release.digest.to_string(),
            release.workflow,
            release.version,
            release.title,
            release.envelope,
            release.grants_digest.to_string(),
            release.grants,
            release.source,
            signed(release.published_at_ms),
            scope.workspace(),
            scope.project()
        ],
    )?;
    Ok(())
}
