//! The page to try the API, in development: `GET /graphql` and its two files.
//!
//! A control plane often stands where there is no internet, so the page is complete by itself: a form for queries. When
//! the browser can load GraphiQL's pinned files, GraphiQL takes the form's place; when not, the page says so and stays.
//! The policy in the header allows scripts from here and from that one source, and requests to here only.

use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{Doors, refusal};

const POLICY: &str = "default-src 'none'; script-src 'self' https://unpkg.com; \
    style-src 'self' 'unsafe-inline' https://unpkg.com; font-src data:; img-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /graphql`
pub(super) async fn index(State(doors): State<Doors>) -> Response {
    file(
        &doors,
        "text/html; charset=utf-8",
        include_str!("page/index.html"),
    )
}

/// `GET /graphql/page.css`
pub(super) async fn style(State(doors): State<Doors>) -> Response {
    file(&doors, "text/css; charset=utf-8", include_str!("page/page.css"))
}

/// `GET /graphql/page.js`
pub(super) async fn script(State(doors): State<Doors>) -> Response {
    file(
        &doors,
        "text/javascript; charset=utf-8",
        include_str!("page/page.js"),
    )
}

/// `GET /graphql/schema`: the schema as text.
pub(super) async fn schema(State(doors): State<Doors>) -> String {
    doors.api.sdl()
}

fn file(doors: &Doors, kind: &'static str, text: &'static str) -> Response {
    if !doors.app.dev {
        return refusal(
            StatusCode::METHOD_NOT_ALLOWED,
            "FF-HTTP-006",
            "send a POST; the page to try it is for development",
        );
    }
    let headers: [(HeaderName, &str); 5] = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}
