//! Workspace and project: the walls between tenants.

use std::fmt;
use std::sync::Arc;

use flowforge_protocol::{DEFAULT_PROJECT, record};

/// A project of a workspace, as the signed documents name them. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    workspace: Arc<str>,
    project: Arc<str>,
}

impl Scope {
    /// This project of this workspace.
    #[must_use]
    pub fn new(workspace: &str, project: &str) -> Self {
        Self {
            workspace: workspace.into(),
            project: project.into(),
        }
    }

    /// The project of a workspace that everything belongs to unless it says otherwise.
    #[must_use]
    pub fn default_of(workspace: &str) -> Self {
        Self::new(workspace, DEFAULT_PROJECT)
    }

    /// Name of the workspace.
    #[must_use]
    pub fn workspace(&self) -> &str {
        &self.workspace
    }

    /// Name of the project inside it.
    #[must_use]
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The same in the form that effect keys are made of.
    #[must_use]
    pub fn names(&self) -> record::Scope<'_> {
        record::Scope {
            workspace: &self.workspace,
            project: &self.project,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.workspace, self.project)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_and_its_project_are_both_part_of_what_is_compared() {
        let scope = Scope::new("a", "b");
        assert_eq!(scope.to_string(), "a/b");
        assert_ne!(scope, Scope::new("b", "a"));
        assert_ne!(scope, Scope::new("a", "c"));
        assert_eq!(Scope::default_of("a"), Scope::new("a", DEFAULT_PROJECT));
        assert_eq!((scope.names().workspace, scope.names().project), ("a", "b"));
    }
}
