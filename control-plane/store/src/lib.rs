//! The control plane's memory: SQLite in one file, or a PostgreSQL database.
//!
//! Owns: tables, migrations, the writer of this process with its group commit, and the questions the server asks. Leaves to others:
//! what the documents mean (`protocol`), who may ask (`server`). Invariants: only [`Writer`] changes the file, and an
//! answer to a write is given after the commit that makes it true; records of a run are appended in order, by the owner
//! of its epoch, on an unbroken chain; an order is kept until it took effect; job sequences never repeat, not even after
//! the file was restored from a backup; a call reads, changes and counts what is of its scope, and nothing else.
//!
//! Everything outside this crate goes through [`Store`], whose methods name no table and no SQL: both engines stand behind
//! the same methods. The scope comes first in each:
//!
//! ```
//! # async fn example(store: &flowforge_store::Store) -> Result<(), flowforge_store::StoreError> {
//! let scope = flowforge_core::Scope::new("acme", "billing");
//! store.groups(&scope).await?;
//! # Ok(()) }
//! ```
//!
//! Without one it does not compile:
//!
//! ```compile_fail,E0061
//! # async fn example(store: &flowforge_store::Store) -> Result<(), flowforge_store::StoreError> {
//! store.groups().await?;
//! # Ok(()) }
//! ```

mod accounts;
mod approvals;
mod audit;
mod batch;
mod batch_error;
mod capabilities;
mod cells;
mod certificates;
mod changes;
mod connection;
mod copies;
mod copy_error;
mod deliveries;
mod drafts;
mod duties;
mod endpoints;
mod erase;
mod errands;
mod error;
mod event_log;
mod events;
mod follow_ups;
mod groups;
mod heads;
mod hosts;
mod ingest;
mod invitations;
mod jobs;
mod leases;
mod life;
mod links;
mod notices;
mod numbers;
mod open;
mod outbox;
mod page;
mod polls;
mod postgres;
mod project;
mod readers;
mod refusals;
mod release_parts;
mod releases;
mod resume;
mod retention;
mod roles;
mod runs;
mod schedules;
mod secrets;
mod sessions;
mod several;
mod signals;
mod sql;
mod sqlite;
mod start;
mod tokens;
mod unassigned;
mod values;
mod waits;
mod workflows;
mod writer;

pub use accounts::{MAX_MEMBERS, Member, Membership, PasswordOf};
pub use approvals::{Approval, ApprovalState, Decided, NewDecision};
pub use audit::{AuditFilter, AuditRecord};
pub use batch::CheckedBatch;
pub use batch_error::{BatchError, MAX_BATCH_BYTES};
pub use capabilities::{CapabilityChange, CapabilityGrant, MAX_CAPABILITIES};
pub use certificates::{HostStanding, NewCertificate, Standing, StoredCertificate};
pub use copies::{Contents, contents, copy_store, load_copy};
pub use copy_error::CopyError;
pub use deliveries::{
    Delivery, DeliveryFilter, DeliveryOutcome, KeepDeliveries, NewDelivery, REPLAYABLE_MAX,
};
pub use drafts::{
    Draft, DraftDiscarded, DraftHead, DraftSaved, DraftText, MAX_DRAFTS, NewDraft, draft_of, without_draft,
};
pub use endpoints::{Endpoint, EndpointKeys, EndpointPlan, EndpointSet, MAX_ENDPOINTS, SealedKey};
pub use erase::{Erased, NewErasure};
pub use errands::{OrderedChild, OwedEnd};
pub use error::{DatabaseAway, DiskFull, EngineError, OpenError, StoreError};
pub use event_log::{EventDelivery, EventFilter, EventState, KeepEvents};
pub use follow_ups::{FollowUp, Follows, OnEnd, OwedFollowUp};
pub use groups::{Group, GroupChange, GroupChanged, MAX_GROUP_MEMBERS, MAX_GROUPS};
pub use hosts::{Host, LostWithJournal, MAX_HOSTS, NewHost, Registered, UsedNonce};
pub use ingest::{Changed, Heard, HostIngest, Ingested, NewReceipt, RejectCode, Rejected};
pub use invitations::{Claim, Claimed, Invited, MAX_INVITATIONS, NewInvitation};
pub use jobs::{JobKind, NewJob, OpenJob, Reissue};
pub use leases::{Holder, Placement};
pub use links::{LinkKept, LinkUse, LinkUsed, MAX_LINKS, NewLink, StoredLink};
pub use notices::{Listening, MAX_NOTICE_BYTES, Notices};
pub use open::{Store, StoreConfig};
pub use outbox::{
    APPROVAL_REQUESTED, AfterSending, ClaimedEvent, DisableRule, ENDPOINT_TEST, EVENT_KINDS, EventClaim,
    EventSent, MAX_EVENT_OUTCOME_BYTES, RUN_DONE, RUN_ENDED, RUN_FAILED, Told, WORKFLOW_PUBLISHED,
    event_name,
};
pub use page::Page;
pub use polls::{Poll, PollEnd, PollKey, PollPast, finder_of, is_finder};
pub use refusals::{EndedHere, Refusal, Refused};
pub use releases::{Links, MAX_WORKFLOWS, PublishError, Published, ReleaseHead, StoredRelease};
pub use resume::{Cursor, NewResume, ResumeBasis};
pub use retention::{Collected, Keep};
pub use runs::{Erasure, Found, OpenQuestion, RunFilter, RunHead, RunState, RunTexts, StoredRun, TextBytes};
pub use schedules::{Schedule, SchedulePast};
pub use secrets::{MAX_SECRET_NAMES, MAX_SECRETS, NewSecret, SecretHead, SecretSet, StoredSecret};
pub use sessions::{MAX_SESSIONS, NewSession, Shown, StoredSession};
pub use signals::{DueSignal, MAX_SIGNAL_BYTES, MAX_SIGNALS, NewSignal, SignalKept, Target};
pub use start::{ClientRequest, NewRun, Started};
pub use tokens::{MAX_TOKENS, NewToken, StoredToken};
pub use unassigned::Unassigned;
pub use values::{KeepError, MAX_UNUSED_BYTES, MAX_VALUE_BYTES};
pub use waits::{OpenWait, WaitFor};
pub use workflows::{Arrangement, MAX_FOLDER_BYTES, MAX_TAG_BYTES, MAX_TAGS, Trashed};
pub use writer::Writer;
