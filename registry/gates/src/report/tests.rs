//! Each gate shut once, and all of them open.

use flowforge_ports::{ConnectorMeta, embed_meta, hollow_component};
use wit_parser::Resolve;

use super::*;

/// A component with this world, named and described.
fn component(version: &str, world: &str, change: impl FnOnce(&mut ConnectorMeta)) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let text = format!("package acme:geo;\ninterface odd {{ f: func(); }}\nworld w {{\n{world}\n}}\n");
    let package = resolve.push_str("t.wit", &text).unwrap();
    let world = resolve.select_world(&[package], Some("w")).unwrap();
    let bare = hollow_component(&resolve, world).unwrap();
    let mut meta = ConnectorMeta {
        name: "acme:geo".to_owned(),
        version: version.to_owned(),
        license: "MIT".to_owned(),
        ..ConnectorMeta::default()
    };
    change(&mut meta);
    embed_meta(&bare, &meta).unwrap()
}

fn known<'a>() -> Known<'a> {
    Known {
        bytes_max: 32 * 1024 * 1024,
        versions: Vec::new(),
        publishers: vec!["flowforge"],
        advisories: Vec::new(),
        owner: Ok(()),
    }
}

fn ask(version: &str, bytes: &[u8], known: &Known<'_>) -> Report {
    let name: ConnectorName = "acme:geo".parse().unwrap();
    let candidate = Candidate {
        name: &name,
        version,
        bytes,
    };
    judge(candidate, known).0
}

fn refused(version: &str, bytes: &[u8], known: &Known<'_>) -> (&'static str, String) {
    let report = ask(version, bytes, known);
    let (gate, reason) = report.refusal().expect("it was let through");
    (gate.as_str(), reason.to_owned())
}

const GOOD: &str = "export locate: func(place: string) -> string;";

#[test]
fn what_is_right_passes_every_gate() {
    let report = ask("1.0.0", &component("1.0.0", GOOD, |_| {}), &known());
    assert_eq!(report.refusal(), None);
    assert_eq!(report.gates.len(), 13);
    assert_eq!((report.after, report.impact), (None, None));
}

#[test]
fn each_gate_says_why_it_is_shut() {
    let good = component("1.0.0", GOOD, |_| {});
    let small = Known {
        bytes_max: 10,
        ..known()
    };
    let stranger = Known {
        owner: Err("not yours".to_owned()),
        ..known()
    };
    let alike = Known {
        publishers: vec!["acne"],
        ..known()
    };
    let licence = component("1.0.0", GOOD, |meta| meta.license = "free".to_owned());
    let odd = component("1.0.0", &format!("import odd; {GOOD}"), |_| {});
    let liar = component("1.0.0", GOOD, |meta| {
        meta.needs.http = Some(flowforge_ports::HttpNeed::default())
    });
    let idle = component("1.0.0", "", |_| {});
    for (version, bytes, known, gate, words) in [
        ("1.0", &good, &known(), "version", "is not a version"),
        ("1.0.0+build", &good, &known(), "version", "cannot hold `+`"),
        ("1.0.0", &good, &small, "size", "above the limit of 10"),
        (
            "1.0.0",
            &b"hello".to_vec(),
            &known(),
            "component",
            "not a WebAssembly file",
        ),
        (
            "1.0.0",
            &b"\0asm\x01\0\0\0".to_vec(),
            &known(),
            "component",
            "core WebAssembly module",
        ),
        (
            "1.0.1",
            &good,
            &known(),
            "own_name",
            "says that it is acme:geo 1.0.0",
        ),
        (
            "1.0.0",
            &odd,
            &known(),
            "imports",
            "it imports what no host offers: acme:geo/odd",
        ),
        (
            "1.0.0",
            &liar,
            &known(),
            "declared",
            "imports nothing to make them with",
        ),
        ("1.0.0", &idle, &known(), "operations", "exports no function"),
        (
            "1.0.0",
            &licence,
            &known(),
            "licence",
            "`free` is no SPDX expression",
        ),
        ("1.0.0", &good, &alike, "name", "easily taken for `acne`"),
        ("1.0.0", &good, &stranger, "owner", "not yours"),
    ] {
        let (found, reason) = refused(version, bytes, known);
        assert!(found == gate && reason.contains(words), "{found}: {reason}");
    }
}

#[test]
fn no_licence_is_worth_a_word_and_no_refusal() {
    let report = ask(
        "1.0.0",
        &component("1.0.0", GOOD, |meta| meta.license.clear()),
        &known(),
    );
    assert_eq!(report.refusal(), None);
    let note = report.gates.iter().find_map(|gate| gate.note.as_deref()).unwrap();
    assert!(note.contains("states no licence"), "{note}");
}

#[test]
fn a_version_says_what_changed() {
    let old = component("1.0.0", GOOD, |_| {});
    let interface = flowforge_ports::inspect(&old).unwrap();
    let before = Version::new(1, 0, 0);
    let known = Known {
        versions: vec![(&before, Digest::of(&old), &interface)],
        ..known()
    };
    let broken = "export locate: func(place: string, country: string) -> string;";
    let (gate, reason) = refused("1.0.1", &component("1.0.1", broken, |_| {}), &known);
    assert_eq!(gate, "interface");
    assert_eq!(
        reason,
        "1.0.1 breaks workflows that use 1.0.0: locate · input country: is new and must be given; make it an option. \
         The version would have to be 2.0.0"
    );
    let report = ask("2.0.0", &component("2.0.0", broken, |_| {}), &known);
    assert_eq!((report.refusal(), report.impact), (None, Some(Impact::Breaking)));
    assert_eq!(report.after.as_deref(), Some("1.0.0"));
    let more = format!("{GOOD} export name: func();");
    let (_, reason) = refused("1.0.1", &component("1.0.1", &more, |_| {}), &known);
    assert_eq!(
        reason,
        "1.0.1 has more than 1.0.0: name: is new. The version would have to be 1.1.0"
    );
    assert_eq!(
        ask("1.0.0", &old, &known).refusal(),
        None,
        "the same bytes once more"
    );
    let (gate, reason) = refused("1.0.0", &component("1.0.0", broken, |_| {}), &known);
    assert!(gate == "free" && reason.ends_with("next free: 1.0.1"), "{reason}");
}

#[test]
fn a_critical_advisory_keeps_a_version_out_and_a_lesser_one_is_told() {
    let advisory = |severity: &str| -> Advisory {
        serde_json::from_value(serde_json::json!({
            "id": "FFSA-1", "summary": "Leaks.",
            "affected": [{"package": {"ecosystem": "FlowForge", "name": "acme:geo"}, "versions": ["1.0.0"]}],
            "database_specific": {"severity": severity},
        }))
        .unwrap()
    };
    let (critical, low) = (advisory("CRITICAL"), advisory("LOW"));
    let bytes = component("1.0.0", GOOD, |_| {});
    let (gate, reason) = refused(
        "1.0.0",
        &bytes,
        &Known {
            advisories: vec![&low, &critical],
            ..known()
        },
    );
    assert_eq!(
        (gate, reason.as_str()),
        ("advisories", "FFSA-1: Leaks. (no version without it is known)")
    );
    let report = ask(
        "1.0.0",
        &bytes,
        &Known {
            advisories: vec![&low],
            ..known()
        },
    );
    assert_eq!(report.refusal(), None);
    assert!(
        report
            .gates
            .last()
            .unwrap()
            .note
            .as_deref()
            .unwrap()
            .starts_with("FFSA-1")
    );
}
