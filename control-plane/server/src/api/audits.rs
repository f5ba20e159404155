//! Who did what, as the API shows it.

use async_graphql::connection::Connection;
use async_graphql::{Context, Enum, InputObject, Object, Result};
use flowforge_core::{Action, Outcome};
use flowforge_store::{AuditFilter, AuditRecord};

use super::fault;
use super::loads::reading_for;
use super::page::{Cursor, Window, connection};
use super::scalars::Long;

/// How something went that was asked for.
#[derive(Debug, Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Outcome")]
pub(crate) enum AuditOutcome {
    /// It was done.
    Done,
    /// Whoever asked may not do it.
    Denied,
    /// It was refused all the same: a signature, a state, a value.
    Refused,
}

/// Which entries; what is absent does not count.
#[derive(InputObject, Default)]
pub(crate) struct AuditEventFilter {
    /// Name of who asked.
    actor: Option<String>,
    /// `run.start`; or, with a dot at its end, all that begin so: `run.`
    action: Option<String>,
    /// `workflow`, `draft`, `run`, `approval`, `secret`, `group`, `host` or `project`.
    object_kind: Option<String>,
    /// Name or id of what it was done to.
    object: Option<String>,
    outcome: Option<AuditOutcome>,
    /// Not before this time.
    since_ms: Option<Long>,
    /// Before this time.
    until_ms: Option<Long>,
}

impl From<AuditEventFilter> for AuditFilter {
    fn from(filter: AuditEventFilter) -> Self {
        let outcome = filter.outcome.map(Outcome::from);
        Self {
            actor: filter.actor,
            action: filter.action,
            object_kind: filter.object_kind,
            object: filter.object,
            outcome: outcome.map(|outcome| outcome.as_str().to_owned()),
            since_ms: filter.since_ms.map(|at| at.0),
            until_ms: filter.until_ms.map(|at| at.0),
        }
    }
}

/// One thing that somebody did, or was refused.
pub(crate) struct AuditEventNode(AuditRecord);

#[Object(name = "AuditEvent")]
impl AuditEventNode {
    /// When, by the clock of this server.
    async fn at_ms(&self) -> Long {
        self.0.at_ms.into()
    }

    /// `owner`, `account`, `host` or `nobody`.
    async fn actor_kind(&self) -> &str {
        &self.0.actor_kind
    }

    /// Name or id of who asked.
    async fn actor(&self) -> &str {
        &self.0.actor
    }

    /// How it was shown who asked: `loopback`, `session`, `token`, `nothing`.
    async fn shown_by(&self) -> &str {
        &self.0.shown_by
    }

    /// `run.start`
    async fn action(&self) -> &str {
        &self.0.action
    }

    /// `run`
    async fn object_kind(&self) -> &str {
        &self.0.object_kind
    }

    /// Name or id of what it was done to; empty for the project itself.
    async fn object(&self) -> &str {
        &self.0.object
    }

    /// How it went; null if a newer program wrote it and this one does not know the word.
    async fn outcome(&self) -> Option<AuditOutcome> {
        Outcome::named(&self.0.outcome).map(AuditOutcome::from)
    }

    /// What helps to understand it; never a value.
    async fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The request that asked for it, as `x-request-id` of its answer named it.
    async fn request(&self) -> &str {
        &self.0.request
    }
}

/// Looking at who did what.
#[derive(Default)]
pub(crate) struct Audits;

#[Object]
impl Audits {
    /// Who did what, newest first. What schedules, webhooks and running runs cause is in the runs themselves.
    #[graphql(complexity = "usize::try_from(first).unwrap_or(0) * child_complexity / 10 + child_complexity")]
    async fn audit_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
        filter: Option<AuditEventFilter>,
    ) -> Result<Connection<Cursor, AuditEventNode>> {
        let window = Window::new("auditEvents", Some(first), after)?;
        let filter = AuditFilter::from(filter.unwrap_or_default());
        let reading = reading_for(ctx, Action::ReadAudit).await?;
        let page = reading.audit(&filter, window.after_row()?, window.limit).await;
        Ok(connection(
            page.map_err(|error| fault(&error))?,
            &window,
            AuditEventNode,
        ))
    }
}
