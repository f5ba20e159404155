//! What servers on one database say to each other: `LISTEN` and `NOTIFY` on a connection of their own.

use std::pin::pin;

use futures::{StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_postgres::{AsyncMessage, Client, NoTls};

use super::Place;
use crate::StoreError;

/// The channel.
const CHANNEL: &str = "flowforge";
/// Notices that wait to be heard. A server that is slower than that is cut off, and looks again at everything.
const BACKLOG: usize = 4_096;

/// A connection that listens and says.
#[derive(Debug)]
pub(crate) struct Listening {
    client: Client,
    heard: mpsc::Receiver<String>,
    _driver: JoinSet<()>,
}

/// Connects and begins to listen.
pub(crate) async fn listen(place: &Place) -> Result<Listening, StoreError> {
    let connected = place.config.connect(NoTls).await;
    let (client, mut connection) = connected.map_err(|error| StoreError::unreached(&error))?;
    let (hear, heard) = mpsc::channel(BACKLOG);
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        let mut messages = pin!(stream::poll_fn(move |context| connection.poll_message(context)));
        while let Some(message) = messages.next().await {
            match message {
                Ok(AsyncMessage::Notification(notice)) => {
                    if hear.try_send(notice.payload().to_owned()).is_err() {
                        tracing::warn!("notices of other servers come faster than they are heard");
                        return;
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "the connection for notices broke");
                    return;
                }
            }
        }
    });
    client.batch_execute(&format!("listen {CHANNEL}")).await?;
    Ok(Listening {
        client,
        heard,
        _driver: driver,
    })
}

impl Listening {
    pub(crate) async fn say(&self, text: &str) -> Result<(), StoreError> {
        let said = format!("select pg_notify('{CHANNEL}', $1)");
        self.client.execute(&said, &[&text]).await?;
        Ok(())
    }

    /// Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<String> {
        self.heard.recv().await
    }
}
