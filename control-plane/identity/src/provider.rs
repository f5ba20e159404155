//! An identity provider: where it is, by its own discovery document.

use serde::Deserialize;

use crate::jwt::JwtError;

/// How long an attempt to sign in may take, milliseconds: ten minutes.
pub const ATTEMPT_LIFE_MS: u64 = 10 * 60 * 1_000;
/// Why a sign-in by a provider fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    /// The discovery document is none, or not of the provider that was configured.
    #[error("the provider's discovery document cannot be used: {0}")]
    Discovery(String),
    /// The answer does not belong to this attempt.
    #[error("this answer belongs to another attempt to sign in; begin again")]
    State,
    /// The attempt was begun too long ago.
    #[error("signing in took longer than {} minutes; begin again", ATTEMPT_LIFE_MS / 60_000)]
    TooLate,
    /// The token is not believed.
    #[error("the provider's token is not believed: {0}")]
    Token(#[from] JwtError),
    /// The token is signed, and for something else.
    #[error("the provider's token is not for this sign-in: {0}")]
    Claims(&'static str),
}

/// An identity provider, as its discovery document says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    pub(crate) issuer: String,
    pub(crate) authorization_endpoint: String,
    /// Where a code is changed for tokens.
    pub token_endpoint: String,
    /// Where its keys are.
    pub jwks_uri: String,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    response_types_supported: Vec<String>,
    #[serde(default)]
    code_challenge_methods_supported: Option<Vec<String>>,
}

/// Whether what is sent there cannot be read on its way.
fn is_private(address: &str) -> bool {
    let here = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"];
    address.starts_with("https://") || here.iter().any(|start| address.starts_with(start))
}

impl Provider {
    /// Of the document at `ISSUER/.well-known/openid-configuration`, for the issuer that was configured.
    ///
    /// # Errors
    /// [`OidcError::Discovery`].
    pub fn read(issuer: &str, document: &[u8]) -> Result<Self, OidcError> {
        let wrong = |reason: String| OidcError::Discovery(reason);
        let found: Discovery = serde_json::from_slice(document).map_err(|error| wrong(error.to_string()))?;
        if found.issuer.trim_end_matches('/') != issuer.trim_end_matches('/') {
            return Err(wrong(format!(
                "it is that of {}",
                found.issuer.chars().take(200).collect::<String>()
            )));
        }
        let addresses = [
            &found.authorization_endpoint,
            &found.token_endpoint,
            &found.jwks_uri,
        ];
        if let Some(open) = addresses.into_iter().find(|address| !is_private(address)) {
            let open: String = open.chars().take(200).collect();
            return Err(wrong(format!("{open} is neither https nor this machine")));
        }
        if !found.response_types_supported.iter().any(|kind| kind == "code") {
            return Err(wrong("it does not give codes".to_owned()));
        }
        let methods = found.code_challenge_methods_supported;
        if methods.is_some_and(|methods| !methods.iter().any(|method| method == "S256")) {
            return Err(wrong("it does not know PKCE with S256".to_owned()));
        }
        Ok(Self {
            issuer: found.issuer,
            authorization_endpoint: found.authorization_endpoint,
            token_endpoint: found.token_endpoint,
            jwks_uri: found.jwks_uri,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;

    type Change = fn(&mut Value);

    fn discovery() -> Value {
        json!({
            "issuer": "https://id.example.com", "authorization_endpoint": "https://id.example.com/auth",
            "token_endpoint": "https://id.example.com/token", "jwks_uri": "https://id.example.com/jwks",
            "response_types_supported": ["code", "id_token"], "code_challenge_methods_supported": ["S256"],
            "something_else": true
        })
    }

    pub(crate) fn provider() -> Provider {
        Provider::read("https://id.example.com/", discovery().to_string().as_bytes()).expect("a provider")
    }

    #[test]
    fn a_provider_is_the_one_that_was_configured_and_speaks_privately() {
        let reject = |change: Change, words: &str| {
            let mut document = discovery();
            change(&mut document);
            let error =
                Provider::read("https://id.example.com", document.to_string().as_bytes()).expect_err(words);
            assert!(error.to_string().contains(words), "{error}");
        };
        reject(
            |document| document["issuer"] = json!("https://evil.example.com"),
            "that of https://evil.example.com",
        );
        reject(
            |document| document["token_endpoint"] = json!("http://id.example.com/token"),
            "neither https",
        );
        reject(
            |document| document["response_types_supported"] = json!(["id_token"]),
            "does not give codes",
        );
        reject(
            |document| document["code_challenge_methods_supported"] = json!(["plain"]),
            "PKCE",
        );
        reject(
            |document| *document = json!({"issuer": "https://id.example.com"}),
            "authorization_endpoint",
        );
    }
}
