//! The hosts' GraphQL: a small schema of its own, apart from the people's.
//!
//! Owns names, descriptions and limits of what a host may call: registration, sync, documents, sealed secrets. Leaves to
//! [`crate::app::App`] everything that decides, and to `flowforge_protocol::sync` what the documents mean. `host.graphql`
//! beside `Cargo.toml` is this schema as text; a test keeps the two equal. Invariant: nothing in here can be reached by
//! people's calls, and nothing of people's by a host.

mod claim;
mod mutation;
mod query;
mod register;
mod secrets;
mod sync;
mod values;

use std::sync::Arc;

use async_graphql::{Context, EmptySubscription, Result, Schema};

use crate::api::needs_session;
use crate::app::App;
use crate::fleet::hosts::HostEntry;
use crate::peers::Peer;

/// The schema with its resolvers.
pub(crate) type HostApi = Schema<query::Query, mutation::Mutation, EmptySubscription>;

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// A program without a session: it may register.
    Stranger,
    /// A registered host.
    Host(Arc<HostEntry>),
}

/// Deepest nesting of fields; what introspection needs.
const MAX_DEPTH: usize = 15;
/// Largest sum of fields.
const MAX_COMPLEXITY: usize = 500;
/// Nesting while parsing.
const MAX_RECURSION: usize = 32;
/// Directives in one document.
const MAX_DIRECTIVES: usize = 5;

/// The schema without data: what is printed and compared.
fn builder() -> async_graphql::SchemaBuilder<query::Query, mutation::Mutation, EmptySubscription> {
    Schema::build(query::Query, mutation::Mutation, EmptySubscription)
        .limit_depth(MAX_DEPTH)
        .limit_complexity(MAX_COMPLEXITY)
        .limit_recursive_depth(MAX_RECURSION)
        .limit_directives(MAX_DIRECTIVES)
}

pub(crate) fn schema(app: Arc<App>) -> HostApi {
    builder().data(app).finish()
}

/// The hosts' schema as text.
#[must_use]
pub fn host_sdl() -> String {
    builder().finish().sdl()
}

fn app<'a>(ctx: &Context<'a>) -> Result<&'a Arc<App>> {
    ctx.data::<Arc<App>>()
}

/// On which line the call came.
fn peer<'a>(ctx: &Context<'a>) -> &'a Peer {
    ctx.data_opt::<Peer>().unwrap_or(&Peer::Stranger)
}

fn host<'a>(ctx: &Context<'a>) -> Result<&'a Arc<HostEntry>> {
    match ctx.data_opt::<Caller>() {
        Some(Caller::Host(host)) => Ok(host),
        Some(Caller::Stranger) | None => Err(needs_session()),
    }
}
