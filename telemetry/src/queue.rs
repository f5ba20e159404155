//! What waits to be sent: bounded by number and bytes. What comes when it is full is dropped, and counted.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Bytes of one kind (spans, logs) that wait to be sent; what comes beyond them is dropped and counted.
const QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of one request to a collector, before compression; one item always goes.
const REQUEST_BYTES_MAX: usize = 512 * 1024;

/// A queue of one kind.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    held: Mutex<Held<T>>,
    items_max: usize,
    /// Dropped because it was full.
    dropped: AtomicU64,
}

#[derive(Debug)]
struct Held<T> {
    items: VecDeque<(usize, T)>,
    bytes: usize,
}

impl<T> Queue<T> {
    pub(crate) fn new(items_max: usize) -> Self {
        Self {
            held: Mutex::new(Held {
                items: VecDeque::new(),
                bytes: 0,
            }),
            items_max,
            dropped: AtomicU64::new(0),
        }
    }

    fn held<R>(&self, change: impl FnOnce(&mut Held<T>) -> R) -> R {
        // Nothing panics while it is held.
        change(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes an item of this size, or drops it; says how many there are now.
    pub(crate) fn push(&self, size: usize, item: T) -> usize {
        self.held(|held| {
            let bytes = held.bytes.saturating_add(size);
            if held.items.len() >= self.items_max || bytes > QUEUE_BYTES_MAX {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            } else {
                held.bytes = bytes;
                held.items.push_back((size, item));
            }
            held.items.len()
        })
    }

    /// The oldest ones, at most so many, for one request.
    pub(crate) fn take(&self, items: usize) -> Vec<T> {
        self.held(|held| {
            let (mut taken, mut bytes) = (Vec::new(), 0_usize);
            while let Some((size, _)) = held.items.front() {
                bytes = bytes.saturating_add(*size);
                if taken.len() >= items || (bytes > REQUEST_BYTES_MAX && !taken.is_empty()) {
                    break;
                }
                if let Some((size, item)) = held.items.pop_front() {
                    held.bytes = held.bytes.saturating_sub(size);
                    taken.push(item);
                }
            }
            taken
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.held(|held| held.items.len())
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let queue = Queue::new(3);
        for item in 0..5 {
            queue.push(10, item);
        }
        assert_eq!((queue.len(), queue.dropped()), (3, 2));
        assert_eq!(queue.take(2), [0, 1]);
        assert_eq!(queue.take(2), [2]);
        assert!(queue.take(2).is_empty());
        queue.push(QUEUE_BYTES_MAX, 5);
        queue.push(1, 6);
        assert_eq!(queue.dropped(), 3, "bytes count, too");
        assert_eq!(
            queue.take(2),
            [5],
            "one that is too large for a request goes alone"
        );
    }

    #[test]
    fn a_request_has_a_size() {
        let queue = Queue::new(10);
        for item in 0..4 {
            queue.push(REQUEST_BYTES_MAX / 2, item);
        }
        assert_eq!(queue.take(10), [0, 1]);
        assert_eq!(queue.take(10), [2, 3]);
    }
}
