//! Small servers on loopback that remember what they got: an earthquake feed and a chat hook.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Where the feed serves the week, as the real one does.
const FEED_PATH: &str = "/earthquakes/feed/v1.0/summary/all_week.geojson";
/// Where the chat takes messages.
const CHAT_PATH: &str = "/hooks/duty";
/// Largest message that the chat takes, in bytes.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// Header `authorization`, or empty.
    pub authorization: String,
    /// Header `idempotency-key`, or empty.
    pub idempotency_key: String,
    /// The body.
    pub body: Bytes,
}

/// What a server got, in order.
#[derive(Debug, Clone, Default)]
pub struct Requests(Arc<Mutex<Vec<Received>>>);

impl Requests {
    /// Everything so far.
    #[must_use]
    pub fn all(&self) -> Vec<Received> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, headers: &HeaderMap, body: Bytes) {
        let text = |name: &str| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        let received = Received {
            authorization: text("authorization"),
            idempotency_key: text("idempotency-key"),
            body,
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(received);
    }
}

/// A server; it ends with the value.
#[derive(Debug)]
pub struct Counting {
    address: String,
    requests: Requests,
    _task: JoinSet<()>,
}

impl Counting {
    /// An earthquake feed that serves these bytes.
    ///
    /// # Errors
    /// No port is free.
    pub async fn feed(week: Bytes) -> Result<Self> {
        let requests = Requests::default();
        let seen = requests.clone();
        let serve = move |headers: HeaderMap| async move {
            seen.add(&headers, Bytes::new());
            ([(header::CONTENT_TYPE, "application/geo+json")], week)
        };
        Self::start(Router::new().route(FEED_PATH, get(serve)), requests).await
    }

    /// A chat hook that takes messages.
    ///
    /// # Errors
    /// No port is free.
    pub async fn chat() -> Result<Self> {
        let requests = Requests::default();
        let router = Router::new()
            .route(CHAT_PATH, post(message))
            .with_state(requests.clone());
        Self::start(router, requests).await
    }

    async fn start(router: Router, requests: Requests) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let mut task = JoinSet::new();
        task.spawn(async move {
            // It serves until the value is dropped; an accept error is not its end.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            requests,
            _task: task,
        })
    }

    /// `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it got so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        self.requests.all()
    }
}

async fn message(State(requests): State<Requests>, request: Request) -> impl IntoResponse {
    let (parts, body) = request.into_parts();
    match axum::body::to_bytes(body, MESSAGE_BYTES_MAX).await {
        Ok(body) => {
            requests.add(&parts.headers, body);
            (StatusCode::OK, "{\"ok\":true}")
        }
        Err(_) => (StatusCode::PAYLOAD_TOO_LARGE, "{\"ok\":false}"),
    }
}
