//! Use cases: what people, programs and the plane itself may do, each in one place: check, act, audit.
//!
//! Whatever changes something takes an [`Allowed`], which only [`App::allow`] gives, after the policy has said yes to a
//! caller, an action and an object; the change writes its audit entry in its own transaction. Whatever only looks takes a
//! [`Reading`]. So the doors reach the store by no other way, and not without an actor and a scope.

mod allow;
pub(crate) mod approving;
pub(crate) mod arrange;
pub(crate) mod capabilities;
pub(crate) mod compile;
pub(crate) mod decisions;
pub(crate) mod drafts;
pub(crate) mod endpoints;
pub(crate) mod forms;
pub(crate) mod groups;
pub(crate) mod hooks;
pub(crate) mod keeping;
pub(crate) mod logs;
pub(crate) mod looks;
pub(crate) mod notices;
pub(crate) mod operations;
pub(crate) mod outside;
pub(crate) mod people;
pub(crate) mod polls;
pub(crate) mod publish;
mod reading;
pub(crate) mod receipts;
pub(crate) mod retry;
pub(crate) mod schedules;
pub(crate) mod starts;
mod state;
pub(crate) mod trials;
pub(crate) mod view;
pub(crate) mod waiting;

pub(crate) use allow::Allowed;
pub(crate) use reading::Reading;
pub(crate) use state::{App, FOLLOWERS_MAX, LoadError, Parts};
