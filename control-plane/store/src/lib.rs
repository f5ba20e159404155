//! The control plane's memory: SQLite in one file.
//!
//! Owns: tables, migrations, the one writer with its group commit, and the questions the server asks. Leaves to others:
//! what the documents mean (`protocol`), who may ask (`server`). Invariants: only [`Writer`] changes the file, and an
//! answer to a write is given after the commit that makes it true; records of a run are appended in order, by the owner
//! of its epoch, on an unbroken chain; job sequences never repeat.
//!
//! Everything outside this crate goes through [`Store`], whose methods name no table and no SQL, so that a second engine
//! can stand behind the same methods.

mod approvals;
mod batch;
mod changes;
mod error;
mod hosts;
mod ingest;
mod jobs;
mod migrate;
mod open;
mod page;
mod readers;
mod releases;
mod runs;
mod schedules;
mod secrets;
mod sql;
mod start;
mod writer;

pub use approvals::{Approval, ApprovalState, Decided, NewDecision};
pub use batch::{BatchError, CheckedBatch, MAX_BATCH_BYTES};
pub use error::{DiskFull, OpenError, StoreError};
pub use hosts::{Host, NewHost};
pub use ingest::{Changed, HostIngest, Ingested, NewReceipt, RejectCode, Rejected};
pub use jobs::{NewJob, OpenJob, Reissue, Unassigned};
pub use open::{Store, StoreConfig};
pub use page::Page;
pub use releases::{PublishError, StoredRelease};
pub use runs::{Found, RunFilter, RunState, StoredRun};
pub use schedules::Schedule;
pub use secrets::{NewSecret, StoredSecret};
pub use start::{ClientRequest, NewRun, Started};
pub use writer::Writer;
