//! The status over a unix socket in the data folder.
//!
//! The journal file is locked by the running process, so nothing else can answer. One connection gets one JSON document;
//! the socket has mode 0600.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::status::Status;

/// Name of the socket in the data folder.
pub const SOCKET: &str = "host.sock";
/// How long one client may take.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(2);
/// Largest status document read, in bytes.
const MAX_STATUS_BYTES: u64 = 512 * 1024;
/// The path of the socket through an open folder, because a socket's path may have only 107 bytes.
fn socket_path(folder: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd()))
}

/// Answers with the status until the token is cancelled.
pub(crate) struct StatusServer {
    listener: UnixListener,
    path: PathBuf,
    /// The process before this one left its socket behind.
    follows_death: bool,
}

impl StatusServer {
    /// Opens the socket; one that an earlier process left is replaced, because the journal's lock says that it is gone.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(SOCKET);
        let follows_death = match std::fs::remove_file(&path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        let folder = File::open(data_dir)?;
        let listener = UnixListener::bind(socket_path(&folder))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self {
            listener,
            path,
            follows_death,
        })
    }

    /// Whether the process before this one died without stopping: every way of stopping removes the socket.
    pub(crate) fn follows_death(&self) -> bool {
        self.follows_death
    }

    pub(crate) async fn run(self, status: impl Fn() -> Status, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            let Ok((mut client, _)) = accepted else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let document = serde_json::to_vec(&status()).unwrap_or_default();
            let answer = async {
                client.write_all(&document).await?;
                client.shutdown().await
            };
            match tokio::time::timeout(CLIENT_TIMEOUT, answer).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => debug!(%error, "a status client went away"),
                Err(_) => debug!("a status client does not read"),
            }
        }
        // Left behind it would only be replaced at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Why there is no status.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// Nothing answers.
    #[error("no host is running on {}", data_dir.display())]
    NotRunning {
        /// The data folder.
        data_dir: PathBuf,
        /// What the cause says.
        #[source]
        source: io::Error,
    },
    /// The answer cannot be read: another version.
    #[error("the host on {} answers in another form; is it of another version?", data_dir.display())]
    Unreadable {
        /// The data folder.
        data_dir: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
}

/// Asks the host that runs on this data folder.
///
/// # Errors
/// [`StatusError`].
pub fn ask(data_dir: &Path) -> Result<Status, StatusError> {
    let not_running = |source| StatusError::NotRunning {
        data_dir: data_dir.to_owned(),
        source,
    };
    let folder = File::open(data_dir).map_err(not_running)?;
    let socket = std::os::unix::net::UnixStream::connect(socket_path(&folder)).map_err(not_running)?;
    socket
        .set_read_timeout(Some(CLIENT_TIMEOUT))
        .map_err(not_running)?;
    let mut document = Vec::new();
    socket
        .take(MAX_STATUS_BYTES)
        .read_to_end(&mut document)
        .map_err(not_running)?;
    serde_json::from_slice(&document).map_err(|source| StatusError::Unreadable {
        data_dir: data_dir.to_owned(),
        source,
    })
}
