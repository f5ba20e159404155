//! Which attempts are under way, so that a step that takes the host down with it is known for it.
//!
//! A mark rides along with the next commit and never causes one; whoever must be sure of it asks for a commit. It goes
//! when the attempt ends. What is found at the next opening was under way when the host died: that is counted, by step. A
//! step that was stopped in an orderly way is not counted. Pure: no storage, no clock.

use std::collections::{BTreeMap, BTreeSet};

use flowforge_protocol::{RunId, StepKey};

use crate::rows::FlightRow;

/// A step during which the host died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrashedStep {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepKey,
    /// The attempt that was under way the last time.
    pub attempt: u32,
    /// How often, without an attempt that ended in between.
    pub crashes: u32,
}

/// A change of a stored mark: its new value, or that it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FlightChange {
    pub(crate) number: u64,
    pub(crate) step: StepKey,
    pub(crate) row: Option<FlightRow>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    row: FlightRow,
    /// A row of it is in the file, or on its way there.
    stored: bool,
}

/// All marks.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    marks: BTreeMap<(u64, StepKey), Mark>,
    changed: BTreeSet<(u64, StepKey)>,
}

impl Flights {
    /// A mark as the file has it after the opening.
    pub(crate) fn restore(&mut self, number: u64, step: StepKey, row: FlightRow) {
        self.marks.insert((number, step), Mark { row, stored: true });
    }

    pub(crate) fn begin(&mut self, number: u64, step: &StepKey, attempt: u32) {
        let key = (number, step.clone());
        let mark = self.marks.entry(key.clone()).or_insert(Mark {
            row: FlightRow {
                attempt,
                crashes: 0,
                live: false,
            },
            stored: false,
        });
        (mark.row.attempt, mark.row.live) = (attempt, true);
        self.changed.insert(key);
    }

    /// The attempt came to an end of its own: what was counted is forgotten.
    pub(crate) fn end(&mut self, number: u64, step: &StepKey) {
        let key = (number, step.clone());
        if let Some(mark) = self.marks.get_mut(&key) {
            (mark.row.live, mark.row.crashes) = (false, 0);
            self.changed.insert(key);
        }
    }

    /// The attempt was stopped in an orderly way: what was counted before stays.
    pub(crate) fn stop(&mut self, number: u64, step: &StepKey) {
        let key = (number, step.clone());
        if let Some(mark) = self.marks.get_mut(&key) {
            mark.row.live = false;
            self.changed.insert(key);
        }
    }

    /// Everything is stopped in an orderly way.
    pub(crate) fn stop_all(&mut self) {
        for (key, mark) in &mut self.marks {
            if mark.row.live {
                mark.row.live = false;
                self.changed.insert(key.clone());
            }
        }
    }

    /// The run is over, its marks are removed with it.
    pub(crate) fn forget(&mut self, number: u64) {
        let keys: Vec<_> = self.of(number).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.marks.remove(&key);
            self.changed.remove(&key);
        }
    }

    fn of(&self, number: u64) -> impl Iterator<Item = (&(u64, StepKey), &Mark)> {
        // Every mark of a run stands before the first that could belong to the next one.
        self.marks
            .iter()
            .skip_while(move |((of, _), _)| *of < number)
            .take_while(move |((of, _), _)| *of == number)
    }

    /// During which steps of a run the host died.
    pub(crate) fn crashed(&self, number: u64, run: &RunId) -> Vec<CrashedStep> {
        self.of(number)
            .filter(|(_, mark)| mark.row.crashes > 0)
            .map(|((_, step), mark)| CrashedStep {
                run: run.clone(),
                step: step.clone(),
                attempt: mark.row.attempt,
                crashes: mark.row.crashes,
            })
            .collect()
    }

    pub(crate) fn has_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Takes what the next commit is to write. A mark that came and went between two commits writes nothing.
    pub(crate) fn drain(&mut self) -> Vec<FlightChange> {
        let mut changes = Vec::new();
        for key in std::mem::take(&mut self.changed) {
            let Some(mark) = self.marks.get_mut(&key) else {
                continue;
            };
            let keeps = mark.row.live || mark.row.crashes > 0;
            if keeps || mark.stored {
                changes.push(FlightChange {
                    number: key.0,
                    step: key.1.clone(),
                    row: keeps.then_some(mark.row),
                });
            }
            if keeps {
                mark.stored = true;
            } else {
                self.marks.remove(&key);
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str) -> StepKey {
        name.parse().unwrap()
    }

    #[test]
    fn a_mark_that_came_and_went_between_two_commits_writes_nothing() {
        let mut flights = Flights::default();
        flights.begin(1, &step("a"), 1);
        flights.end(1, &step("a"));
        assert_eq!(flights.drain(), []);
        flights.begin(1, &step("a"), 2);
        assert_eq!(flights.drain().len(), 1);
        flights.end(1, &step("a"));
        let gone = flights.drain();
        assert_eq!(gone.len(), 1);
        assert_eq!(gone[0].row, None);
        assert!(!flights.has_changes());
    }

    #[test]
    fn orderly_stops_keep_the_count_and_ends_clear_it() {
        let mut flights = Flights::default();
        let crashed = FlightRow {
            attempt: 1,
            crashes: 2,
            live: false,
        };
        flights.restore(3, step("a"), crashed);
        flights.begin(3, &step("a"), 2);
        flights.begin(4, &step("b"), 1);
        flights.drain();
        flights.stop_all();
        let rows: Vec<_> = flights
            .drain()
            .into_iter()
            .map(|change| (change.number, change.row))
            .collect();
        assert_eq!(
            rows,
            [
                (
                    3,
                    Some(FlightRow {
                        attempt: 2,
                        ..crashed
                    })
                ),
                (4, None)
            ]
        );
        let run = RunId::from_entropy([1; 16]);
        assert_eq!(flights.crashed(3, &run)[0].crashes, 2);
        assert_eq!(flights.crashed(4, &run), []);
        flights.begin(3, &step("a"), 3);
        flights.end(3, &step("a"));
        assert_eq!(flights.drain()[0].row, None);
        flights.begin(5, &step("a"), 3);
        flights.forget(5);
        assert_eq!(flights.drain(), []);
    }
}
