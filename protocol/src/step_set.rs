//! A set of steps that stays small while loops go round.
//!
//! The steps of one node in the rounds of one loop are ranges of round numbers: a thousand rounds take as much room as
//! one. So what is known of a run after a thousand records is read as fast as after ten.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{NodeId, StepKey};

/// A set of steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepSet {
    rows: BTreeMap<Row, Ranges>,
}

/// The steps of a node that differ only in the round of the innermost loop around it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    /// The rounds of the loops around that one.
    outer: Vec<(NodeId, u32)>,
    /// The innermost loop; a step outside loops has none, and the round 0.
    around: Option<NodeId>,
    node: NodeId,
}

impl Row {
    fn of(step: &StepKey) -> (Self, u32) {
        let (around, outer) = match step.path.split_last() {
            Some((last, outer)) => (Some(last), outer),
            None => (None, [].as_slice()),
        };
        let row = Self {
            outer: outer.to_vec(),
            around: around.map(|(node, _)| node.clone()),
            node: step.node.clone(),
        };
        (row, around.map_or(0, |(_, round)| *round))
    }

    fn step(&self, round: u32) -> StepKey {
        let mut path = self.outer.clone();
        path.extend(self.around.clone().map(|around| (around, round)));
        StepKey {
            path,
            node: self.node.clone(),
        }
    }
}

/// Rounds, as ranges that do not touch: first and last of each, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Ranges(Vec<(u32, u32)>);

impl Ranges {
    fn contains(&self, round: u32) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= round);
        let before = after.checked_sub(1).and_then(|at| self.0.get(at));
        before.is_some_and(|(_, last)| round <= *last)
    }

    /// Whether it was not there.
    fn insert(&mut self, round: u32) -> bool {
        if self.contains(round) {
            return false;
        }
        let at = self.0.partition_point(|(first, _)| *first < round);
        let joins_next = self
            .0
            .get(at)
            .is_some_and(|(first, _)| round.checked_add(1) == Some(*first));
        let before = at.checked_sub(1);
        let joins_before = before
            .and_then(|before| self.0.get(before))
            .is_some_and(|(_, last)| last.checked_add(1) == Some(round));
        match (before.filter(|_| joins_before), joins_next) {
            (Some(before), true) => {
                let (_, last) = self.0.remove(at);
                if let Some(range) = self.0.get_mut(before) {
                    range.1 = last;
                }
            }
            (Some(before), false) => {
                if let Some(range) = self.0.get_mut(before) {
                    range.1 = round;
                }
            }
            (None, true) => {
                if let Some(range) = self.0.get_mut(at) {
                    range.0 = round;
                }
            }
            (None, false) => self.0.insert(at, (round, round)),
        }
        true
    }

    fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }
}

impl StepSet {
    /// Adds a step; whether it was not there.
    pub fn insert(&mut self, step: &StepKey) -> bool {
        let (row, round) = Row::of(step);
        self.rows.entry(row).or_default().insert(round)
    }

    /// Whether a step is in it.
    #[must_use]
    pub fn contains(&self, step: &StepKey) -> bool {
        let (row, round) = Row::of(step);
        self.rows.get(&row).is_some_and(|ranges| ranges.contains(round))
    }

    /// Its steps, those of one node and loop in the order of their rounds.
    pub fn iter(&self) -> impl Iterator<Item = StepKey> {
        self.rows
            .iter()
            .flat_map(|(row, ranges)| ranges.iter().map(|round| row.step(round)))
    }
}

impl FromIterator<StepKey> for StepSet {
    fn from_iter<I: IntoIterator<Item = StepKey>>(steps: I) -> Self {
        let mut set = Self::default();
        for step in steps {
            set.insert(&step);
        }
        set
    }
}

/// Written as pairs: a step, and the ranges of rounds of its innermost loop.
impl Serialize for StepSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows.iter().map(|(row, ranges)| (row.step(0), &ranges.0)))
    }
}

impl<'de> Deserialize<'de> for StepSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pairs = Vec::<(StepKey, Vec<(u32, u32)>)>::deserialize(deserializer)?;
        let mut rows = BTreeMap::new();
        for (step, ranges) in pairs {
            let in_order = ranges.iter().all(|(first, last)| first <= last);
            let apart = ranges.windows(2).all(|pair| match pair {
                [(_, last), (first, _)] => last.checked_add(1).is_some_and(|next| next < *first),
                _ => true,
            });
            if ranges.is_empty() || !in_order || !apart {
                return Err(D::Error::custom(format!(
                    "`{step}`: these are no ranges of rounds"
                )));
            }
            let (row, _) = Row::of(&step);
            if rows.insert(row, Ranges(ranges)).is_some() {
                return Err(D::Error::custom(format!("`{step}` stands twice")));
            }
        }
        Ok(Self { rows })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn any_step() -> impl Strategy<Value = StepKey> {
        let node = || prop::sample::select(vec!["a", "b"]);
        let path = prop::collection::vec((node(), 0_u32..6), 0..3);
        (path, node()).prop_map(|(path, node)| StepKey {
            path: path
                .into_iter()
                .map(|(node, round)| (node.parse().unwrap(), round))
                .collect(),
            node: node.parse().unwrap(),
        })
    }

    proptest! {
        #[test]
        fn it_holds_what_an_ordinary_set_holds(steps in prop::collection::vec(any_step(), 0..80)) {
            let (mut set, mut model) = (StepSet::default(), BTreeSet::new());
            for step in &steps {
                prop_assert_eq!(set.contains(step), model.contains(step));
                prop_assert_eq!(set.insert(step), model.insert(step.clone()));
            }
            prop_assert_eq!(set.iter().collect::<BTreeSet<_>>(), model);
            let text = serde_json::to_string(&set).unwrap();
            prop_assert_eq!(serde_json::from_str::<StepSet>(&text).unwrap(), set);
        }
    }

    #[test]
    fn a_thousand_rounds_take_as_much_room_as_ten() {
        let of = |count: u32, order: fn(u32) -> u32| {
            let mut set = StepSet::default();
            for round in 0..count {
                let step = format!("loop[{}].one", order(round));
                assert!(set.insert(&step.parse().unwrap()));
            }
            serde_json::to_string(&set).unwrap()
        };
        assert_eq!(of(1000, |round| round), r#"[["loop[0].one",[[0,999]]]]"#);
        // Rounds that run side by side end in another order.
        assert_eq!(of(1000, |round| round ^ 7), r#"[["loop[0].one",[[0,999]]]]"#);
        let mut edge = StepSet::default();
        for round in [u32::MAX, 0, u32::MAX - 1] {
            assert!(edge.insert(&format!("loop[{round}].one").parse().unwrap()));
        }
        assert_eq!(edge.iter().count(), 3);
    }

    #[test]
    fn what_it_never_writes_it_does_not_read() {
        for wrong in [
            r#"[["a",[]]]"#,
            r#"[["a",[[2,1]]]]"#,
            r#"[["l[0].a",[[0,1],[2,3]]]]"#,
            r#"[["l[0].a",[[5,6],[0,1]]]]"#,
            r#"[["l[0].a",[[0,1]]],["l[3].a",[[4,4]]]]"#,
        ] {
            assert!(serde_json::from_str::<StepSet>(wrong).is_err(), "{wrong}");
        }
    }
}
