//! What connectors may have, as the API shows and changes it; and what is known to be wrong with those that workflows use.

use std::sync::Arc;

use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject, Union};
use flowforge_protocol::ConnectorName;

use super::codes::ProblemCode;
use super::fault;
use super::faults::denied;
use super::loads::reading;
use super::mutation::{field, input_problem};
use super::problems::{InputProblem, RegistryProblem};
use super::query::{app, caller};
use super::scalars::Long;
use crate::app::App;
use crate::app::capabilities::{GrantError, Hold};
use crate::app::notices::{Notice, NoticeKind};

/// Most capabilities in one call.
const CAPABILITIES_MAX: usize = 256;
/// Longest name of a capability, in bytes.
const CAPABILITY_BYTES_MAX: usize = 512;

/// A connector that asks for more than it may have. No run that uses it starts.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct CapabilityHold {
    /// `publisher:name`
    connector: String,
    version: String,
    /// What it asks for besides, in words such as `http https://a.example` or `secret auth`.
    missing: Vec<String>,
}

impl From<Hold> for CapabilityHold {
    fn from(hold: Hold) -> Self {
        Self {
            connector: hold.connector,
            version: hold.version,
            missing: hold.missing,
        }
    }
}

/// What is known of a connector that a workflow uses.
#[derive(Debug, Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "ConnectorNoticeKind")]
pub(crate) enum NoticeKindName {
    /// Something is wrong with this version.
    Advisory,
    /// The key that signed it was revoked.
    Disowned,
    /// This version was withdrawn.
    Yanked,
    /// The connector is replaced by another.
    Deprecated,
}

/// Something that whoever uses a workflow should know of one of its connectors.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(name = "WorkflowNotice")]
pub(crate) struct NoticeNode {
    /// `publisher:name`
    connector: String,
    version: String,
    kind: NoticeKindName,
    /// Of an advisory.
    id: Option<String>,
    /// Of an advisory: `LOW`, `MODERATE`, `HIGH` or `CRITICAL`.
    severity: Option<String>,
    /// For people: what is known.
    message: String,
    /// For people: what to do about it.
    fix: String,
}

impl From<Notice> for NoticeNode {
    fn from(notice: Notice) -> Self {
        Self {
            connector: notice.connector,
            version: notice.version,
            kind: match notice.kind {
                NoticeKind::Advisory => NoticeKindName::Advisory,
                NoticeKind::Disowned => NoticeKindName::Disowned,
                NoticeKind::Yanked => NoticeKindName::Yanked,
                NoticeKind::Deprecated => NoticeKindName::Deprecated,
            },
            id: notice.id,
            severity: notice
                .severity
                .map(|severity| format!("{severity:?}").to_uppercase()),
            message: notice.message,
            fix: notice.fix,
        }
    }
}

/// That a connector may have something.
#[derive(SimpleObject)]
pub(crate) struct CapabilityGrantNode {
    /// In words such as `http https://a.example`.
    capability: String,
    /// Who granted it, or published the first release that used the connector.
    granted_by: String,
    granted_at_ms: Long,
}

/// What a connector is granted, or what is taken from it.
#[derive(InputObject)]
pub(crate) struct GrantCapabilitiesInput {
    /// `publisher:name`
    connector: String,
    /// In the words of `CapabilityHold.missing`.
    capabilities: Vec<String>,
    /// True: they are taken, and releases that use a version which asks for them wait.
    taken: Option<bool>,
}

#[derive(Union)]
pub(crate) enum GrantCapabilitiesPayload {
    Success(GrantCapabilitiesSuccess),
    Input(InputProblem),
    Registry(RegistryProblem),
}

/// It is granted, or taken.
#[derive(SimpleObject)]
pub(crate) struct GrantCapabilitiesSuccess {
    /// `publisher:name`
    connector: String,
    /// All that it may have now.
    granted: Vec<CapabilityGrantNode>,
}

async fn granted(app: &Arc<App>, connector: &str) -> Result<Vec<CapabilityGrantNode>> {
    let grants = app.store.capability_grants(&app.scope).await;
    let of_it = grants.map_err(|error| fault(&error))?.into_iter();
    Ok(of_it
        .filter(|grant| grant.connector == connector && !grant.capability.is_empty())
        .map(|grant| CapabilityGrantNode {
            capability: grant.capability,
            granted_by: grant.granted_by,
            granted_at_ms: grant.granted_at_ms.into(),
        })
        .collect())
}

/// Questions about what connectors may have.
#[derive(Default)]
pub(crate) struct CapabilityQuestions;

#[Object]
impl CapabilityQuestions {
    /// What a connector may have in this project; nothing of one that was never used here.
    async fn capability_grants(
        &self,
        ctx: &Context<'_>,
        connector: String,
    ) -> Result<Vec<CapabilityGrantNode>> {
        reading(ctx).await?;
        granted(app(ctx)?, &connector).await
    }
}

/// Changes of what connectors may have.
#[derive(Default)]
pub(crate) struct CapabilityChanges;

#[Object]
impl CapabilityChanges {
    /// Grants a connector what an upgraded version asks for besides, or takes it. Runs that waited for it can be started.
    async fn grant_capabilities(
        &self,
        ctx: &Context<'_>,
        input: GrantCapabilitiesInput,
    ) -> Result<GrantCapabilitiesPayload> {
        use GrantCapabilitiesPayload as Payload;
        let mut faults = Vec::new();
        if let Err(error) = input.connector.parse::<ConnectorName>() {
            faults.push(field("connector", error.to_string()));
        }
        let is_word = |word: &String| {
            (1..=CAPABILITY_BYTES_MAX).contains(&word.len()) && !word.chars().any(char::is_control)
        };
        if input.capabilities.is_empty() || input.capabilities.len() > CAPABILITIES_MAX {
            let message = format!("expected 1 to {CAPABILITIES_MAX} capabilities");
            faults.push(field("capabilities", message));
        } else if !input.capabilities.iter().all(is_word) {
            let message = format!(
                "each is 1 to {CAPABILITY_BYTES_MAX} printable bytes, such as `http https://a.example`"
            );
            faults.push(field("capabilities", message));
        }
        if !faults.is_empty() {
            return Ok(Payload::Input(input_problem(faults)));
        }
        let (app, taken) = (app(ctx)?, input.taken.unwrap_or(false));
        let connector = input.connector.clone();
        let set = app.set_capabilities(caller(ctx)?, input.connector, input.capabilities, taken);
        match set.await {
            Ok(()) => Ok(Payload::Success(GrantCapabilitiesSuccess {
                granted: granted(app, &connector).await?,
                connector,
            })),
            Err(GrantError::Denied(refused)) => Err(denied(&refused)),
            Err(error @ GrantError::TooMany) => {
                let problem = RegistryProblem::new(ProblemCode::Reg003, error.to_string());
                Ok(Payload::Registry(problem))
            }
            Err(error @ GrantError::Store(_)) => Err(fault(&error)),
        }
    }
}
