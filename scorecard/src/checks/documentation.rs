//! Documentation: a README, words on every port, examples that run.

use std::collections::BTreeSet;

use flowforge_ports::Interface;

use super::described::Described;
use super::{counted, share};
use crate::{Check, Observed};

pub(super) fn documentation(interface: &Interface, observed: &Observed) -> Vec<Check> {
    let names: Vec<&str> = interface
        .operations
        .iter()
        .map(|operation| operation.name.as_str())
        .collect();
    vec![
        readme(&names, observed.readme.as_deref().unwrap_or_default()),
        Described::of(interface).check("ports", 3),
        examples(&names, observed),
    ]
}

fn readme(names: &[&str], readme: &str) -> Check {
    let missing: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| !readme.contains(name))
        .collect();
    let told = if readme.is_empty() {
        "there is no README".to_owned()
    } else if missing.is_empty() {
        "it names every operation".to_owned()
    } else {
        format!("it does not name {}", missing.join(", "))
    };
    Check::scored(
        "readme",
        u32::from(!names.is_empty() && !readme.is_empty() && missing.is_empty()),
        1,
        told,
        "a README.md that says what each operation does",
    )
}

fn examples(names: &[&str], observed: &Observed) -> Check {
    let shown: BTreeSet<&str> = observed
        .calls
        .iter()
        .filter(|call| call.passed)
        .map(|call| call.operation.as_str())
        .collect();
    let unshown: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| !shown.contains(name))
        .collect();
    let failed: Vec<&str> = observed
        .calls
        .iter()
        .filter(|call| !call.passed)
        .map(|call| call.place.as_str())
        .collect();
    let mut evidence = if unshown.is_empty() {
        format!("{} ran as written", counted(shown.len(), "operation"))
    } else {
        format!("no example that runs of {}", unshown.join(", "))
    };
    if !failed.is_empty() {
        evidence.push_str(&format!("; fails: {}", failed.join(", ")));
    }
    Check::scored(
        "examples",
        share(names.len().saturating_sub(unshown.len()), names.len(), 3),
        3,
        evidence,
        "a test in tests/ for each operation",
    )
}
