//! What every use case shares.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use flowforge_connect::EgressPolicy;
use flowforge_core::{OwnerPolicy, Policy, RolePolicy, Scope, permits};
use flowforge_failpoints::FailPoints;
use flowforge_protocol::sync::Incarnation;
use flowforge_protocol::{Digest, TrustRoot};
use flowforge_registry::Registry;
use flowforge_store::{Standing, Store, StoreError, StoredRelease, without_draft};
use flowforge_telemetry::Telemetry;
use flowforge_workflow::Interrupt;
use tokio::sync::{Notify, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

use crate::apart::{ApartError, WORK_TIMEOUT, Workbench};
use crate::app::allow::Refusals;
use crate::app::capabilities::Capabilities;
use crate::app::hooks::{Keeper, Rates};
use crate::app::outside::Outside;
use crate::app::people::People;
use crate::clock::Clock;
use crate::counts::Counts;
use crate::fleet::bus::Bus;
use crate::fleet::duties::Duty;
use crate::fleet::events::Events;
use crate::fleet::hosts::Hosts;
use crate::fleet::words::Word;
use crate::keys::Keys;
use crate::line::HostLine;
use crate::orders::Scheduler;
use crate::peers::Peers;
use crate::release::{ReadyRelease, ReleaseError};
use crate::secrets::Secrets;

/// Releases that are kept ready besides the newest of each workflow.
const MAX_READY: usize = 256;

/// Drafts that a slow follower may lag behind; it reads the list anew then.
const DRAFTS_BACKLOG: usize = 256;

/// Subscriptions that are open at once, of all callers together; more are refused. Each costs a look at its run whenever
/// that moves.
pub(crate) const FOLLOWERS_MAX: usize = 256;

/// The state behind GraphQL, webhooks, schedules and hosts.
pub(crate) struct App {
    pub(crate) dev: bool,
    pub(crate) started_at_ms: u64,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) fail_points: FailPoints,
    pub(crate) store: Store,
    /// Whose everything is that people, webhooks and schedules ask for here. What a host asks for is its own scope's.
    pub(crate) scope: Scope,
    pub(crate) keys: Keys,
    pub(crate) scheduler: Scheduler,
    pub(crate) secrets: Secrets,
    pub(crate) hosts: Hosts,
    /// What is known of hosts besides their work.
    pub(crate) peers: Peers,
    /// Where hosts of other machines call, if they may.
    pub(crate) line: Option<HostLine>,
    pub(crate) events: Events,
    /// The way to the other servers on the store.
    pub(crate) bus: Arc<Bus>,
    /// What one of them does for all: schedules, errands, retention.
    pub(crate) duty: Duty,
    pub(crate) registry: Registry,
    /// Runs that wait for a host to be chosen.
    pub(crate) unassigned: AtomicU64,
    /// Counts what was heard of such runs: a host for which there was none need not look again before it moves.
    pub(crate) waiting_news: AtomicU64,
    /// Runs that were started here and that no host has confirmed, by this process's count.
    pub(crate) queued: AtomicU64,
    /// Woken when the schedules changed.
    pub(crate) schedules_changed: Notify,
    /// Woken when polled triggers changed.
    pub(crate) polls_changed: Notify,
    /// Woken when jobs wait to be written anew.
    pub(crate) reissue_wanted: Notify,
    /// Ends long waits.
    pub(crate) closing: CancellationToken,
    pub(crate) views: crate::app::view::Views,
    pub(crate) workbench: Workbench,
    /// What connectors may have.
    pub(crate) capabilities: Capabilities,
    /// How people show who they are.
    pub(crate) people: People,
    /// Who may do what.
    pub(crate) policy: Arc<dyn Policy>,
    /// How many refusals were written down of late.
    pub(crate) refusals: Refusals,
    pub(crate) counts: Counts,
    /// Whom it is told to, if somebody named a collector.
    pub(crate) telemetry: Option<Telemetry>,
    /// What is left of the allowances of webhooks.
    pub(crate) hook_rates: Rates,
    /// The way to webhook endpoints, and where they may be.
    pub(crate) outside: Outside,
    /// What is remembered of keeping what came to them.
    pub(crate) deliveries: Keeper,
    /// Workflows whose drafts were saved or are gone, for those who follow them.
    pub(crate) drafts_moved: broadcast::Sender<String>,
    /// A place for each subscription.
    pub(crate) followers: Arc<Semaphore>,
    published: RwLock<Published>,
}

#[derive(Default)]
struct Published {
    ready: HashMap<Digest, Arc<ReadyRelease>>,
    newest: HashMap<String, Digest>,
    /// Path below `/hooks/` or `/forms/` → release and place in its triggers.
    hooks: HashMap<String, (Digest, usize)>,
    /// Workflow → why its newest release cannot be used.
    unusable: HashMap<String, String>,
}

impl Published {
    /// The hooks of a new newest release, in the place of those its workflow had.
    fn set_hooks(&mut self, release: &ReadyRelease, before: Option<Digest>) {
        if let Some(before) = before {
            self.hooks.retain(|_, (digest, _)| *digest != before);
        }
        for (place, trigger) in release.workflow.triggers.iter().enumerate() {
            if let Some(path) = trigger.kind.path() {
                self.hooks.insert(path.to_owned(), (release.digest(), place));
            }
        }
    }
}

/// Why a release could not be brought up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("release {digest} is not usable")]
    Release {
        digest: Digest,
        #[source]
        source: ReleaseError,
    },
}

/// The parts an [`App`] is made of.
pub(crate) struct Parts {
    pub(crate) dev: bool,
    pub(crate) people: People,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) fail_points: FailPoints,
    pub(crate) store: Store,
    pub(crate) keys: Keys,
    pub(crate) registry: Registry,
    pub(crate) line: Option<HostLine>,
    pub(crate) closing: CancellationToken,
    pub(crate) bus: Arc<Bus>,
    pub(crate) telemetry: Option<Telemetry>,
    pub(crate) outside: EgressPolicy,
}

impl App {
    pub(crate) async fn new(parts: Parts) -> Result<Self, StoreError> {
        let scope = Scope::default_of(&parts.keys.trust_root.workspace);
        let now_ms = parts.clock.now_ms();
        let scheduler =
            Scheduler::open(&parts.store, parts.keys.scheduler.clone(), scope.clone(), now_ms).await?;
        let hosts = Hosts::new(parts.store.hosts(&scope).await?, parts.bus.tag());
        let standings = parts.store.standings(&scope).await?;
        for decided in &standings {
            hosts.close(&decided.host, decided.standing != Standing::Active);
        }
        let peers = Peers::new(standings, &parts.store.newest_certificates(&scope).await?);
        let capabilities = Capabilities::of(parts.store.capability_grants(&scope).await?);
        let unassigned = parts.store.count_unassigned(&scope).await?;
        let queued = parts.store.count_queued(&scope).await?;
        Ok(Self {
            started_at_ms: now_ms,
            dev: parts.dev,
            clock: parts.clock,
            fail_points: parts.fail_points,
            scheduler,
            secrets: Secrets::new(scope.clone(), &parts.keys.secrets, Arc::clone(&parts.bus)),
            hosts,
            peers,
            line: parts.line,
            events: Events::new(Arc::clone(&parts.bus)),
            bus: parts.bus,
            duty: Duty::new("all"),
            registry: parts.registry,
            unassigned: AtomicU64::new(unassigned),
            waiting_news: AtomicU64::default(),
            queued: AtomicU64::new(queued),
            schedules_changed: Notify::new(),
            polls_changed: Notify::new(),
            reissue_wanted: Notify::new(),
            closing: parts.closing,
            views: crate::app::view::Views::default(),
            workbench: Workbench::default(),
            drafts_moved: broadcast::Sender::new(DRAFTS_BACKLOG),
            policy: match parts.people.sign_in {
                true => Arc::new(RolePolicy::new(permits())),
                false => Arc::new(OwnerPolicy),
            },
            people: parts.people,
            capabilities,
            refusals: Refusals::default(),
            counts: Counts::default(),
            telemetry: parts.telemetry,
            hook_rates: Rates::default(),
            outside: Outside::new(parts.outside),
            deliveries: Keeper::default(),
            followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
            published: RwLock::new(Published::default()),
            store: parts.store,
            scope,
            keys: parts.keys,
        })
    }

    pub(crate) fn trust_root(&self) -> &TrustRoot {
        &self.keys.trust_root
    }

    /// The life of the store as the sync documents spell it.
    pub(crate) fn incarnation(&self) -> Incarnation {
        // The store spells it in the same way; the fixed one would only make hosts ask how far their runs are stored.
        self.store
            .incarnation()
            .parse()
            .unwrap_or_else(|_| Incarnation::from_entropy([0; 16]))
    }

    pub(crate) fn workspace(&self) -> &str {
        self.scope.workspace()
    }

    /// Brings up the newest release of every workflow. One that is not usable is remembered with the reason: it takes no
    /// starts, and keeps its schedules and webhook paths.
    pub(crate) async fn load_newest(&self) -> Result<(), StoreError> {
        let mut after = String::new();
        loop {
            let page = self.store.newest_releases(&self.scope, &after, 100).await?;
            for (_, stored) in page.items {
                after.clone_from(&stored.workflow);
                // What was tried of a draft is no version: it has neither schedules nor webhooks.
                if without_draft(&stored.workflow).1 {
                    continue;
                }
                self.enter_newest(stored);
            }
            if !page.has_more {
                return Ok(());
            }
        }
    }

    /// Makes a stored release the newest of its workflow, if it is usable and this process knows no newer one.
    pub(crate) fn enter_newest(&self, stored: StoredRelease) {
        if self
            .newest_of(&stored.workflow)
            .is_some_and(|known| known.digest() == stored.digest)
        {
            return;
        }
        let name = stored.workflow.clone();
        match self.make_ready(stored) {
            Ok(ready) => self.enter(&ready, true),
            Err(error) => {
                tracing::error!(workflow = name, %error, "a stored release is not usable");
                let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);
                published.unusable.insert(name, error.to_string());
            }
        }
    }

    fn make_ready(&self, stored: StoredRelease) -> Result<Arc<ReadyRelease>, ReleaseError> {
        ReadyRelease::new(stored, self.trust_root()).map(Arc::new)
    }

    fn enter(&self, ready: &Arc<ReadyRelease>, newest: bool) {
        let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);
        if published.ready.len() >= MAX_READY + published.newest.len() {
            let Published { ready, newest, .. } = &mut *published;
            let in_use: std::collections::HashSet<Digest> = newest.values().copied().collect();
            ready.retain(|digest, _| in_use.contains(digest));
        }
        published.ready.insert(ready.digest(), Arc::clone(ready));
        let workflow = &ready.stored.workflow;
        let known = published
            .newest
            .get(workflow)
            .and_then(|digest| published.ready.get(digest));
        // Two that were published one after the other may come here the other way round.
        if newest && known.is_none_or(|known| known.stored.version <= ready.stored.version) {
            published.unusable.remove(workflow);
            let before = published
                .newest
                .insert(ready.stored.workflow.clone(), ready.digest());
            published.set_hooks(ready, before);
        }
    }

    /// Why the newest release of a workflow cannot be used, if it cannot.
    pub(crate) fn unusable(&self, workflow: &str) -> Option<String> {
        let published = self.published.read().unwrap_or_else(PoisonError::into_inner);
        published.unusable.get(workflow).cloned()
    }

    /// The store has made a release the newest of its workflow.
    pub(crate) fn published(&self, stored: StoredRelease) -> Result<Arc<ReadyRelease>, ReleaseError> {
        let ready = self.make_ready(stored)?;
        self.enter(&ready, true);
        self.bus.say(Word::Published(ready.stored.workflow.clone()));
        self.triggers_changed();
        Ok(ready)
    }

    /// A workflow was put into the trash: it takes no starts, and has neither schedules nor webhooks.
    pub(crate) fn withdrawn(&self, workflow: &str) {
        let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);
        published.unusable.remove(workflow);
        if let Some(newest) = published.newest.remove(workflow) {
            published.hooks.retain(|_, (digest, _)| *digest != newest);
        }
        drop(published);
        self.triggers_changed();
    }

    /// Other triggers may be published now.
    pub(crate) fn triggers_changed(&self) {
        self.schedules_changed.notify_one();
        self.polls_changed.notify_one();
    }

    /// The trigger that listens at this path below `/hooks/`, with its release.
    pub(crate) fn hook(&self, path: &str) -> Option<(Arc<ReadyRelease>, usize)> {
        let published = self.published.read().unwrap_or_else(PoisonError::into_inner);
        let (digest, place) = published.hooks.get(path)?;
        Some((Arc::clone(published.ready.get(digest)?), *place))
    }

    /// The newest release of every workflow.
    pub(crate) fn newest(&self) -> Vec<Arc<ReadyRelease>> {
        let published = self.published.read().unwrap_or_else(PoisonError::into_inner);
        published
            .newest
            .values()
            .filter_map(|digest| published.ready.get(digest))
            .cloned()
            .collect()
    }

    /// A version of a workflow, or its newest.
    pub(crate) async fn release_of(
        &self,
        workflow: &str,
        version: Option<u32>,
    ) -> Result<Option<Arc<ReadyRelease>>, LoadError> {
        if let Some(newest) = self.newest_of(workflow)
            && version.is_none_or(|version| version == newest.stored.version)
        {
            return Ok(Some(newest));
        }
        match self.store.release_of(&self.scope, workflow, version).await? {
            Some(stored) => self.bring_up(stored).map(Some),
            None => Ok(None),
        }
    }

    /// As [`Self::release_of`], for callers who name a workflow: what was tried of drafts is none of theirs.
    pub(crate) async fn published_of(
        &self,
        workflow: &str,
        version: Option<u32>,
    ) -> Result<Option<Arc<ReadyRelease>>, LoadError> {
        if without_draft(workflow).1 {
            return Ok(None);
        }
        self.release_of(workflow, version).await
    }

    fn newest_of(&self, workflow: &str) -> Option<Arc<ReadyRelease>> {
        let published = self.published.read().unwrap_or_else(PoisonError::into_inner);
        published.ready.get(published.newest.get(workflow)?).cloned()
    }

    /// The release with this digest.
    pub(crate) async fn release(&self, digest: &Digest) -> Result<Option<Arc<ReadyRelease>>, LoadError> {
        let known = {
            let published = self.published.read().unwrap_or_else(PoisonError::into_inner);
            published.ready.get(digest).cloned()
        };
        if known.is_some() {
            return Ok(known);
        }
        match self.store.release(&self.scope, digest).await? {
            Some(stored) => self.bring_up(stored).map(Some),
            None => Ok(None),
        }
    }

    /// Makes a stored release ready, without making it the newest of its workflow.
    pub(crate) fn bring_up(&self, stored: StoredRelease) -> Result<Arc<ReadyRelease>, LoadError> {
        let digest = stored.digest;
        let ready = self
            .make_ready(stored)
            .map_err(|source| LoadError::Release { digest, source })?;
        self.enter(&ready, false);
        Ok(ready)
    }

    /// One run fewer waits to be confirmed by a host.
    pub(crate) fn confirmed(&self, count: u64) {
        let fewer = |now: u64| Some(now.saturating_sub(count));
        let _ = self
            .queued
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
    }

    /// Does author-controlled work apart from everything else.
    pub(crate) async fn apart<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self, &Interrupt) -> T + Send + 'static,
    ) -> Result<T, ApartError> {
        let app = Arc::clone(self);
        self.workbench
            .run(WORK_TIMEOUT, move |interrupt| work(&app, interrupt))
            .await
    }
}
