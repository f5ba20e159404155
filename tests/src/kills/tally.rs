//! What is counted, and how it is told.

use std::collections::BTreeMap;
use std::fmt;

use flowforge_failpoints::Point;

use super::Settings;
use super::plan::{Planned, Side};
use super::processes::Death;

/// The result.
#[derive(Debug, Clone)]
pub struct Tally {
    seed: u64,
    sides: [Side; 2],
    /// Deaths by point, before and after, on each side.
    hits: BTreeMap<(Side, Point, bool), u64>,
    by_the_clock: u64,
    /// Runs that a client was told are accepted.
    pub runs: usize,
    /// Requests that the ledger got.
    pub requests: u64,
    /// Requests that came again under the key of the first; an upstream that knows keys ignores them.
    pub repeated: u64,
    /// Accepted runs that did not end as done, or whose effects the ledger does not have.
    pub lost: Vec<String>,
    /// Steps that a run's records complete twice.
    pub recorded_twice: Vec<String>,
    /// Steps that the ledger was asked to enter under a second key.
    pub second_key: Vec<String>,
    /// Runs that failed, with what they say: nothing here fails but the processes.
    pub failed_for_being_stopped: Vec<String>,
    /// Times of a schedule that started two runs, or none.
    pub fired_wrongly: Vec<String>,
    /// Runs whose end somebody who followed them was not told.
    pub not_followed: Vec<String>,
    /// Runs that were followed to their end.
    pub followed: u64,
    /// Runs that a schedule started.
    pub fired: u64,
}

impl Tally {
    pub(super) fn new(settings: &Settings, sides: [Side; 2]) -> Self {
        Self {
            seed: settings.seed,
            sides,
            hits: BTreeMap::new(),
            by_the_clock: 0,
            runs: 0,
            requests: 0,
            repeated: 0,
            lost: Vec::new(),
            recorded_twice: Vec::new(),
            second_key: Vec::new(),
            failed_for_being_stopped: Vec::new(),
            fired_wrongly: Vec::new(),
            not_followed: Vec::new(),
            followed: 0,
            fired: 0,
        }
    }

    pub(super) fn count(&mut self, death: &Death) {
        match death.met {
            Some(Planned { point, before, .. }) => {
                *self.hits.entry((death.side, point, before)).or_default() += 1;
            }
            None => self.by_the_clock += 1,
        }
    }

    /// How often a process was killed.
    #[must_use]
    pub fn kills(&self) -> u64 {
        self.hits.values().sum::<u64>() + self.by_the_clock
    }

    /// How often a process died at this point, on either side of it and in either process.
    #[must_use]
    pub fn hits(&self, point: Point) -> u64 {
        self.hits
            .iter()
            .filter(|((_, hit, _), _)| *hit == point)
            .map(|(_, count)| count)
            .sum()
    }

    /// Whether nothing was lost, done twice or failed.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        [
            &self.lost,
            &self.recorded_twice,
            &self.second_key,
            &self.failed_for_being_stopped,
            &self.fired_wrongly,
            &self.not_followed,
        ]
        .iter()
        .all(|faults| faults.is_empty())
    }

    /// One line while it goes on.
    #[must_use]
    pub fn progress(&self) -> String {
        let points = Point::ALL.iter().filter(|point| self.hits(**point) > 0).count();
        format!(
            "{} kills at {points} points, {} by the clock, {} runs accepted",
            self.kills(),
            self.by_the_clock,
            self.runs
        )
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}, {} kills, {} of them by the clock",
            self.seed,
            self.kills(),
            self.by_the_clock
        )?;
        writeln!(
            f,
            "\n| point | {}, before | after | {}, before | after |\n|---|---|---|---|---|",
            self.sides[0], self.sides[1]
        )?;
        let [one, other] = self.sides;
        for point in Point::ALL {
            let at = |side, before| self.hits.get(&(side, point, before)).copied().unwrap_or(0);
            writeln!(
                f,
                "| {point} | {} | {} | {} | {} |",
                at(one, true),
                at(one, false),
                at(other, true),
                at(other, false)
            )?;
        }
        writeln!(f)?;
        self.write_runs(f)
    }
}

impl Tally {
    /// What came of the runs, without the deaths.
    pub(super) fn write_runs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} runs accepted, {} requests to the ledger, {} of them repeated under the same key",
            self.runs, self.requests, self.repeated
        )?;
        if self.followed + self.fired > 0 {
            writeln!(
                f,
                "{} runs followed to their end over subscriptions that broke, {} runs started by a schedule",
                self.followed, self.fired
            )?;
        }
        for (name, faults) in [
            ("lost", &self.lost),
            ("recorded twice", &self.recorded_twice),
            ("second key", &self.second_key),
            ("failed for being stopped", &self.failed_for_being_stopped),
            ("schedule fired wrongly", &self.fired_wrongly),
            ("not followed to the end", &self.not_followed),
        ] {
            writeln!(f, "{name} {}", faults.len())?;
            for fault in faults.iter().take(10) {
                writeln!(f, "  {fault}")?;
            }
        }
        Ok(())
    }
}
