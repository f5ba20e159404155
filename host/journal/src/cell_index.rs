//! How much is kept beside the runs, and what leaves when a kind has too much.
//!
//! Knows of every cell its size, when it was last used and how many open runs need it. Decides at the moment a value is
//! given which older ones make room for it, so that the writer only does it. Pure: no storage, no clock.

use std::collections::BTreeMap;

use crate::config::CellLimits;
use crate::entry::Space;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Cell {
    bytes: u64,
    /// Counts uses; the lowest was not used for the longest time.
    used: u64,
    /// Open runs that need it, whether or not it is here yet.
    needed: u32,
    here: bool,
}

/// What the cells of a kind may take in all.
pub(crate) fn budget(limits: &CellLimits, space: Space) -> u64 {
    match space {
        Space::Host => limits.host_bytes,
        Space::Release => limits.release_bytes,
        Space::Grants => limits.grants_bytes,
        Space::SealedSecret => limits.secret_bytes,
    }
}

/// Every cell, by its stored key.
#[derive(Debug, Default)]
pub(crate) struct CellIndex {
    cells: BTreeMap<Vec<u8>, Cell>,
    uses: u64,
    bytes: u64,
}

impl CellIndex {
    /// A cell that the file holds.
    pub(crate) fn restore(&mut self, key: &[u8], bytes: u64) {
        let cell = self.cells.entry(key.to_vec()).or_default();
        (cell.bytes, cell.here) = (bytes, true);
        self.bytes += bytes;
    }

    /// Bytes of all cells.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn in_space(&self, space: Space) -> impl Iterator<Item = (&Vec<u8>, &Cell)> {
        let tag = space.tag();
        self.cells
            .iter()
            .filter(move |(key, cell)| cell.here && key.first() == Some(&tag))
    }

    /// Takes a value; answers the keys that leave for it, or what the kind holds if even they would not be enough.
    pub(crate) fn put(
        &mut self,
        space: Space,
        key: &[u8],
        bytes: u64,
        limit: u64,
    ) -> Result<Vec<Vec<u8>>, u64> {
        let others: u64 = self
            .in_space(space)
            .filter(|(other, _)| *other != key)
            .map(|(_, cell)| cell.bytes)
            .sum();
        let mut excess = (others + bytes).saturating_sub(limit);
        let mut leaving = Vec::new();
        if excess > 0 {
            let mut free: Vec<_> = self
                .in_space(space)
                .filter(|(other, cell)| *other != key && cell.needed == 0 && space != Space::Host)
                .map(|(other, cell)| (cell.used, cell.bytes, other.clone()))
                .collect();
            free.sort();
            for (_, freed, other) in free {
                if excess == 0 {
                    break;
                }
                excess = excess.saturating_sub(freed);
                leaving.push(other);
            }
            if excess > 0 {
                return Err(others);
            }
        }
        for other in &leaving {
            self.remove(other);
        }
        self.remove(key);
        let cell = self.cells.entry(key.to_vec()).or_default();
        (cell.bytes, cell.here) = (bytes, true);
        self.bytes += bytes;
        self.touch(key);
        Ok(leaving)
    }

    pub(crate) fn remove(&mut self, key: &[u8]) {
        let Some(cell) = self.cells.get_mut(key) else {
            return;
        };
        if cell.here {
            self.bytes = self.bytes.saturating_sub(cell.bytes);
        }
        (cell.here, cell.bytes) = (false, 0);
        if cell.needed == 0 {
            self.cells.remove(key);
        }
    }

    /// It was used now.
    pub(crate) fn touch(&mut self, key: &[u8]) {
        self.uses += 1;
        if let Some(cell) = self.cells.get_mut(key) {
            cell.used = self.uses;
        }
    }

    /// An open run needs it.
    pub(crate) fn need(&mut self, key: &[u8]) {
        self.cells.entry(key.to_vec()).or_default().needed += 1;
    }

    /// An open run needs it no more.
    pub(crate) fn release(&mut self, key: &[u8]) {
        if let Some(cell) = self.cells.get_mut(key) {
            cell.needed = cell.needed.saturating_sub(1);
            if cell.needed == 0 && !cell.here {
                self.cells.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::cell_key;

    fn key(name: &str) -> Vec<u8> {
        cell_key(Space::Release.tag(), name)
    }

    #[test]
    fn what_was_not_used_for_the_longest_time_leaves_and_what_a_run_needs_stays() {
        let mut index = CellIndex::default();
        let put =
            |index: &mut CellIndex, name: &str, bytes| index.put(Space::Release, &key(name), bytes, 100);
        assert_eq!(put(&mut index, "a", 40), Ok(vec![]));
        assert_eq!(put(&mut index, "b", 40), Ok(vec![]));
        index.touch(&key("a"));
        assert_eq!(put(&mut index, "c", 40), Ok(vec![key("b")]));
        index.need(&key("a"));
        index.need(&key("d"));
        assert_eq!(put(&mut index, "d", 60), Ok(vec![key("c")]));
        assert_eq!(put(&mut index, "e", 10), Err(100), "both are needed");
        index.release(&key("a"));
        assert_eq!(put(&mut index, "e", 10), Ok(vec![key("a")]));
        assert_eq!(index.bytes(), 70);
        assert_eq!(
            put(&mut index, "e", 20),
            Ok(vec![]),
            "a value takes its own place"
        );
        index.release(&key("d"));
        index.remove(&key("d"));
        assert_eq!((index.bytes(), index.cells.len()), (20, 1));
    }

    #[test]
    fn what_the_host_knows_of_itself_never_leaves_and_another_kind_is_not_touched() {
        let mut index = CellIndex::default();
        index.restore(&cell_key(Space::Host.tag(), "x"), 90);
        assert_eq!(
            index.put(Space::Host, &cell_key(Space::Host.tag(), "y"), 20, 100),
            Err(90)
        );
        assert_eq!(index.put(Space::Release, &key("a"), 100, 100), Ok(vec![]));
    }
}
