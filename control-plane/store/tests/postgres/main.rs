//! The tests of `tests/it` on a PostgreSQL database each, and what only a database can do.
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected must stop there; helpers of tests are tests"
)]

#[path = "../it/audit.rs"]
mod audit;
#[path = "../it/beside.rs"]
mod beside;
#[path = "../it/capabilities.rs"]
mod capabilities;
#[path = "../it/copies.rs"]
mod copies;
#[path = "../it/database.rs"]
mod database;
#[path = "../it/deliveries.rs"]
mod deliveries;
#[path = "../it/enrolment.rs"]
mod enrolment;
#[path = "../it/erase.rs"]
mod erase;
#[path = "../it/faults.rs"]
mod faults;
#[path = "../it/growth.rs"]
mod growth;
#[path = "../it/kit.rs"]
mod kit;
#[path = "../it/leases.rs"]
mod leases;
#[path = "../it/lists.rs"]
mod lists;
#[path = "../it/orders.rs"]
mod orders;
#[path = "../it/outbox.rs"]
mod outbox;
#[path = "../it/people.rs"]
mod people;
#[path = "../it/publishing.rs"]
mod publishing;
#[path = "../it/questions.rs"]
mod questions;
#[path = "../it/scopes.rs"]
mod scopes;
mod server;
mod servers;
#[path = "../it/trash.rs"]
mod trash;
#[path = "../it/values.rs"]
mod values;
#[path = "../it/writes.rs"]
mod writes;

/// Which engine the stores of these tests are on.
const POSTGRES: bool = true;
