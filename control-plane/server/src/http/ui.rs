//! The interface for people: the files that were embedded when this program was built, and the paths that it has.
//!
//! A file with a digest in its name never changes and is kept by browsers for a year; `index.html` names those files
//! and is asked for each time. A path that is no file is one of the interface's own and gets `index.html`, if a page is
//! asked for. The policy allows scripts from here only. Styles may stand in the page, because Angular and the flow
//! library put those of their components there; the flow library computes the ways of connections in a worker that it
//! starts from its own text.

use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::refusal;

const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src blob:; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'self'; form-action 'none'; \
    frame-ancestors 'none'";
/// The page that the other files belong to.
const INDEX: &str = "index.html";
/// Files whose name has this ending are kept compressed, under their name with it.
const COMPRESSED: &str = ".gz";

/// One embedded file.
pub(super) struct File {
    /// Its path below the root, `chunk-AB12.js.gz`.
    name: &'static str,
    bytes: &'static [u8],
}

/// The embedded files, in the order of their names; none if the interface was not built before this program.
static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/ui.rs"));

/// What answers every path that is no other door's.
pub(super) async fn answer(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    find(FILES, &method, uri.path(), &headers)
}

/// Whether this program has its interface in it.
pub(crate) fn is_embedded() -> bool {
    file(FILES, INDEX).is_some()
}

fn find(files: &'static [File], method: &Method, path: &str, headers: &HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return refusal(
            StatusCode::NOT_FOUND,
            "FF-HTTP-008",
            "there is nothing to change here",
        );
    }
    let name = path.trim_start_matches('/');
    let accepts = |name, wanted| {
        let text = headers.get(name).and_then(|value| value.to_str().ok());
        text.is_some_and(|kinds: &str| kinds.contains(wanted))
    };
    let found = match file(files, name) {
        Some(found) if name != INDEX => Some((name, found)),
        _ if name.is_empty() || name == INDEX || accepts(header::ACCEPT, "text/html") => {
            file(files, INDEX).map(|found| (INDEX, found))
        }
        _ => None,
    };
    match found {
        Some((_, found)) if found.is_compressed() && !accepts(header::ACCEPT_ENCODING, "gzip") => {
            let message = "the interface is kept compressed; ask with accept-encoding: gzip";
            refusal(StatusCode::NOT_ACCEPTABLE, "FF-HTTP-009", message)
        }
        Some((name, found)) => found.response(name),
        None if name.is_empty() || accepts(header::ACCEPT, "text/html") => absent(),
        None => refusal(
            StatusCode::NOT_FOUND,
            "FF-HTTP-008",
            format!("there is nothing at `{path}`"),
        ),
    }
}

/// The file of this name, compressed or not.
fn file(files: &'static [File], name: &str) -> Option<&'static File> {
    files
        .iter()
        .find(|file| file.name.strip_suffix(COMPRESSED).unwrap_or(file.name) == name)
}

/// What stands in the place of the interface in a program without one.
fn absent() -> Response {
    concat!(
        "FlowForge ",
        env!("CARGO_PKG_VERSION"),
        "\nThis program was built without the browser interface; `cargo xtask build` builds both.\n",
        "API     /graphql\nschema  /graphql/schema\n"
    )
    .into_response()
}

impl File {
    fn is_compressed(&self) -> bool {
        self.name.ends_with(COMPRESSED)
    }

    fn response(&self, name: &str) -> Response {
        let lasting = if name.contains('-') && !name.ends_with(".html") {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        };
        let headers: [(HeaderName, &str); 6] = [
            (header::CONTENT_TYPE, kind(name)),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::CACHE_CONTROL, lasting),
            (header::VARY, "accept-encoding"),
        ];
        let mut response = (headers, self.bytes).into_response();
        if self.is_compressed() {
            let gzip = header::HeaderValue::from_static("gzip");
            response.headers_mut().insert(header::CONTENT_ENCODING, gzip);
        }
        response
    }
}

/// The media type by the ending of the name.
fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static BUILT: &[File] = &[
        File {
            name: "favicon.svg",
            bytes: b"<svg/>",
        },
        File {
            name: "index.html.gz",
            bytes: b"page",
        },
        File {
            name: "main-AB12.js.gz",
            bytes: b"script",
        },
    ];

    fn get(files: &'static [File], path: &str, accept: &str) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        headers.insert(header::ACCEPT_ENCODING, "gzip, br".parse().unwrap());
        find(files, &Method::GET, path, &headers)
    }

    #[test]
    fn a_file_is_served_compressed_and_kept_while_its_name_has_its_digest() {
        let script = get(BUILT, "/main-AB12.js", "*/*");
        assert_eq!(script.status(), StatusCode::OK);
        assert_eq!(script.headers()[header::CONTENT_ENCODING], "gzip");
        assert!(
            script.headers()[header::CACHE_CONTROL]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        let icon = get(BUILT, "/favicon.svg", "image/*");
        assert_eq!(icon.headers()[header::CACHE_CONTROL], "no-cache");
        assert!(!icon.headers().contains_key(header::CONTENT_ENCODING));
        assert!(icon.headers().contains_key(header::CONTENT_SECURITY_POLICY));
    }

    #[test]
    fn a_page_of_the_interface_is_its_index_and_anything_else_is_not_found() {
        for path in ["/", "/runs/abc", "/index.html"] {
            let page = get(BUILT, path, "text/html,*/*");
            assert_eq!(page.status(), StatusCode::OK, "{path}");
            assert_eq!(page.headers()[header::CACHE_CONTROL], "no-cache");
        }
        assert_eq!(get(BUILT, "/old-CD34.js", "*/*").status(), StatusCode::NOT_FOUND);
        let plain = find(BUILT, &Method::GET, "/main-AB12.js", &HeaderMap::new());
        assert_eq!(plain.status(), StatusCode::NOT_ACCEPTABLE);
        let post = find(BUILT, &Method::POST, "/", &HeaderMap::new());
        assert_eq!(post.status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn a_program_without_the_interface_says_so() {
        let page = get(&[], "/runs", "text/html");
        assert_eq!(page.status(), StatusCode::OK);
        assert!(!page.headers().contains_key(header::CONTENT_SECURITY_POLICY));
        assert_eq!(get(&[], "/main-AB12.js", "*/*").status(), StatusCode::NOT_FOUND);
    }
}
