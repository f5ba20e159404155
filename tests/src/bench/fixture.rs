//! A server on loopback that answers every post at once.

use anyhow::Result;
use axum::Router;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The server; it ends with the value.
pub(super) struct Fixture {
    url: String,
    _task: JoinSet<()>,
}

impl Fixture {
    /// Listens on a free port.
    pub(super) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new().route("/mark", post(|| async { "{\"ok\":true}" }));
        let mut task = JoinSet::new();
        task.spawn(async move {
            // It serves until the value is dropped; an accept error is not its end.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url, _task: task })
    }

    /// `http://127.0.0.1:PORT`.
    pub(super) fn url(&self) -> &str {
        &self.url
    }
}
