//! The registry's door for those whom the plane knows: who they are is said to the registry, and what they push is written
//! into the audit.
//!
//! On the plane's own listener whoever is its owner runs the registry too. A host pulls. Whoever shows the password of a
//! registry account, or a token of the registry, is known to the registry itself.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use flowforge_core::{Account, Action, Actor, AuditEntry, Object, ObjectKind};
use flowforge_registry::{Door, Visitor};

use super::callers;
use crate::app::App;

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

async fn name_caller(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    // What the plane does not know may be known to the registry.
    let visitor = match callers::of(&app, request.headers()).map(|caller| caller.actor) {
        Ok(Actor::Owner | Actor::Plane) => Some(Visitor::Operator),
        Ok(Actor::Host(_)) => Some(Visitor::Host),
        Ok(Actor::Account(account)) => Some(Visitor::Account(account.name.to_string())),
        Ok(Actor::Nobody) | Err(_) => None,
    };
    if let Some(visitor) = visitor {
        request.extensions_mut().insert(visitor);
    }
    next.run(request).await
}

/// Writes down who pushed a manifest: a component, a signature, or something else about one.
async fn write_down(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let pushed = (request.method() == Method::PUT)
        .then(|| pushed(request.uri().path()))
        .flatten();
    let response = next.run(request).await;
    let Some((connector, reference)) = pushed.filter(|_| response.status() == StatusCode::CREATED) else {
        return response;
    };
    let actor = match response.extensions().get::<Visitor>() {
        Some(Visitor::Operator) => Actor::Owner,
        Some(Visitor::Account(name)) => Actor::Account(Account {
            name: name.as_str().into(),
            shown_by: "registry".into(),
            roles: Arc::default(),
            passes_on: None,
        }),
        _ => Actor::Nobody,
    };
    let caller = app.caller(actor, None);
    let object = Object::new(ObjectKind::Connector, connector);
    let entry = AuditEntry::done(&caller, Action::PublishConnector, object, app.clock.now_ms());
    if let Err(error) = app.store.note(&app.scope, entry.with(reference)).await {
        tracing::error!(%error, "a push into the registry could not be written down");
    }
    response
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
