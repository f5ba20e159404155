//! Programs and tests are built from the same dependencies.
//!
//! A feature that only a test asks for makes cargo compile that dependency, and all that stands on it, once for the
//! programs and once for the tests: minutes. So what the programs get is compared with what the tests get.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use crate::workspace::Workspace;

/// The features of every package that is compiled for this machine's programs.
type Features = BTreeMap<String, BTreeSet<String>>;

/// Packages of the programs that have other features in tests.
pub(crate) fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    let programs = features(workspace, "normal,build")?;
    let tests = features(workspace, "normal,build,dev")?;
    Ok(compared(&programs, &tests))
}

fn compared(programs: &Features, tests: &Features) -> Vec<String> {
    programs
        .iter()
        .filter_map(|(package, sets)| {
            let more: Vec<&str> = tests
                .get(package)?
                .difference(sets)
                .map(String::as_str)
                .collect();
            (!more.is_empty()).then(|| {
                format!(
                    "{package} is compiled twice, for programs with {} and for tests with {}: ask for the same features in \
                     the workspace",
                    told(sets.iter().map(String::as_str)),
                    told(more.into_iter())
                )
            })
        })
        .collect()
}

fn told<'a>(sets: impl Iterator<Item = &'a str>) -> String {
    let sets: Vec<String> = sets.map(|set| format!("[{set}]")).collect();
    sets.join(" ")
}

/// One package may be there with several sets: for programs, and for build scripts and macros.
fn features(workspace: &Workspace, edges: &str) -> Result<Features> {
    let output = workspace
        .cargo()
        .args([
            "tree",
            "--workspace",
            "--locked",
            "--prefix",
            "none",
            "--format",
            "{p} {f}",
        ])
        .args(["--edges", edges])
        .output()?;
    if !output.status.success() {
        bail!(
            "cargo could not resolve the dependencies: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let mut found = Features::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let line = line.trim_end_matches("(*)").trim().replace(" (proc-macro)", "");
        let mut words = line.splitn(3, ' ');
        let (Some(name), Some(version)) = (words.next(), words.next()) else {
            continue;
        };
        let set = words.next().unwrap_or_default();
        if !set.starts_with('(') {
            found
                .entry(format!("{name} {version}"))
                .or_default()
                .insert(set.to_owned());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(package: &str, set: &str) -> Features {
        Features::from([(package.to_owned(), BTreeSet::from([set.to_owned()]))])
    }

    #[test]
    fn a_feature_that_only_tests_ask_for_is_named() {
        let programs = one("tower v0.5.3", "util");
        assert!(compared(&programs, &programs).is_empty());
        let problems = compared(&programs, &one("tower v0.5.3", "limit,util"));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(compared(&programs, &one("proptest v1.12.0", "std")).is_empty());
    }
}
