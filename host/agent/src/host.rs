//! A host as a whole: opens its data folder, joins, works, and stops in two stages.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use flowforge_journal::{Journal, JournalConfig, ReadError, Recovered, Space, Stopped};
use flowforge_protocol::TrustRoot;
use flowforge_protocol::sync::Incarnation;
use flowforge_runtime::artefacts::{FileStore, StoreLimits};
use flowforge_telemetry::{Service, Telemetry};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::apart::Apart;
use crate::backoff::Backoff;
use crate::clock::TimeFloor;
use crate::config::HostConfig;
use crate::data_dir;
use crate::enrolment::{Enrolment, EnrolmentError};
use crate::handle::{HandleShared, HostHandle};
use crate::health::{Disk, LinkHealth, StatusServer};
use crate::identity::Identity;
use crate::intake::{Intake, IntakeParts, TIME_FLOOR_KEY};
use crate::link::SessionKeeper;
use crate::link::leases::LeaseKeeper;
use crate::link::pull::Puller;
use crate::link::registrar::Registrar;
use crate::link::renew::Renewer;
use crate::link::report::Reporter;
use crate::link::upload::{UploadError, Uploader};
use crate::link::values::KnownValues;
use crate::order::{Gate, Outgoing};
use crate::release::{Releases, ReleasesParts};
use crate::runs::{Runs, RunsParts};
use crate::seams::Seams;
use crate::secrets::SecretStore;
use crate::start_error::StartError;
use crate::stop::Stop;
use crate::text::with_causes;
use crate::traces;

/// How long results may still leave after the last run has stopped.
const LAST_UPLOAD: Duration = Duration::from_secs(3);

/// Why a host stopped by itself. Restart it when the cause is mended; nothing is lost.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The journal stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The journal cannot be read.
    #[error("the journal cannot be read")]
    Read(#[from] ReadError),
    /// The uploader stopped.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// What was agreed when the host joined cannot be written down.
    #[error(transparent)]
    Enrolment(#[from] EnrolmentError),
    /// The status socket cannot be opened.
    #[error("cannot open the status socket in {}", path.display())]
    Socket {
        /// The data folder.
        path: PathBuf,
        /// What the cause says.
        #[source]
        source: io::Error,
    },
}

/// A host, opened and not yet at work.
pub struct Host {
    config: HostConfig,
    seams: Seams,
    trust: Arc<TrustRoot>,
    identity: Identity,
    journal: Journal,
    recovered: Recovered,
    artefacts: Arc<FileStore>,
    /// Absent before the host has joined.
    enrolment: Option<Enrolment>,
    disk: Arc<Disk>,
    handle: HostHandle,
}

impl Host {
    /// Opens the data folder: journal, keys, trust. Blocks for the time of reading what is unfinished.
    ///
    /// # Errors
    /// [`StartError`]; each says what to do.
    pub fn open(config: HostConfig, seams: Seams) -> Result<Self, StartError> {
        data_dir::take(&config.data_dir)?;
        let begun = Instant::now();
        let mut incarnation = [0; 16];
        seams.entropy.fill(&mut incarnation);
        let mut journal_config = JournalConfig::at(config.data_dir.join(data_dir::JOURNAL_FILE), incarnation);
        let held = config.limits.max_runs.saturating_add(config.limits.max_waiting);
        journal_config.limits.open_runs = usize::try_from(held).unwrap_or(usize::MAX);
        let limits = &mut journal_config.limits;
        limits.journal_bytes = config.limits.max_journal_bytes;
        limits.accept_below_bytes = config.limits.max_journal_bytes / 4 * 3;
        // What was live and what is take space side by side until the file is made smaller.
        limits.file_bytes = limits
            .file_bytes
            .max(config.limits.max_journal_bytes.saturating_mul(5) / 2);
        let (journal, recovered) = Journal::open(journal_config, seams.failpoints.clone())?;
        let opened_in_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        info!(
            opened_in_ms,
            open_runs = recovered.runs.len(),
            to_upload = recovered.outbox_items,
            "journal opened"
        );
        let identity = Identity::open_or_create(&config.data_dir, seams.entropy.as_ref())?;
        let key = identity.signing.verifying_key();
        let enrolment = Enrolment::read(&config.data_dir)?.filter(|known| known.identity_key == key);
        let is_on_line = config.join.server.scheme() == "https";
        if enrolment.is_none() && (config.join.token.is_none() || is_on_line) {
            return Err(StartError::NotInvited);
        }
        data_dir::pin_trust(&config.data_dir, &config.join.trust_root)?;
        let store_limits = StoreLimits {
            bytes_max: config.limits.max_artefact_bytes,
            ..StoreLimits::default()
        };
        let artefacts = FileStore::open_within(&config.data_dir.join("artefacts"), &store_limits)
            .map_err(|source| StartError::folder(&config.data_dir.join("artefacts"), source))?;
        let disk = Arc::new(Disk::of(&config.data_dir, config.limits.min_free_bytes));
        let handle = HostHandle {
            shared: Arc::new(HandleShared {
                name: config.name.clone(),
                server: config.join.server.to_string(),
                clock: Arc::clone(&seams.clock),
                journal: journal.clone(),
                disk: Arc::clone(&disk),
                line: LinkHealth::new(Arc::clone(&seams.clock)),
                link: Arc::clone(&seams.link),
                started_at_ms: seams.clock.now_ms(),
                opened_in_ms,
                host: OnceLock::new(),
                work: OnceLock::new(),
                telemetry: OnceLock::new(),
                stop: OnceLock::new(),
            }),
        };
        Ok(Self {
            trust: Arc::new(config.join.trust_root.clone()),
            config,
            seams,
            identity,
            journal,
            recovered,
            artefacts: Arc::new(artefacts),
            enrolment,
            disk,
            handle,
        })
    }

    /// Tells how it is, also while it runs.
    #[must_use]
    pub fn handle(&self) -> HostHandle {
        self.handle.clone()
    }

    /// Works until it is told to stop, or cannot go on.
    ///
    /// # Errors
    /// [`RunError`]; a storage error among them ends the process, because only reopening tells what is on the disk.
    pub async fn run(self, stop: Stop) -> Result<(), RunError> {
        let server = StatusServer::open(&self.config.data_dir).map_err(|source| RunError::Socket {
            path: self.config.data_dir.clone(),
            source,
        })?;
        let follows_death = server.follows_death();
        if follows_death {
            warn!(
                "the process before this one died; new runs are written down before their first steps for a while"
            );
        }
        // The socket answers until the very end.
        let end = CancellationToken::new();
        let handle = self.handle.clone();
        let _ = handle.shared.stop.set(stop.clone());
        let tasks = TaskTracker::new();
        tasks.spawn(server.run(move || handle.status(), end.clone()));
        let journal = self.journal.clone();
        let worked = self.work(stop, follows_death).await;
        journal.close().await;
        end.cancel();
        tasks.close();
        tasks.wait().await;
        worked
    }

    async fn work(mut self, stop: Stop, follows_death: bool) -> Result<(), RunError> {
        let session = self.session();
        let Some(enrolment) = self.enrol(&session, &stop).await? else {
            return Ok(());
        };
        let floor = self.journal.get(Space::Host, TIME_FLOOR_KEY).await?;
        let floor_ms = floor
            .and_then(|text| String::from_utf8(text).ok()?.parse().ok())
            .unwrap_or(0);
        let outgoing = Outgoing::default();
        let Rooms { runs, intake } =
            self.rooms(&enrolment, &session, &outgoing, TimeFloor::new(floor_ms), &stop);
        let shared = &self.handle.shared;
        let _ = shared.work.set((runs.clone(), intake.clone()));
        if follows_death {
            runs.be_careful();
        }
        runs.resume_all(
            std::mem::take(&mut self.recovered.runs),
            std::mem::take(&mut self.recovered.damaged),
        );
        let tasks = TaskTracker::new();
        let upload_stop = CancellationToken::new();
        let uploader = Uploader {
            session: session.clone(),
            health: shared.line.clone(),
            journal: self.journal.clone(),
            outgoing: outgoing.clone(),
            signing: self.identity.signing.clone(),
            runs: runs.clone(),
            entropy: Arc::clone(&self.seams.entropy),
            clock: Arc::clone(&self.seams.clock),
            artefacts: Arc::clone(&self.artefacts),
            values: KnownValues::default(),
            parked: std::mem::take(&mut self.recovered.parked),
        };
        let puller = Puller {
            session,
            health: shared.line.clone(),
            intake,
            runs: runs.clone(),
            entropy: Arc::clone(&self.seams.entropy),
        };
        let keeper = LeaseKeeper {
            session: puller.session.clone(),
            health: shared.line.clone(),
            journal: self.journal.clone(),
            runs: runs.clone(),
            clock: Arc::clone(&self.seams.clock),
            entropy: Arc::clone(&self.seams.entropy),
        };
        let reporter = Reporter {
            session: puller.session.clone(),
            runs: runs.clone(),
        };
        let renewer = Renewer {
            session: puller.session.clone(),
            clock: Arc::clone(&self.seams.clock),
            entropy: Arc::clone(&self.seams.entropy),
        };
        self.send_telemetry(&tasks, &upload_stop);
        tasks.spawn(keeper.run(upload_stop.clone()));
        tasks.spawn(renewer.run(stop.drain.clone()));
        tasks.spawn(reporter.run(stop.drain.clone()));
        tasks.spawn(puller.run(stop.drain.clone()));
        let mut uploading = tasks.spawn(uploader.run(upload_stop.clone()));
        let ended = tokio::select! {
            () = stop.drain.cancelled() => Ok(()),
            () = stop.halt.cancelled() => Ok(()),
            stopped = self.journal.stopped() => Err(RunError::Stopped(stopped)),
            uploaded = &mut uploading => match uploaded {
                Ok(Err(error)) => Err(error.into()),
                Ok(Ok(())) | Err(_) => Err(RunError::Stopped(self.journal.stopped().await)),
            },
        };
        if let Err(error) = &ended {
            error!(error = %with_causes(error), "the host stops: nothing is confirmed any more");
            stop.halt.cancel();
        }
        stop.drain.cancel();
        self.wind_down(&runs, &outgoing, &stop).await;
        upload_stop.cancel();
        tasks.close();
        tasks.wait().await;
        ended
    }

    /// Lets running steps end and results leave, as long as the grace lasts.
    async fn wind_down(&self, runs: &Runs, outgoing: &Outgoing, stop: &Stop) {
        let grace = self.config.shutdown_grace;
        info!(
            grace_ms = grace.as_millis(),
            runs = runs.counts().running,
            "stopping: running steps end, nothing new starts"
        );
        tokio::select! {
            () = runs.idle() => {}
            () = tokio::time::sleep(grace) => warn!("the grace period is over; what still runs is done again at the next start"),
            () = stop.halt.cancelled() => {}
        }
        let halted = stop.halt.is_cancelled();
        stop.halt.cancel();
        runs.idle().await;
        if halted
            || self.handle.shared.line.view().offline_since_ms.is_some()
            || self.journal.flush().await.is_err()
        {
            return;
        }
        let leave = async {
            while self.journal.stats().outbox_items > 0 || !outgoing.is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // What does not leave now waits in the journal.
        let _ = tokio::time::timeout(LAST_UPLOAD, leave).await;
    }

    /// The one that speaks for this host, and for the life of its journal.
    fn session(&self) -> SessionKeeper {
        let registrar = Registrar {
            identity: self.identity.clone(),
            name: self.config.name.clone(),
            token: self.config.join.token.clone(),
            workspace: self.trust.workspace.clone(),
            labels: self.config.site.words(),
            clock: Arc::clone(&self.seams.clock),
            entropy: Arc::clone(&self.seams.entropy),
        };
        let host = Incarnation::from_entropy(self.journal.identity().incarnation);
        let plane = self.journal.plane().and_then(|bytes| bytes.try_into().ok());
        let plane = plane.map(Incarnation::from_entropy);
        SessionKeeper::new(Arc::clone(&self.seams.link), registrar, host, plane)
    }

    /// Who this host is: as written down, or by registering, however long that takes; `None` when it is to stop first.
    async fn enrol(&self, session: &SessionKeeper, stop: &Stop) -> Result<Option<Enrolment>, RunError> {
        if let Some(enrolment) = &self.enrolment {
            session.expect(&enrolment.host);
            let _ = self.handle.shared.host.set(enrolment.host.clone());
            return Ok(Some(enrolment.clone()));
        }
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(15));
        let line = &self.handle.shared.line;
        loop {
            let answer = tokio::select! {
                answer = session.get() => answer,
                () = stop.drain.cancelled() => return Ok(None),
                () = stop.halt.cancelled() => return Ok(None),
            };
            let (reason, permanent) = match answer {
                Ok(found) if found.workspace == self.trust.workspace => {
                    let enrolment = Enrolment {
                        host: found.host.clone(),
                        workspace: found.workspace.clone(),
                        server: self.config.join.server.to_string(),
                        name: None,
                        identity_key: self.identity.signing.verifying_key(),
                    };
                    enrolment.write(&self.config.data_dir)?;
                    line.succeeded();
                    let _ = self.handle.shared.host.set(enrolment.host.clone());
                    info!(host_id = %enrolment.host, name = self.config.name, "enrolled");
                    return Ok(Some(enrolment));
                }
                Ok(found) => {
                    session.forget(&found).await;
                    let reason = format!(
                        "it enrolled this host in workspace `{}`, the trust root is for `{}`",
                        found.workspace, self.trust.workspace
                    );
                    (reason, true)
                }
                Err(error) => (error.to_string(), error.is_permanent()),
            };
            if line.failed(&reason, permanent) {
                warn!(error = reason, "not enrolled yet; trying again");
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next(self.seams.entropy.as_ref())) => {}
                () = stop.drain.cancelled() => return Ok(None),
            }
        }
    }

    /// Telemetry of this host, if somebody named a collector: it has the log of the process, and looks at the status.
    fn telemetry(&self, enrolment: &Enrolment) -> Option<Telemetry> {
        let settings = self.config.telemetry.clone()?;
        let service = Service {
            name: "flowforge-host",
            version: env!("CARGO_PKG_VERSION"),
            instance: enrolment.host.to_string(),
            attributes: vec![
                ("host.name", self.config.name.as_str().into()),
                ("flowforge.workspace", enrolment.workspace.as_str().into()),
            ],
        };
        let telemetry = Telemetry::new(settings, service);
        telemetry.take_log();
        let handle = self.handle.clone();
        telemetry.observe(move |observed| traces::observe(&handle.status(), observed));
        let _ = self.handle.shared.telemetry.set(telemetry.clone());
        info!(collector = telemetry.view().collector, "telemetry is sent");
        Some(telemetry)
    }

    /// What was told of records is sent when they are durable.
    fn send_telemetry(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        if let Some(telemetry) = self.handle.shared.telemetry.get().cloned() {
            let journal = self.journal.clone();
            tasks.spawn(telemetry.run(stop.clone(), move || {
                let journal = journal.clone();
                async move { journal.flush().await.is_ok() }
            }));
        }
    }

    /// Builds the rooms from the lowest up.
    fn rooms(
        &self,
        enrolment: &Enrolment,
        session: &SessionKeeper,
        outgoing: &Outgoing,
        floor: TimeFloor,
        stop: &Stop,
    ) -> Rooms {
        let gate = Gate::new(Arc::clone(&self.trust), enrolment.host.clone());
        let readings = Apart::default();
        let releases = Arc::new(Releases::new(ReleasesParts {
            journal: self.journal.clone(),
            trust: Arc::clone(&self.trust),
            source: Arc::new(session.clone()),
            entropy: Arc::clone(&self.seams.entropy),
            host: Arc::clone(&self.seams.connectors),
            data_dir: &self.config.data_dir,
            readings: readings.clone(),
            site: self.config.site.clone(),
        }));
        let secrets = SecretStore {
            journal: self.journal.clone(),
            source: Arc::new(session.clone()),
            clock: Arc::clone(&self.seams.clock),
            lease: self.config.limits.secret_lease,
            key: self.identity.seal.clone(),
            workspace: enrolment.workspace.clone(),
            host: enrolment.host.clone(),
        };
        let runs = Runs::new(RunsParts {
            journal: self.journal.clone(),
            gate: gate.clone(),
            outgoing: outgoing.clone(),
            releases: Arc::clone(&releases),
            host: enrolment.host.clone(),
            secrets,
            artefacts: Arc::clone(&self.artefacts),
            clock: Arc::clone(&self.seams.clock),
            entropy: Arc::clone(&self.seams.entropy),
            max_steps: self.config.limits.max_steps,
            readings,
            evaluation_timeout: self.config.evaluation_timeout,
            inline_bytes: usize::try_from(self.config.limits.max_inline_bytes).unwrap_or(usize::MAX),
            telemetry: self.telemetry(enrolment),
            max_runs: self.config.limits.max_runs,
            max_waiting: self.config.limits.max_waiting,
            failpoints: self.seams.failpoints.clone(),
            drain: stop.drain.clone(),
            halt: stop.halt.clone(),
        });
        let intake = Intake::new(IntakeParts {
            gate,
            journal: self.journal.clone(),
            releases,
            runs: runs.clone(),
            outgoing: outgoing.clone(),
            clock: Arc::clone(&self.seams.clock),
            entropy: Arc::clone(&self.seams.entropy),
            floor,
            failpoints: self.seams.failpoints.clone(),
            max_outbox_bytes: self.config.limits.max_outbox_bytes,
            disk: Arc::clone(&self.disk),
            stop: stop.drain.clone(),
        });
        Rooms { runs, intake }
    }
}

/// The rooms that others speak to.
struct Rooms {
    runs: Runs,
    intake: Intake,
}
