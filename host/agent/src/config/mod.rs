//! What a host is told at its start: flags over environment over file over defaults, checked once.

mod rules;

use std::path::{Path, PathBuf};
use std::time::Duration;

use flowforge_protocol::value::INLINE_BYTES;
use flowforge_runtime::CompileWorker;
use flowforge_runtime::artefacts::StoreLimits;
use serde::Deserialize;

use self::rules::{host_name, in_range, in_time};
use crate::join::{Join, JoinError};
use crate::link::line::Way;
use crate::link::proxy::ProxyForm;
use crate::site::{SiteFileError, SiteSettings};

/// Settings as a person gives them, each absent unless given. Also the shape of the configuration file (TOML).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Folder for journal, keys, caches and socket. No default.
    pub data_dir: Option<PathBuf>,
    /// The join file. No default; not needed by a host that has enrolled.
    pub join: Option<PathBuf>,
    /// Name of this host, for people. Default `host`; one that enrolled with a token has the name that stands in it.
    pub name: Option<String>,
    /// A proxy on the way to the control plane, `http://[USER:PASSWORD@]NAME:PORT`. Default none. Connectors never use it.
    pub proxy: Option<String>,
    /// Most runs that are awake at once. Those that wait for something do not count. Default 10,000.
    pub max_runs: Option<u32>,
    /// Most runs that wait for something at once. Default 100,000.
    pub max_waiting: Option<u32>,
    /// Most connector calls at the same time. Default four for each core, at least 16.
    pub max_steps: Option<u32>,
    /// Most bytes that wait for upload before no new work is taken. Default 32 MiB.
    pub max_outbox_bytes: Option<u64>,
    /// Most bytes of the runs in the journal; records wait for room beyond it, and no new work is taken from three quarters
    /// on. Default 52 MiB.
    pub max_journal_bytes: Option<u64>,
    /// Bytes of artefacts; from three quarters on, those that nobody wants go. Default 16 GiB.
    pub max_artefact_bytes: Option<u64>,
    /// Values above this size, in bytes, are kept once in the journal, however many records hold them; smaller ones stand
    /// beside each record. Default 32 KiB.
    pub max_inline_bytes: Option<u32>,
    /// Free bytes on the data folder's disk below which no new work is taken. Default 64 MiB.
    pub min_free_bytes: Option<u64>,
    /// How long a sealed copy of a secret is used after the control plane last confirmed it, as `24h`. Default `24h`.
    pub secret_lease: Option<String>,
    /// How long running steps may finish after the first stop signal, as `10s` or `500ms`. Default `10s`.
    pub shutdown_grace: Option<String>,
    /// Whether connectors may reach loopback destinations. Default false; for development only.
    pub loopback_destinations: Option<bool>,
    /// What this site allows. In the file it is the table `[site]`.
    #[serde(default)]
    pub site: SiteSettings,
    /// A file of its own for what this site allows, in the place of the table. Default none.
    pub site_file: Option<PathBuf>,
    /// The collector of telemetry, `http://NAME:PORT` or `https://NAME:PORT`. Default none: nothing is sent.
    pub otlp_endpoint: Option<String>,
    /// Bytes of telemetry that leave in a second. Default 128 KiB.
    pub otlp_bytes_per_second: Option<u64>,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the cause says.
        #[source]
        source: std::io::Error,
    },
    /// The file is not what is expected.
    #[error("the configuration file {} is wrong: {reason}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Line, key and rule.
        reason: String,
    },
    /// A setting without default is absent.
    #[error(
        "{key} is not set: give --{key}, the variable FLOWFORGE_{variable}, or `{key}` in the configuration file"
    )]
    Missing {
        /// The key.
        key: &'static str,
        /// The end of the variable's name.
        variable: &'static str,
    },
    /// A value is outside its range.
    #[error("{key} is `{value}`: {rule}")]
    Value {
        /// The key.
        key: &'static str,
        /// As given.
        value: String,
        /// What is allowed.
        rule: &'static str,
    },
    /// The join file cannot be used.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The proxy is none.
    #[error("proxy: {0}")]
    Proxy(#[from] ProxyForm),
    /// Telemetry is asked for as it cannot be.
    #[error(transparent)]
    Telemetry(#[from] flowforge_telemetry::SettingsError),
    /// The site file cannot be used.
    #[error(transparent)]
    SiteFile(#[from] SiteFileError),
    /// The table of the site cannot be used.
    #[error("the table [site] is wrong: {0}")]
    SiteTable(String),
    /// What the site allows stands in two places.
    #[error(
        "what the site allows stands in {} and in the table [site] or in --private-network: let it stand in one place",
        .0.display()
    )]
    TwoSites(PathBuf),
}

/// How long the expressions of one step may take, and those of a run's output.
pub const EVALUATION_TIMEOUT: Duration = Duration::from_secs(5);

/// Checked configuration.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Folder for journal, keys, caches and socket; made if absent.
    pub data_dir: PathBuf,
    /// Address, invitation and trust.
    pub join: Join,
    /// Name of this host, for people: 1 to 64 characters of `a-z`, `0-9` and `-`.
    pub name: String,
    /// The way to the control plane.
    pub way: Way,
    /// Bounds.
    pub limits: HostLimits,
    /// How long running steps may finish after the first stop signal.
    pub shutdown_grace: Duration,
    /// How long the expressions of one step may take: [`EVALUATION_TIMEOUT`] but in tests.
    pub evaluation_timeout: Duration,
    /// Whether connectors may reach loopback destinations.
    pub loopback_destinations: bool,
    /// What this site allows besides.
    pub site: SiteSettings,
    /// Where telemetry goes, if anywhere.
    pub telemetry: Option<flowforge_telemetry::Settings>,
    /// Who compiles connectors: normally this very program, called with a hidden argument.
    pub compile_worker: CompileWorker,
}

/// What one host holds at most. At each limit but those of calls, copies, values and artefacts the host tells the control
/// plane that it is busy, and takes nothing new; what is here goes on to its end.
///
/// | limit | setting | default | at the limit |
/// |---|---|---|---|
/// | runs awake at once | `max-runs` | 10,000 | no new run |
/// | runs that wait | `max-waiting` | 100,000 | no new run |
/// | connector calls at once | `max-steps` | four for each core, 16 to 256 | further calls wait their turn |
/// | bytes that wait for upload | `max-outbox-bytes` | 32 MiB | no new run |
/// | bytes of runs in the journal | `max-journal-bytes` | 52 MiB | records wait for room; no new run from 3/4 on |
/// | bytes of artefacts | `max-artefact-bytes` | 16 GiB | the attempt that wants more fails; unwanted ones go from 3/4 on |
/// | bytes of a value beside its record | `max-inline-bytes` | 32 KiB | the value is kept once |
/// | free bytes on the disk | `min-free-bytes` | 64 MiB | no new run |
/// | age of a secret's copy | `secret-lease` | 24 h | the copy is not used without the control plane |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostLimits {
    /// Runs awake at once.
    pub max_runs: u32,
    /// Runs that wait at once.
    pub max_waiting: u32,
    /// Connector calls at the same time; further ones wait their turn in order.
    pub max_steps: u32,
    /// Bytes that wait for upload.
    pub max_outbox_bytes: u64,
    /// Bytes of the runs in the journal.
    pub max_journal_bytes: u64,
    /// Bytes of artefacts.
    pub max_artefact_bytes: u64,
    /// Bytes of a value that stands beside its record; a larger one is kept once in the journal.
    pub max_inline_bytes: u32,
    /// Free bytes on the data folder's disk that are left for finishing.
    pub min_free_bytes: u64,
    /// How long a sealed copy of a secret is used after the control plane last confirmed it.
    pub secret_lease: Duration,
}

impl Default for HostLimits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(4, usize::from);
        Self {
            max_runs: 10_000,
            max_waiting: 100_000,
            max_steps: u32::try_from(cores.saturating_mul(4))
                .unwrap_or(64)
                .clamp(16, 256),
            max_outbox_bytes: 32 * 1024 * 1024,
            max_journal_bytes: 52 * 1024 * 1024,
            max_artefact_bytes: StoreLimits::default().bytes_max,
            max_inline_bytes: u32::try_from(INLINE_BYTES).unwrap_or(u32::MAX),
            min_free_bytes: 64 * 1024 * 1024,
            secret_lease: Duration::from_hours(24),
        }
    }
}

impl Settings {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// [`ConfigError::Read`], [`ConfigError::Malformed`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        toml::from_str(&text).map_err(|error| ConfigError::Malformed {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }

    /// These settings, and where one is absent that of `below`.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            data_dir: self.data_dir.or(below.data_dir),
            join: self.join.or(below.join),
            name: self.name.or(below.name),
            proxy: self.proxy.or(below.proxy),
            max_runs: self.max_runs.or(below.max_runs),
            max_waiting: self.max_waiting.or(below.max_waiting),
            max_steps: self.max_steps.or(below.max_steps),
            max_outbox_bytes: self.max_outbox_bytes.or(below.max_outbox_bytes),
            max_journal_bytes: self.max_journal_bytes.or(below.max_journal_bytes),
            max_artefact_bytes: self.max_artefact_bytes.or(below.max_artefact_bytes),
            max_inline_bytes: self.max_inline_bytes.or(below.max_inline_bytes),
            min_free_bytes: self.min_free_bytes.or(below.min_free_bytes),
            secret_lease: self.secret_lease.or(below.secret_lease),
            shutdown_grace: self.shutdown_grace.or(below.shutdown_grace),
            loopback_destinations: self.loopback_destinations.or(below.loopback_destinations),
            site_file: self.site_file.or(below.site_file),
            otlp_endpoint: self.otlp_endpoint.or(below.otlp_endpoint),
            otlp_bytes_per_second: self.otlp_bytes_per_second.or(below.otlp_bytes_per_second),
            site: SiteSettings {
                private_networks: if self.site.private_networks.is_empty() {
                    below.site.private_networks
                } else {
                    self.site.private_networks
                },
                // The command line has no words for these.
                ..below.site
            },
        }
    }

    /// Checks the settings and reads the join file.
    ///
    /// # Errors
    /// [`ConfigError::Missing`], [`ConfigError::Value`], [`ConfigError::Join`]; each names key or file.
    pub fn check(mut self, compile_worker: CompileWorker) -> Result<HostConfig, ConfigError> {
        let limits = self.limits()?;
        let (way, site, telemetry) = (self.way()?, self.site()?, self.telemetry()?);
        let data_dir = self.data_dir.ok_or(ConfigError::Missing {
            key: "data-dir",
            variable: "DATA_DIR",
        })?;
        let shutdown_grace = in_time(
            "shutdown-grace",
            self.shutdown_grace,
            Duration::from_secs(10),
            Duration::from_hours(1),
            "expected a number and its unit, at most an hour: `500ms`, `10s`, `2m`",
        )?;
        let join = match &self.join {
            Some(path) => Some(Join::read(path)?),
            None => Join::of_enrolled(&data_dir)?,
        };
        let join = join.ok_or(ConfigError::Missing {
            key: "join",
            variable: "JOIN",
        })?;
        Ok(HostConfig {
            data_dir,
            name: host_name(
                self.name
                    .or_else(|| join.name.clone())
                    .unwrap_or_else(|| "host".to_owned()),
            )?,
            join,
            way,
            limits,
            shutdown_grace,
            evaluation_timeout: EVALUATION_TIMEOUT,
            loopback_destinations: self.loopback_destinations.unwrap_or(false),
            site,
            telemetry,
            compile_worker,
        })
    }

    /// The way to the control plane.
    ///
    /// # Errors
    /// [`ConfigError::Proxy`].
    pub fn way(&self) -> Result<Way, ConfigError> {
        let proxy = self.proxy.as_deref().filter(|text| !text.trim().is_empty());
        Ok(Way {
            proxy: proxy.map(str::parse).transpose()?,
        })
    }

    /// What this site allows, from the one place where it stands.
    ///
    /// # Errors
    /// [`ConfigError::SiteFile`], [`ConfigError::TwoSites`].
    pub fn site(&self) -> Result<SiteSettings, ConfigError> {
        match &self.site_file {
            None => {
                self.site.check().map_err(ConfigError::SiteTable)?;
                Ok(self.site.clone())
            }
            Some(path) if self.site != SiteSettings::default() => Err(ConfigError::TwoSites(path.clone())),
            Some(path) => Ok(SiteSettings::read(path)?),
        }
    }

    fn limits(&mut self) -> Result<HostLimits, ConfigError> {
        let defaults = HostLimits::default();
        Ok(HostLimits {
            max_runs: in_range(
                "max-runs",
                self.max_runs,
                defaults.max_runs,
                1,
                100_000,
                "expected 1 to 100000",
            )?,
            max_waiting: in_range(
                "max-waiting",
                self.max_waiting,
                defaults.max_waiting,
                1,
                1_000_000,
                "expected 1 to 1000000",
            )?,
            max_steps: in_range(
                "max-steps",
                self.max_steps,
                defaults.max_steps,
                1,
                1_000,
                "expected 1 to 1000",
            )?,
            max_outbox_bytes: in_range(
                "max-outbox-bytes",
                self.max_outbox_bytes,
                defaults.max_outbox_bytes,
                1 << 20,
                1 << 40,
                "expected 1048576 (1 MiB) to 1099511627776 (1 TiB)",
            )?,
            max_journal_bytes: in_range(
                "max-journal-bytes",
                self.max_journal_bytes,
                defaults.max_journal_bytes,
                8 << 20,
                1 << 40,
                "expected 8388608 (8 MiB) to 1099511627776 (1 TiB)",
            )?,
            max_artefact_bytes: in_range(
                "max-artefact-bytes",
                self.max_artefact_bytes,
                defaults.max_artefact_bytes,
                1 << 20,
                1 << 50,
                "expected 1048576 (1 MiB) to 1125899906842624 (1 PiB)",
            )?,
            max_inline_bytes: in_range(
                "max-inline-bytes",
                self.max_inline_bytes,
                defaults.max_inline_bytes,
                1_024,
                1 << 20,
                "expected 1024 (1 KiB) to 1048576 (1 MiB)",
            )?,
            min_free_bytes: in_range(
                "min-free-bytes",
                self.min_free_bytes,
                defaults.min_free_bytes,
                0,
                1 << 40,
                "expected 0 (no limit) to 1099511627776 (1 TiB)",
            )?,
            secret_lease: in_time(
                "secret-lease",
                self.secret_lease.take(),
                defaults.secret_lease,
                Duration::from_hours(24 * 30),
                "expected 0s (no use without the control plane) to 720h",
            )?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_in_the_file_names_file_and_key() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("host.toml");
        std::fs::write(&path, "max-runs = 5\nmax-stpes = 3\n").expect("write");
        let error = Settings::read(&path).expect_err("unknown key").to_string();
        assert!(
            error.contains("host.toml") && error.contains("max-stpes"),
            "{error}"
        );
    }

    #[test]
    fn a_site_opens_private_networks_and_nothing_else() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("host.toml");
        let read = |networks: &str| {
            std::fs::write(&path, format!("[site]\nprivate-networks = [{networks}]\n")).expect("write");
            Settings::read(&path)
        };
        let site = read("\"10.20.0.0/16\", \"192.168.1.10/32:502\"")
            .expect("networks")
            .site;
        assert_eq!(site.private_networks.len(), 2);
        for wrong in ["\"8.8.8.0/24\"", "\"169.254.0.0/16\"", "\"here\""] {
            let error = read(wrong).expect_err(wrong).to_string();
            assert!(
                error.contains("host.toml") && error.contains("private-networks"),
                "{error}"
            );
        }
        assert_eq!(
            Settings::default()
                .over(read("\"10.20.0.0/16\"").expect("one"))
                .site
                .private_networks
                .len(),
            1
        );
    }

    #[test]
    fn flags_win_over_the_file_and_absent_ones_fall_through() {
        let flags = Settings {
            name: Some("edge".into()),
            ..Settings::default()
        };
        let file = Settings {
            name: Some("file".into()),
            max_runs: Some(0),
            data_dir: Some("d".into()),
            join: Some("j".into()),
            ..Settings::default()
        };
        let merged = flags.over(file);
        assert_eq!(merged.name.as_deref(), Some("edge"));
        let error = merged
            .check(CompileWorker::InProcess)
            .expect_err("0 runs")
            .to_string();
        assert_eq!(error, "max-runs is `0`: expected 1 to 100000");
        let error = Settings::default()
            .check(CompileWorker::InProcess)
            .expect_err("nothing given")
            .to_string();
        assert_eq!(
            error,
            "data-dir is not set: give --data-dir, the variable FLOWFORGE_DATA_DIR, or `data-dir` in the configuration file"
        );
    }
}
