//! The world around a host: what it gets from outside, each part of which a test may replace.

use std::sync::Arc;

use flowforge_failpoints::FailPoints;
use flowforge_runtime::{EgressPolicy, Runtime, RuntimeConfig};

use crate::clock::{Clock, Entropy, SystemClock, SystemEntropy};
use crate::config::HostConfig;
use crate::connectors::{ConnectorHost, WasmConnectors};
use crate::data_dir;
use crate::link::control::ControlLink;
use crate::link::credential::Credential;
use crate::link::graphql::GraphQlLink;
use crate::link::line::Line;
use crate::start_error::StartError;

/// The world around a host, each part of which a test may replace.
#[derive(Clone)]
pub struct Seams {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The line to the control plane.
    pub link: Arc<dyn ControlLink>,
    /// What runs connectors.
    pub connectors: Arc<dyn ConnectorHost>,
    /// Where to fail.
    pub failpoints: FailPoints,
}

impl Seams {
    /// The real world.
    ///
    /// # Errors
    /// [`StartError`]: the machine does not give what is needed.
    pub fn real(config: &HostConfig, failpoints: FailPoints) -> Result<Self, StartError> {
        let mut runtime = RuntimeConfig::new(config.data_dir.join("compiled"), config.compile_worker.clone());
        runtime.max_instances = config.limits.max_steps;
        runtime.egress = EgressPolicy {
            loopback: config.loopback_destinations,
            networks: config.site.private_networks.clone(),
            closed: closed(config),
            ..EgressPolicy::default()
        };
        data_dir::take(&config.data_dir)?;
        Ok(Self {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy::new().map_err(StartError::Entropy)?),
            link: Arc::new(link(config)?),
            connectors: Arc::new(WasmConnectors::new(Arc::new(
                Runtime::new(runtime).map_err(|error| StartError::sandbox(config, error))?,
            ))),
            failpoints,
        })
    }
}

/// The line to the control plane: in clear on this machine, else by the certificate in the data folder.
fn link(config: &HostConfig) -> Result<GraphQlLink, StartError> {
    let server = config.join.server.clone();
    if server.scheme() != "https" {
        return Ok(GraphQlLink::new(server));
    }
    let credential = Credential::read(&config.data_dir)?.ok_or(StartError::NoCredential)?;
    let line = Line::of_host(
        &config.data_dir,
        config.way.clone(),
        Arc::new(SystemClock),
        credential,
    );
    Ok(GraphQlLink::on_line(server, line)?)
}

/// Addresses that no connector may reach. Behind a proxy the control plane's name may have none here.
fn closed(config: &HostConfig) -> Vec<std::net::SocketAddr> {
    if config.way.proxy.is_some() {
        return Vec::new();
    }
    config.join.server.socket_addrs(|| None).unwrap_or_default()
}
