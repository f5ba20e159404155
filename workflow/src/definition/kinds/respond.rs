//! `respond`: an answer to the webhook that started the run.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::At;
use crate::definition::model::{NodeKind, Respond};
use crate::definition::reader::{Reader, join};
use crate::yaml::Entry;

/// Headers that belong to the connection, to the answer as such, or to the people signed in at the server.
const KEPT_HEADERS: [&str; 10] = [
    "connection",
    "content-length",
    "content-type",
    "keep-alive",
    "proxy-authenticate",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

pub(super) fn read(reader: &mut Reader<'_>, at: &mut At<'_, '_>) -> Option<NodeKind> {
    reader.place_all(&at.path, Some(at.entry), &at.entry.node);
    let mut section = reader.section(&at.path, &at.entry.node)?;
    let status = match section.get("status") {
        Some(entry) => status(reader, entry),
        None => Some(json!(200)),
    };
    let headers = match section.get("headers") {
        Some(entry) => headers(reader, &join(&at.path, "headers"), entry),
        None => Some(BTreeMap::new()),
    };
    let body = section
        .get("body")
        .map_or(Json::Null, |entry| entry.node.to_json());
    reader.finish(section);
    Some(NodeKind::Respond(Respond {
        status: status?,
        headers: headers?,
        body,
    }))
}

fn status(reader: &mut Reader<'_>, entry: &Entry) -> Option<Json> {
    let status = entry.node.to_json();
    let right = match &status {
        Json::String(_) => true,
        other => other.as_u64().is_some_and(|status| (200..600).contains(&status)),
    };
    if right {
        return Some(status);
    }
    reader.problem(
        "FF-WF-009",
        entry.node.span.start,
        "`status` must be 200 to 599, or an expression of that",
    );
    None
}

fn headers(reader: &mut Reader<'_>, path: &str, entry: &Entry) -> Option<BTreeMap<String, Json>> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let mut out = BTreeMap::new();
    for entry in reader.entries(path, &entry.node)? {
        let name = entry.key.to_ascii_lowercase();
        let problem = if name.is_empty() || name.len() > 100 || !name.bytes().all(token) {
            Some(format!("`{}` is not the name of a header", entry.key))
        } else if KEPT_HEADERS.contains(&name.as_str()) {
            Some(format!("the header `{name}` is the server's to set"))
        } else if out.contains_key(&name) {
            Some(format!("the header `{name}` stands here twice"))
        } else {
            None
        };
        if let Some(problem) = problem {
            reader.problem("FF-WF-009", entry.key_span.start, problem);
            continue;
        }
        // Its place is looked for under the name in small letters.
        reader.place_all(&join(path, &name), Some(entry), &entry.node);
        out.insert(name, entry.node.to_json());
    }
    Some(out)
}
