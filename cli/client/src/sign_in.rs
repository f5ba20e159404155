//! Signing in with a name and a password, or with a one-time link: what is shown from then on comes back.

use reqwest::header;
use serde_json::{Value, json};

use crate::api::{Api, ApiError};

/// What the text of a session's secret begins with, in the cookie that brings it.
const SESSION: &str = "ff-session-1.";

/// Somebody who has signed in.
pub struct SignedIn {
    /// Name of the account.
    pub name: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// What is shown from now on.
    pub token: String,
}

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The server cannot be reached, or is none.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The server said no.
    #[error("{message} ({code})")]
    Refused {
        /// Stable code.
        code: String,
        /// For people.
        message: String,
    },
}

/// Signs in.
///
/// # Errors
/// See [`SignInError`].
pub async fn sign_in(api: &Api, name: &str, password: &str) -> Result<SignedIn, SignInError> {
    send(api, "/session", &json!({ "name": name, "password": password })).await
}

/// Uses a one-time link: makes the account, or gives it this password, and signs in.
///
/// # Errors
/// See [`SignInError`].
pub async fn join(api: &Api, link: &str, name: &str, password: &str) -> Result<SignedIn, SignInError> {
    let body = json!({ "link": link, "name": name, "password": password });
    send(api, "/session/link", &body).await
}

async fn send(api: &Api, path: &str, body: &Value) -> Result<SignedIn, SignInError> {
    let server = api.context().server.clone();
    let answer = api
        .http()
        .post(format!("{server}{path}"))
        .header(
            header::USER_AGENT,
            concat!("flowforge ", env!("CARGO_PKG_VERSION")),
        )
        .json(body)
        .send()
        .await
        .map_err(|source| ApiError::Unreachable {
            server: server.clone(),
            source,
        })?;
    let token = answer
        .headers()
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(|cookie| token_of(cookie.to_str().ok()?))
        .next();
    let status = answer.status();
    let body: Value = answer.json().await.unwrap_or_default();
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    if let (Some(token), Some(name)) = (token, text("/account/name")) {
        let roles = body.pointer("/account/roles").and_then(Value::as_array);
        let roles = roles.into_iter().flatten().filter_map(Value::as_str);
        return Ok(SignedIn {
            name,
            roles: roles.map(str::to_owned).collect(),
            token,
        });
    }
    match (text("/code"), text("/message")) {
        (Some(code), Some(message)) => Err(SignInError::Refused { code, message }),
        _ => Err(SignInError::Api(ApiError::Unexpected {
            server,
            detail: format!("status {status}"),
        })),
    }
}

/// The secret of the session that a cookie brings, if it brings one.
fn token_of(cookie: &str) -> Option<String> {
    let (_, value) = cookie.split(';').next()?.split_once('=')?;
    value.starts_with(SESSION).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_cookie_of_a_session_brings_one() {
        let cookie = "ff-session=ff-session-1.abc.def; Max-Age=604800; Path=/; HttpOnly; SameSite=Strict";
        assert_eq!(token_of(cookie).as_deref(), Some("ff-session-1.abc.def"));
        assert_eq!(token_of("ff-session=; Max-Age=0; Path=/"), None);
        assert_eq!(token_of("theme=dark"), None);
    }
}
