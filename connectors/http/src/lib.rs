//! `flowforge:http`: HTTP requests to the destinations that a node allows.
//!
//! Owns: mapping ports to a request and an answer to ports. Leaves to the host: destinations, secrets, limits, retries.

mod forms;
mod pages;
mod strict;

use flowforge_sdk::http::{HeaderPlacement, Placement, Request, Response};
use flowforge_sdk::{Artefact, Failure, Json, connector, json, secrets};
use serde_json::{Map, Value};

use bindings::{Items, Paging, Part, Response as Answer, UploadMethod};
use forms::Form;

/// The slot whose secret is attached to every request, if it is bound.
const AUTH_SLOT: &str = "auth";

/// How many redirects a download follows.
const REDIRECTS_MAX: u8 = 5;

struct Http;
connector!(Http);

impl Connector for Http {
    fn get(url: String, headers: Option<Json>, user: Option<String>) -> Result<Answer, Failure> {
        let request = with_headers(Request::get(&url).named_by("url"), headers)?;
        answer(&with_auth(request, user)?.send()?)
    }

    fn post(
        url: String,
        json: Option<Json>,
        text: Option<String>,
        headers: Option<Json>,
        user: Option<String>,
    ) -> Result<Answer, Failure> {
        answer(&keyed(
            sending("POST", &url, Body { json, text }, headers)?,
            user,
        )?)
    }

    fn put(
        url: String,
        json: Option<Json>,
        text: Option<String>,
        headers: Option<Json>,
        user: Option<String>,
    ) -> Result<Answer, Failure> {
        let request = sending("PUT", &url, Body { json, text }, headers)?;
        answer(&with_auth(request, user)?.send()?)
    }

    fn patch(
        url: String,
        json: Option<Json>,
        text: Option<String>,
        headers: Option<Json>,
        user: Option<String>,
    ) -> Result<Answer, Failure> {
        answer(&keyed(
            sending("PATCH", &url, Body { json, text }, headers)?,
            user,
        )?)
    }

    fn delete(url: String, headers: Option<Json>, user: Option<String>) -> Result<Answer, Failure> {
        let request = with_headers(Request::new("DELETE", &url).named_by("url"), headers)?;
        answer(&with_auth(request, user)?.send()?)
    }

    fn head(url: String, headers: Option<Json>, user: Option<String>) -> Result<Answer, Failure> {
        let request = with_headers(Request::new("HEAD", &url).named_by("url"), headers)?;
        answer(&with_auth(request, user)?.send()?)
    }

    fn pages(
        url: String,
        paging: Paging,
        items_at: Option<String>,
        pages_max: Option<u32>,
        headers: Option<Json>,
        user: Option<String>,
    ) -> Result<Items, Failure> {
        let ask = |place: &str| {
            let request = with_headers(Request::get(place).named_by("url"), headers.clone())?;
            let response = with_auth(request, user.clone())?.send()?;
            Ok(pages::Page {
                body: body_of(&response)?,
                link: response.header("link").map(str::to_owned),
            })
        };
        pages::fetch(&url, &paging, items_at.as_deref(), pages_max, ask)
    }

    fn download(
        url: String,
        file_name: String,
        headers: Option<Json>,
        user: Option<String>,
    ) -> Result<Artefact, Failure> {
        let request = with_headers(Request::get(&url).named_by("url"), headers)?
            .save_as(&file_name)
            .redirects_max(REDIRECTS_MAX);
        let response = with_auth(request, user)?.send()?;
        match response.artefact() {
            Some(artefact) => Ok(artefact.clone()),
            None => Err(no_file(&response)),
        }
    }

    fn upload(
        url: String,
        file: Artefact,
        method: Option<UploadMethod>,
        headers: Option<Json>,
        user: Option<String>,
    ) -> Result<Answer, Failure> {
        let method = match method {
            None | Some(UploadMethod::Put) => "PUT",
            Some(UploadMethod::Post) => "POST",
        };
        let request = with_headers(Request::new(method, &url).named_by("url"), headers)?;
        let request = with_type(request, &file.media_type).artefact(file);
        answer(&keyed(request, user)?)
    }

    fn form(
        url: String,
        fields: Json,
        headers: Option<Json>,
        user: Option<String>,
    ) -> Result<Answer, Failure> {
        let request = with_headers(Request::new("POST", &url).named_by("url"), headers)?;
        let request = with_type(request, "application/x-www-form-urlencoded");
        answer(&keyed(request.body(forms::urlencoded(&fields)?), user)?)
    }

    fn multipart(
        url: String,
        parts: Vec<Part>,
        headers: Option<Json>,
        user: Option<String>,
    ) -> Result<Answer, Failure> {
        let request = with_headers(Request::new("POST", &url).named_by("url"), headers)?;
        if request.has_header("content-type") {
            let message = "cannot say the content type: it names the boundary of the parts";
            return Err(Failure::invalid("headers.content-type", message));
        }
        let (media_type, form) = forms::multipart(&parts)?;
        let request = request.header("content-type", &media_type);
        let request = match form {
            Form::Bytes(bytes) => request.body(bytes),
            Form::File(file) => request.artefact(file),
        };
        answer(&keyed(request, user)?)
    }
}

/// What is sent: at most one of both.
struct Body {
    json: Option<Json>,
    text: Option<String>,
}

fn sending(method: &str, url: &str, body: Body, headers: Option<Json>) -> Result<Request, Failure> {
    let request = with_headers(Request::new(method, url).named_by("url"), headers)?;
    Ok(match (body.json, body.text) {
        (Some(_), Some(_)) => return Err(Failure::invalid("text", "give `json` or `text`, not both")),
        (Some(json), None) => with_type(request, "application/json").body(json),
        (None, Some(text)) => with_type(request, "text/plain; charset=utf-8").body(text),
        (None, None) => request,
    })
}

/// Sends a request whose repetition the service can tell by its key.
fn keyed(request: Request, user: Option<String>) -> Result<Response, Failure> {
    let request = if request.has_header("idempotency-key") {
        request
    } else {
        request.idempotent()
    };
    with_auth(request, user)?.send()
}

/// A status below 400 that brings no file: what it says instead of the file must not be taken for it.
fn no_file(response: &Response) -> Failure {
    let status = response.status();
    let target = response
        .header("location")
        .map(|location| format!(" and points to {location}"))
        .unwrap_or_default();
    Failure::rejected(
        status.to_string(),
        format!("answered {status}{target}, which is no file"),
    )
}

fn with_type(request: Request, media_type: &str) -> Request {
    if request.has_header("content-type") {
        request
    } else {
        request.header("content-type", media_type)
    }
}

fn with_headers(mut request: Request, headers: Option<Json>) -> Result<Request, Failure> {
    let Some(text) = headers else { return Ok(request) };
    let fields = json::object("headers", &text)?;
    for (name, value) in &fields {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            _ => {
                return Err(Failure::invalid(
                    format!("headers.{name}"),
                    "must be a text, a number or a switch",
                ));
            }
        };
        if !is_header(name, &value) {
            return Err(Failure::invalid(
                format!("headers.{name}"),
                "is no header: its name is one word, its value has no control characters",
            ));
        }
        request = request.header(name, &value);
    }
    Ok(request)
}

/// Whether this can stand in a request. Source: RFC 9110 §5.6.2 for the name.
fn is_header(name: &str, value: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_text = |byte: u8| byte == b'\t' || (byte >= 0x20 && byte != 0x7f);
    !name.is_empty() && name.bytes().all(is_token) && value.bytes().all(is_text)
}

fn with_auth(request: Request, user: Option<String>) -> Result<Request, Failure> {
    let Some(secret) = secrets::describe(AUTH_SLOT) else {
        return match user {
            Some(_) => Err(Failure::invalid(
                "user",
                "needs a secret of kind `basic` in the slot `auth`",
            )),
            None => Ok(request),
        };
    };
    let placement = match (secret.kind.as_str(), user) {
        ("basic", Some(user)) => Placement::Basic(user),
        ("basic", None) => {
            return Err(Failure::invalid(
                "user",
                "is needed: the secret in slot `auth` is of kind `basic`",
            ));
        }
        (_, Some(_)) => {
            return Err(Failure::invalid(
                "user",
                "only a secret of kind `basic` takes a user name",
            ));
        }
        ("api-key", None) => Placement::Header(HeaderPlacement {
            name: "x-api-key".to_owned(),
            prefix: String::new(),
        }),
        (_, None) => Placement::Bearer,
    };
    Ok(request.auth(AUTH_SLOT, placement))
}

fn answer(response: &Response) -> Result<Answer, Failure> {
    Ok(Answer {
        status: response.status(),
        headers: headers_of(response)?,
        body: body_of(response)?,
    })
}

fn headers_of(response: &Response) -> Result<Json, Failure> {
    let mut fields: Map<String, Value> = Map::new();
    for (name, value) in response.headers() {
        let name = name.to_ascii_lowercase();
        match fields.get_mut(&name) {
            Some(Value::String(earlier)) => {
                earlier.push_str(", ");
                earlier.push_str(value);
            }
            _ => {
                fields.insert(name, Value::String(value.to_owned()));
            }
        }
    }
    json::text(&fields)
}

/// A body that says it is JSON must be JSON. One that says nothing useful is JSON if its text is, because many services
/// send `text/plain`.
fn body_of(response: &Response) -> Result<Json, Failure> {
    if response.bytes().is_empty() {
        return Ok("null".to_owned());
    }
    let text = response.text()?;
    let text: &str = &text;
    if is_json(response.header("content-type").unwrap_or_default()) {
        return valid_json(text).map_err(|error| {
            Failure::rejected("not_json", format!("the response says it is JSON, but: {error}"))
        });
    }
    match text
        .trim_start()
        .starts_with(['{', '['])
        .then(|| valid_json(text))
    {
        Some(Ok(json)) => Ok(json),
        _ => json::text(text),
    }
}

/// The text itself, once it is known to be JSON: a large body is checked without being built.
fn valid_json(text: &str) -> Result<Json, String> {
    let checked = strict::check(text).map_err(|error| error.to_string());
    match (checked, numbers(text).find(|number| !is_exact(number))) {
        (Ok(()), None) => Ok(text.to_owned()),
        // A number that no double holds is an error of the reader as well, which does not say which it is.
        (Err(error), found) if found.is_none() || !error.starts_with("number out of range") => Err(error),
        (_, found) => {
            let shown: String = found.unwrap_or_default().chars().take(40).collect();
            Err(format!(
                "the number {shown} does not fit 64 bits, so its digits would be lost; ask for it as text"
            ))
        }
    }
}

/// The numbers of a JSON text, as they are written.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let at = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit())?;
            rest = rest.get(at..)?;
            if let Some(string) = rest.strip_prefix('"') {
                rest = behind_string(string);
                continue;
            }
            let is_part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let (number, behind) = rest.split_at_checked(end)?;
            rest = behind;
            return Some(number);
        }
    })
}

/// What comes behind a string whose opening quote was read.
fn behind_string(text: &str) -> &str {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    });
    end.and_then(|end| text.get(end + 1..)).unwrap_or_default()
}

/// Whether a number comes through with all its digits, or as the double that it is.
fn is_exact(number: &str) -> bool {
    if number.contains(['.', 'e', 'E']) {
        return number.parse::<f64>().is_ok_and(f64::is_finite);
    }
    number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok()
}

/// Whether a content type is JSON. Source: RFC 6839 §3.1 for the suffix.
fn is_json(content_type: &str) -> bool {
    let media_type = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    media_type == "application/json" || media_type.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_known_by_type_and_suffix() {
        assert!(is_json("application/json; charset=utf-8"));
        assert!(is_json("application/geo+JSON"));
        assert!(!is_json("text/plain"));
        assert!(!is_json("application/jsonp"));
    }

    /// A number of a service with more than 64 bits became another one without a word.
    #[test]
    fn a_number_that_would_lose_digits_is_refused() {
        for good in [
            "[18446744073709551615, -9223372036854775808, 9007199254740993, 1e30, -0.5E-7]",
            r#"{"a\\\"99999999999999999999": "-99999999999999999999\\", "b": 1}"#,
            "7",
        ] {
            assert_eq!(valid_json(good).as_deref(), Ok(good));
        }
        for (wrong, number) in [
            (
                r#"{"a": "x", "b": [1, 18446744073709551616]}"#,
                "18446744073709551616",
            ),
            ("-9223372036854775809", "-9223372036854775809"),
            (r#"{"\"": 1e999}"#, "1e999"),
        ] {
            let problem = valid_json(wrong).unwrap_err();
            assert!(
                problem.starts_with(&format!("the number {number} does not fit")),
                "{problem}"
            );
        }
        assert!(valid_json("{\"a\": ").is_err());
    }

    #[test]
    fn headers_are_an_object_of_plain_values() {
        let request = with_headers(
            Request::get("http://x"),
            Some(r#"{"Accept":"a/b","n":3}"#.to_owned()),
        )
        .unwrap();
        assert!(request.has_header("accept") && request.has_header("n"));
        let failure = with_headers(Request::get("http://x"), Some(r#"{"x":[1]}"#.to_owned())).unwrap_err();
        assert_eq!(
            failure,
            Failure::invalid("headers.x", "must be a text, a number or a switch")
        );
        for wrong in [r#"{"a b":"c"}"#, r#"{"":"c"}"#, r#"{"a":"b\nc"}"#] {
            let failure = with_headers(Request::get("http://x"), Some(wrong.to_owned())).unwrap_err();
            assert!(format!("{failure:?}").contains("is no header"), "{failure:?}");
        }
    }
}
