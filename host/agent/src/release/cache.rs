//! A bounded memory of things that are costly to get, each got once however many ask at the same time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

/// Keeps the `capacity` most recently used values. A value that is forgotten stays alive with whoever holds it.
#[derive(Debug)]
pub(crate) struct SharedCache<K, V> {
    capacity: usize,
    slots: Mutex<Slots<K, V>>,
}

#[derive(Debug)]
struct Slots<K, V> {
    uses: u64,
    by_key: BTreeMap<K, Slot<V>>,
}

#[derive(Debug)]
struct Slot<V> {
    value: Arc<OnceCell<V>>,
    last_use: u64,
}

impl<K: Ord + Clone, V: Clone> SharedCache<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            slots: Mutex::new(Slots {
                uses: 0,
                by_key: BTreeMap::new(),
            }),
        }
    }

    /// The value, if it is here.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.slot(key, false)?.get().cloned()
    }

    /// The value; gets it if it is not here. Several callers wait for one of them; if that one fails or is dropped, the
    /// next tries.
    pub(crate) async fn get_or_load<E, F>(&self, key: &K, load: impl FnOnce() -> F) -> Result<V, E>
    where
        F: Future<Output = Result<V, E>>,
    {
        let Some(cell) = self.slot(key, true) else {
            return load().await;
        };
        cell.get_or_try_init(load).await.cloned()
    }

    fn slot(&self, key: &K, make: bool) -> Option<Arc<OnceCell<V>>> {
        let mut slots = self.lock();
        slots.uses += 1;
        let now = slots.uses;
        if let Some(slot) = slots.by_key.get_mut(key) {
            slot.last_use = now;
            return Some(Arc::clone(&slot.value));
        }
        if !make {
            return None;
        }
        if slots.by_key.len() >= self.capacity {
            let oldest = slots
                .by_key
                .iter()
                .min_by_key(|(_, slot)| slot.last_use)
                .map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                slots.by_key.remove(&oldest);
            }
        }
        let value = Arc::new(OnceCell::new());
        slots.by_key.insert(
            key.clone(),
            Slot {
                value: Arc::clone(&value),
                last_use: now,
            },
        );
        Some(value)
    }

    fn lock(&self) -> MutexGuard<'_, Slots<K, V>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_value_is_got_once_and_a_failure_is_not_kept() {
        let cache = SharedCache::new(2);
        let loads = AtomicU32::new(0);
        let load = async |answer: Result<u8, &'static str>| {
            cache
                .get_or_load(&1, || async {
                    loads.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    answer
                })
                .await
        };
        assert_eq!(load(Err("no")).await, Err("no"));
        let both = futures::future::join(load(Ok(7)), load(Ok(8))).await;
        assert_eq!(both, (Ok(7), Ok(7)));
        assert_eq!(loads.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn the_least_recently_used_goes_first() {
        let cache = SharedCache::new(2);
        for key in [1, 2] {
            cache
                .get_or_load(&key, || async move { Ok::<_, ()>(key) })
                .await
                .expect("loads");
        }
        assert_eq!(cache.get(&1), Some(1));
        cache
            .get_or_load(&3, || async move { Ok::<_, ()>(3) })
            .await
            .expect("loads");
        assert_eq!(
            (cache.get(&1), cache.get(&2), cache.get(&3)),
            (Some(1), None, Some(3))
        );
    }
}
