//! `cargo xtask tidy`: the rules of the tree that neither rustfmt nor clippy nor cargo-deny checks.
//!
//! Each check looks only at files that git knows. A problem names file and line and says what would be right.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use crate::{codes, direction, limits, parity, rooms};

/// A file is one idea; above this it is probably two.
const LINES_MAX: usize = 500;

/// Ends of names of the files that people write.
const SOURCE: [&str; 6] = [".rs", ".ts", ".js", ".mjs", ".py", ".wit"];

/// Ends of names of what a build makes or a package manager fetches.
const BUILT: [&str; 6] = [".wasm", ".cwasm", ".whl", ".tgz", ".crate", ".so"];

/// `cargo xtask tidy`.
pub(crate) fn command() -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    let problems = problems(&workspace)?;
    for problem in &problems {
        eprintln!("✗ {problem}");
    }
    if problems.is_empty() {
        println!("✓ tidy");
        Ok(ExitCode::SUCCESS)
    } else {
        Ok(ExitCode::FAILURE)
    }
}

/// Everything that is wrong with the tree.
pub(crate) fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    let root = workspace.root();
    let mut problems = direction::problems(root)?;
    problems.extend(parity::problems(workspace)?);
    problems.extend(limits::problems(workspace)?);
    let files = tracked(root)?;
    for file in &files {
        if BUILT.iter().any(|end| file.ends_with(end)) {
            problems.push(format!("{file}: what is built or fetched is not kept in git"));
            continue;
        }
        // A file that is no text, or was deleted and not yet committed, has nothing to say here.
        let Ok(text) = fs::read_to_string(root.join(file)) else {
            continue;
        };
        problems.extend(text_problems(file, &text));
        if file.ends_with("Cargo.toml") && !file.starts_with("connectors/") && !file.starts_with("sdk-rs/") {
            problems.extend(manifest_problems(file, &text));
        }
    }
    let read = |file: &str| fs::read_to_string(root.join(file)).unwrap_or_default();
    problems.extend(folder_problems(&files, read));
    problems.extend(rooms::problems(&files, read));
    problems.extend(codes::problems(&files, read));
    Ok(problems)
}

/// The files that git knows, and those it would take.
pub(crate) fn tracked(root: &Path) -> Result<Vec<String>> {
    let output = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .output()
        .context("git could not be started; tidy asks it which files there are")?;
    if !output.status.success() {
        bail!(
            "git could not list the files: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect())
}

fn text_problems(file: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let source = SOURCE.iter().any(|end| file.ends_with(end));
    let lines = text.lines().count();
    if source && lines > LINES_MAX && !text.contains("@generated") && !text.starts_with("// generated") {
        problems.push(format!(
            "{file}: {lines} lines; above {LINES_MAX} it should be split by idea"
        ));
    }
    let header = text.trim_start().starts_with("//!");
    if file.ends_with(".rs") && file.contains("src/") && !header {
        problems.push(format!(
            "{file}:1: no header; begin with `//!` and say what this file owns"
        ));
    }
    for (index, line) in text.lines().enumerate() {
        if let Some(word) = forbidden(line) {
            problems.push(format!(
                "{file}:{}: `{word}` does not belong in the tree",
                index + 1
            ));
        }
    }
    problems
}

/// Paths of one machine, marks of unfinished work and marks of a broken merge.
fn forbidden(line: &str) -> Option<&'static str> {
    const PATHS: [&str; 3] = [
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/wo", "rk/"),
    ];
    const MARKS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX:")];
    const MERGE: [&str; 2] = [concat!("<<<<", "<<< "), concat!(">>>>", ">>> ")];
    let path = PATHS.iter().find(|path| {
        // Only where it begins a path: below another folder the name is nobody's machine.
        line.match_indices(**path).any(|(at, _)| {
            let before = line.get(..at).and_then(|text| text.chars().next_back());
            before.is_none_or(|c| !c.is_alphanumeric() && !"._-}*~".contains(c))
        })
    });
    let mark = MARKS.iter().find(|mark| line.contains(**mark));
    let merge = MERGE.iter().find(|mark| line.starts_with(**mark));
    path.or(mark).or(merge).copied()
}

/// Versions stand in the workspace only, and every crate takes the workspace's lints.
fn manifest_problems(file: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if text.contains("[workspace]") {
        return problems;
    }
    if text.contains("[package]") && !text.contains("[lints]\nworkspace = true") {
        problems.push(format!("{file}: add `[lints]` with `workspace = true`"));
    }
    let mut in_dependencies = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            in_dependencies = line.contains("dependencies");
        } else if in_dependencies
            && line.contains('=')
            && !line.starts_with('#')
            && !line.contains("workspace = true")
        {
            problems.push(format!(
                "{file}:{}: take the dependency from the workspace",
                index + 1
            ));
        }
    }
    problems
}

/// Every example can be found by a reader and is run by something; every connector says what it is.
fn folder_problems(files: &[String], read: impl Fn(&str) -> String) -> Vec<String> {
    let mut problems = Vec::new();
    let has = |name: &str| files.iter().any(|file| file == name);
    let users: Vec<String> = files
        .iter()
        .filter(|file| file.starts_with("tests/") && file.ends_with(".rs"))
        .map(|file| read(file))
        .collect();
    for file in files {
        let parts: Vec<&str> = file.split('/').collect();
        match parts.as_slice() {
            ["examples", name, "workflow.yaml"] => {
                if !has(&format!("examples/{name}/README.md")) {
                    problems.push(format!("examples/{name}: an example needs a README.md"));
                }
                if !users.iter().any(|text| text.contains(*name)) {
                    problems.push(format!("examples/{name}: nothing under tests/ runs this example"));
                }
            }
            ["connectors", name, "connector.toml"] if !has(&format!("connectors/{name}/README.md")) => {
                problems.push(format!("connectors/{name}: a connector needs a README.md"));
            }
            _ => {}
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_and_a_missing_header_are_named() {
        let long = format!("//! Header.\n{}", "\n".repeat(LINES_MAX));
        assert_eq!(text_problems("a/src/b.rs", &long).len(), 1);
        assert!(text_problems("a/src/b.rs", "//! Header.\n").is_empty());
        let problems = text_problems("a/src/b.rs", "fn f() {}\n");
        assert!(
            problems.iter().any(|problem| problem.contains("no header")),
            "{problems:?}"
        );
    }

    #[test]
    fn machine_paths_are_found_but_folders_of_the_same_name_are_not() {
        assert!(forbidden(concat!("see /ho", "me/me/file")).is_some());
        assert!(forbidden(concat!("under ./wo", "rk/list")).is_none());
        assert!(forbidden("connectors/http").is_none());
    }

    #[test]
    fn a_dependency_with_a_version_of_its_own_is_named() {
        let good = "[package]\n[lints]\nworkspace = true\n[dependencies]\na = { workspace = true }\n";
        assert!(manifest_problems("x/Cargo.toml", good).is_empty());
        let bad = good.replace("{ workspace = true }", "\"1\"");
        assert_eq!(manifest_problems("x/Cargo.toml", &bad).len(), 1);
    }

    #[test]
    fn an_example_that_nobody_runs_is_named() {
        let files = [
            "examples/quiet/workflow.yaml",
            "examples/quiet/README.md",
            "tests/src/lib.rs",
        ]
        .map(str::to_owned);
        let unused = folder_problems(&files, |_| String::new());
        assert_eq!(unused.len(), 1);
        assert!(folder_problems(&files, |_| "examples/quiet".to_owned()).is_empty());
    }
}
