//! Which outside tools a language needs, and whether they are there.

use std::fmt;
use std::time::Duration;

use crate::command::{run, tool};
use crate::{BuildError, Language, MissingTool};

/// How long a tool may take to say its version.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Check the tools of these languages and give back all that are missing or too old, each with its mend.
///
/// Changes nothing. The wasm target of Rust is not looked for here: a build adds it by itself.
///
/// # Errors
/// [`BuildError::ToolsMissing`] naming every one.
pub fn check_tools(languages: &[Language]) -> Result<(), BuildError> {
    let mut missing = Vec::new();
    for (language, program, arguments, oldest, mend) in NEEDED {
        if languages.contains(language) {
            missing.extend(check(program, arguments, *oldest, mend));
        }
    }
    if languages.contains(&Language::Python)
        && !missing.iter().any(|tool| tool.problem.starts_with("python3"))
    {
        missing.extend(check_venv());
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(BuildError::ToolsMissing(missing))
    }
}

type Needed = (
    Language,
    &'static str,
    &'static [&'static str],
    Version,
    &'static str,
);

const RUST_MEND: &str = "install Rust with rustup, https://rustup.rs";
const NODE_MEND: &str = "install Node.js 20 or newer with npm, https://nodejs.org";
const PYTHON_MEND: &str =
    "install Python 3.10 or newer, on Debian and Ubuntu: apt install python3 python3-venv";

const NEEDED: &[Needed] = &[
    (Language::Rust, "cargo", &["--version"], Version(1, 87), RUST_MEND),
    (Language::Rust, "rustc", &["--version"], Version(1, 87), RUST_MEND),
    (
        Language::TypeScript,
        "node",
        &["--version"],
        Version(20, 0),
        NODE_MEND,
    ),
    (
        Language::TypeScript,
        "npm",
        &["--version"],
        Version(9, 0),
        NODE_MEND,
    ),
    (
        Language::Python,
        "python3",
        &["--version"],
        Version(3, 10),
        PYTHON_MEND,
    ),
];

/// Major and minor version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

fn check(program: &str, arguments: &[&str], oldest: Version, mend: &str) -> Option<MissingTool> {
    let missing = |problem: String| {
        Some(MissingTool {
            problem,
            mend: mend.to_owned(),
        })
    };
    match run(program, tool(program).args(arguments), "", ANSWER_LIMIT) {
        Err(_) => missing(format!("{program} is not installed")),
        Ok(finished) if !finished.status.success() => {
            missing(format!("{program} does not run: {}", finished.stderr.trim()))
        }
        Ok(finished) => match version_in(&finished.stdout) {
            Some(version) if version < oldest => missing(format!(
                "{program} {version} is too old, {oldest} or newer is needed"
            )),
            _ => None,
        },
    }
}

/// Debian's python3 comes without what a virtual environment needs.
fn check_venv() -> Option<MissingTool> {
    let works = run(
        "python3",
        tool("python3").args(["-c", "import venv, ensurepip"]),
        "",
        ANSWER_LIMIT,
    )
    .is_ok_and(|finished| finished.status.success());
    (!works).then(|| MissingTool {
        problem: "python3 cannot make a virtual environment".to_owned(),
        mend: "on Debian and Ubuntu: apt install python3-venv".to_owned(),
    })
}

/// The first `major.minor` in a text such as `rustc 1.95.0 (…)` or `v20.20.2`.
fn version_in(text: &str) -> Option<Version> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .find_map(|word| {
            let mut numbers = word.split('.');
            let major = numbers.next()?.parse().ok()?;
            let minor = numbers.next()?.parse().ok()?;
            Some(Version(major, minor))
        })
}

/// What a tool says of itself, for the name of a cached result.
pub(crate) fn version_text(program: &str, arguments: &[&str]) -> Result<String, BuildError> {
    let finished = run(program, tool(program).args(arguments), "", ANSWER_LIMIT)?;
    if finished.status.success() {
        Ok(finished.stdout.trim().to_owned())
    } else {
        Err(finished.failure(program))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_tools_say() {
        assert!(version_in("rustc 1.95.0 (abc 2026-01-01)") == Some(Version(1, 95)));
        assert!(version_in("v20.20.2") == Some(Version(20, 20)));
        assert!(version_in("Python 3.11.7") == Some(Version(3, 11)));
        assert!(version_in("no version").is_none());
    }

    #[test]
    fn what_is_missing_is_named_with_its_mend() {
        let missing = check(
            "flowforge-no-such-tool",
            &["--version"],
            Version(1, 0),
            "install it",
        )
        .unwrap();
        assert_eq!(
            missing.to_string(),
            "flowforge-no-such-tool is not installed: install it"
        );
        let old = check("sh", &["-c", "echo 1.2.3"], Version(2, 0), "update it").unwrap();
        assert_eq!(
            old.to_string(),
            "sh 1.2 is too old, 2.0 or newer is needed: update it"
        );
    }
}
