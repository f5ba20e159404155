//! Operations that begin runs: what such an operation must look like.

use serde::{Deserialize, Serialize};

use crate::{Effect, Field, Operation, Type};

/// How an operation begins runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// It is asked again and again: a cursor goes in; events and the next cursor come out.
    Poll,
    /// It reads a request whose signature was verified before: the request goes in, events come out.
    Webhook,
}

impl Trigger {
    /// Its name in `connector.toml`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Webhook => "webhook",
        }
    }

    /// What keeps this operation from being such a trigger, with what would be right; nothing if it fits.
    ///
    /// A poll may be made twice, because only the second answer may have reached the one who starts the runs: so it must
    /// change nothing outside. A webhook is read where nothing can be reached.
    #[must_use]
    pub fn misfit(self, operation: &Operation) -> Option<String> {
        match self {
            Self::Poll => poll(operation),
            Self::Webhook => webhook(operation),
        }
        .err()
    }
}

fn poll(operation: &Operation) -> Result<(), String> {
    if operation.effect != Effect::Idempotent && operation.effect != Effect::Pure {
        return Err("a poll may be repeated: it needs effect = \"idempotent\"".to_owned());
    }
    let cursor = operation.params.iter().find(|port| port.name == "cursor");
    let Some(Type::Option { inner }) = cursor.map(|port| &port.ty) else {
        return Err("it takes no optional `cursor`, which is absent the first time".to_owned());
    };
    let Some(Type::Record { fields, .. }) = &operation.result else {
        return Err("its result is no record with `events` and `cursor`".to_owned());
    };
    let field = |name: &str| {
        fields
            .iter()
            .find(|field| field.name == name)
            .map(|field| &field.ty)
    };
    match field("cursor") {
        Some(ty) if ty == inner.as_ref() => {}
        Some(Type::Option { inner: next }) if next == inner => {}
        Some(_) => {
            return Err("the `cursor` of its result has another type than the one it takes".to_owned());
        }
        None => return Err("its result has no `cursor` for the next poll".to_owned()),
    }
    if let Some(ty) = field("more")
        && *ty != Type::Bool
    {
        return Err(
            "`more` of its result, which asks for the next poll at once, is not a boolean".to_owned(),
        );
    }
    events(field("events"), "`events` of its result")
}

fn webhook(operation: &Operation) -> Result<(), String> {
    if operation.effect != Effect::Pure {
        return Err("a webhook is read without requests of its own; make them in the workflow".to_owned());
    }
    let request = operation.params.iter().find(|port| port.name == "request");
    let Some(Type::Record { fields, .. }) = request.map(|port| &port.ty) else {
        return Err("it takes no record `request`".to_owned());
    };
    for field in fields {
        let right = match field.name.as_str() {
            "method" | "path" | "query" => field.ty == Type::String,
            "headers" => is_headers(&field.ty),
            "body" => field.ty == Type::Bytes,
            other => {
                return Err(format!(
                    "`request` has no `{other}`; it has method, path, query, headers and body"
                ));
            }
        };
        if !right {
            return Err(format!(
                "`request.{}` has another type; method, path and query are text, headers a list of {{ name, value }}, \
                 body bytes",
                field.name
            ));
        }
    }
    if !fields.iter().any(|field| field.name == "body") {
        return Err("`request` has no `body`".to_owned());
    }
    events(operation.result.as_ref(), "its result")
}

fn is_headers(ty: &Type) -> bool {
    let Type::List { element } = ty else {
        return false;
    };
    let Type::Record { fields, .. } = element.as_ref() else {
        return false;
    };
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    names == ["name", "value"] && fields.iter().all(|field| field.ty == Type::String)
}

/// A list of records that say which event each is.
fn events(ty: Option<&Type>, what: &str) -> Result<(), String> {
    let Some(Type::List { element }) = ty else {
        return Err(format!("{what} is no list"));
    };
    let is_id = |field: &Field| field.name == "id" && field.ty == Type::String;
    match element.as_ref() {
        Type::Record { fields, .. } if fields.iter().any(is_id) => Ok(()),
        _ => Err(format!(
            "{what} holds no records with a text `id`; by it an event that comes twice starts one run"
        )),
    }
}
