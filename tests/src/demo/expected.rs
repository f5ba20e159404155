//! The right answer, computed from the feed and from nothing else.

use anyhow::{Context as _, Result};
use serde_json::Value;

/// What the workflow must find with a threshold of 4.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Earthquakes of magnitude 4.0 or more.
    pub from_4: usize,
    /// Of those, 5.0 or more.
    pub from_5: usize,
    /// Of those, 6.0 or more.
    pub from_6: usize,
}

impl Expected {
    /// Reads the magnitudes of a feed.
    ///
    /// # Errors
    /// It is no feed.
    pub fn of_feed(week: &[u8]) -> Result<Self> {
        let feed: Value = serde_json::from_slice(week).context("the feed is no JSON")?;
        let features = feed
            .get("features")
            .and_then(Value::as_array)
            .context("the feed has no features")?;
        let magnitudes = features
            .iter()
            .filter_map(|feature| feature.pointer("/properties/mag")?.as_f64());
        Ok(Self::of(magnitudes))
    }

    /// Counts magnitudes.
    pub fn of(magnitudes: impl Iterator<Item = f64>) -> Self {
        magnitudes.fold(
            Self {
                from_4: 0,
                from_5: 0,
                from_6: 0,
            },
            |sum, magnitude| Self {
                from_4: sum.from_4 + usize::from(magnitude >= 4.0),
                from_5: sum.from_5 + usize::from(magnitude >= 5.0),
                from_6: sum.from_6 + usize::from(magnitude >= 6.0),
            },
        )
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.from_4, self.from_5, self.from_6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_week_has_the_known_answer() {
        let week = include_bytes!("../../../examples/earthquake-watch/usgs-all-week.geojson");
        assert_eq!(
            Expected::of_feed(week).unwrap(),
            Expected {
                from_4: 128,
                from_5: 39,
                from_6: 5
            }
        );
    }
}
