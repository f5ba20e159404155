//! Signing in, as the protocol's clients do it: a challenge, a token, and the door in front of everything else.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flowforge_protocol::ConnectorName;
use serde_json::json;

use super::header_value;
use crate::access::{Accounts, Action, Barred, Scope, TOKEN_LIFE_MS, parse_scope};
use crate::refusal::{Code, Refusal};
use crate::registry::Registry;

/// `GET /v2/token?service=…&scope=repository:PUBLISHER/NAME:pull,push`: a token for half an hour. A registry without
/// accounts gives one too, because some clients ask for it whatever they were told.
pub(super) async fn issue(
    State(registry): State<Registry>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Response> {
    let query = request.uri().query().unwrap_or_default();
    let wanted = scopes_of(query);
    let token = match registry.accounts() {
        None => "open".to_owned(),
        Some(accounts) => accounts
            .issue(authorization(&headers), wanted, registry.now_ms())
            .map_err(|_| wrong_credentials())?,
    };
    let body = json!({"token": token, "access_token": token, "expires_in": TOKEN_LIFE_MS / 1_000});
    let no_store = [(header::CACHE_CONTROL, header_value("no-store"))];
    Ok((no_store, axum::Json(body)).into_response())
}

/// The scopes of a query, each of which may name several, separated by spaces.
fn scopes_of(query: &str) -> Vec<Scope> {
    let pairs = query.split('&').filter_map(|pair| pair.strip_prefix("scope="));
    let decoded = pairs.map(|scope| {
        let spaced = scope.replace('+', " ");
        percent_decoded(&spaced)
    });
    let texts: Vec<String> = decoded.collect();
    texts
        .iter()
        .flat_map(|text| text.split(' '))
        .filter_map(parse_scope)
        .collect()
}

/// The text without `%XX`; what is no escape stays as it is.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let escape = behind
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|hex| hex::decode(hex).ok());
        match escape {
            Some(decoded) => {
                bytes.extend(decoded);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn wrong_credentials() -> Response {
    Refusal::new(
        Code::Unauthorized,
        "name or password is wrong, or nobody may come in without",
    )
    .into_response()
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()
}

/// The door: lets a request on if its token allows it, otherwise says where to get one.
pub(super) async fn door(State(registry): State<Registry>, request: Request, next: Next) -> Response {
    let Some(accounts) = registry.accounts() else {
        return next.run(request).await;
    };
    let place = Place::of(request.method(), request.uri().path());
    match admitted(accounts, &place, request.headers(), registry.now_ms()) {
        Ok(()) => next.run(request).await,
        Err(barred) => refused(barred, &place, request.headers()),
    }
}

/// What a request is about, as far as the door cares.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// Open to everybody: how to find and enter the registry.
    Open,
    /// For whoever has any token: lists over all repositories.
    Inside,
    /// One repository.
    Repository(ConnectorName, Action),
}

impl Place {
    fn of(method: &Method, path: &str) -> Self {
        if path == "/v2/token" || path.starts_with("/.well-known/") {
            return Self::Open;
        }
        let mut segments = path.split('/').skip(1);
        let name = match (segments.next(), segments.next(), segments.next()) {
            (Some("v2"), Some(publisher), Some(name)) => format!("{publisher}:{name}").parse().ok(),
            _ => None,
        };
        let reads = matches!(*method, Method::GET | Method::HEAD);
        // How far an upload is, is its pusher's business.
        let action = if reads && !path.contains("/blobs/uploads/") {
            Action::Pull
        } else {
            Action::Push
        };
        name.map_or(Self::Inside, |name| Self::Repository(name, action))
    }
}

fn admitted(accounts: &Accounts, place: &Place, headers: &HeaderMap, now_ms: u64) -> Result<(), Barred> {
    match place {
        Place::Open => Ok(()),
        Place::Inside => accounts.present(authorization(headers), now_ms).map(drop),
        Place::Repository(name, action) => {
            let ticket = accounts.present(authorization(headers), now_ms)?;
            accounts.admit(&ticket, name, *action)
        }
    }
}

/// Whether whoever asks may pull from another repository. A registry without accounts lets everybody.
pub(super) fn may_pull(registry: &Registry, headers: &HeaderMap, name: &ConnectorName) -> bool {
    let Some(accounts) = registry.accounts() else {
        return true;
    };
    let place = Place::Repository(name.clone(), Action::Pull);
    admitted(accounts, &place, headers, registry.now_ms()).is_ok()
}

fn refused(barred: Barred, place: &Place, headers: &HeaderMap) -> Response {
    let (code, message) = match barred {
        Barred::Unknown => (
            Code::Unauthorized,
            "sign in: ask for a token where the header says",
        ),
        Barred::OtherScope => (
            Code::Unauthorized,
            "the token is for something else; ask for another",
        ),
        Barred::Forbidden => (
            Code::Denied,
            "this account may not push under this publisher's name",
        ),
    };
    let mut response = Refusal::new(code, message).into_response();
    if code == Code::Unauthorized {
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or("localhost");
        // Behind a proxy that ends TLS, it says so.
        let scheme = match headers
            .get("x-forwarded-proto")
            .map(axum::http::HeaderValue::as_bytes)
        {
            Some(b"https") => "https",
            _ => "http",
        };
        let scope = match place {
            Place::Repository(name, action) => {
                let actions = if *action == Action::Push {
                    "pull,push"
                } else {
                    "pull"
                };
                format!(
                    ",scope=\"repository:{}/{}:{actions}\"",
                    name.publisher(),
                    name.name()
                )
            }
            Place::Open | Place::Inside => String::new(),
        };
        let error = if barred == Barred::OtherScope {
            ",error=\"insufficient_scope\""
        } else {
            ""
        };
        let challenge =
            format!("Bearer realm=\"{scheme}://{host}/v2/token\",service=\"flowforge\"{scope}{error}");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, header_value(challenge));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_from_a_query_however_they_are_escaped() {
        let text = "service=flowforge&scope=repository%3Aacme%2Fgeo%3Apull%2Cpush&scope=repository:zeta/a:pull+repository:zeta/b:pull";
        let found = scopes_of(text);
        let names: Vec<_> = found.iter().map(|scope| scope.name.to_string()).collect();
        assert_eq!(names, ["acme:geo", "zeta:a", "zeta:b"]);
        assert_eq!(found[0].actions, [Action::Pull, Action::Push]);
        assert_eq!(percent_decoded("%zz%"), "%zz%");
    }

    #[test]
    fn a_path_is_about_a_repository_or_about_none() {
        let of = |method: Method, path: &str| Place::of(&method, path);
        let repository = |action| Place::Repository("acme:geo".parse().unwrap(), action);
        assert_eq!(
            of(Method::GET, "/v2/acme/geo/tags/list"),
            repository(Action::Pull)
        );
        assert_eq!(of(Method::HEAD, "/v2/acme/geo/blobs/x"), repository(Action::Pull));
        assert_eq!(
            of(Method::GET, "/v2/acme/geo/blobs/uploads/x"),
            repository(Action::Push)
        );
        assert_eq!(
            of(Method::PUT, "/v2/acme/geo/manifests/1.0.0"),
            repository(Action::Push)
        );
        assert_eq!(
            of(Method::DELETE, "/v2/acme/geo/blobs/x"),
            repository(Action::Push)
        );
        assert_eq!(of(Method::GET, "/v2/token"), Place::Open);
        for path in ["/v2/", "/v2", "/v2/_catalog", "/connectors/judgement"] {
            assert_eq!(of(Method::GET, path), Place::Inside, "{path}");
        }
    }
}
