//! Lists that come in pages: where the next one is, and when there is none.

use flowforge_sdk::{Failure, Json, json};
use serde_json::Value;

use crate::bindings::{Items, Paging};

/// Pages that are fetched if nothing is said.
const PAGES_DEFAULT: u32 = 20;
/// Most pages of one step.
const PAGES_MAX: u32 = 100;

/// One page as it came.
pub(crate) struct Page {
    pub(crate) body: Json,
    /// The header `link`.
    pub(crate) link: Option<String>,
}

/// Fetches pages until there is no next one, or there are enough.
pub(crate) fn fetch(
    url: &str,
    paging: &Paging,
    list: Option<&str>,
    pages_max: Option<u32>,
    ask: impl Fn(&str) -> Result<Page, Failure>,
) -> Result<Items, Failure> {
    let most = pages_max.unwrap_or(PAGES_DEFAULT);
    if !(1..=PAGES_MAX).contains(&most) {
        return Err(Failure::invalid("pages_max", format!("must be 1 to {PAGES_MAX}")));
    }
    let mut place = match paging {
        Paging::Number(by) => with_parameter(url, &by.parameter, &by.first.to_string()),
        Paging::LinkHeader | Paging::Token(_) => url.to_owned(),
    };
    let mut items = Items {
        items: Vec::new(),
        pages: 0,
        more: false,
    };
    loop {
        let page = ask(&place)?;
        let body: Value = serde_json::from_str(&page.body)
            .map_err(|error| Failure::rejected("not_json", format!("the page is no JSON: {error}")))?;
        let found = match list {
            None => Some(&body),
            Some(path) => at(&body, path),
        };
        let Some(Value::Array(found)) = found else {
            let wanted = list.map_or("the body is no list".to_owned(), |path| {
                format!("there is no list at `{path}`")
            });
            return Err(Failure::rejected(
                "no_list",
                format!("page {}: {wanted}", items.pages + 1),
            ));
        };
        for item in found {
            items.items.push(json::text(item)?);
        }
        let next = match paging {
            Paging::LinkHeader => page
                .link
                .as_deref()
                .and_then(next_link)
                .map(|link| resolve(url, &link))
                .transpose()?,
            Paging::Token(by) => {
                token_at(&body, &by.path).map(|token| with_parameter(url, &by.parameter, &token))
            }
            Paging::Number(by) if !found.is_empty() => {
                let number = by.first.saturating_add(items.pages).saturating_add(1);
                Some(with_parameter(url, &by.parameter, &number.to_string()))
            }
            Paging::Number(_) => None,
        };
        items.pages += 1;
        match next {
            None => return Ok(items),
            Some(_) if items.pages >= most => {
                items.more = true;
                return Ok(items);
            }
            Some(next) if next == place => {
                return Err(Failure::rejected(
                    "circle",
                    format!("page {} points to itself", items.pages),
                ));
            }
            Some(next) => place = next,
        }
    }
}

/// The value at names separated by dots.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, name| value.get(name))
}

fn token_at(body: &Value, path: &str) -> Option<String> {
    match at(body, path)? {
        Value::String(token) if !token.is_empty() => Some(token.clone()),
        Value::Number(token) => Some(token.to_string()),
        _ => None,
    }
}

/// The address whose relation is `next`. Source: RFC 8288.
fn next_link(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some(start) = rest.find('<') {
        let (target, behind) = rest.get(start + 1..)?.split_once('>')?;
        let end = behind.find('<').unwrap_or(behind.len());
        let parameters = behind.get(..end).unwrap_or_default();
        let is_next = parameters.split(';').any(|parameter| {
            let Some((name, value)) = parameter.split_once('=') else {
                return false;
            };
            let value = value.trim().trim_end_matches(',').trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel")
                && value
                    .split(' ')
                    .any(|relation| relation.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target.to_owned());
        }
        rest = behind;
    }
    None
}

/// The next address, which must be of the same origin: a secret goes with it.
fn resolve(first: &str, next: &str) -> Result<String, Failure> {
    let end = first.find("://").map_or(0, |at| at + 3);
    let host = first.get(end..).unwrap_or_default();
    let origin_end = end + host.find(['/', '?', '#']).unwrap_or(host.len());
    let origin = first.get(..origin_end).unwrap_or_default();
    if next.starts_with('/') && !next.starts_with("//") {
        return Ok(format!("{origin}{next}"));
    }
    let inside = next
        .strip_prefix(origin)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']));
    if inside {
        return Ok(next.to_owned());
    }
    if next.starts_with('?') {
        let path = first.split(['?', '#']).next().unwrap_or_default();
        return Ok(format!("{path}{next}"));
    }
    let shown: String = next.chars().take(200).collect();
    Err(Failure::rejected(
        "foreign_page",
        format!("the next page is at {shown}, which is not at {origin}"),
    ))
}

/// The address with a query parameter, in place of one of this name.
fn with_parameter(url: &str, name: &str, value: &str) -> String {
    let (url, fragment) = url
        .split_once('#')
        .map_or((url, None), |(url, fragment)| (url, Some(fragment)));
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let (name, value) = (escaped(name), escaped(value));
    let kept = query
        .split('&')
        .filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(name.as_str()));
    let mut pairs: Vec<String> = kept.map(str::to_owned).collect();
    pairs.push(format!("{name}={value}"));
    let fragment = fragment
        .map(|fragment| format!("#{fragment}"))
        .unwrap_or_default();
    format!("{path}?{}{fragment}", pairs.join("&"))
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::{NumberPaging, TokenPaging};

    #[test]
    fn the_next_address_is_found_among_others() {
        let header =
            r#"<https://a.example/?page=1>; rel="prev", <https://a.example/?page=3>; rel="next last""#;
        assert_eq!(next_link(header).as_deref(), Some("https://a.example/?page=3"));
        assert_eq!(next_link("</x>; title=next"), None);
        assert_eq!(next_link("<x"), None);
    }

    #[test]
    fn the_next_page_is_at_the_same_origin() {
        let first = "https://a.example/items?page=1";
        assert_eq!(
            resolve(first, "/items?page=2").unwrap(),
            "https://a.example/items?page=2"
        );
        assert_eq!(
            resolve(first, "https://a.example/x").unwrap(),
            "https://a.example/x"
        );
        assert_eq!(
            resolve(first, "?page=2").unwrap(),
            "https://a.example/items?page=2"
        );
        for foreign in [
            "https://evil.example/",
            "https://a.example.evil/",
            "//evil.example/",
            "http://a.example/",
        ] {
            assert!(resolve(first, foreign).is_err(), "{foreign}");
        }
    }

    #[test]
    fn a_parameter_takes_the_place_of_the_one_before() {
        assert_eq!(
            with_parameter("https://a/?n=2&page=1", "page", "2"),
            "https://a/?n=2&page=2"
        );
        assert_eq!(
            with_parameter("https://a", "cursor", "a=b&c"),
            "https://a?cursor=a%3Db%26c"
        );
    }

    #[test]
    fn pages_by_token_end_without_one_and_never_run_in_a_circle() {
        let by = Paging::Token(TokenPaging {
            path: "meta.next".to_owned(),
            parameter: "cursor".to_owned(),
        });
        let page = |body: &str| {
            Ok(Page {
                body: body.to_owned(),
                link: None,
            })
        };
        let two = |place: &str| match place {
            "https://a/" => page(r#"{"items":[1,2],"meta":{"next":"x"}}"#),
            _ => page(r#"{"items":[3],"meta":{"next":null}}"#),
        };
        let found = fetch("https://a/", &by, Some("items"), None, two).unwrap();
        assert_eq!(
            (found.items, found.pages, found.more),
            (vec!["1".to_owned(), "2".to_owned(), "3".to_owned()], 2, false)
        );
        let first = fetch("https://a/", &by, Some("items"), Some(1), two).unwrap();
        assert!(first.more && first.pages == 1);
        let circle = |_: &str| page(r#"{"items":[],"meta":{"next":"x"}}"#);
        assert!(fetch("https://a/", &by, Some("items"), None, circle).is_err());
        let none = |_: &str| page("{}");
        assert!(fetch("https://a/", &by, Some("items"), None, none).is_err());
        assert!(fetch("https://a/", &by, None, Some(0), two).is_err());
    }

    #[test]
    fn pages_by_number_end_with_an_empty_one() {
        let by = Paging::Number(NumberPaging {
            parameter: "page".to_owned(),
            first: 1,
        });
        let ask = |place: &str| {
            let body = if place.ends_with("page=3") { "[]" } else { "[7]" };
            Ok(Page {
                body: body.to_owned(),
                link: None,
            })
        };
        let found = fetch("https://a/", &by, None, None, ask).unwrap();
        assert_eq!((found.items.len(), found.pages, found.more), (2, 3, false));
    }
}
