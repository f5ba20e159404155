//! The scorecard itself, and how it adds up.

use serde::Serialize;

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
    /// What points and total come to.
    pub grade: Grade,
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
    /// It needs a registry, or measurements that are not made here.
    NotMeasured,
}

/// What the points come to: A from 90 in a hundred, B from 75, C from 60.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Grade {
    /// At least 90 in a hundred, if everything is measured.
    A,
    /// At least 75 in a hundred; the best grade while checks are not measured.
    B,
    /// At least 60 in a hundred.
    C,
    /// Fewer.
    D,
}

impl Scorecard {
    /// Adds up.
    pub(crate) fn of(connector: Option<String>, categories: Vec<Category>) -> Self {
        let points = categories.iter().map(|category| category.points).sum();
        let of = categories.iter().map(|category| category.of).sum();
        let not_measured = categories
            .iter()
            .flat_map(|category| &category.checks)
            .filter(|check| check.state == State::NotMeasured)
            .map(|check| check.of)
            .sum();
        Self {
            version: VERSION,
            connector,
            points,
            of,
            not_measured,
            grade: grade(points, of, not_measured),
            categories,
        }
    }

    /// Checks with missing points, the best gain first.
    #[must_use]
    pub fn gains(&self) -> Vec<&Check> {
        let checks = self.categories.iter().flat_map(|category| &category.checks);
        let mut gains: Vec<&Check> = checks.filter(|check| check.missing() > 0).collect();
        gains.sort_by_key(|check| std::cmp::Reverse(check.missing()));
        gains
    }
}

fn grade(points: u32, of: u32, not_measured: u32) -> Grade {
    let at_least = |hundredths: u32| points.saturating_mul(100) >= of.saturating_mul(hundredths);
    if at_least(90) && not_measured == 0 {
        Grade::A
    } else if at_least(75) {
        Grade::B
    } else if at_least(60) {
        Grade::C
    } else {
        Grade::D
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
