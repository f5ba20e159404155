//! Two types of one port: whether values of the one may go where the other is expected.
//!
//! An input takes what the older version was sent, so values flow from the old type to the new one; a result is read by
//! those who know the older version, so they flow from the new type to the old one. Values are JSON, so what counts is
//! what a JSON value of the one type is to the other.

use flowforge_ports::{Case, EnumCase, Field, Type};

use crate::{Change, Impact};

/// Which part of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Input,
    Output,
    Failure,
    Repetition,
}

/// A place within an operation, for messages.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    operation: String,
    side: Side,
    path: String,
}

impl Place {
    pub(crate) fn new(operation: &str, side: Side) -> Self {
        Self {
            operation: operation.to_owned(),
            side,
            path: String::new(),
        }
    }

    pub(crate) fn join(&self, name: &str) -> Self {
        let joint = if self.path.is_empty() || name == "[]" {
            ""
        } else {
            "."
        };
        Self {
            path: format!("{}{joint}{name}", self.path),
            ..self.clone()
        }
    }

    pub(crate) fn breaks(&self, rule: &'static str, message: impl Into<String>) -> Change {
        self.change(rule, Impact::Breaking, message.into())
    }

    pub(crate) fn adds(&self, rule: &'static str, message: impl Into<String>) -> Change {
        self.change(rule, Impact::Compatible, message.into())
    }

    fn change(&self, rule: &'static str, impact: Impact, message: String) -> Change {
        let side = match self.side {
            Side::Input => "input",
            Side::Output => "result",
            Side::Failure => "failure",
            Side::Repetition => "repetition",
        };
        let joint = if self.path.is_empty() { "" } else { " " };
        Change {
            rule: rule.into(),
            impact,
            place: format!("{} · {side}{joint}{}", self.operation, self.path),
            message,
        }
    }

    fn takes(&self) -> bool {
        self.side == Side::Input
    }
}

/// Compares the older and the newer type of a port.
pub(crate) fn compare_types(place: &Place, old: &Type, new: &Type, found: &mut Vec<Change>) {
    let (from, to) = if place.takes() { (old, new) } else { (new, old) };
    match (from, to) {
        (Type::Record { fields: from, .. }, Type::Record { fields: to, .. }) => {
            records(place, from, to, found)
        }
        (Type::List { element: from }, Type::List { element: to }) => {
            within(&place.join("[]"), from, to, found);
        }
        (Type::Option { inner: from }, Type::Option { inner: to }) if is_option(from) == is_option(to) => {
            within(place, from, to, found);
        }
        (from, Type::Option { inner: to }) if !is_option(from) && !is_option(to) => {
            let before = found.len();
            within(place, from, to, found);
            if found.len() == before {
                found.push(if place.takes() {
                    place.adds("input-optional", "may be left out now")
                } else {
                    place.adds("output-always", "always comes now")
                });
            }
        }
        (Type::Option { .. }, to) if !is_option(to) && !matches!(to, Type::Json) => {
            found.push(if place.takes() {
                place.breaks("input-required", "could be left out and must be given now")
            } else {
                place.breaks("output-optional", "always came and may be absent now")
            })
        }
        (Type::Tuple { items: from }, Type::Tuple { items: to }) if from.len() == to.len() => {
            for (index, (from, to)) in from.iter().zip(to).enumerate() {
                within(&place.join(&index.to_string()), from, to, found);
            }
        }
        (Type::Enum { cases: from, .. }, Type::Enum { cases: to, .. })
        | (Type::Flags { flags: from, .. }, Type::Flags { flags: to, .. }) => words(place, from, to, found),
        (Type::Variant { cases: from, .. }, Type::Variant { cases: to, .. }) => {
            variants(place, from, to, found)
        }
        (
            Type::Result {
                ok: ok_from,
                err: err_from,
            },
            Type::Result {
                ok: ok_to,
                err: err_to,
            },
        ) => {
            payloads(&place.join("ok"), ok_from.as_deref(), ok_to.as_deref(), found);
            payloads(&place.join("err"), err_from.as_deref(), err_to.as_deref(), found);
        }
        (from, to) if is_plain(from) && from == to => {}
        (from, to) if widens(from, to) => {
            found.push(place.adds("type-widened", format!("was {} and is {}", name(old), name(new))));
        }
        _ => found.push(place.breaks("type-changed", format!("was {} and is {}", name(old), name(new)))),
    }
}

/// The same question further down, where `from` and `to` are given in the direction of the values.
fn within(place: &Place, from: &Type, to: &Type, found: &mut Vec<Change>) {
    let (old, new) = if place.takes() { (from, to) } else { (to, from) };
    compare_types(place, old, new, found);
}

fn is_option(ty: &Type) -> bool {
    matches!(ty, Type::Option { .. })
}

fn records(place: &Place, from: &[Field], to: &[Field], found: &mut Vec<Change>) {
    for expected in to {
        let here = place.join(&expected.name);
        match from.iter().find(|field| field.name == expected.name) {
            Some(field) => within(&here, &field.ty, &expected.ty, found),
            None if !place.takes() => found.push(here.breaks("output-removed", "does not come any more")),
            None if expected.ty.may_be_absent() => {
                found.push(here.adds("input-added", "is new and may be left out"));
            }
            None => found.push(here.breaks("input-required", "is new and must be given; make it an option")),
        }
    }
    for field in from
        .iter()
        .filter(|field| to.iter().all(|other| other.name != field.name))
    {
        let here = place.join(&field.name);
        found.push(if place.takes() {
            here.breaks(
                "input-removed",
                "is not taken any more, and an unknown name is refused",
            )
        } else {
            here.adds("output-added", "is new")
        });
    }
}

/// Cases of an enum, or flags.
fn words(place: &Place, from: &[EnumCase], to: &[EnumCase], found: &mut Vec<Change>) {
    let names = |cases: &[EnumCase]| -> Vec<String> { cases.iter().map(|case| case.name.clone()).collect() };
    cases(place, &names(from), &names(to), found);
}

fn variants(place: &Place, from: &[Case], to: &[Case], found: &mut Vec<Change>) {
    let names = |cases: &[Case]| -> Vec<String> { cases.iter().map(|case| case.name.clone()).collect() };
    cases(place, &names(from), &names(to), found);
    for case in from {
        if let Some(expected) = to.iter().find(|other| other.name == case.name) {
            payloads(
                &place.join(&case.name),
                case.ty.as_ref(),
                expected.ty.as_ref(),
                found,
            );
        }
    }
}

fn cases(place: &Place, from: &[String], to: &[String], found: &mut Vec<Change>) {
    // Who knows the older version reads a case that it does not know as `other`, if it has that one.
    let is_open = !place.takes() && to.iter().any(|case| case == "other");
    for case in from.iter().filter(|case| !to.contains(case)) {
        let here = place.join(case);
        found.push(match (place.takes(), is_open) {
            (true, _) => here.breaks("input-case-removed", "is not taken any more"),
            (false, true) => here.adds("output-case-added", "is new, and `other` was there for it"),
            (false, false) => here.breaks(
                "output-case-added",
                "is new, and workflows know only the cases of before",
            ),
        });
    }
    for case in to.iter().filter(|case| !from.contains(case)) {
        let here = place.join(case);
        found.push(if place.takes() {
            here.adds("input-case-added", "is new")
        } else {
            here.adds("output-case-removed", "does not come any more")
        });
    }
}

fn payloads(place: &Place, from: Option<&Type>, to: Option<&Type>, found: &mut Vec<Change>) {
    match (from, to) {
        (None, None) => {}
        (Some(from), Some(to)) => within(place, from, to, found),
        (None, Some(expected)) if expected.may_be_absent() => {
            found.push(place.adds("value-added", "may have a value"));
        }
        (Some(_), None) if !place.takes() => found.push(place.adds("output-added", "has a value now")),
        _ => found.push(place.breaks(
            "value-changed",
            "has a value in one version and none in the other",
        )),
    }
}

/// Types without parts.
fn is_plain(ty: &Type) -> bool {
    !matches!(
        ty,
        Type::List { .. }
            | Type::Option { .. }
            | Type::Tuple { .. }
            | Type::Record { .. }
            | Type::Variant { .. }
            | Type::Enum { .. }
            | Type::Flags { .. }
            | Type::Result { .. }
    )
}

/// Whether every JSON value of `from` is one of `to` without being equal types.
fn widens(from: &Type, to: &Type) -> bool {
    if let (Some((low, high)), Some((least, most))) = (whole(from), whole(to)) {
        return least <= low && high <= most;
    }
    match (from, to) {
        (_, Type::Json) | (Type::Char | Type::Enum { .. }, Type::String) | (Type::F32, Type::F64) => true,
        // Exactly the whole numbers that the fraction's bits can hold.
        (from, Type::F64) => whole(from).is_some_and(|(low, high)| low >= -(1 << 53) && high <= 1 << 53),
        (from, Type::F32) => whole(from).is_some_and(|(low, high)| low >= -(1 << 24) && high <= 1 << 24),
        _ => false,
    }
}

/// The whole numbers of a type. Those of 64 bits may also come as text, which the smaller ones may not.
fn whole(ty: &Type) -> Option<(i128, i128)> {
    let signed = |bits: u32| Some((-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1));
    let unsigned = |bits: u32| Some((0, (1_i128 << bits) - 1));
    match ty {
        Type::S8 => signed(8),
        Type::S16 => signed(16),
        Type::S32 => signed(32),
        Type::S64 => signed(64),
        Type::U8 => unsigned(8),
        Type::U16 => unsigned(16),
        Type::U32 => unsigned(32),
        Type::U64 => unsigned(64),
        _ => None,
    }
}

/// The type as its author writes it.
fn name(ty: &Type) -> String {
    let plain = match ty {
        Type::Bool => "bool",
        Type::S8 => "s8",
        Type::U8 => "u8",
        Type::S16 => "s16",
        Type::U16 => "u16",
        Type::S32 => "s32",
        Type::U32 => "u32",
        Type::S64 => "s64",
        Type::U64 => "u64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::Json => "json",
        Type::Bytes => "list<u8>",
        Type::Artefact => "artefact",
        Type::List { element } => return format!("list<{}>", name(element)),
        Type::Option { inner } => return format!("option<{}>", name(inner)),
        Type::Tuple { items } => {
            let items: Vec<String> = items.iter().map(name).collect();
            return format!("tuple<{}>", items.join(", "));
        }
        Type::Record { named, .. } => {
            return format!("record {}", named.name.as_deref().unwrap_or("without a name"));
        }
        Type::Variant { named, .. } => {
            return format!("variant {}", named.name.as_deref().unwrap_or("without a name"));
        }
        Type::Enum { named, .. } => {
            return format!("enum {}", named.name.as_deref().unwrap_or("without a name"));
        }
        Type::Flags { named, .. } => {
            return format!("flags {}", named.name.as_deref().unwrap_or("without a name"));
        }
        Type::Result { .. } => "result",
    };
    plain.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(side: Side, old: &Type, new: &Type) -> Vec<(Impact, String)> {
        let mut found = Vec::new();
        compare_types(&Place::new("f", side), old, new, &mut found);
        found
            .into_iter()
            .map(|change| (change.impact, change.to_string()))
            .collect()
    }

    fn impact(side: Side, old: &Type, new: &Type) -> Impact {
        said(side, old, new)
            .into_iter()
            .map(|(impact, _)| impact)
            .max()
            .unwrap_or(Impact::Same)
    }

    fn record(fields: &[(&str, Type)]) -> Type {
        let fields = fields.iter().map(|(name, ty)| Field {
            name: (*name).to_owned(),
            wit_name: (*name).to_owned(),
            ty: ty.clone(),
            docs: None,
        });
        Type::Record {
            named: flowforge_ports::Named::default(),
            fields: fields.collect(),
        }
    }

    fn choice(cases: &[&str]) -> Type {
        let cases = cases.iter().map(|name| EnumCase {
            name: (*name).to_owned(),
            wit_name: (*name).to_owned(),
            docs: None,
        });
        Type::Enum {
            named: flowforge_ports::Named::default(),
            cases: cases.collect(),
        }
    }

    fn option(inner: Type) -> Type {
        Type::Option {
            inner: Box::new(inner),
        }
    }

    fn list(element: Type) -> Type {
        Type::List {
            element: Box::new(element),
        }
    }

    /// Each row: what changed, what it is to those who send it, and to those who read it.
    #[test]
    fn sending_and_reading_are_opposite() {
        use Impact::{Breaking, Compatible, Same};
        let rows = [
            (Type::U8, Type::U16, Compatible, Breaking),
            (Type::U16, Type::U8, Breaking, Compatible),
            (Type::U8, Type::S8, Breaking, Breaking),
            (Type::U32, Type::F64, Compatible, Breaking),
            (Type::S64, Type::F64, Breaking, Breaking),
            (Type::F32, Type::F64, Compatible, Breaking),
            (Type::String, Type::Json, Compatible, Breaking),
            (Type::Json, Type::Json, Same, Same),
            (Type::Char, Type::String, Compatible, Breaking),
            (Type::String, Type::Bytes, Breaking, Breaking),
            (Type::String, option(Type::String), Compatible, Breaking),
            (option(Type::String), Type::String, Breaking, Compatible),
            (option(Type::U8), option(Type::U16), Compatible, Breaking),
            (option(Type::U8), option(option(Type::U8)), Breaking, Breaking),
            (list(Type::U8), list(Type::U16), Compatible, Breaking),
            (choice(&["a"]), choice(&["a", "b"]), Compatible, Breaking),
            (choice(&["a", "b"]), choice(&["a"]), Breaking, Compatible),
            (
                choice(&["a", "other"]),
                choice(&["a", "b", "other"]),
                Compatible,
                Compatible,
            ),
            (choice(&["a"]), Type::String, Compatible, Breaking),
            (record(&[]), record(&[("a", Type::U8)]), Breaking, Compatible),
            (
                record(&[]),
                record(&[("a", option(Type::U8))]),
                Compatible,
                Compatible,
            ),
            (record(&[("a", Type::U8)]), record(&[]), Breaking, Breaking),
            (
                record(&[("a", Type::U8), ("b", Type::U8)]),
                record(&[("b", Type::U8), ("a", Type::U8)]),
                Same,
                Same,
            ),
        ];
        for (old, new, sent, read) in rows {
            assert_eq!(impact(Side::Input, &old, &new), sent, "sent: {old:?} → {new:?}");
            assert_eq!(impact(Side::Output, &old, &new), read, "read: {old:?} → {new:?}");
        }
    }

    #[test]
    fn a_difference_names_its_place_down_to_the_field() {
        let old = record(&[("rows", list(record(&[("lang", choice(&["en"]))])))]);
        let new = record(&[("rows", list(record(&[("lang", choice(&["en", "de"]))])))]);
        assert_eq!(
            said(Side::Output, &old, &new),
            [(
                Impact::Breaking,
                "f · result rows[].lang.de: is new, and workflows know only the cases of before".to_owned()
            )]
        );
    }

    #[test]
    fn a_changed_type_is_named_as_its_author_writes_it() {
        let found = said(Side::Input, &list(Type::String), &option(Type::U8));
        assert_eq!(found[0].1, "f · input: was list<string> and is u8");
        let found = said(Side::Input, &Type::Bool, &list(Type::String));
        assert_eq!(found[0].1, "f · input: was bool and is list<string>");
    }
}
