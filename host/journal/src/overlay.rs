//! A file that is looked at and not touched.
//!
//! Opening a database writes: it marks the file as in use and recovers it. Before the journal knows that it understands a
//! file it must not do that, so it looks through this backend, which keeps every write in memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

const PAGE: u64 = 4096;

/// A file below, changed pages above.
#[derive(Debug)]
pub(crate) struct Overlay {
    file: File,
    changes: Mutex<Changes>,
}

#[derive(Debug)]
struct Changes {
    len: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Overlay {
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self {
            file,
            changes: Mutex::new(Changes {
                len,
                pages: BTreeMap::new(),
            }),
        })
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page as it would be; what lies behind the file's end is zero.
    fn page(&self, changes: &Changes, index: u64) -> io::Result<Vec<u8>> {
        if let Some(page) = changes.pages.get(&index) {
            return Ok(page.clone());
        }
        let mut page = vec![0; usize::try_from(PAGE).unwrap_or(0)];
        let mut filled = 0;
        while let Some(rest) = page.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let place = index * PAGE + u64::try_from(filled).unwrap_or(0);
            match self.file.read_at(rest, place)? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(page)
    }

    /// Visits the pages of a range: page index, offset in the page, offset in the caller's bytes, length.
    fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize, usize)> {
        let mut done = 0;
        std::iter::from_fn(move || {
            if done >= length {
                return None;
            }
            let place = offset + u64::try_from(done).unwrap_or(0);
            let inside = usize::try_from(place % PAGE).unwrap_or(0);
            let count = (usize::try_from(PAGE).unwrap_or(0) - inside).min(length - done);
            let piece = (place / PAGE, inside, done, count);
            done += count;
            Some(piece)
        })
    }
}

fn outside() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the place is behind the end")
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changes().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changes = self.changes();
        let end = offset.checked_add(u64::try_from(out.len()).unwrap_or(u64::MAX));
        if end.is_none_or(|end| end > changes.len) {
            return Err(outside());
        }
        for (index, inside, done, count) in Self::pieces(offset, out.len()) {
            let page = self.page(&changes, index)?;
            let (from, to) = (page.get(inside..inside + count), out.get_mut(done..done + count));
            let (Some(from), Some(to)) = (from, to) else {
                return Err(outside());
            };
            to.copy_from_slice(from);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut changes = self.changes();
        let first_gone = len.div_ceil(PAGE);
        changes.pages.retain(|index, _| *index < first_gone);
        changes.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changes = self.changes();
        for (index, inside, done, count) in Self::pieces(offset, data.len()) {
            let mut page = self.page(&changes, index)?;
            let (to, from) = (page.get_mut(inside..inside + count), data.get(done..done + count));
            let (Some(to), Some(from)) = (to, from) else {
                return Err(outside());
            };
            to.copy_from_slice(from);
            changes.pages.insert(index, page);
        }
        Ok(())
    }
}
