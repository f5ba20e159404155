//! A balancer as it stands before several servers: connections go to them in turn, to the next one where one is not there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Listens on a free port of this machine, until it is dropped.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Balancer {
    /// Before these servers.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(servers: Vec<SocketAddr>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let (servers, turn) = (Arc::new(servers), AtomicUsize::new(0));
            let mut lines = JoinSet::new();
            loop {
                while lines.try_join_next().is_some() {}
                let Ok((mut from, _)) = listener.accept().await else {
                    continue;
                };
                let (servers, first) = (Arc::clone(&servers), turn.fetch_add(1, Ordering::Relaxed));
                lines.spawn(async move {
                    // A line that breaks is for its two ends to notice.
                    if let Some(mut to) = reach(&servers, first).await {
                        let _ = copy_bidirectional(&mut from, &mut to).await;
                    }
                });
            }
        });
        Ok(Self {
            address,
            _tasks: tasks,
        })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn reach(servers: &[SocketAddr], first: usize) -> Option<TcpStream> {
    for step in 0..servers.len() {
        let server = servers.get(first.wrapping_add(step) % servers.len())?;
        if let Ok(stream) = TcpStream::connect(server).await {
            return Some(stream);
        }
    }
    None
}
