//! The key that makes a step's effects safe to repeat.

use crate::{Digest, RunId, StepKey};

/// Workspace and project: whose a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    /// Tenant.
    pub workspace: &'a str,
    /// Project inside it.
    pub project: &'a str,
}

/// The key that makes a step's effects safe to repeat: the same for every attempt, every restart, every host and every
/// epoch. It changes only when somebody asks, on purpose, for a completed effect to happen again (`n`).
///
/// 64 hexadecimal digits: SHA-256 of purpose, workspace, project, first generation of the run, step with its iterations,
/// and `n`, separated by line ends, which none of them can hold.
#[must_use]
pub fn effect_key(scope: Scope<'_>, root: &RunId, step: &StepKey, n: u32) -> String {
    Digest::of_parts(&[
        b"flowforge.effect.v1\n",
        scope.workspace.as_bytes(),
        b"\n",
        scope.project.as_bytes(),
        b"\n",
        root.as_str().as_bytes(),
        b"\n",
        step.to_string().as_bytes(),
        b"\n",
        n.to_string().as_bytes(),
    ])
    .hex()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_key_depends_on_every_part() {
        let run = RunId::from_entropy([1; 16]);
        let key = |workspace, project, step: &str, n| {
            effect_key(Scope { workspace, project }, &run, &step.parse().unwrap(), n)
        };
        let keys = [
            key("a", "b", "x", 0),
            key("b", "a", "x", 0),
            key("a", "b", "y", 0),
            key("a", "b", "l[0].x", 0),
            key("a", "b", "l[1].x", 0),
            key("a", "b", "x", 1),
        ];
        let distinct: std::collections::BTreeSet<&String> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        assert_eq!(key("a", "b", "x", 0), keys[0]);
    }
}
