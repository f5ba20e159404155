//! The load: callers that post, wait for the answer and post again.
//!
//! Whoever is measured shares the machine with the load, so the load is as light as it can be: a connection for each caller,
//! all of them on one thread.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// What came of a load.
pub(super) struct Load {
    pub(super) runs: f64,
    pub(super) runs_per_second: f64,
    pub(super) p50: Duration,
}

/// Posts the body of `w1` for this long; every answer must hold `"n":10`.
pub(super) async fn w1(url: &str, callers: usize, window: Duration) -> Result<Load> {
    let url: Uri = url.parse()?;
    let thread = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        LocalSet::new().block_on(&runtime, all(url, callers, window))
    });
    thread.await?
}

async fn all(url: Uri, callers: usize, window: Duration) -> Result<Load> {
    let number = Rc::new(Cell::new(0_u64));
    let started = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..callers {
        let (url, number) = (url.clone(), Rc::clone(&number));
        tasks.push(tokio::task::spawn_local(async move {
            let mut caller = Caller::connect(url).await?;
            let mut times = Vec::new();
            while started.elapsed() < window {
                number.set(number.get() + 1);
                let begun = Instant::now();
                caller.post(number.get()).await?;
                times.push(begun.elapsed());
            }
            anyhow::Ok(times)
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    let elapsed = started.elapsed();
    times.sort();
    let runs = times.len();
    Ok(Load {
        runs: runs as f64,
        runs_per_second: runs as f64 / elapsed.as_secs_f64(),
        p50: times.get(runs / 2).copied().unwrap_or_default(),
    })
}

/// One caller with its connection.
struct Caller {
    connection: SendRequest<Full<Bytes>>,
    url: Uri,
}

impl Caller {
    async fn connect(url: Uri) -> Result<Self> {
        let address = url.authority().context("an address")?.as_str();
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (connection, driver) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the connection; what went wrong there shows at the next post.
        tokio::task::spawn_local(driver);
        Ok(Self { connection, url })
    }

    async fn post(&mut self, number: u64) -> Result<()> {
        let body = format!(r#"{{"id":"{number}","n":0,"name":"alpha","tags":["a","b"]}}"#);
        let request = Request::post(self.url.path())
            .header("host", self.url.authority().context("an address")?.as_str())
            .header("content-type", "application/json")
            .body(Full::from(body))?;
        self.connection.ready().await?;
        let answer = self.connection.send_request(request).await?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&bytes);
        ensure!(text.contains("\"n\":10"), "wrong answer: {status} {text}");
        Ok(())
    }
}
