//! The figures that the project promises, each measured by one function, beside other engines where a ratio is meant.
//!
//! Owns: starting engines, the load, what is counted and the aim of each figure. Leaves to others: the workloads
//! (`examples/bench`). Invariant: two engines that are compared are measured in turn, in the same minute, by the same
//! client; a ratio is the median of such pairs.

mod engines;
mod figure;
mod fixture;
mod flowforge;
mod load;
mod pairs;
mod rest;
mod resume;
mod syncs;
mod waiting;

use std::path::PathBuf;

use anyhow::Result;

pub use figure::{Aim, Figure};

/// What is measured, and with what.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where other engines are installed; they are left out without it.
    pub peers: Option<PathBuf>,
    /// Folder of the built connectors.
    pub components: PathBuf,
    /// Fewer repetitions, shorter windows, fewer waiting runs.
    pub quick: bool,
}

impl Settings {
    /// How many pairs a ratio is the median of.
    const fn pairs(&self) -> usize {
        if self.quick { 1 } else { 5 }
    }

    /// How many runs wait.
    const fn waiting_runs(&self) -> usize {
        if self.quick { 500 } else { 10_000 }
    }
}

/// Measures everything, one figure after the other; `told` gets each as soon as it is known.
///
/// # Errors
/// A program does not do what is measured.
pub async fn all(settings: &Settings, mut told: impl FnMut(&Figure)) -> Result<()> {
    for figure in rest::sizes()? {
        told(&figure);
    }
    for figure in rest::idle(settings).await? {
        told(&figure);
    }
    for figure in pairs::runs(settings).await? {
        told(&figure);
    }
    told(&syncs::of_ten_effects(settings).await?);
    told(&resume::long_beside_short(settings).await?);
    for figure in waiting::runs(settings).await? {
        told(&figure);
    }
    Ok(())
}

/// The value in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
