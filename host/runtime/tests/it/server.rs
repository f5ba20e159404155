//! A small HTTP server on loopback that answers as it is told and keeps what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Serves until it is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

/// What the server does with a connection after it has read the request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// These bytes.
    Bytes(Vec<u8>),
    /// These bytes for a request line that begins so; else the last.
    ByLine(Vec<(&'static str, Vec<u8>)>),
    /// Nothing, for ever.
    Silence,
    /// Closes the connection.
    Close,
}

impl Server {
    /// A server that answers every request in the same way.
    pub(crate) async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, reply.clone(), seen.clone()));
            }
        });
        Self {
            port,
            requests,
            _tasks: tasks,
        }
    }

    /// A server that answers with this status line, these header lines and this body.
    pub(crate) async fn answering(status: &str, headers: &str, body: &[u8]) -> Self {
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n",
            body.len()
        );
        Self::start(Reply::Bytes([head.as_bytes(), body].concat())).await
    }

    /// The bytes of an answer, for [`Reply::ByLine`].
    pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }

    pub(crate) fn destination(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// First byte of a client that wants TLS; this server hangs up on it.
const TLS_HANDSHAKE: u8 = 0x16;

async fn serve(mut stream: TcpStream, reply: Reply, requests: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !is_whole(&request) {
        match stream.read(&mut piece).await {
            Ok(read) if read > 0 => request.extend_from_slice(&piece[..read]),
            _ => return,
        }
        if request.first() == Some(&TLS_HANDSHAKE) {
            return;
        }
    }
    requests
        .lock()
        .expect("no panic")
        .push(String::from_utf8_lossy(&request).into_owned());
    match reply {
        // The client may have hung up, for example when the answer is above its limit.
        Reply::Bytes(bytes) => drop(stream.write_all(&bytes).await),
        Reply::ByLine(replies) => {
            let line = String::from_utf8_lossy(&request);
            let bytes = replies
                .iter()
                .find(|(begin, _)| line.starts_with(begin))
                .or(replies.last());
            if let Some((_, bytes)) = bytes {
                drop(stream.write_all(bytes).await);
            }
        }
        Reply::Silence => std::future::pending().await,
        Reply::Close => {}
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let head = head.to_ascii_lowercase();
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with("0\r\n\r\n");
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0)
}
