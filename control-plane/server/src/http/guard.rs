//! Against pages of other sites: the request must name this machine, or the URL by which people of other machines come, and a
//! browser must have got the page from there.
//!
//! A page elsewhere can make a browser send requests to loopback, and a name elsewhere can be made to point at it. The
//! `Host` header shows the second, the `Origin` header the first. What speaks TLS for this server passes both on.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::refusal;
use crate::app::App;

/// Lets requests through whose `Host` is a name of this server and whose `Origin`, if any, is the same place.
pub(super) async fn only_known_names(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match foreign(&app, request.headers()) {
        Some(refused) => refused,
        None => next.run(request).await,
    }
}

fn foreign(app: &App, headers: &HeaderMap) -> Option<Response> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = |host: &str| match app.people.is_public(host) {
        true => Some("https://"),
        false => is_loopback(host).then_some("http://"),
    };
    let named = text(header::HOST).and_then(|host| Some((host, scheme(host)?)));
    let Some((host, scheme)) = named else {
        let message = "the Host header does not name this machine; use http://127.0.0.1:PORT";
        return Some(refusal(StatusCode::MISDIRECTED_REQUEST, "FF-HTTP-001", message));
    };
    let same_origin = match (headers.contains_key(header::ORIGIN), text(header::ORIGIN)) {
        (false, _) => true,
        (true, Some(origin)) => origin.strip_prefix(scheme) == Some(host),
        (true, None) => false,
    };
    let message = "requests from pages of other sites are refused";
    (!same_origin).then(|| refusal(StatusCode::FORBIDDEN, "FF-HTTP-002", message))
}

/// True for `localhost`, `127.0.0.1` and `[::1]`, with or without a port.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(name, _)| name),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for good in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1",
            "127.0.0.1:7400",
            "[::1]",
            "[::1]:7400",
        ] {
            assert!(is_loopback(good), "{good}");
        }
        for wrong in [
            "",
            "example.com",
            "example.com:80",
            "localhost.example.com",
            "10.0.0.1:80",
            "[::2]:1",
            "[::1",
        ] {
            assert!(!is_loopback(wrong), "{wrong}");
        }
    }
}
