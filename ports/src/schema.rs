//! JSON Schema (draft 2020-12) of ports. The accepted JSON is described at [`Type`].

use serde_json::{Map, Value, json};

use crate::{Field, Operation, Type};

impl Type {
    /// The JSON Schema of a value of this type.
    ///
    /// Draft 2020-12 without references. `x-flowforge` marks what JSON Schema has no word for: `json`, `bytes`,
    /// `artefact`.
    #[must_use]
    pub fn json_schema(&self) -> Value {
        match self {
            Self::Bool => json!({"type": "boolean"}),
            Self::S8 => integer(i64::from(i8::MIN), i64::from(i8::MAX)),
            Self::U8 => integer(0, i64::from(u8::MAX)),
            Self::S16 => integer(i64::from(i16::MIN), i64::from(i16::MAX)),
            Self::U16 => integer(0, i64::from(u16::MAX)),
            Self::S32 => integer(i64::from(i32::MIN), i64::from(i32::MAX)),
            Self::U32 => integer(0, i64::from(u32::MAX)),
            Self::S64 => {
                json!({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^-?[0-9]{1,19}$"}]})
            }
            Self::U64 => {
                json!({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]{1,20}$"}]})
            }
            Self::F32 | Self::F64 => json!({"type": "number"}),
            Self::Char => json!({"type": "string", "minLength": 1, "maxLength": 1}),
            Self::String => json!({"type": "string"}),
            Self::Json => json!({"x-flowforge": "json"}),
            Self::Bytes => json!({"type": "string", "contentEncoding": "base64", "x-flowforge": "bytes"}),
            Self::Artefact => artefact(),
            Self::List { element } => json!({"type": "array", "items": element.json_schema()}),
            Self::Option { inner } => option(inner),
            Self::Tuple { items } => {
                let schemas: Vec<Value> = items.iter().map(Self::json_schema).collect();
                json!({"type": "array", "prefixItems": schemas, "items": false, "minItems": items.len(), "maxItems": items.len()})
            }
            Self::Record { named, fields } => {
                let mut schema = object(fields.iter().map(|f| (f.name.as_str(), &f.ty, f.docs.as_deref())));
                describe(&mut schema, named.docs.as_deref());
                schema
            }
            Self::Variant { named, cases } => {
                let mut schema = one_of(
                    cases
                        .iter()
                        .map(|c| (c.name.as_str(), c.ty.as_ref(), c.docs.as_deref())),
                );
                describe(&mut schema, named.docs.as_deref());
                schema
            }
            Self::Enum { named, cases } => {
                let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
                let mut schema = json!({"enum": names});
                describe(&mut schema, named.docs.as_deref());
                schema
            }
            Self::Flags { named, flags } => {
                let names: Vec<&str> = flags.iter().map(|flag| flag.name.as_str()).collect();
                let mut schema = json!({"type": "array", "items": {"enum": names}, "uniqueItems": true});
                describe(&mut schema, named.docs.as_deref());
                schema
            }
            Self::Result { ok, err } => {
                one_of([("ok", ok.as_deref(), None), ("err", err.as_deref(), None)].into_iter())
            }
        }
    }

    /// Whether a value of this type may be left out of an object.
    #[must_use]
    pub fn may_be_absent(&self) -> bool {
        matches!(self, Self::Option { .. })
    }
}

impl Operation {
    /// The JSON Schema of the operation's input: one object with a property for each parameter.
    #[must_use]
    pub fn input_schema(&self) -> Value {
        let mut schema = object(
            self.params
                .iter()
                .map(|p| (p.name.as_str(), &p.ty, p.docs.as_deref())),
        );
        describe(&mut schema, self.docs.as_deref());
        schema
    }

    /// The JSON Schema of the operation's result; `null` alone for an operation without a result.
    #[must_use]
    pub fn output_schema(&self) -> Value {
        self.result
            .as_ref()
            .map_or_else(|| json!({"type": "null"}), Type::json_schema)
    }
}

fn integer(minimum: i64, maximum: i64) -> Value {
    json!({"type": "integer", "minimum": minimum, "maximum": maximum})
}

fn option(inner: &Type) -> Value {
    let some = match inner {
        // A second level must be told apart from `null`.
        Type::Option { .. } => {
            json!({"type": "object", "properties": {"some": inner.json_schema()}, "required": ["some"], "additionalProperties": false})
        }
        plain => plain.json_schema(),
    };
    json!({"anyOf": [some, {"type": "null"}]})
}

fn artefact() -> Value {
    let text = |name: &str| Field {
        name: name.to_owned(),
        wit_name: name.to_owned(),
        ty: Type::String,
        docs: None,
    };
    let fields = [text("digest"), text("name"), text("media_type")];
    let size = Type::U64;
    let mut schema = object(
        fields
            .iter()
            .map(|f| (f.name.as_str(), &f.ty, None))
            .chain(std::iter::once(("size", &size, None))),
    );
    if let Some(object) = schema.as_object_mut() {
        object.insert("x-flowforge".to_owned(), json!("artefact"));
    }
    schema
}

fn object<'a>(fields: impl Iterator<Item = (&'a str, &'a Type, Option<&'a str>)>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, ty, docs) in fields {
        let mut schema = ty.json_schema();
        describe(&mut schema, docs);
        if !ty.may_be_absent() {
            required.push(name);
        }
        properties.insert(name.to_owned(), schema);
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn one_of<'a>(cases: impl Iterator<Item = (&'a str, Option<&'a Type>, Option<&'a str>)>) -> Value {
    let schemas: Vec<Value> = cases
        .map(|(name, ty, docs)| {
            let mut schema = match ty {
                None => json!({"type": "object", "properties": {"kind": {"const": name}}, "required": ["kind"], "additionalProperties": false}),
                Some(ty) => {
                    let required: &[&str] = if ty.may_be_absent() { &["kind"] } else { &["kind", "value"] };
                    json!({"type": "object", "properties": {"kind": {"const": name}, "value": ty.json_schema()}, "required": required, "additionalProperties": false})
                }
            };
            describe(&mut schema, docs);
            schema
        })
        .collect();
    json!({"oneOf": schemas})
}

fn describe(schema: &mut Value, docs: Option<&str>) {
    if let (Some(object), Some(docs)) = (schema.as_object_mut(), docs) {
        object.insert("description".to_owned(), json!(docs));
    }
}
