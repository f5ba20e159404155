//! The form of an answer at `/graphql`: which media type the caller asked for, and the status that goes with it.
//!
//! Source: GraphQL over HTTP, "Response Format". `application/json` keeps status 200 for every answer of the engine;
//! `application/graphql-response+json` says by its status whether the request was carried out, and a request that was not
//! has no `data`.

use async_graphql::{Response as Answer, ServerError, Value};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::api::limits::status_of;

const RESPONSE_JSON: &str = "application/graphql-response+json";
const JSON: &str = "application/json";

/// The media type of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/graphql-response+json`
    Response,
    /// `application/json`; also for callers who name nothing that is known here.
    Json,
}

/// An answer to a request that was not carried out.
#[derive(Serialize)]
struct Refused<'a> {
    errors: &'a [ServerError],
}

impl Media {
    /// What the caller likes best of the two.
    pub(super) fn wanted(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(header::ACCEPT).iter();
        let ranges = accepted
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        let (mut response, mut json) = (0, 0);
        for range in ranges {
            let (essence, quality) = read(range);
            if essence.eq_ignore_ascii_case(RESPONSE_JSON) {
                response = response.max(quality);
            } else if essence.eq_ignore_ascii_case(JSON) {
                json = json.max(quality);
            }
        }
        if response > 0 && response >= json {
            Self::Response
        } else {
            Self::Json
        }
    }

    /// An answer of the engine in this form.
    pub(super) fn answer(self, answer: &Answer) -> Response {
        match self {
            Self::Response if was_refused(answer) => self.refused(refusal_status(answer), answer),
            Self::Response | Self::Json => self.body(StatusCode::OK, answer),
        }
    }

    /// An answer to a request that the engine never saw.
    pub(super) fn refused(self, status: StatusCode, answer: &Answer) -> Response {
        let refused = Refused {
            errors: &answer.errors,
        };
        self.body(status, &refused)
    }

    fn body(self, status: StatusCode, body: &impl Serialize) -> Response {
        let kind = match self {
            Self::Response => "application/graphql-response+json; charset=utf-8",
            Self::Json => JSON,
        };
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
        match serde_json::to_vec(body) {
            Ok(bytes) => (status, kind, bytes).into_response(),
            Err(error) => {
                tracing::error!(%error, "an answer cannot be written");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// A media range without its parameters, and its quality in thousandths.
fn read(range: &str) -> (&str, u32) {
    let mut parts = range.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let thousandths = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
        Some(whole.parse::<u32>().ok()? * 1_000 + digits.parse::<u32>().ok()?)
    };
    // A quality that cannot be read says nothing.
    (
        essence,
        quality.map_or(1_000, |text| thousandths(text).unwrap_or(1_000).min(1_000)),
    )
}

/// True if nothing of the request was carried out: an error of a field would have its path.
fn was_refused(answer: &Answer) -> bool {
    answer.data == Value::Null
        && !answer.errors.is_empty()
        && answer.errors.iter().all(|error| error.path.is_empty())
}

fn refusal_status(answer: &Answer) -> StatusCode {
    let statuses = answer.errors.iter().filter_map(status_of);
    statuses.max().unwrap_or(StatusCode::BAD_REQUEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(accept: &[&'static str]) -> Media {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, HeaderValue::from_static(value));
        }
        Media::wanted(&headers)
    }

    #[test]
    fn the_form_is_the_one_that_the_caller_likes_best() {
        for accept in [
            &["application/graphql-response+json"][..],
            &["application/graphql-response+json, application/json;q=0.9"],
            &["application/json; q=0.5, Application/GraphQL-Response+JSON; charset=utf-8; q=0.51"],
            &["text/html", "application/graphql-response+json"],
        ] {
            assert_eq!(wanted(accept), Media::Response, "{accept:?}");
        }
        for accept in [
            &[][..],
            &["*/*"],
            &["text/html"],
            &["application/json"],
            &["application/graphql-response+json;q=0.2, application/json"],
            &["application/graphql-response+json;q=0"],
        ] {
            assert_eq!(wanted(accept), Media::Json, "{accept:?}");
        }
    }

    #[test]
    fn an_error_of_a_field_is_no_refusal() {
        let mut answer = Answer::from_errors(vec![ServerError::new("wrong", None)]);
        assert!(was_refused(&answer));
        answer.errors[0].path = vec![async_graphql::PathSegment::Field("run".to_owned())];
        assert!(!was_refused(&answer));
    }
}
