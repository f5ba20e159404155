//! Error codes: one meaning each.
//!
//! People look a code up, so the control plane and the hosts, which are changed apart from each other, do not give one to
//! two things. A code that one of them gives and the other listens for stands in [`HEARD`]; one that is not needed there
//! any more is a fault, too.

use std::collections::BTreeMap;

/// The two sides, by the folders of their sources.
const SIDES: [&[&str]; 2] = [
    &["control-plane/", "registry/"],
    &["host/", "workflow/", "protocol/", "ports/"],
];

/// Codes that one side gives and the other knows.
const HEARD: [&str; 25] = [
    "FF-ADM-012",
    "FF-ADM-018",
    "FF-ADM-020",
    "FF-API-400",
    "FF-API-401",
    "FF-API-403",
    "FF-ENR-009",
    "FF-ENR-010",
    "FF-ENR-011",
    "FF-ENR-014",
    "FF-ENV-001",
    "FF-ENV-002",
    "FF-ENV-003",
    "FF-ENV-004",
    "FF-ENV-005",
    "FF-ENV-006",
    "FF-EX-001",
    "FF-EX-002",
    "FF-HOST-001",
    "FF-HOST-002",
    "FF-HOST-003",
    "FF-HTTP-004",
    "FF-JOB-003",
    "FF-JOB-004",
    "FF-JOB-007",
];

/// Codes that stand on both sides, and codes that are said to and do not.
pub(crate) fn problems(files: &[String], read: impl Fn(&str) -> String) -> Vec<String> {
    let of_both = |found: &BTreeMap<String, [Option<String>; 2]>| -> Vec<(String, String, String)> {
        let both = found.iter().filter_map(|(code, places)| match places {
            [Some(one), Some(other)] => Some((code.clone(), one.clone(), other.clone())),
            _ => None,
        });
        both.collect()
    };
    let both = of_both(&found(files, read));
    let given_twice = both.iter().filter(|(code, ..)| !HEARD.contains(&code.as_str()));
    let mut problems: Vec<String> = given_twice
        .map(|(code, one, other)| {
            format!(
                "{one}: {code} stands in {other}, too; give one of the two things a code of its own, or name the code in \
                 xtask/src/codes.rs if one side only listens for it"
            )
        })
        .collect();
    let stale = HEARD
        .iter()
        .filter(|heard| both.iter().all(|(code, ..)| code != *heard));
    problems.extend(
        stale.map(|code| format!("xtask/src/codes.rs: {code} does not stand on both sides any more")),
    );
    problems
}

/// Of every code its first file on each side.
fn found(files: &[String], read: impl Fn(&str) -> String) -> BTreeMap<String, [Option<String>; 2]> {
    let mut found: BTreeMap<String, [Option<String>; 2]> = BTreeMap::new();
    for file in files {
        let is_source = file.ends_with(".rs") && file.contains("/src/");
        let side = SIDES
            .iter()
            .position(|side| side.iter().any(|folder| file.starts_with(folder)));
        let Some(side) = side.filter(|_| is_source) else {
            continue;
        };
        for code in codes(&read(file)) {
            if let Some(place) = found.entry(code).or_default().get_mut(side) {
                place.get_or_insert_with(|| file.clone());
            }
        }
    }
    found
}

/// The codes in a file, without its comments and what stands behind its inline tests begin.
fn codes(text: &str) -> Vec<String> {
    let lines = text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
    let lines = lines.filter(|line| !line.trim_start().starts_with("//"));
    let mut codes = Vec::new();
    for line in lines {
        for (at, _) in line.match_indices("FF-") {
            let rest = line.get(at..).unwrap_or_default();
            let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
            let code = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            let number = code.rsplit('-').next().unwrap_or_default();
            if code.matches('-').count() == 2
                && number.len() == 3
                && number.bytes().all(|digit| digit.is_ascii_digit())
            {
                codes.push(code.to_owned());
            }
        }
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_both(files: &[(&str, &str)]) -> Vec<String> {
        let names: Vec<String> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
        let read = |name: &str| {
            let found = files.iter().find(|(file, _)| *file == name);
            found.map(|(_, text)| (*text).to_owned()).unwrap_or_default()
        };
        let stale = |problem: &String| problem.contains("any more");
        problems(&names, read)
            .into_iter()
            .filter(|problem| !stale(problem))
            .collect()
    }

    /// `FF-RUN-001` was an unknown workflow at the control plane, and an effect that may have happened at a host.
    #[test]
    fn a_code_that_both_sides_give_is_named_with_both_places() {
        let problems = of_both(&[
            (
                "control-plane/server/src/a.rs",
                "refuse(\"FF-RUN-001\", \"FF-RUN-002\")",
            ),
            (
                "workflow/src/b.rs",
                "// FF-RUN-002\nfail(\"FF-RUN-001\");\n#[cfg(test)]\n\"FF-RUN-002\"",
            ),
            ("host/agent/tests/it/c.rs", "\"FF-RUN-002\""),
        ]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].starts_with("control-plane/server/src/a.rs: FF-RUN-001 stands in workflow/src/b.rs"),
            "{problems:?}"
        );
    }

    #[test]
    fn what_one_side_listens_for_is_no_fault_while_it_is_needed() {
        let both = [
            ("control-plane/server/src/a.rs", "\"FF-ADM-012\""),
            ("host/agent/src/b.rs", "\"FF-ADM-012\""),
        ];
        assert!(of_both(&both).is_empty());
        let stale = problems(&[], |_| String::new());
        assert_eq!(stale.len(), HEARD.len(), "{stale:?}");
    }
}
