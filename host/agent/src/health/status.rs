//! What a host tells of itself: never more than it knows.

use std::path::PathBuf;

use flowforge_telemetry::View;
use serde::{Deserialize, Serialize};

use super::link::LinkView;

/// Runs that do not move which people are shown.
const SHOWN_MAX: usize = 20;
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
    /// How long ago that was, milliseconds, by a clock that nobody can set.
    pub silent_for_ms: Option<u64>,
    /// Since when calls fail.
    pub offline_since_ms: Option<u64>,
    /// Why the last call failed.
    pub reason: Option<String>,
    /// Whether trying again changes nothing: somebody must act.
    pub needs_action: bool,
}

/// How long a host's certificate lives, milliseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateLife {
    /// Counts the certificates of this host, from 1.
    pub generation: u64,
    /// When the next one is asked for.
    pub renews_at_ms: u64,
    /// Until when it is good.
    pub expires_at_ms: u64,
}

/// What waits for upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadStatus {
    /// Items.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Runs whose uploads the control plane does not store.
    pub parked_runs: u64,
    /// Their bytes.
    pub parked_bytes: u64,
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

/// A run whose uploads the control plane does not store. They are kept, and offered again now and then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParkedRun {
    /// Its id.
    pub run: String,
    /// The control plane's code.
    pub code: String,
    /// Its reason, for people.
    pub reason: String,
}

/// A run that does not move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandingRun {
    /// Its id.
    pub run: String,
    /// Whether something must be mended before it goes on; else it waits.
    pub rests: bool,
    /// What it waits for, or why it rests.
    pub about: String,
}

/// What the last start found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResumedStatus {
    /// Unfinished runs.
    pub runs: u64,
    /// Records they had.
    pub records: u64,
}

/// How telemetry gets on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryStatus {
    /// The collector.
    pub collector: String,
    /// Spans that it took since the start.
    pub spans: u64,
    /// Lines of log that it took.
    pub lines: u64,
    /// Spans and lines that were dropped because too many waited.
    pub dropped_full: u64,
    /// Spans and lines that were dropped because the collector did not take them.
    pub dropped_refused: u64,
    /// Why the last request was not taken; none if it was.
    pub trouble: Option<String>,
}

impl From<View> for TelemetryStatus {
    fn from(view: View) -> Self {
        Self {
            collector: view.collector,
            spans: view.spans,
            lines: view.lines,
            dropped_full: view.dropped_full,
            dropped_refused: view.dropped_refused,
            trouble: view.trouble,
        }
    }
}

impl TelemetryStatus {
    /// One line for people. Work goes on whatever it says.
    fn for_people(&self) -> String {
        let dropped = self.dropped_full + self.dropped_refused;
        let state = self
            .trouble
            .as_ref()
            .map_or_else(|| "taken".to_owned(), |reason| format!("not taken now: {reason}"));
        format!(
            " telemetry to {}: {state} · spans {} · log lines {} · dropped {dropped}\n",
            self.collector, self.spans, self.lines
        )
    }
}

/// How many runs are doing what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunCounts {
    /// With a step under way.
    pub running: u64,
    /// Waiting for a time, a signal or another run.
    pub waiting_timer: u64,
    /// Waiting for a person.
    pub waiting_approval: u64,
    /// Of those that wait: how many are in the journal alone, and take no memory.
    pub asleep: u64,
    /// Waiting for their release to be loaded.
    pub loading: u64,
    /// Stopped by trouble of this host; they go on at its next start.
    pub resting: u64,
}

impl RunCounts {
    /// All runs on this host.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.running + self.waiting_timer + self.waiting_approval + self.loading + self.resting
    }
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
    /// The life of the certificate that it shows on the hosts' line; none on the control plane's own machine.
    pub certificate: Option<CertificateLife>,
    /// What the runs here are doing.
    pub runs: RunCounts,
    /// Some of those that do not move, with the reason: first those that rest.
    pub standing: Vec<StandingRun>,
    /// What waits for upload.
    pub to_upload: UploadStatus,
    /// Some of the runs whose uploads the control plane does not store.
    pub parked: Vec<ParkedRun>,
    /// The last runs that went to another host, because this one did not renew their leases; what was not stored of them is
    /// refused.
    pub moved: Vec<ParkedRun>,
    /// The journal.
    pub journal: JournalStatus,
    /// The disk.
    pub disk: DiskStatus,
    /// What the last start found.
    pub resumed: ResumedStatus,
    /// How telemetry gets on; none if nothing is sent.
    pub telemetry: Option<TelemetryStatus>,
    /// Whether it takes no new work because it is at a limit.
    pub busy: bool,
    /// Whether it is stopping.
    pub draining: bool,
}

impl LinkStatus {
    /// From what was heard of it.
    #[must_use]
    pub fn of(seen: &LinkView, server: String) -> Self {
        let silent = seen.silent_for_ms.is_some_and(|silent| silent > SILENT_AFTER_MS);
        let state = match (seen.last_ms, seen.offline_since_ms) {
            (Some(_), None) if !silent => LinkState::Connected,
            (None, None) => LinkState::Connecting,
            _ => LinkState::Offline,
        };
        Self {
            state,
            server,
            last_heard_ms: seen.last_ms,
            silent_for_ms: seen.silent_for_ms,
            offline_since_ms: match state {
                LinkState::Offline => seen.offline_since_ms.or(seen.last_ms),
                LinkState::Connecting | LinkState::Connected => None,
            },
            reason: seen.reason.clone(),
            needs_action: seen.permanent,
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
            && self.to_upload.parked_runs == 0
    }

    fn certificate_words(&self, life: CertificateLife) -> String {
        let left = |at_ms: u64| duration(at_ms.saturating_sub(self.now_ms));
        if life.expires_at_ms <= self.now_ms {
            let ago = duration(self.now_ms.saturating_sub(life.expires_at_ms));
            format!("   certificate ended {ago} ago, it is renewed as soon as the control plane answers")
        } else if life.renews_at_ms <= self.now_ms {
            format!(
                "   certificate is due to be renewed, good for {}",
                left(life.expires_at_ms)
            )
        } else {
            format!("   certificate renews in {}", left(life.renews_at_ms))
        }
    }

    /// Runs that the control plane does not take from this host.
    fn not_taken(&self) -> String {
        let mut text = String::new();
        if self.to_upload.parked_runs > 0 {
            text.push_str(&format!(
                " ✗ {} runs are not stored by the control plane ({}); they are kept here and offered again\n",
                self.to_upload.parked_runs,
                bytes(self.to_upload.parked_bytes)
            ));
        }
        for run in self.parked.iter().take(SHOWN_MAX) {
            text.push_str(&format!(
                "   ✗ {} is refused ({}): {}\n",
                run.run, run.code, run.reason
            ));
        }
        for run in &self.moved {
            text.push_str(&format!(
                "   · {} went to another host ({}): {}\n",
                run.run, run.code, run.reason
            ));
        }
        text
    }

    /// For people.
    #[must_use]
    pub fn for_people(&self) -> String {
        let ago = |since: u64| duration(self.now_ms.saturating_sub(since));
        let line = match (
            self.link.state,
            self.link.silent_for_ms,
            self.link.offline_since_ms,
        ) {
            (LinkState::Connected, Some(silent), _) => {
                format!("connected, last heard {} ago", duration(silent))
            }
            (LinkState::Offline, silent, since) => {
                let reason = self.link.reason.as_deref().unwrap_or("nothing was heard");
                let since = silent.or_else(|| since.map(|since| self.now_ms.saturating_sub(since)));
                format!("offline for {}: {reason}", duration(since.unwrap_or(0)))
            }
            _ => "connecting".to_owned(),
        };
        let certificate = self
            .certificate
            .map_or(String::new(), |life| self.certificate_words(life));
        let waiting = self.runs.waiting_timer + self.runs.waiting_approval;
        let mut text = format!(
            " {}   {line}   control plane {}{certificate}\n",
            self.name, self.link.server
        );
        text.push_str(&format!(
            " running {} · waiting {waiting} ({} for a person) · to upload {} · journal {} of {} · disk sync p99 {}\n",
            self.runs.running + self.runs.loading,
            self.runs.waiting_approval,
            self.to_upload.items,
            bytes(self.journal.bytes),
            bytes(self.journal.limit_bytes),
            micros(self.journal.sync_p99_us),
        ));
        text.push_str(&format!(
            " started {} ago, journal opened in {} ms, {} unfinished runs with {} records found\n",
            ago(self.started_at_ms),
            self.journal.opened_in_ms,
            self.resumed.runs,
            self.resumed.records,
        ));
        if let Some(telemetry) = &self.telemetry {
            text.push_str(&telemetry.for_people());
        }
        if let Some(reason) = &self.journal.stopped {
            text.push_str(&format!(
                " ✗ the journal has stopped: {reason}; mend it and start the host again\n"
            ));
        }
        if self.runs.resting > 0 {
            text.push_str(&format!(
                " ✗ {} runs rest until something is mended; each can be cancelled\n",
                self.runs.resting
            ));
        }
        for run in self.standing.iter().take(SHOWN_MAX) {
            let (mark, word) = if run.rests {
                ("✗", "rests:")
            } else {
                ("·", "waits for")
            };
            text.push_str(&format!("   {mark} {} {word} {}\n", run.run, run.about));
        }
        text.push_str(&self.not_taken());
        if self.link.needs_action {
            text.push_str(" ✗ the control plane refuses this host's calls; trying again does not help, see the reason above\n");
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
