//! What starts runs, besides people: requests, time tables, and events that a connector finds.

use flowforge_protocol::NodeId;
use flowforge_protocol::webhook::Scheme;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Call;

/// What starts a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// Its name in the file.
    pub name: String,
    /// What it is.
    pub kind: TriggerKind,
}

/// The kinds of triggers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TriggerKind {
    /// A request to `/hooks/PATH`; its body is the input.
    Webhook(Webhook),
    /// A time table.
    Schedule(Timetable),
    /// A connector is asked again and again for what is new.
    Poll(Box<Poll>),
    /// A page at `/forms/PATH` with a field for each of the input.
    Form(Form),
}

/// A connector that is asked again and again for what is new; each event that it finds starts a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poll {
    /// What is asked. The port `cursor` is not among its values: it gets what the answer before said, nothing the first time.
    pub call: Call,
    /// From the end of one poll to the beginning of the next, milliseconds.
    pub every_ms: u64,
}

impl Poll {
    /// The port that is given besides the values of the file: where the poll before it ended.
    pub const CURSOR: &str = "cursor";
}

impl Trigger {
    /// The call that finds its events, if a connector does.
    #[must_use]
    pub fn call(&self) -> Option<&Call> {
        match &self.kind {
            TriggerKind::Poll(poll) => Some(&poll.call),
            TriggerKind::Webhook(_) | TriggerKind::Schedule(_) | TriggerKind::Form(_) => None,
        }
    }

    /// The id of the step that finds its events; `None` for a name that no trigger can have.
    #[must_use]
    pub fn step(&self) -> Option<NodeId> {
        NodeId::of_trigger(&self.name).ok()
    }
}

/// A request that starts a run, or is a signal for one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Below `/hooks/`, without a slash at its ends.
    pub path: String,
    /// The secret whose key signs the body, in the form of FlowForge or in that of GitHub: the short way to say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hmac: Option<String>,
    /// How a request proves who sent it; absent with `hmac`. With neither nothing is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// How many requests are taken in what time; absent: as many as come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// When the caller gets an answer.
    pub answer: Answer,
    /// Given: a request starts no run, it is a signal for the runs of this workflow that wait for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<HookSignal>,
}

impl Webhook {
    /// The secret that requests are checked with, if they are.
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        let of_check = self.check.as_ref().and_then(|check| check.secret.as_deref());
        self.hmac.as_deref().or(of_check)
    }

    /// The scheme that the file names; none with `hmac`, or if it names none.
    #[must_use]
    pub fn scheme(&self) -> Option<Scheme> {
        self.check.as_ref().map(|check| check.scheme)
    }

    /// The word for what is asked of a request: a scheme, or `hmac` for either of the two that it takes.
    #[must_use]
    pub fn asked(&self) -> &'static str {
        match (self.scheme(), &self.hmac) {
            (Some(scheme), _) => scheme.as_str(),
            (None, Some(_)) => "hmac",
            (None, None) => Scheme::None.as_str(),
        }
    }

    /// Whether everybody who knows the path may send.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.secret().is_none()
    }
}

/// How a request proves who sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The form.
    pub scheme: Scheme,
    /// The secret with the key; absent for [`Scheme::None`] alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The header that holds a token, in small letters; absent: `authorization: Bearer …`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
}

/// How many in what time: `600/min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// So many at most; as many may come at once.
    pub count: u32,
    /// In so many seconds: 1, 60 or 3,600.
    pub seconds: u32,
}

/// Most requests that a rate may let in, in its time.
pub const MAX_RATE: u32 = 100_000;

impl Rate {
    /// Reads `600/min`.
    ///
    /// # Errors
    /// A sentence that says what a rate looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no rate; write 10/s, 600/min or 5000/h, at most {MAX_RATE}");
        let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
        let seconds = match unit.trim() {
            "s" => 1,
            "min" => 60,
            "h" => 3_600,
            _ => return Err(wrong()),
        };
        let count: u32 = count.trim().parse().map_err(|_| wrong())?;
        if !(1..=MAX_RATE).contains(&count) {
            return Err(wrong());
        }
        Ok(Self { count, seconds })
    }
}

/// The signal that a request to a webhook is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookSignal {
    /// Its name.
    pub name: String,
    /// Expression over `trigger` of its correlation; absent: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlate: Option<String>,
}

/// A public page that asks for the input and starts a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// Below `/forms/`, without a slash at its ends; no webhook has the same.
    pub path: String,
    /// Above the fields; absent: the title of the workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it is for, for whoever fills it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
    /// What is shown when it was sent; absent: that it was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thanks: Option<String>,
    /// How many are taken in what time; absent: [`Form::RATE`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// When whoever filled it in gets an answer: [`Answer::AtOnce`] or [`Answer::Result`].
    pub answer: Answer,
}

impl Form {
    /// How many are taken unless the file says it.
    pub const RATE: Rate = Rate {
        count: 60,
        seconds: 60,
    };
}

impl TriggerKind {
    /// The path that nobody else may have, if it has one.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Webhook(hook) => Some(&hook.path),
            Self::Form(form) => Some(&form.path),
            Self::Schedule(_) | Self::Poll(_) => None,
        }
    }
}

/// When a webhook answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// At once, with the id of the run.
    AtOnce,
    /// When the run has ended, with its output.
    Result,
    /// When a `respond` node says so, or when the run has ended without one.
    Respond,
}

/// A time table, and what becomes of times at which no run can start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timetable {
    /// Five fields: minute, hour, day of month, month, day of week.
    pub cron: String,
    /// IANA name of the time zone the fields are read in.
    pub time_zone: String,
    /// The input of the runs it starts.
    pub input: Map<String, Value>,
    /// What becomes of times that were missed.
    #[serde(default, skip_serializing_if = "CatchUp::is_one")]
    pub catch_up: CatchUp,
    /// What becomes of a time at which the run before is still open; absent: both run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
}

/// What becomes of times that were missed because no server was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// Nothing.
    Skip,
    /// The last of them starts a run.
    #[default]
    One,
    /// Each of them does, the oldest first.
    All,
}

impl CatchUp {
    /// Each, in the order in which people are told of them.
    pub const ALL: [Self; 3] = [Self::Skip, Self::One, Self::All];

    /// Its name in a workflow file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::One => "one",
            Self::All => "all",
        }
    }

    // The shape that serde asks for.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde calls it with a reference"
    )]
    fn is_one(&self) -> bool {
        *self == Self::One
    }
}

/// What becomes of a time at which the run that the trigger started before is still open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It starts nothing.
    Skip,
    /// Its run starts when the one before is over.
    Queue,
    /// The one before is stopped, and when it is over the new one starts.
    Cancel,
}

impl Overlap {
    /// Each, in the order in which people are told of them.
    pub const ALL: [Self; 3] = [Self::Skip, Self::Queue, Self::Cancel];

    /// Its name in a workflow file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
            Self::Cancel => "cancel",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_count_and_a_unit() {
        let rate = |count, seconds| Ok(Rate { count, seconds });
        assert_eq!(Rate::parse("10/s"), rate(10, 1));
        assert_eq!(Rate::parse("600/min"), rate(600, 60));
        assert_eq!(Rate::parse("100000/h"), rate(100_000, 3_600));
        for wrong in ["", "10", "0/s", "100001/h", "10/d", "-1/s", "1.5/s", "/s"] {
            assert!(Rate::parse(wrong).is_err(), "{wrong}");
        }
    }

    /// Releases that were signed before a trigger could say more must be read as they are, and keep their bytes.
    #[test]
    fn what_was_signed_before_keeps_its_form() {
        for text in [
            r#"{"name":"web","kind":{"webhook":{"path":"orders","hmac":"hook_key","answer":"at_once"}}}"#,
            r#"{"name":"night","kind":{"schedule":{"cron":"0 7 * * *","time_zone":"UTC","input":{}}}}"#,
        ] {
            let trigger: Trigger = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&trigger).unwrap(), text);
        }
    }
}
