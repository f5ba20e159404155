//! PostgreSQL's own programs that write a database down and read it in.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use tokio_postgres::config::Host;

use super::Place;
use crate::copy_error::CopyError;

/// Where Debian and its relatives keep each version's programs.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Most that is kept of what a program says.
const SAID_BYTES: usize = 2_000;

/// Writes the database down, as it is at one moment, into a new file of this user alone.
pub(crate) async fn dump(place: &Place, to: &Path) -> Result<(), CopyError> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to);
    made.map_err(|source| CopyError::Io {
        path: to.to_owned(),
        source,
    })?;
    let arguments = ["--format=custom", "--no-owner", "--no-privileges", "--file"];
    run(place, "pg_dump", &arguments, to).await
}

/// Reads it into an empty database: all of it, or nothing.
pub(crate) async fn load(place: &Place, from: &Path) -> Result<(), CopyError> {
    let database = format!("--dbname={}", name(place));
    let arguments = [
        "--single-transaction",
        "--exit-on-error",
        "--no-owner",
        "--no-privileges",
        &database,
    ];
    run(place, "pg_restore", &arguments, from).await
}

async fn run(place: &Place, tool: &'static str, arguments: &[&str], file: &Path) -> Result<(), CopyError> {
    let program = find(tool).ok_or(CopyError::NoTool { tool })?;
    let mut command = Command::new(&program);
    command.args(arguments).arg(file).envs(connection(place));
    let ended = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output()
        .await;
    let ended = ended.map_err(|source| CopyError::Io {
        path: program,
        source,
    })?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let said = said.trim().chars().take(SAID_BYTES).collect();
    Err(CopyError::Tool { tool, said })
}

/// How the programs are told where the database is: not by arguments, which every user of the machine can read.
fn connection(place: &Place) -> Vec<(&'static str, OsString)> {
    let config = &place.config;
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.into(),
        Some(Host::Unix(path)) => path.clone().into_os_string(),
        None => "localhost".into(),
    };
    let mut said = vec![("PGHOST", host), ("PGDATABASE", name(place).into())];
    if let Some(port) = config.get_ports().first() {
        said.push(("PGPORT", port.to_string().into()));
    }
    if let Some(user) = config.get_user() {
        said.push(("PGUSER", user.into()));
    }
    if let Some(password) = config.get_password() {
        said.push((
            "PGPASSWORD",
            String::from_utf8_lossy(password).into_owned().into(),
        ));
    }
    // Messages in the language of the other messages here.
    said.push(("LC_ALL", "C".into()));
    said
}

/// The database's name: that of its user unless another is given.
fn name(place: &Place) -> &str {
    let config = &place.config;
    config.get_dbname().or(config.get_user()).unwrap_or_default()
}

/// Where a program is: in `PATH`, or with the newest version that is installed.
fn find(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join(tool));
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(VERSIONS)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin").join(tool)))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    let installed = versions.into_iter().map(|(_, program)| program);
    in_path.chain(installed).find(|program| program.is_file())
}
