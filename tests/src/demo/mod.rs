//! The main job, shown and checked: a week of earthquakes, two crashes of the host, one approval.
//!
//! The demo knows the right answer from the feed itself and compares it with what every part says happened. It waits
//! for what it sees, never for time to pass.

mod checks;
mod evidence;
mod expected;
mod follow;
mod stage;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;

pub use checks::Row;
pub use expected::Expected;
pub use stage::Stage;

/// Where the demo finds things and leaves things.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder of the built programs.
    pub programs: PathBuf,
    /// Folder of the built connectors.
    pub components: PathBuf,
    /// Folder for everything that is written.
    pub data: PathBuf,
    /// Whether everything stays up afterwards.
    pub keep: bool,
}

/// Runs the demo from its third step on; says whether every row of the table is right.
///
/// # Errors
/// Something did not work at all; where it is known, the error shows what the program said.
pub async fn run(settings: &Settings) -> Result<bool> {
    let started = Instant::now();
    let mut stage = Stage::set_up(settings).await?;
    println!("[3/5] start       {}", stage.summary());
    println!("[4/5] publish     {}", stage.publish()?);
    println!("[5/5] run         {}", stage.start_by_webhook().await?);
    let story = follow::to_the_end(&mut stage).await?;
    let rows = checks::rows(&stage, &story).await?;
    let right = checks::print(&rows);
    let took = seconds(started.elapsed());
    if right {
        println!(
            "Done in {took} (without the build). See it:  cargo xtask demo --keep     Use it:  cargo xtask install && flowforge dev"
        );
    } else {
        println!(
            "NOT every row is right ({took}); everything that was written is in {}",
            settings.data.display()
        );
    }
    if settings.keep {
        stage.keep().await?;
    }
    Ok(right)
}

fn seconds(elapsed: Duration) -> String {
    let tenths = elapsed.as_millis() / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}
