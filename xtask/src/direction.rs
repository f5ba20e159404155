//! Which crate may depend on which: the arrows of `ARCHITECTURE.md`, checked against `cargo metadata`.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use crate::workspace::metadata;

/// For each crate, the crates of the workspace that it may use outside its tests.
const ALLOWED: [(&str, &[&str]); 25] = [
    ("flowforge-protocol", &[]),
    ("flowforge-failpoints", &[]),
    ("flowforge-ports", &["flowforge-protocol"]),
    ("flowforge-workflow", &["flowforge-ports", "flowforge-protocol"]),
    ("flowforge-connect", &[]),
    (
        "flowforge-runtime",
        &["flowforge-connect", "flowforge-ports", "flowforge-protocol"],
    ),
    (
        "flowforge-journal",
        &["flowforge-failpoints", "flowforge-protocol"],
    ),
    ("flowforge-telemetry", &["flowforge-protocol"]),
    (
        "flowforge-host",
        &[
            "flowforge-failpoints",
            "flowforge-journal",
            "flowforge-ports",
            "flowforge-protocol",
            "flowforge-runtime",
            "flowforge-telemetry",
            "flowforge-workflow",
        ],
    ),
    ("flowforge-bundle", &["flowforge-protocol"]),
    ("flowforge-gates", &["flowforge-ports", "flowforge-protocol"]),
    (
        "flowforge-registry",
        &["flowforge-gates", "flowforge-ports", "flowforge-protocol"],
    ),
    ("flowforge-core", &["flowforge-protocol"]),
    ("flowforge-enrolment", &["flowforge-protocol"]),
    ("flowforge-identity", &["flowforge-protocol"]),
    (
        "flowforge-store",
        &["flowforge-core", "flowforge-failpoints", "flowforge-protocol"],
    ),
    (
        "flowforge-server",
        &[
            "flowforge-connect",
            "flowforge-core",
            "flowforge-enrolment",
            "flowforge-failpoints",
            "flowforge-gates",
            "flowforge-identity",
            "flowforge-ports",
            "flowforge-protocol",
            "flowforge-registry",
            "flowforge-store",
            "flowforge-telemetry",
            "flowforge-workflow",
        ],
    ),
    ("flowforge-client", &[]),
    ("flowforge-scorecard", &["flowforge-ports", "flowforge-protocol"]),
    (
        "flowforge-connector-build",
        &["flowforge-ports", "flowforge-protocol"],
    ),
    (
        "flowforge-connector-test",
        &[
            "flowforge-connector-build",
            "flowforge-ports",
            "flowforge-protocol",
            "flowforge-runtime",
            "flowforge-scorecard",
            "flowforge-workflow",
        ],
    ),
    (
        "flowforge-cli",
        &[
            "flowforge-bundle",
            "flowforge-client",
            "flowforge-connector-build",
            "flowforge-connector-test",
            "flowforge-failpoints",
            "flowforge-gates",
            "flowforge-host",
            "flowforge-ports",
            "flowforge-protocol",
            "flowforge-registry",
            "flowforge-runtime",
            "flowforge-scorecard",
            "flowforge-server",
            "flowforge-telemetry",
            "flowforge-workflow",
        ],
    ),
    (
        "flowforge-tests",
        &[
            "flowforge-client",
            "flowforge-connector-build",
            "flowforge-failpoints",
            "flowforge-host",
            "flowforge-journal",
            "flowforge-ports",
            "flowforge-protocol",
            "flowforge-registry",
            "flowforge-runtime",
            "flowforge-server",
            "flowforge-workflow",
        ],
    ),
    ("flowforge-sdk", &[]),
    ("xtask", &[]),
];

/// Crates that do no I/O: none of these may be among their dependencies.
const PURE: [&str; 6] = [
    "flowforge-core",
    "flowforge-gates",
    "flowforge-protocol",
    "flowforge-ports",
    "flowforge-scorecard",
    "flowforge-workflow",
];
const IMPURE: [&str; 6] = ["tokio", "reqwest", "hyper", "redb", "rusqlite", "wasmtime"];

/// Edges that no arrow allows, and crates that no arrow names.
pub(crate) fn problems(root: &Path) -> Result<Vec<String>> {
    let metadata = metadata(root, &["--no-deps"])?;
    let packages = metadata
        .get("packages")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    Ok(packages.iter().flat_map(package_problems).collect())
}

fn package_problems(package: &Value) -> Vec<String> {
    let name = package.get("name").and_then(Value::as_str).unwrap_or_default();
    let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
        return vec![format!(
            "crate {name}: name it and what it may use in xtask/src/direction.rs"
        )];
    };
    let dependencies = package
        .get("dependencies")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let used = dependencies
        .iter()
        .filter(|dependency| dependency.get("kind").is_none_or(Value::is_null))
        .filter_map(|dependency| dependency.get("name").and_then(Value::as_str));
    let mut problems = Vec::new();
    for dependency in used {
        if dependency.starts_with("flowforge-") && !allowed.contains(&dependency) {
            problems.push(format!(
                "crate {name} uses {dependency}, against the arrows of ARCHITECTURE.md"
            ));
        }
        if PURE.contains(&name) && IMPURE.contains(&dependency) {
            problems.push(format!("crate {name} is pure and may not use {dependency}"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_arrow_that_turns_back_is_named() {
        let package = json!({"name": "flowforge-protocol", "dependencies": [{"name": "flowforge-journal"}]});
        assert_eq!(package_problems(&package).len(), 1);
        let package = json!({"name": "flowforge-journal", "dependencies": [{"name": "flowforge-protocol"}]});
        assert!(package_problems(&package).is_empty());
    }

    #[test]
    fn tests_may_use_what_the_crate_may_not() {
        let package =
            json!({"name": "flowforge-protocol", "dependencies": [{"name": "tokio", "kind": "dev"}]});
        assert!(package_problems(&package).is_empty());
        let package =
            json!({"name": "flowforge-protocol", "dependencies": [{"name": "tokio", "kind": null}]});
        assert_eq!(package_problems(&package).len(), 1);
    }
}
