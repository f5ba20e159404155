//! Signing in, as the protocol's clients do it: a challenge, a token, and the door in front of everything else.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flowforge_protocol::ConnectorName;
use serde_json::json;

use super::Door;
use super::header_value;
use crate::access::{Action, Barred, Scope, TOKEN_LIFE_MS, Ticket, Visitor, parse_scope};
use crate::refusal::{Code, Refusal};
use crate::registry::Registry;

/// `GET /v2/token?service=…&scope=repository:PUBLISHER/NAME:pull,push`: a token for half an hour. Whoever comes in without
/// credentials gets one too, because some clients ask for it whatever they were told.
pub(super) async fn issue(
    State(registry): State<Registry>,
    Extension(entered): Extension<Entered>,
    request: Request,
) -> Result<Response, Response> {
    let query = request.uri().query().unwrap_or_default();
    let wanted = scopes_of(query);
    let visitor = &entered.0.visitor;
    let people = registry.people();
    let may_enter = *visitor != Visitor::Anonymous || people.anonymous_pull;
    let token = people
        .issue(&registry.inner.token_key, visitor, wanted, registry.now_ms())
        .filter(|_| may_enter && !entered.1)
        .ok_or_else(wrong_credentials)?;
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

/// Who came in, with what they may do; and whether credentials were shown that nobody knows.
#[derive(Debug, Clone)]
pub(super) struct Entered(pub(super) Ticket, bool);

impl Entered {
    /// Who it is.
    pub(super) fn visitor(&self) -> &Visitor {
        &self.0.visitor
    }

    /// Whether they may pull from a repository.
    pub(super) fn may_pull(&self, registry: &Registry, name: &ConnectorName) -> bool {
        let admitted = registry
            .people()
            .admit(&self.0, name, Action::Pull, registry.now_ms());
        admitted.is_ok()
    }
}

/// The door: lets a request on if whoever makes it may, otherwise says where to get a token. Who it was goes with the
/// request to those behind the door, and with the answer to those before it.
pub(super) async fn door(
    State((registry, door)): State<(Registry, Door)>,
    mut request: Request,
    next: Next,
) -> Response {
    let place = Place::of(request.method(), request.uri());
    let entered = enter(&registry, door, &request);
    let visitor = entered.visitor().clone();
    let mut response = match admitted(&registry, &entered, &place) {
        Ok(()) => {
            request.extensions_mut().insert(entered);
            next.run(request).await
        }
        Err(barred) => refused(barred, &place, request.headers()),
    };
    response.extensions_mut().insert(visitor);
    response
}

/// Who comes: whom the program before the door names, or whose credentials these are.
fn enter(registry: &Registry, door: Door, request: &Request) -> Entered {
    if let Some(visitor) = request.extensions().get::<Visitor>() {
        return Entered(Ticket::whole(visitor.clone()), false);
    }
    if door == Door::Open {
        return Entered(Ticket::whole(Visitor::Operator), false);
    }
    let header = authorization(request.headers());
    let shown = registry
        .people()
        .present(&registry.inner.token_key, header, registry.now_ms());
    match shown {
        Ok(ticket) => Entered(ticket, false),
        Err(_) => Entered(Ticket::whole(Visitor::Anonymous), header.is_some()),
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
    fn of(method: &Method, uri: &Uri) -> Self {
        let path = uri.path();
        if path == "/v2/token" || path.starts_with("/.well-known/") {
            return Self::Open;
        }
        if path == "/connectors/judgement" {
            // What a push would hear tells what the versions before it are.
            return named_in(uri).map_or(Self::Inside, |name| Self::Repository(name, Action::Pull));
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

/// The connector that a query names.
fn named_in(uri: &Uri) -> Option<ConnectorName> {
    let mut pairs = uri.query()?.split('&');
    let name = pairs.find_map(|pair| pair.strip_prefix("name="))?;
    percent_decoded(name).parse().ok()
}

fn admitted(registry: &Registry, entered: &Entered, place: &Place) -> Result<(), Barred> {
    let Entered(ticket, is_wrong) = entered;
    match place {
        Place::Open => Ok(()),
        _ if *is_wrong => Err(Barred::Unknown),
        // Clients learn here that they can sign in.
        Place::Inside if ticket.is_fresh_anonymous() => Err(Barred::Unknown),
        Place::Inside => Ok(()),
        Place::Repository(..) if ticket.is_fresh_anonymous() => Err(Barred::Unknown),
        Place::Repository(name, action) => registry.people().admit(ticket, name, *action, registry.now_ms()),
    }
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
        Barred::NoGrant => (
            Code::Denied,
            "it is pulled by those to whom its publisher gave a pull grant; ask the publisher for one",
        ),
        Barred::Hidden => {
            // As it is said of a name that nobody has.
            let name = match place {
                Place::Repository(name, _) => name.to_string(),
                Place::Open | Place::Inside => String::new(),
            };
            return Refusal::new(Code::NameUnknown, format!("there is no connector {name}")).into_response();
        }
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
        let of = |method: Method, path: &'static str| Place::of(&method, &Uri::from_static(path));
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
        assert_eq!(
            of(
                Method::POST,
                "/connectors/judgement?version=1.0.0&name=acme%3Ageo"
            ),
            repository(Action::Pull)
        );
    }
}
