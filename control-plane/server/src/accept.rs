//! The accept loop: bounded in connections, drained at the end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
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

/// Serves until `closing`, then lets open requests finish for up to `grace`.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
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
                let (router, closing) = (router.clone(), closing.clone());
                connections.spawn(async move {
                    let _place = place;
                    if let Err(error) = connection(stream, router, closing).await {
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
async fn connection(stream: TcpStream, router: Router, closing: CancellationToken) -> hyper::Result<()> {
    // Answers are small and awaited; a failure costs latency only.
    let _ = stream.set_nodelay(true);
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
