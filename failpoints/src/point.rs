//! The boundaries, by name.

use std::fmt;
use std::str::FromStr;

/// A boundary at which something becomes durable or visible. The name in a plan is the variant's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Point {
    /// A client submitted, the control plane verified. Nothing is durable.
    B0,
    /// The control plane committed the job and its outbox row in one transaction; the client learns the id after it.
    B1,
    /// The control plane committed the lease (host, epoch + 1, deadline); the host may fetch the job after it.
    B2,
    /// The host verified signature, audience, expiry and sequence. Nothing is durable.
    B3,
    /// The host committed the job, its anti-replay state and the run's first record; `received` is said after it.
    B4,
    /// The host committed a step's intent; the step's first effect comes after it.
    B5,
    /// An effect happened outside. Durable only there.
    B6,
    /// The connector returned, the host holds the result in memory.
    B7,
    /// The host committed a step's result together with its outbox entry; steps that use it start after it.
    B8,
    /// The control plane committed records of a run, having compared the epoch; the host gets the cursor after it.
    B9,
    /// The host committed the cursor and trimmed its outbox.
    B10,
    /// A run's last record is committed; the outcome is told after it.
    B11,
    /// A timer that came due, or a decision, is committed.
    B12,
}

impl Point {
    /// Every boundary, in order.
    pub const ALL: [Self; 13] = [
        Self::B0,
        Self::B1,
        Self::B2,
        Self::B3,
        Self::B4,
        Self::B5,
        Self::B6,
        Self::B7,
        Self::B8,
        Self::B9,
        Self::B10,
        Self::B11,
        Self::B12,
    ];

    /// Position in [`Point::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "B{}", self.index())
    }
}

/// Why a text names no boundary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a commit point: expected B0 to B12")]
pub struct ParsePointError(pub(crate) String);

impl FromStr for Point {
    type Err = ParsePointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|point| point.to_string() == text)
            .ok_or_else(|| ParsePointError(text.chars().take(40).collect()))
    }
}

/// Which side of a boundary a crossing is counted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Just before what the boundary makes durable is begun.
    Before,
    /// Just after it succeeded and before anybody is told.
    After,
}

/// A set of boundaries, for a commit that crosses several at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PointSet(u16);

impl PointSet {
    /// No boundary.
    pub const EMPTY: Self = Self(0);

    /// The set of one boundary.
    #[must_use]
    pub const fn of(point: Point) -> Self {
        Self(1 << point.index())
    }

    /// This set and one more boundary.
    #[must_use]
    pub const fn with(self, point: Point) -> Self {
        Self(self.0 | 1 << point.index())
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the boundary is in the set.
    #[must_use]
    pub const fn contains(self, point: Point) -> bool {
        self.0 & (1 << point.index()) != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The boundaries in order.
    pub fn iter(self) -> impl Iterator<Item = Point> {
        Point::ALL.into_iter().filter(move |point| self.contains(*point))
    }
}

impl From<Point> for PointSet {
    fn from(point: Point) -> Self {
        Self::of(point)
    }
}
