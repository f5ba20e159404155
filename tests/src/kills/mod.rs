//! Kills of either plane at every commit point, under load, with a ledger outside that remembers what it was asked.
//!
//! Owns: the load, the plan of each process, the kills, the check at the end. A process gets a plan at its start and
//! dies of it in the middle of its work; it is started again with another one. Leaves to others: where the points are
//! (`failpoints/`). Invariant: what is counted at the end is compared with what clients were told and what the ledger
//! holds, never with what a plane says of itself alone.

mod check;
pub mod failover;
mod ledger;
mod load;
mod plan;
mod processes;
pub mod servers;
mod sitting;
mod tally;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::planes::Planes;
use crate::programs::Programs;
use ledger::Ledger;
use load::Load;
use plan::Side;
use processes::{Place, Victims};
pub use sitting::{Count, Sitting};
pub use tally::Tally;

/// What is killed.
const SIDES: [Side; 2] = [Side::Plane, Side::Host];
/// Name of the host.
const HOST: &str = "kills-host";
/// The workflow that is run: an effect, a wait, three effects side by side, an effect.
const WORKFLOW: &str = include_str!("workflow.yaml");

/// What is done.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How often a process is killed, both together.
    pub kills: u64,
    /// Chooses the points; one seed chooses the same.
    pub seed: u64,
    /// Runs that are under way at a time.
    pub runs_at_a_time: usize,
    /// How long the last runs may take once nothing is killed any more.
    pub settle: Duration,
}

impl Settings {
    /// The settings of the campaign.
    #[must_use]
    pub const fn of(kills: u64, seed: u64) -> Self {
        Self {
            kills,
            seed,
            runs_at_a_time: 8,
            settle: Duration::from_secs(300),
        }
    }
}

/// Kills and counts. `told` gets a line of progress now and then; `http` is the component of `flowforge:http`.
///
/// # Errors
/// A program cannot be started at all, or the planes do not answer at the end.
pub async fn run(
    programs: Programs,
    http: &Path,
    folder: &Path,
    settings: &Settings,
    mut told: impl FnMut(&Tally),
) -> Result<Tally> {
    let ledger = Ledger::start().await?;
    let place = set_up(programs, http, folder, &ledger).await?;
    let load = Load::start(&place, Arc::clone(&ledger), settings.runs_at_a_time)?;
    let mut tally = Tally::new(settings, SIDES);
    let mut victims = Victims::new(place.clone(), settings.seed, SIDES);
    kill(
        &mut victims,
        settings.kills,
        &ledger,
        &load,
        &mut tally,
        &mut told,
    )
    .await?;
    let accepted = load.stop(settings.settle).await?;
    tally.runs = accepted.len();
    check::all(&place, &ledger, &accepted, settings.settle, &mut tally).await?;
    victims.stop().context("the planes do not stop in order")?;
    Ok(tally)
}

/// Kills so often, and lets everything run again.
async fn kill(
    victims: &mut Victims,
    kills: u64,
    ledger: &Ledger,
    load: &Load,
    tally: &mut Tally,
    told: &mut impl FnMut(&Tally),
) -> Result<()> {
    while tally.kills() < kills {
        let death = victims.next_death(ledger).await?;
        tally.count(&death);
        if tally.kills().is_multiple_of(20) {
            tally.runs = load.accepted();
            told(tally);
        }
    }
    victims.start_without_plans().await
}

/// Publishes the connector and the workflow, then stops both planes again.
async fn set_up(programs: Programs, http: &Path, folder: &Path, ledger: &Ledger) -> Result<Place> {
    let mut planes = Planes::start(programs.clone(), folder, HOST)?;
    planes.start_host(None).await?;
    publish(&planes, http, ledger, WORKFLOW)?;
    let place = Place::of(&planes, programs, HOST)?;
    // The first run compiles the connector, so that no kill meets a host that compiles for seconds.
    load::one(&place, ledger, "warm").await?;
    planes.stop()?;
    Ok(place)
}

fn publish(planes: &Planes, http: &Path, ledger: &Ledger, text: &str) -> Result<()> {
    let flowforge = planes.flowforge();
    flowforge.json(&["connector", "publish", &http.to_string_lossy()])?;
    let workflow = planes.data().join("workflow");
    std::fs::create_dir_all(&workflow)?;
    std::fs::write(workflow.join("workflow.yaml"), text)?;
    let config = format!("config.ledger={}", ledger.url());
    flowforge.json(&[
        "workflow",
        "publish",
        &workflow.to_string_lossy(),
        "--set",
        &config,
    ])?;
    Ok(())
}
