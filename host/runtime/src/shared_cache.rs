//! A bounded memory of things that are costly to get, each got once however many ask at the same time.
//!
//! The one single-flight cache of a host: connectors are remembered here, and whoever embeds the runtime keeps its own
//! costly things in another. Whoever comes second waits for the first; if the first fails or gives up, the next one tries.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Keeps the most recently used values. A value that is forgotten stays alive with whoever holds it.
#[derive(Debug)]
pub struct SharedCache<K, V> {
    capacity: usize,
    slots: Mutex<Slots<K, V>>,
}

#[derive(Debug)]
struct Slots<K, V> {
    uses: u64,
    by_key: HashMap<K, Slot<V>>,
}

#[derive(Debug)]
struct Slot<V> {
    value: Arc<tokio::sync::Mutex<Option<V>>>,
    last_use: u64,
}

impl<K: Eq + Hash + Clone, V> SharedCache<K, V> {
    /// A cache of at most this many values.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            slots: Mutex::new(Slots {
                uses: 0,
                by_key: HashMap::new(),
            }),
        }
    }

    /// The value, if it is here and nobody is getting it at this moment.
    pub fn get(&self, key: &K) -> Option<V>
    where
        V: Clone,
    {
        let slot = self.slot(key, false)?;
        let value = slot.try_lock().ok()?;
        value.clone()
    }

    /// The value; gets it if it is not here.
    ///
    /// # Errors
    /// The error of `load`; nothing is kept then.
    ///
    /// # Cancel safety
    /// Dropping the future lets the next caller get the value.
    pub async fn get_or_load<E, F>(&self, key: &K, load: impl FnOnce() -> F) -> Result<V, E>
    where
        V: Clone,
        F: Future<Output = Result<V, E>>,
    {
        let load = async || load().await.map(|value| (value.clone(), value));
        self.get_or_load_as(key, |value| Some(value.clone()), load).await
    }

    /// The same for values that are kept in another form than they are used in, and may be of no use any more: `reuse`
    /// gives the used form of a kept value, or nothing if it must be got again.
    ///
    /// # Errors
    /// The error of `load`; nothing is kept then.
    pub async fn get_or_load_as<T, E>(
        &self,
        key: &K,
        reuse: impl FnOnce(&V) -> Option<T>,
        load: impl AsyncFnOnce() -> Result<(V, T), E>,
    ) -> Result<T, E> {
        let Some(slot) = self.slot(key, true) else {
            return load().await.map(|(_, used)| used);
        };
        let mut place = slot.lock().await;
        if let Some(used) = place.as_ref().and_then(reuse) {
            return Ok(used);
        }
        let (kept, used) = load().await?;
        *place = Some(kept);
        Ok(used)
    }

    fn slot(&self, key: &K, make: bool) -> Option<Arc<tokio::sync::Mutex<Option<V>>>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.uses = slots.uses.saturating_add(1);
        let now = slots.uses;
        if let Some(slot) = slots.by_key.get_mut(key) {
            slot.last_use = now;
            return Some(Arc::clone(&slot.value));
        }
        if !make {
            return None;
        }
        if slots.by_key.len() >= self.capacity {
            let oldest = slots.by_key.iter().min_by_key(|(_, slot)| slot.last_use);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                slots.by_key.remove(&oldest);
            }
        }
        let value = Arc::new(tokio::sync::Mutex::new(None));
        let slot = Slot {
            value: Arc::clone(&value),
            last_use: now,
        };
        slots.by_key.insert(key.clone(), slot);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn many_that_ask_at_once_share_one_load() {
        let cache = SharedCache::<u8, u32>::new(4);
        let loads = AtomicU32::new(0);
        let load = || async {
            tokio::task::yield_now().await;
            Ok::<_, ()>(loads.fetch_add(1, Ordering::SeqCst))
        };
        let all = futures::future::join_all((0..16).map(|_| cache.get_or_load(&1, load))).await;
        assert!(all.iter().all(|found| *found == Ok(0)), "{all:?}");
        assert_eq!(cache.get(&1), Some(0));
        assert_eq!(cache.get(&2), None);
    }

    #[tokio::test]
    async fn a_failed_load_is_tried_again_and_the_oldest_goes() {
        let cache = SharedCache::<u8, u8>::new(2);
        assert_eq!(cache.get_or_load(&1, || async { Err("no") }).await, Err("no"));
        for key in [1, 2, 3] {
            assert_eq!(
                cache.get_or_load(&key, || async { Ok::<_, &str>(key) }).await,
                Ok(key)
            );
        }
        assert_eq!(
            (cache.get(&1), cache.get(&2), cache.get(&3)),
            (None, Some(2), Some(3))
        );
    }

    #[tokio::test]
    async fn a_kept_value_that_is_gone_is_got_again() {
        let cache = SharedCache::<u8, Weak<u8>>::new(2);
        let get = async |value: u8| {
            let load = async || {
                let used = Arc::new(value);
                Ok::<_, ()>((Arc::downgrade(&used), used))
            };
            cache.get_or_load_as(&1, Weak::upgrade, load).await.unwrap()
        };
        let first = get(5).await;
        assert_eq!(*get(6).await, 5);
        drop(first);
        assert_eq!(*get(7).await, 7);
    }
}
