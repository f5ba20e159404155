//! Looking: what a caller who may look sees of the store, always in its scope.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use flowforge_core::Scope;
use flowforge_protocol::batch::RecordBatch;
use flowforge_protocol::{Digest, HostId, RunId};
use flowforge_store::{
    Approval, ApprovalState, Arrangement, AuditFilter, AuditRecord, Delivery, DeliveryFilter, Draft,
    DraftHead, Endpoint, EventDelivery, EventFilter, FollowUp, Found, Group, Member, OpenWait, Page, Poll,
    ReleaseHead, RunFilter, RunHead, RunTexts, Schedule, SecretHead, Store, StoreError, StoredRelease,
    StoredRun, StoredSecret,
};

use crate::app::App;
use crate::app::decisions::find_run;
use crate::app::logs::{self, LogLine};

/// The right to look. Only [`App::reading`] gives one.
#[derive(Debug, Clone)]
pub(crate) struct Reading<'a> {
    store: Store,
    scope: &'a Scope,
}

impl<'a> Reading<'a> {
    pub(super) fn new(app: &App, scope: &'a Scope) -> Self {
        Self {
            store: app.store.clone(),
            scope,
        }
    }

    /// The same, whose statements are counted there.
    pub(crate) fn counting(self, asked: Arc<AtomicU64>) -> Self {
        Self {
            store: self.store.counting(asked),
            scope: self.scope,
        }
    }

    /// Every member, by name.
    pub(crate) async fn members(&self) -> Result<Vec<Member>, StoreError> {
        self.store.members(self.scope).await
    }

    /// The member of this name.
    pub(crate) async fn member(&self, name: &str) -> Result<Option<Member>, StoreError> {
        self.store.member(self.scope, name).await
    }

    /// The run with this id, unique prefix, or `last`; else why not, for people.
    pub(crate) async fn find_run(&self, wanted: &str) -> Result<Result<StoredRun, String>, StoreError> {
        find_run(&self.store, self.scope, wanted).await
    }

    /// Up to `limit` log lines of a run, from record `from` on, and whether there are more.
    pub(crate) async fn logs(
        &self,
        run: &RunId,
        from: u64,
        limit: u32,
    ) -> Result<(Vec<LogLine>, bool), StoreError> {
        logs::lines(&self.store, self.scope, run, from, limit).await
    }

    /// The run with this id.
    pub(crate) async fn run(&self, id: &RunId) -> Result<Option<StoredRun>, StoreError> {
        self.store.run(self.scope, id).await
    }

    /// The run with this id, unique prefix, or `last`.
    pub(crate) async fn run_or_prefix(&self, wanted: &str) -> Result<Found<StoredRun>, StoreError> {
        self.store.find_run(self.scope, wanted).await
    }

    /// Runs, newest first.
    pub(crate) async fn runs(
        &self,
        filter: &RunFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<RunHead>, StoreError> {
        self.store.runs(self.scope, filter, before, limit).await
    }

    /// Runs by their ids.
    pub(crate) async fn run_heads(&self, ids: Vec<RunId>) -> Result<Vec<RunHead>, StoreError> {
        self.store.run_heads(self.scope, ids).await
    }

    /// The texts of runs.
    pub(crate) async fn run_texts(&self, ids: Vec<RunId>) -> Result<HashMap<RunId, RunTexts>, StoreError> {
        self.store.run_texts(self.scope, ids).await
    }

    /// Runs that runs have ordered.
    pub(crate) async fn children_of(
        &self,
        runs: Vec<RunId>,
        limit: u32,
    ) -> Result<Vec<(RunId, RunHead)>, StoreError> {
        self.store.children_of(self.scope, runs, limit).await
    }

    /// Runs that were made from runs by a retry.
    pub(crate) async fn successors_of(
        &self,
        runs: Vec<RunId>,
        limit: u32,
    ) -> Result<Vec<(RunId, RunHead)>, StoreError> {
        self.store.successors_of(self.scope, runs, limit).await
    }

    /// What runs wait for.
    pub(crate) async fn waits_of(
        &self,
        runs: Vec<RunId>,
        limit: u32,
    ) -> Result<Vec<(RunId, OpenWait)>, StoreError> {
        self.store.waits_of(self.scope, runs, limit).await
    }

    /// Records of a run.
    pub(crate) async fn batches(
        &self,
        run: &RunId,
        first_seq: u64,
        max_bytes: u64,
    ) -> Result<Vec<RecordBatch>, StoreError> {
        self.store.batches(self.scope, run, first_seq, max_bytes).await
    }

    /// Questions, newest first.
    pub(crate) async fn approvals(
        &self,
        state: Option<ApprovalState>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<Approval>, StoreError> {
        self.store.approvals(self.scope, state, before, limit).await
    }

    /// Questions of runs.
    pub(crate) async fn approvals_of(
        &self,
        runs: Vec<RunId>,
        limit: u32,
    ) -> Result<Vec<Approval>, StoreError> {
        self.store.approvals_of(self.scope, runs, limit).await
    }

    /// The question with this id, unique prefix, or `last`.
    pub(crate) async fn approval(&self, wanted: &str) -> Result<Found<Approval>, StoreError> {
        self.store.find_approval(self.scope, wanted).await
    }

    /// Groups of people.
    pub(crate) async fn groups(&self) -> Result<Vec<Group>, StoreError> {
        self.store.groups(self.scope).await
    }

    /// The release with this digest.
    pub(crate) async fn release(&self, digest: &Digest) -> Result<Option<StoredRelease>, StoreError> {
        self.store.release(self.scope, digest).await
    }

    /// A version of a workflow, or its newest.
    pub(crate) async fn release_of(
        &self,
        workflow: &str,
        version: Option<u32>,
    ) -> Result<Option<StoredRelease>, StoreError> {
        self.store.release_of(self.scope, workflow, version).await
    }

    /// Versions of workflows, newest first.
    pub(crate) async fn versions(
        &self,
        workflows: Vec<String>,
        limit: u32,
    ) -> Result<Vec<ReleaseHead>, StoreError> {
        self.store.versions(self.scope, workflows, limit).await
    }

    /// The files of releases.
    pub(crate) async fn sources(&self, releases: Vec<Digest>) -> Result<HashMap<Digest, String>, StoreError> {
        self.store.sources(self.scope, releases).await
    }

    /// Ids of the keys that signed releases.
    pub(crate) async fn signers(&self, releases: Vec<Digest>) -> Result<HashMap<Digest, String>, StoreError> {
        self.store.signers(self.scope, releases).await
    }

    /// Where workflows are.
    pub(crate) async fn arrangements(&self) -> Result<Vec<Arrangement>, StoreError> {
        self.store.arrangements(self.scope).await
    }

    /// The draft of a workflow.
    pub(crate) async fn draft(&self, workflow: &str) -> Result<Option<Draft>, StoreError> {
        self.store.draft(self.scope, workflow).await
    }

    /// Drafts, saved last first.
    pub(crate) async fn drafts(&self, after: Option<i64>, limit: u32) -> Result<Page<DraftHead>, StoreError> {
        self.store.drafts(self.scope, after, limit).await
    }

    /// Secrets by name.
    pub(crate) async fn secrets(
        &self,
        after: &str,
        limit: u32,
        trash: bool,
    ) -> Result<Vec<SecretHead>, StoreError> {
        self.store.secrets(self.scope, after, limit, trash).await
    }

    /// One secret that can be used.
    pub(crate) async fn secret(&self, name: &str) -> Result<Option<StoredSecret>, StoreError> {
        self.store.secret(self.scope, name).await
    }

    /// How many runs of each host are not over.
    pub(crate) async fn open_runs(&self) -> Result<HashMap<HostId, u64>, StoreError> {
        self.store.open_runs(self.scope).await
    }

    /// What came to webhooks, newest first.
    pub(crate) async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<Delivery>, StoreError> {
        self.store.deliveries(self.scope, filter, before, limit).await
    }

    /// The delivery with this id.
    pub(crate) async fn delivery(&self, id: &str) -> Result<Option<Delivery>, StoreError> {
        match self.store.find_delivery(self.scope, id).await? {
            Found::One(delivery) => Ok(Some(delivery)),
            Found::None | Found::Several => Ok(None),
        }
    }

    /// What the ends of these runs started, or will.
    pub(crate) async fn follow_ups(&self, runs: Vec<RunId>) -> Result<Vec<(RunId, FollowUp)>, StoreError> {
        self.store.follow_ups(self.scope, runs).await
    }

    /// The webhook endpoints, by name.
    pub(crate) async fn endpoints(&self) -> Result<Vec<Endpoint>, StoreError> {
        self.store.endpoints(self.scope).await
    }

    /// Events that went out to webhook endpoints or wait to, newest first.
    pub(crate) async fn event_deliveries(
        &self,
        filter: &EventFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<EventDelivery>, StoreError> {
        self.store
            .event_deliveries(self.scope, filter, before, limit)
            .await
    }

    /// When each cron trigger is due next, and what became of the times before.
    pub(crate) async fn schedules(&self) -> Result<Vec<Schedule>, StoreError> {
        self.store.schedules(self.scope).await
    }

    /// Where each polled trigger goes on, and what became of its polls.
    pub(crate) async fn polls(&self) -> Result<Vec<Poll>, StoreError> {
        self.store.polls(self.scope).await
    }

    /// Who did what, newest first.
    pub(crate) async fn audit(
        &self,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<AuditRecord>, StoreError> {
        self.store.audit(self.scope, filter, before, limit).await
    }
}
