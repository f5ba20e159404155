//! Which version number fits a change. Source: Semantic Versioning 2.0.0, with the reading of Cargo for versions below
//! 1.0.0: there the first number that is not zero is the one that a break must raise.

use semver::Version;

use crate::Impact;

/// The version that `next` comes after: the highest lower one that is no pre-release. Versions of an older line are
/// compared within that line.
pub fn previous_of<'a>(
    published: impl IntoIterator<Item = &'a Version>,
    next: &Version,
) -> Option<&'a Version> {
    let is_before = |version: &&Version| version.pre.is_empty() && *version < next;
    published.into_iter().filter(is_before).max()
}

/// Whether `next` may follow `previous` with a change of this impact. `next` is higher than `previous`.
#[must_use]
pub fn is_enough(previous: &Version, next: &Version, impact: Impact) -> bool {
    let numbers = |version: &Version| (version.major, version.minor, version.patch);
    let lowest = lowest_right(previous, impact);
    // A pre-release of 1.3.0 announces 1.3.0, so it is judged as that.
    numbers(next) >= numbers(&lowest)
}

/// The lowest version that may follow `previous` with a change of this impact.
#[must_use]
pub fn lowest_right(previous: &Version, impact: Impact) -> Version {
    let (major, minor, patch) = (previous.major, previous.minor, previous.patch);
    match (impact, major, minor) {
        (Impact::Breaking, 0, 0) | (Impact::Compatible, 0, _) | (Impact::Same, ..) => {
            Version::new(major, minor, patch.saturating_add(1))
        }
        (Impact::Breaking, 0, _) | (Impact::Compatible, ..) => {
            Version::new(major, minor.saturating_add(1), 0)
        }
        (Impact::Breaking, ..) => Version::new(major.saturating_add(1), 0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn each_impact_raises_its_number() {
        for (previous, impact, right) in [
            ("1.2.3", Impact::Same, "1.2.4"),
            ("1.2.3", Impact::Compatible, "1.3.0"),
            ("1.2.3", Impact::Breaking, "2.0.0"),
            ("0.2.3", Impact::Compatible, "0.2.4"),
            ("0.2.3", Impact::Breaking, "0.3.0"),
            ("0.0.3", Impact::Breaking, "0.0.4"),
        ] {
            let (previous, right) = (version(previous), version(right));
            assert_eq!(lowest_right(&previous, impact), right);
            assert!(is_enough(&previous, &right, impact));
            let mut too_small = right.clone();
            too_small.pre = "rc.1".parse().unwrap();
            assert!(
                is_enough(&previous, &too_small, impact),
                "a pre-release announces its version"
            );
        }
        assert!(!is_enough(
            &version("1.2.3"),
            &version("1.2.4"),
            Impact::Compatible
        ));
        assert!(!is_enough(&version("1.2.3"), &version("1.9.0"), Impact::Breaking));
        assert!(!is_enough(&version("0.2.3"), &version("0.2.4"), Impact::Breaking));
        assert!(is_enough(&version("0.2.3"), &version("1.0.0"), Impact::Breaking));
    }

    #[test]
    fn a_version_follows_the_one_below_it_in_its_own_line() {
        let published: Vec<Version> = ["1.2.0", "1.2.1", "2.0.0", "2.1.0-rc.1"].map(version).to_vec();
        let after = |next: &str| previous_of(&published, &version(next)).map(ToString::to_string);
        assert_eq!(after("1.2.2").as_deref(), Some("1.2.1"));
        assert_eq!(after("2.1.0").as_deref(), Some("2.0.0"));
        assert_eq!(after("2.1.0-rc.2").as_deref(), Some("2.0.0"));
        assert_eq!(after("1.0.0"), None);
    }
}
