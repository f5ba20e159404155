//! The events of one run, over a WebSocket: protocol `graphql-transport-ws`.
//!
//! Each event is a whole picture of the run, so a lost connection loses nothing: subscribe again and go on.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::context::Context;

/// How long the server may take to accept a subscription.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A run can be silent for days, while it waits for a person. The server closes a connection of which it hears nothing
/// for 60 s, so it hears a ping this often.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long the server may be silent after a ping.
const PONG_TIMEOUT: Duration = Duration::from_secs(10);
/// Codes with which a server closes a subscription that it will not serve the next time either.
const REFUSALS: std::ops::Range<u16> = 4400..4500;

/// A subscription to one run.
pub struct RunEvents {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    ping_interval: Duration,
    silence: Silence,
}

/// What to do when nothing comes.
#[derive(Debug, Clone, Copy)]
enum Silence {
    /// Ask at this time whether the server is still there.
    AskAt(Instant),
    /// It was asked; from this time on it is not.
    LostAt(Instant),
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
        if let Some(token) = &context.token
            && let Ok(mut shown) = HeaderValue::try_from(format!("Bearer {token}"))
        {
            shown.set_sensitive(true);
            request.headers_mut().insert("authorization", shown);
        }
        let connected = timeout(HANDSHAKE_TIMEOUT, connect_async(request)).await;
        let (socket, _) = connected.map_err(|_| EventsError::Lost)?.map_err(unreachable)?;
        let mut events = Self {
            socket,
            ping_interval: PING_INTERVAL,
            silence: Silence::AskAt(Instant::now() + PING_INTERVAL),
        };
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
            let mut message = self.receive_or_ask().await?;
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

    /// The next message; asks for a sign of life when there is none for a while.
    async fn receive_or_ask(&mut self) -> Result<Value, EventsError> {
        loop {
            let until = match self.silence {
                Silence::AskAt(until) | Silence::LostAt(until) => until,
            };
            match (timeout_at(until, self.receive()).await, self.silence) {
                (Ok(message), _) => {
                    self.silence = Silence::AskAt(Instant::now() + self.ping_interval);
                    return message;
                }
                (Err(_), Silence::AskAt(_)) => {
                    self.silence = Silence::LostAt(Instant::now() + PONG_TIMEOUT);
                    self.send(&json!({ "type": "ping" })).await?;
                }
                (Err(_), Silence::LostAt(_)) => return Err(EventsError::Lost),
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
                Some(Ok(Message::Close(Some(frame)))) if REFUSALS.contains(&u16::from(frame.code)) => {
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

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio_tungstenite::accept_hdr_async;
    use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
    use tokio_tungstenite::tungstenite::protocol::CloseFrame;

    use super::*;

    type Server = WebSocketStream<TcpStream>;

    async fn text(server: &mut Server) -> Value {
        let message = server.next().await.unwrap().unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }

    async fn say(server: &mut Server, message: Value) {
        server.send(Message::text(message.to_string())).await.unwrap();
    }

    #[expect(clippy::result_large_err, reason = "the library wants it so")]
    fn agree(_: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        let protocol = HeaderValue::from_static("graphql-transport-ws");
        response.headers_mut().insert("sec-websocket-protocol", protocol);
        Ok(response)
    }

    /// A client and the other end of its subscription, which says nothing by itself.
    async fn subscribed() -> (RunEvents, Server) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let context = Context {
            server: format!("http://{}", listener.local_addr().unwrap()),
            keys_dir: None,
            token: None,
        };
        let accept = async {
            let stream = listener.accept().await.unwrap().0;
            let mut server = accept_hdr_async(stream, agree).await.unwrap();
            assert_eq!(text(&mut server).await["type"], "connection_init");
            say(&mut server, json!({ "type": "connection_ack" })).await;
            assert_eq!(text(&mut server).await["type"], "subscribe");
            server
        };
        let (events, server) = tokio::join!(RunEvents::subscribe(&context, "last", "ended"), accept);
        (events.unwrap(), server)
    }

    /// Whoever watched a run that waited for a person saw `the run cannot be watched: timeout` after a minute: the
    /// server heard nothing, closed, and its reason was taken for a refusal.
    #[tokio::test]
    async fn a_silent_run_is_watched_on_because_the_server_hears_a_ping() {
        let (mut events, mut server) = subscribed().await;
        events.ping_interval = Duration::from_millis(1);
        events.silence = Silence::AskAt(Instant::now());
        let answer = async {
            assert_eq!(text(&mut server).await["type"], "ping");
            say(&mut server, json!({ "type": "pong" })).await;
            assert_eq!(text(&mut server).await["type"], "ping");
            let event = json!({ "type": "next", "payload": { "data": { "runEvents": { "ended": true } } } });
            say(&mut server, event).await;
        };
        let (event, ()) = tokio::join!(events.next(), answer);
        assert_eq!(event.unwrap(), Some(json!({ "ended": true })));
    }

    #[tokio::test]
    async fn a_close_is_a_loss_unless_its_code_says_that_it_is_a_refusal() {
        for (code, is_refusal) in [(3008, false), (1001, false), (4400, true)] {
            let (mut events, mut server) = subscribed().await;
            let frame = CloseFrame {
                code: code.into(),
                reason: "a reason".into(),
            };
            server.close(Some(frame)).await.unwrap();
            let error = events.next().await.unwrap_err();
            assert_eq!(
                matches!(error, EventsError::Refused(_)),
                is_refusal,
                "{code}: {error}"
            );
        }
    }
}
