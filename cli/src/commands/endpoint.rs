//! `flowforge endpoint`: webhook endpoints, to which events are sent, and what became of those.

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::args::Global;
use crate::output::{Exit, list, next, number, result, short, text};
use crate::pages::{Wanted, pages};
use crate::say;
use crate::table::Table;
use crate::time;

const LIST: &str = "{ webhookEndpoints { name url events workflow keyVersion oldKeyUntilMs madeBy madeAtMs failures \
    failingSinceMs disabledAtMs disabledWhy } }";
const SET: &str = "mutation Set($input: SetWebhookEndpointInput!) { setWebhookEndpoint(input: $input) { __typename \
    ... on SetWebhookEndpointSuccess { key endpoint { name url events workflow keyVersion } } \
    ... on Problem { message code } ... on InputProblem { fields { path message } } } }";
const ROTATE: &str = "mutation Rotate($input: RotateWebhookEndpointInput!) { rotateWebhookEndpoint(input: $input) { \
    __typename ... on RotateWebhookEndpointSuccess { key endpoint { name keyVersion oldKeyUntilMs } } \
    ... on Problem { message code } ... on InputProblem { fields { path message } } } }";
const DECIDE: &str = "mutation Decide($input: DecideWebhookEndpointInput!) { decideWebhookEndpoint(input: $input) { \
    __typename ... on DecideWebhookEndpointSuccess { endpoint { name disabledAtMs disabledWhy } } \
    ... on Problem { message code } } }";
const DELETE: &str = "mutation Delete($input: DeleteWebhookEndpointInput!) { deleteWebhookEndpoint(input: $input) { \
    __typename ... on DeleteWebhookEndpointSuccess { name } ... on Problem { message code } } }";
const TEST: &str = "mutation Test($input: TestWebhookEndpointInput!) { testWebhookEndpoint(input: $input) { __typename \
    ... on TestWebhookEndpointSuccess { delivery { number event kind endpoint state } } \
    ... on Problem { message code } } }";
const RETRY: &str = "mutation Retry($input: RetryEventDeliveryInput!) { retryEventDelivery(input: $input) { __typename \
    ... on RetryEventDeliverySuccess { delivery { number event kind endpoint state } } \
    ... on Problem { message code } } }";
const LOG: &str = "query Events($first: Int!, $after: String, $filter: EventDeliveryFilter) { \
    eventDeliveries(first: $first, after: $after, filter: $filter) { nodes { number event kind endpoint atMs workflow \
    subject state attempts nextAtMs lastAtMs lastStatus lastAnswer askedBy } pageInfo { hasNextPage endCursor } } }";

/// Keep webhook endpoints, to which events are sent, and see what went out
#[derive(Debug, Subcommand)]
pub(crate) enum EndpointCommand {
    /// List them, with how they do
    #[command(after_help = "Example:\n  flowforge endpoint list")]
    List,
    /// Make one, or say anew where it is and what it is told; the key of a new one is shown this once
    #[command(
        after_help = "Example:\n  flowforge endpoint set books https://books.example.com/hooks --event run-ended --workflow order-payment"
    )]
    Set(Set),
    /// Give one another key; for a while events are signed with both
    #[command(after_help = "Example:\n  flowforge endpoint rotate books --overlap-hours 48")]
    Rotate {
        /// Its name
        name: String,
        /// For so many hours the key before signs, too
        #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u32).range(0..=168))]
        overlap_hours: u32,
    },
    /// Send nothing to one any more, until it is enabled
    #[command(after_help = "Example:\n  flowforge endpoint disable books")]
    Disable {
        /// Its name
        name: String,
    },
    /// Send events to one again
    #[command(after_help = "Example:\n  flowforge endpoint enable books")]
    Enable {
        /// Its name
        name: String,
    },
    /// Remove one, with the list of what was sent to it
    #[command(after_help = "Example:\n  flowforge endpoint delete books")]
    Delete {
        /// Its name
        name: String,
    },
    /// Send an event that tries one
    #[command(after_help = "Example:\n  flowforge endpoint test books")]
    Test {
        /// Its name
        name: String,
    },
    /// List the events that went out or wait to, newest first
    #[command(after_help = "Example:\n  flowforge endpoint deliveries --endpoint books --state failed")]
    Deliveries(Deliveries),
    /// Send an event once more, now, under the name that it has
    #[command(after_help = "Example:\n  flowforge endpoint retry 42")]
    Retry {
        /// Its number in the list
        number: u64,
    },
}

/// An endpoint as it is to be.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// Its name: lower-case letters, digits, `-` and `_`
    name: String,
    /// Where it is: https://NAME/PATH
    url: String,
    /// What it is told of everything that happens; may be repeated. Without it, only what workflows send to it by name
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<Event>,
    /// Only of this workflow
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
}

/// What an endpoint can be told.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Event {
    /// A workflow has a new version
    WorkflowPublished,
    /// A run is over, however it ended
    RunEnded,
    /// A person is asked
    ApprovalRequested,
}

impl Event {
    fn word(self) -> &'static str {
        match self {
            Self::WorkflowPublished => "WORKFLOW_PUBLISHED",
            Self::RunEnded => "RUN_ENDED",
            Self::ApprovalRequested => "APPROVAL_REQUESTED",
        }
    }
}

/// Which events, and how many.
#[derive(Debug, Args)]
pub(crate) struct Deliveries {
    /// Only those for this endpoint
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// Only those of this kind, such as run.ended
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only those that stand so
    #[arg(long, value_name = "STATE")]
    state: Option<State>,
    /// At most this many
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

/// Where the delivery of an event stands.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum State {
    /// It is tried, or will be
    Pending,
    /// The endpoint has taken it
    Delivered,
    /// It was tried as often as it is
    Failed,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Delivered => "DELIVERED",
            Self::Failed => "FAILED",
        }
    }
}

/// Runs the command.
pub(crate) async fn run(command: EndpointCommand, global: &Global) -> Result<Exit> {
    match command {
        EndpointCommand::List => endpoints(global).await,
        EndpointCommand::Set(set) => make(global, set).await,
        EndpointCommand::Rotate { name, overlap_hours } => rotate(global, &name, overlap_hours).await,
        EndpointCommand::Disable { name } => decide(global, &name, false).await,
        EndpointCommand::Enable { name } => decide(global, &name, true).await,
        EndpointCommand::Delete { name } => delete(global, &name).await,
        EndpointCommand::Test { name } => {
            let input = json!({ "name": name });
            send(global, "testWebhookEndpoint", TEST, input).await
        }
        EndpointCommand::Deliveries(wanted) => deliveries(global, wanted).await,
        EndpointCommand::Retry { number } => {
            let input = json!({ "number": number });
            send(global, "retryEventDelivery", RETRY, input).await
        }
    }
}

/// Words of the API as people read them: `RUN_ENDED` is `run.ended`.
fn kinds(endpoint: &Value) -> String {
    let events = list(endpoint, "/events").iter().filter_map(Value::as_str);
    let events: Vec<_> = events
        .map(|event| event.to_lowercase().replace('_', "."))
        .collect();
    events.join(", ")
}

async fn endpoints(global: &Global) -> Result<Exit> {
    let answer = global.api()?.ask(LIST, json!({})).await?;
    let found = answer.get("webhookEndpoints").cloned().unwrap_or_default();
    result(global, &found, |found| {
        let mut table = Table::new(&["name", "url", "events", "workflow", "state"]);
        for endpoint in list(found, "") {
            table.row([
                text(endpoint, "/name"),
                text(endpoint, "/url"),
                &kinds(endpoint),
                text(endpoint, "/workflow"),
                &state(endpoint),
            ]);
        }
        table.print("there are no webhook endpoints; make one with `flowforge endpoint set`");
    });
    let disabled = |endpoint: &&Value| !text(endpoint, "/disabledWhy").is_empty();
    if let Some(first) = list(&found, "").iter().find(disabled) {
        next(
            global,
            &format!("flowforge endpoint enable {}", text(first, "/name")),
        );
    }
    Ok(Exit::Done)
}

/// How an endpoint does.
fn state(endpoint: &Value) -> String {
    match (text(endpoint, "/disabledWhy"), number(endpoint, "/failures")) {
        ("", 0) => "good".to_owned(),
        ("", failures) => format!(
            "{failures} calls failed since {}",
            time::date(number(endpoint, "/failingSinceMs"))
        ),
        (why, _) => format!("disabled: {why}"),
    }
}

fn show_key(made: &Value) {
    say!("  its key, shown this once:  {}", text(made, "/key"));
    say!("  check its signatures as Standard Webhooks says (docs/events.md)");
}

async fn make(global: &Global, set: Set) -> Result<Exit> {
    let events: Vec<_> = set.events.iter().map(|event| event.word()).collect();
    let input = json!({ "name": set.name, "url": set.url, "events": events, "workflow": set.workflow });
    let made = global.api()?.change("setWebhookEndpoint", SET, input).await?;
    result(global, &made, |made| {
        if text(made, "/key").is_empty() {
            say!("endpoint {} was changed; it keeps its key", set.name);
        } else {
            say!("endpoint {} was made", set.name);
            show_key(made);
        }
    });
    next(global, &format!("flowforge endpoint test {}", set.name));
    Ok(Exit::Done)
}

async fn rotate(global: &Global, name: &str, overlap_hours: u32) -> Result<Exit> {
    let input = json!({ "name": name, "overlapHours": overlap_hours });
    let made = global
        .api()?
        .change("rotateWebhookEndpoint", ROTATE, input)
        .await?;
    result(global, &made, |made| {
        say!(
            "endpoint {name} has key {}; the one before signs, too, until {}",
            number(made, "/endpoint/keyVersion"),
            time::date(number(made, "/endpoint/oldKeyUntilMs"))
        );
        show_key(made);
    });
    Ok(Exit::Done)
}

async fn decide(global: &Global, name: &str, enabled: bool) -> Result<Exit> {
    let input = json!({ "name": name, "enabled": enabled });
    let decided = global
        .api()?
        .change("decideWebhookEndpoint", DECIDE, input)
        .await?;
    result(global, &decided, |_| match enabled {
        true => say!("endpoint {name} is enabled: what waits for it is sent"),
        false => say!("endpoint {name} is disabled: nothing is sent there"),
    });
    Ok(Exit::Done)
}

async fn delete(global: &Global, name: &str) -> Result<Exit> {
    let input = json!({ "name": name });
    let deleted = global
        .api()?
        .change("deleteWebhookEndpoint", DELETE, input)
        .await?;
    result(global, &deleted, |_| say!("endpoint {name} is gone"));
    Ok(Exit::Done)
}

async fn send(global: &Global, name: &str, document: &str, input: Value) -> Result<Exit> {
    let done = global.api()?.change(name, document, input).await?;
    let delivery = done.get("delivery").cloned().unwrap_or_default();
    result(global, &delivery, |delivery| {
        say!(
            "event {} ({}) is on its way to {}",
            number(delivery, "/number"),
            text(delivery, "/kind"),
            text(delivery, "/endpoint")
        );
    });
    let endpoint = text(&delivery, "/endpoint");
    next(
        global,
        &format!("flowforge endpoint deliveries --endpoint {endpoint} --limit 1"),
    );
    Ok(Exit::Done)
}

async fn deliveries(global: &Global, wanted: Deliveries) -> Result<Exit> {
    let filter = json!({
        "endpoint": wanted.endpoint,
        "kind": wanted.kind,
        "state": wanted.state.map(State::word),
    });
    let of = Wanted {
        document: LOG,
        list: "eventDeliveries",
        limit: wanted.limit,
        variables: json!({ "filter": filter }),
    };
    let found = pages(global, of).await?;
    result(global, &found, |found| {
        let mut table = Table::new(&[
            "number",
            "when",
            "kind",
            "about",
            "endpoint",
            "state",
            "last answer",
        ]);
        for event in list(found, "") {
            table.row([
                &number(event, "/number").to_string(),
                &time::date(number(event, "/atMs")),
                text(event, "/kind"),
                &about(event),
                text(event, "/endpoint"),
                &standing(event),
                &answer(event),
            ]);
        }
        table.print("nothing of this kind went out");
    });
    let failed = |event: &&Value| text(event, "/state") == "FAILED";
    if let Some(first) = list(&found, "").iter().find(failed) {
        next(
            global,
            &format!("flowforge endpoint retry {}", number(first, "/number")),
        );
    }
    Ok(Exit::Done)
}

/// What an event is about.
fn about(event: &Value) -> String {
    let subject = short(text(event, "/subject").trim_start_matches("sha256:"));
    match text(event, "/workflow") {
        "" => subject.to_owned(),
        workflow => format!("{workflow} {subject}"),
    }
}

/// Where its delivery stands.
fn standing(event: &Value) -> String {
    let attempts = number(event, "/attempts");
    match text(event, "/state") {
        "PENDING" if attempts > 0 => format!(
            "pending: next try {}, {attempts} made",
            time::date(number(event, "/nextAtMs"))
        ),
        state => state.to_lowercase(),
    }
}

/// What the endpoint said last.
fn answer(event: &Value) -> String {
    let said: String = text(event, "/lastAnswer")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let said: String = said.chars().take(60).collect();
    match number(event, "/lastStatus") {
        0 => said,
        status if said.is_empty() => status.to_string(),
        status => format!("{status} {said}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_as_what_it_is_about_and_how_it_stands() {
        let event = json!({
            "subject": "0123456789abcdef", "workflow": "sum", "state": "PENDING", "attempts": 0, "lastStatus": 500,
            "lastAnswer": "try\nlater",
        });
        assert!(about(&event).starts_with("sum 0123"), "{}", about(&event));
        assert_eq!(standing(&event), "pending");
        assert_eq!(answer(&event), "500 try later");
        assert_eq!(
            answer(&json!({"lastAnswer": "nobody listens there"})),
            "nobody listens there"
        );
        assert_eq!(state(&json!({"failures": 0})), "good");
        assert_eq!(
            state(&json!({"disabledWhy": "gone", "failures": 3})),
            "disabled: gone"
        );
        assert_eq!(
            kinds(&json!({"events": ["RUN_ENDED", "WORKFLOW_PUBLISHED"]})),
            "run.ended, workflow.published"
        );
    }
}
