//! Workflows: from the definition file to the steps of a run.
//!
//! Owns the YAML language and its lint, the canonical form that is signed, the lock file, expressions, the plan, and
//! the state machine of a run. Leaves to others: who runs a step, and where records are kept. Pure: no I/O, no clock,
//! no randomness; time is a parameter, and what looks random is derived from the run. Invariant: the same records
//! give the same state, on the host that wrote them and anywhere else.

pub mod approval;
mod bounds;
mod canonical;
mod compare;
mod definition;
mod destination;
mod diagnostic;
pub mod expr;
mod grants;
mod input;
mod json;
pub mod limits;
mod lint;
mod lock;
mod names;
mod order;
mod plan;
pub mod preview;
pub mod run;
pub mod schedule;
mod schema;
pub mod testing;
mod types;
mod yaml;

/// YAML as a tree with places, for other files than workflows that authors write in it.
pub mod yaml_tree {
    pub use crate::diagnostic::Span;
    pub use crate::yaml::{Entry, Node, Style, Text, Value};

    /// The one document of a text, within the bounds of a workflow file.
    ///
    /// # Errors
    /// Everything that stops the reading, or all duplicate keys.
    pub fn read(text: &str) -> Result<Node, Vec<crate::Diagnostic>> {
        crate::yaml::read(&crate::diagnostic::Source::new(text))
    }
}

pub use bounds::{ValueProblem, check_value};
pub use canonical::{ConfigError, canonical, config_with, definition_digest, read as read_canonical};
pub use compare::{Change, Comparison, Hunk, HunkLine, LineKind, NodeChange, PropertyChange, compare, hunks};
pub use definition::duration::{format_duration_ms, parse_duration_ms};
pub use definition::model;
pub use definition::{Definition, node_kinds, parse};
pub use destination::{DestinationError, covers, destination};
pub use diagnostic::{Correction, Diagnostic, Edit, Severity, apply_fixes};
pub use expr::{Allowance, Interrupt, expr_help};
pub use grants::{GrantError, grant_requests, release_calls, release_children};
pub use input::{InputProblem, complete_form, complete_input, form_schema, input_schema};
pub use json::{JsonError, read_json};
pub use lint::{
    ConnectorVersion, Connectors, EdgeKind, Graph, GraphEdge, GraphNode, GraphPort, GraphSecret, Interrupted,
    KnownWorkflow, Missing, graph, lint, lint_within,
};
pub use lock::{Lock, LockError, lock_format, lock_parse};
pub use names::is_signal_name;
pub use plan::{Plan, PlanError};
pub use run::{
    ApplyError, Command, DecisionRefusal, Effort, Evaluated, Execution, ForkError, ForkPlan, Given, Invoke,
    Next, NodeRow, NodeState, Now, OpenWait, RepeatedEffect, RunPhase, RunState, RunView, Totals, ViewOnly,
    WaitingApproval,
};
pub use schema::schema;
