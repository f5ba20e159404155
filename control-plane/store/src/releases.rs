//! Published releases: envelopes by digest, numbered without holes for each workflow.

use flowforge_protocol::Digest;
use rusqlite::{Connection, Row, params};
use serde_json::json;

use crate::sql::{self, signed, small, unsigned};
use crate::{Page, Store, StoreError};

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

/// Workflows at most.
pub const MAX_WORKFLOWS: u32 = 10_000;

const COLUMNS: &str = "select rowid, digest, workflow, version, title, envelope, grants_digest, grants, source, \
     published_at_ms from release ";

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
    pub async fn publish(&self, release: StoredRelease, links: Links) -> Result<Published, PublishError> {
        self.alone(None, move |transaction| publish(transaction, &release, &links))
            .await?
    }

    /// The workflow that a webhook path belongs to.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn hook_owner(&self, path: &str) -> Result<Option<String>, StoreError> {
        let path = path.to_owned();
        self.read(move |connection| {
            let sql = "select workflow from hook where path = ?1";
            sql::first(connection, sql, [path], |row| Ok(row.get(0)?))
        })
        .await
    }

    /// The release with this digest.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn release(&self, digest: &Digest) -> Result<Option<StoredRelease>, StoreError> {
        let digest = digest.to_string();
        self.read(move |connection| {
            let sql = format!("{COLUMNS} where digest = ?1");
            sql::first(connection, &sql, [digest], without_place)
        })
        .await
    }

    /// One version of a workflow, or the newest.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn release_of(
        &self,
        workflow: &str,
        version: Option<u32>,
    ) -> Result<Option<StoredRelease>, StoreError> {
        let workflow = workflow.to_owned();
        self.read(move |connection| {
            let sql = format!(
                "{COLUMNS} where workflow = ?1 and (?2 is null or version = ?2) order by version desc limit 1"
            );
            sql::first(connection, &sql, params![workflow, version], without_place)
        })
        .await
    }

    /// The newest release of every workflow whose name is above `after`, by name.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn newest_releases(&self, after: &str, limit: u32) -> Result<Page<StoredRelease>, StoreError> {
        let after = after.to_owned();
        self.read(move |connection| {
            let sql = format!(
                "{COLUMNS} where workflow > ?1 and version = \
                 (select max(version) from release newest where newest.workflow = release.workflow) \
                 order by workflow limit ?2"
            );
            let rows = sql::all(connection, &sql, params![after, i64::from(limit) + 1], from_row)?;
            Ok(Page::from_rows(rows, limit))
        })
        .await
    }

    /// Versions of a workflow, newest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn versions(&self, workflow: &str, limit: u32) -> Result<Vec<StoredRelease>, StoreError> {
        let workflow = workflow.to_owned();
        self.read(move |connection| {
            let sql = format!("{COLUMNS} where workflow = ?1 order by version desc limit ?2");
            sql::all(connection, &sql, params![workflow, limit], without_place)
        })
        .await
    }
}

fn publish(
    connection: &Connection,
    release: &StoredRelease,
    links: &Links,
) -> Result<Result<Published, PublishError>, StoreError> {
    let stored = sql::first(
        connection,
        "select grants_digest = ?2 from release where digest = ?1",
        [release.digest.to_string(), release.grants_digest.to_string()],
        |row| Ok(row.get::<_, bool>(0)?),
    )?;
    match stored {
        Some(true) => return Ok(Ok(Published::Known)),
        Some(false) => return Ok(Err(PublishError::OtherGrants)),
        None => {}
    }
    let expected = sql::first(
        connection,
        "select coalesce(max(version), 0) + 1 from release where workflow = ?1",
        [&release.workflow],
        |row| Ok(small(row.get(0)?)),
    )?;
    let expected = expected.unwrap_or(1);
    if expected != release.version {
        return Ok(Err(PublishError::Version { expected }));
    }
    if release.version == 1 {
        let count = sql::first(
            connection,
            "select count(distinct workflow) from release",
            (),
            |row| Ok(small(row.get(0)?)),
        )?;
        if count.unwrap_or(0) >= MAX_WORKFLOWS {
            return Ok(Err(PublishError::TooMany));
        }
    }
    for child in &links.children {
        let there = sql::first(
            connection,
            "select 1 from release where digest = ?1",
            [child.to_string()],
            |_| Ok(()),
        )?;
        if there.is_none() {
            return Ok(Err(PublishError::NoChild { child: *child }));
        }
    }
    let hooks = json!(links.hooks).to_string();
    let taken = sql::first(
        connection,
        "select path, workflow from hook where workflow <> ?1 and path in (select value from json_each(?2)) limit 1",
        [&release.workflow, &hooks],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    if let Some((path, workflow)) = taken {
        return Ok(Err(PublishError::HookTaken { path, workflow }));
    }
    sql::run(
        connection,
        "delete from hook where workflow = ?1",
        [&release.workflow],
    )?;
    sql::run(
        connection,
        "insert into hook (path, workflow) select value, ?1 from json_each(?2) where true on conflict do nothing",
        [&release.workflow, &hooks],
    )?;
    insert(connection, release)?;
    let children: Vec<String> = links.children.iter().map(Digest::to_string).collect();
    sql::run(
        connection,
        "insert into pinned (parent, child) select ?1, value from json_each(?2) where true on conflict do nothing",
        [release.digest.to_string(), json!(children).to_string()],
    )?;
    Ok(Ok(Published::New))
}

pub(crate) fn insert(connection: &Connection, release: &StoredRelease) -> Result<(), StoreError> {
    sql::run(
        connection,
        "insert into release (digest, workflow, version, title, envelope, grants_digest, grants, source, \
         published_at_ms) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            release.digest.to_string(),
            release.workflow,
            release.version,
            release.title,
            release.envelope,
            release.grants_digest.to_string(),
            release.grants,
            release.source,
            signed(release.published_at_ms)
        ],
    )?;
    Ok(())
}
