//! The newest items of the outbox, in memory: what was just committed is not read back from the file to be sent.
//!
//! Invariant: from `floor` on it holds what the file holds, no item more and none less, as of the last commit. Bounded;
//! the oldest leave it first and are then read from the file.

use std::collections::BTreeMap;

use crate::entry::OutboxItem;

/// Most bytes that are held: two calls' worth of the uploader.
const BYTES_MAX: usize = 4 << 20;

/// The newest items.
#[derive(Debug)]
pub(crate) struct Recent {
    /// Every durable item at or behind this position is here.
    floor: u64,
    items: BTreeMap<u64, OutboxItem>,
    bytes: usize,
}

impl Recent {
    /// For a journal whose next item will have this position.
    pub(crate) fn beginning(floor: u64) -> Self {
        Self {
            floor,
            items: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Follows a commit: what was put into the outbox, and the positions that were taken out of it.
    pub(crate) fn follow(&mut self, sent: Vec<OutboxItem>, trimmed: &[u64]) {
        for item in sent {
            self.bytes += item.body.weight();
            self.items.insert(item.position, item);
        }
        for position in trimmed {
            if let Some(item) = self.items.remove(position) {
                self.bytes -= item.body.weight();
            }
        }
        while self.bytes > BYTES_MAX
            && let Some((position, item)) = self.items.pop_first()
        {
            self.bytes -= item.body.weight();
            self.floor = position + 1;
        }
    }

    /// Items from this position on, until one of the limits is reached; at least one if there is any. `None` if some of
    /// them may be in the file only.
    pub(crate) fn read(&self, from: u64, items: usize, bytes: usize) -> Option<Vec<OutboxItem>> {
        if from < self.floor {
            return None;
        }
        let mut found = Vec::new();
        let mut size = 0;
        for item in self.items.range(from..).map(|(_, item)| item).take(items.max(1)) {
            size += item.body.weight();
            if !found.is_empty() && size > bytes {
                break;
            }
            found.push(item.clone());
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use flowforge_protocol::RunId;

    use super::*;
    use crate::entry::OutboxBody;

    fn item(position: u64, bytes: usize) -> OutboxItem {
        OutboxItem {
            position,
            body: OutboxBody::Receipt {
                run: RunId::from_entropy([1; 16]),
                envelope: vec![7; bytes],
            },
        }
    }

    fn positions(found: Option<Vec<OutboxItem>>) -> Option<Vec<u64>> {
        found.map(|items| items.iter().map(|item| item.position).collect())
    }

    #[test]
    fn it_follows_the_outbox_and_keeps_the_limits_of_a_read() {
        let mut recent = Recent::beginning(5);
        assert_eq!(recent.read(4, 9, 9), None, "older ones may be in the file");
        assert_eq!(positions(recent.read(5, 9, 9)), Some(vec![]));
        recent.follow((5..10).map(|position| item(position, 10)).collect(), &[6, 2]);
        assert_eq!(positions(recent.read(5, 9, 99)), Some(vec![5, 7, 8, 9]));
        assert_eq!(positions(recent.read(6, 2, 99)), Some(vec![7, 8]));
        assert_eq!(positions(recent.read(5, 9, 20)), Some(vec![5, 7]));
        assert_eq!(positions(recent.read(8, 9, 1)), Some(vec![8]), "one in any case");
        recent.follow(vec![item(10, 10)], &[10, 5, 7, 8, 9]);
        assert_eq!(positions(recent.read(5, 9, 99)), Some(vec![]));
        assert_eq!(recent.bytes, 0);
    }

    #[test]
    fn above_its_bound_the_oldest_are_left_to_the_file() {
        let mut recent = Recent::beginning(0);
        recent.follow(vec![item(0, BYTES_MAX), item(1, 10), item(2, 10)], &[]);
        assert_eq!(recent.read(0, 9, 99), None);
        assert_eq!(positions(recent.read(1, 9, 99)), Some(vec![1, 2]));
        recent.follow(vec![item(3, BYTES_MAX + 1)], &[]);
        assert_eq!(
            positions(recent.read(4, 9, 99)),
            Some(vec![]),
            "none is too large"
        );
        assert_eq!((recent.read(3, 9, 99), recent.bytes), (None, 0));
    }
}
