//! Whether a value fits the port it goes to, part by part, as it is written in the file.
//!
//! A value that is written out is looked at as deep as it goes: the kind of a variant, the number of elements of a tuple,
//! the names of flags, the range of a number. Of an expression only the type is known. Says "wrong" only when the call
//! would certainly be refused.

use flowforge_ports::{Case, EnumCase, Field, Type};
use serde_json::{Number, Value};

use super::Ty;
use crate::diagnostic::nearest;
use crate::expr::{Expression, Template};

/// A part of a value that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Where in the value: `.value[0]`; empty for the value itself.
    pub(crate) path: String,
    /// What its place takes, and what it is: "takes a number, this is text".
    pub(crate) reason: String,
    /// What to write instead, if that can be told.
    pub(crate) fix: Option<String>,
}

/// The first part of a value that does not fit the port; `ty_of` tells the type of an expression.
pub(crate) fn misfit(template: &Template, port: &Type, ty_of: &dyn Fn(&Expression) -> Ty) -> Option<Misfit> {
    let mut check = Check {
        ty_of,
        path: String::new(),
    };
    check.part(Written::of(template), port)
}

/// A part of a value: one that is known, or one with expressions in it.
#[derive(Clone, Copy)]
enum Written<'t> {
    Known(&'t Value),
    Made(&'t Template),
}

impl<'t> Written<'t> {
    fn of(template: &'t Template) -> Self {
        match template {
            Template::Constant(value) => Self::Known(value),
            made => Self::Made(made),
        }
    }

    fn known(self) -> Option<&'t Value> {
        match self {
            Self::Known(value) => Some(value),
            Self::Made(_) => None,
        }
    }

    fn text(self) -> Option<&'t str> {
        self.known().and_then(Value::as_str)
    }

    fn fields(self) -> Option<Vec<(&'t str, Self)>> {
        match self {
            Self::Known(Value::Object(fields)) => Some(
                fields
                    .iter()
                    .map(|(name, field)| (name.as_str(), Self::Known(field)))
                    .collect(),
            ),
            Self::Made(Template::Object(fields)) => Some(
                fields
                    .iter()
                    .map(|(name, field)| (name.as_str(), Self::of(field)))
                    .collect(),
            ),
            _ => None,
        }
    }

    fn items(self) -> Option<Vec<Self>> {
        match self {
            Self::Known(Value::Array(items)) => Some(items.iter().map(Self::Known).collect()),
            Self::Made(Template::List(items)) => Some(items.iter().map(Self::of).collect()),
            _ => None,
        }
    }
}

struct Check<'c> {
    ty_of: &'c dyn Fn(&Expression) -> Ty,
    path: String,
}

impl Check<'_> {
    fn part(&mut self, written: Written<'_>, port: &Type) -> Option<Misfit> {
        if let Written::Made(Template::Expression(expression)) = written {
            let ty = (self.ty_of)(expression);
            let reason = ty.misfit(port)?;
            return self.wrong(reason, fix_of_type(&ty, port));
        }
        match port {
            Type::Json => None,
            Type::Option { inner } => self.option(written, inner),
            Type::List { element } => match written.items() {
                Some(items) => {
                    let mut items = items.into_iter().enumerate();
                    items.find_map(|(index, item)| self.below(&format!("[{index}]"), item, element))
                }
                None => self.other(written, port),
            },
            Type::Tuple { items } => self.tuple(written, port, items),
            Type::Record { fields, .. } => self.record(written, port, fields),
            Type::Variant { cases, .. } => {
                let find = |kind: &str| {
                    let named = |case: &&Case| case.name == kind || case.wit_name == kind;
                    cases.iter().find(named).map(|case| case.ty.as_ref())
                };
                let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
                self.tagged(written, port, &names, find)
            }
            Type::Result { ok, err } => {
                let find = |kind: &str| match kind {
                    "ok" => Some(ok.as_deref()),
                    "err" => Some(err.as_deref()),
                    _ => None,
                };
                self.tagged(written, port, &["ok", "err"], find)
            }
            Type::Flags { flags, .. } => match written.items() {
                Some(items) => {
                    let mut items = items.into_iter().enumerate();
                    items.find_map(|(index, item)| {
                        let length = self.path.len();
                        self.path.push_str(&format!("[{index}]"));
                        let found = self.name(item, flags);
                        self.path.truncate(length);
                        found
                    })
                }
                None => self.other(written, port),
            },
            Type::Enum { cases, .. } => self.name(written, cases),
            plain => self.plain(written, plain),
        }
    }

    fn below(&mut self, step: &str, written: Written<'_>, port: &Type) -> Option<Misfit> {
        let length = self.path.len();
        self.path.push_str(step);
        let found = self.part(written, port);
        self.path.truncate(length);
        found
    }

    fn wrong(&self, reason: impl Into<String>, fix: Option<String>) -> Option<Misfit> {
        Some(Misfit {
            path: self.path.clone(),
            reason: reason.into(),
            fix,
        })
    }

    /// A value of another kind than the port takes.
    fn other(&self, written: Written<'_>, port: &Type) -> Option<Misfit> {
        let ty = match written {
            Written::Known(value) => Ty::of_value(value),
            Written::Made(Template::Text(_)) => Ty::Text,
            Written::Made(Template::List(_)) => Ty::list(Ty::Any),
            Written::Made(_) => Ty::open(),
        };
        let reason = format!("takes {}, this is {}", port.expectation(), ty.name());
        self.wrong(reason, fix_of_type(&ty, port))
    }

    fn option(&mut self, written: Written<'_>, inner: &Type) -> Option<Misfit> {
        if written.known().is_some_and(Value::is_null) {
            return None;
        }
        if !matches!(inner, Type::Option { .. }) {
            return self.part(written, inner);
        }
        let fields = written.fields().unwrap_or_default();
        match fields.as_slice() {
            [("some", value)] => self.below(".some", *value, inner),
            _ => {
                let fix = "write { some: … } around it".to_owned();
                self.wrong(
                    "takes nothing or { some: … }: it has two levels of option",
                    Some(fix),
                )
            }
        }
    }

    fn tuple(&mut self, written: Written<'_>, port: &Type, types: &[Type]) -> Option<Misfit> {
        let Some(items) = written.items() else {
            return self.other(written, port);
        };
        if items.len() != types.len() {
            let reason = format!("takes a list of {}, this has {}", types.len(), items.len());
            return self.wrong(reason, shown_forms(port, None));
        }
        let mut pairs = items.into_iter().zip(types).enumerate();
        pairs.find_map(|(index, (item, ty))| self.below(&format!("[{index}]"), item, ty))
    }

    fn record(&mut self, written: Written<'_>, port: &Type, wanted: &[Field]) -> Option<Misfit> {
        let Some(fields) = written.fields() else {
            return self.other(written, port);
        };
        let names: Vec<&str> = wanted.iter().map(|want| want.name.as_str()).collect();
        if let Some((name, _)) = fields.iter().find(|(name, _)| !names.contains(name)) {
            let fix = match nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if names.is_empty() => "it has no fields".to_owned(),
                None => format!("its fields are: {}", names.join(", ")),
            };
            return self.wrong(format!("has no field `{name}`"), Some(fix));
        }
        for want in wanted {
            match fields.iter().find(|(name, _)| *name == want.name) {
                Some((name, field)) => {
                    if let Some(found) = self.below(&format!(".{name}"), *field, &want.ty) {
                        return Some(found);
                    }
                }
                None if want.ty.may_be_absent() => {}
                None => {
                    let reason = format!("needs a field `{}`: {}", want.name, want.ty.expectation());
                    let form = want.ty.yaml_forms().into_iter().next().unwrap_or_default();
                    return self.wrong(reason, Some(format!("for example {}: {form}", want.name)));
                }
            }
        }
        None
    }

    /// A variant or a result: `{ kind: …, value: … }`.
    fn tagged<'t>(
        &mut self,
        written: Written<'_>,
        port: &Type,
        names: &[&str],
        find: impl Fn(&str) -> Option<Option<&'t Type>>,
    ) -> Option<Misfit> {
        let of_form = "takes an object with `kind`, and `value` where the kind has one";
        let Some(fields) = written.fields() else {
            // The name alone, as an enum is written.
            let meant = written.text().filter(|text| find(text).is_some());
            return self.wrong(of_form, shown_forms(port, meant));
        };
        let field = |wanted: &str| {
            fields
                .iter()
                .find(|(name, _)| *name == wanted)
                .map(|(_, field)| *field)
        };
        let Some(kind) = field("kind") else {
            // `{ circle: 1.5 }`, as other formats write it.
            let meant = match fields.as_slice() {
                [(only, _)] => find(only).is_some().then_some(*only),
                _ => None,
            };
            return self.wrong(of_form, shown_forms(port, meant));
        };
        if let Some((name, _)) = fields.iter().find(|(name, _)| !matches!(*name, "kind" | "value")) {
            return self.wrong(
                format!("has no field `{name}`, only `kind` and `value`"),
                shown_forms(port, kind.text()),
            );
        }
        if let Written::Made(_) = kind {
            return None;
        }
        let Some(ty) = kind.text().and_then(&find) else {
            let found = match kind.text() {
                Some(text) => format!("has no kind `{text}`"),
                None => "has a `kind` that is text".to_owned(),
            };
            let near = kind.text().and_then(|text| nearest(text, names.iter().copied()));
            let fix = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("its kinds are: {}", names.join(", ")),
            };
            return self.wrong(found, Some(fix));
        };
        let kind = kind.text().unwrap_or_default();
        match (ty, field("value")) {
            (Some(ty), Some(value)) => self.below(".value", value, ty),
            (Some(ty), None) if ty.may_be_absent() => None,
            (Some(ty), None) => {
                let reason = format!("needs a `value` with the kind `{kind}`: {}", ty.expectation());
                self.wrong(reason, shown_forms(port, Some(kind)))
            }
            (None, Some(value)) if !value.known().is_some_and(Value::is_null) => {
                let reason = format!("has no `value` with the kind `{kind}`");
                self.wrong(reason, Some(format!("write {{ kind: {kind} }}")))
            }
            (None, _) => None,
        }
    }

    /// The name of a case of an enum, or of a flag.
    fn name(&self, written: Written<'_>, cases: &[EnumCase]) -> Option<Misfit> {
        let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        let takes = format!("takes one of {}", shortened(&names));
        let Some(text) = written.text() else {
            return match written {
                Written::Made(Template::Text(_) | Template::Expression(_)) => None,
                _ => self.wrong(
                    format!("{takes}, written as the name alone"),
                    names.first().map(|name| format!("for example {name}")),
                ),
            };
        };
        if cases
            .iter()
            .any(|case| case.name == text || case.wit_name == text)
        {
            return None;
        }
        let near = nearest(text, names.iter().copied());
        self.wrong(
            format!("{takes}, not `{text}`"),
            near.map(|near| format!("did you mean `{near}`?")),
        )
    }

    fn plain(&self, written: Written<'_>, port: &Type) -> Option<Misfit> {
        let value = match written {
            Written::Known(value) => value,
            Written::Made(Template::Text(_)) => {
                // Decimal text is taken for the wide ones.
                let takes_text = matches!(
                    port,
                    Type::String | Type::Char | Type::Bytes | Type::S64 | Type::U64
                );
                return if takes_text {
                    None
                } else {
                    self.other(written, port)
                };
            }
            // Its fields come from expressions: the call looks at them.
            Written::Made(Template::Object(_)) if *port == Type::Artefact => return None,
            Written::Made(_) => return self.other(written, port),
        };
        match (port, value) {
            (Type::Bool, Value::Bool(_)) | (Type::String, Value::String(_)) => None,
            (Type::F32 | Type::F64, Value::Number(_)) | (Type::Artefact, Value::Object(_)) => None,
            (Type::Char, Value::String(text)) => match text.chars().count() {
                1 => None,
                count => self.wrong(format!("takes one character, this has {count}"), None),
            },
            (Type::Bytes, Value::String(text)) if is_base64(text) => None,
            (Type::Bytes, Value::String(_)) => {
                let fix = "write text as base64: \"hello\" is aGVsbG8=".to_owned();
                self.wrong("takes base64 text, this is other text", Some(fix))
            }
            (Type::S64 | Type::U64, Value::String(text)) => {
                let (least, most) = bounds(port)?;
                match text.parse::<i128>() {
                    Ok(number) if (least..=most).contains(&number) => None,
                    Ok(_) => self.wrong(format!("takes {least} to {most}"), None),
                    Err(_) => self.wrong("takes a whole number, this text is none", None),
                }
            }
            (_, Value::Number(number)) => match bounds(port) {
                Some((least, most)) => match whole(number) {
                    Some(whole) if (least..=most).contains(&whole) => None,
                    Some(_) => self.wrong(format!("takes {least} to {most}"), None),
                    None => self.wrong(
                        "takes a whole number, this has a fraction",
                        Some("leave the fraction out".to_owned()),
                    ),
                },
                None => self.other(written, port),
            },
            _ => self.other(written, port),
        }
    }
}

/// What helps where a value of this type stands at a port that does not take it.
fn fix_of_type(ty: &Ty, port: &Type) -> Option<String> {
    let port = match port {
        Type::Option { inner } => inner.as_ref(),
        port => port,
    };
    let is_whole = bounds(port).is_some();
    let text = match (ty, port) {
        (Ty::Int | Ty::Double | Ty::Number | Ty::Bool, Type::String) => "write string(…) around it",
        (Ty::Text, Type::F32 | Type::F64) => "write double(…) around it, or leave the quotes out",
        (Ty::Text, _) if is_whole => "write int(…) around it, or leave the quotes out",
        (Ty::Int | Ty::Double | Ty::Number | Ty::Bool | Ty::Text, Type::List { .. }) => {
            "write [ … ] around it"
        }
        (Ty::Double, _) if is_whole => "write round(…) or int(…) around it",
        (Ty::List { .. }, ty)
            if !matches!(ty, Type::List { .. } | Type::Tuple { .. } | Type::Flags { .. }) =>
        {
            "use a `foreach` node to call it for each element"
        }
        _ => return shown_forms(port, None).filter(|_| port.needs_yaml_form()),
    };
    Some(text.to_owned())
}

/// How a value of this type is written: all forms of it, or those of the kind that was meant.
fn shown_forms(port: &Type, meant: Option<&str>) -> Option<String> {
    const SHOWN: usize = 3;
    let mut forms = port.yaml_forms();
    if let Some(kind) = meant {
        let of_kind = |form: &String| {
            let rest = form.strip_prefix(&format!("{{ kind: {kind}"));
            rest.is_some_and(|rest| rest.starts_with([',', ' ']))
        };
        if forms.iter().any(of_kind) {
            forms.retain(of_kind);
        }
    }
    let more = forms.len() > SHOWN;
    forms.truncate(SHOWN);
    if forms.is_empty() {
        return None;
    }
    let more = if more { ", …" } else { "" };
    Some(format!("write it like {}{more}", forms.join(", or ")))
}

fn shortened(names: &[&str]) -> String {
    const SHOWN: usize = 12;
    let more = if names.len() > SHOWN { ", …" } else { "" };
    let shown: Vec<&str> = names.iter().take(SHOWN).copied().collect();
    format!("{}{more}", shown.join(", "))
}

/// The least and the greatest whole number of a port of that kind.
fn bounds(port: &Type) -> Option<(i128, i128)> {
    Some(match port {
        Type::S8 => (i8::MIN.into(), i8::MAX.into()),
        Type::U8 => (0, u8::MAX.into()),
        Type::S16 => (i16::MIN.into(), i16::MAX.into()),
        Type::U16 => (0, u16::MAX.into()),
        Type::S32 => (i32::MIN.into(), i32::MAX.into()),
        Type::U32 => (0, u32::MAX.into()),
        Type::S64 => (i64::MIN.into(), i64::MAX.into()),
        Type::U64 => (0, u64::MAX.into()),
        _ => return None,
    })
}

/// Up to here, 2⁵³ − 1, a double says which whole number is meant.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// The number, if it has no fraction.
fn whole(number: &Number) -> Option<i128> {
    if let Some(number) = number.as_i64() {
        return Some(number.into());
    }
    if let Some(number) = number.as_u64() {
        return Some(number.into());
    }
    let float = number
        .as_f64()
        .filter(|float| float.fract() == 0.0 && float.abs() <= MAX_SAFE)?;
    format!("{float:.0}").parse().ok()
}

/// Whether it is base64 in the standard alphabet, with its padding.
fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    text.len().is_multiple_of(4) && text.len() - body.len() <= 2 && body.bytes().all(letter)
}
