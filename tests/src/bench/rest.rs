//! What is there when nothing runs: memory at rest, sizes of the programs.

use std::fs;
use std::time::Duration;

use anyhow::Result;

use super::flowforge::{Bench, w1};
use super::{Aim, Figure, Settings, load};
use crate::programs::Programs;

/// How long both planes rest before their memory is read.
const REST: Duration = Duration::from_secs(3);

/// Bytes of the programs.
pub(super) fn sizes() -> Result<Vec<Figure>> {
    let programs = Programs::beside_this_one()?;
    [("flowforge-host", Aim::AtMost(30.0)), ("flowforge", Aim::None)]
        .into_iter()
        .map(|(name, aim)| {
            let bytes = fs::metadata(programs.path(name))?.len();
            Ok(Figure::new(
                format!("size of {name}"),
                bytes as f64 / 1e6,
                "MB",
                aim,
            ))
        })
        .collect()
}

/// Memory of both planes, fresh, and again after a load.
pub(super) async fn idle(settings: &Settings) -> Result<Vec<Figure>> {
    let bench = Bench::start(settings).await?;
    tokio::time::sleep(REST).await;
    let (host, plane) = bench.usage()?;
    let mut figures = vec![
        Figure::new(
            "memory at rest, host",
            mebibytes(host.resident_bytes),
            "MiB",
            Aim::AtMost(20.0),
        ),
        Figure::new(
            "memory at rest, control plane",
            mebibytes(plane.resident_bytes),
            "MiB",
            Aim::None,
        ),
    ];
    bench.connector("bench.steps")?;
    bench.workflow("w1", &w1()?)?;
    load::w1(
        &bench.hook("w1"),
        64,
        Duration::from_secs(if settings.quick { 1 } else { 5 }),
    )
    .await?;
    tokio::time::sleep(REST).await;
    let (host, plane) = bench.usage()?;
    for (name, used) in [("host", host), ("control plane", plane)] {
        let name = format!("memory at rest after a load, {name}");
        figures.push(Figure::new(
            name,
            mebibytes(used.resident_bytes),
            "MiB",
            Aim::None,
        ));
    }
    bench.stop()?;
    Ok(figures)
}

/// Bytes as MiB.
pub(super) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
