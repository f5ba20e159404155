//! Everything that stands on the stage: both planes, feed and chat, secrets, what was published.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use axum::body::Bytes;
use flowforge_client::Api;
use flowforge_protocol::{Digest, webhook};
use serde_json::{Value, json};

use crate::counting::Counting;
use crate::demo::{Expected, Settings};
use crate::flowforge::Flowforge;
use crate::planes::Planes;
use crate::programs::Programs;

/// Name of the host on the stage.
const HOST: &str = "edge-demo";
/// The connectors that the workflow calls, in the order in which they are published.
const CONNECTORS: [&str; 4] = [
    "flowforge.http",
    "flowforge.convert",
    "demo.quake-text",
    "demo.statistics",
];
/// The stage.
#[derive(Debug)]
pub struct Stage {
    settings: Settings,
    planes: Planes,
    pub(crate) expected: Expected,
    pub(crate) feed: Counting,
    pub(crate) chat: Counting,
    pub(crate) chat_token: String,
    hook_key: String,
    /// Digest of the signed release.
    pub(crate) release: String,
    /// Name of each published connector and the digest of the file that was published.
    pub(crate) connectors: Vec<(String, String)>,
    /// The run.
    pub(crate) run: String,
}

impl Stage {
    /// Starts control plane, host, feed and chat in an empty folder.
    ///
    /// # Errors
    /// A program does not start; the error shows what it said.
    pub async fn set_up(settings: &Settings) -> Result<Self> {
        let data = &settings.data;
        if data.exists() {
            fs::remove_dir_all(data).with_context(|| format!("cannot empty {}", data.display()))?;
        }
        let week = fs::read("examples/earthquake-watch/usgs-all-week.geojson")
            .context("the recorded week is missing")?;
        let expected = Expected::of_feed(&week)?;
        let feed = Counting::feed(Bytes::from(week)).await?;
        let chat = Counting::chat().await?;
        let mut planes = Planes::start(Programs::in_folder(&settings.programs)?, data, HOST)?;
        planes
            .start_host(Some(&format!("B7=hold@{}", CALLS_BEFORE_THE_CRASH + 1)))
            .await?;
        Ok(Self {
            settings: settings.clone(),
            planes,
            expected,
            feed,
            chat,
            chat_token: random_token()?,
            hook_key: random_token()?,
            release: String::new(),
            connectors: Vec::new(),
            run: String::new(),
        })
    }

    /// Control plane and host.
    pub fn planes(&mut self) -> &mut Planes {
        &mut self.planes
    }

    pub(crate) fn api(&self) -> &Api {
        self.planes.api()
    }

    pub(crate) fn flowforge(&self) -> &Flowforge {
        self.planes.flowforge()
    }

    /// What was started, in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "control plane {} · host {HOST} enrolled · feed and chat servers {}, {} · data {}",
            self.api().context().server,
            self.feed.address(),
            self.chat.address(),
            self.data().display()
        )
    }

    /// The folder of everything that is written.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.planes.data()
    }

    /// The folders in which no secret may stand in the clear.
    #[must_use]
    pub fn folders(&self) -> Vec<PathBuf> {
        ["plane", "host", "logs"]
            .iter()
            .map(|name| self.data().join(name))
            .collect()
    }

    /// Publishes connectors, secrets and the workflow with the command line.
    ///
    /// # Errors
    /// A command failed; the error holds what it said.
    pub fn publish(&mut self) -> Result<String> {
        for name in CONNECTORS {
            let file = self.settings.components.join(format!("{name}.wasm"));
            let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let published = self
                .flowforge()
                .json(&["connector", "publish", &file.to_string_lossy()])?;
            let name = published
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            self.connectors.push((name, Digest::of(&bytes).to_string()));
        }
        let chat = self.chat.url();
        self.flowforge().json_with_input(
            &["secret", "set", "chat_token", "--kind", "bearer", "--for", &chat],
            &self.chat_token,
        )?;
        self.flowforge().json_with_input(
            &["secret", "set", "hook_key", "--kind", "hmac-key"],
            &self.hook_key,
        )?;
        let workflow = self.copy_of_the_workflow()?;
        let (feed, chat) = (
            format!("config.feed={}", self.feed.url()),
            format!("config.chat={chat}"),
        );
        let published = self.flowforge().json(&[
            "workflow",
            "publish",
            &workflow.to_string_lossy(),
            "--set",
            &feed,
            "--set",
            &chat,
        ])?;
        let text = |pointer: &str| {
            published
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        self.release = text("/release").to_owned();
        Ok(format!(
            "{} connectors signed and published · {} v{}, {} nodes, signed release {}",
            self.connectors.len(),
            text("/name"),
            published.get("version").unwrap_or(&Value::Null),
            published.pointer("/summary/nodes").unwrap_or(&Value::Null),
            short_digest(&self.release),
        ))
    }

    /// The example's files in the data folder, so that the lock file is written there and not into the clone.
    fn copy_of_the_workflow(&self) -> Result<PathBuf> {
        let folder = self.data().join("earthquake-watch");
        fs::create_dir_all(&folder)?;
        fs::copy(
            "examples/earthquake-watch/workflow.yaml",
            folder.join("workflow.yaml"),
        )?;
        Ok(folder)
    }

    /// Starts the run as an outside system does: a signed webhook.
    ///
    /// # Errors
    /// The webhook was refused, or an unsigned one was not.
    pub async fn start_by_webhook(&mut self) -> Result<String> {
        let url = format!("{}/hooks/earthquake-watch", self.api().context().server);
        let body = json!({ "threshold": 4.0 }).to_string();
        let post = |body: String| {
            self.api()
                .http()
                .post(&url)
                .header("content-type", "application/json")
                .body(body)
        };
        let unsigned = post(body.clone()).send().await?;
        if unsigned.status().is_success() {
            bail!("a webhook without signature was accepted");
        }
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let signature = webhook::sign(self.hook_key.as_bytes(), seconds, body.as_bytes())?;
        let answer = post(body)
            .header(webhook::SIGNATURE_HEADER, signature)
            .send()
            .await?;
        let status = answer.status();
        let text = answer.text().await?;
        let run = serde_json::from_str::<Value>(&text).ok();
        let run = run
            .as_ref()
            .and_then(|answer| answer.get("run"))
            .and_then(Value::as_str);
        self.run = run
            .with_context(|| format!("the webhook was refused: {status} {text}"))?
            .to_owned();
        Ok(format!(
            "started by webhook, signature checked (without one: {}): run {}",
            unsigned.status().as_u16(),
            self.short_run()
        ))
    }

    /// The start of the run's id.
    #[must_use]
    pub fn short_run(&self) -> &str {
        self.run.get(..6).unwrap_or(&self.run)
    }

    /// Leaves everything running until Ctrl-C, then stops it in order.
    ///
    /// # Errors
    /// A program does not end when asked to.
    pub async fn keep(self) -> Result<()> {
        println!(
            "It keeps running at {} · Ctrl-C stops everything. Look at the run:\n  {} run show {} --context {}",
            self.api().context().server,
            self.planes.programs().path("flowforge").display(),
            self.short_run(),
            self.planes.data().join("plane/client.json").display()
        );
        tokio::signal::ctrl_c().await?;
        self.planes.stop()
    }
}

/// Connector calls after which the first host goes no further: one is the fetch, the rest are labels, of which there are
/// 128. So the crash is in the middle of them on every machine, however quick.
const CALLS_BEFORE_THE_CRASH: u32 = 58;

fn random_token() -> Result<String> {
    let mut bytes = [0_u8; 24];
    fs::File::open("/dev/urandom")
        .and_then(|mut source| std::io::Read::read_exact(&mut source, &mut bytes))
        .context("this machine gives no random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The start of a digest.
pub(crate) fn short_digest(digest: &str) -> String {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    format!("{}…", hex.get(..8).unwrap_or(hex))
}
