//! How a file is written: editors of other systems, numbers of every size.

use flowforge_workflow::{Diagnostic, apply_fixes, canonical, parse};
use serde_json::{Map, json};

const PLAIN: &str = "\
workflow: windows
input: { n: { type: integer } }
nodes:
  text:
    set:
      lines: |
        first
        second
      x: ${input.n}
";

fn found(source: &str) -> Vec<String> {
    match parse(source) {
        Ok(_) => Vec::new(),
        Err(found) => found.iter().map(|found| found.render("w.yaml")).collect(),
    }
}

/// A file with a byte order mark had an unknown first key, and everything behind it was missing.
#[test]
fn a_mark_and_line_ends_of_another_system_change_nothing() {
    let meaning = |source: &str| {
        let definition = parse(source).unwrap_or_else(|found| panic!("{found:#?}"));
        canonical(&definition, &Map::new()).expect("no overrides")
    };
    let windows = PLAIN.replace('\n', "\r\n");
    let plain = meaning(PLAIN);
    assert_eq!(
        plain["nodes"][0]["kind"]["set"]["fields"][0]["value"],
        json!("first\nsecond\n")
    );
    for other in [
        format!("\u{feff}{PLAIN}"),
        windows.clone(),
        format!("\u{feff}{windows}"),
    ] {
        assert_eq!(meaning(&other), plain, "{other:?}");
    }
}

/// Behind a NUL nothing was read: a file could show a person more than it was.
#[test]
fn characters_that_cannot_be_seen_are_refused() {
    for (source, place, number) in [
        (
            "workflow: a\nnodes:\n  a: { set: { x: 1 } }\n\0  b: { set: { x: 2 } }\n",
            (4, 1),
            "U+0000",
        ),
        (
            "workflow: a\nnodes:\n  a: { set: { x: 'a\u{7}b' } }\n",
            (3, 20),
            "U+0007",
        ),
        (
            "workflow: a\n# \u{fffe}\nnodes:\n  a: { set: { x: 1 } }\n",
            (2, 3),
            "U+FFFE",
        ),
        // These were taken: a person saw the words in another order than they had, or two names as one.
        (
            "workflow: a\nnodes:\n  a: { set: { x: 'pay \u{202e}001' } }\n",
            (3, 23),
            "U+202E",
        ),
        (
            "workflow: a\ntitle: pay\u{200b}roll\nnodes:\n  a: { set: { x: 1 } }\n",
            (2, 11),
            "U+200B",
        ),
    ] {
        let found = parse(source).expect_err(number);
        assert_eq!((found[0].line, found[0].column), place, "{found:#?}");
        assert!(found[0].message.contains(number), "{found:#?}");
        assert!(
            found[0]
                .fix
                .as_deref()
                .is_some_and(|fix| fix.starts_with("take it out"))
        );
    }
    assert_eq!(
        found("workflow: a\nnodes:\n  a: { set: { x: \"a\\x07b\\u202E\" } } # é\t🎉 👩\u{200d}💻\n"),
        Vec::<String>::new()
    );
}

/// What is said about a file with a mark stands where it stands in the file, and is mended there.
#[test]
fn places_and_fixes_are_right_behind_a_mark_and_between_other_line_ends() {
    let wrong = "\u{feff}workflo: a\r\nnodes:\r\n  a: { sett: { x: 1 } }\r\n";
    let diagnostics = parse(wrong).expect_err("two words are wrong");
    let places: Vec<(u32, u32)> = diagnostics
        .iter()
        .map(|found| (found.line, found.column))
        .collect();
    assert!(
        places.contains(&(1, 2)) && places.contains(&(3, 3)),
        "{diagnostics:#?}"
    );
    assert!(
        diagnostics
            .iter()
            .all(|found| !found.excerpt.contains(['\u{feff}', '\r']))
    );
    let fixed = apply_fixes(wrong, &diagnostics);
    assert!(fixed.starts_with("\u{feff}workflow: a\r\n"), "{fixed:?}");
    let edit = |text: &str| Diagnostic {
        correction: Some(flowforge_workflow::Correction {
            title: "added a line".to_owned(),
            edits: vec![flowforge_workflow::Edit {
                start: wrong.len(),
                end: wrong.len(),
                text: text.to_owned(),
            }],
        }),
        ..diagnostics[0].clone()
    };
    let added = apply_fixes(wrong, &[edit("  b: 1\n")]);
    assert_eq!(added, format!("{wrong}  b: 1\r\n"));
    assert_eq!(added.matches('\n').count(), added.matches("\r\n").count());
}

/// Two files that were put together keep the mark of the second in the middle, where nobody sees it.
#[test]
fn a_mark_inside_a_file_is_named_and_taken_out() {
    for source in [
        "---\n\u{feff}workflow: a\nnodes: { a: { set: { x: 1 } } }\n",
        "\u{feff}\u{feff}workflow: a\nnodes: { a: { set: { x: 1 } } }\n",
        "workflow: a\n\u{feff}nodes: { a: { set: { x: 1 } } }\n",
    ] {
        let diagnostics = parse(source).expect_err("it is in the way");
        assert_eq!(diagnostics.len(), 1, "{diagnostics:#?}");
        assert!(
            diagnostics[0].message.contains("byte order mark"),
            "{diagnostics:#?}"
        );
        let fixed = apply_fixes(source, &diagnostics);
        assert_eq!(found(&fixed), Vec::<String>::new(), "{source:?} {fixed:?}");
    }
    // In a text it is a character like any other.
    assert_eq!(
        found("workflow: a\nnodes: { a: { set: { x: \"a\u{feff}b\" } } }\n"),
        Vec::<String>::new()
    );
}

/// A number of an author reached the other side as another number.
#[test]
fn a_number_is_published_with_every_digit_or_refused_at_its_place() {
    let with = |number: &str| format!("workflow: a\nnodes:\n  a:\n    set:\n      id: {number}\n");
    for exact in [
        "7615917337495251231",
        "9007199254740993",
        "18446744073709551615",
        "-9223372036854775808",
    ] {
        let definition = parse(&with(exact)).unwrap_or_else(|found| panic!("{found:#?}"));
        let canonical = canonical(&definition, &Map::new()).expect("no overrides");
        let bytes = flowforge_protocol::canonical::canonical_json(&canonical);
        let text = String::from_utf8(bytes).expect("it is text");
        assert!(text.contains(&format!("\"value\":{exact}")), "{text}");
    }
    for lost in ["18446744073709551616", "-9223372036854775809"] {
        let shown = found(&with(lost)).concat();
        assert!(
            shown.contains("w.yaml:5:11") && shown.contains("64 bits"),
            "{shown}"
        );
    }
}
