//! One sitting of a campaign: what it needs, and how it ends.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::{Settings, Tally};
use crate::programs::Programs;

/// What a campaign has counted.
pub trait Count: std::fmt::Display {
    /// Whether nothing went wrong.
    fn is_clean(&self) -> bool;
}

impl Count for Tally {
    fn is_clean(&self) -> bool {
        Self::is_clean(self)
    }
}

/// What a campaign works with.
pub struct Sitting {
    /// Those that were built with the campaign.
    pub programs: Programs,
    /// The component of `flowforge:http`.
    pub http: PathBuf,
    /// What was asked for.
    pub settings: Settings,
    folder: TempDir,
}

impl Sitting {
    /// For the program of a campaign, which stands beside the others.
    ///
    /// # Errors
    /// It was not started by `cargo xtask campaign`, or no folder can be made.
    pub fn begin(kills: u64, seed: u64) -> Result<Self> {
        let components = std::env::var("FLOWFORGE_COMPONENTS")
            .context("FLOWFORGE_COMPONENTS: cargo xtask campaign sets it")?;
        Ok(Self {
            programs: Programs::beside_this_one()?,
            http: Path::new(&components).join("flowforge.http.wasm"),
            settings: Settings::of(kills, seed),
            folder: tempfile::tempdir()?,
        })
    }

    /// Where everything lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What was counted is printed, and unless it is clean the folder is kept, with what is left on disk as evidence.
    ///
    /// # Errors
    /// That of the campaign, with the place of the folder.
    pub fn conclude(self, counted: Result<impl Count>) -> Result<ExitCode> {
        let counted = match counted {
            Ok(counted) => counted,
            Err(error) => {
                let kept = self.folder.keep();
                return Err(error.context(format!("the folder is kept: {}", kept.display())));
            }
        };
        print!("{counted}");
        if counted.is_clean() {
            return Ok(ExitCode::SUCCESS);
        }
        eprintln!("the folder is kept: {}", self.folder.keep().display());
        Ok(ExitCode::FAILURE)
    }
}
