//! How the programs log: one JSON object a line, on stderr; and to a collector of telemetry, if one is named.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The filter is no filter; nothing is logged.
#[derive(Debug, thiserror::Error)]
#[error("--log {filter}: expected error, warn, info, debug, trace, or a filter")]
pub struct LogError {
    filter: String,
    source: ParseError,
}

/// Starts the log of this process; call it once.
///
/// # Errors
/// [`LogError`].
///
/// # Panics
/// When the process has a log already.
pub fn start(filter: &str) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(filter).map_err(|source| LogError {
        filter: filter.to_owned(),
        source,
    })?;
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(flowforge_telemetry::log_layer())
        .init();
    Ok(())
}
