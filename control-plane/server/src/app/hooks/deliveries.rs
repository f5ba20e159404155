//! What is kept of deliveries, and having one done once more.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flowforge_core::{Action, Caller, Object, ObjectKind};
use flowforge_protocol::{DeliveryId, Digest};
use flowforge_store::{Delivery, Found, KeepDeliveries, NewDelivery};
use tokio::sync::Notify;

use super::{Delivered, Name, NotTaken, Took};
use crate::app::App;
use crate::app::allow::Refusals;
use crate::app::operations::OperationError;
use crate::app::starts::new_run_id;
use crate::entropy::fresh;

/// Deliveries of a project that are kept at most.
const DELIVERIES_MAX: u64 = 100_000;
/// Bytes of the bodies that are kept, as base64 text.
const BODY_BYTES_MAX: u64 = 64 << 20;
/// What is too much is looked for after so many deliveries.
const LOOK_AFTER: u64 = 256;
/// Deliveries that one look forgets at most.
const ROWS: u32 = 1_000;

/// What one process remembers of keeping deliveries.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    /// Refusals of this minute: whoever floods a webhook does not flood the disk.
    refusals: Refusals,
    since_look: std::sync::atomic::AtomicU64,
    /// Woken when it is time to look for what is too much.
    pub(crate) look: Notify,
}

impl Keeper {
    /// One more was written.
    fn wrote(&self) {
        use std::sync::atomic::Ordering;
        if self.since_look.fetch_add(1, Ordering::Relaxed) + 1 >= LOOK_AFTER {
            self.since_look.store(0, Ordering::Relaxed);
            self.look.notify_one();
        }
    }
}

/// What is kept of deliveries that came not before `since_ms`.
pub(crate) const fn keep(since_ms: u64) -> KeepDeliveries {
    KeepDeliveries {
        since_ms,
        count_max: DELIVERIES_MAX,
        body_bytes_max: BODY_BYTES_MAX,
    }
}

/// What became of a delivery that a person had done once more.
pub(crate) enum Replayed {
    /// It was taken.
    Took {
        /// As what it is kept.
        delivery: DeliveryId,
        took: Took,
    },
    /// It was not; the new refusal is kept beside the old one.
    NotTaken(NotTaken),
    /// There is no such delivery.
    NotFound(String),
    /// It cannot be done once more.
    State(String),
}

impl App {
    /// Keeps a delivery that was refused, if there is room for one more of this minute.
    pub(crate) async fn note_delivery(&self, kept: NewDelivery, code: &'static str) {
        if !self.deliveries.refusals.has_room(self.clock.monotonic_ms()) {
            return;
        }
        self.deliveries.wrote();
        if let Err(error) = self.store.note_refused_delivery(&self.scope, kept, code).await {
            tracing::error!(%error, "a refused delivery could not be written down");
        }
    }

    /// A delivery is written down where it was decided.
    pub(crate) fn delivery_written(&self) {
        self.deliveries.wrote();
    }

    /// Has a delivery done once more, by the webhook that listens at its path now. Its sender was known when it came.
    pub(crate) async fn replay(
        self: &Arc<Self>,
        caller: &Caller,
        wanted: &str,
        request: Option<String>,
    ) -> Result<Replayed, OperationError> {
        let object = Object::new(ObjectKind::Delivery, wanted);
        let allowed = self.allow(caller, Action::ReplayDelivery, object).await?;
        let (store, scope) = (allowed.store(), allowed.scope());
        let found = match store.find_delivery(scope, wanted).await? {
            Found::One(delivery) => delivery,
            Found::None => return Ok(Replayed::NotFound(format!("there is no delivery `{wanted}`"))),
            Found::Several => {
                let message = format!("several deliveries begin with `{wanted}`; give more of the id");
                return Ok(Replayed::NotFound(message));
            }
        };
        let Some(hook) = self.listening(&found.path) else {
            let message = format!("no published workflow listens at /hooks/{} any more", found.path);
            return Ok(Replayed::State(message));
        };
        let values_stay = hook.release.workflow.values_stay;
        let body = store.delivery_body(scope, &found.id).await?;
        let Some(body) = body.and_then(|text| STANDARD.decode(text).ok()) else {
            return Ok(Replayed::State(no_body(&found, values_stay)));
        };
        let id = DeliveryId::from_entropy(fresh::<16>()?);
        let kept = NewDelivery {
            id: id.clone(),
            at_ms: self.clock.now_ms(),
            workflow: hook.release.stored.workflow.clone(),
            trigger: hook.trigger.clone(),
            scheme: found.scheme,
            media_type: found.media_type.clone(),
            bytes: found.bytes,
            body: (!values_stay).then(|| STANDARD.encode(&body)),
            path: found.path,
            replay: Some((found.id.clone(), allowed.by().to_owned())),
        };
        let digest = Digest::of(found.id.as_str().as_bytes());
        let names = request.map(|request| Name {
            id: format!("replay:{request}"),
            of: Some(digest),
        });
        let delivered = Delivered {
            hook,
            media_type: found.media_type,
            body: Bytes::from(body),
            names: names.into_iter().collect(),
            traceparent: None,
            run: new_run_id()?,
            kept: kept.clone(),
        };
        let took = self
            .deliver(allowed.caller(), Action::ReplayDelivery, delivered)
            .await?;
        Ok(match took {
            Ok(took) => {
                self.delivery_written();
                Replayed::Took { delivery: id, took }
            }
            Err(refused) => {
                if refused.is_noted() {
                    self.delivery_written();
                } else {
                    self.note_delivery(kept, refused.code()).await;
                }
                Replayed::NotTaken(refused)
            }
        })
    }

    /// Forgets what is too much of deliveries whenever many have come, until the server closes.
    pub(crate) async fn keep_deliveries(&self, kept_for: Duration) {
        loop {
            tokio::select! {
                () = self.deliveries.look.notified() => {}
                () = self.closing.cancelled() => return,
            }
            let age_ms = u64::try_from(kept_for.as_millis()).unwrap_or(u64::MAX);
            let keep = keep(self.clock.now_ms().saturating_sub(age_ms));
            if let Err(error) = self.store.trim_deliveries(&self.scope, keep, ROWS).await {
                tracing::error!(%error, "what is too much of deliveries could not be forgotten; trying again later");
            }
        }
    }
}

/// Why a delivery has no body.
fn no_body(delivery: &Delivery, values_stay: bool) -> String {
    let short = delivery.id.short();
    match delivery.code.as_deref() {
        _ if values_stay => format!(
            "values of workflow `{}` stay on its hosts: the body of delivery {short} was not kept",
            delivery.workflow
        ),
        Some("FF-HOOK-004" | "FF-HOOK-005" | "FF-HOOK-006") => {
            format!("nobody knows who sent delivery {short}: its body was not kept")
        }
        _ => format!(
            "the body of delivery {short} is not kept any more; the newest {} of each webhook are",
            flowforge_store::REPLAYABLE_MAX
        ),
    }
}
