//! What a certificate means that is shown on the hosts' line.

use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use flowforge_enrolment::{Known, Showing, judge_showing};
use flowforge_protocol::Digest;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::errors::ClaimError;
use crate::accept::Door;
use crate::app::App;
use crate::peers::Peer;

/// Longest time for a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Lets connections of the hosts' line in: TLS first, then who it is.
#[derive(Clone)]
pub(crate) struct LineDoor {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) router: Router,
    pub(crate) app: Arc<App>,
}

impl Door for LineDoor {
    type Stream = TlsStream<TcpStream>;

    async fn open(self, stream: TcpStream) -> Option<(Self::Stream, Router)> {
        let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, self.acceptor.accept(stream)).await;
        let stream = match shaken {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake on the hosts' line failed");
                return None;
            }
            Err(_) => {
                tracing::debug!("a TLS handshake on the hosts' line took too long");
                return None;
            }
        };
        let certificates = stream.get_ref().1.peer_certificates();
        let shown = certificates
            .and_then(|chain| chain.first())
            .map(|leaf| Digest::of(leaf));
        let peer = match shown {
            None => Peer::Stranger,
            Some(digest) => match self.app.shown(digest).await {
                Ok(peer) => peer,
                Err(error) => {
                    tracing::error!(%error, "who called on the hosts' line could not be looked up");
                    return None;
                }
            },
        };
        Some((stream, self.router.layer(Extension(peer))))
    }
}

fn refused(error: &ClaimError) -> Peer {
    Peer::Refused {
        code: error.code().unwrap_or("FF-API-500"),
        message: error.to_string(),
    }
}

impl App {
    /// Whose this certificate is, which the authority signed and which has not ended.
    async fn shown(&self, digest: Digest) -> Result<Peer, ClaimError> {
        let Some((shown, newest)) = self.store.certificate(&self.scope, &digest).await? else {
            return Ok(refused(&ClaimError::UnknownCertificate));
        };
        let now_ms = self.clock.now_ms();
        let known = Known {
            generation: newest.generation,
            first_used_ms: newest.first_used_ms,
        };
        // What a host shows that was revoked before tells nothing new about it.
        let is_admitted = self.peers.refusal(&shown.host).is_none();
        if is_admitted && judge_showing(shown.generation, known, now_ms) == Showing::Clone {
            self.found_clone(&shown.host, "it showed a certificate that is past")
                .await?;
        }
        if shown.first_used_ms.is_none() {
            self.store.certificate_shown(&self.scope, digest, now_ms).await?;
        }
        Ok(Peer::Host {
            host: shown.host,
            shown: digest,
        })
    }
}
