//! What is sent where: the standard variables of OpenTelemetry, and what was said on the command line over them.
//!
//! Off unless a collector is named. A wrong value is an error at the start, which names the variable; values of headers are
//! never repeated, because they are secret.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use url::Url;

/// How long one request to a collector may take, unless `OTEL_EXPORTER_OTLP_TIMEOUT` says otherwise.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// Spans, and lines of log, that wait to be sent, each, unless `OTEL_BSP_MAX_QUEUE_SIZE` or `OTEL_BLRP_MAX_QUEUE_SIZE` says
/// otherwise; what comes beyond them is dropped and counted.
const QUEUED_ITEMS: usize = 2_048;
/// The most that these may be set to.
const QUEUED_ITEMS_MAX: usize = 65_536;
/// Spans, or lines of log, in one request, unless `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` says otherwise.
const ITEMS_PER_REQUEST: usize = 512;
/// Bytes a second that one process sends of all telemetry, after compression, unless it is set; what waits longer than the
/// queues hold is dropped and counted.
const BYTES_PER_SECOND: u64 = 128 * 1024;

/// What was said on the command line or in a file; it is over the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// The collector, as `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub endpoint: Option<String>,
    /// Bytes a second.
    pub bytes_per_second: Option<u64>,
}

/// Why there can be no telemetry as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}{}: {rule}", said(.value))]
pub struct SettingsError {
    /// Where the value stands.
    pub variable: String,
    /// As given; none if it is secret.
    pub value: Option<String>,
    /// What is expected.
    pub rule: &'static str,
}

fn said(value: &Option<String>) -> String {
    value
        .as_ref()
        .map_or_else(String::new, |value| format!(" is `{value}`"))
}

/// Which traces are told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sampler {
    /// Every one, or none.
    Always(bool),
    /// This part of them, chosen by their identifiers: every process chooses the same ones.
    Ratio(f64),
}

/// Where one kind of telemetry goes.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) url: Url,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) gzip: bool,
    pub(crate) timeout: Duration,
}

/// Checked settings of telemetry that is on.
#[derive(Clone)]
pub struct Settings {
    pub(crate) traces: Option<Endpoint>,
    pub(crate) metrics: Option<Endpoint>,
    pub(crate) logs: Option<Endpoint>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) service_name: Option<String>,
    pub(crate) resource: Vec<(String, String)>,
    pub(crate) spans_max: usize,
    pub(crate) logs_max: usize,
    pub(crate) items_per_request: usize,
    pub(crate) delay: Duration,
    pub(crate) metric_interval: Duration,
    pub(crate) bytes_per_second: u64,
    pub(crate) sampler: Sampler,
    /// Whether what the sender of a trace decided is heeded.
    pub(crate) heeds_parent: bool,
    pub(crate) propagates: bool,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("collector", &self.collector())
            .finish_non_exhaustive()
    }
}

impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        self.collector() == other.collector() && self.bytes_per_second == other.bytes_per_second
    }
}

impl Settings {
    /// What these variables ask for; `None` if nothing is to be sent.
    ///
    /// # Errors
    /// [`SettingsError`]: a value that cannot be followed.
    pub fn read(
        given: &Given,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, SettingsError> {
        let variables = Variables { read: &variable };
        if variables.flag("OTEL_SDK_DISABLED")? {
            return Ok(None);
        }
        let given_endpoint = given.endpoint.as_deref().filter(|text| !text.trim().is_empty());
        let base = match given_endpoint {
            Some(said) => Some(address("otlp-endpoint", said)?),
            None => variables.address("OTEL_EXPORTER_OTLP_ENDPOINT")?,
        };
        let traces = variables.endpoint("TRACES", "v1/traces", base.as_ref())?;
        let metrics = variables.endpoint("METRICS", "v1/metrics", base.as_ref())?;
        let logs = variables.endpoint("LOGS", "v1/logs", base.as_ref())?;
        if traces.is_none() && metrics.is_none() && logs.is_none() {
            return Ok(None);
        }
        let (sampler, heeds_parent) = variables.sampler()?;
        let rate = match given.bytes_per_second {
            Some(rate) => rate,
            None => variables.number("FLOWFORGE_OTLP_BYTES_PER_SECOND", BYTES_PER_SECOND)?,
        };
        if rate < 1_024 {
            return Err(SettingsError {
                variable: "otlp-bytes-per-second".to_owned(),
                value: Some(rate.to_string()),
                rule: "expected at least 1024",
            });
        }
        Ok(Some(Self {
            traces,
            metrics,
            logs,
            certificate: variables
                .text("OTEL_EXPORTER_OTLP_CERTIFICATE")
                .map(PathBuf::from),
            service_name: variables.text("OTEL_SERVICE_NAME"),
            resource: variables.resource()?,
            spans_max: variables.count("OTEL_BSP_MAX_QUEUE_SIZE", QUEUED_ITEMS)?,
            logs_max: variables.count("OTEL_BLRP_MAX_QUEUE_SIZE", QUEUED_ITEMS)?,
            items_per_request: variables.count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", ITEMS_PER_REQUEST)?,
            delay: variables.time("OTEL_BSP_SCHEDULE_DELAY", Duration::from_secs(5))?,
            metric_interval: variables.time("OTEL_METRIC_EXPORT_INTERVAL", Duration::from_mins(1))?,
            bytes_per_second: rate,
            sampler,
            heeds_parent,
            propagates: variables.propagates(),
        }))
    }

    /// Where things go, without what may be secret in it: for people.
    #[must_use]
    pub fn collector(&self) -> String {
        let endpoints = [&self.traces, &self.metrics, &self.logs];
        let first = endpoints.into_iter().flatten().next();
        first.map_or_else(String::new, |endpoint| {
            endpoint.url.origin().ascii_serialization()
        })
    }
}

/// The environment.
struct Variables<'a> {
    read: &'a dyn Fn(&str) -> Option<String>,
}

impl Variables<'_> {
    /// An empty variable is one that is not set.
    fn text(&self, name: &str) -> Option<String> {
        let text = (self.read)(name)?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn parsed<T: FromStr>(&self, name: &str, rule: &'static str) -> Result<Option<T>, SettingsError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let parsed = text.parse();
        parsed.map(Some).map_err(|_| wrong(name, text, rule))
    }

    fn flag(&self, name: &str) -> Result<bool, SettingsError> {
        let text = self.text(name).map(|text| text.to_ascii_lowercase());
        match text.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(wrong(name, other, "expected true or false")),
        }
    }

    fn number(&self, name: &str, default: u64) -> Result<u64, SettingsError> {
        Ok(self.parsed(name, "expected a whole number")?.unwrap_or(default))
    }

    fn count(&self, name: &str, default: usize) -> Result<usize, SettingsError> {
        let rule = "expected a whole number from 1 to 65536";
        match self.parsed::<usize>(name, rule)? {
            None => Ok(default),
            Some(count @ 1..=QUEUED_ITEMS_MAX) => Ok(count),
            Some(other) => Err(wrong(name, other.to_string(), rule)),
        }
    }

    fn time(&self, name: &str, default: Duration) -> Result<Duration, SettingsError> {
        let rule = "expected milliseconds, from 10 to 3600000";
        match self.parsed::<u64>(name, rule)? {
            None => Ok(default),
            Some(ms @ 10..=3_600_000) => Ok(Duration::from_millis(ms)),
            Some(other) => Err(wrong(name, other.to_string(), rule)),
        }
    }

    fn address(&self, name: &str) -> Result<Option<Url>, SettingsError> {
        self.text(name).map(|text| address(name, &text)).transpose()
    }

    /// A variable of one signal, or that of all.
    fn of_signal(&self, signal: &str, what: &str) -> Option<(String, String)> {
        let names = [
            format!("OTEL_EXPORTER_OTLP_{signal}_{what}"),
            format!("OTEL_EXPORTER_OTLP_{what}"),
        ];
        names
            .into_iter()
            .find_map(|name| self.text(&name).map(|text| (name, text)))
    }

    /// Where one signal goes, if anywhere.
    fn endpoint(
        &self,
        signal: &str,
        path: &str,
        base: Option<&Url>,
    ) -> Result<Option<Endpoint>, SettingsError> {
        let exporter = format!("OTEL_{signal}_EXPORTER");
        match self.text(&exporter).as_deref() {
            None | Some("otlp") => {}
            Some("none") => return Ok(None),
            Some(other) => return Err(wrong(&exporter, other, "expected otlp or none")),
        }
        let own = self.address(&format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"))?;
        let url = match (own, base) {
            (Some(own), _) => own,
            (None, Some(base)) => below(base, path),
            (None, None) => return Ok(None),
        };
        if let Some((name, protocol)) = self.of_signal(signal, "PROTOCOL")
            && protocol != "http/protobuf"
        {
            let rule =
                "expected http/protobuf: no other is spoken here; the port of collectors for it is 4318";
            return Err(wrong(&name, protocol, rule));
        }
        let gzip = match self.of_signal(signal, "COMPRESSION") {
            None => true,
            Some((name, text)) => match text.as_str() {
                "gzip" => true,
                "none" => false,
                _ => return Err(wrong(&name, text, "expected gzip or none")),
            },
        };
        let headers = match self.of_signal(signal, "HEADERS") {
            Some((name, text)) => headers(&name, &text)?,
            None => Vec::new(),
        };
        let timeout = match self.of_signal(signal, "TIMEOUT") {
            Some((name, _)) => self.time(&name, EXPORT_TIMEOUT)?,
            None => EXPORT_TIMEOUT,
        };
        Ok(Some(Endpoint {
            url,
            headers,
            gzip,
            timeout,
        }))
    }

    fn sampler(&self) -> Result<(Sampler, bool), SettingsError> {
        const NAME: &str = "OTEL_TRACES_SAMPLER";
        let text = self
            .text(NAME)
            .unwrap_or_else(|| "parentbased_always_on".to_owned());
        let (kind, heeds_parent) = match text.strip_prefix("parentbased_") {
            Some(kind) => (kind, true),
            None => (text.as_str(), false),
        };
        let sampler = match kind {
            "always_on" => Sampler::Always(true),
            "always_off" => Sampler::Always(false),
            "traceidratio" => {
                let rule = "expected a number from 0 to 1";
                let name = "OTEL_TRACES_SAMPLER_ARG";
                let ratio = self.parsed::<f64>(name, rule)?.unwrap_or(1.0);
                if !(0.0..=1.0).contains(&ratio) {
                    return Err(wrong(name, ratio.to_string(), rule));
                }
                Sampler::Ratio(ratio)
            }
            _ => {
                let rule = "expected always_on, always_off, traceidratio, or one of them behind parentbased_";
                return Err(wrong(NAME, text, rule));
            }
        };
        Ok((sampler, heeds_parent))
    }

    fn propagates(&self) -> bool {
        let list = self.text("OTEL_PROPAGATORS");
        list.is_none_or(|list| list.split(',').any(|name| name.trim() == "tracecontext"))
    }

    fn resource(&self) -> Result<Vec<(String, String)>, SettingsError> {
        const NAME: &str = "OTEL_RESOURCE_ATTRIBUTES";
        let Some(text) = self.text(NAME) else {
            return Ok(Vec::new());
        };
        pairs(&text).ok_or_else(|| wrong(NAME, text.clone(), "expected NAME=VALUE,NAME=VALUE"))
    }
}

fn wrong(variable: &str, value: impl Into<String>, rule: &'static str) -> SettingsError {
    SettingsError {
        variable: variable.to_owned(),
        value: Some(value.into()),
        rule,
    }
}

/// The address of a collector. It may hold a secret, so it is not repeated when it is wrong.
fn address(variable: &str, text: &str) -> Result<Url, SettingsError> {
    let error = || SettingsError {
        variable: variable.to_owned(),
        value: None,
        rule: "expected http://NAME:PORT or https://NAME:PORT, without user and password: those go into \
               OTEL_EXPORTER_OTLP_HEADERS",
    };
    let url: Url = text.parse().map_err(|_| error())?;
    let is_plain = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    if !is_plain || !url.username().is_empty() || url.password().is_some() {
        return Err(error());
    }
    Ok(url)
}

/// A path below a base, whose own path stays.
fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

/// `a=b,c=d`, with `%XX` in the values; `None` if it is no such list.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            let name = name.trim();
            (!name.is_empty()).then(|| (name.to_owned(), value.into_owned()))
        })
        .collect()
}

fn headers(variable: &str, text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, SettingsError> {
    let error = || SettingsError {
        variable: variable.to_owned(),
        value: None,
        rule: "expected NAME=VALUE,NAME=VALUE",
    };
    let header = |(name, value): (String, String)| {
        let name = name.parse().map_err(|_| error())?;
        let mut value = HeaderValue::from_str(&value).map_err(|_| error())?;
        value.set_sensitive(true);
        Ok((name, value))
    };
    pairs(text).ok_or_else(error)?.into_iter().map(header).collect()
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
