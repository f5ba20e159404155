//! Two versions of a connector, compared operation by operation and port by port.
//!
//! The question is whether a workflow that was written for the older version can use the newer one: what it sends must
//! still be taken, and what it reads must still come. Words for people do not count.

use std::borrow::Cow;

use flowforge_ports::{Effect, Interface, Operation, Port};
use serde::{Deserialize, Serialize};

use crate::CapabilityDifference;
use crate::shape::{Place, Side, compare_types};

/// What a difference asks of those who use the older version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Impact {
    /// Nothing can be told apart from outside.
    Same,
    /// There is more than before, and all that was there works on.
    Compatible,
    /// A workflow that works with the older version may fail with the newer one.
    Breaking,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Name of the rule, such as `input-required`; it stays the same over versions of this program.
    pub rule: Cow<'static, str>,
    /// What it asks.
    pub impact: Impact,
    /// Where: `label · input text.lang`.
    pub place: String,
    /// What, for people: continues the place as a sentence.
    pub message: String,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// All differences between two versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Of operations and ports, in the order of the older version, then what is new.
    pub changes: Vec<Change>,
    /// Of what they ask of the host and of people.
    pub capabilities: CapabilityDifference,
}

impl Comparison {
    /// The greatest impact of all differences.
    #[must_use]
    pub fn impact(&self) -> Impact {
        let grows = if self.capabilities.added.is_empty() {
            Impact::Same
        } else {
            Impact::Compatible
        };
        let changes = self.changes.iter().map(|change| change.impact);
        changes.chain([grows]).max().unwrap_or(Impact::Same)
    }

    /// The differences that break something, for people, one in a line.
    #[must_use]
    pub fn reasons(&self, impact: Impact) -> Vec<String> {
        let wanted = self.changes.iter().filter(|change| change.impact == impact);
        wanted.map(ToString::to_string).collect()
    }
}

/// Compares a newer version with an older one.
#[must_use]
pub fn compare(old: &Interface, new: &Interface) -> Comparison {
    let mut found = Vec::new();
    for before in &old.operations {
        match new.operation(&before.name) {
            Some(after) => compare_operations(before, after, &mut found),
            None => found.push(gone(before, new)),
        }
    }
    for after in new
        .operations
        .iter()
        .filter(|after| old.operation(&after.name).is_none())
    {
        found.push(Change {
            rule: "operation-added".into(),
            impact: Impact::Compatible,
            place: after.name.clone(),
            message: "is new".to_owned(),
        });
    }
    let slots = |interface: &Interface| -> Vec<String> {
        let meta = interface.meta.as_ref();
        meta.map(|meta| meta.secrets.keys().cloned().collect())
            .unwrap_or_default()
    };
    let kept = slots(new);
    for slot in slots(old).into_iter().filter(|slot| !kept.contains(slot)) {
        found.push(Change {
            rule: "secret-removed".into(),
            impact: Impact::Breaking,
            place: format!("secret {slot}"),
            message: "is not there any more, and workflows name it".to_owned(),
        });
    }
    Comparison {
        changes: found,
        capabilities: CapabilityDifference::between(old, new),
    }
}

fn gone(before: &Operation, new: &Interface) -> Change {
    let refused = new.not_callable.iter().find(|other| other.name == before.name);
    let message = match refused {
        Some(refused) => format!("cannot be called any more: {}", refused.reason),
        None => "is not there any more".to_owned(),
    };
    Change {
        rule: "operation-removed".into(),
        impact: Impact::Breaking,
        place: before.name.clone(),
        message,
    }
}

fn compare_operations(before: &Operation, after: &Operation, found: &mut Vec<Change>) {
    compare_inputs(before, after, found);
    compare_results(before, after, found);
    compare_failures(before, after, found);
    compare_effects(before, after, found);
}

fn compare_inputs(before: &Operation, after: &Operation, found: &mut Vec<Change>) {
    let place = Place::new(&before.name, Side::Input);
    let port = |ports: &'_ [Port], name: &str| ports.iter().position(|port| port.name == name);
    for old in &before.params {
        let here = place.join(&old.name);
        match port(&after.params, &old.name).and_then(|at| after.params.get(at)) {
            Some(new) => compare_types(&here, &old.ty, &new.ty, found),
            None => found.push(here.breaks(
                "input-removed",
                "is not taken any more, and an unknown name is refused",
            )),
        }
    }
    for new in after
        .params
        .iter()
        .filter(|new| port(&before.params, &new.name).is_none())
    {
        let here = place.join(&new.name);
        found.push(if new.ty.may_be_absent() {
            here.adds("input-added", "is new and may be left out")
        } else {
            here.breaks("input-required", "is new and must be given; make it an option")
        });
    }
}

fn compare_results(before: &Operation, after: &Operation, found: &mut Vec<Change>) {
    let place = Place::new(&before.name, Side::Output);
    match (&before.result, &after.result) {
        (Some(old), Some(new)) => compare_types(&place, old, new, found),
        (None, Some(_)) => found.push(place.adds("output-added", "is new")),
        (Some(_), None) => found.push(place.breaks("output-removed", "does not come any more")),
        (None, None) => {}
    }
}

fn compare_failures(before: &Operation, after: &Operation, found: &mut Vec<Change>) {
    let place = Place::new(&before.name, Side::Failure);
    if !before.fails && after.fails {
        found.push(place.adds("failure-added", "is new: it may fail in a way that it names"));
    }
    match (&before.failure, &after.failure) {
        (Some(_), Some(_)) if before.standard_failure && after.standard_failure => {}
        (Some(_), Some(_)) if before.standard_failure => found.push(place.breaks(
            "failure-not-standard",
            "is no standard failure any more, so that retries by its kind do not fit",
        )),
        (Some(old), Some(new)) if !after.standard_failure => compare_types(&place, old, new, found),
        _ => {}
    }
}

/// A step that was repeated without asking must not begin to wait for people, nor to do twice what it did once.
fn compare_effects(before: &Operation, after: &Operation, found: &mut Vec<Change>) {
    let caution = |effect: Effect| match effect {
        Effect::Pure => 0,
        Effect::Idempotent => 1,
        Effect::Keyed { .. } => 2,
        Effect::Unsafe => 3,
    };
    let word = |effect: Effect| match effect {
        Effect::Pure => "pure",
        Effect::Idempotent => "idempotent",
        Effect::Keyed { .. } => "keyed",
        Effect::Unsafe => "unsafe",
    };
    let place = Place::new(&before.name, Side::Repetition);
    if caution(after.effect) > caution(before.effect) {
        let message = format!(
            "was {} and is {}: a step of unknown outcome is treated otherwise",
            word(before.effect),
            word(after.effect)
        );
        found.push(place.breaks("effect-less-repeatable", message));
    } else if caution(after.effect) < caution(before.effect) {
        let message = format!("was {} and is {}", word(before.effect), word(after.effect));
        found.push(place.adds("effect-more-repeatable", message));
    } else if let (Effect::Keyed { retention_ms: old }, Effect::Keyed { retention_ms: new }) =
        (before.effect, after.effect)
        && new < old
    {
        found.push(place.breaks(
            "effect-key-shorter",
            format!("keys are remembered for {new} ms, before for {old} ms"),
        ));
    }
}

#[cfg(test)]
mod tests {
    use flowforge_ports::{ConnectorMeta, SecretSlot, embed_meta, hollow_component, inspect};
    use wit_parser::Resolve;

    use super::*;

    /// The interface of a component with this world, as it would be read from its bytes.
    fn of(exports: &str) -> Interface {
        let text = format!("package t:t;\nworld w {{\n{exports}\n}}\n");
        let mut resolve = Resolve::default();
        let package = resolve.push_str("t.wit", &text).unwrap();
        let world = resolve.select_world(&[package], Some("w")).unwrap();
        inspect(&hollow_component(&resolve, world).unwrap()).unwrap()
    }

    fn changes(old: &str, new: &str) -> (Impact, Vec<String>) {
        let found = compare(&of(old), &of(new));
        (
            found.impact(),
            found.changes.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn the_same_interface_has_no_difference() {
        let text = "record r { a: u8, b: option<string> } export f: func(r: r) -> result<list<r>, string>;";
        assert_eq!(changes(text, text), (Impact::Same, vec![]));
    }

    #[test]
    fn more_is_compatible_where_nobody_must_give_it() {
        let (impact, said) = changes(
            "export f: func(text: string) -> u8;",
            "export f: func(text: string, lang: option<string>) -> u8; export g: func();",
        );
        assert_eq!(impact, Impact::Compatible);
        assert_eq!(said, ["f · input lang: is new and may be left out", "g: is new"]);
    }

    #[test]
    fn less_or_a_new_duty_breaks() {
        for (old, new, words) in [
            (
                "export f: func();",
                "export g: func();",
                "f: is not there any more",
            ),
            (
                "export f: func();",
                "export f: func(a: u8);",
                "f · input a: is new and must be given",
            ),
            (
                "export f: func(a: option<u8>);",
                "export f: func();",
                "f · input a: is not taken any more",
            ),
            (
                "export f: func() -> u8;",
                "export f: func();",
                "f · result: does not come any more",
            ),
            (
                "export f: func() -> result<u8, string>;",
                "export f: func() -> result<u8, u8>;",
                "f · failure: was string and is u8",
            ),
        ] {
            let (impact, said) = changes(old, new);
            assert_eq!(impact, Impact::Breaking, "{new}");
            assert!(said[0].starts_with(words), "{said:?}");
        }
    }

    #[test]
    fn an_operation_that_cannot_be_called_any_more_says_why() {
        let mut new = of("export g: func();");
        let mut old = new.clone();
        old.operations[0].name = "f".to_owned();
        new.not_callable.push(flowforge_ports::NotCallable {
            name: "f".to_owned(),
            export: new.operations[0].export.clone(),
            reason: "it belongs to a resource".to_owned(),
        });
        let found = compare(&old, &new);
        assert_eq!(
            found.reasons(Impact::Breaking),
            ["f: cannot be called any more: it belongs to a resource"]
        );
    }

    #[test]
    fn a_step_that_was_repeated_without_asking_stays_so() {
        let with = |effect: Effect| {
            let mut interface = of("export f: func();");
            interface.operations[0].effect = effect;
            interface
        };
        let keyed = |retention_ms| Effect::Keyed { retention_ms };
        let impact = |old: Effect, new: Effect| compare(&with(old), &with(new)).impact();
        assert_eq!(impact(Effect::Idempotent, Effect::Unsafe), Impact::Breaking);
        assert_eq!(impact(Effect::Unsafe, Effect::Idempotent), Impact::Compatible);
        assert_eq!(impact(keyed(10), keyed(9)), Impact::Breaking);
        assert_eq!(impact(keyed(10), keyed(11)), Impact::Same);
    }

    #[test]
    fn a_secret_that_workflows_name_must_stay() {
        let bare = hollow("export f: func();");
        let mut meta = ConnectorMeta::default();
        meta.secrets.insert("auth".to_owned(), SecretSlot::default());
        let old = inspect(&embed_meta(&bare, &meta).unwrap()).unwrap();
        let found = compare(&old, &inspect(&bare).unwrap());
        assert_eq!(found.changes[0].rule, "secret-removed");
        let back = compare(&inspect(&bare).unwrap(), &old);
        assert_eq!(
            (back.impact(), back.capabilities.added),
            (Impact::Compatible, vec!["secret auth".to_owned()])
        );
    }

    fn hollow(exports: &str) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let package = resolve
            .push_str("t.wit", &format!("package t:t;\nworld w {{\n{exports}\n}}\n"))
            .unwrap();
        let world = resolve.select_world(&[package], Some("w")).unwrap();
        hollow_component(&resolve, world).unwrap()
    }
}
