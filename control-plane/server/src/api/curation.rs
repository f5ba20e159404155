//! What is decided about published connectors, as the API takes it.

use std::collections::BTreeSet;

use async_graphql::{Context, InputObject, Object, Result, SimpleObject, Union};
use flowforge_core::{Action, Object, ObjectKind};
use flowforge_gates::Advisory;
use flowforge_protocol::ConnectorName;
use flowforge_registry::{Code, Refusal};

use super::codes::ProblemCode;
use super::connectors::ConnectorNode;
use super::fault;
use super::faults::denied;
use super::problems::RegistryProblem;
use super::query::{app, caller};
use super::scalars::AnyJson;
use crate::app::Allowed;

/// A version to be withdrawn: hidden from lists, still served to whoever names it.
#[derive(InputObject)]
pub(crate) struct YankConnectorInput {
    /// `publisher:name`
    name: String,
    version: String,
    /// One line for people; absent takes the withdrawal back.
    reason: Option<String>,
}

/// A connector that is replaced by another.
#[derive(InputObject)]
pub(crate) struct DeprecateConnectorInput {
    /// `publisher:name`
    name: String,
    /// One line for people; absent takes the notice back.
    reason: Option<String>,
    /// What to use in its place, such as `acme:geo@0.3`.
    use_instead: Option<String>,
}

/// What is known to be wrong with published versions.
#[derive(InputObject)]
pub(crate) struct PublishAdvisoryInput {
    /// An OSV document about packages of the ecosystem `FlowForge`, with its severity in `database_specific`.
    advisory: AnyJson,
}

#[derive(Union)]
pub(crate) enum CurateConnectorPayload {
    Success(CurateConnectorSuccess),
    Registry(RegistryProblem),
}

/// It is decided.
#[derive(SimpleObject)]
pub(crate) struct CurateConnectorSuccess {
    /// The connector as it stands now; absent for an advisory about versions that are not published here.
    connector: Option<ConnectorNode>,
    /// The workflows whose newest version uses what was decided about, by name: their owners should hear of it.
    reached: Vec<String>,
}

/// Changes of what stands beside published versions.
#[derive(Default)]
pub(crate) struct CurationChanges;

#[Object]
impl CurationChanges {
    /// Withdraws a version of a connector, or takes that back.
    async fn yank_connector(
        &self,
        ctx: &Context<'_>,
        input: YankConnectorInput,
    ) -> Result<CurateConnectorPayload> {
        let registry = &app(ctx)?.registry;
        let allowed = allowed(ctx, &input.name).await?;
        let (Ok(name), Ok(version)) = (input.name.parse(), input.version.parse()) else {
            return Ok(unknown(&input.name, &input.version));
        };
        let changed = match &input.reason {
            Some(reason) => registry.yank(&name, &version, reason).await,
            None => registry.restore(&name, &version).await,
        };
        noted(&allowed, changed.is_ok()).await?;
        let reached = reached(ctx, &[(&name, Some(input.version.as_str()))])?;
        Ok(answer(changed.map(|entry| (Some(ConnectorNode(entry)), reached))))
    }

    /// Says that a connector is replaced, or takes that back.
    async fn deprecate_connector(
        &self,
        ctx: &Context<'_>,
        input: DeprecateConnectorInput,
    ) -> Result<CurateConnectorPayload> {
        let registry = &app(ctx)?.registry;
        let allowed = allowed(ctx, &input.name).await?;
        let Ok(name) = input.name.parse::<ConnectorName>() else {
            return Ok(unknown(&input.name, ""));
        };
        let notice = input
            .reason
            .as_deref()
            .map(|reason| (reason, input.use_instead.as_deref()));
        let done = registry.deprecate(&name, notice).await;
        noted(&allowed, done.is_ok()).await?;
        let reached = reached(ctx, &[(&name, None)])?;
        Ok(answer(
            done.map(|()| (registry.latest(&name).map(ConnectorNode), reached)),
        ))
    }

    /// Keeps an advisory, in place of an older one of the same id. A version that a critical one is about cannot be
    /// published, and `connector` shows it on those that are.
    async fn publish_advisory(
        &self,
        ctx: &Context<'_>,
        input: PublishAdvisoryInput,
    ) -> Result<CurateConnectorPayload> {
        let allowed = allowed(ctx, "").await?;
        let advisory: Advisory = match serde_json::from_value(input.advisory.0) {
            Ok(advisory) => advisory,
            Err(error) => {
                let message = format!("this is no advisory: {error}; write an OSV document");
                return Ok(CurateConnectorPayload::Registry(RegistryProblem::new(
                    WRONG, message,
                )));
            }
        };
        let id = advisory.id.clone();
        let done = app(ctx)?.registry.advise(advisory).await;
        noted(&allowed, done.is_ok()).await?;
        let reached = match done {
            Ok(()) => reached_by(ctx, &id)?,
            Err(_) => Vec::new(),
        };
        Ok(answer(done.map(|()| (None, reached))))
    }
}

/// That the caller may say something about a connector; or about any, without a name.
async fn allowed(ctx: &Context<'_>, name: &str) -> Result<Allowed> {
    let name: String = name.chars().take(128).collect();
    let object = Object::new(ObjectKind::Connector, name);
    let asked = app(ctx)?.allow(caller(ctx)?, Action::CurateConnector, object);
    asked.await.map_err(|refused| denied(&refused))
}

/// The registry keeps what was said; here it is written down who did.
async fn noted(allowed: &Allowed, done: bool) -> Result<()> {
    if done {
        allowed.note_done().await.map_err(|error| fault(&error))?;
    }
    Ok(())
}

/// The registry does not have it.
const ABSENT: ProblemCode = ProblemCode::Reg001;
/// It cannot be understood.
const WRONG: ProblemCode = ProblemCode::Reg002;
/// The registry cannot take it: it is full, or its disk is.
const TROUBLE: ProblemCode = ProblemCode::Reg003;

fn unknown(name: &str, version: &str) -> CurateConnectorPayload {
    let named: String = format!("{name} {version}").trim().chars().take(200).collect();
    let message =
        format!("`{named}` is no published connector; names look like acme:geo, versions like 0.1.0");
    CurateConnectorPayload::Registry(RegistryProblem::new(ABSENT, message))
}

type Decided = (Option<ConnectorNode>, Vec<String>);

fn answer(done: std::result::Result<Decided, Refusal>) -> CurateConnectorPayload {
    match done {
        Ok((connector, reached)) => {
            CurateConnectorPayload::Success(CurateConnectorSuccess { connector, reached })
        }
        Err(refusal) => CurateConnectorPayload::Registry(problem_of(refusal)),
    }
}

/// What the registry refuses, as a problem.
pub(super) fn problem_of(refusal: Refusal) -> RegistryProblem {
    let code = match refusal.code {
        Code::ManifestUnknown | Code::NameUnknown => ABSENT,
        Code::ManifestInvalid | Code::NameInvalid => WRONG,
        Code::Denied => ProblemCode::Reg004,
        _ => TROUBLE,
    };
    RegistryProblem::new(code, refusal.message)
}

/// The workflows that use one of these connectors, in this version if it is given.
fn reached(ctx: &Context<'_>, connectors: &[(&ConnectorName, Option<&str>)]) -> Result<Vec<String>> {
    let app = app(ctx)?;
    let using = connectors
        .iter()
        .flat_map(|(name, version)| app.users_of(name.as_str(), *version));
    let names: BTreeSet<String> = using.map(|release| release.stored.workflow.clone()).collect();
    Ok(names.into_iter().collect())
}

/// The workflows that use a version which an advisory is about.
fn reached_by(ctx: &Context<'_>, advisory: &str) -> Result<Vec<String>> {
    let app = app(ctx)?;
    let concerned = app.newest().into_iter().filter(|release| {
        let notices = app.notices_of(release);
        notices
            .iter()
            .any(|notice| notice.id.as_deref() == Some(advisory))
    });
    let names: BTreeSet<String> = concerned.map(|release| release.stored.workflow.clone()).collect();
    Ok(names.into_iter().collect())
}
