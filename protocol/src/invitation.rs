//! The invitation of a host, as one line of text that a person carries from the control plane to the machine.
//!
//! It says where the control plane is and how to know it: nothing is trusted on first use. Its secret is what entitles the
//! host to a certificate, once. It is not signed: whoever hands it over is whom the host trusts.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::Digest;
use crate::strict::parse_strict;

/// How every invitation begins.
pub const INVITATION_PREFIX: &str = "ff-enrol-1.";

/// Largest invitation, in characters.
pub const MAX_INVITATION_BYTES: usize = 4096;

/// Digits of the check at the end: a line that was cut or mistyped is told from one that is not known.
const CHECK_DIGITS: usize = 8;

/// What an invitation says.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Address of the control plane's listener for hosts, `https://name:port`.
    pub server: String,
    /// SHA-256 of the certificate, as DER, that the server's certificate is signed by.
    pub anchor: Digest,
    /// SHA-256 of the trust root as it is served.
    pub trust_root: Digest,
    /// Tenant.
    pub workspace: String,
    /// Name that the host gets.
    pub name: String,
    /// Not good from then on, milliseconds since 1970 UTC by the control plane's clock.
    pub expires_at_ms: u64,
    /// Good for one host. The control plane keeps only its digest.
    pub secret: Zeroizing<[u8; 32]>,
}

impl Invitation {
    /// What the control plane knows the secret by.
    #[must_use]
    pub fn secret_digest(&self) -> Digest {
        Digest::of(self.secret.as_slice())
    }

    /// The line of text. It holds the secret.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let wire = Wire {
            server: self.server.clone(),
            anchor: self.anchor,
            trust_root: self.trust_root,
            workspace: self.workspace.clone(),
            name: self.name.clone(),
            expires_at_ms: self.expires_at_ms,
            secret: URL_SAFE_NO_PAD.encode(self.secret.as_slice()),
        };
        // Strings and one number: there is no value here that JSON cannot hold.
        let json = Zeroizing::new(serde_json::to_vec(&wire).unwrap_or_default());
        let body = Zeroizing::new(URL_SAFE_NO_PAD.encode(json.as_slice()));
        Zeroizing::new(format!("{INVITATION_PREFIX}{}.{}", body.as_str(), check(&body)))
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation")
            .field("server", &self.server)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    server: String,
    anchor: Digest,
    trust_root: Digest,
    workspace: String,
    name: String,
    expires_at_ms: u64,
    secret: String,
}

/// The first digits of the body's digest.
fn check(body: &str) -> String {
    let digest = Digest::of(body.as_bytes()).hex();
    digest.chars().take(CHECK_DIGITS).collect()
}

/// Why a text is no invitation. The text is never repeated: it may hold the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvitationError {
    /// It begins otherwise, or is too long.
    #[error(
        "not an invitation: expected one line that begins with `{INVITATION_PREFIX}`, as `flowforge host token` prints it"
    )]
    Form,
    /// Its end does not fit its beginning.
    #[error("the invitation was cut or changed on its way: copy the whole line again")]
    Cut,
    /// The text is whole, its content is not known here.
    #[error("the invitation is of another version of FlowForge: {0}")]
    Content(String),
}

impl FromStr for Invitation {
    type Err = InvitationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.len() > MAX_INVITATION_BYTES {
            return Err(InvitationError::Form);
        }
        let rest = text
            .strip_prefix(INVITATION_PREFIX)
            .ok_or(InvitationError::Form)?;
        let (body, end) = rest.split_once('.').ok_or(InvitationError::Cut)?;
        if end != check(body) {
            return Err(InvitationError::Cut);
        }
        let content = |error: &dyn fmt::Display| InvitationError::Content(error.to_string());
        let json = Zeroizing::new(URL_SAFE_NO_PAD.decode(body).map_err(|error| content(&error))?);
        let wire: Wire = parse_strict(&json, MAX_INVITATION_BYTES).map_err(|error| content(&error))?;
        let secret = Zeroizing::new(
            URL_SAFE_NO_PAD
                .decode(wire.secret.as_bytes())
                .map_err(|error| content(&error))?,
        );
        let secret: [u8; 32] = secret
            .as_slice()
            .try_into()
            .map_err(|_| content(&"its secret is not 32 bytes"))?;
        Ok(Self {
            server: wire.server,
            anchor: wire.anchor,
            trust_root: wire.trust_root,
            workspace: wire.workspace,
            name: wire.name,
            expires_at_ms: wire.expires_at_ms,
            secret: Zeroizing::new(secret),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invitation() -> Invitation {
        Invitation {
            server: "https://plane.example.com:7443".to_owned(),
            anchor: Digest::of(b"anchor"),
            trust_root: Digest::of(b"root"),
            workspace: "acme".to_owned(),
            name: "press-7".to_owned(),
            expires_at_ms: 1_790_000_000_000,
            secret: Zeroizing::new([7; 32]),
        }
    }

    #[test]
    fn an_invitation_is_read_as_it_was_written() {
        let text = invitation().to_text();
        assert!(text.len() < 700, "{}", text.len());
        assert_eq!(text.parse::<Invitation>().expect("whole"), invitation());
        assert_eq!(
            format!(" {}\n", text.as_str())
                .parse::<Invitation>()
                .expect("trimmed"),
            invitation()
        );
    }

    #[test]
    fn every_cut_or_changed_line_is_refused_and_never_repeated() {
        let text = invitation().to_text();
        for end in 0..text.len() {
            let error = text[..end].parse::<Invitation>().expect_err("cut");
            assert!(
                !error.to_string().contains(&text[INVITATION_PREFIX.len()..][..8]),
                "{error}"
            );
        }
        for at in 0..text.len() {
            let mut changed = text.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert!(changed.parse::<Invitation>().is_err(), "byte {at}");
        }
        assert_eq!(
            "flowforge".parse::<Invitation>().expect_err("other"),
            InvitationError::Form
        );
    }

    #[test]
    fn the_secret_is_not_printed() {
        let shown = format!("{:?}", invitation());
        assert!(!shown.contains("7, 7") && !shown.contains("secret"), "{shown}");
    }
}
