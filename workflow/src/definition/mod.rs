//! The definition of a workflow: from its YAML file to checked parts that know where they stand in the file.
//!
//! Owns the shape of the language: keys, names, kinds of values, bounds. Leaves to `lint` what takes more than one
//! part to see: order, connectors, expressions against ports.

pub(crate) mod duration;
mod finders;
mod follow;
mod form;
mod kinds;
pub mod model;
mod nodes;
mod parse;
mod places;
mod reader;
mod runs_on;
mod sections;
mod triggers;

pub use kinds::node_kinds;
pub use parse::parse;
pub(crate) use places::Places;

use crate::diagnostic::Source;
use model::Workflow;

/// A workflow file that has the right shape.
#[derive(Debug, Clone)]
pub struct Definition {
    pub(crate) source: Source,
    pub(crate) model: Workflow,
    pub(crate) places: Places,
    /// Findings that do not stop the reading.
    pub(crate) warnings: Vec<crate::Diagnostic>,
}

impl Definition {
    /// The definition of parts without a file, as a release has them: nothing in it has a place.
    #[must_use]
    pub fn of_model(model: Workflow) -> Self {
        Self {
            source: Source::new(""),
            places: Places::default(),
            warnings: Vec::new(),
            model,
        }
    }

    /// The parts, without places.
    #[must_use]
    pub fn model(&self) -> &Workflow {
        &self.model
    }

    /// Name of the workflow, kebab-case.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.model.workflow
    }

    /// Title for people; the name if the file gives none.
    #[must_use]
    pub fn title(&self) -> &str {
        if self.model.title.is_empty() {
            &self.model.workflow
        } else {
            &self.model.title
        }
    }

    /// The file as it was read.
    #[must_use]
    pub fn source(&self) -> &str {
        self.source.text()
    }

    /// What starts runs, besides people.
    #[must_use]
    pub fn triggers(&self) -> &[model::Trigger] {
        &self.model.triggers
    }

    /// Number of nodes, nested ones counted.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.model.walk().len()
    }

    /// Names of the connectors it calls, sorted.
    #[must_use]
    pub fn connectors(&self) -> Vec<String> {
        let names: std::collections::BTreeSet<_> =
            self.model.calls().map(|(_, c)| c.connector.clone()).collect();
        names.into_iter().collect()
    }
}
