//! Invitations: made for a name and a time, told once.

use flowforge_core::{Action, Caller, Object, ObjectKind};
use flowforge_protocol::invitation::Invitation;
use flowforge_protocol::labels::{LABEL_RULE, MAX_LABELS, is_label, words};
use flowforge_store::{Invited, NewInvitation};
use zeroize::Zeroizing;

use super::errors::{InviteError, NoLine};
use crate::app::App;
use crate::entropy::fresh;

/// Longest life of an invitation, milliseconds: 30 days.
const LIFE_MAX_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// Shortest life of an invitation, milliseconds: a minute.
const LIFE_MIN_MS: u64 = 60 * 1_000;
/// What the name of a host may be.
const NAME_RULE: &str = "expected 1 to 64 characters of a-z, 0-9 and -";

/// A line of text that holds a secret.
type SecretText = Zeroizing<String>;

/// Who is to be invited.
pub(crate) struct Invitee<'a> {
    /// Name that the host gets.
    pub(crate) name: &'a str,
    /// How long the invitation is good, milliseconds.
    pub(crate) life_ms: u64,
    /// The pool that it is given, if any.
    pub(crate) pool: Option<&'a str>,
    /// Labels that it is given.
    pub(crate) labels: &'a [String],
}

fn is_name(name: &str) -> bool {
    let shape = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(shape)
}

impl App {
    /// Invites a host; returns the line of text, which is told here and never again, and until when it is good.
    pub(crate) async fn invite_host(
        &self,
        caller: &Caller,
        invitee: Invitee<'_>,
    ) -> Result<(SecretText, u64), InviteError> {
        let name: String = invitee.name.chars().take(64).collect();
        let allowed = self
            .allow(caller, Action::InviteHost, Object::new(ObjectKind::Host, name))
            .await?;
        if !is_name(invitee.name) {
            return Err(InviteError::Input("name", NAME_RULE));
        }
        if !(LIFE_MIN_MS..=LIFE_MAX_MS).contains(&invitee.life_ms) {
            return Err(InviteError::Input("lifeMs", "expected a minute to 30 days"));
        }
        let named = invitee
            .pool
            .into_iter()
            .chain(invitee.labels.iter().map(String::as_str));
        if named.clone().count() > MAX_LABELS || !named.clone().all(is_label) {
            return Err(InviteError::Input("labels", LABEL_RULE));
        }
        let line = self.line.as_ref().ok_or(NoLine)?;
        let now_ms = self.clock.now_ms();
        let invitation = Invitation {
            server: line.url.clone(),
            anchor: line.anchor,
            trust_root: line.trust_root_digest,
            workspace: self.workspace().to_owned(),
            name: invitee.name.to_owned(),
            expires_at_ms: now_ms.saturating_add(invitee.life_ms),
            secret: Zeroizing::new(fresh::<32>()?),
        };
        let new = NewInvitation {
            secret_hash: invitation.secret_digest(),
            name: invitation.name.clone(),
            created_by: allowed.by().to_owned(),
            created_at_ms: now_ms,
            expires_at_ms: invitation.expires_at_ms,
            labels: words(invitee.pool, invitee.labels.iter().map(String::as_str)),
        };
        match allowed.change().invite(allowed.scope(), new).await? {
            Invited::Kept => {
                tracing::info!(name = invitee.name, by = allowed.by(), "a host was invited");
                Ok((invitation.to_text(), invitation.expires_at_ms))
            }
            Invited::TooMany => Err(InviteError::TooMany),
        }
    }
}
