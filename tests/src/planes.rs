//! Both planes as two processes: a control plane and one host that joined it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use flowforge_client::{Api, Context};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::flowforge::Flowforge;
use crate::programs::{Programs, Running};

/// How long a host may take to come up and be heard.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// Names the database of a control plane.
const DATABASE: &str = "FLOWFORGE_DATABASE";
/// How often the control plane is asked whether something has happened.
const LOOK: Duration = Duration::from_millis(25);

/// Control plane and host, in one folder.
#[derive(Debug)]
pub struct Planes {
    programs: Programs,
    data: PathBuf,
    name: &'static str,
    flowforge: Flowforge,
    api: Api,
    first_link: Option<String>,
    host_arguments: Vec<String>,
    /// Variables of both programs.
    variables: Vec<(String, String)>,
    metrics: Option<String>,
    host: Option<Running>,
    plane: Running,
}

impl Planes {
    /// Starts the control plane in a folder; the host is started by [`Planes::start_host`] under this name.
    ///
    /// # Errors
    /// It does not start; the error shows what it said.
    pub fn start(programs: Programs, data: &Path, name: &'static str) -> Result<Self> {
        Self::start_on(programs, data, name, None)
    }

    /// As [`Planes::start`], with what the control plane has in this database.
    ///
    /// # Errors
    /// It does not start; the error shows what it said.
    pub fn start_on(
        programs: Programs,
        data: &Path,
        name: &'static str,
        database: Option<&str>,
    ) -> Result<Self> {
        let database = database.map(|url| (DATABASE, url));
        Self::start_with(programs, data, name, database.as_slice())
    }

    /// As [`Planes::start`], with these variables for both programs.
    ///
    /// # Errors
    /// It does not start; the error shows what it said.
    pub fn start_with(
        programs: Programs,
        data: &Path,
        name: &'static str,
        variables: &[(&str, &str)],
    ) -> Result<Self> {
        fs::create_dir_all(data)?;
        let data = fs::canonicalize(data)?;
        let home = data.join("home");
        let variables: Vec<(String, String)> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let (plane, ready) = new_plane(&programs, &data, "127.0.0.1:0", &variables)?;
        let client = data.join("plane/client.json");
        Ok(Self {
            first_link: ready.get("first_link").and_then(Value::as_str).map(str::to_owned),
            flowforge: Flowforge::new(&programs, &home).with_context(&client),
            api: Api::new(Context::resolve(None, Some(&client))?)?,
            programs,
            data,
            name,
            host_arguments: Vec::new(),
            metrics: ready.get("metrics").and_then(Value::as_str).map(str::to_owned),
            variables,
            host: None,
            plane,
        })
    }

    /// Gives the host these arguments, too, whenever it is started.
    #[must_use]
    pub fn with_host_arguments(mut self, arguments: &[&str]) -> Self {
        self.host_arguments = arguments.iter().map(|text| (*text).to_owned()).collect();
        self
    }

    /// The address by which the first administrator makes an account, as it was printed.
    #[must_use]
    pub fn first_link(&self) -> Option<&str> {
        self.first_link.as_deref()
    }

    /// Where the control plane's metrics are served, if `FLOWFORGE_METRICS_ADDR` is among its variables.
    #[must_use]
    pub fn metrics(&self) -> Option<&str> {
        self.metrics.as_deref()
    }

    /// The programs.
    #[must_use]
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The command line, speaking to this control plane.
    #[must_use]
    pub fn flowforge(&self) -> &Flowforge {
        &self.flowforge
    }

    /// A client of this control plane.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// The folder of everything.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The control plane's process.
    #[must_use]
    pub fn plane(&self) -> &Running {
        &self.plane
    }

    /// The host's process.
    ///
    /// # Errors
    /// It is not running.
    pub fn host(&self) -> Result<&Running> {
        self.host.as_ref().context("the host is not running")
    }

    /// Starts the host and waits until the control plane has heard of it; gives the time that took.
    ///
    /// With `fail_points` it fails or holds where that plan says.
    ///
    /// # Errors
    /// It does not come up; the error shows what it said.
    pub async fn start_host(&mut self, fail_points: Option<&str>) -> Result<Duration> {
        let before = self.last_heard().await?;
        let started = Instant::now();
        let mut host = self.new_host(fail_points)?;
        while self.last_heard().await? <= before {
            if !host.is_running()? {
                bail!("the host ended at its start:\n{}", host.end_of_log());
            }
            if started.elapsed() > CONNECT_TIMEOUT {
                bail!(
                    "the host was not heard in {} s:\n{}",
                    CONNECT_TIMEOUT.as_secs(),
                    host.end_of_log()
                );
            }
            sleep(LOOK).await;
        }
        self.host = Some(host);
        Ok(started.elapsed())
    }

    fn new_host(&self, fail_points: Option<&str>) -> Result<Running> {
        let mut command = Command::new(self.programs.path("flowforge-host"));
        command
            .arg("--data-dir")
            .arg(self.data.join("host"))
            .arg("--join")
            .arg(self.data.join("plane/host-join.json"))
            .args(["--name", self.name, "--loopback-destinations"])
            .args(&self.host_arguments)
            .envs(self.variables.iter().cloned());
        if let Some(plan) = fail_points {
            command.env("FLOWFORGE_FAILPOINTS", plan);
        }
        Running::start("host", &mut command, &self.data.join("logs"))
    }

    /// Kills the control plane as a power cut does, has `meanwhile` do something to the folder of everything, and starts it
    /// again at the same address, with what it has in this database.
    ///
    /// # Errors
    /// It does not end or does not start.
    pub fn renew_plane(
        &mut self,
        database: Option<&str>,
        meanwhile: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<()> {
        let server = &self.api.context().server;
        let address = server.trim_start_matches("http://").to_owned();
        self.plane.kill_and_wait()?;
        meanwhile(&self.data)?;
        self.variables.retain(|(name, _)| name != DATABASE);
        self.variables
            .extend(database.map(|url| (DATABASE.to_owned(), url.to_owned())));
        (self.plane, _) = new_plane(&self.programs, &self.data, &address, &self.variables)?;
        Ok(())
    }

    /// Starts the host with a plan by which it may die before anybody hears of it, and waits for nothing.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start_doomed_host(&mut self, fail_points: &str) -> Result<()> {
        self.host = Some(self.new_host(Some(fail_points))?);
        Ok(())
    }

    /// Whether the host's process is there and has not ended.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn host_lives(&mut self) -> Result<bool> {
        self.host.as_mut().map_or(Ok(false), Running::is_running)
    }

    /// Kills the host as a power cut does.
    ///
    /// # Errors
    /// It was not running.
    pub fn kill_host(&mut self) -> Result<()> {
        let mut host = self.host.take().context("the host is not running")?;
        if !host.is_running()? {
            bail!("the host ended by itself:\n{}", host.end_of_log());
        }
        host.kill()
    }

    /// Waits until the host ends by itself, and gives the last lines of its log.
    ///
    /// # Errors
    /// It was not running, or it goes on; the error shows what it said.
    pub async fn host_ends(&mut self) -> Result<String> {
        let mut host = self.host.take().context("the host is not running")?;
        let until = Instant::now() + CONNECT_TIMEOUT;
        while host.is_running()? {
            if Instant::now() > until {
                bail!(
                    "the host did not end in {} s:\n{}",
                    CONNECT_TIMEOUT.as_secs(),
                    host.end_of_log()
                );
            }
            sleep(LOOK).await;
        }
        Ok(host.end_of_log())
    }

    /// What the host says of itself.
    ///
    /// # Errors
    /// It does not answer.
    pub fn host_status(&self) -> Result<Value> {
        let output = Command::new(self.programs.path("flowforge-host"))
            .args(["status", "--output", "json", "--data-dir"])
            .arg(self.data.join("host"))
            .output()?;
        if !output.status.success() {
            bail!(
                "the host gives no status: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Stops the host, then the control plane, in order.
    ///
    /// # Errors
    /// A program does not end when asked to.
    pub fn stop(self) -> Result<()> {
        if let Some(host) = self.host {
            host.stop()?;
        }
        self.plane.stop()?;
        Ok(())
    }

    /// Starts the control plane again at its address, after it was killed as a power cut does or has ended by itself.
    ///
    /// With `fail_points` it ends where that plan says.
    ///
    /// # Errors
    /// It does not come up; the error shows what it said.
    pub fn restart_plane(&mut self, fail_points: Option<&str>) -> Result<()> {
        let server = self.api.context().server.trim_end_matches('/').to_owned();
        let address = server.strip_prefix("http://").unwrap_or(&server);
        self.plane.end()?;
        let mut serve = plane_command(&self.programs, &self.data, address, &self.variables);
        if let Some(plan) = fail_points {
            serve.env("FLOWFORGE_FAILPOINTS", plan);
        }
        self.plane = Running::start("plane", &mut serve, &self.data.join("logs"))?;
        self.plane.first_line()?;
        Ok(())
    }

    /// Waits until the control plane has ended by itself.
    ///
    /// # Errors
    /// It goes on.
    pub async fn plane_ends(&mut self) -> Result<()> {
        let until = Instant::now() + CONNECT_TIMEOUT;
        while self.plane.is_running()? {
            if Instant::now() > until {
                bail!("the control plane goes on:\n{}", self.plane.end_of_log());
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// When the control plane last heard the host, milliseconds since 1970; 0 for never.
    async fn last_heard(&self) -> Result<u64> {
        let data = self
            .api
            .ask("{ hosts { name lastHeardMs } }", Value::Null)
            .await?;
        let hosts = data
            .get("hosts")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let host = hosts
            .iter()
            .find(|host| host.get("name").and_then(Value::as_str) == Some(self.name));
        Ok(host
            .and_then(|host| host.get("lastHeardMs"))
            .and_then(Value::as_u64)
            .unwrap_or(0))
    }
}

fn plane_command(programs: &Programs, data: &Path, listen: &str, variables: &[(String, String)]) -> Command {
    let mut serve = Command::new(programs.path("flowforge"));
    serve
        .args(["server", "--listen", listen, "--output", "json", "--data-dir"])
        .arg(data.join("plane"))
        .arg("--endpoint-loopback")
        .env("FLOWFORGE_HOME", data.join("home"))
        .envs(variables.iter().cloned());
    serve
}

/// A control plane in its folder, when it is ready, and what it said of itself.
fn new_plane(
    programs: &Programs,
    data: &Path,
    listen: &str,
    variables: &[(String, String)],
) -> Result<(Running, Value)> {
    let mut serve = plane_command(programs, data, listen, variables);
    let mut plane = Running::start("plane", &mut serve, &data.join("logs"))?;
    let ready = serde_json::from_str(&plane.first_line()?).context("the plane printed no JSON")?;
    Ok((plane, ready))
}
