//! What callers give to the journal, and what it gives to the uploader.

use flowforge_failpoints::{Point, PointSet};
use flowforge_protocol::record::RecordBatch;
use flowforge_protocol::{Digest, RunId, StepKey};

use crate::replay::JobEntry;

/// How soon an entry is to be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Urgency {
    /// With the next commit, or after `flush_after`, whichever comes first.
    #[default]
    Lazy,
    /// At once.
    Now,
}

/// Something to send beside the records, in the order of the run's entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upload {
    /// A value kept by digest beside the journal. Sent before the records it was given with.
    Artefact {
        /// Its digest.
        digest: Digest,
        /// What the uploader needs to know besides; opaque here.
        about: Vec<u8>,
    },
    /// The run's receipt: the signed envelope. Sent after the records it was given with.
    Receipt {
        /// The envelope's bytes.
        envelope: Vec<u8>,
    },
}

/// What one call adds to a run. All of it is stored, or none.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// Records: lines of JSON, each ended by a line feed. May be empty when something else is given.
    pub lines: Vec<u8>,
    /// How soon.
    pub urgency: Urgency,
    /// Which commit points the commit of this entry crosses.
    pub points: PointSet,
    /// Timers to arm: step and due time, milliseconds since 1970 UTC. Arming again moves the timer.
    pub arm: Vec<(StepKey, u64)>,
    /// Timers to take away.
    pub disarm: Vec<StepKey>,
    /// Whether the last line ends the run: its timers go, and no record follows.
    pub ended: bool,
    /// What to send beside the records.
    pub uploads: Vec<Upload>,
    /// The order that caused it (a decision, a cancellation): remembered in the same commit, refused as a whole if the
    /// order is a replay. A new run's order is given to `accept` instead.
    pub job: Option<JobEntry>,
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

    /// This entry arms a timer.
    #[must_use]
    pub fn arming(mut self, step: StepKey, due_ms: u64) -> Self {
        self.arm.push((step, due_ms));
        self
    }

    /// This entry takes a timer away.
    #[must_use]
    pub fn disarming(mut self, step: StepKey) -> Self {
        self.disarm.push(step);
        self
    }

    /// The last line ends the run; crosses [`Point::B11`].
    #[must_use]
    pub fn ending(mut self) -> Self {
        self.ended = true;
        self.crossing(Point::B11)
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

    /// Bytes it takes in the queue and, about, in the file.
    pub(crate) fn weight(&self) -> usize {
        let uploads: usize = self
            .uploads
            .iter()
            .map(|upload| match upload {
                Upload::Artefact { about, .. } => 64 + about.len(),
                Upload::Receipt { envelope } => 32 + envelope.len(),
            })
            .sum();
        self.lines.len() + uploads + 64 * (self.arm.len() + self.disarm.len())
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
    /// Its first records; crosses [`Point::B4`].
    pub entry: Entry,
}

/// What is stored beside runs, each kind under its own keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Identity, session, time floor: what the host knows of itself.
    Host,
    /// Release envelopes by digest.
    Release,
    /// Grant set envelopes by digest.
    Grants,
    /// Sealed secrets by name; never an opened one.
    SealedSecret,
}

impl Space {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Host, Self::Release, Self::Grants, Self::SealedSecret];

    pub(crate) const fn tag(self) -> u8 {
        match self {
            Self::Host => 1,
            Self::Release => 2,
            Self::Grants => 3,
            Self::SealedSecret => 4,
        }
    }
}

/// Something durable that waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxItem {
    /// Its place: items are sent in this order, and acknowledged by it.
    pub position: u64,
    /// What it is.
    pub body: OutboxBody,
}

/// What waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboxBody {
    /// Records of a run.
    Batch(RecordBatch),
    /// A receipt.
    Receipt {
        /// The run.
        run: RunId,
        /// The signed envelope.
        envelope: Vec<u8>,
    },
    /// An artefact.
    Artefact {
        /// The run.
        run: RunId,
        /// Its digest.
        digest: Digest,
        /// As given.
        about: Vec<u8>,
    },
}

impl OutboxBody {
    /// Bytes that count against the limit of a read.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Batch(batch) => batch.lines.len(),
            Self::Receipt { envelope, .. } => envelope.len(),
            Self::Artefact { about, .. } => about.len(),
        }
    }
}

/// What the control plane has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ack {
    /// Every record of the run up to and including this `seq`.
    Records {
        /// The run.
        run: RunId,
        /// The last `seq` it has.
        through: u64,
    },
    /// The item at this position, of any kind.
    Item(u64),
}
