//! The scorecard itself, and how it adds up.

use serde::Serialize;

use crate::grade::{Cap, Gate, Grade};

/// Version of the checks and their points.
pub const VERSION: u32 = 1;

/// All that was found. Points of checks that do not apply or were not measured are in no total.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scorecard {
    /// Version of the checks, [`VERSION`].
    pub version: u32,
    /// `publisher:name`, if the component has one.
    pub connector: Option<String>,
    /// Points.
    pub points: u32,
    /// Most points of the checks that were made.
    pub of: u32,
    /// Most points of the checks that were not made here; those that do not apply are not among them.
    pub not_measured: u32,
    /// What points and total come to, under the gates and caps.
    pub grade: Grade,
    /// What it would be without the caps.
    pub uncapped: Grade,
    /// Why the grade is no better, the hardest first; empty if points alone decide.
    pub caps: Vec<Cap>,
    /// Why the score may still change by itself; empty if it will not.
    pub provisional: Vec<String>,
    /// What a connector must be before it is listed, in a fixed order; those that could be asked here.
    pub gates: Vec<Gate>,
    /// The checks by category, in a fixed order.
    pub categories: Vec<Category>,
}

/// Checks of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Category {
    /// Its name.
    pub name: &'static str,
    /// Points.
    pub points: u32,
    /// Most points of the checks that were made.
    pub of: u32,
    /// The checks, in a fixed order.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Stable name.
    pub id: &'static str,
    /// Whether it counts.
    pub state: State,
    /// Points; 0 unless it counts.
    pub points: u32,
    /// Most points.
    pub of: u32,
    /// What the points rest on.
    pub evidence: String,
    /// What would bring the missing points; absent if none are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Whether a check counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was made.
    Scored,
    /// There is nothing to check.
    NotApplicable,
    /// It needs a registry, or was not asked for.
    NotMeasured,
}

impl Scorecard {
    /// Adds up.
    pub(crate) fn of(
        connector: Option<String>,
        categories: Vec<Category>,
        gates: Vec<Gate>,
        mut caps: Vec<Cap>,
        provisional: Vec<String>,
    ) -> Self {
        let points = categories.iter().map(|category| category.points).sum();
        let of = categories.iter().map(|category| category.of).sum();
        let not_measured = categories
            .iter()
            .flat_map(|category| &category.checks)
            .filter(|check| check.state == State::NotMeasured)
            .map(|check| check.of)
            .sum();
        let uncapped = Grade::of(points, of);
        // A cap that points alone would reach says nothing.
        caps.retain(|cap| cap.grade > uncapped);
        caps.sort_by_key(|cap| std::cmp::Reverse(cap.grade));
        Self {
            version: VERSION,
            connector,
            points,
            of,
            not_measured,
            grade: uncapped.under(&caps),
            uncapped,
            caps,
            provisional,
            gates,
            categories,
        }
    }

    /// Checks with missing points, the best gain first.
    #[must_use]
    pub fn gains(&self) -> Vec<&Check> {
        let mut gains: Vec<&Check> = self.checks().filter(|check| check.missing() > 0).collect();
        gains.sort_by_key(|check| std::cmp::Reverse(check.missing()));
        gains
    }

    /// Most points of the checks in this state.
    #[must_use]
    pub fn points_in(&self, state: State) -> u32 {
        let checks = self.checks().filter(|check| check.state == state);
        checks.map(|check| check.of).sum()
    }

    /// All checks, in their order.
    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        self.categories.iter().flat_map(|category| &category.checks)
    }
}

impl Category {
    pub(crate) fn new(name: &'static str, checks: Vec<Check>) -> Self {
        let of_made = |value: fn(&Check) -> u32| {
            let made = checks.iter().filter(|check| check.state == State::Scored);
            made.map(value).sum()
        };
        Self {
            name,
            points: of_made(|check| check.points),
            of: of_made(|check| check.of),
            checks,
        }
    }
}

impl Check {
    /// A check that was made. `next` is kept only if points are missing.
    pub(crate) fn scored(
        id: &'static str,
        points: u32,
        of: u32,
        evidence: impl Into<String>,
        next: &str,
    ) -> Self {
        let points = points.min(of);
        Self {
            id,
            state: State::Scored,
            points,
            of,
            evidence: evidence.into(),
            next: (points < of).then(|| next.to_owned()),
        }
    }

    pub(crate) fn not_applicable(id: &'static str, of: u32, why: &str) -> Self {
        Self {
            id,
            state: State::NotApplicable,
            points: 0,
            of,
            evidence: why.to_owned(),
            next: None,
        }
    }

    pub(crate) fn not_measured(id: &'static str, of: u32, why: &str) -> Self {
        Self {
            state: State::NotMeasured,
            ..Self::not_applicable(id, of, why)
        }
    }

    /// Points that it could still bring.
    #[must_use]
    pub fn missing(&self) -> u32 {
        match self.state {
            State::Scored => self.of.saturating_sub(self.points),
            State::NotApplicable | State::NotMeasured => 0,
        }
    }
}
