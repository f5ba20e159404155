//! Trying a draft: a release that is no version, signed so that a host takes it, and a run of it.

use std::sync::Arc;

use flowforge_core::{Action, Caller, Denied, Object};
use flowforge_workflow::{Definition, EdgeKind, graph};
use serde_json::{Map, Value};

use crate::apart::ApartError;
use crate::app::compile::{PrepareError, Source};
use crate::app::publish::{Envelopes, PublishError};
use crate::app::{App, LoadError};
use crate::release::ReadyRelease;

/// Why a draft was not tried.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrialError {
    #[error("this server holds no key to sign with")]
    NoKeys,
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    #[error(transparent)]
    Documents(#[from] PublishError),
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Secrets that runs of drafts may not use.
    #[error("a draft may not use {}", .0.join(", "))]
    Secrets(Vec<String>),
    #[error("it may not be done")]
    Denied(#[from] Box<Denied>),
}

impl App {
    /// Makes a release of a draft ready: from documents that its author signed, or signed here, where that may be.
    pub(crate) async fn draft_release(
        self: &Arc<Self>,
        caller: &Caller,
        source: Source,
        signed: Option<Envelopes>,
    ) -> Result<Arc<ReadyRelease>, TrialError> {
        let allowed = self.allow(caller, Action::TryDraft, Object::project()).await?;
        let text = source.text.clone();
        let envelopes = match signed {
            Some(envelopes) => envelopes,
            None if self.keys.owner.is_none() => return Err(TrialError::NoKeys),
            None => {
                let prepared = self.prepare(source, true).await?;
                self.sign_as_owner(&prepared).ok_or(TrialError::NoKeys)?
            }
        };
        let (stored, ..) = self.checked(envelopes, Some(text), true).await?;
        let ready =
            ReadyRelease::new(stored.clone(), self.trust_root()).map_err(|source| LoadError::Release {
                digest: stored.digest,
                source,
            })?;
        let (store, scope) = (allowed.store(), allowed.scope());
        let secrets = ready.secrets().into_iter().map(str::to_owned).collect();
        let closed = store.closed_to_drafts(scope, secrets).await;
        let closed = closed.map_err(LoadError::Store)?;
        if !closed.is_empty() {
            return Err(TrialError::Secrets(closed));
        }
        let stored = store.keep_draft_release(scope, stored).await;
        Ok(self.bring_up(stored.map_err(LoadError::Store)?)?)
    }

    /// The nodes that would run besides this one, because it needs them and nothing stands for them.
    pub(crate) async fn would_run_too(
        self: &Arc<Self>,
        release: &Arc<ReadyRelease>,
        node: &str,
        given: &Map<String, Value>,
    ) -> Result<Vec<String>, ApartError> {
        let release = Arc::clone(release);
        let drawn = self
            .apart(move |app, interrupt| {
                let locked = app.locked(None).ok()?;
                let definition = Definition::of_model(release.workflow.clone());
                Some(graph(&definition, &locked, interrupt))
            })
            .await?;
        let drawn = drawn.unwrap_or_default();
        // What happens inside a loop is a part of the loop.
        let outermost = |id: &str| -> String {
            let mut id = id.to_owned();
            while let Some(parent) = drawn
                .nodes
                .iter()
                .find(|node| node.id == id)
                .and_then(|node| node.parent.clone())
            {
                id = parent;
            }
            id
        };
        let mut out = Vec::new();
        for edge in &drawn.edges {
            let (from, to) = (outermost(&edge.from), outermost(&edge.to));
            let comes_first = edge.kind != EdgeKind::Fallback && to == node && from != node;
            if comes_first && !given.contains_key(&from) && !out.contains(&from) {
                out.push(from);
            }
        }
        Ok(out)
    }
}
