//! What is sent to webhook endpoints: events of the outbox, each claimed by one server for a time, signed as Standard Webhooks
//! says, tried again with growing pauses.
//!
//! An event is sent at least once: whoever dies between the call and the note of it leaves the event to another, which sends
//! it again under the same `webhook-id`. Nothing that an endpoint says is followed: a redirect is a failure.

mod call;
mod letter;
mod pauses;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use flowforge_core::{Action, AuditEntry, Object, ObjectKind};
use flowforge_protocol::webhook::sign_standard;
use flowforge_store::{
    AfterSending, ClaimedEvent, DisableRule, EndpointKeys, EventClaim, EventSent, StoreError,
};
use tokio::task::JoinSet;

use self::call::{Answer, Letter};
use crate::app::App;
use crate::fleet::duties::LOOK;
use crate::secrets::VaultError;

/// Calls that are open at once.
const CALLS_MAX: usize = 32;
/// Events of one endpoint that are claimed at once.
const CALLS_OF_ONE: u32 = 4;
/// From when on another server may have what this one has claimed: longer than a call takes.
const CLAIM_MS: u64 = 60_000;
/// The longest pause between two looks.
const PAUSE: Duration = Duration::from_secs(30);
/// The pause after a failure of the store.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// How long open calls may take when the server closes; they are made again at the next start.
const CLOSING_WAIT: Duration = Duration::from_secs(2);
/// An endpoint that has taken nothing for so long is disabled.
const FAILING_MAX_MS: u64 = 5 * 24 * 60 * 60 * 1_000;

/// Sends what is due until the server closes.
pub(crate) async fn run(app: Arc<App>) {
    let mut calls: JoinSet<String> = JoinSet::new();
    let mut busy: HashSet<String> = HashSet::new();
    let mut open: Vec<String> = Vec::new();
    loop {
        busy.clear();
        busy.extend(open.iter().cloned());
        let free = CALLS_MAX.saturating_sub(open.len());
        let next = match claim(&app, free, &busy).await {
            Ok(Claimed::Events(events)) => {
                for event in events {
                    open.push(event.told.endpoint.clone());
                    calls.spawn(deliver(Arc::clone(&app), event));
                }
                continue;
            }
            Ok(Claimed::Nothing { next_ms }) => Ok(next_ms),
            Err(error) => {
                tracing::error!(%error, "events could not be claimed; trying again");
                Err(PAUSE_AFTER_FAILURE)
            }
        };
        let due = async {
            match next {
                Ok(Some(at_ms)) => app.clock.sleep_until(at_ms).await,
                Ok(None) => std::future::pending().await,
                Err(pause) => tokio::time::sleep(pause).await,
            }
        };
        let look = if app.bus.is_shared() { LOOK } else { PAUSE };
        tokio::select! {
            done = calls.join_next(), if !calls.is_empty() => {
                if let Some(Ok(endpoint)) = done
                    && let Some(place) = open.iter().position(|other| *other == endpoint)
                {
                    open.swap_remove(place);
                } else if calls.is_empty() {
                    open.clear();
                }
            }
            () = app.outside.wanted.notified() => {}
            () = due => {}
            () = tokio::time::sleep(look) => {}
            () = app.closing.cancelled() => break,
        }
    }
    let finish = async { while calls.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(CLOSING_WAIT, finish).await;
}

enum Claimed {
    Events(Vec<ClaimedEvent>),
    /// When something is due that is not yet.
    Nothing {
        next_ms: Option<u64>,
    },
}

/// Looks first: a claim is a commit, and most looks find nothing.
async fn claim(app: &App, free: usize, busy: &HashSet<String>) -> Result<Claimed, StoreError> {
    let next_ms = app.store.next_event_ms(&app.scope).await?;
    let now_ms = app.clock.now_ms();
    let is_due = next_ms.is_some_and(|next_ms| next_ms <= now_ms);
    if free == 0 || !is_due {
        // What is due and finds no room has it when a call ends.
        return Ok(Claimed::Nothing {
            next_ms: next_ms.filter(|_| !is_due),
        });
    }
    let claim = EventClaim {
        now_ms,
        until_ms: now_ms.saturating_add(CLAIM_MS),
        limit: u32::try_from(free).unwrap_or(u32::MAX),
        of_one: CALLS_OF_ONE,
        busy: busy.iter().cloned().collect(),
    };
    let events = app.store.claim_events(&app.scope, claim).await?;
    Ok(match events.is_empty() {
        false => Claimed::Events(events),
        true => Claimed::Nothing { next_ms: None },
    })
}

/// Why a call could not be made or written down, by fault of this server; it is made again when its claim is over.
#[derive(Debug, thiserror::Error)]
enum DeliverError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

async fn deliver(app: Arc<App>, event: ClaimedEvent) -> String {
    let endpoint = event.told.endpoint.clone();
    if let Err(error) = try_to_deliver(&app, event).await {
        tracing::error!(%error, endpoint, "an event could not be sent; trying again");
    }
    endpoint
}

async fn try_to_deliver(app: &App, event: ClaimedEvent) -> Result<(), DeliverError> {
    let endpoint = event.told.endpoint.clone();
    let Some(keys) = app.store.endpoint_keys(&app.scope, &endpoint).await? else {
        // Somebody disabled or removed it just now.
        return Ok(());
    };
    let body = letter::body(&app.scope, &event.told);
    let answer = match signatures(app, &endpoint, &event.told.event, &keys, &body)? {
        Ok((seconds, signature)) => {
            let letter = Letter {
                id: &event.told.event,
                seconds,
                signature,
                body,
            };
            call::call(&app.outside, &keys.url, letter).await
        }
        Err(why) => Answer::none(why),
    };
    let now_ms = app.clock.now_ms();
    let then = pauses::after(&answer, event.attempt, &event.told.event, now_ms);
    let is_good = then == AfterSending::Delivered;
    let rule = rule(app, &endpoint, &answer, now_ms);
    let why = rule.why.clone();
    let sent = EventSent {
        number: event.number,
        attempt: event.attempt,
        at_ms: now_ms,
        status: answer.status,
        answer: answer.text,
        then,
    };
    if !is_good {
        tracing::warn!(
            endpoint,
            event = event.told.event,
            attempt = event.attempt,
            status = sent.status,
            "an endpoint did not take an event"
        );
    }
    if app
        .store
        .event_sent(&app.scope, endpoint.clone(), sent, rule)
        .await?
    {
        tracing::error!(
            endpoint,
            why,
            "a webhook endpoint is disabled; enable it when it works again"
        );
    }
    Ok(())
}

/// The time of this attempt, and its signatures: that of the key, and for a while that of the one before.
fn signatures(
    app: &App,
    endpoint: &str,
    event: &str,
    keys: &EndpointKeys,
    body: &str,
) -> Result<Result<(u64, String), String>, VaultError> {
    let now_ms = app.clock.now_ms();
    let seconds = now_ms / 1_000;
    let old = keys.old.as_ref().filter(|(_, until_ms)| now_ms < *until_ms);
    let mut all = Vec::new();
    for key in std::iter::once(&keys.key).chain(old.map(|(key, _)| key)) {
        let opened = app.secrets.open_endpoint(endpoint, key)?;
        match sign_standard(&opened, event, seconds, body.as_bytes()) {
            Ok(signature) => all.push(signature),
            Err(error) => return Ok(Err(error.to_string())),
        }
    }
    Ok(Ok((seconds, all.join(" "))))
}

/// When the endpoint is disabled if this call is a failure, and what the audit says of it.
fn rule(app: &App, endpoint: &str, answer: &Answer, now_ms: u64) -> DisableRule {
    let gone = answer.status == Some(410);
    let why = match gone {
        true => "it answered 410: it wants no more events".to_owned(),
        false => format!(
            "it has taken nothing for {} days",
            FAILING_MAX_MS / (24 * 60 * 60 * 1_000)
        ),
    };
    let caller = app.of_plane("outgoing");
    let object = Object::new(ObjectKind::Endpoint, endpoint);
    let note = AuditEntry::done(&caller, Action::DecideEndpoint, object, now_ms);
    DisableRule {
        failing_since_ms: now_ms.saturating_sub(FAILING_MAX_MS),
        note: note.with(format!("disabled: {why}")),
        why,
        gone,
    }
}
