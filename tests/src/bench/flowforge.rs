//! FlowForge as it is measured: control plane and host as two processes, workflows published by the command line.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::Settings;
use crate::planes::Planes;
use crate::process_usage::{Usage, usage};
use crate::programs::Programs;

/// How often a run is asked whether it has ended.
const LOOK: Duration = Duration::from_millis(2);
/// How long a run may take.
const RUN_TIMEOUT: Duration = Duration::from_secs(120);

/// Both planes in a folder of their own.
pub(super) struct Bench {
    pub(super) planes: Planes,
    components: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Bench {
    /// Starts both.
    pub(super) async fn start(settings: &Settings) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut planes = Planes::start(Programs::beside_this_one()?, folder.path(), "bench-host")?;
        planes.start_host(None).await?;
        Ok(Self {
            planes,
            components: settings.components.clone(),
            _folder: folder,
        })
    }

    /// Publishes a built connector, such as `bench.steps`.
    pub(super) fn connector(&self, name: &str) -> Result<()> {
        let file = self.components.join(format!("{name}.wasm"));
        self.planes
            .flowforge()
            .json(&["connector", "publish", &file.to_string_lossy()])?;
        Ok(())
    }

    /// Publishes a workflow from its text.
    pub(super) fn workflow(&self, name: &str, source: &str) -> Result<()> {
        let folder = self.planes.data().join("workflows").join(name);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("workflow.yaml"), source)?;
        self.planes
            .flowforge()
            .json(&["workflow", "publish", &folder.to_string_lossy()])?;
        Ok(())
    }

    /// The address of a webhook.
    pub(super) fn hook(&self, path: &str) -> String {
        format!("{}/hooks/{path}", self.planes.api().context().server)
    }

    /// Posts to a webhook that answers at once; gives the run's id.
    pub(super) async fn start_run(&self, path: &str, input: &Value) -> Result<String> {
        let answer = self
            .planes
            .api()
            .http()
            .post(self.hook(path))
            .json(input)
            .send()
            .await?;
        let status = answer.status();
        ensure!(status.is_success(), "/hooks/{path} answered {status}");
        let run = answer
            .headers()
            .get("x-flowforge-run")
            .context("no run is named")?;
        Ok(run.to_str()?.to_owned())
    }

    /// Waits until a run is in this state.
    pub(super) async fn until(&self, run: &str, state: &str) -> Result<()> {
        let until = Instant::now() + RUN_TIMEOUT;
        loop {
            let query = "query Run($id: String!) { run(id: $id) { state failure } }";
            let found = self.planes.api().ask(query, json!({ "id": run })).await?;
            let now = found
                .pointer("/run/state")
                .and_then(Value::as_str)
                .unwrap_or_default();
            if now == state {
                return Ok(());
            }
            ensure!(
                Instant::now() < until && now != "FAILED",
                "the run is `{now}` instead of `{state}`: {found}"
            );
            sleep(LOOK).await;
        }
    }

    /// What host and control plane use.
    pub(super) fn usage(&self) -> Result<(Usage, Usage)> {
        Ok((usage(self.planes.host()?.id())?, usage(self.planes.plane().id())?))
    }

    /// Stops both.
    pub(super) fn stop(self) -> Result<()> {
        self.planes.stop()
    }
}

/// The workload `w1` as it stands in `examples/bench`.
pub(super) fn w1() -> Result<String> {
    let file = Path::new("examples/bench/w1/workflow.yaml");
    fs::read_to_string(file).context("cargo xtask bench runs in the clone")
}

/// A run of ten posts, one after the other.
pub(super) fn ten_effects(fixture: &str) -> String {
    let mut source = format!(
        "workflow: ten-effects\ninput:\n  id: {{ type: string, default: \"\" }}\nconfig:\n  fixture: {fixture}\n\
         triggers:\n  web: {{ webhook: {{ path: ten-effects, answer: at_once }} }}\nnodes:\n"
    );
    for step in 1..=10 {
        let after = if step == 1 {
            String::new()
        } else {
            format!("    after: e{}\n", step - 1)
        };
        // Writing to a text cannot fail.
        let _ = write!(
            source,
            "  e{step}:\n{after}    call: flowforge:http/post\n    with:\n      url: ${{config.fixture}}/mark\n      \
             json: {{ id: \"${{input.id}}\" }}\n    allow: [\"${{config.fixture}}\"]\n"
        );
    }
    source + "output: { id: \"${input.id}\" }\n"
}
