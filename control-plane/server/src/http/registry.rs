//! The registry's door for those whom the plane knows: who they are is said to the registry, and what they push is written
//! into the audit.
//!
//! On the plane's own listener whoever is its owner runs the registry too. A host pulls. Whoever shows the password of a
//! registry account, or a token of the registry, is known to the registry itself.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use flowforge_core::{Account, Action, Actor, AuditEntry, Caller, Object, ObjectKind};
use flowforge_registry::{Door, Visitor};

use super::callers::{self, Intent};
use super::refusal;
use crate::api::CODE_DENIED;
use crate::app::App;

/// Where a push that is tried is judged: it changes nothing.
const JUDGEMENT: &str = "/connectors/judgement";

/// The routes of the registry on the plane's own listener.
pub(super) fn for_people(app: &Arc<App>) -> Router {
    let names = middleware::from_fn_with_state(Arc::clone(app), name_caller);
    written_down(app).layer(names)
}

/// The routes of the registry for hosts, who have shown their certificate.
pub(super) fn for_hosts(app: &Arc<App>) -> Router {
    let names = middleware::from_fn(|mut request: Request, next: Next| {
        request.extensions_mut().insert(Visitor::Host);
        next.run(request)
    });
    app.registry.router(Door::Guarded).layer(names)
}

/// The routes of the registry on a listener of its own: whoever comes shows an account of the registry.
pub(crate) fn for_others(app: &Arc<App>) -> Router {
    written_down(app)
}

fn written_down(app: &Arc<App>) -> Router {
    let writes = middleware::from_fn_with_state(Arc::clone(app), write_down);
    app.registry.router(Door::Guarded).layer(writes)
}

/// Says to the registry who calls, and lets through what the caller may do here. Hosts of this machine read without showing
/// who they are; by the URL for people of other machines nobody reads without.
async fn name_caller(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let headers = request.headers().clone();
    let only_reads = matches!(method, Method::GET | Method::HEAD);
    let intent = if only_reads { Intent::Look } else { Intent::Change };
    let called = match callers::of(&app, &headers, intent).await {
        Ok(called) => called,
        // What the plane does not know may be known to the registry, which judges it then.
        Err(_) if headers.contains_key(header::AUTHORIZATION) => return next.run(request).await,
        Err(refused) => {
            let must_show = app.people.sign_in && (!only_reads || callers::is_public(&app, &headers));
            if must_show {
                return asking(*refused);
            }
            request.extensions_mut().insert(Visitor::Host);
            return next.run(request).await;
        }
    };
    // What a host may do here the registry knows: it pulls.
    let is_person = !matches!(called.caller.actor, Actor::Host(_));
    if app.people.sign_in
        && is_person
        && let Some(denied) = denied(&app, &called.caller, only_reads || path == JUDGEMENT).await
    {
        return *denied;
    }
    let visitor = match &called.caller.actor {
        Actor::Owner | Actor::Plane => Some(Visitor::Operator),
        Actor::Host(_) => Some(Visitor::Host),
        // Whoever may run the registry does, whatever publisher it is about.
        Actor::Account(_) if runs_registry(&app, &called.caller) => Some(Visitor::Operator),
        Actor::Account(account) => Some(Visitor::Account(account.name.to_string())),
        Actor::Nobody => None,
    };
    if let Some(visitor) = visitor {
        request.extensions_mut().insert(visitor);
        request.extensions_mut().insert(called.caller);
    }
    next.run(request).await
}

/// Whether somebody with an account may run the registry.
fn runs_registry(app: &App, caller: &Caller) -> bool {
    let asked = app
        .policy
        .check(caller, Action::ManageRegistry, &Object::project());
    asked.is_ok()
}

/// Tells a client of a registry how to show who it is.
fn asking(mut refused: Response) -> Response {
    if refused.status() == StatusCode::UNAUTHORIZED {
        let basic = HeaderValue::from_static("Basic realm=\"flowforge\"");
        refused.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
    }
    refused
}

/// Why somebody whom the plane knows may not do this here, if it is so.
async fn denied(app: &App, caller: &Caller, only_looks: bool) -> Option<Box<Response>> {
    let denied = if only_looks {
        app.reading(caller, Action::Read).await.err()
    } else {
        let object = Object::project();
        app.allow(caller, Action::PublishConnector, object).await.err()
    };
    denied.map(|denied| Box::new(refusal(StatusCode::FORBIDDEN, CODE_DENIED, denied.to_string())))
}

/// Writes down who pushed a manifest: a component, a signature, or something else about one.
async fn write_down(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let pushed = (request.method() == Method::PUT)
        .then(|| pushed(request.uri().path()))
        .flatten();
    let known = request.extensions().get::<Caller>().cloned();
    let response = next.run(request).await;
    let Some((connector, reference)) = pushed.filter(|_| response.status() == StatusCode::CREATED) else {
        return response;
    };
    let caller = known.unwrap_or_else(|| app.caller(known_to_registry(&response), None));
    let object = Object::new(ObjectKind::Connector, connector);
    let entry = AuditEntry::done(&caller, Action::PublishConnector, object, app.clock.now_ms());
    if let Err(error) = app.store.note(&app.scope, entry.with(reference)).await {
        tracing::error!(%error, "a push into the registry could not be written down");
    }
    response
}

/// Who pushed, of those whom only the registry knows.
fn known_to_registry(response: &Response) -> Actor {
    match response.extensions().get::<Visitor>() {
        Some(Visitor::Operator) => Actor::Owner,
        Some(Visitor::Account(name)) => Actor::Account(Account {
            name: name.as_str().into(),
            shown_by: "registry".into(),
            roles: Arc::default(),
            passes_on: None,
        }),
        _ => Actor::Nobody,
    }
}

/// Connector and reference of the path of a manifest.
fn pushed(path: &str) -> Option<(String, String)> {
    let mut parts = path.strip_prefix("/v2/")?.split('/');
    let (publisher, name) = (parts.next()?, parts.next()?);
    if parts.next()? != "manifests" {
        return None;
    }
    let bounded = |text: String| text.chars().take(200).collect::<String>();
    let reference = bounded(parts.next()?.to_owned());
    Some((bounded(format!("{publisher}:{name}")), reference))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pushed_manifest_is_told_from_other_paths() {
        assert_eq!(
            pushed("/v2/acme/geo/manifests/1.0.0"),
            Some(("acme:geo".to_owned(), "1.0.0".to_owned()))
        );
        for other in [
            "/v2/acme/geo/blobs/uploads/1",
            "/v2/",
            "/graphql",
            "/v2/acme/geo/manifests",
        ] {
            assert_eq!(pushed(other), None, "{other}");
        }
    }
}
