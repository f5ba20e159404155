//! Secrets: encrypted at rest, bound to their scope, sealed to a host on request, never given back to people.

mod draft;
mod vault;

pub(crate) use draft::SecretDraft;
pub(crate) use vault::{Secrets, VaultError, WebhookKey};
