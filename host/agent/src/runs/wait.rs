//! What a run waits for, in the words that its host keeps of it.
//!
//! A run that waits is not in memory. These few words are, so that people see it waiting and what for; the journal has
//! them, too, so that they are there after a restart without reading the run.

use flowforge_journal::{ABOUT_BYTES_MAX, Standing};
use flowforge_workflow::RunState;

use super::registry::Phase;

/// Stands before the words when a person is waited for.
const PERSON: u8 = b'p';
/// Stands before the words when anything else is.
const OTHER: u8 = b'o';
/// Bytes of the life of a lease, which stand between a mark in capitals and the words.
const LIFE_BYTES: usize = size_of::<u64>();
/// Longest words, in bytes: some are taken by the mark and the life before them.
const WORDS_BYTES_MAX: usize = ABOUT_BYTES_MAX - 1 - LIFE_BYTES;

/// The words of a run that may not go on without the control plane.
const LEASE: &str = "the control plane to renew its lease";

/// What a run waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wait {
    /// Whether a person is waited for.
    pub(super) is_for_person: bool,
    /// For what, in words for people.
    pub(super) about: Box<str>,
    /// When it is to be looked at in any case, milliseconds since 1970 UTC.
    pub(super) due_ms: Option<u64>,
    /// How long a lease of the run holds, if it needs one: it is renewed while the run waits.
    pub(super) lease_ms: Option<u64>,
}

impl Wait {
    /// What a run in this state waits for: a person before anything else.
    pub(super) fn of(state: &RunState) -> Self {
        let due_ms = state.next_timer_ms();
        let of = |is_for_person, about: String| Self {
            is_for_person,
            about: cut(&about).into(),
            due_ms,
            lease_ms: None,
        };
        if let Some(by) = state.paused() {
            return of(false, format!("somebody to let it go on; paused: {by}"));
        }
        let waits = state.waits();
        let mut for_person = waits
            .iter()
            .filter(|wait| matches!(wait.kind.as_str(), "approval" | "review"));
        match (for_person.next(), waits.first()) {
            (Some(wait), _) => of(true, format!("{} of step {}", wait.kind, wait.step)),
            (None, Some(wait)) => {
                let what = match wait.kind.as_str() {
                    kind @ ("time" | "retry") => format!("{kind} {}", wait.what),
                    _ => wait.what.clone(),
                };
                of(false, format!("{} at step {}", what.trim_end(), wait.step))
            }
            (None, None) => of(false, String::new()),
        }
    }

    /// What a run waits for that may not go on without the control plane.
    pub(super) fn of_lease() -> Self {
        Self {
            is_for_person: false,
            about: LEASE.into(),
            due_ms: None,
            lease_ms: None,
        }
    }

    /// The same of a run that needs a lease of this life.
    pub(super) fn leased(mut self, lease_ms: Option<u64>) -> Self {
        self.lease_ms = lease_ms;
        self
    }

    /// Whether it is [`Wait::of_lease`].
    pub(super) fn is_of_lease(&self) -> bool {
        &*self.about == LEASE
    }

    /// As the journal keeps it.
    pub(super) fn standing(&self) -> Standing {
        let mark = if self.is_for_person { PERSON } else { OTHER };
        let mut about = match self.lease_ms {
            None => vec![mark],
            Some(life_ms) => {
                let mut about = vec![mark.to_ascii_uppercase()];
                about.extend_from_slice(&life_ms.to_be_bytes());
                about
            }
        };
        about.extend_from_slice(self.about.as_bytes());
        Standing::Waiting {
            due_ms: self.due_ms,
            about,
        }
    }

    /// As the journal kept it; words that cannot be read are left out.
    pub(super) fn read(due_ms: Option<u64>, about: &[u8]) -> Self {
        let (mark, mut words) = about.split_first().unwrap_or((&OTHER, &[]));
        let mut lease_ms = None;
        if mark.is_ascii_uppercase()
            && let Some((life, rest)) = words.split_first_chunk::<LIFE_BYTES>()
        {
            lease_ms = Some(u64::from_be_bytes(*life));
            words = rest;
        }
        Self {
            lease_ms,
            is_for_person: mark.to_ascii_lowercase() == PERSON,
            about: String::from_utf8_lossy(words).into(),
            due_ms,
        }
    }

    /// Its place among what runs are doing.
    pub(super) fn phase(&self) -> Phase {
        if self.is_for_person {
            Phase::Approval
        } else {
            Phase::Timer
        }
    }
}

fn cut(words: &str) -> &str {
    let end = words.floor_char_boundary(WORDS_BYTES_MAX);
    words.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_it_was_kept() {
        for (is_for_person, about, due_ms, lease_ms) in [
            (true, "approval of step confirm", None, None),
            (true, "approval of step confirm", None, Some(60_000)),
            (false, "", Some(7), Some(u64::MAX)),
            (false, "signal päid at step a", Some(u64::MAX), None),
        ] {
            let wait = Wait {
                is_for_person,
                about: about.into(),
                due_ms,
                lease_ms,
            };
            let Standing::Waiting { due_ms, about } = wait.standing() else {
                panic!("it waits")
            };
            assert_eq!(Wait::read(due_ms, &about), wait);
        }
        assert_eq!(&*Wait::read(None, &[]).about, "");
    }

    #[test]
    fn long_words_are_cut_between_characters() {
        let words = "é".repeat(ABOUT_BYTES_MAX);
        let kept = cut(&words);
        assert!(kept.len() <= WORDS_BYTES_MAX && kept.len() > WORDS_BYTES_MAX - 2);
    }
}
