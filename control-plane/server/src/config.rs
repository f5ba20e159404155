//! What may be set, and what follows from it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flowforge_connect::EgressPolicy;
use flowforge_failpoints::FailPoints;

use crate::clock::{Clock, SystemClock};
use crate::line::HostsListener;
use crate::retention::Retention;

/// Settings of a control plane.
#[derive(Clone)]
pub struct Config {
    /// Folder of everything that is kept; made if absent.
    pub data_dir: PathBuf,
    /// Where to listen; loopback only. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where hosts of other machines call. Default: nowhere, hosts are on this machine.
    pub hosts: Option<HostsListener>,
    /// A PostgreSQL database on this machine for what is otherwise in a file of the data folder: `postgres://…`.
    pub database: Option<String>,
    /// Where health, readiness and metrics are served, if anywhere; it may be another machine's to reach. Default: nowhere.
    pub metrics: Option<SocketAddr>,
    /// Where the registry is served for robots and customers, who sign in with an account of it; loopback only, behind a
    /// proxy that ends TLS. Default: nowhere.
    pub registry: Option<SocketAddr>,
    /// Development: a page to try the API.
    pub dev: bool,
    /// Whether people sign in. Without it whoever reaches the loopback address is the owner. Default no.
    pub sign_in: bool,
    /// Where people find this server from other machines, `https://NAME` or `https://NAME:PORT`: a program on this machine
    /// speaks TLS there and passes requests on, with their `Host`. Only with `sign_in`. Default: nowhere.
    pub people_url: Option<String>,
    /// Where telemetry goes, if anywhere. Default: nothing is sent.
    pub telemetry: Option<flowforge_telemetry::Settings>,
    /// Name of the tenant, used at the first start only. Default `dev`.
    pub workspace: String,
    /// How long open requests may take when the server closes. Default 5 s.
    pub grace: Duration,
    /// What is kept for how long.
    pub retention: Retention,
    /// Where events may be sent. Default: to public addresses over https, and nowhere else.
    pub outgoing: EgressPolicy,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Planned failures; none outside tests.
    pub fail_points: FailPoints,
}

impl Config {
    /// The defaults for a data folder and an address.
    #[must_use]
    pub fn new(data_dir: PathBuf, listen: SocketAddr) -> Self {
        Self {
            data_dir,
            listen,
            hosts: None,
            database: None,
            metrics: None,
            registry: None,
            dev: false,
            sign_in: false,
            people_url: None,
            telemetry: None,
            workspace: "dev".to_owned(),
            grace: Duration::from_secs(5),
            retention: Retention::default(),
            outgoing: EgressPolicy::default(),
            clock: Arc::new(SystemClock),
            fail_points: FailPoints::inert(),
        }
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("data_dir", &self.data_dir)
            .field("listen", &self.listen)
            .field("dev", &self.dev)
            .field("workspace", &self.workspace)
            .finish_non_exhaustive()
    }
}
