//! Check, and what a change is written down with: the one door to whatever changes something.

use std::sync::{Mutex, PoisonError};

use flowforge_core::{Action, Actor, AuditEntry, Caller, Denied, MAX_REQUEST_BYTES, Object, Outcome, Scope};
use flowforge_store::{Store, StoreError};

use crate::app::{App, Reading};
use crate::entropy::fresh;

/// Refusals that are written down in a minute at most; more are counted in the log.
const REFUSALS_A_MINUTE: u64 = 120;
const MINUTE_MS: u64 = 60_000;

/// That a caller may do something, and what is written down when it is done.
#[derive(Debug, Clone)]
pub(crate) struct Allowed {
    caller: Caller,
    /// None for what the plane does by itself: it says so where it does it.
    entry: Option<AuditEntry>,
    store: Store,
}

impl Allowed {
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.caller.scope
    }

    /// The name under which it is kept who did it.
    pub(crate) fn by(&self) -> &str {
        self.caller.actor.name()
    }

    /// The store for the one change that this is about: it writes the entry beside it.
    pub(crate) fn change(&self) -> Store {
        self.store.noting(self.entry.clone())
    }

    /// Writes down what was done where the store does not keep it.
    pub(crate) async fn note_done(&self) -> Result<(), StoreError> {
        match self.entry.clone() {
            Some(entry) => self.store.note(self.scope(), entry).await,
            None => Ok(()),
        }
    }

    /// The store for looking, and for what goes with the change.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The same about a thing that is known only now, with what helps to understand it.
    pub(crate) fn about(&self, object: Object, detail: Option<String>) -> Self {
        let mut about = self.clone();
        about.entry = about.entry.map(|entry| {
            let entry = AuditEntry { object, ..entry };
            match detail {
                Some(detail) => entry.with(detail),
                None => entry,
            }
        });
        about
    }
}

/// How many refusals were written down in the minute that began then.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<(u64, u64)>);

impl Refusals {
    /// True if there is room for one more in this minute.
    pub(super) fn has_room(&self, now_ms: u64) -> bool {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now_ms.abs_diff(minute.0) >= MINUTE_MS {
            if minute.1 > REFUSALS_A_MINUTE {
                tracing::warn!(
                    refusals = minute.1,
                    "more was refused in a minute than is written down"
                );
            }
            *minute = (now_ms, 0);
        }
        minute.1 += 1;
        minute.1 <= REFUSALS_A_MINUTE
    }
}

impl App {
    /// Says whether a caller may do something that changes something. A refusal is written down.
    pub(crate) async fn allow(
        &self,
        caller: &Caller,
        action: Action,
        object: Object,
    ) -> Result<Allowed, Box<Denied>> {
        self.ask_policy(caller, action, &object).await?;
        let by_itself = caller.actor == Actor::Plane;
        let entry = AuditEntry::done(caller, action, object, self.clock.now_ms());
        Ok(Allowed {
            caller: caller.clone(),
            entry: (!by_itself).then_some(entry),
            store: self.store.clone(),
        })
    }

    /// Says whether a caller may look. A refusal is written down.
    pub(crate) async fn reading<'a>(
        &'a self,
        caller: &'a Caller,
        action: Action,
    ) -> Result<Reading<'a>, Box<Denied>> {
        self.ask_policy(caller, action, &Object::project()).await?;
        Ok(Reading::new(self, &caller.scope))
    }

    async fn ask_policy(&self, caller: &Caller, action: Action, object: &Object) -> Result<(), Box<Denied>> {
        let denied = match self.policy.check(caller, action, object) {
            Ok(()) => return Ok(()),
            Err(denied) => denied,
        };
        let entry = AuditEntry::done(caller, action, object.clone(), self.clock.now_ms());
        self.write_down(entry.went(Outcome::Denied).with(denied.why.clone()))
            .await;
        Err(denied)
    }

    /// Writes down that something was refused to a caller who may do it: a signature, a state, a value.
    pub(crate) async fn note_refused(&self, caller: &Caller, action: Action, object: Object, why: String) {
        let entry = AuditEntry::done(caller, action, object, self.clock.now_ms());
        self.write_down(entry.went(Outcome::Refused).with(why)).await;
    }

    /// A refusal that cannot be written down stays one; whoever floods this plane with them does not flood its disk.
    async fn write_down(&self, entry: AuditEntry) {
        if !self.refusals.has_room(self.clock.monotonic_ms()) {
            return;
        }
        let scope = entry.caller.scope.clone();
        if let Err(error) = self.store.note(&scope, entry).await {
            tracing::error!(%error, "a refusal could not be written down");
        }
    }

    /// The plane itself, for what it owes or was told to do; `request` says by what.
    pub(crate) fn of_plane(&self, request: &str) -> Caller {
        self.caller(Actor::Plane, Some(request))
    }

    /// An actor at the doors of this plane, by a request that has a name already, or gets one.
    pub(crate) fn caller(&self, actor: Actor, request: Option<&str>) -> Caller {
        let is_name = |name: &&str| {
            (1..=MAX_REQUEST_BYTES).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
        };
        match request.filter(is_name) {
            Some(name) => Caller::new(actor, self.scope.clone(), name),
            None => {
                let number = u64::from_be_bytes(fresh::<8>().unwrap_or_default());
                Caller::new(actor, self.scope.clone(), &format!("{number:016x}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_a_minute_are_bounded_and_the_next_minute_has_room_again() {
        let refusals = Refusals::default();
        for _ in 0..REFUSALS_A_MINUTE {
            assert!(refusals.has_room(MINUTE_MS));
        }
        assert!(!refusals.has_room(2 * MINUTE_MS - 1));
        assert!(refusals.has_room(2 * MINUTE_MS));
    }
}
