//! A collector of telemetry that takes what OTLP over HTTP brings and decodes it with `opentelemetry-proto`.

use std::io::Read as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How long something that is waited for may take to come.
const COMES_TIMEOUT: Duration = Duration::from_secs(90);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// Something that was told, and the name of the service that told it.
#[derive(Debug, Clone)]
pub struct Told<T> {
    /// `service.name`.
    pub service: String,
    /// What it told.
    pub what: T,
}

/// All that came.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    /// Spans, in the order in which they came.
    pub spans: Vec<Told<Span>>,
    /// Lines of log.
    pub lines: Vec<Told<LogRecord>>,
    /// Metrics, each as often as it came.
    pub metrics: Vec<Told<Metric>>,
    /// Requests, of any kind.
    pub requests: usize,
    /// Bodies that could not be decoded.
    pub broken: Vec<String>,
}

type Shared = Arc<Mutex<Seen>>;

/// The collector. It stops when the value is dropped.
#[derive(Debug)]
pub struct Collector {
    url: String,
    seen: Shared,
    _serving: JoinSet<()>,
}

impl Collector {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// There is none.
    pub async fn start() -> Result<Self> {
        let seen = Shared::default();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new()
            .route("/v1/traces", post(traces))
            .route("/v1/logs", post(logs))
            .route("/v1/metrics", post(metrics))
            .with_state(Arc::clone(&seen));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            // It ends with this value.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            url,
            seen,
            _serving: serving,
        })
    }

    /// Its base address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// All that came until now.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until what came has this.
    ///
    /// # Errors
    /// It did not come; the error says what did.
    pub async fn wait_for(&self, what: &str, has: impl Fn(&Seen) -> bool) -> Result<Seen> {
        let until = Instant::now() + COMES_TIMEOUT;
        loop {
            let seen = self.seen();
            if has(&seen) {
                return Ok(seen);
            }
            if Instant::now() > until {
                let names: Vec<&str> = seen.spans.iter().map(|span| span.what.name.as_str()).collect();
                bail!(
                    "{what} did not come; {} requests brought spans {names:?}",
                    seen.requests
                );
            }
            sleep(LOOK).await;
        }
    }
}

/// The text of an attribute, as `key` has it.
#[must_use]
pub fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    match value(attributes, key)? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// The number of an attribute.
#[must_use]
pub fn number(attributes: &[KeyValue], key: &str) -> Option<i64> {
    match value(attributes, key)? {
        Value::IntValue(number) => Some(*number),
        _ => None,
    }
}

fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    let pair = attributes.iter().find(|pair| pair.key == key)?;
    pair.value.as_ref()?.value.as_ref()
}

/// Bytes as hexadecimal text, as the header of a trace has them.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text of a line of log.
#[must_use]
pub fn line_of(record: &LogRecord) -> &str {
    match record.body.as_ref().and_then(|body| body.value.as_ref()) {
        Some(Value::StringValue(text)) => text,
        _ => "",
    }
}

async fn traces(State(seen): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    take::<ExportTraceServiceRequest>(&seen, &headers, &body, |seen, request| {
        for of_resource in request.resource_spans {
            let service = service_of(of_resource.resource.as_ref());
            let spans = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            seen.spans.extend(spans.map(|what| Told {
                service: service.clone(),
                what,
            }));
        }
    })
}

async fn logs(State(seen): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    take::<ExportLogsServiceRequest>(&seen, &headers, &body, |seen, request| {
        for of_resource in request.resource_logs {
            let service = service_of(of_resource.resource.as_ref());
            let lines = of_resource
                .scope_logs
                .into_iter()
                .flat_map(|scope| scope.log_records);
            seen.lines.extend(lines.map(|what| Told {
                service: service.clone(),
                what,
            }));
        }
    })
}

async fn metrics(State(seen): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    take::<ExportMetricsServiceRequest>(&seen, &headers, &body, |seen, request| {
        for of_resource in request.resource_metrics {
            let service = service_of(of_resource.resource.as_ref());
            let metrics = of_resource
                .scope_metrics
                .into_iter()
                .flat_map(|scope| scope.metrics);
            seen.metrics.extend(metrics.map(|what| Told {
                service: service.clone(),
                what,
            }));
        }
    })
}

/// Decodes a body and keeps what it brings.
fn take<M: Message + Default>(
    seen: &Shared,
    headers: &HeaderMap,
    body: &[u8],
    keep: impl Fn(&mut Seen, M),
) -> StatusCode {
    let decoded = decoded::<M>(headers, body);
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.requests += 1;
    match decoded {
        Ok(message) => {
            keep(&mut seen, message);
            StatusCode::OK
        }
        Err(error) => {
            seen.broken.push(format!("{error:#}"));
            StatusCode::BAD_REQUEST
        }
    }
}

fn decoded<M: Message + Default>(headers: &HeaderMap, body: &[u8]) -> Result<M> {
    let is = |name: header::HeaderName, text: &str| headers.get(name).is_some_and(|value| value == text);
    if !is(header::CONTENT_TYPE, "application/x-protobuf") {
        bail!("it is not said to be protobuf");
    }
    if !is(header::CONTENT_ENCODING, "gzip") {
        return M::decode(body).context("no such message");
    }
    let mut plain = Vec::new();
    GzDecoder::new(body).read_to_end(&mut plain).context("no gzip")?;
    M::decode(plain.as_slice()).context("no such message")
}

fn service_of(resource: Option<&Resource>) -> String {
    let attributes: &[KeyValue] = resource.map_or(&[], |resource| &resource.attributes);
    text(attributes, "service.name").unwrap_or_default().to_owned()
}
