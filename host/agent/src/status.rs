//! What a host tells of itself, over a unix socket in its data folder: never more than it knows.
//!
//! The journal file is locked by the running process, so nothing else can answer. One connection gets one JSON document;
//! the socket has mode 0600.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::executor::RunCounts;

/// Name of the socket in the data folder.
pub const SOCKET: &str = "host.sock";
/// How long one client may take.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(2);
/// Largest status document read, in bytes.
const MAX_STATUS_BYTES: u64 = 64 * 1024;
/// The standing call ends after 25 s; a line that said nothing for longer than this is not called connected.
const SILENT_AFTER_MS: u64 = 45_000;

/// The state of the line to the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// Never heard yet.
    Connecting,
    /// Heard within the last 45 seconds, and the last call succeeded.
    Connected,
    /// Calls fail, or nothing was heard for longer.
    Offline,
}

/// The line to the control plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkStatus {
    /// Its state.
    pub state: LinkState,
    /// Address of the control plane.
    pub server: String,
    /// When it was last heard, milliseconds since 1970 UTC.
    pub last_heard_ms: Option<u64>,
    /// Since when calls fail.
    pub offline_since_ms: Option<u64>,
    /// Why the last call failed.
    pub reason: Option<String>,
}

/// What waits for upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadStatus {
    /// Items.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalStatus {
    /// Bytes of all runs.
    pub bytes: u64,
    /// The limit on them.
    pub limit_bytes: u64,
    /// Size of the file.
    pub file_bytes: u64,
    /// Commits since the start.
    pub commits: u64,
    /// Records stored since the start.
    pub records: u64,
    /// Median time of the last 1,024 commits, microseconds.
    pub sync_p50_us: u64,
    /// 99th percentile of the same.
    pub sync_p99_us: u64,
    /// How long opening it took, milliseconds.
    pub opened_in_ms: u64,
    /// Why it stopped, if it did.
    pub stopped: Option<String>,
}

/// The disk of the data folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskStatus {
    /// The data folder.
    pub folder: PathBuf,
    /// Bytes that can still be written, where the file system says it.
    pub free_bytes: Option<u64>,
    /// Below this many no new run is taken.
    pub min_free_bytes: u64,
    /// Whether it is below.
    pub low: bool,
}

/// What the last start found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResumedStatus {
    /// Unfinished runs.
    pub runs: u64,
    /// Records they had.
    pub records: u64,
    /// Steps they had completed.
    pub steps: u64,
}

/// What a host tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Name for people.
    pub name: String,
    /// Its id, once it has registered.
    pub host: Option<String>,
    /// Version of the program.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// When it started, milliseconds since 1970 UTC.
    pub started_at_ms: u64,
    /// Now, milliseconds since 1970 UTC.
    pub now_ms: u64,
    /// The line to the control plane.
    pub link: LinkStatus,
    /// What the runs here are doing.
    pub runs: RunCounts,
    /// What waits for upload.
    pub to_upload: UploadStatus,
    /// The journal.
    pub journal: JournalStatus,
    /// The disk.
    pub disk: DiskStatus,
    /// What the last start found.
    pub resumed: ResumedStatus,
    /// Whether it takes no new work because it is at a limit.
    pub busy: bool,
    /// Whether it is stopping.
    pub draining: bool,
}

impl LinkStatus {
    /// From what was heard.
    #[must_use]
    pub fn of(heard: &crate::link::heard::HeardView, server: String, now_ms: u64) -> Self {
        let silent = |last: u64| now_ms.saturating_sub(last) > SILENT_AFTER_MS;
        let state = match (heard.last_ms, heard.offline_since_ms) {
            (Some(last), None) if !silent(last) => LinkState::Connected,
            (None, None) => LinkState::Connecting,
            _ => LinkState::Offline,
        };
        Self {
            state,
            server,
            last_heard_ms: heard.last_ms,
            offline_since_ms: match state {
                LinkState::Offline => heard.offline_since_ms.or(heard.last_ms),
                LinkState::Connecting | LinkState::Connected => None,
            },
            reason: heard.reason.clone(),
        }
    }
}

impl Status {
    /// Whether all is well: connected, the journal works, and there is space for it.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.link.state == LinkState::Connected
            && self.journal.stopped.is_none()
            && !self.disk.low
            && self.runs.resting == 0
    }

    /// For people.
    #[must_use]
    pub fn for_people(&self) -> String {
        let ago = |since: u64| duration(self.now_ms.saturating_sub(since));
        let line = match (
            self.link.state,
            self.link.last_heard_ms,
            self.link.offline_since_ms,
        ) {
            (LinkState::Connected, Some(last), _) => format!("connected, last heard {} ago", ago(last)),
            (LinkState::Offline, _, Some(since)) => {
                let reason = self.link.reason.as_deref().unwrap_or("nothing was heard");
                format!("offline for {}: {reason}", ago(since))
            }
            _ => "connecting".to_owned(),
        };
        let waiting = self.runs.waiting_timer + self.runs.waiting_approval;
        let mut text = format!(" {}   {line}   control plane {}\n", self.name, self.link.server);
        text.push_str(&format!(
            " running {} · waiting {waiting} ({} timers, {} approvals) · to upload {} · journal {} of {} · disk sync p99 {}\n",
            self.runs.running + self.runs.loading,
            self.runs.waiting_timer,
            self.runs.waiting_approval,
            self.to_upload.items,
            bytes(self.journal.bytes),
            bytes(self.journal.limit_bytes),
            micros(self.journal.sync_p99_us),
        ));
        text.push_str(&format!(
            " started {} ago, journal opened in {} ms, {} runs and {} recorded steps found\n",
            ago(self.started_at_ms),
            self.journal.opened_in_ms,
            self.resumed.runs,
            self.resumed.steps,
        ));
        if let Some(reason) = &self.journal.stopped {
            text.push_str(&format!(
                " ✗ the journal has stopped: {reason}; mend it and start the host again\n"
            ));
        }
        if self.runs.resting > 0 {
            text.push_str(&format!(
                " ✗ {} runs rest because of trouble on this host; see its log\n",
                self.runs.resting
            ));
        }
        if self.disk.low {
            text.push_str(&format!(
                " ✗ the disk of {} has {} free, fewer than the {} that are kept for finishing: no new run is taken; free some space\n",
                self.disk.folder.display(),
                bytes(self.disk.free_bytes.unwrap_or(0)),
                bytes(self.disk.min_free_bytes),
            ));
        } else if self.busy {
            text.push_str(" takes no new work: a limit is reached\n");
        }
        if self.draining {
            text.push_str(" stopping: running steps end, nothing new starts\n");
        }
        text
    }
}

fn duration(ms: u64) -> String {
    match ms / 1_000 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

fn bytes(count: u64) -> String {
    match count {
        0..10_240 => format!("{count} B"),
        10_240..10_485_760 => format!("{} KiB", count / 1_024),
        _ => format!("{} MiB", count / 1_048_576),
    }
}

fn micros(us: u64) -> String {
    if us < 1_000 {
        format!("{us} µs")
    } else {
        format!("{} ms", us / 1_000)
    }
}

/// The path of the socket through an open folder, because a socket's path may have only 107 bytes.
fn socket_path(folder: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd()))
}

/// Answers with the status until the token is cancelled.
pub(crate) struct StatusServer {
    listener: UnixListener,
    path: PathBuf,
}

impl StatusServer {
    /// Opens the socket; one that an earlier process left is replaced, because the journal's lock says that it is gone.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(SOCKET);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let folder = File::open(data_dir)?;
        let listener = UnixListener::bind(socket_path(&folder))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
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
        /// Why.
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
