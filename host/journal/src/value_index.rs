//! Which large values are kept, and which runs need them.
//!
//! A value is kept once however many records of however many runs hold it, and goes with the last run that does. Its
//! bytes count once, and count as bytes that may go as soon as all its runs are over and sent. Pure: no storage, no clock.

use std::collections::BTreeMap;

use flowforge_protocol::Digest;

/// A value that some run needs.
#[derive(Debug, Default)]
struct Kept {
    /// Its stored bytes; 0 while they are not here.
    bytes: u64,
    /// Runs that hold it.
    runs: u32,
    /// Of these, runs that may go.
    finished: u32,
}

impl Kept {
    /// What of its bytes goes as soon as room is wanted.
    fn finished_bytes(&self) -> u64 {
        if self.finished == self.runs { self.bytes } else { 0 }
    }
}

/// Every value that a run needs.
#[derive(Debug, Default)]
pub(crate) struct ValueIndex {
    values: BTreeMap<Digest, Kept>,
    uses: BTreeMap<u64, Vec<Digest>>,
    bytes: u64,
    finished_bytes: u64,
}

/// What a use of a value adds to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NewUse {
    /// The run did not hold the value before.
    pub(crate) of_run: bool,
    /// The bytes are not here yet.
    pub(crate) bytes: bool,
}

impl ValueIndex {
    /// Stored bytes of all values.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Of these, bytes that go as soon as room is wanted: every run that holds them is over.
    pub(crate) fn finished_bytes(&self) -> u64 {
        self.finished_bytes
    }

    /// An unfinished run holds a value of so many stored bytes.
    pub(crate) fn hold(&mut self, number: u64, digest: Digest, bytes: u64) -> NewUse {
        let uses = self.uses.entry(number).or_default();
        let of_run = !uses.contains(&digest);
        if of_run {
            uses.push(digest);
        }
        let mut new = NewUse { of_run, bytes: false };
        self.change(digest, |kept| {
            new.bytes = kept.bytes == 0;
            if new.bytes {
                kept.bytes = bytes;
            }
            kept.runs += u32::from(of_run);
        });
        new
    }

    /// A run of the file holds a value that may not be there.
    pub(crate) fn restore_use(&mut self, number: u64, digest: Digest) {
        self.uses.entry(number).or_default().push(digest);
        self.change(digest, |kept| kept.runs += 1);
    }

    /// The file has a value of so many stored bytes; `false` if no run holds it.
    pub(crate) fn restore(&mut self, digest: Digest, bytes: u64) -> bool {
        if !self.values.contains_key(&digest) {
            return false;
        }
        self.change(digest, |kept| kept.bytes = bytes);
        true
    }

    /// The runs that hold a value whose bytes are not here, and which value.
    pub(crate) fn lacking(&self) -> Vec<(u64, Digest)> {
        let is_lacking = |digest: &&Digest| self.values.get(*digest).is_none_or(|kept| kept.bytes == 0);
        let of_run = |(number, uses): (&u64, &Vec<Digest>)| Some((*number, *uses.iter().find(is_lacking)?));
        self.uses.iter().filter_map(of_run).collect()
    }

    /// A run may go from now on, or may not any more.
    pub(crate) fn finish(&mut self, number: u64, finished: bool) {
        for digest in self.uses.get(&number).cloned().unwrap_or_default() {
            self.change(digest, |kept| {
                kept.finished = if finished {
                    kept.finished + 1
                } else {
                    kept.finished.saturating_sub(1)
                };
            });
        }
    }

    /// A run that is not marked as one that may go is dropped. Answers the values that it held, and whether each goes
    /// with it.
    pub(crate) fn release(&mut self, number: u64) -> Vec<(Digest, bool)> {
        let mut released = Vec::new();
        for digest in self.uses.remove(&number).unwrap_or_default() {
            self.change(digest, |kept| kept.runs = kept.runs.saturating_sub(1));
            let goes = self.values.get(&digest).is_some_and(|kept| kept.runs == 0);
            if goes {
                self.change(digest, |kept| kept.bytes = 0);
                self.values.remove(&digest);
            }
            released.push((digest, goes));
        }
        released
    }

    /// The bytes that go when a run goes after those that `leaving` has counted, which it is counted among then.
    pub(crate) fn freed(&self, number: u64, leaving: &mut BTreeMap<Digest, u32>) -> u64 {
        let mut freed = 0;
        for digest in self.uses.get(&number).into_iter().flatten() {
            let gone = leaving.entry(*digest).or_default();
            *gone += 1;
            freed += self
                .values
                .get(digest)
                .filter(|kept| kept.runs == *gone)
                .map_or(0, |kept| kept.bytes);
        }
        freed
    }

    /// Changes a value and the sums over all of them.
    fn change(&mut self, digest: Digest, change: impl FnOnce(&mut Kept)) {
        let kept = self.values.entry(digest).or_default();
        let before = (kept.bytes, kept.finished_bytes());
        change(kept);
        self.bytes = (self.bytes + kept.bytes).saturating_sub(before.0);
        self.finished_bytes = (self.finished_bytes + kept.finished_bytes()).saturating_sub(before.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: NewUse = NewUse {
        of_run: true,
        bytes: true,
    };

    #[test]
    fn a_value_counts_once_and_goes_with_its_last_run() {
        let (mut index, digest) = (ValueIndex::default(), Digest::of(b"v"));
        assert_eq!(index.hold(1, digest, 100), NEW);
        assert_eq!(
            index.hold(1, digest, 100),
            NewUse {
                of_run: false,
                bytes: false
            }
        );
        assert_eq!(index.hold(2, digest, 100), NewUse { bytes: false, ..NEW });
        index.finish(1, true);
        assert_eq!((index.bytes(), index.finished_bytes()), (100, 0));
        index.finish(2, true);
        assert_eq!((index.bytes(), index.finished_bytes()), (100, 100));
        assert_eq!(index.hold(3, digest, 100), NewUse { bytes: false, ..NEW });
        assert_eq!(index.finished_bytes(), 0, "an open run holds it again");
        let mut leaving = BTreeMap::new();
        let freed: Vec<u64> = [1, 2, 3]
            .into_iter()
            .map(|number| index.freed(number, &mut leaving))
            .collect();
        assert_eq!(freed, [0, 0, 100]);
        for number in [1, 2] {
            index.finish(number, false);
            assert_eq!(index.release(number), [(digest, false)]);
        }
        assert_eq!(index.release(3), [(digest, true)]);
        assert_eq!((index.bytes(), index.finished_bytes()), (0, 0));
        assert_eq!(index.hold(4, digest, 100), NEW);
    }

    #[test]
    fn a_value_that_the_file_lacks_is_named_and_can_come_again() {
        let (mut index, digest) = (ValueIndex::default(), Digest::of(b"v"));
        index.restore_use(1, digest);
        assert!(!index.restore(Digest::of(b"nobody's"), 5));
        assert_eq!(index.lacking(), [(1, digest)]);
        assert_eq!(index.hold(2, digest, 100), NEW);
        assert!(index.lacking().is_empty());
    }
}
