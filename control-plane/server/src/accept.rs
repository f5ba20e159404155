//! The accept loop: bounded in connections, drained at the end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Connections at the same time; others wait in the listener's backlog.
const MAX_CONNECTIONS: usize = 4_096;
/// A connection that has not sent a request's head by then is closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause after an accept that failed, because the next one fails, too, when there are no file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How an accepted connection gets in: what is read and written on it, and what answers.
pub(crate) trait Door: Clone + Send + 'static {
    /// The connection as requests come over it.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Lets it in, or not.
    fn open(self, stream: TcpStream) -> impl Future<Output = Option<(Self::Stream, Router)>> + Send;
}

/// A door without TLS.
#[derive(Clone)]
pub(crate) struct PlainDoor(pub(crate) Router);

impl Door for PlainDoor {
    type Stream = TcpStream;

    async fn open(self, stream: TcpStream) -> Option<(TcpStream, Router)> {
        Some((stream, self.0))
    }
}

/// Serves until `closing`, then lets open requests finish for up to `grace`.
pub(crate) async fn serve(
    listener: TcpListener,
    door: impl Door,
    closing: CancellationToken,
    grace: Duration,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // Ended ones are collected as they come; their results are logged where they end.
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            break;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = closing.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (door, closing) = (door.clone(), closing.clone());
                connections.spawn(async move {
                    let _place = place;
                    // Answers are small and awaited; a failure costs latency only.
                    let _ = stream.set_nodelay(true);
                    if let Some((stream, router)) = door.open(stream).await
                        && let Err(error) = connection(stream, router, closing).await
                    {
                        tracing::debug!(%error, "a connection ended early");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, all).await.is_err() {
        tracing::warn!(
            open = connections.len(),
            "connections are cut: they did not end in time"
        );
        connections.shutdown().await;
    }
}

/// Serves one connection; when the server closes, the request that is open is the last.
async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    closing: CancellationToken,
) -> hyper::Result<()> {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = closing.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}
