//! What one call asks the store: what several rows of an answer need of one kind is asked once, for all of them.
//!
//! The engine resolves the rows of a list side by side. Whoever needs something says so and gives way once; then all have
//! said what they need, and the first to go on asks for everything. So a list costs as many statements with 10 rows as
//! with 100.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_graphql::{Context, Result};
use flowforge_core::Action;
use flowforge_protocol::{Digest, HostId, RunId};
use flowforge_store::{
    Approval, Arrangement, FollowUp, OpenWait, ReleaseHead, RunHead, RunTexts, StoreError,
};
use tokio::sync::oneshot;

use super::fault;
use super::faults::denied;
use super::limits::PerCall;
use super::query::{app, caller};
use crate::app::Reading;

/// Rows beside one row that are listed at most.
pub(super) const MAX_BESIDE: u32 = 100;
/// Versions of a workflow that are listed at most.
pub(super) const MAX_VERSIONS: u32 = 100;

type Waiting<K, V> = Vec<(K, oneshot::Sender<Result<Option<V>, StoreError>>)>;

/// Things of one kind, by their keys. Nothing is remembered: the answers of a subscription share this with each other.
pub(super) struct Batch<K, V> {
    waiting: Mutex<Waiting<K, V>>,
}

impl<K, V> Default for Batch<K, V> {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
        }
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Batch<K, V> {
    /// The thing of this key, if it is there. `fetch` is called by one of those that wait at the same time, for all.
    async fn load<F>(&self, key: K, fetch: impl FnOnce(Vec<K>) -> F) -> Result<Option<V>, StoreError>
    where
        F: Future<Output = Result<HashMap<K, V>, StoreError>>,
    {
        let (answer, result) = oneshot::channel();
        lock(&self.waiting).push((key, answer));
        tokio::task::yield_now().await;
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        if !waiting.is_empty() {
            let mut keys: Vec<K> = Vec::with_capacity(waiting.len());
            keys.extend(waiting.iter().map(|(key, _)| key.clone()));
            let found = fetch(keys).await;
            for (key, answer) in waiting {
                let of_key = match &found {
                    Ok(found) => Ok(found.get(&key).cloned()),
                    Err(error) => Err(error.clone()),
                };
                // Whoever has gone away needs nothing any more.
                let _ = answer.send(of_key);
            }
        }
        // The one that asked for all may be dropped before it has an answer: then the whole call is.
        result.await.unwrap_or(Err(StoreError::Stopped))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What one call has asked.
#[derive(Default)]
pub(crate) struct Loads {
    /// Statements of its questions.
    asked: Arc<AtomicU64>,
    heads: Batch<RunId, Arc<RunHead>>,
    texts: Batch<RunId, Arc<RunTexts>>,
    approvals: Batch<RunId, Arc<Vec<Approval>>>,
    waits: Batch<RunId, Arc<Vec<OpenWait>>>,
    children: Batch<RunId, Arc<Vec<RunHead>>>,
    retries: Batch<RunId, Arc<Vec<RunHead>>>,
    follow_ups: Batch<RunId, Arc<FollowUp>>,
    versions: Batch<String, Arc<Vec<ReleaseHead>>>,
    sources: Batch<Digest, Arc<String>>,
    signers: Batch<Digest, Arc<String>>,
    arrangements: Batch<String, Arc<Arrangement>>,
    open_runs: Batch<HostId, Arc<u64>>,
}

impl Loads {
    /// Statements since this was asked last.
    pub(super) fn take_statements(&self) -> u64 {
        self.asked.swap(0, Ordering::Relaxed)
    }
}

/// The right to look, for this call, whose statements are counted.
pub(super) async fn reading<'a>(ctx: &Context<'a>) -> Result<Reading<'a>> {
    reading_for(ctx, Action::Read).await
}

/// The same for what not everybody may look at who may look.
pub(super) async fn reading_for<'a>(ctx: &Context<'a>, action: Action) -> Result<Reading<'a>> {
    let reading = app(ctx)?.reading(caller(ctx)?, action).await;
    let reading = reading.map_err(|refused| denied(&refused))?;
    Ok(match ctx.data_opt::<PerCall>() {
        Some(call) => reading.counting(Arc::clone(&call.loads.asked)),
        None => reading,
    })
}

fn loads<'a>(ctx: &Context<'a>) -> Result<&'a Loads> {
    Ok(&ctx.data::<PerCall>()?.loads)
}

fn grouped<K: Eq + Hash + Clone, V>(keys: Vec<K>, rows: Vec<(K, V)>) -> HashMap<K, Arc<Vec<V>>> {
    let mut groups: HashMap<K, Vec<V>> = keys.into_iter().map(|key| (key, Vec::new())).collect();
    for (key, row) in rows {
        groups.entry(key).or_default().push(row);
    }
    groups
        .into_iter()
        .map(|(key, rows)| (key, Arc::new(rows)))
        .collect()
}

/// Writes a function that loads something of one row, together with the same of all others.
macro_rules! load {
    ($(#[$doc:meta])* $name:ident($key:ty) -> $value:ty, $reading:ident, $keys:ident => $fetch:expr) => {
        $(#[$doc])*
        pub(super) async fn $name(ctx: &Context<'_>, key: $key) -> Result<Option<Arc<$value>>> {
            let $reading = reading(ctx).await?;
            let fetch = |$keys: Vec<$key>| async move { $fetch };
            let loaded = loads(ctx)?.$name.load(key, fetch).await;
            loaded.map_err(|error| fault(&error))
        }
    };
}

load!(
    /// A run without its texts.
    heads(RunId) -> RunHead, reading, keys => {
        let rows = reading.run_heads(keys).await?;
        Ok(rows.into_iter().map(|run| (run.id.clone(), Arc::new(run))).collect())
    }
);
load!(
    /// The texts of a run.
    texts(RunId) -> RunTexts, reading, keys => {
        let rows = reading.run_texts(keys).await?;
        Ok(rows.into_iter().map(|(run, texts)| (run, Arc::new(texts))).collect())
    }
);
load!(
    /// The questions of a run, oldest first.
    approvals(RunId) -> Vec<Approval>, reading, keys => {
        let rows = reading.approvals_of(keys.clone(), MAX_BESIDE).await?;
        Ok(grouped(keys, rows.into_iter().map(|row| (row.run.clone(), row)).collect()))
    }
);
load!(
    /// What a run waits for besides questions, oldest first.
    waits(RunId) -> Vec<OpenWait>, reading, keys => {
        let rows = reading.waits_of(keys.clone(), MAX_BESIDE).await?;
        Ok(grouped(keys, rows))
    }
);
load!(
    /// The runs that a run has ordered, oldest first.
    children(RunId) -> Vec<RunHead>, reading, keys => {
        let rows = reading.children_of(keys.clone(), MAX_BESIDE).await?;
        Ok(grouped(keys, rows))
    }
);
load!(
    /// The runs that were made from a run by a retry, oldest first.
    retries(RunId) -> Vec<RunHead>, reading, keys => {
        let rows = reading.successors_of(keys.clone(), MAX_BESIDE).await?;
        Ok(grouped(keys, rows))
    }
);
load!(
    /// What the end of a run started, or will.
    follow_ups(RunId) -> FollowUp, reading, keys => {
        let rows = reading.follow_ups(keys).await?;
        Ok(rows.into_iter().map(|(run, follow_up)| (run, Arc::new(follow_up))).collect())
    }
);
load!(
    /// The versions of a workflow, newest first.
    versions(String) -> Vec<ReleaseHead>, reading, keys => {
        let rows = reading.versions(keys.clone(), MAX_VERSIONS).await?;
        Ok(grouped(keys, rows.into_iter().map(|row| (row.workflow.clone(), row)).collect()))
    }
);
load!(
    /// Where a workflow is.
    arrangements(String) -> Arrangement, reading, keys => {
        let rows = reading.arrangements().await?;
        let wanted: HashSet<String> = keys.into_iter().collect();
        let rows = rows.into_iter().filter(|row| wanted.contains(&row.workflow));
        Ok(rows.map(|row| (row.workflow.clone(), Arc::new(row))).collect())
    }
);
load!(
    /// The workflow file of a release.
    sources(Digest) -> String, reading, keys => {
        let rows = reading.sources(keys).await?;
        Ok(rows.into_iter().map(|(digest, source)| (digest, Arc::new(source))).collect())
    }
);
load!(
    /// Id of the key that signed a release.
    signers(Digest) -> String, reading, keys => {
        let rows = reading.signers(keys).await?;
        Ok(rows.into_iter().map(|(digest, signer)| (digest, Arc::new(signer))).collect())
    }
);

load!(
    /// How many runs of a host are not over.
    open_runs(HostId) -> u64, reading, keys => {
        let counts = reading.open_runs().await?;
        Ok(keys.into_iter().map(|host| (counts.get(&host).copied().unwrap_or(0), host))
            .map(|(count, host)| (host, Arc::new(count))).collect())
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_many_need_at_once_is_asked_once() {
        let batch = Batch::<u32, u32>::default();
        let asked = AtomicU64::new(0);
        let load = |key: u32| {
            batch.load(key, async |keys: Vec<u32>| {
                asked.fetch_add(1, Ordering::Relaxed);
                Ok(keys
                    .into_iter()
                    .filter(|key| *key != 7)
                    .map(|key| (key, key * 2))
                    .collect())
            })
        };
        let loaded = futures::future::join_all((0..100).map(load)).await;
        for (key, value) in (0..100).zip(loaded) {
            assert_eq!(value.unwrap(), (key != 7).then_some(key * 2));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(load(200).await.unwrap(), Some(400));
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn an_error_is_told_to_all_of_them() {
        let batch = Batch::<u32, u32>::default();
        let failing = |key: u32| batch.load(key, async |_| Err(StoreError::Busy));
        let (one, other) = tokio::join!(failing(1), failing(2));
        assert!(one.is_err() && other.is_err());
        let fine = batch.load(1, async |_| Ok(HashMap::from([(1, 5)]))).await;
        assert_eq!(fine.unwrap(), Some(5));
    }
}
