//! Types as people read them: `int`, `list<text>`, `{ id: int, name: text }`.

use super::Ty;

/// Levels that are written out.
const MAX_LEVELS: usize = 3;
/// Fields of an object that are written out.
const MAX_FIELDS: usize = 12;

impl Ty {
    /// The type in one line; what is deep or long is left out, marked.
    pub(crate) fn shown(&self) -> String {
        let mut out = String::new();
        self.write(MAX_LEVELS, &mut out);
        out
    }

    fn write(&self, levels: usize, out: &mut String) {
        match self {
            Self::Any => out.push_str("any"),
            Self::Number => out.push_str("number"),
            Self::Moment => out.push_str("timestamp"),
            Self::Length => out.push_str("duration"),
            Self::Null | Self::Bool | Self::Int | Self::Double | Self::Text => out.push_str(self.name()),
            Self::List { element, .. } => {
                out.push_str("list<");
                element.write(levels, out);
                out.push('>');
            }
            Self::Object { fields, closed, .. } if fields.is_empty() => {
                out.push_str(if *closed { "{}" } else { "object" });
            }
            Self::Object { .. } if levels == 0 => out.push_str("{ … }"),
            Self::Object { fields, closed, .. } => {
                out.push_str("{ ");
                for (index, (name, ty)) in fields.iter().take(MAX_FIELDS).enumerate() {
                    if index > 0 {
                        out.push_str(", ");
                    }
                    out.push_str(name);
                    out.push_str(": ");
                    ty.write(levels - 1, out);
                }
                if fields.len() > MAX_FIELDS || !closed {
                    out.push_str(", …");
                }
                out.push_str(" }");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_type_is_one_line_however_large_its_value() {
        let shown = |value: serde_json::Value| Ty::of_value(&value).shown();
        assert_eq!(shown(json!(1)), "int");
        assert_eq!(shown(json!(["a"])), "list<text>");
        assert_eq!(shown(json!([])), "list<any>");
        assert_eq!(
            shown(json!([{"id": 1, "at": {"x": 1.5}}])),
            "list<{ id: int, at: { x: double } }>"
        );
        assert_eq!(
            shown(json!({"a": {"b": {"c": {"d": 1}}}})),
            "{ a: { b: { c: { … } } } }"
        );
        let wide: serde_json::Map<String, _> = (0..30).map(|n| (format!("f{n:02}"), json!(n))).collect();
        assert!(shown(wide.into()).ends_with("f11: int, … }"));
        assert_eq!(Ty::open().shown(), "object");
    }
}
