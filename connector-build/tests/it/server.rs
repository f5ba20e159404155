//! A small HTTP server for connectors that make requests.

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A server that gives prepared answers in their order, one connection each.
pub(crate) struct Server {
    /// Its address, without a path.
    pub(crate) origin: String,
    done: tokio::task::JoinHandle<Vec<Request>>,
}

/// One request as it arrived.
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Server {
    pub(crate) async fn start(answers: Vec<(&'static str, &'static str, &'static str)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let serve = async move {
            let mut requests = Vec::new();
            for (status, headers, body) in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                requests.push(Request::read(&mut stream).await);
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\n{headers}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            requests
        };
        Self {
            origin,
            #[expect(clippy::disallowed_methods, reason = "the test waits for it")]
            done: tokio::spawn(serve),
        }
    }

    /// What was asked, once every prepared answer was given.
    pub(crate) async fn requests(self) -> Vec<Request> {
        self.done.await.unwrap()
    }
}

impl Request {
    async fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        let head_end = loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            assert_ne!(
                stream.read_buf(&mut bytes).await.unwrap(),
                0,
                "the request breaks off"
            );
        };
        let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let line = lines.next().unwrap().to_owned();
        let headers: BTreeMap<String, String> = lines
            .map(|field| field.split_once(':').unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length: usize = headers
            .get("content-length")
            .map_or(0, |value| value.parse().unwrap());
        while bytes.len() < head_end + length {
            assert_ne!(
                stream.read_buf(&mut bytes).await.unwrap(),
                0,
                "the body breaks off"
            );
        }
        let body = String::from_utf8(bytes[head_end..].to_vec()).unwrap();
        Self { line, headers, body }
    }
}
