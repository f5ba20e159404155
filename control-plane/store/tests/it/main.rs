//! The store through its own methods, on a file.
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected must stop there; helpers of tests are tests"
)]

mod answers;
mod audit;
mod beside;
mod capabilities;
mod copies;
mod database;
mod deliveries;
mod drafts;
mod effort;
mod enrolment;
mod erase;
mod faults;
mod files;
mod growth;
mod kit;
mod leases;
mod lists;
mod migration;
mod moving;
mod orders;
mod outbox;
mod people;
mod publishing;
mod questions;
mod scopes;
mod trash;
mod values;
mod writes;

/// Which engine the stores of these tests are on; `tests/postgres` runs the same tests on the other one.
const POSTGRES: bool = false;
