//! What callers give to the journal with the records of a run.

use flowforge_failpoints::{Point, PointSet};
use flowforge_protocol::{Digest, RunId};

use crate::chain_point::ChainPoint;
use crate::replay::JobEntry;

/// Most bytes of the words that say what a run waits for, why it rests, or why its uploads are parked.
pub const ABOUT_BYTES_MAX: usize = 512;

/// About what keeping a value and its use by a run takes besides its bytes.
const VALUE_WEIGHT: usize = 160;

/// How soon an entry is to be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Urgency {
    /// With the next commit, or after `flush_after`, whichever comes first.
    #[default]
    Lazy,
    /// At once.
    Now,
}

/// Something to send beside the records that it is given with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upload {
    /// A value kept by digest beside the journal. Sent before the records it was given with.
    Artefact {
        /// Its digest.
        digest: Digest,
        /// What the uploader needs to know besides; opaque here.
        about: Vec<u8>,
    },
    /// The run's receipt, which is signed when it is sent. Given with the last record, and sent after it.
    Receipt {
        /// The document's bytes.
        document: Vec<u8>,
    },
}

/// What a run is doing, for its executor and for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It has something to do. An entry with records says this if it says nothing else.
    Running,
    /// It waits for something outside and need not be in memory.
    Waiting {
        /// When it is to be looked at again, milliseconds since 1970 UTC; `None` if no time ends it.
        due_ms: Option<u64>,
        /// What it waits for, for people: at most [`ABOUT_BYTES_MAX`] bytes; opaque here.
        about: Vec<u8>,
    },
    /// It cannot go on, and stays reachable: its inbox is read, and it ends when it is told to.
    Resting {
        /// A stable code.
        code: String,
        /// Why, for people; at most [`ABOUT_BYTES_MAX`] bytes.
        reason: String,
    },
}

/// A run's state, so that loading need not read the records before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Number of records that it stands for; those of the entry it comes with are the last of them.
    pub seq: u64,
    /// Which rules made the state. One that was made by others is not used.
    pub semantics: u32,
    /// The state; opaque here.
    pub bytes: Vec<u8>,
}

/// What one call adds to a run. All of it is stored, or none.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// Records with their values: lines of JSON, each ended by a line feed. May be empty when something else is given.
    pub lines: Vec<u8>,
    /// The bytes of values that the records hold by their plain digest. One that the run holds already need not come again.
    pub values: Vec<(Digest, Vec<u8>)>,
    /// What [`crate::RunLog::chain_after`] said of these lines, so that they are not walked twice.
    pub chained: Option<ChainPoint>,
    /// How soon.
    pub urgency: Urgency,
    /// Which commit points the commit of this entry crosses.
    pub points: PointSet,
    /// What the run is doing from now on.
    pub standing: Option<Standing>,
    /// The run's state after these records; takes the place of the one before.
    pub snapshot: Option<Snapshot>,
    /// Messages of the run's inbox that took effect by this entry, or that never will.
    pub consumes: Vec<u64>,
    /// Whether the last record ends the run: no record follows, and its inbox is emptied.
    pub ended: bool,
    /// What to send beside the records.
    pub uploads: Vec<Upload>,
    /// The order that caused it: remembered in the same commit, refused as a whole if the order is a replay. A new run's
    /// order is given to `accept`, one that waits in the inbox was given to `deliver`.
    pub job: Option<JobEntry>,
    /// From this entry on the run's records carry this fencing number; a lower one than before is ignored.
    pub epoch: Option<u64>,
}

impl Entry {
    /// Records that may wait for the next commit.
    #[must_use]
    pub fn lazy(lines: impl Into<Vec<u8>>) -> Self {
        Self {
            lines: lines.into(),
            ..Self::default()
        }
    }

    /// Records that are to be durable at once.
    #[must_use]
    pub fn now(lines: impl Into<Vec<u8>>) -> Self {
        Self {
            lines: lines.into(),
            urgency: Urgency::Now,
            ..Self::default()
        }
    }

    /// This entry crosses a commit point.
    #[must_use]
    pub fn crossing(mut self, point: Point) -> Self {
        self.points = self.points.with(point);
        self
    }

    /// From this entry on the run waits.
    #[must_use]
    pub fn waiting(mut self, due_ms: Option<u64>, about: impl Into<Vec<u8>>) -> Self {
        self.standing = Some(Standing::Waiting {
            due_ms,
            about: about.into(),
        });
        self
    }

    /// The run's state after these records.
    #[must_use]
    pub fn with_snapshot(mut self, snapshot: Snapshot) -> Self {
        self.snapshot = Some(snapshot);
        self
    }

    /// A message of the inbox took effect by it; crosses [`Point::B12`].
    #[must_use]
    pub fn consuming(mut self, message: u64) -> Self {
        self.consumes.push(message);
        self.crossing(Point::B12)
    }

    /// The last record ends the run; crosses [`Point::B11`].
    #[must_use]
    pub fn ending(mut self) -> Self {
        self.ended = true;
        self.crossing(Point::B11)
    }

    /// Its records hold a value by this plain digest.
    #[must_use]
    pub fn holding(mut self, digest: Digest, bytes: impl Into<Vec<u8>>) -> Self {
        self.values.push((digest, bytes.into()));
        self
    }

    /// Something is to be sent with it.
    #[must_use]
    pub fn sending(mut self, upload: Upload) -> Self {
        self.uploads.push(upload);
        self
    }

    /// An order caused it; crosses [`Point::B12`].
    #[must_use]
    pub fn ordered_by(mut self, job: JobEntry) -> Self {
        self.job = Some(job);
        self.crossing(Point::B12)
    }

    /// A new owner's number goes with it: the run was taken back from wherever it was.
    #[must_use]
    pub fn superseding(mut self, epoch: u64) -> Self {
        self.epoch = Some(epoch);
        self
    }

    /// Bytes it takes in the queue and, about, in the file.
    pub(crate) fn weight(&self) -> usize {
        let snapshot = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.bytes.len());
        let values: usize = self
            .values
            .iter()
            .map(|(_, bytes)| bytes.len() + VALUE_WEIGHT)
            .sum();
        self.lasting_weight() + values + snapshot
    }

    /// The part of it that stays with the run alone: a snapshot goes with the next one, a value is shared.
    pub(crate) fn lasting_weight(&self) -> usize {
        let uploads: usize = self
            .uploads
            .iter()
            .map(|upload| match upload {
                Upload::Artefact { about, .. } => 64 + about.len(),
                Upload::Receipt { document } => 32 + document.len(),
            })
            .sum();
        self.lines.len() + uploads
    }
}

/// A run to accept.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The run.
    pub run: RunId,
    /// Fencing number.
    pub epoch: u64,
    /// The signed envelope of the order, kept as long as the run.
    pub envelope: Vec<u8>,
    /// Cells that the run needs: they stay as long as it is open.
    pub documents: Vec<(Space, String)>,
    /// How many of its first records came from the control plane: they are not sent back. 0 for a new run.
    pub acknowledged: u64,
    /// The values of its records stay here: what is sent says only how large they are.
    pub values_stay: bool,
    /// Its first records; crosses [`Point::B4`].
    pub entry: Entry,
}

/// What is stored beside runs, each kind under its own keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Identity, session, time floor: what the host knows of itself. Never leaves by itself.
    Host,
    /// Release envelopes by digest.
    Release,
    /// Grant set envelopes by digest.
    Grants,
    /// Sealed secrets by name; never an opened one.
    SealedSecret,
}

impl Space {
    pub(crate) const fn tag(self) -> u8 {
        match self {
            Self::Host => 1,
            Self::Release => 2,
            Self::Grants => 3,
            Self::SealedSecret => 4,
        }
    }

    pub(crate) fn of(tag: u8) -> Option<Self> {
        [Self::Host, Self::Release, Self::Grants, Self::SealedSecret]
            .into_iter()
            .find(|space| space.tag() == tag)
    }
}
