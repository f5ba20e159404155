//! The sections beside the nodes: input, config, secrets, output.

use serde_json::{Map, Value as Json};

use super::model::{Field, InputField, Output};
use super::reader::{Reader, join};
use crate::names;
use crate::yaml::{Entry, Node, Value};

/// Keywords that the schema of an input field may have, besides `default` and `optional`.
const SCHEMA_KEYWORDS: [&str; 16] = [
    "type",
    "description",
    "title",
    "minimum",
    "maximum",
    "enum",
    "pattern",
    "format",
    "items",
    "properties",
    "required",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "examples",
];

const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "array", "object", "any"];

impl Reader<'_> {
    /// A name that expressions use; reports one that is not `snake_case`.
    pub(super) fn snake_name(&mut self, entry: &Entry, what: &str) -> String {
        self.check_snake(&entry.key, entry.key_span.start, what);
        entry.key.clone()
    }

    pub(super) fn check_snake(&mut self, name: &str, at: usize, what: &str) {
        if names::is_snake(name) {
            return;
        }
        let message = format!("`{name}` is not a name for {what}");
        let fix = match names::to_snake(name) {
            Some(snake) => format!("names are snake_case, because expressions use them: `{snake}`"),
            None => {
                "names are snake_case: lower-case letters, digits and `_`, beginning with a letter".to_owned()
            }
        };
        self.problem_fix("FF-WF-007", at, message, fix);
    }

    /// The fields of the input, and whether a webhook's body may not have others.
    pub(super) fn input(&mut self, entry: &Entry) -> (Vec<InputField>, bool) {
        self.place("input", Some(entry), &entry.node);
        if matches!(entry.node.value, Value::Null) {
            return (Vec::new(), false);
        }
        let Some(entries) = self.entries("input", &entry.node) else {
            return (Vec::new(), false);
        };
        let (mut fields, mut refuses) = (Vec::with_capacity(entries.len()), false);
        for entry in entries {
            // A field is described by a map: a word here is no field.
            match &entry.node.value {
                Value::Text(_) if entry.key == "additional" => refuses = self.refuses_additional(entry),
                _ => fields.extend(self.input_field("input", entry, "an input")),
            }
        }
        (fields, refuses)
    }

    fn refuses_additional(&mut self, entry: &Entry) -> bool {
        match self.text("input.additional", entry).as_deref() {
            Some("refuse") => true,
            Some("accept") | None => false,
            Some(other) => {
                let message =
                    format!("`{other}` is not what can be done with other fields of a webhook's body");
                let fix = "refuse: the request is refused; accept: they are kept under `trigger.body`";
                self.problem_fix("FF-WF-009", entry.node.span.start, message, fix);
                false
            }
        }
    }

    /// The fields of a form that a person fills in.
    pub(super) fn form(&mut self, path: &str, entry: &Entry) -> Vec<InputField> {
        self.place(path, Some(entry), &entry.node);
        if matches!(entry.node.value, Value::Null) {
            return Vec::new();
        }
        let entries = self.entries(path, &entry.node).unwrap_or_default();
        let fields = entries.iter();
        fields
            .filter_map(|entry| self.input_field(path, entry, "a field of a form"))
            .collect()
    }

    fn input_field(&mut self, base: &str, entry: &Entry, what: &str) -> Option<InputField> {
        let name = self.snake_name(entry, what);
        let path = join(base, &name);
        self.place_all(&path, Some(entry), &entry.node);
        let mut section = self.section(&path, &entry.node)?;
        let default = section.get("default").map(|entry| entry.node.to_json());
        let optional = section
            .get("optional")
            .is_some_and(|entry| matches!(entry.node.value, Value::Bool(true)));
        let mut schema = Map::new();
        for keyword in SCHEMA_KEYWORDS {
            if let Some(entry) = section.get(keyword) {
                schema.insert(keyword.to_owned(), entry.node.to_json());
            }
        }
        match section.get("type").map(|entry| &entry.node) {
            None => self.missing(&section, "type", &format!("one of: {}", TYPES.join(", "))),
            Some(Node {
                value: Value::Text(text),
                ..
            }) if TYPES.contains(&text.text.as_str()) => {
                if text.text == "any" {
                    schema.remove("type");
                }
            }
            Some(node) => {
                let fix = format!("one of: {}", TYPES.join(", "));
                self.problem_fix(
                    "FF-WF-009",
                    node.span.start,
                    format!("`{name}` has an unknown type"),
                    fix,
                );
            }
        }
        let known = section.get("type").is_some_and(
            |entry| matches!(&entry.node.value, Value::Text(text) if TYPES.contains(&text.text.as_str())),
        );
        self.finish(section);
        if known {
            self.check_default(&path, &name, &schema, default.as_ref());
        }
        Some(InputField {
            name,
            schema,
            default,
            optional,
        })
    }

    fn check_default(&mut self, path: &str, name: &str, schema: &Map<String, Json>, default: Option<&Json>) {
        let validator = match jsonschema::validator_for(&Json::Object(schema.clone())) {
            Ok(validator) => validator,
            Err(error) => {
                let at = self.places.key_at(path);
                self.problem(
                    "FF-WF-009",
                    at,
                    format!("the schema of `{name}` is wrong: {error}"),
                );
                return;
            }
        };
        let Some(default) = default else { return };
        if let Some(error) = validator.iter_errors(default).next() {
            let at = self.places.value_at(&join(path, "default"));
            self.problem(
                "FF-WF-009",
                at,
                format!("the default of `{name}` does not fit its schema: {error}"),
            );
        }
    }

    pub(super) fn config(&mut self, entry: &Entry) -> Option<Map<String, Json>> {
        let config = self.free_map("config", entry)?;
        if let Value::Map(entries) = &entry.node.value {
            for entry in entries {
                self.snake_name(entry, "a configuration value");
            }
        }
        Some(config)
    }

    pub(super) fn secrets(&mut self, entry: &Entry) -> Vec<String> {
        let names = self.texts("secrets", entry).unwrap_or_default();
        for (index, name) in names.iter().enumerate() {
            let at = self.places.value_at(&format!("secrets[{index}]"));
            self.check_snake(name, at, "a secret");
            if names.iter().take(index).any(|earlier| earlier == name) {
                self.problem("FF-WF-006", at, format!("`{name}` stands here a second time"));
            }
        }
        names
    }

    pub(super) fn output(&mut self, entry: &Entry) -> Output {
        self.place_all("output", Some(entry), &entry.node);
        match &entry.node.value {
            Value::Map(entries) => Output::Fields(self.fields(entries)),
            Value::Null => Output::Fields(Vec::new()),
            _ => Output::Value(entry.node.to_json()),
        }
    }

    /// Named templates, in order.
    pub(super) fn fields(&mut self, entries: &[Entry]) -> Vec<Field> {
        entries
            .iter()
            .map(|entry| Field {
                name: self.snake_name(entry, "a value"),
                value: entry.node.to_json(),
            })
            .collect()
    }
}
