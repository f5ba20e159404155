//! Forms: a public page for the input of a workflow, and what comes back from it.
//!
//! Owns what a field of a form means: which texts become which values. Whoever sends a form needs a token that this server
//! gave with the page, good for a day: it names what is sent, so that a form that comes twice starts one run, and it costs a
//! machine a second request. It says nothing of who sends: a form is for everybody who knows its path.

use std::collections::HashMap;
use std::sync::Arc;

use flowforge_core::{Action, Caller};
use flowforge_protocol::record::Trigger;
use flowforge_protocol::webhook::sign;
use flowforge_protocol::{DeliveryId, Digest, RunId};
use flowforge_store::{ClientRequest, NewDelivery, Started};
use flowforge_workflow::InputProblem;
use flowforge_workflow::model::{Form, InputField, TriggerKind};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use crate::app::App;
use crate::app::starts::{StartError, StartOptions, StartRequest, request_body};
use crate::entropy::{EntropyError, fresh};
use crate::release::ReadyRelease;

/// Largest form that is taken, in bytes.
pub(crate) const MAX_FORM_BYTES: usize = 256 << 10;
/// How long a page can be filled in, in seconds: a day.
const TOKEN_SECONDS: u64 = 24 * 60 * 60;
/// The field of the token.
pub(crate) const TOKEN_FIELD: &str = "_token";
/// A field that no person sees; what fills it in is a machine.
pub(crate) const TRAP_FIELD: &str = "_homepage";
/// The scheme under which forms stand among deliveries.
const SCHEME: &str = "form";

/// A form that is published, with its release.
#[derive(Clone)]
pub(crate) struct OpenForm {
    pub(crate) release: Arc<ReadyRelease>,
    /// The trigger's name.
    pub(crate) trigger: String,
    pub(crate) form: Form,
}

/// What was sent.
pub(crate) type Sent = HashMap<String, String>;

/// Why nothing was started.
#[derive(Debug)]
pub(crate) enum NotStarted {
    /// Values do not fit; the form can be sent again.
    Input(Vec<InputProblem>),
    /// There is no room for more runs now, or somebody has to grant something first.
    Later(String),
}

impl App {
    /// The form at a path below `/forms/`.
    pub(crate) fn form(&self, path: &str) -> Option<OpenForm> {
        let (release, place) = self.hook(path)?;
        let trigger = release.workflow.triggers.get(place)?;
        let TriggerKind::Form(form) = &trigger.kind else {
            return None;
        };
        Some(OpenForm {
            trigger: trigger.name.clone(),
            form: form.clone(),
            release: Arc::clone(&release),
        })
    }

    /// The key that tokens are signed with: of this data folder, and for nothing else.
    fn form_key(&self) -> Digest {
        Digest::of_parts(&[b"flowforge.form.v1\n", &self.keys.secrets[..]])
    }

    fn token_of(&self, path: &str, seconds: u64, number: &str) -> Option<String> {
        let text = format!("{path}\n{number}");
        let signed = sign(self.form_key().as_bytes(), seconds, text.as_bytes()).ok()?;
        Some(format!("{number}.{signed}"))
    }

    /// A token for a page that is shown now.
    pub(crate) fn form_token(&self, path: &str) -> Result<String, EntropyError> {
        let number = u128::from_be_bytes(fresh::<16>()?);
        let seconds = self.clock.now_ms() / 1_000;
        let token = self.token_of(path, seconds, &format!("{number:032x}"));
        // The key is a digest: it is long enough.
        Ok(token.unwrap_or_default())
    }

    /// Whether this server gave the token for this path, within a day.
    pub(crate) fn is_form_token(&self, path: &str, token: &str) -> bool {
        let parts = token.split_once('.').and_then(|(number, signed)| {
            let (time, _) = signed.strip_prefix("t=")?.split_once(',')?;
            Some((number, time.parse::<u64>().ok()?))
        });
        let Some((number, seconds)) = parts else {
            return false;
        };
        let Some(expected) = self.token_of(path, seconds, number) else {
            return false;
        };
        let is_ours: bool = expected.as_bytes().ct_eq(token.as_bytes()).into();
        is_ours && (self.clock.now_ms() / 1_000).saturating_sub(seconds) <= TOKEN_SECONDS
    }

    /// As what a form is kept that came now.
    pub(crate) fn form_delivery(&self, open: &OpenForm, bytes: u64) -> Result<NewDelivery, EntropyError> {
        Ok(NewDelivery {
            id: DeliveryId::from_entropy(fresh::<16>()?),
            at_ms: self.clock.now_ms(),
            path: open.form.path.clone(),
            workflow: open.release.stored.workflow.clone(),
            trigger: open.trigger.clone(),
            scheme: SCHEME.to_owned(),
            media_type: Some("application/x-www-form-urlencoded".to_owned()),
            bytes,
            body: None,
            replay: None,
        })
    }

    /// Starts the run of a form; the run that the same page started before, if it did.
    pub(crate) async fn start_form(
        &self,
        caller: &Caller,
        open: &OpenForm,
        sent: &Sent,
        (run, kept): (RunId, NewDelivery),
    ) -> Result<Result<RunId, NotStarted>, StartError> {
        let input = match input(&open.release.workflow.input, sent) {
            Ok(input) => input,
            Err(problems) => return Ok(Err(NotStarted::Input(problems))),
        };
        let token = sent.get(TOKEN_FIELD).map(String::as_str).unwrap_or_default();
        let name = Digest::of(token.as_bytes()).hex();
        let request = StartRequest {
            id: run.clone(),
            requests: vec![ClientRequest {
                id: format!("form:{}:{name}", open.form.path),
                // Whoever goes back and sends other values has a new page, with another token.
                body: request_body(&open.release.stored.workflow, None, &Value::Null),
            }],
            release: Arc::clone(&open.release),
            input,
            trigger: Trigger::Form {
                path: open.form.path.clone(),
            },
            traceparent: None,
            lineage: None,
            options: StartOptions::default(),
            delivery: Some(kept),
        };
        match self.start(caller, Action::StartRun, request).await {
            Ok(Started::New) => Ok(Ok(run)),
            Ok(Started::Duplicate { run } | Started::Conflict { run }) => Ok(Ok(run)),
            Err(StartError::Input(problems)) => Ok(Err(NotStarted::Input(problems))),
            Err(StartError::Busy { .. }) => Ok(Err(NotStarted::Later(
                "there is no room for more just now".to_owned(),
            ))),
            Err(StartError::Held(_)) => Ok(Err(NotStarted::Later(
                "something has to be allowed first by those who run this".to_owned(),
            ))),
            Err(error) => Err(error),
        }
    }
}

/// The texts of a form, the first of each name.
pub(crate) fn sent(body: &[u8]) -> Sent {
    let mut sent = Sent::new();
    for (name, text) in url::form_urlencoded::parse(body) {
        sent.entry(name.into_owned()).or_insert_with(|| text.into_owned());
    }
    sent
}

/// Which control asks for a field, and so how its text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// One of some values.
    Choice,
    /// Yes or no.
    Check,
    /// A number.
    Number,
    /// A line, of this type of HTML.
    Line(&'static str),
    /// Several lines.
    Lines,
    /// A value as JSON.
    Json,
}

/// A text that may be longer gets more than a line.
const LINE_MAX: u64 = 200;

impl Control {
    /// The control for a field.
    pub(crate) fn of(field: &InputField) -> Self {
        let word = |name: &str| field.schema.get(name).and_then(Value::as_str);
        if field.schema.get("enum").and_then(Value::as_array).is_some() {
            return Self::Choice;
        }
        match word("type") {
            Some("boolean") => Self::Check,
            Some("integer" | "number") => Self::Number,
            Some("string") => match word("format") {
                Some("email") => Self::Line("email"),
                Some("uri") => Self::Line("url"),
                Some("date") => Self::Line("date"),
                Some("time") => Self::Line("time"),
                _ => match field.schema.get("maxLength").and_then(Value::as_u64) {
                    Some(longest) if longest > LINE_MAX => Self::Lines,
                    _ => Self::Line("text"),
                },
            },
            _ => Self::Json,
        }
    }

    /// What a text means; nothing if it says nothing.
    fn read(self, field: &InputField, text: Option<&str>) -> Result<Option<Value>, String> {
        if self == Self::Check {
            return Ok(Some(Value::Bool(text.is_some())));
        }
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
            return Ok(None);
        };
        match self {
            Self::Check => Ok(Some(Value::Bool(true))),
            Self::Choice => {
                let choices = field.schema.get("enum").and_then(Value::as_array);
                let chosen = choices.into_iter().flatten().find(|choice| shown(choice) == text);
                chosen
                    .cloned()
                    .map(Some)
                    .ok_or_else(|| "choose one of those that are there".to_owned())
            }
            Self::Number => {
                let read = serde_json::from_str::<Value>(text.trim()).ok();
                let number = read.filter(Value::is_number);
                number
                    .map(Some)
                    .ok_or_else(|| "write a number, such as 12 or 0.5".to_owned())
            }
            Self::Json => flowforge_workflow::read_json(text)
                .map(Some)
                .map_err(|error| format!("it is not JSON: {}", error.message)),
            // A browser writes the ends of lines as the old networks did.
            Self::Line(_) | Self::Lines => Ok(Some(Value::String(text.replace("\r\n", "\n")))),
        }
    }
}

/// A value as a form shows it, and as it comes back.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The input that was filled in. What was left empty is not there, and its default counts.
fn input(fields: &[InputField], sent: &Sent) -> Result<Value, Vec<InputProblem>> {
    let (mut input, mut problems) = (Map::new(), Vec::new());
    for field in fields {
        let text = sent.get(&field.name).map(String::as_str);
        match Control::of(field).read(field, text) {
            Ok(Some(value)) => {
                input.insert(field.name.clone(), value);
            }
            Ok(None) => {
                if field.default.is_none() && !field.optional {
                    problems.push(InputProblem {
                        path: field.name.clone(),
                        message: "fill this in".to_owned(),
                    });
                }
            }
            Err(message) => problems.push(InputProblem {
                path: field.name.clone(),
                message,
            }),
        }
    }
    match problems.is_empty() {
        true => Ok(Value::Object(input)),
        false => Err(problems),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(name: &str, schema: Value) -> InputField {
        InputField {
            name: name.to_owned(),
            schema: schema.as_object().unwrap().clone(),
            default: None,
            optional: false,
        }
    }

    #[test]
    fn texts_become_the_values_that_their_fields_are() {
        let fields = [
            field("a", json!({"type": "integer"})),
            field("b", json!({"type": "boolean"})),
            field("c", json!({"type": "string"})),
            field("d", json!({"type": "number", "enum": [1, 2.5]})),
            field("e", json!({"type": "array"})),
            InputField {
                default: Some(json!("x")),
                ..field("f", json!({"type": "string", "maxLength": 2000}))
            },
        ];
        let good = sent(b"a=12&b=on&c=x+y%0D%0Az&d=2.5&e=%5B1%5D&f=&a=9");
        assert_eq!(
            input(&fields, &good).unwrap(),
            json!({"a": 12, "b": true, "c": "x y\nz", "d": 2.5, "e": [1]})
        );
        let wrong = sent(b"a=many&c=+&d=3&e=x");
        let problems = input(&fields, &wrong).unwrap_err();
        let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["a", "c", "d", "e"]);
    }

    #[test]
    fn a_control_follows_from_the_type() {
        let of = |schema| Control::of(&field("x", schema));
        assert_eq!(
            of(json!({"type": "string", "format": "email"})),
            Control::Line("email")
        );
        assert_eq!(of(json!({"type": "string", "maxLength": 201})), Control::Lines);
        assert_eq!(of(json!({"type": "string", "enum": ["a"]})), Control::Choice);
        assert_eq!(of(json!({})), Control::Json);
    }
}
