//! The campaign `catalogue`: searches over as many connectors as a registry may hold.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use flowforge_protocol::TrustRoot;
use flowforge_registry::testing::WORDS;
use flowforge_registry::{Registry, RegistryConfig, Search};

/// Versions of each connector.
const VERSIONS: u32 = 10;
/// Searches that are measured.
const SEARCHES: usize = 2_000;
/// What 99 of 100 searches must not exceed.
const AIM: Duration = Duration::from_millis(50);

/// Fills a catalogue and measures searches in it
#[derive(Debug, Parser)]
struct Arguments {
    /// Chooses the searches; one seed chooses the same
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many connectors
    #[arg(long, default_value_t = 10_000)]
    budget: u32,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir()?;
    let trust = TrustRoot {
        workspace: "campaign".to_owned(),
        version: 1,
        release_keys: Vec::new(),
        grant_keys: Vec::new(),
        scheduler_keys: Vec::new(),
        publishers: std::collections::BTreeMap::new(),
    };
    let registry = Registry::open(folder.path(), RegistryConfig::new(trust))?;
    let began = Instant::now();
    registry.fill_for_measuring(arguments.budget, VERSIONS);
    eprintln!("filled in {} ms", began.elapsed().as_millis());
    let (mut took, mut found) = (Vec::with_capacity(SEARCHES), 0_usize);
    for number in 0..SEARCHES {
        let search = search(
            arguments
                .seed
                .wrapping_mul(2_654_435_761)
                .wrapping_add(number as u64),
        );
        let began = Instant::now();
        let hits = registry.search(&search, None, 51);
        took.push(began.elapsed());
        found += hits.len();
    }
    took.sort();
    let at = |percent: usize| took.get(SEARCHES * percent / 100).copied().unwrap_or_default();
    let (middle, high) = (at(50), at(99));
    println!(
        "| {} connectors × {VERSIONS} versions | {SEARCHES} searches |\n|---|---|\n| half of them within | {:.2} ms |\n\
         | 99 of 100 within | {:.2} ms |\n| the longest | {:.2} ms |\n| hits in all | {found} |\n\n\
         Measured at the registry's own interface, in a {} build: the catalogue is in memory, so it is the same whatever \
         database the control plane has; HTTP and GraphQL come on top.",
        arguments.budget,
        middle.as_secs_f64() * 1e3,
        high.as_secs_f64() * 1e3,
        took.last().copied().unwrap_or_default().as_secs_f64() * 1e3,
        if cfg!(debug_assertions) {
            "development"
        } else {
            "release"
        },
    );
    Ok(if high <= AIM && found > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// One of the searches that people make: words, a category, a publisher, and combinations.
fn search(number: u64) -> Search {
    let at = |step: u64| usize::try_from(number / step % 20).unwrap_or_default();
    let word = |step: u64| WORDS.get(at(step)).copied().unwrap_or_default().to_owned();
    let mut search = Search::default();
    match number % 6 {
        0 => search.words = vec![word(1)],
        1 => search.words = vec![word(1), word(20)],
        2 => search.category = Some("data".to_owned()),
        3 => search.publisher = Some(format!("publisher{}", number % 500)),
        4 => {
            search.words = vec![word(1).chars().take(3).collect()];
            search.category = Some("data".to_owned());
        }
        _ => search.words = vec!["nothing-is-called-so".to_owned()],
    }
    search
}
