//! The type of a port.

use serde::{Deserialize, Serialize};

/// The type of a port, as a tree without references.
///
/// How each appears in JSON:
///
/// | type | JSON |
/// |---|---|
/// | `Bool` | `true`, `false` |
/// | `S8` … `U32` | number without fraction, in range |
/// | `S64`, `U64` | number without fraction, every digit kept; decimal text is accepted too |
/// | `F32`, `F64` | number; NaN and infinities do not exist in JSON and are refused with their path |
/// | `Char`, `String` | text; a `Char` is exactly one Unicode scalar value |
/// | `Json` | any value, at most 64 levels deep |
/// | `Bytes` | base64 text, standard alphabet with padding |
/// | `Artefact` | object `{digest, name, media_type, size}` |
/// | `List`, `Tuple` | array |
/// | `Option` | `null` or absent for none; an option directly inside an option is `{"some": …}` |
/// | `Record` | object; a field whose type is `Option` may be absent, an unknown field is refused |
/// | `Variant` | `{"kind": case}` or `{"kind": case, "value": …}` |
/// | `Result` | the same with the kinds `ok` and `err` |
/// | `Enum` | text, the name of the case |
/// | `Flags` | array of names |
///
/// Names of fields, cases and flags are `snake_case`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Type {
    /// `bool`
    Bool,
    /// `s8`
    S8,
    /// `u8`
    U8,
    /// `s16`
    S16,
    /// `u16`
    U16,
    /// `s32`
    S32,
    /// `u32`
    U32,
    /// `s64`
    S64,
    /// `u64`
    U64,
    /// `f32`
    F32,
    /// `f64`
    F64,
    /// `char`
    Char,
    /// `string`
    String,
    /// The alias `json` of `flowforge:connector/types`.
    Json,
    /// `list<u8>`
    Bytes,
    /// The record `artefact` of `flowforge:connector/types`.
    Artefact,
    /// `list<…>`
    List {
        /// Type of each element.
        element: Box<Type>,
    },
    /// `option<…>`
    Option {
        /// Type of the value if there is one.
        inner: Box<Type>,
    },
    /// `tuple<…>`
    Tuple {
        /// Types in order.
        items: Vec<Type>,
    },
    /// A record.
    Record {
        /// Name and docs.
        #[serde(default)]
        named: Named,
        /// Fields in order.
        fields: Vec<Field>,
    },
    /// A variant.
    Variant {
        /// Name and docs.
        #[serde(default)]
        named: Named,
        /// Cases in order.
        cases: Vec<Case>,
    },
    /// An enum.
    Enum {
        /// Name and docs.
        #[serde(default)]
        named: Named,
        /// Cases in order.
        cases: Vec<EnumCase>,
    },
    /// Flags.
    Flags {
        /// Name and docs.
        #[serde(default)]
        named: Named,
        /// Flags in order.
        flags: Vec<EnumCase>,
    },
    /// `result<…>` that is not the result of an operation itself.
    Result {
        /// Value of `ok`, if it has one.
        ok: Option<Box<Type>>,
        /// Value of `err`, if it has one.
        err: Option<Box<Type>>,
    },
}

/// Name and docs of a type, where its author gave them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// WIT name, kebab-case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For people, Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// JSON name, `snake_case`.
    pub name: String,
    /// WIT name, kebab-case.
    pub wit_name: String,
    /// Type.
    pub ty: Type,
    /// For people, Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
}

/// A case of a variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// JSON name, `snake_case`.
    pub name: String,
    /// WIT name, kebab-case.
    pub wit_name: String,
    /// Type of its value, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ty: Option<Type>,
    /// For people, Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
}

/// A case of an enum, or one flag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnumCase {
    /// JSON name, `snake_case`.
    pub name: String,
    /// WIT name, kebab-case.
    pub wit_name: String,
    /// For people, Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
}

impl Type {
    /// What a person calls a value of this type, with its article: `a number`, `text`, `one of light, strong`.
    #[must_use]
    pub fn expectation(&self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::S8 | Self::U8 | Self::S16 | Self::U16 | Self::S32 | Self::U32 | Self::S64 | Self::U64 => {
                "a whole number".to_owned()
            }
            Self::F32 | Self::F64 => "a number".to_owned(),
            Self::Char => "one character".to_owned(),
            Self::String => "text".to_owned(),
            Self::Json => "any value".to_owned(),
            Self::Bytes => "base64 text".to_owned(),
            Self::Artefact => "an artefact".to_owned(),
            Self::List { .. } => "a list".to_owned(),
            Self::Option { inner } => format!("{} or nothing", inner.expectation()),
            Self::Tuple { items } => format!("a list of {}", items.len()),
            Self::Record { .. } => "an object".to_owned(),
            Self::Variant { .. } | Self::Result { .. } => "an object with `kind`".to_owned(),
            Self::Enum { cases, .. } => format!("one of {}", name_list(cases)),
            Self::Flags { flags, .. } => format!("a list of {}", name_list(flags)),
        }
    }
}

/// Names separated by commas, cut where a person stops reading.
fn name_list(cases: &[EnumCase]) -> String {
    const SHOWN: usize = 12;
    let mut names: Vec<&str> = cases.iter().take(SHOWN).map(|case| case.name.as_str()).collect();
    if cases.len() > SHOWN {
        names.push("…");
    }
    names.join(", ")
}
