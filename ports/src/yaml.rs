//! How a value of a port is written in a workflow, as examples that can be copied.

use crate::{Case, EnumCase, Field, Type};

/// Most forms of one type that are shown; a person stops reading there.
const FORMS_MAX: usize = 12;

impl Type {
    /// Examples of this type in YAML's flow style, one for each way to write it: `{ kind: circle, value: 1.5 }` and
    /// `{ kind: point }` for a variant of two cases. At least one, at most twelve.
    #[must_use]
    pub fn yaml_forms(&self) -> Vec<String> {
        let mut forms = match self {
            Self::Bool => vec!["true".to_owned()],
            Self::S8 | Self::S16 | Self::S32 | Self::S64 => vec!["-7".to_owned()],
            Self::U8 | Self::U16 | Self::U32 | Self::U64 => vec!["7".to_owned()],
            Self::F32 | Self::F64 => vec!["1.5".to_owned()],
            Self::Char => vec!["\"x\"".to_owned()],
            Self::String => vec!["\"text\"".to_owned()],
            Self::Json => vec!["{ any: [value, 1, true] }".to_owned()],
            Self::Bytes => vec!["aGVsbG8=".to_owned()],
            Self::Artefact => vec!["\"${node}\"".to_owned()],
            Self::List { element } => wrapped(&element.yaml_forms(), "[", "]"),
            Self::Option { inner } => match inner.as_ref() {
                Self::Option { .. } => wrapped(&inner.yaml_forms(), "{ some: ", " }"),
                inner => inner.yaml_forms(),
            },
            Self::Tuple { items } => {
                let forms: Vec<Vec<String>> = items.iter().map(Self::yaml_forms).collect();
                varied(&forms, |parts| format!("[{}]", parts.join(", ")))
            }
            Self::Record { fields, .. } => record_forms(fields),
            Self::Variant { cases, .. } => cases.iter().flat_map(case_forms).collect(),
            Self::Enum { cases, .. } => cases.iter().map(|case| text(&case.name)).collect(),
            Self::Flags { flags, .. } => vec![flag_list(flags)],
            Self::Result { ok, err } => [("ok", ok), ("err", err)]
                .into_iter()
                .flat_map(|(kind, ty)| tagged_forms(kind, ty.as_deref()))
                .collect(),
        };
        forms.truncate(FORMS_MAX);
        forms
    }

    /// Whether the name of the type alone does not say how its values are written.
    #[must_use]
    pub fn needs_yaml_form(&self) -> bool {
        match self {
            Self::List { element } => element.needs_yaml_form(),
            Self::Option { inner } => {
                matches!(inner.as_ref(), Self::Option { .. }) || inner.needs_yaml_form()
            }
            Self::Tuple { .. }
            | Self::Record { .. }
            | Self::Variant { .. }
            | Self::Enum { .. }
            | Self::Flags { .. }
            | Self::Result { .. }
            | Self::Bytes
            | Self::Artefact => true,
            _ => false,
        }
    }
}

fn wrapped(forms: &[String], before: &str, after: &str) -> Vec<String> {
    forms
        .iter()
        .map(|form| format!("{before}{form}{after}"))
        .collect()
}

/// The first form of each part together, then each further form of one part with the first forms of the others.
fn varied(parts: &[Vec<String>], join: impl Fn(&[String]) -> String) -> Vec<String> {
    let first: Vec<String> = parts
        .iter()
        .map(|forms| forms.first().cloned().unwrap_or_default())
        .collect();
    let mut all = vec![join(&first)];
    for (index, forms) in parts.iter().enumerate() {
        for form in forms.iter().skip(1) {
            let mut other = first.clone();
            if let Some(place) = other.get_mut(index) {
                place.clone_from(form);
            }
            all.push(join(&other));
        }
    }
    all
}

fn record_forms(fields: &[Field]) -> Vec<String> {
    if fields.is_empty() {
        return vec!["{}".to_owned()];
    }
    let parts: Vec<Vec<String>> = fields
        .iter()
        .map(|field| wrapped(&field.ty.yaml_forms(), &format!("{}: ", text(&field.name)), ""))
        .collect();
    varied(&parts, |parts| format!("{{ {} }}", parts.join(", ")))
}

fn case_forms(case: &Case) -> Vec<String> {
    tagged_forms(&case.name, case.ty.as_ref())
}

fn tagged_forms(kind: &str, ty: Option<&Type>) -> Vec<String> {
    let kind = text(kind);
    match ty {
        // An option may be left out with its key.
        None => vec![format!("{{ kind: {kind} }}")],
        Some(ty) => wrapped(&ty.yaml_forms(), &format!("{{ kind: {kind}, value: "), " }"),
    }
}

fn flag_list(flags: &[EnumCase]) -> String {
    let names: Vec<String> = flags.iter().map(|flag| text(&flag.name)).collect();
    format!("[{}]", names.join(", "))
}

/// A name as YAML takes it for text: words that YAML reads as something else are quoted.
fn text(name: &str) -> String {
    let is_other = matches!(
        name.to_ascii_lowercase().as_str(),
        "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n"
    );
    let is_number = name.starts_with(|char: char| char.is_ascii_digit());
    if is_other || is_number {
        format!("\"{name}\"")
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Named;

    fn case(name: &str, ty: Option<Type>) -> Case {
        Case {
            name: name.to_owned(),
            wit_name: name.to_owned(),
            ty,
            docs: None,
        }
    }

    fn shape() -> Type {
        let size = Type::Tuple {
            items: vec![Type::F64, Type::F64],
        };
        Type::Variant {
            named: Named::default(),
            cases: vec![
                case("circle", Some(Type::F64)),
                case("rectangle", Some(size)),
                case("none", None),
            ],
        }
    }

    /// A component with `variant shape { circle(f64), … }` was shown as `circle | rectangle`, from which nobody could write
    /// a value.
    #[test]
    fn every_case_of_a_variant_is_written_out() {
        assert_eq!(
            shape().yaml_forms(),
            [
                "{ kind: circle, value: 1.5 }",
                "{ kind: rectangle, value: [1.5, 1.5] }",
                "{ kind: none }"
            ]
        );
        let list = Type::List {
            element: Box::new(shape()),
        };
        assert_eq!(
            list.yaml_forms().first().map(String::as_str),
            Some("[{ kind: circle, value: 1.5 }]")
        );
    }

    #[test]
    fn a_record_shows_each_form_of_its_fields() {
        let field = |name: &str, ty: Type| Field {
            name: name.to_owned(),
            wit_name: name.to_owned(),
            ty,
            docs: None,
        };
        let on = EnumCase {
            name: "on".to_owned(),
            wit_name: "on".to_owned(),
            docs: None,
        };
        let ty = Type::Record {
            named: Named::default(),
            fields: vec![
                field("name", Type::String),
                field("shape", shape()),
                field(
                    "mode",
                    Type::Enum {
                        named: Named::default(),
                        cases: vec![on],
                    },
                ),
            ],
        };
        assert_eq!(
            ty.yaml_forms(),
            [
                "{ name: \"text\", shape: { kind: circle, value: 1.5 }, mode: \"on\" }",
                "{ name: \"text\", shape: { kind: rectangle, value: [1.5, 1.5] }, mode: \"on\" }",
                "{ name: \"text\", shape: { kind: none }, mode: \"on\" }",
            ]
        );
        assert!(ty.needs_yaml_form() && !Type::String.needs_yaml_form());
    }
}
