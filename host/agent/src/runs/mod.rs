//! The executor: one task for each run on this host.
//!
//! Owns which runs are here and what each is doing. A run is driven by the pure state machine of `workflow`; this room
//! gives it time, records what it decides, and calls connectors for it. Leaves verification to the gate and storage to
//! the journal. Stands above secrets, releases and orders. Invariants: a run has one task, and only that task adds
//! records to it; a connector is called only for an order that the gate let in, also after a restart, when the stored
//! envelope is verified again; a run's panic ends that run and nothing else; a run can always be stopped, also one that rests.
//!
//! A run that waits leaves memory: the journal has its state, and here is one small entry with what it waits for. Runs that
//! are awake are bounded by `max_runs`, those that wait by `max_waiting`.

mod attempts;
mod begin;
mod damaged;
mod end;
mod erase;
mod evaluations;
mod given_up;
mod halt;
mod idle;
mod lean;
mod leases;
mod logs;
mod mailbox;
mod marking;
mod progress;
mod quota;
mod receipt;
mod recorder;
mod registry;
mod resting;
mod resume;
mod room;
mod service;
mod sleepers;
mod step;
mod sweep;
mod task;
mod wait;

pub use self::service::Runs;
pub(crate) use self::service::{OrderError, RunsParts, Taken};
