//! Drafts: saved over what was read, begun from an old version, published from.

use std::sync::Arc;

use flowforge_core::{Action, Caller, Denied, Object, ObjectKind};
use flowforge_protocol::SigningKey;
use flowforge_protocol::envelope::sign;
use flowforge_protocol::grants::GRANT_SET_TYPE;
use flowforge_protocol::release::RELEASE_TYPE;
use flowforge_store::{Draft, DraftDiscarded, DraftSaved, DraftText, NewDraft, StoreError};
use flowforge_workflow::limits::MAX_SOURCE_BYTES;
use serde_json::{Map, Value};

use crate::app::compile::{PrepareError, Prepared, Source};
use crate::app::keeping::KeepError;
use crate::app::publish::{Envelopes, PublishError};
use crate::app::{App, Reading};
use crate::release::ReadyRelease;

/// Largest layout of a draft, in bytes of JSON.
const MAX_LAYOUT_BYTES: usize = 256 * 1024;
/// Largest lock file of a draft, in bytes.
const MAX_LOCK_BYTES: usize = 64 * 1024;

/// A draft as somebody saves it.
pub(crate) struct Written {
    pub(crate) workflow: String,
    pub(crate) source: String,
    /// None: as it was.
    pub(crate) layout: Option<Value>,
    pub(crate) lock: Option<String>,
    pub(crate) base_version: Option<u32>,
    /// The revision that was changed; 0: there was none.
    pub(crate) over: u32,
}

/// A field of what is saved that cannot be kept, and why.
pub(crate) type Unfit = (&'static str, String);

/// Why a draft was not published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishDraftError {
    #[error("there is no draft")]
    None,
    #[error("another revision is there")]
    Other(Box<Draft>),
    #[error("the text is of workflow `{0}`")]
    OtherWorkflow(String),
    #[error("this server holds no key to sign with")]
    NoKeys,
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("it may not be done")]
    Denied(#[from] Box<Denied>),
}

/// True for a name that a workflow can have.
fn is_name(name: &str) -> bool {
    let shape = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(shape)
}

fn unfit(written: &Written) -> Vec<Unfit> {
    let mut out = Vec::new();
    if !is_name(&written.workflow) {
        let message =
            "use kebab-case: lower-case letters, digits and hyphens, beginning with a letter, at most 64";
        out.push(("workflow", message.to_owned()));
    }
    let layout = written
        .layout
        .as_ref()
        .map_or(0, |layout| layout.to_string().len());
    let lock = written.lock.as_ref().map_or(0, String::len);
    for (field, bytes, most) in [
        ("source", written.source.len(), MAX_SOURCE_BYTES),
        ("layout", layout, MAX_LAYOUT_BYTES),
        ("lock", lock, MAX_LOCK_BYTES),
    ] {
        if bytes > most {
            out.push((field, format!("{bytes} bytes, more than {most}")));
        }
    }
    if !matches!(written.layout, None | Some(Value::Null | Value::Object(_))) {
        out.push(("layout", "expected an object".to_owned()));
    }
    out
}

impl App {
    /// Saves a draft; what cannot be kept is said by field, and nothing is saved then.
    pub(crate) async fn save_draft(
        &self,
        caller: &Caller,
        written: Written,
    ) -> Result<Result<DraftSaved, Vec<Unfit>>, KeepError> {
        let object = Object::new(ObjectKind::Draft, &written.workflow);
        let allowed = self.allow(caller, Action::SaveDraft, object).await?;
        let wrong = unfit(&written);
        if !wrong.is_empty() {
            return Ok(Err(wrong));
        }
        let layout = match written.layout {
            Some(Value::Object(layout)) => Value::Object(layout).to_string(),
            _ => {
                let store = allowed.store();
                let there = store.draft(allowed.scope(), &written.workflow).await?;
                there.map_or_else(|| "{}".to_owned(), |there| there.text.layout)
            }
        };
        let draft = NewDraft {
            workflow: written.workflow,
            over: written.over,
            text: DraftText {
                source: written.source,
                layout,
                lock: written.lock,
            },
            base_version: written.base_version,
            saved_at_ms: self.clock.now_ms(),
            saved_by: allowed.by().to_owned(),
        };
        let workflow = draft.workflow.clone();
        let saved = allowed.change().save_draft(allowed.scope(), draft).await?;
        if matches!(saved, DraftSaved::Saved(_)) {
            self.draft_moved(workflow);
        }
        Ok(Ok(saved))
    }

    /// Forgets a revision of a draft.
    pub(crate) async fn discard_draft(
        &self,
        caller: &Caller,
        workflow: &str,
        revision: u32,
    ) -> Result<DraftDiscarded, KeepError> {
        let object = Object::new(ObjectKind::Draft, workflow);
        let allowed = self.allow(caller, Action::DiscardDraft, object).await?;
        let change = allowed.change();
        let discarded = change.discard_draft(allowed.scope(), workflow, revision).await?;
        if discarded == DraftDiscarded::Gone {
            self.draft_moved(workflow.to_owned());
        }
        Ok(discarded)
    }

    fn draft_moved(&self, workflow: String) {
        // Without a follower there is nobody to tell.
        let _ = self.drafts_moved.send(workflow);
    }

    /// The text of a published version, as it was published.
    pub(crate) async fn version_text(
        &self,
        reading: &Reading<'_>,
        workflow: &str,
        version: u32,
    ) -> Result<Option<Option<String>>, StoreError> {
        let stored = reading.release_of(workflow, Some(version)).await?;
        Ok(stored.map(|stored| stored.source))
    }

    /// Signs prepared documents with the owner's keys, where this server has them.
    pub(crate) fn sign_as_owner(&self, prepared: &Prepared) -> Option<Envelopes> {
        let owner = self.keys.owner.as_ref()?;
        let signed = |kind, payload: &[u8], key: &SigningKey| sign(kind, payload, key);
        Some(Envelopes {
            release: signed(RELEASE_TYPE, &prepared.release_payload, &owner.release),
            grants: signed(GRANT_SET_TYPE, &prepared.grants_payload, &owner.grant),
        })
    }

    /// Publishes a revision of a draft as the next version of its workflow; the draft is gone then, unless somebody has
    /// saved it meanwhile.
    pub(crate) async fn publish_draft(
        self: &Arc<Self>,
        caller: &Caller,
        workflow: &str,
        revision: u32,
    ) -> Result<Arc<ReadyRelease>, PublishDraftError> {
        let object = Object::new(ObjectKind::Workflow, workflow);
        let allowed = self.allow(caller, Action::PublishRelease, object).await?;
        let (store, scope) = (allowed.store(), allowed.scope());
        let draft = store.draft(scope, workflow).await?;
        let draft = draft.ok_or(PublishDraftError::None)?;
        if draft.head.revision != revision {
            return Err(PublishDraftError::Other(Box::new(draft)));
        }
        if self.keys.owner.is_none() {
            return Err(PublishDraftError::NoKeys);
        }
        let text = draft.text.source.clone();
        let source = Source {
            text: draft.text.source,
            lock: draft.text.lock,
            config: Map::new(),
        };
        let prepared = self.prepare(source, false).await?;
        if prepared.release.workflow != workflow {
            return Err(PublishDraftError::OtherWorkflow(prepared.release.workflow));
        }
        let signed = self.sign_as_owner(&prepared).ok_or(PublishDraftError::NoKeys)?;
        let published = self.publish(caller, signed, Some(text)).await?;
        // It is gone because it was published: that is what was written down.
        let discarded = store.discard_draft(scope, workflow, revision).await?;
        self.draft_moved(workflow.to_owned());
        if let DraftDiscarded::Other(newer) = discarded {
            tracing::info!(
                workflow,
                revision = newer.head.revision,
                "a draft goes on after its publication"
            );
        }
        Ok(published)
    }
}
