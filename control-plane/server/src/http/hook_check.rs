//! Who sent a request to a webhook: the scheme of its trigger says what is asked for.

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use flowforge_protocol::Digest;
use flowforge_protocol::webhook::{HUB_SIGNATURE_HEADER, Proof, SIGNATURE_HEADER, Scheme, WebhookError};
use flowforge_workflow::model::Webhook;

use super::hook_answers::{HookRefusal, fault};
use super::refusal;
use crate::app::App;
use crate::app::hooks::Name;

/// Header by which a sender names a request, so that a repeated one starts nothing.
pub(super) const KEY_HEADER: &str = "idempotency-key";
/// The same, by GitHub.
const HUB_DELIVERY_HEADER: &str = "x-github-delivery";
/// Longest such name, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// The value of a header that is text.
pub(super) fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Checks a request over its body as it came; gives what it showed.
pub(super) async fn check(
    app: &App,
    webhook: &Webhook,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Proof, HookRefusal> {
    let Some(name) = webhook.secret() else {
        return Ok(Proof::default());
    };
    let key = match app.webhook_key(name).await {
        Ok(Some(key)) => key,
        Ok(None) => {
            let message = format!("secret `{name}`, which this webhook is checked with, is not set");
            return Err(refused(StatusCode::SERVICE_UNAVAILABLE, "FF-HOOK-004", message));
        }
        Err(error) => return Err(HookRefusal::fault(fault(&error))),
    };
    let now_seconds = app.clock.now_ms() / 1_000;
    let checked = match &webhook.check {
        Some(check) => check.scheme.check(
            &key,
            now_seconds,
            |name| text(headers, name),
            check.header.as_deref(),
            body,
        ),
        None => either(&key, now_seconds, headers, body),
    };
    checked.map_err(|error| match error {
        WebhookError::Missing(..) | WebhookError::NoToken => {
            refused(StatusCode::UNAUTHORIZED, "FF-HOOK-005", error.to_string())
        }
        // The owner of the key is to mend it, not the sender.
        WebhookError::KeyTooShort | WebhookError::KeyForm(_) => {
            refused(StatusCode::SERVICE_UNAVAILABLE, "FF-HOOK-004", error.to_string())
        }
        WebhookError::Header(_) | WebhookError::Stale { .. } | WebhookError::Mismatch => {
            refused(StatusCode::UNAUTHORIZED, "FF-HOOK-006", error.to_string())
        }
    })
}

/// `hmac` alone: the form with a time, or the one without, which may stand in either header.
fn either(key: &[u8], now_seconds: u64, headers: &HeaderMap, body: &Bytes) -> Result<Proof, WebhookError> {
    let own = text(headers, SIGNATURE_HEADER);
    let scheme = match own {
        Some(given) if !given.starts_with("t=") => Scheme::Github,
        None if headers.contains_key(HUB_SIGNATURE_HEADER) => Scheme::Github,
        _ => Scheme::Flowforge,
    };
    let header = |name: &str| match own {
        Some(given) if name == HUB_SIGNATURE_HEADER => Some(given),
        _ => text(headers, name),
    };
    scheme.check(key, now_seconds, header, None, body)
}

/// The names under which a delivery is remembered.
pub(super) fn names(path: &str, proof: Proof, headers: &HeaderMap) -> Result<Vec<Name>, HookRefusal> {
    let mut names = Vec::new();
    if let Some(signature) = proof.signature {
        let digest = Digest::of(signature.as_bytes()).hex();
        names.push(Name::plain(format!("hook:{path}:signature:{digest}")));
    }
    names.extend(proof.signed_name.map(|name| Name::signed(path, &name)));
    let given = [KEY_HEADER, HUB_DELIVERY_HEADER]
        .into_iter()
        .find_map(|header| Some((header, text(headers, header)?)));
    if let Some((header, key)) = given {
        if key.is_empty() || key.len() > MAX_NAME_BYTES {
            let message = format!("{header}: expected 1 to {MAX_NAME_BYTES} characters");
            return Err(refused(StatusCode::BAD_REQUEST, "FF-HOOK-007", message));
        }
        names.push(Name::plain(format!("hook:{path}:key:{key}")));
    }
    Ok(names)
}

/// A refusal with this code.
pub(super) fn refused(status: StatusCode, code: &'static str, message: String) -> HookRefusal {
    HookRefusal::named(code, refusal(status, code, message))
}
