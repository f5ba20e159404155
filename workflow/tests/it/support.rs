//! A host in memory: runs commands against functions, keeps the records.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use flowforge_ports::Interface;
use flowforge_protocol::approval::{Answer, Decision};
use flowforge_protocol::awaited::{Await, ChildEnd, Closing, ReviewAction, ReviewVerdict, Signal};
use flowforge_protocol::record::{Accepted, Event, Origin, Outcome, RECORD_VERSION, Record, Source, Trigger};
use flowforge_protocol::release::PinnedRelease;
use flowforge_protocol::used::{Use, Used};
use flowforge_protocol::value::{Salt, Sealer};
use flowforge_protocol::{Digest, Failure, FailureKind, JobId, MessageId, RunId, StepKey};
use flowforge_workflow::{
    Command, Execution, Given, Invoke, NodeState, Now, Plan, RunState, canonical, parse,
};
use serde_json::{Map, Value, json};

/// A run, its records, and what is under way.
pub(crate) struct Host {
    pub(crate) run: Execution,
    pub(crate) records: Vec<Record>,
    pub(crate) flying: VecDeque<Invoke>,
    pub(crate) now_ms: u64,
    given: Given,
}

pub(crate) fn plan_of(source: &str, interfaces: &BTreeMap<String, Interface>) -> Arc<Plan> {
    let definition = parse(source).unwrap_or_else(|found| panic!("{found:#?}"));
    let canonical = canonical(&definition, &Map::new()).expect("no overrides");
    // As it travels: as bytes, with the keys sorted.
    let bytes = flowforge_protocol::canonical::canonical_json(&canonical);
    let read: Value = serde_json::from_slice(&bytes).expect("it is JSON");
    Plan::from_canonical(&read, interfaces, &children()).expect("a plan")
}

/// The releases that `workflow` nodes may run in tests.
fn children() -> BTreeMap<String, PinnedRelease> {
    let pinned = PinnedRelease {
        version: 1,
        release: Digest::of(b"child release"),
        grants: Digest::of(b"child grants"),
    };
    BTreeMap::from([("child".to_owned(), pinned)])
}

/// A plan of nodes; none of its operations may be repeated after an unknown outcome.
pub(crate) fn plan(nodes: &str) -> Arc<Plan> {
    plan_of(&format!("workflow: test\n{nodes}"), &BTreeMap::new())
}

/// A plan whose operations `x:y/a` to `x:y/z` have this effect class.
pub(crate) fn plan_with_effect(nodes: &str, effect: &Value) -> Arc<Plan> {
    let operation = |name: char| {
        json!({
            "name": name, "export": { "function": name }, "params": [], "fails": true, "effect": effect,
        })
    };
    let operations: Vec<Value> = ('a'..='z').map(operation).collect();
    let interface = json!({ "operations": operations, "capabilities": [], "baseline": [] });
    let interface = serde_json::from_value(interface).expect("an interface");
    let interfaces = BTreeMap::from([("x:y".to_owned(), interface)]);
    plan_of(&format!("workflow: test\n{nodes}"), &interfaces)
}

/// An attempt that gives back its step and its input.
pub(crate) fn echo(invoke: &Invoke) -> Result<Value, Failure> {
    Ok(json!({ "from": invoke.step.to_string(), "with": invoke.input }))
}

/// An attempt that fails for good.
pub(crate) fn refuse(_: &Invoke) -> Result<Value, Failure> {
    Err(Failure::new(FailureKind::Rejected, "no such thing"))
}

/// Attempts that fail in this way.
pub(crate) fn fails(kind: FailureKind) -> impl Fn(&Invoke) -> Result<Value, Failure> {
    move |_| Err(Failure::new(kind, "it failed"))
}

/// Whether the run failed because of this node.
pub(crate) fn is_failed(host: &Host, wanted: &str) -> bool {
    matches!(host.state().outcome(), Some(Outcome::Failed { node: Some(node), .. }) if node.as_str() == wanted)
}

pub(crate) fn acceptance(input: Value) -> Accepted {
    Accepted {
        version: RECORD_VERSION,
        workspace: "default".to_owned(),
        project: "default".to_owned(),
        origin: Origin::Order {
            job: JobId::from_entropy([1; 16]),
        },
        release: Digest::of(b"release"),
        grants: Digest::of(b"grants"),
        input: input.into(),
        trigger: Trigger::Manual {
            by: "test".to_owned(),
        },
        lineage: None,
        extra: None,
        until: None,
        given: Vec::new(),
        traceparent: None,
    }
}

impl Host {
    pub(crate) fn start(plan: Arc<Plan>, input: Value) -> Self {
        Self::start_with(plan, acceptance(input), Given::new())
    }

    pub(crate) fn start_with(plan: Arc<Plan>, accepted: Accepted, given: Given) -> Self {
        let state = RunState::new(plan, RunId::from_entropy([2; 16]));
        let mut host = Self {
            run: Execution::new(state, given.clone()),
            records: Vec::new(),
            flying: VecDeque::new(),
            now_ms: 1_000_000,
            given,
        };
        host.record(Event::Accepted(Box::new(accepted)));
        host.advance();
        host
    }

    pub(crate) fn state(&self) -> &RunState {
        self.run.state()
    }

    pub(crate) fn record(&mut self, event: Event) {
        let mut record = Record {
            seq: self.state().next_seq(),
            at_ms: self.now_ms,
            event,
        };
        let mut sealer = Sealer {
            salt: &mut |_| Salt::from_entropy([7; 16]),
            inline_bytes: usize::MAX,
            keep: None,
        };
        record
            .seal(&mut sealer, &mut Vec::new())
            .expect("its values are kept");
        self.run
            .apply(record.clone())
            .unwrap_or_else(|error| panic!("{error}: {record:?}"));
        self.records.push(record);
    }

    /// The host stops and starts again: what was under way is forgotten, the records are read anew.
    pub(crate) fn restart(&mut self) {
        self.flying.clear();
        self.run = Execution::new(self.replay(self.records.len()), self.given.clone());
        self.advance();
    }

    /// The attempt at this position is about to have an effect.
    pub(crate) fn intend(&mut self, position: usize) {
        let invoke = &self.flying[position];
        let event = Event::Intent {
            step: invoke.step.clone(),
            attempt: invoke.attempt,
            input_digest: Digest::of_json(&Value::Object(invoke.input.clone())),
            will_use: Use::of("https://a.example:443"),
        };
        self.record(event);
        self.advance();
    }

    pub(crate) fn close(&mut self, step: &str, closing: Closing) {
        let step = step.parse().expect("a step");
        self.record(Event::AwaitClosed { step, closing });
        self.advance();
    }

    pub(crate) fn review(&mut self, step: &str, action: ReviewAction) {
        let verdict = ReviewVerdict {
            action,
            by: "ana".to_owned(),
            comment: None,
            at_ms: self.now_ms,
        };
        self.close(step, Closing::Review(verdict));
    }

    pub(crate) fn signal(&mut self, name: &str, correlation: Option<&str>, payload: Value) {
        let number = u8::try_from(self.records.len()).expect("few records");
        self.record(Event::SignalReceived(Signal {
            message: MessageId::from_entropy([number; 16]),
            name: name.to_owned(),
            correlation: correlation.map(str::to_owned),
            payload: payload.into(),
            by: "shop".to_owned(),
        }));
        self.advance();
    }

    /// Another run that a node waits for ended.
    pub(crate) fn child_ends(&mut self, step: &str, outcome: Result<Value, (&str, Option<Failure>)>) {
        let run = self.child_of(&step.parse().expect("a step"));
        let (state, output, failure) = match outcome {
            Ok(output) => ("done", output, None),
            Err((state, failure)) => (state, Value::Null, failure),
        };
        let end = ChildEnd {
            run,
            state: state.to_owned(),
            output: output.into(),
            failure,
        };
        self.close(step, Closing::Child(end));
    }

    /// The run that a step ordered.
    pub(crate) fn child_of(&self, wanted: &StepKey) -> RunId {
        let mut ordered = self.records.iter().filter_map(|record| match &record.event {
            Event::AwaitOpened {
                step,
                awaits: Await::Child { run, .. },
                ..
            } if step == wanted => Some(run.clone()),
            _ => None,
        });
        ordered.next().expect("it ordered a run")
    }

    /// The runs that were ordered, with their inputs, in order.
    pub(crate) fn children(&self) -> Vec<(RunId, Value)> {
        let child = |record: &Record| match &record.event {
            Event::AwaitOpened {
                awaits: Await::Child { run, input, .. },
                ..
            } => Some((run.clone(), input.shown())),
            _ => None,
        };
        self.records.iter().filter_map(child).collect()
    }

    pub(crate) fn cancel(&mut self) {
        self.record(Event::CancelRequested {
            reason: "by ana".to_owned(),
            grace_ms: 1000,
        });
        self.advance();
    }

    pub(crate) fn pause(&mut self) {
        self.record(Event::Paused { by: "ana".to_owned() });
        self.advance();
    }

    pub(crate) fn unpause(&mut self) {
        self.record(Event::Unpaused { by: "ana".to_owned() });
        self.advance();
    }

    /// The steps at which an attempt is under way, in the order in which they began.
    pub(crate) fn at_work(&self) -> Vec<String> {
        self.flying.iter().map(|invoke| invoke.step.to_string()).collect()
    }

    /// The output of the run; panics if it is not done.
    pub(crate) fn output(&self) -> Value {
        match self.state().outcome() {
            Some(Outcome::Done { output }) => output.shown(),
            other => panic!("{other:?}\n{}", self.table()),
        }
    }

    /// The state of the outcome, or of the run while it goes on.
    pub(crate) fn phase(&self) -> &'static str {
        self.state().phase().as_str()
    }

    /// State and words of a node.
    pub(crate) fn row(&self, node: &str) -> (NodeState, String) {
        let view = self.state().view();
        let row = view.nodes.iter().find(|row| row.node.as_str() == node);
        let row = row.unwrap_or_else(|| panic!("no `{node}` in\n{}", self.table()));
        (row.state, row.what.clone())
    }

    /// Whatever the records say is what another process says that reads them, at every prefix, from the records and from
    /// a snapshot; and each of them goes on in the same way.
    pub(crate) fn check_replay(&self) {
        for count in 1..=self.records.len() {
            let state = self.replay(count);
            if count == self.records.len() {
                assert_eq!(state.view(), self.state().view());
            }
            let bytes = state.snapshot().expect("it has all its values");
            let number = u64::try_from(count).unwrap_or(0);
            let restored = RunState::restore(Arc::clone(state.plan()), state.run(), number, &bytes);
            let restored = restored.expect("it fits");
            if count < self.records.len() {
                assert_eq!(restored.view(), state.view());
            }
            let commands = |state| Execution::new(state, self.given.clone()).next(Now { ms: self.now_ms });
            assert_eq!(commands(restored), commands(state));
        }
    }

    /// Does everything that needs no attempt to end.
    pub(crate) fn advance(&mut self) {
        loop {
            let commands = self.run.next(Now { ms: self.now_ms });
            let mut recorded = false;
            for command in commands {
                match command {
                    Command::Record(event) => {
                        recorded = true;
                        self.record(event);
                    }
                    Command::Invoke(invoke) => self.flying.push_back(*invoke),
                }
            }
            if !recorded {
                return;
            }
        }
    }

    /// Ends the attempt at this position.
    pub(crate) fn finish(&mut self, position: usize, operation: impl Fn(&Invoke) -> Result<Value, Failure>) {
        let invoke = self.flying.remove(position).expect("it flies");
        self.now_ms += 1;
        let event = match operation(&invoke) {
            Ok(output) => Event::Completed {
                step: invoke.step.clone(),
                attempt: invoke.attempt,
                output: output.into(),
                elapsed_us: 1000,
                used: Vec::new(),
                source: Source::Step,
            },
            Err(failure) => self.state().attempt_failed(
                &invoke.step,
                invoke.attempt,
                failure,
                Vec::new(),
                1000,
                self.now_ms,
            ),
        };
        self.record(event);
        self.advance();
    }

    /// Ends the attempt of this step.
    pub(crate) fn finish_step(&mut self, step: &str, operation: impl Fn(&Invoke) -> Result<Value, Failure>) {
        let at = self.at_work().iter().position(|other| other == step);
        self.finish(at.expect("it flies"), operation);
    }

    /// Ends every attempt, the oldest first, until nothing flies.
    pub(crate) fn run(&mut self, operation: impl Fn(&Invoke) -> Result<Value, Failure>) {
        while !self.flying.is_empty() {
            self.finish(0, &operation);
        }
    }

    /// As [`Self::run`], and lets the time pass that retries wait for.
    pub(crate) fn run_through(&mut self, operation: impl Fn(&Invoke) -> Result<Value, Failure>) {
        while !self.flying.is_empty() {
            self.finish(0, &operation);
            self.skip_time();
        }
    }

    /// If nothing flies and something waits for its time, it is that time now.
    pub(crate) fn skip_time(&mut self) {
        if let (true, Some((_, due))) = (self.flying.is_empty(), self.state().timers().first()) {
            self.now_ms = self.now_ms.max(*due);
            self.advance();
        }
    }

    /// A person answers; a no comes with a reason.
    pub(crate) fn decide(&mut self, step: &str, approved: bool) {
        let step: StepKey = step.parse().expect("a step");
        let approval = self.state().waiting().first().expect("it waits").approval.clone();
        self.now_ms += 60_000;
        let answer = Answer {
            by: "demo".to_owned(),
            answers_for: Some("duty".to_owned()),
            approved,
            comment: (!approved).then(|| "the feed is a test".to_owned()),
            at_ms: self.now_ms,
            form: None,
            signature: None,
        };
        let decision = Box::new(Decision::of(approval, vec![answer]).expect("an answer"));
        self.record(Event::AwaitClosed {
            step,
            closing: Closing::Decision(decision),
        });
        self.advance();
    }

    /// The state as another process rebuilds it from the first records.
    pub(crate) fn replay(&self, count: usize) -> RunState {
        let mut state = RunState::new(Arc::clone(self.state().plan()), self.state().run().clone());
        for record in self.records.iter().take(count) {
            state.apply(record).expect("it applied before");
        }
        state
    }

    /// The state of a run that is to be retried.
    pub(crate) fn with_rounds(&self) -> RunState {
        let mut state = RunState::with_rounds(Arc::clone(self.state().plan()), self.state().run().clone());
        for record in &self.records {
            state.apply(record).expect("it applied before");
        }
        state
    }

    /// The next generation, from these steps on.
    pub(crate) fn retried(&self, from: &[&str], plan: Arc<Plan>, input: Value) -> Self {
        let from: Vec<StepKey> = from.iter().map(|step| step.parse().expect("a step")).collect();
        let state = self.with_rounds();
        let fork = state.fork_from(&from).expect("it can be retried");
        let mut accepted = acceptance(input);
        accepted.lineage = Some(Box::new(fork.lineage.clone()));
        Self::start_with(plan, accepted, state.results_of(fork.reused))
    }

    /// Ends the attempt of this step, which used something outside.
    pub(crate) fn finish_used(&mut self, step: &str) {
        let at = self.at_work().iter().position(|other| other == step);
        let at = at.unwrap_or_else(|| panic!("{step} is not among {:?}", self.at_work()));
        let invoke = self.flying.remove(at).expect("it flies");
        self.record(Event::Completed {
            step: invoke.step.clone(),
            attempt: invoke.attempt,
            output: echo(&invoke).expect("it echoes").into(),
            elapsed_us: 1,
            used: vec![Used {
                destination: "https://a.example:443".to_owned(),
                secret: None,
                count: 1,
            }],
            source: Source::Step,
        });
        self.advance();
    }

    /// The table of the run as the terminal shows it.
    pub(crate) fn table(&self) -> String {
        let view = self.state().view();
        view.nodes
            .iter()
            .map(|row| {
                let tries = row
                    .tries
                    .map_or_else(|| "–".to_owned(), |tries| tries.to_string());
                format!(
                    "{:<9} {:<9} {:<60} {tries}\n",
                    row.node.as_str(),
                    row.state.as_str(),
                    row.what
                )
            })
            .collect()
    }
}
