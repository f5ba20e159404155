//! Published releases: envelopes by digest, numbered without holes for each workflow.

use flowforge_protocol::Digest;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::jobs::{signed, unsigned};
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

/// Why a release was not stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PublishError {
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

const COLUMNS: &str = "select rowid, digest, workflow, version, title, envelope, grants_digest, grants, source, \
     published_at_ms from release ";

fn from_row(row: &SqliteRow) -> Result<(i64, StoredRelease), StoreError> {
    let digest: String = row.try_get(1)?;
    let grants_digest: String = row.try_get(6)?;
    let release = StoredRelease {
        digest: digest
            .parse()
            .map_err(|e| StoreError::unreadable("release digest", e))?,
        workflow: row.try_get(2)?,
        version: u32::try_from(row.try_get::<i64, _>(3)?).unwrap_or(u32::MAX),
        title: row.try_get(4)?,
        envelope: row.try_get(5)?,
        grants_digest: grants_digest
            .parse()
            .map_err(|e| StoreError::unreadable("grants digest", e))?,
        grants: row.try_get(7)?,
        source: row.try_get(8)?,
        published_at_ms: unsigned(row.try_get(9)?),
    };
    Ok((row.try_get(0)?, release))
}

impl Store {
    /// Stores a release as the next version of its workflow. The same release again is no error.
    ///
    /// # Errors
    /// `Version`: sign it again with the expected number. `Store`: see there.
    pub async fn publish(&self, release: StoredRelease) -> Result<(), PublishError> {
        let wanted = release.version;
        let expected = self
            .alone(None, move |transaction| {
                Box::pin(async move {
                    let stored: Option<i64> =
                        sqlx::query_scalar("select version from release where digest = ?1")
                            .bind(release.digest.to_string())
                            .fetch_optional(&mut *transaction)
                            .await?;
                    if stored.is_some() {
                        return Ok(release.version);
                    }
                    let last: Option<i64> =
                        sqlx::query_scalar("select max(version) from release where workflow = ?1")
                            .bind(&release.workflow)
                            .fetch_one(&mut *transaction)
                            .await?;
                    let expected = u32::try_from(last.unwrap_or(0) + 1).unwrap_or(u32::MAX);
                    if expected == release.version {
                        insert(transaction, &release).await?;
                    }
                    Ok(expected)
                })
            })
            .await?;
        if expected == wanted {
            Ok(())
        } else {
            Err(PublishError::Version { expected })
        }
    }

    /// The release with this digest.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn release(&self, digest: &Digest) -> Result<Option<StoredRelease>, StoreError> {
        let sql = format!("{COLUMNS} where digest = ?1");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(digest.to_string())
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| Ok(from_row(&row)?.1)).transpose()
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
        let sql = format!(
            "{COLUMNS} where workflow = ?1 and (?2 is null or version = ?2) order by version desc limit 1"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(workflow)
            .bind(version)
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| Ok(from_row(&row)?.1)).transpose()
    }

    /// The newest release of every workflow whose name is above `after`, by name.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn newest_releases(&self, after: &str, limit: u32) -> Result<Page<StoredRelease>, StoreError> {
        let sql = format!(
            "{COLUMNS} where workflow > ?1 and version = \
             (select max(version) from release newest where newest.workflow = release.workflow) \
             order by workflow limit ?2"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(after)
            .bind(i64::from(limit) + 1)
            .fetch_all(&self.readers)
            .await?;
        Ok(Page::from_rows(
            rows.iter().map(from_row).collect::<Result<_, _>>()?,
            limit,
        ))
    }

    /// Versions of a workflow, newest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn versions(&self, workflow: &str, limit: u32) -> Result<Vec<StoredRelease>, StoreError> {
        let sql = format!("{COLUMNS} where workflow = ?1 order by version desc limit ?2");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(workflow)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(|row| Ok(from_row(row)?.1)).collect()
    }
}

async fn insert(transaction: &mut SqliteConnection, release: &StoredRelease) -> Result<(), StoreError> {
    sqlx::query(
        "insert into release (digest, workflow, version, title, envelope, grants_digest, grants, source, \
         published_at_ms) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )
    .bind(release.digest.to_string())
    .bind(&release.workflow)
    .bind(release.version)
    .bind(&release.title)
    .bind(&release.envelope)
    .bind(release.grants_digest.to_string())
    .bind(&release.grants)
    .bind(&release.source)
    .bind(signed(release.published_at_ms))
    .execute(&mut *transaction)
    .await?;
    Ok(())
}
