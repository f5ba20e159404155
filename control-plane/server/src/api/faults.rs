//! Top-level errors: faults of the server or of the call itself, never an expected outcome.

use async_graphql::{Error, ErrorExtensions as _};
use flowforge_core::Denied;
use flowforge_store::{DatabaseAway, DiskFull};

use crate::app::LoadError;

/// `extensions.code` of a fault inside; the cause is in the log.
const CODE_FAULT: &str = "FF-API-500";
/// `extensions.code` when the disk is full.
pub(crate) const CODE_FULL: &str = "FF-API-507";
/// `extensions.code` while the database does not answer.
pub(crate) const CODE_AWAY: &str = "FF-API-503";
/// `extensions.code` when a stored release cannot be used: its keys are not believed any more, or it is damaged.
const CODE_RELEASE: &str = "FF-REL-004";
/// `extensions.code` of an answer that would be too large.
pub(crate) const CODE_TOO_LARGE: &str = "FF-API-413";
/// `extensions.code` when too much is asked for at once.
pub(crate) const CODE_BUSY: &str = "FF-API-429";
/// `extensions.code` of a call that took too long.
pub(crate) const CODE_TIMEOUT: &str = "FF-API-504";
/// `extensions.code` of a call that needs a host's session.
const CODE_SESSION: &str = "FF-API-401";
/// `extensions.code` of something that the caller may not do.
pub(crate) const CODE_DENIED: &str = "FF-API-403";
/// `extensions.code` of an argument that cannot be meant.
pub(crate) const CODE_ARGUMENT: &str = "FF-API-400";

pub(crate) fn coded(message: impl Into<String>, code: &'static str) -> Error {
    Error::new(message).extend_with(|_, extensions| extensions.set("code", code))
}

/// The full disk among an error's causes.
pub(crate) fn full_disk<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e DiskFull> {
    cause_of(error)
}

/// The database that does not answer, among an error's causes.
pub(crate) fn away<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e DatabaseAway> {
    cause_of(error)
}

fn cause_of<'e, E: std::error::Error + 'static>(
    error: &'e (dyn std::error::Error + 'static),
) -> Option<&'e E> {
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if let Some(found) = inner.downcast_ref() {
            return Some(found);
        }
        cause = inner.source();
    }
    None
}

/// The refusal of the policy among an error's causes.
fn denial<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Denied> {
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if let Some(denied) = inner.downcast_ref::<Box<Denied>>() {
            return Some(denied);
        }
        cause = inner.source();
    }
    None
}

/// What a caller hears who may not do something.
pub(crate) fn denied(denied: &Denied) -> Error {
    coded(denied.to_string(), CODE_DENIED)
}

/// A fault: logged with its cause, told without. What the caller may not do, and what is full, is told.
pub(crate) fn fault(error: &(dyn std::error::Error + 'static)) -> Error {
    if let Some(refused) = denial(error) {
        return denied(refused);
    }
    if let Some(full) = full_disk(error) {
        return coded(full.to_string(), CODE_FULL);
    }
    if let Some(away) = away(error) {
        tracing::warn!(
            error = away.why,
            "a call was refused: the database does not answer"
        );
        return coded(away.to_string(), CODE_AWAY);
    }
    if let Some(LoadError::Release { digest, source }) = error.downcast_ref() {
        let message = format!("release {digest} cannot be used here: {source}");
        return coded(message, CODE_RELEASE);
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    tracing::error!(error = text, "a call failed");
    coded(
        "the control plane could not do this; its log says why",
        CODE_FAULT,
    )
}

pub(crate) fn needs_session() -> Error {
    coded("this call needs the session of a registered host", CODE_SESSION)
}
