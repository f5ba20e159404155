//! What one evaluation may cost, and how it is stopped from outside.
//!
//! Owns the price of everything: each part of an expression that is evaluated, each element that is walked, each 64
//! bytes that are read or made is one unit of work. What is made is paid for before it is made, so no intermediate
//! result is larger than `MAX_VALUE_BYTES` and one evaluation never makes more than `MAX_EXPRESSION_MEMORY`. Reads no
//! clock: the caller keeps the deadline and stops the [`Interrupt`]. What a caller lets evaluations do where others wait
//! for it is an [`Allowance`].

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::fault::Fault;
use crate::limits::{MAX_EXPRESSION_MEMORY, MAX_EXPRESSION_WORK, MAX_VALUE_BYTES};

/// Stops evaluations and checks that run elsewhere. Clones stop together.
///
/// Run author-controlled work on a thread of its own, with one deadline: when it has passed, stop the handle, and the
/// work ends within about a thousand units of it.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// A handle that nobody has stopped.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends everything that was given this handle, soon.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Units of work that evaluations may do in passing, all of them together.
///
/// When it is used up, an evaluation ends without a value: do it again without an allowance, where it holds nobody up.
#[derive(Debug)]
pub struct Allowance {
    left: Cell<u64>,
    used_up: Cell<bool>,
}

impl Allowance {
    /// So many units.
    #[must_use]
    pub fn new(units: u64) -> Self {
        Self {
            left: Cell::new(units),
            used_up: Cell::new(false),
        }
    }

    /// Whether something was asked for that it did not allow.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.used_up.get()
    }

    /// Pays for copying so many bytes; whether that is allowed.
    pub(crate) fn copies(&self, bytes: usize) -> bool {
        let units = u64::try_from(bytes / 64).unwrap_or(u64::MAX);
        match self.left.get().checked_sub(units) {
            Some(left) => self.left.set(left),
            None => self.used_up.set(true),
        }
        !self.used_up.get()
    }
}

/// Units of work between two looks at the interrupt.
const LOOK_EVERY: u64 = 1024;

/// Bytes that an element of a list or an entry of an object takes in memory.
pub(super) const ELEMENT_BYTES: usize = 48;

/// What is left of one evaluation.
#[derive(Debug)]
pub(super) struct Meter<'i> {
    work: Cell<u64>,
    memory: Cell<usize>,
    look_at: Cell<u64>,
    interrupt: Option<&'i Interrupt>,
    /// What bounds the work more narrowly, and what it had when the evaluation began.
    allowance: Option<(&'i Allowance, u64)>,
}

impl<'i> Meter<'i> {
    pub(super) fn new(interrupt: Option<&'i Interrupt>, allowance: Option<&'i Allowance>) -> Self {
        let allowance = allowance.map(|allowance| (allowance, allowance.left.get()));
        let allowance = allowance.filter(|(_, left)| *left < MAX_EXPRESSION_WORK);
        let work = allowance.map_or(MAX_EXPRESSION_WORK, |(_, left)| left);
        Self {
            work: Cell::new(work),
            memory: Cell::new(MAX_EXPRESSION_MEMORY),
            look_at: Cell::new(work),
            interrupt,
            allowance,
        }
    }

    /// Pays for so many units of work.
    pub(super) fn work(&self, units: usize) -> Result<(), Box<Fault>> {
        let units = u64::try_from(units).unwrap_or(u64::MAX);
        let Some(left) = self.work.get().checked_sub(units) else {
            self.work.set(0);
            if let Some((allowance, _)) = self.allowance {
                allowance.used_up.set(true);
            }
            return Err(Fault::stop(format!(
                "the expression needs more than {MAX_EXPRESSION_WORK} steps of work"
            )));
        };
        self.work.set(left);
        if left <= self.look_at.get() {
            self.look_at.set(left.saturating_sub(LOOK_EVERY));
            if self.interrupt.is_some_and(Interrupt::is_stopped) {
                return Err(Fault::late());
            }
        }
        Ok(())
    }

    /// Pays for reading so many bytes.
    pub(super) fn read(&self, bytes: usize) -> Result<(), Box<Fault>> {
        self.work(bytes / 64 + 1)
    }

    /// Pays for a text or bytes of this length, before it is made.
    pub(super) fn make(&self, bytes: usize) -> Result<(), Box<Fault>> {
        if bytes > MAX_VALUE_BYTES {
            return Err(Fault::stop(format!(
                "the text would be larger than {MAX_VALUE_BYTES} bytes"
            )));
        }
        self.take(bytes)?;
        self.read(bytes)
    }

    /// Pays for a list or an object of this many parts, before it is made.
    pub(super) fn make_parts(&self, parts: usize) -> Result<(), Box<Fault>> {
        self.take(parts.saturating_mul(ELEMENT_BYTES))?;
        self.work(parts + 1)
    }

    /// Pays for walking over this many parts, which are in memory at once but not for long.
    pub(super) fn walk_parts(&self, parts: usize) -> Result<(), Box<Fault>> {
        if parts.saturating_mul(ELEMENT_BYTES) > self.memory.get() {
            return Err(too_much());
        }
        self.work(parts + 1)
    }

    fn take(&self, bytes: usize) -> Result<(), Box<Fault>> {
        let left = self.memory.get().checked_sub(bytes).ok_or_else(too_much)?;
        self.memory.set(left);
        Ok(())
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        if let Some((allowance, had)) = self.allowance {
            let spent = had.saturating_sub(self.work.get());
            allowance.left.set(allowance.left.get().saturating_sub(spent));
        }
    }
}

fn too_much() -> Box<Fault> {
    Fault::stop(format!(
        "the expression makes more than {MAX_EXPRESSION_MEMORY} bytes on its way"
    ))
}
