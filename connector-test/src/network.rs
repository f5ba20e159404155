//! The network of a test: connections that end in mocked services, inside this process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use flowforge_protocol::Digest;
use flowforge_runtime::{Connection, Dial};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::compare::{differences, shown};
use crate::mock::{Answer, AnswerKind, KEY_MARK, Mock, Wanted, WantedBody};

/// How much lies between the two ends of a connection, in bytes.
const PIPE_BYTES: usize = 64 << 10;

/// Largest body of a request that is compared, in bytes.
const BODY_BYTES_MAX: usize = 64 << 20;

/// The services of the test that runs now. One for all tests of a runtime, which knows one network only.
#[derive(Default)]
pub(crate) struct Network {
    scene: Mutex<Scene>,
    connections: Mutex<JoinSet<()>>,
    killed: Notify,
}

#[derive(Default)]
struct Scene {
    services: Vec<Service>,
    key: String,
    problems: Vec<String>,
    /// What goes wrong, if these services are those of a trial.
    trial: Option<Fault>,
    /// Requests of each attempt, as the services saw them.
    seen: Vec<Vec<SeenRequest>>,
}

/// What goes wrong in a trial, and when.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fault {
    /// Which request meets it, from 0 over all attempts; none: nothing goes wrong.
    pub(crate) at: Option<usize>,
    /// What is done with that request; if it is an answer, it comes this late.
    pub(crate) kind: Option<AnswerKind>,
    pub(crate) after: Duration,
}

/// One request, as a service saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenRequest {
    /// Method, destination and path.
    pub(crate) what: String,
    /// Of headers and body too.
    pub(crate) digest: Digest,
    /// Whether the idempotency key of the step stands in it.
    pub(crate) has_key: bool,
}

struct Service {
    mock: Mock,
    next: usize,
    /// When requests were let through, the oldest first.
    passed: VecDeque<Instant>,
}

/// What is to be done with one request.
enum Act {
    Answer(Answer),
    TooMany { retry_after_s: u64 },
    Refuse(String),
}

impl Network {
    fn scene<T>(&self, act: impl FnOnce(&mut Scene) -> T) -> T {
        act(&mut self.scene.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Put up the services of a test; what was there before is gone, with its connections.
    pub(crate) fn set(&self, mocks: &[Mock], key: &str) {
        self.put_up(mocks, key, None);
    }

    /// Put up the services of a trial: they answer whatever they are asked as well as their mocks can, any number of times,
    /// and nothing that they are asked is a problem. One request may meet a fault.
    pub(crate) fn set_trial(&self, mocks: &[Mock], key: &str, fault: Fault) {
        self.put_up(mocks, key, Some(fault));
    }

    fn put_up(&self, mocks: &[Mock], key: &str, trial: Option<Fault>) {
        *self.connections.lock().unwrap_or_else(PoisonError::into_inner) = JoinSet::new();
        self.scene(|scene| {
            *scene = Scene {
                services: mocks
                    .iter()
                    .map(|mock| Service {
                        mock: mock.clone(),
                        next: 0,
                        passed: VecDeque::new(),
                    })
                    .collect(),
                key: key.to_owned(),
                problems: Vec::new(),
                trial,
                seen: Vec::new(),
            };
        });
    }

    /// The requests that come now are those of another attempt.
    pub(crate) fn begin_attempt(&self) {
        self.scene(|scene| scene.seen.push(Vec::new()));
    }

    /// What each attempt asked for.
    pub(crate) fn seen(&self) -> Vec<Vec<SeenRequest>> {
        self.scene(|scene| scene.seen.clone())
    }

    /// Returns when a service says that the host dies now.
    pub(crate) async fn killed(&self) {
        self.killed.notified().await;
    }

    /// What the services saw that they did not expect, and which of their answers nobody asked for.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.scene(|scene| {
            let mut all = scene.problems.clone();
            for service in &scene.services {
                let left = service.mock.answers.len().saturating_sub(service.next);
                if left > 0 && service.mock.rate.is_none() {
                    all.push(format!(
                        "{}: {left} of {} answers were never asked for",
                        service.mock.wanted.name(),
                        service.mock.answers.len()
                    ));
                }
            }
            all
        })
    }

    /// Takes the next answer if it is that there is no connection.
    fn is_unreachable(&self, destination: &str) -> Result<bool, String> {
        self.scene(|scene| {
            if let Some(fault) = scene.trial.clone() {
                let meets = fault.at == Some(scene.requests());
                let unreachable = meets && matches!(fault.kind, Some(AnswerKind::Unreachable));
                if unreachable {
                    scene.see(SeenRequest::unsent(destination));
                }
                return Ok(unreachable);
            }
            let mut known = false;
            for service in &mut scene.services {
                if service.mock.wanted.destination != destination {
                    continue;
                }
                known = true;
                let next = service.mock.answers.get(service.next).map(|answer| &answer.kind);
                if matches!(next, Some(AnswerKind::Unreachable)) {
                    service.next = service.next.saturating_add(1);
                    return Ok(true);
                }
            }
            if known {
                return Ok(false);
            }
            let problem = format!("a connection to {destination}, where the test mocks no service");
            scene.problems.push(problem.clone());
            Err(problem)
        })
    }

    fn act(&self, destination: &str, request: &Request<()>, body: &[u8]) -> Act {
        self.scene(|scene| {
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            let said = format!("{} {destination}{path}", request.method());
            let number = scene.requests();
            scene.see(SeenRequest::of(&said, request, body, &scene.key));
            if let Some(fault) = scene.trial.clone() {
                let wanted = fault.kind.filter(|_| fault.at == Some(number));
                let after = if fault.at == Some(number) {
                    fault.after
                } else {
                    Duration::ZERO
                };
                let kind =
                    wanted.unwrap_or_else(|| scene.as_well_as_it_can(destination, request.method(), path));
                return Act::Answer(Answer { after, kind });
            }
            let found = scene.services.iter_mut().find(|service| {
                let wanted = &service.mock.wanted;
                let left = service.next < service.mock.answers.len() || service.mock.rate.is_some();
                left && wanted.destination == destination
                    && wanted.method == request.method().as_str()
                    && path_of(wanted) == path
            });
            let Some(service) = found else {
                scene
                    .problems
                    .push(format!("{said}: no mocked service answers this request now"));
                return Act::Refuse("no mocked service answers this request".to_owned());
            };
            scene
                .problems
                .extend(unlike(&service.mock.wanted, request, body, &scene.key));
            service.answer()
        })
    }

    async fn serve(self: Arc<Self>, destination: String, stream: tokio::io::DuplexStream) {
        let answer = service_fn(|request: Request<Incoming>| {
            let (network, destination) = (self.clone(), destination.clone());
            async move { network.answer(&destination, request).await }
        });
        // An answer must be the same every time, and hold no date of the machine.
        let connection = hyper::server::conn::http1::Builder::new()
            .auto_date_header(false)
            .serve_connection(TokioIo::new(stream), answer);
        // A connection that breaks is told at its other end.
        let _ = connection.await;
    }

    async fn answer(
        &self,
        destination: &str,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, std::io::Error> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX)
            .collect()
            .await
            .map_err(std::io::Error::other)?
            .to_bytes();
        match self.act(destination, &Request::from_parts(head, ()), &body) {
            Act::Refuse(reason) => response(501, &[], reason.into_bytes()),
            Act::TooMany { retry_after_s } => {
                let headers = [("retry-after".to_owned(), retry_after_s.to_string())];
                response(429, &headers, Vec::new())
            }
            Act::Answer(answer) => {
                if !answer.after.is_zero() {
                    tokio::time::sleep(answer.after).await;
                }
                match answer.kind {
                    AnswerKind::Respond {
                        status,
                        headers,
                        body,
                    } => response(status, &headers, body),
                    AnswerKind::Reset | AnswerKind::Unreachable => {
                        Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
                    }
                    AnswerKind::Hang => std::future::pending().await,
                    AnswerKind::Kill => {
                        self.killed.notify_one();
                        std::future::pending().await
                    }
                }
            }
        }
    }
}

impl Scene {
    /// How many requests there were, all attempts together.
    fn requests(&self) -> usize {
        self.seen.iter().map(Vec::len).sum()
    }

    fn see(&mut self, request: SeenRequest) {
        match self.seen.last_mut() {
            Some(attempt) => attempt.push(request),
            None => self.seen.push(vec![request]),
        }
    }

    /// The next good answer of the service that fits best; the last one repeats.
    fn as_well_as_it_can(&mut self, destination: &str, method: &Method, path: &str) -> AnswerKind {
        let fit = |wanted: &Wanted| {
            let (same_method, same_path) = (wanted.method == method.as_str(), path_of(wanted) == path);
            usize::from(same_path)
                .saturating_mul(2)
                .saturating_add(usize::from(same_method))
        };
        let fitting = self
            .services
            .iter_mut()
            .filter(|service| service.mock.wanted.destination == destination)
            // Of those that fit as well, the first that still has an answer.
            .rev()
            .max_by_key(|service| (fit(&service.mock.wanted), !service.is_used_up()));
        let answer = fitting.and_then(Service::next_good);
        answer.unwrap_or_else(|| AnswerKind::Respond {
            status: 404,
            headers: Vec::new(),
            body: Vec::new(),
        })
    }
}

impl SeenRequest {
    fn of(what: &str, request: &Request<()>, body: &[u8], key: &str) -> Self {
        let mut headers = Vec::new();
        for (name, value) in request.headers() {
            headers.extend_from_slice(name.as_str().as_bytes());
            headers.push(b':');
            headers.extend_from_slice(value.as_bytes());
            headers.push(b'\n');
        }
        let holds = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(key);
        Self {
            what: what.to_owned(),
            digest: Digest::of_parts(&[what.as_bytes(), b"\n", &headers, body]),
            has_key: what.contains(key) || holds(&headers) || holds(body),
        }
    }

    /// One that found no connection.
    fn unsent(destination: &str) -> Self {
        Self {
            what: destination.to_owned(),
            digest: Digest::of(destination.as_bytes()),
            has_key: false,
        }
    }
}

impl Service {
    fn is_used_up(&self) -> bool {
        self.next >= self.mock.answers.len()
    }

    /// The next answer that is no refusal and no fault, from where the service is; the last one repeats.
    fn next_good(&mut self) -> Option<AnswerKind> {
        let good =
            |answer: &Answer| matches!(answer.kind, AnswerKind::Respond { status, .. } if status < 400);
        let numbered = self.mock.answers.iter().enumerate();
        let all: Vec<usize> = numbered
            .filter(|(_, answer)| good(answer))
            .map(|(at, _)| at)
            .collect();
        let at = all
            .iter()
            .copied()
            .find(|at| *at >= self.next)
            .or(all.last().copied())?;
        self.next = at.saturating_add(1);
        self.mock.answers.get(at).map(|answer| answer.kind.clone())
    }

    fn answer(&mut self) -> Act {
        if let Some(rate) = self.mock.rate {
            let now = Instant::now();
            while self
                .passed
                .front()
                .is_some_and(|first| now.duration_since(*first) >= rate.per)
            {
                self.passed.pop_front();
            }
            if self.passed.len() >= usize::try_from(rate.requests).unwrap_or(usize::MAX) {
                let free = self.passed.front().map_or(now, |first| *first + rate.per);
                let wait = free.saturating_duration_since(now).as_millis().div_ceil(1_000);
                return Act::TooMany {
                    retry_after_s: u64::try_from(wait).unwrap_or(u64::MAX),
                };
            }
            self.passed.push_back(now);
        }
        let last = self.mock.answers.len().saturating_sub(1);
        let answer = self.mock.answers.get(self.next.min(last)).cloned();
        self.next = self.next.saturating_add(1).min(self.mock.answers.len());
        answer.map_or_else(|| Act::Refuse("the mock has no answer".to_owned()), Act::Answer)
    }
}

#[async_trait]
impl Dial for NetworkDoor {
    async fn dial(&self, destination: &str) -> Result<Connection, String> {
        if self.0.is_unreachable(destination)? {
            return Err(format!("{destination}: the mocked service cannot be reached"));
        }
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        let serving = self.0.clone().serve(destination.to_owned(), far);
        let mut connections = self.0.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.spawn(serving);
        Ok(Box::pin(near))
    }
}

/// The network as the runtime sees it.
pub(crate) struct NetworkDoor(pub(crate) Arc<Network>);

fn path_of(wanted: &Wanted) -> String {
    match wanted.url.query() {
        Some(query) => format!("{}?{query}", wanted.url.path()),
        None => wanted.url.path().to_owned(),
    }
}

/// How a request differs from the one that is expected.
fn unlike(wanted: &Wanted, request: &Request<()>, body: &[u8], key: &str) -> Vec<String> {
    let name = wanted.name();
    let mut all = Vec::new();
    for (header, value) in &wanted.headers {
        let value = value.replace(KEY_MARK, key);
        let found = request
            .headers()
            .get(header)
            .map(|found| String::from_utf8_lossy(found.as_bytes()));
        match found {
            Some(found) if found == value => {}
            Some(found) => all.push(format!(
                "{name}: header `{header}`: expected `{value}`, got `{found}`"
            )),
            None => all.push(format!(
                "{name}: header `{header}`: expected `{value}`, it is missing"
            )),
        }
    }
    match &wanted.body {
        None => {}
        Some(WantedBody::Text(text)) if text.as_bytes() == body => {}
        Some(WantedBody::Text(text)) => {
            let found = Value::from(String::from_utf8_lossy(body));
            all.push(format!("{name}: body: expected {text:?}, got {}", shown(&found)));
        }
        Some(WantedBody::Json(json)) => match serde_json::from_slice::<Value>(body) {
            Ok(found) => all.extend(
                differences(json, &found)
                    .into_iter()
                    .map(|difference| format!("{name}: body: {difference}")),
            ),
            Err(error) => all.push(format!("{name}: body: expected JSON, {error}")),
        },
    }
    all
}

fn response(
    status: u16,
    headers: &[(String, String)],
    body: Vec<u8>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response
        .body(Full::new(Bytes::from(body)))
        .map_err(std::io::Error::other)
}
