//! Reads one document. What anchors repeat is bounded, and what a program would do with a tag is not done.

use std::collections::BTreeMap;

use flowforge_sdk::Failure;
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value};

use super::{DEPTH_MAX, scalar};

/// Values of a document with everything that its anchors repeat.
const VALUES_MAX: usize = 500_000;
/// The key that takes over the fields of other mappings.
const MERGE: &str = "<<";

/// A value with how many values it is made of.
type Sized = (Value, usize);

/// The one document of a text.
///
/// # Errors
/// `rejected` with the line, when the text is no YAML, has no or several documents or what JSON cannot hold.
pub(crate) fn read(text: &str) -> Result<Value, Failure> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut composer = Composer::default();
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| wrong(error.marker().line(), error.info()))?;
        let line = span.start.line();
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
            if documents > 1 {
                return Err(wrong(line, "a second document begins; there may be one"));
            }
        }
        composer.take(event).map_err(|what| wrong(line, &what))?;
    }
    // A text of comments alone means nothing, as an empty one does.
    Ok(composer.whole.map_or(Value::Null, |(value, _)| value))
}

fn wrong(line: usize, what: &str) -> Failure {
    Failure::rejected("not_yaml", format!("line {line} is no YAML: {what}"))
}

/// The key of a field whose value comes next.
enum Key {
    Field(String),
    Merge,
}

/// What has begun and not ended.
enum Open {
    List {
        items: Vec<Value>,
        anchor: usize,
        size: usize,
    },
    Fields {
        fields: Map<String, Value>,
        key: Option<Key>,
        /// What `<<` names; fields that stand here themselves go before.
        merged: Vec<Value>,
        anchor: usize,
        size: usize,
    },
}

#[derive(Default)]
struct Composer {
    open: Vec<Open>,
    anchors: BTreeMap<usize, Sized>,
    whole: Option<Sized>,
    values: usize,
}

impl Composer {
    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, anchor, tag.as_deref()),
            Event::SequenceStart(anchor, tag) => {
                check_tag(tag.as_deref(), "seq")?;
                self.begin(Open::List {
                    items: Vec::new(),
                    anchor,
                    size: 1,
                })
            }
            Event::MappingStart(anchor, tag) => {
                check_tag(tag.as_deref(), "map")?;
                self.begin(Open::Fields {
                    fields: Map::new(),
                    key: None,
                    merged: Vec::new(),
                    anchor,
                    size: 1,
                })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => {
                // Counted before it is copied.
                let size = self.anchors.get(&anchor).map_or(0, |(_, size)| *size);
                self.count(size)?;
                match self.anchors.get(&anchor).cloned() {
                    Some((value, size)) => self.add(value, size),
                    None => Err("an alias names what has not ended yet".to_owned()),
                }
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
    ) -> Result<(), String> {
        if let Some(Open::Fields { fields, key, .. }) = self.open.last_mut()
            && key.is_none()
        {
            if fields.contains_key(text) {
                return Err(format!("the key `{text}` stands twice"));
            }
            *key = Some(if style == ScalarStyle::Plain && text == MERGE {
                Key::Merge
            } else {
                Key::Field(text.to_owned())
            });
            return Ok(());
        }
        let value = meaning(text, style, tag)?;
        self.count(1)?;
        self.keep(anchor, &value, 1);
        self.add(value, 1)
    }

    fn begin(&mut self, open: Open) -> Result<(), String> {
        if matches!(self.open.last(), Some(Open::Fields { key: None, .. })) {
            return Err("a key must be a text, a number, true, false or null".to_owned());
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(format!("it is nested more than {DEPTH_MAX} deep"));
        }
        self.count(1)?;
        self.open.push(open);
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        let (value, anchor, size) = match self.open.pop() {
            Some(Open::List { items, anchor, size }) => (Value::Array(items), anchor, size),
            Some(Open::Fields {
                mut fields,
                merged,
                anchor,
                size,
                ..
            }) => {
                for (name, value) in merged.into_iter().filter_map(into_fields).flatten() {
                    fields.entry(name).or_insert(value);
                }
                (Value::Object(fields), anchor, size)
            }
            None => return Ok(()),
        };
        self.keep(anchor, &value, size);
        self.add(value, size)
    }

    /// A whole value goes to where it stands.
    fn add(&mut self, value: Value, of: usize) -> Result<(), String> {
        match self.open.last_mut() {
            None => self.whole = Some((value, of)),
            Some(Open::List { items, size, .. }) => {
                *size += of;
                items.push(value);
            }
            Some(Open::Fields {
                fields,
                key,
                merged,
                size,
                ..
            }) => {
                *size += of;
                match key.take() {
                    Some(Key::Merge) => merged.extend(mappings(value)?),
                    Some(Key::Field(name)) => {
                        fields.insert(name, value);
                    }
                    None => return Err("a key must be a text and no alias".to_owned()),
                }
            }
        }
        Ok(())
    }

    fn keep(&mut self, anchor: usize, value: &Value, size: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, (value.clone(), size));
        }
    }

    fn count(&mut self, more: usize) -> Result<(), String> {
        self.values += more;
        if self.values > VALUES_MAX {
            return Err(format!(
                "with what its anchors repeat it has more than {VALUES_MAX} values"
            ));
        }
        Ok(())
    }
}

fn into_fields(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}

/// What `<<` names: a mapping, or a list of them.
fn mappings(value: Value) -> Result<Vec<Value>, String> {
    let all = match value {
        Value::Array(items) => items,
        one => vec![one],
    };
    if all.iter().all(Value::is_object) {
        Ok(all)
    } else {
        Err("`<<` takes a mapping, or a list of mappings".to_owned())
    }
}

/// What a scalar means; a tag of the core schema may say it.
fn meaning(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let is_plain = style == ScalarStyle::Plain;
    let Some(tag) = tag else {
        return if is_plain {
            scalar::plain(text)
        } else {
            Ok(Value::String(text.to_owned()))
        };
    };
    // The tag `!` alone says that it is a text.
    let is_text =
        tag.is_yaml_core_schema() && tag.suffix == "str" || tag.handle.is_empty() && tag.suffix == "!";
    if is_text {
        return Ok(Value::String(text.to_owned()));
    }
    if !tag.is_yaml_core_schema() {
        return Err(unknown_tag(tag));
    }
    let value = scalar::plain(text)?;
    let fits = match tag.suffix.as_str() {
        "null" => value.is_null(),
        "bool" => value.is_boolean(),
        "int" => value.is_i64() || value.is_u64(),
        "float" => value.is_number(),
        _ => return Err(unknown_tag(tag)),
    };
    if fits {
        Ok(value)
    } else {
        Err(format!("`{text}` is no `{}`", tag.suffix))
    }
}

fn check_tag(tag: Option<&Tag>, kind: &str) -> Result<(), String> {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == kind) => Err(unknown_tag(tag)),
        _ => Ok(()),
    }
}

fn unknown_tag(tag: &Tag) -> String {
    format!("the tag `{tag}` is for programs, and not taken")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(text: &str) -> String {
        let Failure::Rejected(rejected) = read(text).unwrap_err() else {
            panic!("must be rejected")
        };
        assert_eq!(rejected.code, "not_yaml");
        rejected.message
    }

    #[test]
    fn a_document_becomes_a_value() {
        let text = "\u{feff}# c\ncountry: no\nat: 12:30\n1: one\nnothing:\nlong: |\n  a\n  b\nlist:\n- 1\n- {a: 'b', c: [x, \"y\"]}\n";
        assert_eq!(
            read(text).unwrap(),
            json!({
                "country": "no", "at": "12:30", "1": "one", "nothing": null, "long": "a\nb\n",
                "list": [1, { "a": "b", "c": ["x", "y"] }],
            })
        );
        for (text, value) in [
            ("", json!(null)),
            ("# only this\n", json!(null)),
            ("5", json!(5)),
            ("--- x\n...\n", json!("x")),
        ] {
            assert_eq!(read(text).unwrap(), value, "{text}");
        }
        assert_eq!(
            read("a: !!str 5\nb: !!float 5\nc: !!int '7'\nd: ! 5\n").unwrap(),
            json!({ "a": "5", "b": 5, "c": 7, "d": "5" })
        );
    }

    #[test]
    fn anchors_and_merges_are_resolved() {
        assert_eq!(
            read("a: &x {n: 1, m: 1}\nb: *x\nc: {m: 2, <<: *x}\nd: {<<: [{p: 1}, {p: 2, q: 3}]}\n").unwrap(),
            json!({
                "a": { "n": 1, "m": 1 }, "b": { "n": 1, "m": 1 }, "c": { "m": 2, "n": 1 }, "d": { "p": 1, "q": 3 },
            })
        );
    }

    #[test]
    fn what_anchors_repeat_is_bounded() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..10 {
            let all = vec![format!("*a{}", n - 1); 10].join(", ");
            bomb.push_str(&format!("a{n}: &a{n} [{all}]\n"));
        }
        assert!(said(&bomb).contains("more than 500000 values"));
        assert!(said("a: &a [*a]\n").starts_with("line 1 "));
        let deep = "[".repeat(DEPTH_MAX + 1) + &"]".repeat(DEPTH_MAX + 1);
        assert_eq!(said(&deep), "line 1 is no YAML: it is nested more than 64 deep");
    }

    #[test]
    fn what_is_no_yaml_is_named_with_its_line() {
        assert!(
            said("a: [1\nb: 2\n").starts_with("line "),
            "{}",
            said("a: [1\nb: 2\n")
        );
        assert_eq!(
            said("a: 1\nb: 3\na: 2\n"),
            "line 3 is no YAML: the key `a` stands twice"
        );
        assert_eq!(
            said("a: 1\n---\nb: 2\n"),
            "line 2 is no YAML: a second document begins; there may be one"
        );
        assert_eq!(
            said("a:\n  b: .nan\n"),
            "line 2 is no YAML: `.nan` is no number of JSON; write it as a text, in quotes"
        );
        assert!(said("a: !!python/object x\n").contains("is for programs"));
        assert!(said("a: !!binary aGk=\n").contains("is for programs"));
        assert!(said("a: !mine {b: 1}\n").contains("is for programs"));
        assert!(said("[1]: x\n").contains("a key must be a text"));
        assert!(said("a: !!int x\n").contains("`x` is no `int`"));
        assert!(said("a: {<<: 5}\n").contains("`<<` takes a mapping"));
    }
}
