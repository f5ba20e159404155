//! A storage in memory that records what is done to it, and fails as it is told.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

use super::image::Image;

/// One thing that happened to the storage.
#[derive(Debug, Clone)]
pub(super) enum DiskOp {
    Write {
        offset: usize,
        bytes: Arc<[u8]>,
    },
    SetLen(usize),
    Sync,
    /// Not the storage's: the user of the journal was told that this many commits are durable.
    Told(usize),
}

/// How it fails.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Fault {
    #[default]
    None,
    /// The n-th write, length change or sync fails, counted from 1; the later ones too if it is sticky.
    Nth {
        n: u64,
        kind: io::ErrorKind,
        sticky: bool,
    },
    /// Nothing fits behind this length.
    Full { bytes: usize },
    /// Every n-th sync answers at once and does nothing: a planted bug.
    LostSync { every: u64 },
}

#[derive(Debug, Default)]
struct Inner {
    bytes: Image,
    log: Vec<DiskOp>,
    fault: Fault,
    calls: u64,
    syncs: u64,
    failed: u64,
}

/// The storage. Clones are the same storage.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk(Arc<Mutex<Inner>>);

impl Disk {
    pub(super) fn with(bytes: impl Into<Image>) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            bytes: bytes.into(),
            ..Inner::default()
        })))
    }

    pub(super) fn failing(fault: Fault) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            fault,
            ..Inner::default()
        })))
    }

    /// From now on every call fails.
    pub(super) fn break_down(&self) {
        let mut inner = self.inner();
        let n = inner.calls;
        inner.fault = Fault::Nth {
            n,
            kind: io::ErrorKind::Other,
            sticky: true,
        };
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// What is on it now, synced or not: what a killed process leaves.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.inner().bytes.to_vec()
    }

    /// The same, to be opened or changed in a few places.
    pub(super) fn image(&self) -> Image {
        self.inner().bytes.clone()
    }

    pub(super) fn told(&self, commits: usize) {
        self.inner().log.push(DiskOp::Told(commits));
    }

    pub(super) fn log(&self) -> Vec<DiskOp> {
        self.inner().log.clone()
    }

    /// How many syncs there were so far.
    pub(super) fn syncs(&self) -> u64 {
        self.inner().syncs
    }

    /// How often its length changed so far.
    pub(super) fn growths(&self) -> u64 {
        let lengths = |op: &&DiskOp| matches!(op, DiskOp::SetLen(_));
        self.inner().log.iter().filter(lengths).count() as u64
    }

    /// How many calls failed so far.
    pub(super) fn failed(&self) -> u64 {
        self.inner().failed
    }
}

impl Inner {
    fn fail(&mut self, end: usize) -> io::Result<()> {
        self.calls += 1;
        let error = match self.fault {
            Fault::Nth { n, kind, sticky } if self.calls == n || (sticky && self.calls > n) => Some(kind),
            Fault::Full { bytes } if end > bytes => Some(io::ErrorKind::StorageFull),
            _ => None,
        };
        match error {
            None => Ok(()),
            Some(kind) => {
                self.failed += 1;
                Err(kind.into())
            }
        }
    }
}

/// Does to `bytes` what was done to the storage.
pub(super) fn replay(image: &mut Image, op: &DiskOp) {
    match op {
        // What lies behind the end was never made part of the file.
        DiskOp::Write { offset, bytes } => image.write(*offset, bytes),
        DiskOp::SetLen(length) => image.resize(*length),
        DiskOp::Sync | DiskOp::Told(_) => {}
    }
}

fn index(value: u64) -> usize {
    usize::try_from(value).unwrap()
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.inner().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.inner().bytes.read(index(offset), out) {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut inner = self.inner();
        inner.fail(index(length))?;
        inner.bytes.resize(index(length));
        inner.log.push(DiskOp::SetLen(index(length)));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut inner = self.inner();
        inner.fail(0)?;
        inner.syncs += 1;
        let lost = matches!(inner.fault, Fault::LostSync { every } if inner.syncs.is_multiple_of(every));
        if !lost {
            inner.log.push(DiskOp::Sync);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut inner = self.inner();
        let (offset, end) = (index(offset), index(offset) + data.len());
        inner.fail(end)?;
        if end > inner.bytes.len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        inner.bytes.write(offset, data);
        inner.log.push(DiskOp::Write {
            offset,
            bytes: data.into(),
        });
        Ok(())
    }
}
