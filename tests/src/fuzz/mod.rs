//! Fuzzing that runs on a stable compiler: inputs are made from good ones by small damage, and each body says what must
//! hold of what is accepted.
//!
//! Owns: how inputs are damaged, how long it goes on, how a find is reported. The bodies stand in [`bodies`]. Invariant:
//! one seed makes the same inputs in the same order, so a find is seen again by its seed and body.

mod bodies;
mod damage;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

pub use bodies::BODIES;

use crate::dice::Dice;
use damage::damaged;

/// Accepted inputs that are kept to be damaged further.
const KEPT_MAX: usize = 512;
/// Longest input that is made, in bytes.
const INPUT_BYTES_MAX: usize = 4096;

/// One thing that is fuzzed.
#[derive(Debug, Clone, Copy)]
pub struct Body {
    /// Its name.
    pub name: &'static str,
    /// Good inputs to begin with.
    pub corpus: fn() -> Vec<Vec<u8>>,
    /// Whether the input was accepted.
    ///
    /// # Errors
    /// What does not hold of an accepted one.
    pub run: fn(&[u8]) -> Result<bool, String>,
}

/// When it ends.
#[derive(Debug, Clone, Copy)]
pub enum Budget {
    /// After this many inputs.
    Inputs(u64),
    /// After this time.
    Time(Duration),
}

/// What was done.
#[derive(Debug, Clone, Copy, Default)]
pub struct Done {
    /// Inputs.
    pub inputs: u64,
    /// Those that were accepted.
    pub accepted: u64,
}

/// An input that breaks the body.
#[derive(Debug, Clone)]
pub struct Find {
    body: &'static str,
    seed: u64,
    inputs: u64,
    what: String,
    input: Vec<u8>,
}

impl fmt::Display for Find {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}, seed {}, input {}: {}",
            self.body, self.seed, self.inputs, self.what
        )?;
        write!(f, "{:?}", String::from_utf8_lossy(&self.input))
    }
}

/// Runs one body until the budget is used or something is found.
///
/// # Errors
/// The first find.
pub fn fuzz(body: &Body, seed: u64, budget: Budget) -> Result<Done, Box<Find>> {
    let mut dice = Dice::of(seed);
    let mut kept = (body.corpus)();
    let (begun, mut done) = (Instant::now(), Done::default());
    loop {
        let used = match budget {
            Budget::Inputs(inputs) => done.inputs >= inputs,
            // The clock is asked now and then: it costs as much as a short input.
            Budget::Time(time) => done.inputs.is_multiple_of(64) && begun.elapsed() >= time,
        };
        if used {
            return Ok(done);
        }
        let input = damaged(&kept, INPUT_BYTES_MAX, &mut dice);
        done.inputs += 1;
        let found = catch_unwind(AssertUnwindSafe(|| (body.run)(&input)))
            .unwrap_or_else(|_| Err("it panicked".to_owned()));
        match found {
            Ok(false) => {}
            Ok(true) => {
                done.accepted += 1;
                if kept.len() < KEPT_MAX {
                    kept.push(input);
                } else if dice.roll(16) == 0 {
                    let place = usize::try_from(dice.roll(KEPT_MAX as u64)).unwrap_or(0);
                    if let Some(slot) = kept.get_mut(place) {
                        *slot = input;
                    }
                }
            }
            Err(what) => {
                return Err(Box::new(Find {
                    body: body.name,
                    seed,
                    inputs: done.inputs,
                    what,
                    input,
                }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDS_BADLY: Body = Body {
        name: "ends-badly",
        corpus: || vec![b"{\"a\":1}".to_vec()],
        run: |input| {
            assert!(!input.ends_with(b"0"), "a zero at the end");
            Ok(input.len() > 3)
        },
    };

    #[test]
    fn a_panic_is_found_and_found_again_by_its_seed() {
        let find = |seed| fuzz(&ENDS_BADLY, seed, Budget::Inputs(200_000)).unwrap_err();
        assert_eq!(find(3).to_string(), find(3).to_string());
        assert!(find(3).input.ends_with(b"0"));
    }

    #[test]
    fn every_body_accepts_its_corpus_and_holds_for_some_thousand_inputs() {
        for body in BODIES {
            for input in (body.corpus)() {
                assert_eq!((body.run)(&input), Ok(true), "{}", body.name);
            }
            let done = fuzz(body, 1, Budget::Inputs(3_000)).unwrap_or_else(|find| panic!("{find}"));
            assert_eq!(done.inputs, 3_000);
        }
    }
}
