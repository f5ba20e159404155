//! Whether the JSON of a service is one that a run can keep.
//!
//! Owns what is refused although a lenient reader takes it: a key that stands twice, because readers do not agree which
//! value counts; text that is no Unicode; nesting that no run keeps. The service is named for it then, and not this connector.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Most levels of a body: with the answer around it, as many as a value of a run may have.
const LEVELS_MAX: usize = 63;

/// Looks at a JSON text without building its value.
pub(crate) fn check(text: &str) -> Result<(), serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    Part { level: 0 }.deserialize(&mut reader)?;
    reader.end()
}

/// A value so many levels down.
struct Part {
    level: usize,
}

impl Part {
    fn inside<E: Error>(&self) -> Result<usize, E> {
        if self.level < LEVELS_MAX {
            Ok(self.level + 1)
        } else {
            Err(E::custom(format_args!(
                "it is nested deeper than {LEVELS_MAX} levels"
            )))
        }
    }
}

impl<'de> DeserializeSeed<'de> for Part {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let level = self.inside()?;
        while list.next_element_seed(Part { level })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let level = self.inside()?;
        let mut keys = BTreeSet::new();
        while let Some(key) = object.next_key::<String>()? {
            object.next_value_seed(Part { level })?;
            if let Some(twice) = keys.replace(key) {
                let shown: String = twice.chars().take(60).collect();
                return Err(A::Error::custom(format_args!(
                    "the key `{shown}` stands twice in one object"
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The connector was blamed for each of these, as if it had made the value.
    #[test]
    fn what_no_run_keeps_is_found_in_the_answer() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        for (text, words) in [
            (
                r#"{"n": 1, "m": {"n": 2}, "n": 3}"#.to_owned(),
                "`n` stands twice",
            ),
            (r#"{"s": "\ud800"}"#.to_owned(), "line 1 column"),
            (deep(LEVELS_MAX + 1), "deeper than 63 levels"),
            (deep(500), "deeper than 63 levels"),
            ("{} {}".to_owned(), "trailing"),
        ] {
            let error = check(&text).expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
        }
        for text in [
            r#"{"n": [1, -2, 3.5e7, true, null, "\ud83e\udd8a"], "m": {"n": 2}}"#.to_owned(),
            deep(LEVELS_MAX),
            "7".to_owned(),
        ] {
            assert!(check(&text).is_ok(), "{text}");
        }
    }
}
