//! One figure and what it should be.

use std::fmt;

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aim {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
    /// It is told, nothing is promised.
    None,
}

/// A figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// What was found.
    pub found: f64,
    /// In which unit.
    pub unit: &'static str,
    /// What it should be.
    pub aim: Aim,
}

impl Figure {
    /// A figure with an aim.
    pub(super) fn new(name: impl Into<String>, found: f64, unit: &'static str, aim: Aim) -> Self {
        Self {
            name: name.into(),
            found,
            unit,
            aim,
        }
    }

    /// By which share the aim is missed; 0 if it is reached.
    #[must_use]
    pub fn missed_by(&self) -> f64 {
        let missed = match self.aim {
            Aim::AtMost(most) => self.found / most - 1.0,
            Aim::AtLeast(least) => 1.0 - self.found / least,
            Aim::None => 0.0,
        };
        missed.max(0.0)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = format!("{:.2} {}", self.found, self.unit);
        write!(f, "{:<58} {found:>14}", self.name)?;
        let verdict = |missed: f64| {
            if missed > 0.0 {
                format!("missed by {:.0} %", missed * 100.0)
            } else {
                "reached".to_owned()
            }
        };
        match self.aim {
            Aim::AtMost(most) => write!(f, "   aim ≤ {most} {}: {}", self.unit, verdict(self.missed_by())),
            Aim::AtLeast(least) => write!(f, "   aim ≥ {least} {}: {}", self.unit, verdict(self.missed_by())),
            Aim::None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_miss_is_told_as_a_share_of_the_aim() {
        let slow = Figure::new("time", 3.0, "ms", Aim::AtMost(2.0));
        assert!((slow.missed_by() - 0.5).abs() < 1e-9);
        assert!(slow.to_string().ends_with("aim ≤ 2 ms: missed by 50 %"));
        let few = Figure::new("ratio", 4.5, "x", Aim::AtLeast(6.0));
        assert!((few.missed_by() - 0.25).abs() < 1e-9);
        let good = Figure::new("ratio", 7.0, "x", Aim::AtLeast(6.0));
        assert!(good.to_string().ends_with("reached"));
    }
}
