//! From points to a grade: gates that must be open, and caps that points do not lift.

use serde::Serialize;

/// What the points come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Grade {
    /// At least 90 in a hundred.
    A,
    /// At least 75 in a hundred.
    B,
    /// At least 60 in a hundred.
    C,
    /// Fewer.
    D,
    /// A gate is shut: no registry lists it, whatever its points are.
    F,
}

/// Something that a connector must be before any registry lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gate {
    /// Its name.
    pub name: String,
    /// Why it is shut, with the mend; absent if it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shut: Option<String>,
}

/// Why the grade is no better than this, whatever the points are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cap {
    /// The best grade.
    pub grade: Grade,
    /// Why, for people.
    pub why: String,
    /// What would lift it.
    pub next: String,
}

impl Grade {
    /// What so many points of so many come to. Nothing of nothing is a D.
    pub(crate) fn of(points: u32, of: u32) -> Self {
        let at_least =
            |hundredths: u32| of > 0 && points.saturating_mul(100) >= of.saturating_mul(hundredths);
        if at_least(90) {
            Self::A
        } else if at_least(75) {
            Self::B
        } else if at_least(60) {
            Self::C
        } else {
            Self::D
        }
    }

    /// The worse of this one and the caps.
    pub(crate) fn under(self, caps: &[Cap]) -> Self {
        caps.iter().map(|cap| cap.grade).fold(self, Self::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_makes_no_grade_better() {
        let cap = |grade| Cap {
            grade,
            why: String::new(),
            next: String::new(),
        };
        assert_eq!(Grade::of(95, 100).under(&[cap(Grade::B)]), Grade::B);
        assert_eq!(Grade::of(61, 100).under(&[cap(Grade::B)]), Grade::C);
        assert_eq!(
            Grade::of(95, 100).under(&[cap(Grade::B), cap(Grade::D)]),
            Grade::D
        );
        assert_eq!(Grade::of(0, 0), Grade::D);
    }
}
