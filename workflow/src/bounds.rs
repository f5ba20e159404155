//! The bounds of every value that enters a record.
//!
//! One place says how deep and how large a value may be: input at the door, what templates and expressions give, and
//! what connectors answer are all asked here. A value within these bounds is read back by any reader of JSON, and
//! walking it never takes more stack than `MAX_RECORD_DEPTH` levels. Nothing here recurses, so a value of any depth can
//! be asked about.

use serde_json::Value;

use crate::limits::{MAX_RECORD_DEPTH, MAX_VALUE_BYTES};

/// Why a value cannot enter a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueProblem {
    /// It is nested too deeply.
    #[error("{}nested deeper than {MAX_RECORD_DEPTH} levels", at(.path))]
    TooDeep {
        /// Path to the first part below the bound: `a.b[0]`, shortened.
        path: String,
    },
    /// It is too large.
    #[error("{}larger than {MAX_VALUE_BYTES} bytes", at(.path))]
    TooLarge {
        /// Path to the part at which the bound was reached, shortened; empty for the value itself.
        path: String,
    },
}

fn at(path: &str) -> String {
    if path.is_empty() {
        "the value is ".to_owned()
    } else {
        format!("the value at `{path}` is ")
    }
}

impl ValueProblem {
    /// Path to the part that is wrong; empty for the value itself.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::TooDeep { path } | Self::TooLarge { path } => path,
        }
    }
}

/// Whether a value may enter a record.
///
/// # Errors
///
/// It is nested deeper than [`MAX_RECORD_DEPTH`] levels, or larger than [`MAX_VALUE_BYTES`].
pub fn check_value(value: &Value) -> Result<(), ValueProblem> {
    let mut left = MAX_VALUE_BYTES;
    measure(value, &mut left)
}

/// What is left of a collection that is being walked.
enum Open<'v> {
    List(std::iter::Enumerate<std::slice::Iter<'v, Value>>),
    Object(serde_json::map::Iter<'v>),
}

/// Takes the size of a value from what is left, and looks at its depth.
///
/// # Errors
///
/// As [`check_value`].
pub(crate) fn measure(value: &Value, left: &mut usize) -> Result<(), ValueProblem> {
    let mut open: Vec<(String, Open<'_>)> = Vec::new();
    let mut next = Some((Step::Whole, value));
    while let Some((step, value)) = next.take() {
        let (key, own) = match (&step, value) {
            (Step::Field(name), Value::String(text)) => (name.len() + 4, text.len() + 2),
            (_, Value::String(text)) => (1, text.len() + 2),
            (Step::Field(name), _) => (name.len() + 4, 4),
            _ => (1, 4),
        };
        match left.checked_sub(key.saturating_add(own)) {
            Some(rest) => *left = rest,
            None => return Err(ValueProblem::TooLarge { path: path(&open) }),
        }
        let walk = match value {
            Value::Array(items) => Some(Open::List(items.iter().enumerate())),
            Value::Object(fields) => Some(Open::Object(fields.iter())),
            _ => None,
        };
        if let Some(walk) = walk {
            open.push((step.written(), walk));
            if open.len() > MAX_RECORD_DEPTH {
                return Err(ValueProblem::TooDeep { path: path(&open) });
            }
        }
        while let Some((_, walk)) = open.last_mut() {
            let found = match walk {
                Open::List(items) => items.next().map(|(index, item)| (Step::Element(index), item)),
                Open::Object(fields) => fields.next().map(|(name, field)| (Step::Field(name), field)),
            };
            if found.is_some() {
                next = found;
                break;
            }
            open.pop();
        }
    }
    Ok(())
}

/// How a part is reached from the one around it.
enum Step<'v> {
    Whole,
    Element(usize),
    Field(&'v str),
}

impl Step<'_> {
    fn written(&self) -> String {
        match self {
            Self::Whole => String::new(),
            Self::Element(index) => format!("[{index}]"),
            Self::Field(name) => format!(".{}", name.chars().take(40).collect::<String>()),
        }
    }
}

/// The path to the innermost collection that is open; its middle is left out if it is long.
fn path(open: &[(String, Open<'_>)]) -> String {
    let path: String = open.iter().map(|(step, _)| step.as_str()).collect();
    let path = path.trim_start_matches('.');
    if path.chars().count() <= 60 {
        return path.to_owned();
    }
    let head: String = path.chars().take(40).collect();
    format!("{head}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(Value::from(1), |inner, _| serde_json::json!({ "a": [inner] }))
    }

    /// Six nodes that each put 24 levels around the one before made records that no reader accepts, and 490 overflowed
    /// the stack of the host. Now one function says what may enter a record, and it takes no stack itself.
    #[test]
    fn a_value_is_bounded_in_depth_and_size_on_both_sides() {
        assert_eq!(check_value(&nested(MAX_RECORD_DEPTH / 2)), Ok(()));
        let problem = check_value(&nested(MAX_RECORD_DEPTH / 2 + 1)).expect_err("one level too many");
        assert!(
            matches!(&problem, ValueProblem::TooDeep { path } if path.starts_with("a[0].a[0]")),
            "{problem}"
        );
        assert_eq!(
            problem.to_string(),
            "the value at `a[0].a[0].a[0].a[0].a[0].a[0].a[0].a[0].…` is nested deeper than 64 levels"
        );
        let mut deep = nested(0);
        for _ in 0..100_000 {
            deep = Value::Array(vec![deep]);
        }
        assert!(matches!(check_value(&deep), Err(ValueProblem::TooDeep { .. })));
        // A value this deep cannot even be dropped by recursion.
        while let Value::Array(mut items) = deep {
            deep = items.pop().unwrap_or_default();
        }
        let text = |bytes| serde_json::json!({ "rows": ["x".repeat(bytes)] });
        assert_eq!(check_value(&text(MAX_VALUE_BYTES - 64)), Ok(()));
        assert!(matches!(
            check_value(&text(MAX_VALUE_BYTES)),
            Err(ValueProblem::TooLarge { path }) if path == "rows"
        ));
    }
}
