//! Several questions of one run, and questions whose time comes.

use flowforge_protocol::ApprovalId;
use flowforge_protocol::record::{Event, Outcome};
use flowforge_store::{ApprovalState, RunState};

use crate::kit::{
    Home, Open, Script, approved_at, asks_at, host, ingest, new_run, run, scope, skipped, time_up,
};

fn question(step: &str) -> ApprovalId {
    let mut bytes = [0; 16];
    for (slot, byte) in bytes.iter_mut().zip(step.bytes()) {
        *slot = byte;
    }
    ApprovalId::from_entropy(bytes)
}

fn asks(step: &str) -> Event {
    asks_at(step, question(step), &format!("{step}?"), &["duty"], Some(9_000))
}

fn approved(step: &str) -> Event {
    approved_at(step, question(step))
}

struct Asked {
    open: Open,
    script: Script,
}

impl Asked {
    async fn new(home: &Home) -> Self {
        let open = home.ready().await;
        open.store.start_run(scope(), new_run(1, true)).await.unwrap();
        let mut asked = Self {
            open,
            script: Script::new(run(1)),
        };
        asked.record(vec![asks("one"), asks("two")]).await;
        asked
    }

    async fn record(&mut self, events: Vec<Event>) {
        let batch = self.script.batch(events);
        let told = self
            .open
            .store
            .ingest(scope(), ingest(&host(1), vec![batch]))
            .await
            .unwrap();
        assert!(told.rejected.is_empty(), "{told:?}");
    }

    async fn states(&self) -> (RunState, Vec<ApprovalState>) {
        let approvals = self
            .open
            .store
            .approvals_of(scope(), vec![run(1)], 9)
            .await
            .unwrap();
        let stored = self.open.store.run(scope(), &run(1)).await.unwrap().unwrap();
        (
            stored.state,
            approvals.iter().map(|approval| approval.state).collect(),
        )
    }

    async fn first_question(&self) -> Option<String> {
        let stored = self.open.store.run(scope(), &run(1)).await.unwrap().unwrap();
        stored.head.question.map(|question| question.title)
    }
}

/// A run with two open questions was shown as running when one of them was answered.
#[tokio::test]
async fn a_run_waits_until_its_last_question_is_answered() {
    use ApprovalState::{Approved, Pending};
    let home = Home::new();
    let mut asked = Asked::new(&home).await;
    assert_eq!(asked.first_question().await.as_deref(), Some("one?"));
    asked.record(vec![approved("one"), skipped("x")]).await;
    assert_eq!(asked.states().await, (RunState::Waiting, vec![Approved, Pending]));
    assert_eq!(asked.first_question().await.as_deref(), Some("two?"));
    asked.record(vec![approved("two")]).await;
    assert_eq!(
        asked.states().await,
        (RunState::Running, vec![Approved, Approved])
    );
    assert_eq!(asked.first_question().await, None);
    asked.open.close().await;
}

/// A question that expired at the host stayed open for people if that did not end the run.
#[tokio::test]
async fn a_question_whose_time_came_at_the_host_is_expired() {
    use ApprovalState::{Expired, Pending, Withdrawn};
    let home = Home::new();
    let mut asked = Asked::new(&home).await;
    // The time of something else is no question's.
    asked.record(vec![time_up("three")]).await;
    assert_eq!(asked.states().await, (RunState::Waiting, vec![Pending, Pending]));
    asked.record(vec![time_up("one")]).await;
    assert_eq!(asked.states().await, (RunState::Waiting, vec![Expired, Pending]));
    let outcome = Outcome::Expired {
        step: "one".parse().unwrap(),
    };
    asked.record(vec![Event::Ended { outcome }]).await;
    assert_eq!(
        asked.states().await,
        (RunState::Expired, vec![Expired, Withdrawn])
    );
    asked.open.close().await;
}

/// What people are shown is what the state machine of the run would say, whatever happens to its questions.
#[test]
fn any_order_of_answers_and_times_shows_the_true_state() {
    use proptest::prelude::*;
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    // Per event: which of four questions, whether it is asked, answered or timed out, and whether a new call begins.
    let event = (0_usize..4, 0_usize..3, any::<bool>());
    let steps = ["a", "b", "c", "d"];
    runner
        .run(&proptest::collection::vec(event, 1..14), |events| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let home = Home::new();
                let open = home.ready().await;
                open.store.start_run(scope(), new_run(1, true)).await.unwrap();
                let mut asked = Asked {
                    open,
                    script: Script::new(run(1)),
                };
                let mut open_steps = std::collections::BTreeMap::new();
                let mut call = vec![skipped("begins")];
                for (which, what, cut) in events {
                    let step = steps[which];
                    match (what, open_steps.get(step)) {
                        (0, None) => {
                            open_steps.insert(step, true);
                            call.push(asks(step));
                        }
                        (1, Some(true)) => {
                            open_steps.insert(step, false);
                            call.push(approved(step));
                        }
                        (2, Some(true)) => {
                            open_steps.insert(step, false);
                            call.push(time_up(step));
                        }
                        _ => call.push(skipped("nothing")),
                    }
                    if cut {
                        asked.record(std::mem::take(&mut call)).await;
                    }
                }
                if !call.is_empty() {
                    asked.record(call).await;
                }
                let waits = open_steps.values().any(|open| *open);
                let expected = if waits {
                    RunState::Waiting
                } else {
                    RunState::Running
                };
                assert_eq!(asked.states().await.0, expected);
                asked.open.close().await;
            });
            Ok(())
        })
        .unwrap();
}
