//! A host and everything around it.

use std::sync::Arc;
use std::time::Duration;

use flowforge_failpoints::FailPoints;
use flowforge_host::clock::{Clock, SeededEntropy, SystemClock};
use flowforge_host::connectors::ConnectorHost;
use flowforge_host::join::{Join, loopback_address};
use flowforge_host::link::line::Way;
use flowforge_host::{
    Host, HostConfig, HostHandle, HostLimits, RunError, Seams, SiteSettings, StartError, Stop,
};
use flowforge_runtime::CompileWorker;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::plane::Plane;

/// What stays when a host is gone: its control plane and its data folder.
pub(crate) struct World {
    pub(crate) plane: Arc<Plane>,
    pub(crate) folder: TempDir,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) connectors: Arc<dyn ConnectorHost>,
    pub(crate) limits: HostLimits,
    /// What the site allows the hosts that start from now on.
    pub(crate) site: SiteSettings,
    /// Of the randomness of the hosts that start from now on.
    pub(crate) seed: u8,
}

/// A host at work.
pub(crate) struct Running {
    pub(crate) handle: HostHandle,
    pub(crate) stop: Stop,
    task: JoinSet<Result<(), RunError>>,
}

impl World {
    pub(crate) fn new(connectors: impl ConnectorHost + 'static) -> Self {
        Self {
            plane: Plane::new(),
            folder: tempfile::tempdir().expect("folder"),
            clock: Arc::new(SystemClock),
            connectors: Arc::new(connectors),
            limits: HostLimits::default(),
            site: SiteSettings::default(),
            seed: 8,
        }
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.now_ms()
    }

    pub(crate) fn config(&self) -> HostConfig {
        HostConfig {
            data_dir: self.folder.path().join("host"),
            join: Join {
                server: loopback_address("http://127.0.0.1:1").expect("address"),
                token: Some("token".into()),
                trust_root: self.plane.trust(),
                name: None,
            },
            way: Way::default(),
            name: "edge".into(),
            limits: self.limits,
            shutdown_grace: Duration::from_secs(10),
            evaluation_timeout: Duration::from_secs(60),
            loopback_destinations: true,
            site: self.site.clone(),
            telemetry: None,
            compile_worker: CompileWorker::InProcess,
        }
    }

    pub(crate) fn open(&self, failpoints: FailPoints) -> Result<Host, StartError> {
        self.open_with(self.config(), failpoints)
    }

    pub(crate) fn open_with(&self, config: HostConfig, failpoints: FailPoints) -> Result<Host, StartError> {
        let seams = Seams {
            clock: Arc::clone(&self.clock),
            entropy: Arc::new(SeededEntropy::new([self.seed; 32])),
            link: Arc::clone(&self.plane) as _,
            connectors: Arc::clone(&self.connectors),
            failpoints,
        };
        Host::open(config, seams)
    }

    pub(crate) fn start(&self) -> Running {
        self.start_failing(FailPoints::inert())
    }

    pub(crate) fn start_failing(&self, failpoints: FailPoints) -> Running {
        run(self.open(failpoints).expect("opens"))
    }

    pub(crate) fn start_with(&self, config: HostConfig) -> Running {
        run(self.open_with(config, FailPoints::inert()).expect("opens"))
    }
}

/// Sets an opened host to work.
pub(crate) fn run(host: Host) -> Running {
    let (handle, stop) = (host.handle(), Stop::default());
    let mut task = JoinSet::new();
    task.spawn(host.run(stop.clone()));
    Running { handle, stop, task }
}

impl Running {
    /// First stage of stopping, to the end.
    pub(crate) async fn drain(mut self) {
        self.stop.drain.cancel();
        self.task
            .join_next()
            .await
            .expect("a task")
            .expect("no panic")
            .expect("stops by itself");
    }

    /// Second stage at once.
    pub(crate) async fn halt(mut self) {
        self.stop.halt.cancel();
        self.task
            .join_next()
            .await
            .expect("a task")
            .expect("no panic")
            .expect("stops by itself");
    }

    /// Waits until the host stops by itself.
    pub(crate) async fn fails(&mut self) -> RunError {
        self.task
            .join_next()
            .await
            .expect("a task")
            .expect("no panic")
            .expect_err("it stopped in order")
    }
}
