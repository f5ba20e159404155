//! What is remembered of who did what.

use crate::{Action, Caller, Object};

/// How something went that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was done; the entry was written in the transaction of the change.
    Done,
    /// The caller may not do it.
    Denied,
    /// The caller may, and it was refused all the same: a state, a signature, a value.
    Refused,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Done, Self::Denied, Self::Refused];

    /// Its name, as the audit spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Denied => "denied",
            Self::Refused => "refused",
        }
    }

    /// The outcome of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }
}

/// One thing that was done or refused, to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Who asked, where, by which request.
    pub caller: Caller,
    /// For what.
    pub action: Action,
    /// On which thing.
    pub object: Object,
    /// How it went.
    pub outcome: Outcome,
    /// What helps to understand it: a code, a version, a reason; never a value. Cut at [`MAX_DETAIL_BYTES`].
    pub detail: Option<String>,
    /// When, milliseconds since 1970 by the clock of this plane.
    pub at_ms: u64,
}

/// Longest detail of an entry, in bytes.
pub const MAX_DETAIL_BYTES: usize = 512;

impl AuditEntry {
    /// That something was done.
    #[must_use]
    pub fn done(caller: &Caller, action: Action, object: Object, at_ms: u64) -> Self {
        Self {
            caller: caller.clone(),
            action,
            object,
            outcome: Outcome::Done,
            detail: None,
            at_ms,
        }
    }

    /// The same with this outcome.
    #[must_use]
    pub fn went(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// The same with this detail.
    #[must_use]
    pub fn with(mut self, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        detail.truncate(detail.floor_char_boundary(MAX_DETAIL_BYTES));
        self.detail = Some(detail);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Actor, Scope};

    #[test]
    fn a_detail_is_cut_between_letters() {
        let caller = Caller::new(Actor::Owner, Scope::new("w", "p"), "r");
        let entry = AuditEntry::done(&caller, Action::StartRun, Object::project(), 7);
        let long = "ä".repeat(MAX_DETAIL_BYTES);
        let kept = entry.with(long).detail.unwrap();
        assert_eq!(kept.len(), MAX_DETAIL_BYTES);
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::named(outcome.as_str()), Some(outcome));
        }
        assert_eq!(Outcome::named("lost"), None);
    }
}
