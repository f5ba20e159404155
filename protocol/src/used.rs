//! What an attempt used outside the sandbox, as a type.
//!
//! Owns: the one form in which a use stands in records, receipts and the runtime's answers. Leaves to others: when a use
//! is allowed (grants), and how it is shown. Invariant: a use never holds a secret's value, only its name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One kind of thing that an attempt does outside: it reaches a destination, and the host may attach a secret there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// The destination as grants write it: `scheme://name:port`, lower case, port always written out.
    pub destination: String,
    /// Name of the secret that the host attached; absent if it attached none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl Use {
    /// A destination that is reached without a secret.
    #[must_use]
    pub fn of(destination: impl Into<String>) -> Self {
        Self {
            destination: destination.into(),
            secret: None,
        }
    }

    /// The same destination with this secret attached.
    #[must_use]
    pub fn with_secret(mut self, name: impl Into<String>) -> Self {
        self.secret = Some(name.into());
        self
    }
}

/// A use and how often it happened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Used {
    /// The destination, as in [`Use::destination`].
    pub destination: String,
    /// The secret, as in [`Use::secret`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// How many requests were sent so; at least 1.
    pub count: u32,
}

impl Used {
    /// What was used, without the number.
    #[must_use]
    pub fn what(&self) -> Use {
        Use {
            destination: self.destination.clone(),
            secret: self.secret.clone(),
        }
    }
}

/// Uses being counted. Its list is sorted, so that equal uses make equal records whatever their order was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Used>", into = "Vec<Used>")]
pub struct UseCount(BTreeMap<Use, u32>);

impl From<Vec<Used>> for UseCount {
    fn from(list: Vec<Used>) -> Self {
        let mut count = Self::default();
        count.extend(&list);
        count
    }
}

impl From<UseCount> for Vec<Used> {
    fn from(count: UseCount) -> Self {
        count.list()
    }
}

impl UseCount {
    /// One more of this use.
    pub fn add(&mut self, what: Use) {
        self.add_many(what, 1);
    }

    /// All uses of a list, for example those of another attempt.
    pub fn extend(&mut self, list: &[Used]) {
        for used in list {
            self.add_many(used.what(), used.count);
        }
    }

    fn add_many(&mut self, what: Use, more: u32) {
        let count = self.0.entry(what).or_default();
        *count = count.saturating_add(more);
    }

    /// The uses in their order, each once with its number.
    #[must_use]
    pub fn list(&self) -> Vec<Used> {
        let used = |(what, count): (&Use, &u32)| Used {
            destination: what.destination.clone(),
            secret: what.secret.clone(),
            count: *count,
        };
        self.0.iter().map(used).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_uses_are_one_entry_and_the_order_does_not_matter() {
        let place = "https://h.example:443";
        let mut forth = UseCount::default();
        forth.add(Use::of(place).with_secret("token"));
        forth.add(Use::of(place));
        forth.add(Use::of(place).with_secret("token"));
        let mut back = UseCount::default();
        back.add(Use::of(place));
        back.extend(&[Used {
            destination: place.to_owned(),
            secret: Some("token".to_owned()),
            count: 2,
        }]);
        assert_eq!(forth.list(), back.list());
        assert_eq!(
            serde_json::to_string(&forth.list()).unwrap(),
            r#"[{"destination":"https://h.example:443","count":1},{"destination":"https://h.example:443","secret":"token","count":2}]"#
        );
    }

    #[test]
    fn a_use_with_more_than_it_may_say_is_refused() {
        let text = r#"{"destination":"https://h:443","value":"s3cret"}"#;
        assert!(serde_json::from_str::<Use>(text).is_err());
    }
}
