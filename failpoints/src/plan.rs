//! What happens at which crossing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::point::{Point, PointSet, Side};

/// What a planned crossing does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Ends the process at once, as a crash does: no destructor runs, nothing is flushed.
    Abort,
    /// Makes the crossing answer [`Injected`]; the caller treats it as the failure of the operation.
    Error,
    /// Holds whoever crosses, from this crossing on, until the process is ended. For [`FailPoints::is_held`] only.
    Hold,
}

/// A failure that a plan asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failure injected at commit point {0}")]
pub struct Injected(pub Point);

/// Why a text is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParsePlanError {
    /// The part before `=` names no boundary.
    #[error("fail point rule `{rule}`: {why}")]
    Point {
        /// The rule.
        rule: String,
        /// What is wrong with it.
        why: crate::ParsePointError,
    },
    /// The rule has another shape than `POINT[.before]=ACTION[@N]`.
    #[error("fail point rule `{rule}`: expected `B8=abort@3`, `B4.before=error`, or `count`")]
    Shape {
        /// The rule.
        rule: String,
    },
    /// The action is unknown.
    #[error("fail point rule `{rule}`: unknown action `{action}`, expected `abort`, `error` or `hold`")]
    Action {
        /// The rule.
        rule: String,
        /// The action.
        action: String,
    },
    /// The number after `@` is no whole number from 1.
    #[error("fail point rule `{rule}`: `{number}` is not a crossing number, expected 1 or more")]
    Number {
        /// The rule.
        rule: String,
        /// The number.
        number: String,
    },
}

#[derive(Debug)]
struct Rule {
    point: Point,
    side: Side,
    action: Action,
    nth: u64,
}

#[derive(Debug, Default)]
struct Plan {
    rules: Vec<Rule>,
    before: [AtomicU64; 13],
    after: [AtomicU64; 13],
    holdable: [AtomicU64; 13],
}

impl Plan {
    fn counter(&self, point: Point, side: Side) -> Option<&AtomicU64> {
        let counters = match side {
            Side::Before => &self.before,
            Side::After => &self.after,
        };
        counters.get(point.index())
    }
}

/// The fail points of one instance. Cheap to clone; clones count together.
#[derive(Debug, Clone, Default)]
pub struct FailPoints(Option<Arc<Plan>>);

impl FailPoints {
    /// Nothing is planned and nothing is counted.
    #[must_use]
    pub const fn inert() -> Self {
        Self(None)
    }

    /// Nothing is planned, crossings are counted.
    #[must_use]
    pub fn counting() -> Self {
        Self(Some(Arc::new(Plan::default())))
    }

    /// Reads a plan as it stands in an environment variable: rules divided by commas, each `POINT[.before]=ACTION[@N]`.
    ///
    /// `POINT` is `B0` to `B12`, `ACTION` is `abort`, `error` or `hold`, `N` is the crossing it happens at, 1 if it is left out.
    /// Without `.before` it happens just after the boundary was crossed and before anybody is told. The rule `count`
    /// counts only. No value, or an empty one, is [`FailPoints::inert`].
    ///
    /// # Errors
    /// By variant: which rule is wrong and what was expected.
    pub fn from_env_value(value: Option<&str>) -> Result<Self, ParsePlanError> {
        let text = value.unwrap_or("").trim();
        if text.is_empty() {
            return Ok(Self::inert());
        }
        let mut plan = Plan::default();
        for rule in text.split(',').map(str::trim).filter(|rule| !rule.is_empty()) {
            if rule != "count" {
                plan.rules.push(parse_rule(rule)?);
            }
        }
        Ok(Self(Some(Arc::new(plan))))
    }

    /// The boundary was crossed: what it makes durable or visible has happened, and nobody was told yet.
    ///
    /// # Errors
    /// [`Injected`] if the plan says so; the caller treats it as the failure of the operation.
    #[inline]
    pub fn hit(&self, point: Point) -> Result<(), Injected> {
        match &self.0 {
            None => Ok(()),
            Some(plan) => cross(plan, point, Side::After),
        }
    }

    /// The boundary is about to be crossed.
    ///
    /// # Errors
    /// As [`FailPoints::hit`].
    #[inline]
    pub fn hit_before(&self, point: Point) -> Result<(), Injected> {
        match &self.0 {
            None => Ok(()),
            Some(plan) => cross(plan, point, Side::Before),
        }
    }

    /// Crosses several boundaries at once, in order.
    ///
    /// # Errors
    /// The first failure the plan asks for.
    #[inline]
    pub fn hit_all(&self, points: PointSet, side: Side) -> Result<(), Injected> {
        match &self.0 {
            None => Ok(()),
            Some(plan) => points.iter().try_for_each(|point| cross(plan, point, side)),
        }
    }

    /// The boundary was crossed in asynchronous code: says whether the caller is to go no further. A caller that is held
    /// waits for something that never comes, so that the process can be killed exactly here.
    #[inline]
    #[must_use]
    pub fn is_held(&self, point: Point) -> bool {
        let Some(plan) = &self.0 else { return false };
        let Some(counter) = plan.holdable.get(point.index()) else {
            return false;
        };
        let nth = counter.fetch_add(1, Ordering::Relaxed) + 1;
        let holds = |rule: &Rule| rule.action == Action::Hold && rule.point == point && nth >= rule.nth;
        plan.rules.iter().any(holds)
    }

    /// How often a side of a boundary was crossed; 0 when nothing is counted.
    #[must_use]
    pub fn crossings(&self, point: Point, side: Side) -> u64 {
        self.0
            .as_ref()
            .and_then(|plan| plan.counter(point, side))
            .map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}

fn parse_rule(rule: &str) -> Result<Rule, ParsePlanError> {
    let shape = || ParsePlanError::Shape {
        rule: rule.to_owned(),
    };
    let (place, what) = rule.split_once('=').ok_or_else(shape)?;
    let (point, side) = match place.split_once('.') {
        None => (place, Side::After),
        Some((point, "before")) => (point, Side::Before),
        Some(_) => return Err(shape()),
    };
    let point = point.parse().map_err(|why| ParsePlanError::Point {
        rule: rule.to_owned(),
        why,
    })?;
    let (action, number) = what.split_once('@').unwrap_or((what, "1"));
    let action = match action {
        "abort" => Action::Abort,
        "error" => Action::Error,
        "hold" => Action::Hold,
        other => {
            return Err(ParsePlanError::Action {
                rule: rule.to_owned(),
                action: other.to_owned(),
            });
        }
    };
    match number.parse::<u64>() {
        Ok(nth) if nth > 0 => Ok(Rule {
            point,
            side,
            action,
            nth,
        }),
        _ => Err(ParsePlanError::Number {
            rule: rule.to_owned(),
            number: number.to_owned(),
        }),
    }
}

#[cold]
fn cross(plan: &Plan, point: Point, side: Side) -> Result<(), Injected> {
    let Some(counter) = plan.counter(point, side) else {
        return Ok(());
    };
    let nth = counter.fetch_add(1, Ordering::Relaxed) + 1;
    let planned = plan
        .rules
        .iter()
        .find(|rule| rule.point == point && rule.side == side && rule.nth == nth);
    match planned.map(|rule| rule.action) {
        None | Some(Action::Hold) => Ok(()),
        Some(Action::Error) => Err(Injected(point)),
        Some(Action::Abort) => std::process::abort(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_planned_counts_and_fails_nothing() {
        for value in [None, Some(""), Some("  ")] {
            let points = FailPoints::from_env_value(value).unwrap();
            assert_eq!(points.hit(Point::B8), Ok(()));
            assert_eq!(points.crossings(Point::B8, Side::After), 0);
        }
    }

    #[test]
    fn the_planned_crossing_fails_and_no_other() {
        let points = FailPoints::from_env_value(Some("B8=error@3, B4.before=error")).unwrap();
        assert_eq!(points.hit_before(Point::B4), Err(Injected(Point::B4)));
        assert_eq!(points.hit(Point::B4), Ok(()));
        let answers: Vec<_> = (0..5).map(|_| points.hit(Point::B8).is_ok()).collect();
        assert_eq!(answers, [true, true, false, true, true]);
        assert_eq!(points.crossings(Point::B8, Side::After), 5);
        assert_eq!(points.crossings(Point::B8, Side::Before), 0);
    }

    #[test]
    fn from_the_planned_crossing_on_callers_are_held() {
        let points = FailPoints::from_env_value(Some("B7=hold@3")).unwrap();
        let held: Vec<_> = (0..4).map(|_| points.is_held(Point::B7)).collect();
        assert_eq!(held, [false, false, true, true]);
        assert!(!points.is_held(Point::B8));
        assert_eq!(points.hit(Point::B7), Ok(()));
        assert!(!FailPoints::inert().is_held(Point::B7));
    }

    #[test]
    fn clones_count_together_and_instances_apart() {
        let (one, other) = (FailPoints::counting(), FailPoints::counting());
        let clone = one.clone();
        clone
            .hit_all(PointSet::of(Point::B5).with(Point::B8), Side::After)
            .unwrap();
        assert_eq!(one.crossings(Point::B5, Side::After), 1);
        assert_eq!(other.crossings(Point::B5, Side::After), 0);
    }

    #[test]
    fn every_point_is_named_once() {
        for (index, point) in Point::ALL.into_iter().enumerate() {
            assert_eq!(point.index(), index);
            assert_eq!(point.to_string().parse::<Point>(), Ok(point));
        }
    }

    #[test]
    fn a_wrong_plan_is_refused_with_the_rule() {
        let messages: Vec<_> = [
            "B13=abort",
            "B8",
            "B8.after=abort",
            "B8=explode",
            "B8=abort@0",
            "B8=abort@x",
        ]
        .into_iter()
        .map(|text| FailPoints::from_env_value(Some(text)).unwrap_err().to_string())
        .collect();
        assert_eq!(
            messages,
            [
                "fail point rule `B13=abort`: `B13` is not a commit point: expected B0 to B12",
                "fail point rule `B8`: expected `B8=abort@3`, `B4.before=error`, or `count`",
                "fail point rule `B8.after=abort`: expected `B8=abort@3`, `B4.before=error`, or `count`",
                "fail point rule `B8=explode`: unknown action `explode`, expected `abort`, `error` or `hold`",
                "fail point rule `B8=abort@0`: `0` is not a crossing number, expected 1 or more",
                "fail point rule `B8=abort@x`: `x` is not a crossing number, expected 1 or more",
            ]
        );
    }
}
