//! The data folder: what is pinned in it, and whether it can be written.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use flowforge_failpoints::FailPoints;
use flowforge_journal::{Journal, JournalConfig, Recovered};
use flowforge_protocol::TrustRoot;
use serde::Serialize;

use crate::clock::Entropy;
use crate::enrolment::{TRUST_FILE, pinned_trust};
use crate::files;
use crate::start_error::StartError;

/// The journal in the data folder.
pub(crate) const JOURNAL_FILE: &str = "journal.redb";

/// Takes the data folder: makes it, or checks that an existing one is this user's alone.
pub(crate) fn take(data_dir: &Path) -> Result<(), StartError> {
    files::make_private_dir(data_dir).map_err(|source| StartError::folder(data_dir, source))?;
    match files::exposure(data_dir).map_err(|source| StartError::folder(data_dir, source))? {
        None => Ok(()),
        Some(exposure) => Err(StartError::Exposed {
            path: data_dir.to_owned(),
            exposure,
        }),
    }
}

/// How many runs and results the journal holds that the control plane may not have.
///
/// # Errors
/// [`StartError`]: the journal cannot be opened, or is open elsewhere.
pub(crate) fn held(data_dir: &Path, entropy: &dyn Entropy) -> Result<usize, StartError> {
    if !data_dir.join(JOURNAL_FILE).exists() {
        return Ok(0);
    }
    let (_journal, recovered) = open_journal(data_dir, entropy)?;
    Ok(recovered.runs.len() + recovered.damaged.len() + recovered.outbox_items)
}

/// What a look at a journal brought.
#[derive(Debug, Serialize)]
pub struct JournalFindings {
    /// Runs that have not ended.
    pub unfinished_runs: usize,
    /// Runs that ended and are still kept.
    pub ended_runs: usize,
    /// Rows and receipts that wait to be sent.
    pub to_upload: usize,
    /// It had confirmed more than it holds.
    pub lost_commits: bool,
    /// Runs of which something is not what was written.
    pub damaged: Vec<DamagedFinding>,
}

/// A run of which something is not what was written.
#[derive(Debug, Serialize)]
pub struct DamagedFinding {
    /// The run.
    pub run: String,
    /// What was found first.
    pub damage: String,
}

impl JournalFindings {
    /// Whether all is as it was written.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.lost_commits && self.damaged.is_empty()
    }
}

/// Looks at the journal of a host that is not running.
///
/// # Errors
/// [`StartError`]: there is none, it is damaged as a whole, or open elsewhere.
pub fn verify_journal(data_dir: &Path, entropy: &dyn Entropy) -> Result<JournalFindings, StartError> {
    let path = data_dir.join(JOURNAL_FILE);
    if let Err(source) = std::fs::metadata(&path) {
        return Err(StartError::folder(&path, source));
    }
    let (_journal, found) = open_journal(data_dir, entropy)?;
    let damaged = found.damaged.iter().map(|damaged| DamagedFinding {
        run: damaged.run.to_string(),
        damage: damaged.damage.to_string(),
    });
    Ok(JournalFindings {
        unfinished_runs: found.runs.len(),
        ended_runs: found.ended_runs,
        to_upload: found.outbox_items,
        lost_commits: found.lost.is_some(),
        damaged: damaged.collect(),
    })
}

/// Opens the journal of a host that is not running; every record that it keeps is looked at.
///
/// # Errors
/// [`StartError`].
pub(crate) fn open_journal(
    data_dir: &Path,
    entropy: &dyn Entropy,
) -> Result<(Journal, Recovered), StartError> {
    let mut incarnation = [0; 16];
    entropy.fill(&mut incarnation);
    let config = JournalConfig::at(data_dir.join(JOURNAL_FILE), incarnation);
    Ok(Journal::open(config, FailPoints::inert())?)
}

/// Moves a journal that cannot be opened out of the way; answers its new name. `None` if nothing is wrong with it.
///
/// # Errors
/// [`StartError`]: it cannot be opened for another reason, which is to be seen to instead.
pub fn set_journal_aside(data_dir: &Path) -> Result<Option<PathBuf>, StartError> {
    let config = JournalConfig::at(data_dir.join(JOURNAL_FILE), [0; 16]);
    Ok(flowforge_journal::quarantine(&config)?)
}

/// Pins the trust root at the first start; later ones must be the same or newer.
pub(crate) fn pin_trust(data_dir: &Path, offered: &TrustRoot) -> Result<(), StartError> {
    let path = data_dir.join(TRUST_FILE);
    let differs = |reason| StartError::Trust {
        path: path.clone(),
        reason,
    };
    let pinned = pinned_trust(data_dir).map_err(|_| differs("the pinned one cannot be read"))?;
    if let Some(pinned) = pinned {
        if pinned == *offered {
            return Ok(());
        }
        if pinned.workspace != offered.workspace {
            return Err(differs("it is for another workspace"));
        }
        if offered.version <= pinned.version {
            return Err(differs("it has other keys but no higher version"));
        }
    }
    let bytes =
        serde_json::to_vec_pretty(offered).map_err(|error| StartError::folder(&path, error.into()))?;
    files::write_private(&path, &bytes).map_err(|source| StartError::folder(&path, source))
}

/// Whether the data folder can be written, tried with a file that is removed again.
///
/// # Errors
/// Why not, for people.
pub fn can_write(data_dir: &Path) -> Result<String, String> {
    let describe = |error: io::Error| format!("{} cannot be written: {error}", data_dir.display());
    files::make_private_dir(data_dir).map_err(describe)?;
    let probe: PathBuf = data_dir.join(format!(".probe.{}", std::process::id()));
    let begun = Instant::now();
    files::write_private(&probe, b"probe").map_err(describe)?;
    let took = begun.elapsed();
    std::fs::remove_file(&probe).map_err(describe)?;
    Ok(format!(
        "{}, a synced write took {} ms",
        data_dir.display(),
        took.as_millis()
    ))
}
