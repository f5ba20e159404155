//! A PostgreSQL for tests: a cluster of its own in a temporary folder, reached by a socket in that folder alone.
//!
//! PostgreSQL refuses to run as root; then its own user runs it. It keeps nothing that must outlive a power cut, so it does
//! not wait for the disk.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::tools::{POSTGRES_AT_LEAST, is_root, postgres_programs};

/// The variable that tells the tests where the cluster is.
pub(crate) const VARIABLE: &str = "FLOWFORGE_TEST_POSTGRES";
/// Sessions at once: some for each test that runs beside others.
const SESSIONS: u32 = 300;

/// A cluster that runs until it is dropped.
pub(crate) struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
}

impl Cluster {
    /// Makes and starts one.
    pub(crate) fn start() -> Result<Self> {
        let programs = postgres_programs().with_context(missing)?;
        let folder = std::env::temp_dir().join(format!("flowforge-pg-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let cluster = Self { programs, folder };
        if is_root() {
            let given = Command::new("chown")
                .arg("postgres")
                .arg(&cluster.folder)
                .status()?;
            if !given.success() {
                bail!(
                    "{} cannot be given to the user `postgres`",
                    cluster.folder.display()
                );
            }
        }
        let data = cluster.data();
        cluster.run(
            "initdb",
            [OsStr::new("-D"), data.as_os_str()].into_iter().chain(
                [
                    "-U",
                    "ff",
                    "-A",
                    "trust",
                    "--no-sync",
                    "--no-locale",
                    "-E",
                    "UTF8",
                ]
                .map(OsStr::new),
            ),
        )?;
        let settings = format!(
            "-c listen_addresses='' -c unix_socket_directories={} -c fsync=off -c max_connections={SESSIONS}",
            cluster.folder.display()
        );
        let log = cluster.folder.join("log");
        let words = ["-w", "-l"].map(OsStr::new).into_iter();
        let words = words.chain([log.as_os_str(), OsStr::new("-o"), OsStr::new(&settings)]);
        let words = words.chain([OsStr::new("-D"), data.as_os_str(), OsStr::new("start")]);
        cluster.run("pg_ctl", words)?;
        Ok(cluster)
    }

    /// Its address, to which `&dbname=NAME` is added.
    pub(crate) fn address(&self) -> String {
        format!("postgres://ff@?host={}", self.folder.display())
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn run<'a>(&self, program: &str, words: impl Iterator<Item = &'a OsStr>) -> Result<()> {
        let path = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        // Its own user may not read the folder that this program was started in.
        let output = command
            .args(words)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .with_context(|| format!("{program} could not be started"))?;
        if output.success() {
            return Ok(());
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        bail!("{program} failed\n{log}")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.data();
        let words = ["-m", "immediate", "-D"].map(OsStr::new).into_iter();
        let words = words.chain([data.as_os_str(), OsStr::new("stop")]);
        if let Err(error) = self.run("pg_ctl", words) {
            eprintln!(
                "the PostgreSQL in {} was not stopped: {error:#}",
                self.folder.display()
            );
        }
        // What is left of it is in the temporary folder.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn missing() -> String {
    format!("no PostgreSQL {POSTGRES_AT_LEAST} or later on this machine: cargo xtask test says how to get it")
}

/// `cargo xtask postgres -- COMMAND`: runs a command beside a cluster, and says to it where that is.
pub(crate) fn command(words: &[&str]) -> Result<ExitCode> {
    let words = words.strip_prefix(&["--"]).unwrap_or(words);
    let Some((program, arguments)) = words.split_first() else {
        bail!("say what to run beside it: cargo xtask postgres -- cargo nextest run -p flowforge-store");
    };
    let cluster = Cluster::start()?;
    let status = Command::new(program)
        .args(arguments)
        .env(VARIABLE, cluster.address())
        .status()
        .with_context(|| format!("{program} could not be started"))?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
