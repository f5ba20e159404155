//! Whether a backup is one: a control plane is made of it apart, started, asked, stopped and removed again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use flowforge_store::Contents;
use tokio_util::sync::CancellationToken;

use super::error::BackupError;
use super::files;
use super::outcome::{Progress, Rehearsed};
use super::restore::restore;
use crate::config::Config;
use crate::entropy::fresh;
use crate::service::Service;

/// Restores a backup into a folder of its own in `scratch`, and into an empty database if it is of one, starts a control
/// plane on it, opens every secret, and removes the folder. The database is left as it is then.
///
/// # Errors
/// See [`BackupError`]: a backup for which this fails cannot be relied on.
pub async fn rehearse(
    from: &Path,
    scratch: &Path,
    database: Option<String>,
    progress: Progress<'_>,
) -> Result<Rehearsed, BackupError> {
    let name = fresh::<8>().map_err(|error| BackupError::io(scratch, std::io::Error::other(error)))?;
    let stage = Stage(scratch.join(format!("flowforge-rehearsal-{:016x}", u64::from_be_bytes(name))));
    let restored = restore(from, &stage.0, database.clone(), progress).await?;
    let (contents, secrets_opened) = start(&stage.0, database).await?;
    Ok(Rehearsed {
        restored,
        contents,
        secrets_opened,
    })
}

/// Starts a control plane, and ends it when its secrets were opened.
async fn start(data: &Path, database: Option<String>) -> Result<(Contents, u64), BackupError> {
    let mut config = Config::new(data.to_owned(), SocketAddr::from(([127, 0, 0, 1], 0)));
    config.database.clone_from(&database);
    let service = Service::open(config).await;
    let service = service.map_err(|error| BackupError::Start(Box::new(error)))?;
    let contents = flowforge_store::contents(&files::store_config(data, database)).await;
    let opened = service.open_every_secret().await;
    // Nobody calls it, and it ends as soon as it runs.
    let over = CancellationToken::new();
    over.cancel();
    service.run(over).await.map_err(BackupError::Run)?;
    let opened = opened.map_err(|why| BackupError::Secrets { why })?;
    Ok((contents?, opened))
}

/// A folder that goes when the rehearsal is over.
struct Stage(PathBuf);

impl Drop for Stage {
    fn drop(&mut self) {
        if self.0.exists() {
            files::clear(&self.0);
        }
    }
}
