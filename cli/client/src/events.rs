//! The events of one run, over a WebSocket: protocol `graphql-transport-ws`.
//!
//! Each event is a whole picture of the run, so a lost connection loses nothing: subscribe again and go on.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::context::Context;

/// How long the server may take to accept a subscription.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A subscription to one run.
pub struct RunEvents {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// Why events cannot be had, or have stopped. `Lost` and `Unreachable` are worth another try.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// No connection.
    #[error("cannot subscribe at {server}")]
    Unreachable {
        /// The address.
        server: String,
        /// Why.
        #[source]
        source: Box<SocketError>,
    },
    /// The connection ended or was silent for too long while something was due.
    #[error("the connection for events was lost")]
    Lost,
    /// The server refused the subscription.
    #[error("the control plane refused the subscription: {0}")]
    Refused(String),
}

impl RunEvents {
    /// Subscribes to a run. `selection` is what each event holds of `RunEvent`.
    ///
    /// # Errors
    /// `Unreachable`, `Lost` or `Refused`.
    pub async fn subscribe(context: &Context, run: &str, selection: &str) -> Result<Self, EventsError> {
        let unreachable = |source| EventsError::Unreachable {
            server: context.server.clone(),
            source: Box::new(source),
        };
        let url = format!("{}/graphql/ws", context.server.replacen("http://", "ws://", 1));
        let mut request = url.into_client_request().map_err(unreachable)?;
        let protocol = HeaderValue::from_static("graphql-transport-ws");
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let connected = timeout(HANDSHAKE_TIMEOUT, connect_async(request)).await;
        let (socket, _) = connected.map_err(|_| EventsError::Lost)?.map_err(unreachable)?;
        let mut events = Self { socket };
        events.send(&json!({ "type": "connection_init" })).await?;
        loop {
            let answer = timeout(HANDSHAKE_TIMEOUT, events.receive())
                .await
                .map_err(|_| EventsError::Lost)??;
            match kind(&answer) {
                "connection_ack" => break,
                "ping" => events.send(&json!({ "type": "pong" })).await?,
                _ => return Err(EventsError::Refused(answer.to_string())),
            }
        }
        let query = format!("subscription Run($run: String!) {{ runEvents(run: $run) {{ {selection} }} }}");
        let payload = json!({ "query": query, "variables": { "run": run } });
        events
            .send(&json!({ "id": "1", "type": "subscribe", "payload": payload }))
            .await?;
        Ok(events)
    }

    /// The next event, or none when the run has ended.
    ///
    /// # Errors
    /// `Lost`: subscribe again. `Refused`: there is no such run.
    ///
    /// # Cancel safety
    /// A dropped call loses no event.
    pub async fn next(&mut self) -> Result<Option<Value>, EventsError> {
        loop {
            let mut message = self.receive().await?;
            match kind(&message) {
                "next" => {
                    if let Some(error) = message
                        .pointer("/payload/errors/0/message")
                        .and_then(Value::as_str)
                    {
                        return Err(EventsError::Refused(error.to_owned()));
                    }
                    return Ok(message.pointer_mut("/payload/data/runEvents").map(Value::take));
                }
                "complete" => return Ok(None),
                "error" => {
                    let text = message.pointer("/payload/0/message").and_then(Value::as_str);
                    return Err(EventsError::Refused(text.unwrap_or("no reason given").to_owned()));
                }
                "ping" => self.send(&json!({ "type": "pong" })).await?,
                _ => {}
            }
        }
    }

    async fn send(&mut self, message: &Value) -> Result<(), EventsError> {
        self.socket
            .send(Message::text(message.to_string()))
            .await
            .map_err(|_| EventsError::Lost)
    }

    async fn receive(&mut self) -> Result<Value, EventsError> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(text.as_str()).map_err(|_| EventsError::Lost);
                }
                Some(Ok(Message::Close(Some(frame)))) if frame.reason.len() > 1 => {
                    return Err(EventsError::Refused(frame.reason.to_string()));
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(EventsError::Lost),
                Some(Ok(_)) => {}
            }
        }
    }
}

fn kind(message: &Value) -> &str {
    message.get("type").and_then(Value::as_str).unwrap_or_default()
}
