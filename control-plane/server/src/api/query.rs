//! Questions.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::connection::Connection;
use async_graphql::{Context, MergedObject, Object, Result, SimpleObject};
use flowforge_core::Caller;
use flowforge_ports::CapabilityKind;
use flowforge_protocol::ConnectorName;
use flowforge_registry::Search;
use flowforge_store::{Arrangement, Found, MAX_SECRETS, RunFilter, draft_of};

use super::approvals::{ApprovalNode, ApprovalStateName};
use super::arranging::Trash;
use super::audits::Audits;
use super::capabilities::CapabilityQuestions;
use super::connectors::ConnectorNode;
use super::deliveries::Deliveries;
use super::drafts::DraftQuestions;
use super::endpoints::Endpoints;
use super::fault;
use super::faults::{CODE_ARGUMENT, coded};
use super::groups::ApproverGroup;
use super::hosts::HostNode;
use super::loads::reading;
use super::looks::Looks;
use super::nodes::Nodes;
use super::page::{Cursor, Window, connection, from_edges};
use super::people::People;
use super::polls::PollQuestions;
use super::publishers::PublisherQuestions;
use super::retries::{self, RetryPlanPayload};
use super::runs::{RunNode, RunStateName};
use super::scalars::Long;
use super::schedules::Schedules;
use super::secrets::SecretNode;
use super::workflows::{WorkflowFilter, WorkflowNode};
use crate::app::App;
use crate::app::people::Showing;

/// This server.
#[derive(SimpleObject)]
pub(crate) struct ServerInfo {
    version: &'static str,
    workspace: String,
    dev: bool,
    started_at_ms: Long,
    time_ms: Long,
}

/// Questions.
#[derive(MergedObject, Default)]
pub(crate) struct Query(
    Questions,
    DraftQuestions,
    Looks,
    Nodes,
    Trash,
    Audits,
    People,
    Deliveries,
    Endpoints,
    Schedules,
    PollQuestions,
    CapabilityQuestions,
    PublisherQuestions,
);

/// Questions about what is published, and what runs.
#[derive(Default)]
pub(crate) struct Questions;

pub(crate) fn app<'a>(ctx: &Context<'a>) -> Result<&'a Arc<App>> {
    ctx.data::<Arc<App>>()
}

/// Who calls: the door says.
pub(crate) fn caller<'a>(ctx: &Context<'a>) -> Result<&'a Caller> {
    ctx.data::<Caller>()
}

/// By what an account was shown that calls, if it is one.
pub(super) fn showing<'a>(ctx: &Context<'a>) -> Option<&'a Showing> {
    ctx.data_opt::<Option<Showing>>().and_then(Option::as_ref)
}

#[Object]
impl Questions {
    async fn server(&self, ctx: &Context<'_>) -> Result<ServerInfo> {
        let app = app(ctx)?;
        Ok(ServerInfo {
            version: env!("CARGO_PKG_VERSION"),
            workspace: app.workspace().to_owned(),
            dev: app.dev,
            started_at_ms: app.started_at_ms.into(),
            time_ms: app.clock.now_ms().into(),
        })
    }

    /// Published connectors, each in its newest version: those that fit best first, and then by name.
    #[graphql(complexity = "usize::try_from(first).unwrap_or(0) * child_complexity / 10 + child_complexity")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn connectors(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
        #[graphql(desc = "Words that name, title, summary or an operation contain.")] search: Option<String>,
        category: Option<String>,
        #[graphql(desc = "A capability that it asks for: `http`, `secrets`, …")] capability: Option<String>,
        publisher: Option<String>,
    ) -> Result<Connection<Cursor, ConnectorNode>> {
        let window = Window::new("connectors", Some(first), after)?;
        reading(ctx).await?;
        let wanted = Search {
            words: search
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            category,
            capability: capability.map(|word| capability_of(&word)).transpose()?,
            publisher,
        };
        let after = window.after.as_ref().and_then(|cursor| {
            let (rank, name) = cursor.0.split_once(' ')?;
            Some((rank.parse().ok()?, name))
        });
        let limit = usize::try_from(window.limit).unwrap_or(usize::MAX);
        let mut found = app(ctx)?.registry.search(&wanted, after, limit.saturating_add(1));
        let has_more = found.len() > limit;
        found.truncate(limit);
        let edges = found.into_iter().map(|hit| {
            let cursor = Cursor(format!("{} {}", hit.rank, hit.entry.name));
            (cursor, ConnectorNode(hit.entry))
        });
        Ok(from_edges(edges, has_more, &window))
    }

    /// One connector; without `version` the newest.
    async fn connector(
        &self,
        ctx: &Context<'_>,
        name: String,
        version: Option<String>,
    ) -> Result<Option<ConnectorNode>> {
        let wrong = |error: &dyn std::fmt::Display| coded(error.to_string(), CODE_ARGUMENT);
        reading(ctx).await?;
        let name: ConnectorName = name.parse().map_err(|e| wrong(&e))?;
        let registry = &app(ctx)?.registry;
        let entry = match version {
            None => registry.latest(&name),
            Some(version) => {
                let parsed = version.parse().map_err(|_| {
                    let text: String = version.chars().take(50).collect();
                    wrong(&format!("`{text}` is no version; one looks like 0.1.0"))
                })?;
                registry.get(&name, &parsed)
            }
        };
        Ok(entry.map(ConnectorNode))
    }

    /// Published workflows, by name, each in its newest version.
    #[graphql(complexity = "usize::try_from(first).unwrap_or(0) * child_complexity / 10 + child_complexity")]
    async fn workflows(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
        #[graphql(desc = "Words that name, title, folder or tags contain.")] search: Option<String>,
        #[graphql(desc = "Those in this folder and in the folders in it; empty: all.")] folder: Option<
            String,
        >,
        #[graphql(desc = "Those with this tag.")] tag: Option<String>,
    ) -> Result<Connection<Cursor, WorkflowNode>> {
        let window = Window::new("workflows", Some(first), after)?;
        let reading = reading(ctx).await?;
        let after = window.after.as_ref().map_or("", |cursor| cursor.0.as_str());
        let limit = usize::try_from(window.limit).unwrap_or(usize::MAX);
        let mut found = app(ctx)?.newest();
        found.retain(|release| release.stored.workflow.as_str() > after);
        let wanted = WorkflowFilter::new(search, folder, tag);
        if wanted.asks_where() {
            let places = reading.arrangements().await.map_err(|error| fault(&error))?;
            let places: HashMap<&str, &Arrangement> = places
                .iter()
                .map(|place| (place.workflow.as_str(), place))
                .collect();
            found.retain(|release| {
                wanted.fits(release, places.get(release.stored.workflow.as_str()).copied())
            });
        }
        found.sort_by(|a, b| a.stored.workflow.cmp(&b.stored.workflow));
        let has_more = found.len() > limit;
        found.truncate(limit);
        let edges = found
            .into_iter()
            .map(|release| (Cursor(release.stored.workflow.clone()), WorkflowNode(release)));
        Ok(from_edges(edges, has_more, &window))
    }

    async fn workflow(&self, ctx: &Context<'_>, name: String) -> Result<Option<WorkflowNode>> {
        reading(ctx).await?;
        let release = app(ctx)?
            .published_of(&name, None)
            .await
            .map_err(|error| fault(&error))?;
        Ok(release.map(WorkflowNode))
    }

    /// Runs, newest first; those of drafts among them, unless a workflow is named.
    #[graphql(complexity = "usize::try_from(first).unwrap_or(0) * child_complexity / 10 + child_complexity")]
    async fn runs(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
        workflow: Option<String>,
        state: Option<RunStateName>,
        #[graphql(desc = "With `workflow`: the runs of its draft instead of those of its versions.")]
        draft: Option<bool>,
    ) -> Result<Connection<Cursor, RunNode>> {
        let window = Window::new("runs", Some(first), after)?;
        let workflow = match (workflow, draft.unwrap_or(false)) {
            (Some(workflow), true) => Some(draft_of(&workflow)),
            (None, true) => return Err(coded("`draft` goes with `workflow`", CODE_ARGUMENT)),
            (workflow, false) => workflow,
        };
        let filter = RunFilter {
            workflow,
            state: state.map(Into::into),
        };
        let reading = reading(ctx).await?;
        let page = reading.runs(&filter, window.after_row()?, window.limit).await;
        Ok(connection(
            page.map_err(|error| fault(&error))?,
            &window,
            RunNode::of_head,
        ))
    }

    /// Groups of people who may answer questions, by name.
    async fn approver_groups(&self, ctx: &Context<'_>) -> Result<Vec<ApproverGroup>> {
        let groups = reading(ctx).await?.groups().await;
        let groups = groups.map_err(|error| fault(&error))?;
        Ok(groups.into_iter().map(ApproverGroup::from).collect())
    }

    /// What a retry of a run that is over, from this node or step on, would do.
    #[graphql(complexity = "20 + child_complexity")]
    async fn retry_plan(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The run: an id, a unique prefix of one, or `last`.")] id: String,
        #[graphql(
            desc = "A node, which in a loop stands for its steps in all rounds, or a step of a round as `each[0].send`."
        )]
        from: String,
        #[graphql(
            default = false,
            desc = "With the newest release of the workflow, instead of the one that the run had."
        )]
        newest: bool,
    ) -> Result<RetryPlanPayload> {
        retries::plan(ctx, &id, &from, newest).await
    }

    /// `id` is an id, a unique prefix of one, or `last`.
    async fn run(&self, ctx: &Context<'_>, id: String) -> Result<Option<RunNode>> {
        let found = reading(ctx).await?.run_or_prefix(&id).await;
        match found.map_err(|error| fault(&error))? {
            Found::One(run) => Ok(Some(RunNode::new(run))),
            Found::None => Ok(None),
            Found::Several => Err(coded(
                format!("several runs begin with `{id}`; give more of the id"),
                CODE_ARGUMENT,
            )),
        }
    }

    /// Questions to people, newest first.
    #[graphql(complexity = "usize::try_from(first).unwrap_or(0) * child_complexity / 10 + child_complexity")]
    async fn approvals(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
        state: Option<ApprovalStateName>,
    ) -> Result<Connection<Cursor, ApprovalNode>> {
        let window = Window::new("approvals", Some(first), after)?;
        let reading = reading(ctx).await?;
        let page = reading
            .approvals(state.map(Into::into), window.after_row()?, window.limit)
            .await;
        Ok(connection(
            page.map_err(|error| fault(&error))?,
            &window,
            ApprovalNode::new,
        ))
    }

    /// `id` is an id, a unique prefix of one, or `last`, the newest that waits.
    async fn approval(&self, ctx: &Context<'_>, id: String) -> Result<Option<ApprovalNode>> {
        let found = reading(ctx).await?.approval(&id).await;
        match found.map_err(|error| fault(&error))? {
            Found::One(approval) => Ok(Some(ApprovalNode::new(approval))),
            Found::None => Ok(None),
            Found::Several => Err(coded(
                format!("several approvals begin with `{id}`; give more of the id"),
                CODE_ARGUMENT,
            )),
        }
    }

    /// Secrets by name, without their values, at most 10,000.
    async fn secrets(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "True: those in the trash.")] trash: Option<bool>,
    ) -> Result<Vec<SecretNode>> {
        let most = u32::try_from(MAX_SECRETS).unwrap_or(u32::MAX);
        let reading = reading(ctx).await?;
        let secrets = reading.secrets("", most, trash.unwrap_or(false)).await;
        let secrets = secrets.map_err(|error| fault(&error))?;
        Ok(secrets.into_iter().map(SecretNode).collect())
    }

    /// Every registered host.
    async fn hosts(&self, ctx: &Context<'_>) -> Result<Vec<HostNode>> {
        reading(ctx).await?;
        Ok(app(ctx)?.hosts.all().into_iter().map(HostNode).collect())
    }

    /// The host with this name or id, or this start of its id; null if there is none, or several.
    async fn host(&self, ctx: &Context<'_>, named: String) -> Result<Option<HostNode>> {
        reading(ctx).await?;
        Ok(app(ctx)?.find_host(&named).ok().map(HostNode))
    }
}

fn capability_of(word: &str) -> Result<CapabilityKind> {
    let known = [
        CapabilityKind::Http,
        CapabilityKind::Secrets,
        CapabilityKind::Artefacts,
        CapabilityKind::Context,
        CapabilityKind::Log,
        CapabilityKind::Progress,
    ];
    let found = known.into_iter().find(|kind| kind.as_str() == word);
    found.ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|kind| kind.as_str()).collect();
        let word: String = word.chars().take(50).collect();
        coded(
            format!("there is no capability `{word}`; there are {}", names.join(", ")),
            CODE_ARGUMENT,
        )
    })
}
