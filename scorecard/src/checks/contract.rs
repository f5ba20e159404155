//! Contract: what an operation promises those who call it.

use flowforge_ports::Interface;

use super::described::Described;
use super::{counted, share};
use crate::{Check, Observed};

pub(super) fn contract(interface: &Interface, observed: &Observed) -> Vec<Check> {
    let described = Described::of(interface);
    let typed = interface
        .operations
        .iter()
        .filter(|operation| operation.standard_failure)
        .count();
    let all = interface.operations.len();
    let ran = observed
        .measured
        .as_ref()
        .is_some_and(|seen| seen.weight.is_some())
        || observed.calls.iter().any(|call| call.passed);
    vec![
        described.check("described", 6),
        match &observed.version {
            None => Check::not_measured("version", 4, "give the version before it with --after"),
            Some(Ok(told)) => Check::scored("version", 4, 4, told, ""),
            Some(Err(told)) => Check::scored("version", 0, 4, told, "take the version that it names"),
        },
        changes(interface, observed),
        Check::scored(
            "failures",
            share(typed, all, 2),
            2,
            format!(
                "{typed} of {} fail in the standard way",
                counted(all, "operation")
            ),
            "let each operation return result<…, failure>",
        ),
        Check::scored(
            "host",
            u32::from(ran),
            1,
            if ran {
                "it runs in this version's host"
            } else {
                "no call of it passed"
            },
            "add a test that passes",
        ),
    ]
}

/// Whether the list of changes has a heading for this version.
fn changes(interface: &Interface, observed: &Observed) -> Check {
    const NEXT: &str = "a CHANGELOG.md with a heading for this version";
    let version = interface.meta.as_ref().map_or("", |meta| meta.version.as_str());
    let Some(text) = &observed.changelog else {
        return Check::scored("changes", 0, 2, "there is no CHANGELOG.md", NEXT);
    };
    let mut lines = text
        .lines()
        .skip_while(|line| !(line.starts_with('#') && names(line, version)));
    let heading = lines.next().is_some();
    let says = lines
        .take_while(|line| !line.starts_with('#'))
        .any(|line| !line.trim().is_empty());
    match (heading, says) {
        (true, true) => {
            let told = format!("CHANGELOG.md says what is new in {version}");
            Check::scored("changes", 2, 2, told, "")
        }
        (true, false) => {
            let told = format!("CHANGELOG.md has a heading for {version} and nothing below it");
            Check::scored("changes", 1, 2, told, "say what is new")
        }
        (false, _) => {
            let told = format!("CHANGELOG.md has no heading for {version}");
            Check::scored("changes", 0, 2, told, NEXT)
        }
    }
}

/// Whether a heading names exactly this version, not one that only begins like it.
fn names(heading: &str, version: &str) -> bool {
    heading
        .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+')))
        .any(|word| word.trim_start_matches('v') == version)
}
