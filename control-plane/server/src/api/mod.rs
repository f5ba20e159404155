//! The GraphQL schema: thin resolvers over [`crate::app::App`].
//!
//! Owns names, descriptions and limits of the API. Leaves to others everything that decides. `schema.graphql` beside
//! `Cargo.toml` is this schema as text; a test keeps the two equal.

mod approvals;
mod arranging;
mod audits;
mod bulk;
mod capabilities;
mod codes;
mod compare;
mod connectors;
mod curation;
mod deciding;
mod deliveries;
mod drafts;
mod endings;
mod endpoint_changes;
mod endpoints;
mod evidence;
mod faults;
mod follow;
mod graphs;
mod groups;
mod guard;
mod hosts;
pub(crate) mod limits;
mod literals;
mod loads;
mod looks;
mod membership;
mod mutation;
mod nodes;
mod operations;
mod own_account;
mod page;
mod payloads;
mod people;
mod polls;
mod problems;
mod publisher_changes;
mod publishers;
mod query;
mod retries;
mod runs;
mod scalars;
mod schedules;
mod secrets;
mod standing;
mod subscription;
mod texts;
mod trials;
mod workflows;

use std::sync::Arc;

use async_graphql::Schema;

use crate::app::App;

pub use codes::problem_index;
pub(crate) use faults::{
    CODE_ARGUMENT, CODE_AWAY, CODE_DENIED, CODE_FULL, away, coded, fault, full_disk, needs_session,
};
pub(crate) use guard::{check_shape, subscribes};
pub(crate) use literals::check_literals;
pub(crate) use mutation::TraceParent;
pub(crate) use scalars::{AnyJson, Long};

/// The schema with its resolvers.
pub(crate) type Api = Schema<query::Query, mutation::Mutation, subscription::Subscription>;

/// Deepest nesting of fields; what the introspection of GraphiQL needs.
const MAX_DEPTH: usize = 15;
/// Largest sum of fields.
const MAX_COMPLEXITY: usize = 1_000;
/// Nesting while parsing.
const MAX_RECURSION: usize = 32;
/// Directives in one document.
const MAX_DIRECTIVES: usize = 20;

/// The schema without data: what is printed and compared.
fn builder() -> async_graphql::SchemaBuilder<query::Query, mutation::Mutation, subscription::Subscription> {
    Schema::build(
        query::Query::default(),
        mutation::Mutation::default(),
        subscription::Subscription::default(),
    )
    .register_output_type::<problems::Problem>()
    .limit_depth(MAX_DEPTH)
    .limit_complexity(MAX_COMPLEXITY)
    .limit_recursive_depth(MAX_RECURSION)
    .limit_directives(MAX_DIRECTIVES)
}

pub(crate) fn schema(app: Arc<App>) -> Api {
    builder().extension(limits::Limits::new()).data(app).finish()
}

/// The schema as text.
#[must_use]
pub fn sdl() -> String {
    builder().finish().sdl()
}
