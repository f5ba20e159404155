//! A host in memory: runs commands against functions, keeps the records.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use flowforge_ports::Interface;
use flowforge_protocol::job::{Decision, Trigger};
use flowforge_protocol::record::{Event, Record};
use flowforge_protocol::{Digest, Failure, JobId, RunId, StepKey};
use flowforge_workflow::{Command, Invoke, Now, Plan, RunState, canonical, parse};
use serde_json::{Map, Value};

/// A run, its records, and what is under way.
pub(crate) struct Host {
    pub(crate) state: RunState,
    pub(crate) records: Vec<Record>,
    pub(crate) flying: VecDeque<Invoke>,
    pub(crate) now_ms: u64,
}

pub(crate) fn plan_of(source: &str, interfaces: &BTreeMap<String, Interface>) -> Arc<Plan> {
    let definition = parse(source).unwrap_or_else(|found| panic!("{found:#?}"));
    let canonical = canonical(&definition, &Map::new()).expect("no overrides");
    // As it travels: as bytes, with the keys sorted.
    let bytes = flowforge_protocol::digest::canonical_json(&canonical);
    let read: Value = serde_json::from_slice(&bytes).expect("it is JSON");
    Plan::from_canonical(&read, interfaces).expect("a plan")
}

pub(crate) fn accepted(input: Value) -> Event {
    Event::Accepted {
        job: JobId::from_entropy([1; 16]),
        release: Digest::of(b"release"),
        grants: Digest::of(b"grants"),
        input,
        trigger: Trigger::Manual {
            by: "test".to_owned(),
        },
        traceparent: None,
    }
}

impl Host {
    pub(crate) fn start(plan: Arc<Plan>, input: Value) -> Self {
        let state = RunState::new(plan, RunId::from_entropy([2; 16]));
        let mut host = Self {
            state,
            records: Vec::new(),
            flying: VecDeque::new(),
            now_ms: 1_000_000,
        };
        host.record(accepted(input));
        host.advance();
        host
    }

    pub(crate) fn record(&mut self, event: Event) {
        let record = Record {
            seq: self.state.next_seq(),
            at_ms: self.now_ms,
            event,
        };
        self.state
            .apply(&record)
            .unwrap_or_else(|error| panic!("{error}: {record:?}"));
        self.records.push(record);
    }

    /// Does everything that needs no attempt to end.
    pub(crate) fn advance(&mut self) {
        loop {
            let commands = self.state.next(Now { ms: self.now_ms });
            let mut recorded = false;
            for command in commands {
                match command {
                    Command::Record(event) => {
                        recorded = true;
                        self.record(event);
                    }
                    Command::Invoke(invoke) => self.flying.push_back(*invoke),
                    Command::Timer { .. } => {}
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
                output,
                elapsed_us: 1000,
                used: Vec::new(),
            },
            Err(failure) => {
                self.state
                    .attempt_failed(&invoke.step, invoke.attempt, failure, 1000, self.now_ms)
            }
        };
        self.record(event);
        self.advance();
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
        if let (true, Some((_, due))) = (self.flying.is_empty(), self.state.timers().first()) {
            self.now_ms = self.now_ms.max(*due);
            self.advance();
        }
    }

    /// A person answers; a no comes with a reason.
    pub(crate) fn decide(&mut self, step: &str, approved: bool) {
        let step: StepKey = step.parse().expect("a step");
        let approval = self.state.waiting().first().expect("it waits").approval.clone();
        self.now_ms += 60_000;
        let decision = Decision {
            approval,
            approved,
            by: "demo".to_owned(),
            comment: (!approved).then(|| "the feed is a test".to_owned()),
            at_ms: self.now_ms,
        };
        self.record(Event::Decided { step, decision });
        self.advance();
    }

    /// The state as another process rebuilds it from the first records.
    pub(crate) fn replay(&self, count: usize) -> RunState {
        let mut state = RunState::new(Arc::clone(self.state.plan()), self.state.run().clone());
        for record in self.records.iter().take(count) {
            state.apply(record).expect("it applied before");
        }
        state
    }

    /// The table of the run as the terminal shows it.
    pub(crate) fn table(&self) -> String {
        let view = self.state.view();
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
