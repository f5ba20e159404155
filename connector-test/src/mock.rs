//! Mocked services as a test file describes them: which request is expected, and what is answered, in order.

use std::time::Duration;

use flowforge_workflow::destination;
use flowforge_workflow::yaml_tree::Node;
use serde_json::Value;
use url::Url;

use crate::fields::Reader;

/// What stands for the step's idempotency key in an expected header.
pub(crate) const KEY_MARK: &str = "${idempotency_key}";

/// One service at one address.
#[derive(Debug, Clone)]
pub(crate) struct Mock {
    pub(crate) wanted: Wanted,
    pub(crate) answers: Vec<Answer>,
    pub(crate) rate: Option<Rate>,
}

/// The request that is expected.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) method: String,
    pub(crate) url: Url,
    /// `scheme://name:port` of the address.
    pub(crate) destination: String,
    /// Names in lower case; other headers may be there too.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<WantedBody>,
}

#[derive(Debug, Clone)]
pub(crate) enum WantedBody {
    Json(Value),
    Text(String),
}

/// What a service does with one request.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// How long it takes, by the test's clock.
    pub(crate) after: Duration,
    pub(crate) kind: AnswerKind,
}

#[derive(Debug, Clone)]
pub(crate) enum AnswerKind {
    Respond {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// The request arrives, and the connection breaks before an answer.
    Reset,
    /// There is no connection.
    Unreachable,
    /// The request arrives, and no answer ever comes.
    Hang,
    /// The request arrives, and the host that waits for the answer dies.
    Kill,
}

/// At most so many requests within any stretch of this length; the others are answered with 429.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) requests: u32,
    pub(crate) per: Duration,
}

impl Wanted {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.url)
    }
}

/// The list `mock:` of a test.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Vec<Mock> {
    let items = reader.list(node, "mock");
    items.iter().filter_map(|item| read_one(reader, item)).collect()
}

fn read_one(reader: &mut Reader<'_>, node: &Node) -> Option<Mock> {
    let mut fields = reader.fields(node, "mock")?;
    let request = fields
        .need("request", "GET https://api.example.com/items", reader)
        .and_then(|node| Some((node.span.start, reader.text(node, "request")?)));
    let headers = fields.get("headers").map(|node| reader.texts(node, "headers"));
    let json = fields.get("json").map(|node| WantedBody::Json(node.to_json()));
    let text = fields
        .get("body")
        .and_then(|node| reader.text(node, "body"))
        .map(WantedBody::Text);
    let rate = fields.get("rate_limit").and_then(|node| read_rate(reader, node));
    let answers = fields.need("answers", "[{ status: 200 }]", reader).map(|node| {
        let items = reader.list(node, "answers");
        let read: Vec<Answer> = items
            .iter()
            .filter_map(|item| read_answer(reader, item))
            .collect();
        if items.is_empty() {
            reader.wrong(
                node.span.start,
                "FF-TST-003",
                "a mock has no answer",
                "add one, such as { status: 200 }",
            );
        }
        read
    });
    fields.finish(reader);
    let (at, request) = request?;
    let Some((method, url, destination)) = request_of(&request) else {
        reader.wrong(
            at,
            "FF-TST-004",
            format!("`{request}` is no request"),
            "write a method and an address, such as GET https://api.example.com/items?page=2",
        );
        return None;
    };
    Some(Mock {
        wanted: Wanted {
            method,
            url,
            destination,
            headers: lower(headers.unwrap_or_default()),
            body: json.or(text),
        },
        answers: answers?,
        rate,
    })
}

fn lower(headers: Vec<(String, String)>) -> Vec<(String, String)> {
    headers
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect()
}

fn request_of(text: &str) -> Option<(String, Url, String)> {
    let (method, address) = text.split_once(' ')?;
    let url = Url::parse(address.trim()).ok()?;
    let plain = method.chars().all(|c| c.is_ascii_uppercase()) && !method.is_empty();
    let destination = destination(url.as_str()).ok()?;
    let http = matches!(url.scheme(), "http" | "https");
    (plain && http).then(|| (method.to_owned(), url, destination))
}

fn read_rate(reader: &mut Reader<'_>, node: &Node) -> Option<Rate> {
    let mut fields = reader.fields(node, "rate_limit")?;
    let requests = fields
        .need("requests", "2", reader)
        .and_then(|node| reader.number(node, "requests", 1));
    let per = fields
        .need("per", "1s", reader)
        .and_then(|node| reader.duration_ms(node, "per"));
    fields.finish(reader);
    Some(Rate {
        requests: requests?,
        per: Duration::from_millis(per?),
    })
}

fn read_answer(reader: &mut Reader<'_>, node: &Node) -> Option<Answer> {
    let mut fields = reader.fields(node, "answers")?;
    let after = fields
        .get("after")
        .and_then(|node| reader.duration_ms(node, "after"));
    let fault = fields
        .get("fault")
        .and_then(|node| Some((node.span.start, reader.text(node, "fault")?)));
    let status = fields
        .get("status")
        .and_then(|node| Some((node.span.start, reader.number(node, "status", 200)?)));
    let headers = fields.get("headers").map(|node| reader.texts(node, "headers"));
    let json = fields.get("json").map(Node::to_json);
    let text = fields.get("body").and_then(|node| reader.text(node, "body"));
    let at = fields.at;
    fields.finish(reader);
    let kind = match (fault, status) {
        (Some((at, fault)), None) => fault_of(reader, at, &fault)?,
        (None, Some((at, status))) => respond(reader, at, status, headers.unwrap_or_default(), json, text)?,
        _ => {
            reader.wrong(
                at,
                "FF-TST-005",
                "an answer has either a `status` or a `fault`",
                "write { status: 200, json: { … } } or { fault: reset }",
            );
            return None;
        }
    };
    Some(Answer {
        after: Duration::from_millis(after.unwrap_or(0)),
        kind,
    })
}

fn fault_of(reader: &mut Reader<'_>, at: usize, fault: &str) -> Option<AnswerKind> {
    Some(match fault {
        "reset" => AnswerKind::Reset,
        "unreachable" => AnswerKind::Unreachable,
        "hang" => AnswerKind::Hang,
        "kill" => AnswerKind::Kill,
        other => {
            reader.wrong(
                at,
                "FF-TST-005",
                format!("there is no fault `{other}`"),
                "use one of reset, unreachable, hang, kill",
            );
            return None;
        }
    })
}

fn respond(
    reader: &mut Reader<'_>,
    at: usize,
    status: u32,
    headers: Vec<(String, String)>,
    json: Option<Value>,
    text: Option<String>,
) -> Option<AnswerKind> {
    let mut headers = lower(headers);
    let status = match u16::try_from(status)
        .ok()
        .filter(|status| (200..=599).contains(status))
    {
        Some(status) => status,
        None => {
            reader.wrong(
                at,
                "FF-TST-005",
                format!("{status} is no status of an answer"),
                "write 200 to 599",
            );
            return None;
        }
    };
    let unsendable = headers.iter().find(|(name, value)| {
        http::HeaderName::from_bytes(name.as_bytes()).is_err() || http::HeaderValue::from_str(value).is_err()
    });
    if let Some((name, _)) = unsendable {
        reader.wrong(
            at,
            "FF-TST-005",
            format!("`{name}` cannot stand in an answer as it is"),
            "use visible ASCII",
        );
        return None;
    }
    let has_type = headers.iter().any(|(name, _)| name == "content-type");
    let body = match (json, text) {
        (Some(json), _) => {
            if !has_type {
                headers.push(("content-type".to_owned(), "application/json".to_owned()));
            }
            json.to_string().into_bytes()
        }
        (None, text) => text.unwrap_or_default().into_bytes(),
    };
    Some(AnswerKind::Respond {
        status,
        headers,
        body,
    })
}
