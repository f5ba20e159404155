//! The other engines: installed by npm into a folder, started on free ports, measured like ours.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::process_usage::usage;
use crate::programs::Running;

/// How long an engine may take until it answers.
const READY_TIMEOUT: Duration = Duration::from_secs(120);
/// How often it is asked.
const LOOK: Duration = Duration::from_millis(50);
/// One step of `w1` as Node-RED does it.
const STEP: &str =
    "const o = JSON.parse(msg.payload); o.n = (o.n || 0) + 1; msg.payload = JSON.stringify(o); return msg;";
/// `w1` as a Restate service.
const SERVICE: &str = include_str!("restate-service.mjs");

/// An engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Keeps no record of a run.
    NodeRed,
    /// Journals every step.
    Restate,
}

impl Kind {
    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::NodeRed => "Node-RED",
            Self::Restate => "Restate",
        }
    }

    const fn folder(self) -> &'static str {
        match self {
            Self::NodeRed => "nodered",
            Self::Restate => "restate",
        }
    }

    const fn packages(self) -> &'static [&'static str] {
        match self {
            Self::NodeRed => &["node-red@4.1.1"],
            Self::Restate => &[
                "@restatedev/restate-server@1.7.12",
                "@restatedev/restate-sdk@1.17.2",
            ],
        }
    }

    /// Installs it below a folder, if it is not there yet.
    pub(super) fn install(self, peers: &Path) -> Result<PathBuf> {
        let folder = peers.join(self.folder());
        if self.packages().iter().all(|package| {
            let name = package.rsplit_once('@').map_or(*package, |(name, _)| name);
            folder.join("node_modules").join(name).is_dir()
        }) {
            return Ok(folder);
        }
        fs::create_dir_all(&folder)?;
        fs::write(
            folder.join("package.json"),
            "{\"name\":\"peer\",\"private\":true}",
        )?;
        let status = Command::new("npm")
            .arg("install")
            .args(["--no-audit", "--no-fund", "--silent"])
            .args(self.packages())
            .current_dir(&folder)
            .status()
            .context("npm cannot be started")?;
        if !status.success() {
            bail!("npm could not install {}", self.packages().join(" "));
        }
        Ok(folder)
    }

    /// Starts it on `w1` and waits until it answers.
    pub(super) async fn start(self, installed: &Path) -> Result<Engine> {
        let data = tempfile::tempdir()?;
        let engine = match self {
            Self::NodeRed => node_red(installed, data)?,
            Self::Restate => restate(installed, data).await?,
        };
        until("it answers", || answers(&engine.url)).await?;
        Ok(engine)
    }
}

/// An engine that runs; it ends with the value.
pub(super) struct Engine {
    /// Where `w1` is posted to.
    pub(super) url: String,
    running: Vec<Running>,
    _data: tempfile::TempDir,
}

impl Engine {
    /// Processor time of all its processes.
    pub(super) fn cpu(&self) -> Result<Duration> {
        self.running
            .iter()
            .map(|running| Ok(usage(running.id())?.cpu))
            .sum()
    }
}

fn node_red(installed: &Path, data: tempfile::TempDir) -> Result<Engine> {
    let port = free_port()?;
    let mut flow = vec![json!({ "id": "tab", "type": "tab", "label": "bench" })];
    let codes = ["msg.payload = JSON.stringify(msg.payload); return msg;"]
        .into_iter()
        .chain([STEP; 10]);
    flow.push(node(0, "http in", json!({ "url": "/w1", "method": "post" })));
    for (index, code) in (1..).zip(codes) {
        let function = json!({ "func": code, "outputs": 1, "timeout": 0, "noerr": 0, "libs": [] });
        flow.push(node(index, "function", function));
    }
    let mut answer = node(12, "http response", json!({ "statusCode": "", "headers": {} }));
    if let Some(wires) = answer.get_mut("wires") {
        *wires = json!([]);
    }
    flow.push(answer);
    fs::write(data.path().join("flows.json"), serde_json::to_vec(&flow)?)?;
    let settings = format!(
        "module.exports = {{ uiHost: '127.0.0.1', uiPort: {port}, flowFile: 'flows.json', credentialSecret: false, \
         httpAdminRoot: false, telemetry: {{ enabled: false }}, logging: {{ console: {{ level: 'warn' }} }} }};"
    );
    fs::write(data.path().join("settings.js"), settings)?;
    let mut command = Command::new("node");
    command
        .arg(installed.join("node_modules/node-red/red.js"))
        .arg("-u")
        .arg(data.path())
        .arg("-s")
        .arg(data.path().join("settings.js"))
        .env("NODE_ENV", "production");
    Ok(Engine {
        url: format!("http://127.0.0.1:{port}/w1"),
        running: vec![Running::start("nodered", &mut command, data.path())?],
        _data: data,
    })
}

/// A node that is wired to the next one.
fn node(index: usize, kind: &str, more: Value) -> Value {
    let mut node = json!({
        "id": format!("n{index}"), "type": kind, "z": "tab", "name": "", "x": 100, "y": 40 * index,
        "wires": [[format!("n{}", index + 1)]],
    });
    if let (Some(node), Value::Object(more)) = (node.as_object_mut(), more) {
        node.extend(more);
    }
    node
}

async fn restate(installed: &Path, data: tempfile::TempDir) -> Result<Engine> {
    let [ingress, admin, fabric, service] = [free_port()?, free_port()?, free_port()?, free_port()?];
    fs::write(installed.join("service.mjs"), SERVICE)?;
    let mut server = Command::new(restate_program(installed)?);
    server
        .args(["--node-name", "bench", "--base-dir"])
        .arg(data.path().join("base"))
        .env("RESTATE_INGRESS__BIND_ADDRESS", format!("127.0.0.1:{ingress}"))
        .env("RESTATE_ADMIN__BIND_ADDRESS", format!("127.0.0.1:{admin}"))
        .env("RESTATE_BIND_ADDRESS", format!("127.0.0.1:{fabric}"))
        .env("RESTATE_ADVERTISED_ADDRESS", format!("http://127.0.0.1:{fabric}"))
        .envs([
            ("RESTATE_DISABLE_TELEMETRY", "true"),
            ("DO_NOT_TRACK", "1"),
            ("RESTATE_LOG_FILTER", "warn"),
        ]);
    let mut steps = Command::new("node");
    steps
        .arg(installed.join("service.mjs"))
        .env("SERVICE_PORT", service.to_string())
        .env("NODE_ENV", "production")
        .current_dir(installed);
    let running = vec![
        Running::start("restate", &mut server, data.path())?,
        Running::start("service", &mut steps, data.path())?,
    ];
    let http = reqwest::Client::builder().no_proxy().build()?;
    until("Restate knows the service", || async {
        http.post(format!("http://127.0.0.1:{admin}/deployments"))
            .json(&json!({ "uri": format!("http://127.0.0.1:{service}") }))
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
    })
    .await?;
    Ok(Engine {
        url: format!("http://127.0.0.1:{ingress}/bench/w1"),
        running,
        _data: data,
    })
}

/// The server's program lies in a package that is named after the system.
fn restate_program(installed: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(installed.join("node_modules/@restatedev"))? {
        let program = entry?.path().join("bin/restate-server");
        if program.is_file() {
            return Ok(program);
        }
    }
    bail!("npm brought no restate-server for this system")
}

/// Whether a first run gives what it should.
async fn answers(url: &str) -> bool {
    let Ok(http) = reqwest::Client::builder().no_proxy().build() else {
        return false;
    };
    let body = json!({ "id": "warm", "n": 0, "name": "alpha", "tags": ["a", "b"] });
    match http.post(url).json(&body).send().await {
        Ok(answer) => answer.text().await.is_ok_and(|text| text.contains("\"n\":10")),
        Err(_) => false,
    }
}

async fn until<T: Future<Output = bool>>(what: &str, holds: impl Fn() -> T) -> Result<()> {
    let until = Instant::now() + READY_TIMEOUT;
    while !holds().await {
        if Instant::now() > until {
            bail!("in {} s it did not come to: {what}", READY_TIMEOUT.as_secs());
        }
        sleep(LOOK).await;
    }
    Ok(())
}

/// A port that is free now.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
