//! The schemes by which senders prove who they are, and the one question that is asked of a request.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{HUB_SIGNATURE_HEADER, SIGNATURE_HEADER, WebhookError, others, standard, verify};

/// How the requests of a webhook prove who sent them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// `x-flowforge-signature`: HMAC over time and body.
    Flowforge,
    /// `x-hub-signature-256`: HMAC over the body. It has no time: a caught request can be sent again until it is forgotten.
    Github,
    /// `stripe-signature`: HMAC over time and body.
    Stripe,
    /// `x-slack-signature`: HMAC over version, time and body.
    Slack,
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`: HMAC over all three of name, time and body.
    StandardWebhooks,
    /// A shared word in a header: who sees one request can send others.
    Token,
    /// Nothing: everybody who knows the path may send.
    None,
}

/// What a request showed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proof {
    /// The signature, if there is one: the same one is the same delivery.
    pub signature: Option<String>,
    /// The name that the sender gave the delivery, if the signature covers it.
    pub signed_name: Option<String>,
}

impl Scheme {
    /// Every scheme, in the order in which people are told of them.
    pub const ALL: [Self; 7] = [
        Self::Flowforge,
        Self::Github,
        Self::Stripe,
        Self::Slack,
        Self::StandardWebhooks,
        Self::Token,
        Self::None,
    ];

    /// Its name in a workflow file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Flowforge => "flowforge",
            Self::Github => "github",
            Self::Stripe => "stripe",
            Self::Slack => "slack",
            Self::StandardWebhooks => "standard-webhooks",
            Self::Token => "token",
            Self::None => "none",
        }
    }

    /// Checks a request. `header` gives the value of a header by its name in small letters, `token_header` is where a token
    /// stands; without it, in `authorization: Bearer …`.
    ///
    /// # Errors
    /// [`WebhookError`]; the request must not have any effect.
    pub fn check<'h>(
        self,
        key: &[u8],
        now_seconds: u64,
        header: impl Fn(&str) -> Option<&'h str>,
        token_header: Option<&str>,
        body: &[u8],
    ) -> Result<Proof, WebhookError> {
        let asked = |name: &'static str, form| header(name).ok_or(WebhookError::Missing(name, form));
        let signed = |signature: String| Proof {
            signature: Some(signature),
            signed_name: None,
        };
        match self {
            Self::Flowforge => {
                let form = "t=SECONDS,v1=HEX, the HMAC-SHA256 of the time, a full stop and the body";
                let given = asked(SIGNATURE_HEADER, form)?;
                verify(key, now_seconds, given, body)?;
                // Digits that are written otherwise are the same signature.
                Ok(signed(given.to_ascii_lowercase()))
            }
            Self::Github => {
                let given = asked(HUB_SIGNATURE_HEADER, "sha256=HEX, the HMAC-SHA256 of the body")?;
                others::verify_hub(key, given, body)?;
                Ok(signed(given.to_ascii_lowercase()))
            }
            Self::Stripe => {
                let form = "t=SECONDS,v1=HEX, the HMAC-SHA256 of the time, a full stop and the body";
                let given = asked(others::STRIPE_HEADER, form)?;
                others::verify_stripe(key, now_seconds, given, body).map(signed)
            }
            Self::Slack => {
                let time = asked(others::SLACK_TIME_HEADER, "seconds since 1970")?;
                let given = asked(
                    others::SLACK_HEADER,
                    "v0=HEX, the HMAC-SHA256 of v0, the time and the body, with colons between them",
                )?;
                others::verify_slack(key, now_seconds, time, given, body)?;
                Ok(signed(format!("{time}:{}", given.to_ascii_lowercase())))
            }
            Self::StandardWebhooks => {
                let id = asked(standard::ID_HEADER, "the name of the message")?;
                let time = asked(standard::TIME_HEADER, "seconds since 1970")?;
                let form = "v1,BASE64, the HMAC-SHA256 of name, time and body with full stops between them";
                let given = asked(standard::SIGNATURE_HEADER, form)?;
                standard::verify(key, now_seconds, [id, time, given], body)?;
                Ok(Proof {
                    signature: None,
                    signed_name: Some(id.to_owned()),
                })
            }
            Self::Token => {
                let given = match token_header {
                    Some(name) => header(name),
                    None => header("authorization").and_then(others::bearer),
                };
                others::verify_token(key, given.ok_or(WebhookError::NoToken)?)?;
                Ok(Proof::default())
            }
            Self::None => Ok(Proof::default()),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scheme {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut known = Self::ALL.into_iter();
        known.find(|scheme| scheme.as_str() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_is_read_as_it_is_written() {
        for scheme in Scheme::ALL {
            assert_eq!(scheme.as_str().parse(), Ok(scheme));
            assert_eq!(serde_json::to_value(scheme).unwrap(), scheme.as_str());
        }
        assert_eq!("GitHub".parse::<Scheme>(), Err(()));
    }

    /// What one scheme asks for is named when it is not there, and nothing of another scheme stands in for it.
    #[test]
    fn a_request_of_another_scheme_is_refused_by_the_name_of_what_is_missing() {
        let key = b"0123456789abcdef";
        let hub = "sha256=00";
        let check = |scheme: Scheme| {
            let header = |name: &str| (name == HUB_SIGNATURE_HEADER).then_some(hub);
            scheme.check(key, 1, header, None, b"{}")
        };
        for (scheme, wanted) in [
            (Scheme::Flowforge, SIGNATURE_HEADER),
            (Scheme::Stripe, others::STRIPE_HEADER),
            (Scheme::Slack, others::SLACK_TIME_HEADER),
            (Scheme::StandardWebhooks, standard::ID_HEADER),
        ] {
            let refused = check(scheme);
            assert!(
                matches!(refused, Err(WebhookError::Missing(name, _)) if name == wanted),
                "{scheme}: {refused:?}"
            );
        }
        assert_eq!(check(Scheme::Github), Err(WebhookError::Mismatch));
        assert_eq!(check(Scheme::Token), Err(WebhookError::NoToken));
        assert_eq!(check(Scheme::None), Ok(Proof::default()));
    }
}
