//! How full the journal is, what may still come, and when its file is to be made smaller.
//!
//! Two things are bounded: the bytes that the journal holds, and those that its file takes on the disk, which also hold
//! unused space. Near either bound no run is accepted, at it records wait; what ends a run, what is ordered and what was
//! acknowledged always passes, because it makes room. Pure: no storage, no clock.

use crate::config::Limits;
use crate::error::Counted;

/// How much there is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Fill {
    /// Bytes that count against the limits.
    pub(crate) used_bytes: u64,
    /// What the file takes on the disk.
    pub(crate) file_bytes: u64,
}

impl Fill {
    pub(crate) fn of(self, counted: Counted) -> u64 {
        match counted {
            Counted::Held => self.used_bytes,
            Counted::File => self.file_bytes,
        }
    }
}

/// What room is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A new run.
    Run,
    /// Records of a run that is here.
    Records,
}

/// Up to which size there is room.
pub(crate) fn bound(limits: &Limits, purpose: Purpose, counted: Counted) -> u64 {
    match (purpose, counted) {
        (Purpose::Run, Counted::Held) => limits.accept_below_bytes.saturating_sub(1),
        (Purpose::Run, Counted::File) => (limits.file_bytes / 4 * 3).saturating_sub(1),
        (Purpose::Records, Counted::Held) => limits.journal_bytes,
        (Purpose::Records, Counted::File) => limits.file_bytes.saturating_sub(limits.headroom_bytes),
    }
}

/// The first bound that so many bytes more would break.
pub(crate) fn broken(limits: &Limits, fill: Fill, purpose: Purpose, wanted_bytes: u64) -> Option<Counted> {
    [Counted::Held, Counted::File]
        .into_iter()
        .find(|counted| fill.of(*counted).saturating_add(wanted_bytes) > bound(limits, purpose, *counted))
}

/// When the file is to be made smaller although somebody waits.
#[derive(Debug, Default)]
pub(crate) struct Shrinking {
    /// What the file took, and what it held, when it was made smaller the last time.
    last: Option<(u64, u64)>,
}

impl Shrinking {
    /// Whether it may help now. It takes the time of copying what the file holds, so it is not tried again before there is
    /// clearly less to hold, or clearly more that may be unused.
    pub(crate) fn may_help(&self, limits: &Limits, file_bytes: u64, content_bytes: u64) -> bool {
        if file_bytes <= bound(limits, Purpose::Run, Counted::File) || content_bytes >= file_bytes {
            return false;
        }
        self.last.is_none_or(|(took, held)| {
            content_bytes <= held - held / 8 || file_bytes >= took.saturating_add(limits.file_bytes / 8)
        })
    }

    pub(crate) fn done(&mut self, file_bytes: u64, content_bytes: u64) {
        self.last = Some((file_bytes, content_bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            accept_below_bytes: 100,
            journal_bytes: 200,
            file_bytes: 400,
            headroom_bytes: 50,
            ..Limits::default()
        }
    }

    #[test]
    fn new_runs_wait_before_records_do_by_either_measure() {
        let limits = limits();
        let held = |used_bytes, purpose, wanted| {
            let fill = Fill {
                used_bytes,
                file_bytes: 0,
            };
            broken(&limits, fill, purpose, wanted)
        };
        assert_eq!(held(99, Purpose::Run, 0), None);
        assert_eq!(held(100, Purpose::Run, 0), Some(Counted::Held));
        assert_eq!(held(100, Purpose::Records, 100), None);
        assert_eq!(held(100, Purpose::Records, 101), Some(Counted::Held));
        let file = |file_bytes, purpose, wanted| {
            let fill = Fill {
                used_bytes: 0,
                file_bytes,
            };
            broken(&limits, fill, purpose, wanted)
        };
        assert_eq!(file(299, Purpose::Run, 0), None);
        assert_eq!(file(300, Purpose::Run, 0), Some(Counted::File));
        assert_eq!(file(300, Purpose::Records, 50), None);
        assert_eq!(file(300, Purpose::Records, 51), Some(Counted::File));
    }

    #[test]
    fn a_file_is_not_made_smaller_in_vain() {
        let limits = limits();
        let mut shrinking = Shrinking::default();
        assert!(!shrinking.may_help(&limits, 299, 10), "there is room");
        assert!(!shrinking.may_help(&limits, 300, 300), "all of it is needed");
        assert!(shrinking.may_help(&limits, 300, 200));
        shrinking.done(300, 200);
        assert!(!shrinking.may_help(&limits, 349, 176));
        assert!(shrinking.may_help(&limits, 300, 175), "less is to be held");
        assert!(shrinking.may_help(&limits, 350, 200), "more may be unused");
    }
}
