//! Which process dies where: the commit points of each side, chosen by chance.

use std::fmt;

use flowforge_failpoints::Point;

use crate::dice::Dice;

/// Which process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    /// The control plane.
    Plane,
    /// Another server of the same control plane.
    Second,
    /// The host.
    Host,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plane => "control plane",
            Self::Second => "second server",
            Self::Host => "host",
        })
    }
}

/// Where a process is to die: at the n-th crossing of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Planned {
    /// The point.
    pub(super) point: Point,
    /// Before what the point makes durable, or after it.
    pub(super) before: bool,
    nth: u64,
}

/// Points that the control plane crosses; those with `true` before and after. It crosses B12 when a person decides,
/// which nobody does here.
const PLANE: [(Point, bool); 5] = [
    (Point::B0, false),
    (Point::B1, true),
    (Point::B2, true),
    (Point::B9, true),
    (Point::B11, true),
];
/// Points that the host crosses.
const HOST: [(Point, bool); 9] = [
    (Point::B3, false),
    (Point::B4, true),
    (Point::B5, true),
    (Point::B6, false),
    (Point::B7, false),
    (Point::B8, true),
    (Point::B10, true),
    (Point::B11, true),
    (Point::B12, true),
];
/// Points whose crossings are rare under this load: they are met early or not at all.
const RARE: [Point; 2] = [Point::B12, Point::B11];
/// Latest crossing that is chosen.
const NTH_MAX: u64 = 12;

impl Planned {
    /// As the environment variable holds it.
    pub(super) fn rule(self) -> String {
        format!("{self}=abort@{}", self.nth)
    }
}

/// The places of one side, drawn like cards: each comes once before any comes again.
#[derive(Debug)]
pub(super) struct Deck {
    side: Side,
    left: Vec<(Point, bool)>,
}

impl Deck {
    /// A full deck.
    pub(super) const fn of(side: Side) -> Self {
        Self {
            side,
            left: Vec::new(),
        }
    }

    /// The next place.
    pub(super) fn draw(&mut self, dice: &mut Dice) -> Option<Planned> {
        if self.left.is_empty() {
            let points: &[(Point, bool)] = match self.side {
                Side::Plane | Side::Second => &PLANE,
                Side::Host => &HOST,
            };
            for (point, both) in points {
                self.left.push((*point, false));
                self.left.extend(both.then_some((*point, true)));
            }
        }
        let index = usize::try_from(dice.roll(self.left.len() as u64)).ok()?;
        let (point, before) = (index < self.left.len()).then(|| self.left.swap_remove(index))?;
        let latest = if RARE.contains(&point) { 3 } else { NTH_MAX };
        Some(Planned {
            point,
            before,
            nth: dice.roll(latest) + 1,
        })
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.before { ".before" } else { "" };
        write!(f, "{}{side}", self.point)
    }
}

#[cfg(test)]
mod tests {
    use flowforge_failpoints::FailPoints;

    use super::*;

    #[test]
    fn every_plan_is_understood_and_every_place_comes_before_any_comes_again() {
        let mut dice = Dice::of(1);
        let mut points = std::collections::BTreeSet::new();
        for (side, places) in [(Side::Plane, 9), (Side::Second, 9), (Side::Host, 15)] {
            let mut deck = Deck::of(side);
            let drawn: std::collections::BTreeSet<_> = (0..places)
                .map(|_| deck.draw(&mut dice).unwrap())
                .map(|planned| {
                    assert!(FailPoints::from_env_value(Some(&planned.rule())).is_ok());
                    points.insert(planned.point);
                    (planned.point, planned.before)
                })
                .collect();
            assert_eq!(drawn.len(), places);
        }
        assert_eq!(points.len(), Point::ALL.len());
    }
}
