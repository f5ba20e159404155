//! Sign-in by an identity provider: OpenID Connect, authorization code with PKCE.
//!
//! Owns what is asked for and what is believed of the answers. Leaves the calls to others: they get addresses and bodies from
//! here, and bring back documents. Invariant: nobody is signed in but by a token that the configured provider signed for this
//! client, for this very attempt, and not long ago.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::jwt::KeySet;
use crate::provider::{ATTEMPT_LIFE_MS, OidcError, Provider};

/// How far the provider's clock may be from ours, seconds.
const CLOCK_TOLERANCE_S: u64 = 120;
/// Most groups of a person that are looked at.
const MAX_GROUPS: usize = 500;
/// Longest name that is taken over from a provider, in characters.
const MAX_NAME_CHARS: usize = 256;

/// This control plane, as the provider knows it.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its id there.
    pub id: String,
    /// Where the provider sends people back to.
    pub redirect_uri: String,
    /// The claim that lists a person's groups, `groups` with most providers.
    pub groups_claim: String,
}

/// One attempt to sign in. It is kept for the browser that began it and is good once.
#[derive(Clone)]
pub struct Attempt {
    state: Zeroizing<String>,
    nonce: Zeroizing<String>,
    verifier: Zeroizing<String>,
    begun_at_ms: u64,
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempt")
            .field("begun_at_ms", &self.begun_at_ms)
            .finish_non_exhaustive()
    }
}

/// A person, as the provider says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// What the provider knows them by; with the issuer it names one person for good. Names and addresses may change hands.
    pub subject: String,
    /// Who says so.
    pub issuer: String,
    /// Their address, if the provider has checked that it is theirs.
    pub email: Option<String>,
    /// Their name, for people.
    pub name: Option<String>,
    /// Their groups.
    pub groups: BTreeSet<String>,
}

impl Attempt {
    /// Of three times 32 fresh random bytes.
    #[must_use]
    pub fn begin(entropy: &Zeroizing<[u8; 96]>, now_ms: u64) -> Self {
        let part = |from: usize| {
            let bytes = entropy.get(from..from + 32).unwrap_or_default();
            Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes))
        };
        Self {
            state: part(0),
            nonce: part(32),
            verifier: part(64),
            begun_at_ms: now_ms,
        }
    }

    /// Where the browser is sent.
    #[must_use]
    pub fn address(&self, provider: &Provider, client: &Client) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.as_bytes()));
        let query = form(&[
            ("response_type", "code"),
            ("client_id", &client.id),
            ("redirect_uri", &client.redirect_uri),
            ("scope", "openid profile email"),
            ("state", &self.state),
            ("nonce", &self.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let joint = if provider.authorization_endpoint.contains('?') {
            '&'
        } else {
            '?'
        };
        format!("{}{joint}{query}", provider.authorization_endpoint)
    }

    /// The body of the call that changes the code for tokens, `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    /// [`OidcError::State`], [`OidcError::TooLate`]: the code is not to be used.
    pub fn exchange(
        &self,
        client: &Client,
        state: &str,
        code: &str,
        now_ms: u64,
    ) -> Result<Zeroizing<String>, OidcError> {
        if !bool::from(self.state.as_bytes().ct_eq(state.as_bytes())) {
            return Err(OidcError::State);
        }
        if now_ms >= self.begun_at_ms.saturating_add(ATTEMPT_LIFE_MS) {
            return Err(OidcError::TooLate);
        }
        Ok(Zeroizing::new(form(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &client.redirect_uri),
            ("client_id", &client.id),
            ("code_verifier", &self.verifier),
        ])))
    }

    /// Who signed in, by the `id_token` of the answer.
    ///
    /// # Errors
    /// [`OidcError::Token`], [`OidcError::Claims`].
    pub fn person(
        &self,
        provider: &Provider,
        client: &Client,
        keys: &KeySet,
        id_token: &str,
        now_ms: u64,
    ) -> Result<Person, OidcError> {
        let claims = keys.verify(id_token)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let wrong = |what| Err(OidcError::Claims(what));
        if text("iss") != Some(provider.issuer.as_str()) {
            return wrong("another provider made it");
        }
        let audience: Vec<&str> = match claims.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let is_for_us = audience.contains(&client.id.as_str());
        let is_by_us = match text("azp") {
            Some(party) => party == client.id,
            None => audience.len() == 1,
        };
        if !is_for_us || !is_by_us {
            return wrong("it is for another client");
        }
        let nonce = text("nonce").unwrap_or_default();
        if !bool::from(self.nonce.as_bytes().ct_eq(nonce.as_bytes())) {
            return wrong("it is of another attempt");
        }
        let now_s = now_ms / 1_000;
        let moment = |name: &str| claims.get(name).and_then(Value::as_u64);
        if moment("exp").is_none_or(|end| now_s >= end.saturating_add(CLOCK_TOLERANCE_S)) {
            return wrong("its time is over");
        }
        if moment("iat").is_none_or(|made| made > now_s.saturating_add(CLOCK_TOLERANCE_S)) {
            return wrong("it is of a time to come; the clocks differ");
        }
        let subject = text("sub").filter(|subject| !subject.is_empty() && subject.len() <= 255);
        let Some(subject) = subject else {
            return wrong("it names nobody");
        };
        let is_checked = claims.get("email_verified").and_then(Value::as_bool) == Some(true);
        let shown = |name: &str| {
            text(name).map(|text| {
                text.chars()
                    .filter(|c| !c.is_control())
                    .take(MAX_NAME_CHARS)
                    .collect()
            })
        };
        let groups = claims.get(&client.groups_claim).and_then(Value::as_array);
        Ok(Person {
            subject: subject.to_owned(),
            issuer: provider.issuer.clone(),
            email: shown("email").filter(|_| is_checked),
            name: shown("name"),
            groups: groups
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .take(MAX_GROUPS)
                .map(str::to_owned)
                .collect(),
        })
    }
}

/// Names and values as a form carries them.
fn form(pairs: &[(&str, &str)]) -> String {
    let escaped = |text: &str| -> String {
        text.bytes()
            .map(|b| match b {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    char::from(b).to_string()
                }
                other => format!("%{other:02X}"),
            })
            .collect()
    };
    let parts: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", escaped(value)))
        .collect();
    parts.join("&")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jwt::tests::Signer;
    use crate::provider::tests::provider;

    const NOW_MS: u64 = 1_790_000_000_000;

    fn client() -> Client {
        Client {
            id: "flowforge".into(),
            redirect_uri: "https://plane.example.com/sign-in/back".into(),
            groups_claim: "groups".into(),
        }
    }

    fn attempt() -> Attempt {
        let mut entropy = Zeroizing::new([0; 96]);
        for (place, byte) in (0_u8..).zip(entropy.iter_mut()) {
            *byte = place;
        }
        Attempt::begin(&entropy, NOW_MS)
    }

    fn claims() -> Value {
        json!({
            "iss": "https://id.example.com", "aud": "flowforge", "sub": "a1", "nonce": attempt().nonce.as_str(),
            "iat": NOW_MS / 1_000, "exp": NOW_MS / 1_000 + 300, "email": "ann@example.com", "email_verified": true,
            "name": "Ann", "groups": ["press", "ops"]
        })
    }

    type Change = fn(&mut Value);

    fn signed_in(change: impl FnOnce(&mut Value)) -> Result<Person, OidcError> {
        let signer = Signer::new();
        let mut claims = claims();
        change(&mut claims);
        let token = signer.sign(&json!({"alg": "ES256", "kid": "one"}), &claims);
        let keys = KeySet::read(&signer.jwks()).expect("keys");
        attempt().person(&provider(), &client(), &keys, &token, NOW_MS + 1_000)
    }

    /// RFC 7636, appendix B.
    #[test]
    fn the_challenge_is_that_of_the_standard() {
        let attempt = Attempt {
            verifier: Zeroizing::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into()),
            ..attempt()
        };
        let address = attempt.address(&provider(), &client());
        assert!(
            address.contains(
                "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
            ),
            "{address}"
        );
        assert!(
            address.starts_with("https://id.example.com/auth?response_type=code&client_id=flowforge&"),
            "{address}"
        );
        assert!(
            address.contains("redirect_uri=https%3A%2F%2Fplane.example.com%2Fsign-in%2Fback"),
            "{address}"
        );
        assert!(
            !address.contains(attempt.verifier.as_str()),
            "the verifier stays here"
        );
    }

    #[test]
    fn an_answer_belongs_to_its_attempt_and_comes_in_time() {
        let attempt = attempt();
        let body = attempt
            .exchange(&client(), &attempt.state, "c/1", NOW_MS + 5_000)
            .expect("good");
        assert!(
            body.contains("code=c%2F1")
                && body.contains(&format!("code_verifier={}", attempt.verifier.as_str()))
        );
        assert_eq!(
            attempt.exchange(&client(), "another", "c", NOW_MS),
            Err(OidcError::State)
        );
        let late = attempt.exchange(&client(), &attempt.state, "c", NOW_MS + ATTEMPT_LIFE_MS);
        assert_eq!(late, Err(OidcError::TooLate));
        assert!(!format!("{attempt:?}").contains(attempt.state.as_str()));
    }

    #[test]
    fn who_signed_in_is_read_and_an_address_that_nobody_checked_is_not() {
        let person = signed_in(|_| {}).expect("signed in");
        assert_eq!(
            (person.subject.as_str(), person.email.as_deref()),
            ("a1", Some("ann@example.com"))
        );
        assert_eq!(
            person.groups,
            BTreeSet::from(["ops".to_owned(), "press".to_owned()])
        );
        for unchecked in [json!(false), json!("true"), Value::Null] {
            let person = signed_in(|claims| claims["email_verified"] = unchecked).expect("signed in");
            assert_eq!(person.email, None);
        }
        let ours = |claims: &mut Value| {
            claims["aud"] = json!(["flowforge", "other"]);
            claims["azp"] = json!("flowforge");
        };
        assert!(signed_in(ours).is_ok());
    }

    #[test]
    fn a_token_for_something_else_signs_nobody_in() {
        let cases: [(Change, &str); 9] = [
            (
                |claims| claims["iss"] = json!("https://evil.example.com"),
                "another provider",
            ),
            (|claims| claims["aud"] = json!("other"), "another client"),
            (
                |claims| claims["aud"] = json!(["flowforge", "other"]),
                "another client",
            ),
            (|claims| claims["azp"] = json!("other"), "another client"),
            (|claims| claims["nonce"] = json!("x"), "another attempt"),
            (|claims| claims["nonce"] = Value::Null, "another attempt"),
            (
                |claims| claims["exp"] = json!(NOW_MS / 1_000 - 120),
                "its time is over",
            ),
            (
                |claims| claims["iat"] = json!(NOW_MS / 1_000 + 200),
                "a time to come",
            ),
            (|claims| claims["sub"] = json!(""), "names nobody"),
        ];
        for (change, words) in cases {
            let error = signed_in(change).expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
