//! What a host tells of itself while it works.

use std::sync::{Arc, OnceLock};

use flowforge_journal::Journal;
use flowforge_protocol::HostId;
use flowforge_telemetry::Telemetry;

use crate::clock::Clock;
use crate::health::{Disk, JournalStatus, LinkHealth, LinkStatus, Status, UploadStatus};
use crate::intake::Intake;
use crate::link::control::ControlLink;
use crate::runs::Runs;
use crate::stop::Stop;

/// Runs that do not move which the status names.
const STANDING_MAX: usize = 200;

/// Tells how a host is. Cheap to clone.
#[derive(Clone)]
pub struct HostHandle {
    pub(crate) shared: Arc<HandleShared>,
}

pub(crate) struct HandleShared {
    pub(crate) name: String,
    pub(crate) server: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) journal: Journal,
    pub(crate) disk: Arc<Disk>,
    pub(crate) line: LinkHealth,
    pub(crate) link: Arc<dyn ControlLink>,
    pub(crate) started_at_ms: u64,
    pub(crate) opened_in_ms: u64,
    pub(crate) host: OnceLock<HostId>,
    pub(crate) work: OnceLock<(Runs, Intake)>,
    pub(crate) stop: OnceLock<Stop>,
    pub(crate) telemetry: OnceLock<Telemetry>,
}

impl HostHandle {
    /// How the host is now.
    #[must_use]
    pub fn status(&self) -> Status {
        let shared = &self.shared;
        let now_ms = shared.clock.now_ms();
        let stats = shared.journal.stats();
        let work = shared.work.get();
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Status {
            name: shared.name.clone(),
            host: shared.host.get().map(ToString::to_string),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at_ms: shared.started_at_ms,
            now_ms,
            link: LinkStatus::of(&shared.line.view(), shared.server.clone()),
            certificate: shared.link.certificate(),
            runs: work.map(|(runs, _)| runs.counts()).unwrap_or_default(),
            standing: work
                .map(|(runs, _)| runs.standing(STANDING_MAX))
                .unwrap_or_default(),
            to_upload: UploadStatus {
                items: count(stats.outbox_items),
                bytes: stats.outbox_bytes,
                parked_runs: count(stats.parked_runs),
                parked_bytes: stats.parked_bytes,
            },
            parked: shared.line.parked_runs(STANDING_MAX),
            moved: shared.line.moved_runs(),
            journal: JournalStatus {
                bytes: stats.stored_bytes,
                limit_bytes: stats.limit_bytes,
                file_bytes: stats.file_bytes,
                commits: stats.commits,
                records: stats.records,
                sync_p50_us: stats.commit_us_p50,
                sync_p99_us: stats.commit_us_p99,
                opened_in_ms: shared.opened_in_ms,
                stopped: stats.stopped,
            },
            disk: shared.disk.status(),
            resumed: work.map(|(runs, _)| runs.resumed()).unwrap_or_default(),
            telemetry: shared.telemetry.get().map(|telemetry| telemetry.view().into()),
            busy: work.is_some_and(|(_, intake)| intake.room() == 0),
            draining: shared.stop.get().is_some_and(|stop| stop.drain.is_cancelled()),
        }
    }

    /// This host's id, once it has enrolled.
    #[must_use]
    pub fn host_id(&self) -> Option<&HostId> {
        self.shared.host.get()
    }
}
