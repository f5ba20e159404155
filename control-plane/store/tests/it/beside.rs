//! What runs wait for, and what is owed to them because of others.

use flowforge_protocol::awaited::{
    Await, ChildEnd, Closing, ReviewAction, ReviewVerdict, Signal, child_run_id,
};
use flowforge_protocol::record::{Event, Lineage, Outcome, ParentStep, Source};
use flowforge_protocol::{Failure, FailureKind, MessageId, RunId};
use flowforge_store::{
    JobKind, NewJob, NewRun, NewSignal, OpenWait, RunState, SignalKept, StoredRun, WaitFor,
};
use serde_json::json;

use crate::kit::{Home, Open, Script, host, ingest, new_job, new_run, release, run, scope, time_up};

struct Beside {
    open: Open,
    script: Script,
}

impl Beside {
    async fn new(home: &Home) -> Self {
        let open = home.ready().await;
        open.store.start_run(scope(), new_run(1, true)).await.unwrap();
        Self {
            open,
            script: Script::new(run(1)),
        }
    }

    async fn record(&mut self, events: Vec<Event>) -> flowforge_store::Ingested {
        let batch = self.script.batch(events);
        let told = self
            .open
            .store
            .ingest(scope(), ingest(&host(1), vec![batch]))
            .await;
        let told = told.unwrap();
        assert!(told.rejected.is_empty(), "{told:?}");
        told
    }

    async fn parent(&self) -> StoredRun {
        self.open.store.run(scope(), &run(1)).await.unwrap().unwrap()
    }

    async fn order(&self, kind: JobKind, subject: Option<String>) -> NewJob {
        let job = NewJob {
            kind,
            subject,
            ..new_job(1, 50, &host(1))
        };
        self.open
            .store
            .order_change(scope(), &[], job.clone())
            .await
            .unwrap()
            .unwrap();
        job
    }
}

fn waits(step: &str, awaits: Await) -> Event {
    Event::AwaitOpened {
        step: step.parse().unwrap(),
        awaits,
        due_ms: Some(7_000),
    }
}

fn closed(step: &str, closing: Closing) -> Event {
    Event::AwaitClosed {
        step: step.parse().unwrap(),
        closing,
    }
}

fn child_id() -> RunId {
    child_run_id(&run(1), &"invoice".parse().unwrap(), 0)
}

fn orders_child() -> Event {
    waits(
        "invoice",
        Await::Child {
            run: child_id(),
            release: release("sum", 1).digest,
            grants: release("sum", 1).grants_digest,
            input: json!({"a": 1}).into(),
        },
    )
}

fn paid(correlation: Option<&str>) -> Event {
    waits(
        "payment",
        Await::Signal {
            name: "paid".to_owned(),
            correlation: correlation.map(str::to_owned),
        },
    )
}

/// Runs that waited for a time, a signal or another run were shown as running.
#[tokio::test]
async fn a_run_that_waits_is_shown_as_waiting_with_what_for() {
    let home = Home::new();
    let mut beside = Beside::new(&home).await;
    beside
        .record(vec![
            waits("pause", Await::Time),
            paid(Some("o-7")),
            waits("call", Await::Retry { attempt: 2 }),
        ])
        .await;
    let shown = beside.parent().await;
    assert_eq!(shown.state, RunState::Waiting);
    let first = shown.head.wait.unwrap();
    assert_eq!(
        (first.step.to_string(), first.what),
        ("pause".to_owned(), WaitFor::Time)
    );
    let all = beside
        .open
        .store
        .waits_of(scope(), vec![run(1)], 9)
        .await
        .unwrap();
    let expected = OpenWait {
        step: "payment".parse().unwrap(),
        what: WaitFor::Signal {
            name: "paid".to_owned(),
            correlation: Some("o-7".to_owned()),
        },
        since_ms: 1,
        due_ms: Some(7_000),
    };
    assert_eq!(all.len(), 2, "another attempt is no wait: {all:?}");
    assert_eq!(all[1], (run(1), expected));
    beside.record(vec![time_up("pause"), time_up("payment")]).await;
    let shown = beside.parent().await;
    assert_eq!((shown.state, shown.head.wait), (RunState::Running, None));
    beside.open.close().await;
}

#[tokio::test]
async fn a_step_that_needs_review_is_shown_until_somebody_looked_at_it() {
    let home = Home::new();
    let mut beside = Beside::new(&home).await;
    let failure = Failure::new(FailureKind::OutcomeUnknown, "it was stopped at work");
    beside
        .record(vec![
            waits("pause", Await::Time),
            waits("pay", Await::Review { attempt: 1, failure }),
        ])
        .await;
    let shown = beside.parent().await;
    assert_eq!(shown.state, RunState::NeedsReview);
    let reason = "it was stopped at work".to_owned();
    assert_eq!(shown.head.wait.unwrap().what, WaitFor::Review { reason });
    let verdict = beside.order(JobKind::Review, Some("pay".to_owned())).await;
    let other = Event::AwaitClosed {
        step: "pay".parse().unwrap(),
        closing: Closing::Review(ReviewVerdict {
            action: ReviewAction::Retry,
            by: "ann".to_owned(),
            comment: None,
            at_ms: 1,
        }),
    };
    assert_eq!(beside.record(vec![other]).await.settled, [verdict.id]);
    assert_eq!(beside.parent().await.state, RunState::Waiting);
    beside.open.close().await;
}

#[tokio::test]
async fn pausing_is_what_the_records_say() {
    let home = Home::new();
    let mut beside = Beside::new(&home).await;
    let by = "paused by ann".to_owned();
    let pause = beside.order(JobKind::Pause, None).await;
    let told = beside.record(vec![Event::Paused { by: by.clone() }]).await;
    assert_eq!(told.settled.last(), Some(&pause.id));
    let shown = beside.parent().await;
    assert_eq!(
        (shown.state, shown.paused_by.as_ref()),
        (RunState::Paused, Some(&by))
    );
    beside.record(vec![waits("pause", Await::Time)]).await;
    assert_eq!(beside.parent().await.state, RunState::Paused);
    beside.record(vec![Event::Unpaused { by }]).await;
    let shown = beside.parent().await;
    assert_eq!((shown.state, shown.head.paused_by), (RunState::Waiting, None));
    beside.open.close().await;
}

fn signal(n: u64, run: Option<RunId>, correlation: Option<&str>) -> NewSignal {
    NewSignal {
        message: MessageId::from_entropy(crate::kit::id(9, n)),
        run,
        workflow: "sum".to_owned(),
        name: "paid".to_owned(),
        correlation: correlation.map(str::to_owned),
        payload: "1".to_owned(),
        by: "ann".to_owned(),
        at_ms: n,
        requests: Vec::new(),
        delivery: None,
    }
}

#[tokio::test]
async fn a_signal_for_a_workflow_waits_for_the_first_run_that_waits_for_it() {
    let home = Home::new();
    let mut beside = Beside::new(&home).await;
    for (n, correlation) in [(1, Some("o-8")), (2, Some("o-7")), (3, None)] {
        let kept = beside
            .open
            .store
            .keep_signal(scope(), signal(n, None, correlation))
            .await;
        assert_eq!(kept.unwrap(), SignalKept::New);
    }
    assert!(
        beside
            .open
            .store
            .due_signals(scope(), 9, 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(beside.record(vec![paid(Some("o-7"))]).await.errands);
    let due = beside.open.store.due_signals(scope(), 9, 9).await.unwrap();
    assert_eq!(due.len(), 1, "{due:?}");
    assert_eq!(due[0].message, signal(2, None, None).message);
    assert_eq!(due[0].targets[0].run, run(1));
    let job = NewJob {
        kind: JobKind::Signal,
        subject: Some(due[0].message.to_string()),
        ..new_job(1, 60, &host(1))
    };
    let send = || {
        beside
            .open
            .store
            .send_signal(scope(), due[0].message.clone(), vec![job.clone()])
    };
    assert!(send().await.unwrap());
    assert!(!send().await.unwrap(), "it goes once");
    let taken = Event::SignalReceived(Signal {
        message: due[0].message.clone(),
        name: "paid".to_owned(),
        correlation: None,
        payload: json!(1).into(),
        by: "ann".to_owned(),
    });
    assert_eq!(beside.record(vec![taken]).await.settled, [job.id]);
    beside.open.close().await;
}

#[tokio::test]
async fn a_signal_for_a_run_goes_as_soon_as_a_host_has_the_run() {
    let home = Home::new();
    let open = home.ready().await;
    open.store.start_run(scope(), new_run(1, true)).await.unwrap();
    open.store.start_run(scope(), new_run(2, false)).await.unwrap();
    for n in [1, 2] {
        open.store
            .keep_signal(scope(), signal(n, Some(run(n)), None))
            .await
            .unwrap();
    }
    let due = open.store.due_signals(scope(), 9, 9).await.unwrap();
    assert_eq!(due.len(), 1, "run 2 has no host: {due:?}");
    assert_eq!(due[0].targets[0].run, run(1));
    open.close().await;
}

fn child_run() -> NewRun {
    NewRun {
        id: child_id(),
        lineage: Some(Lineage {
            root: child_id(),
            predecessor: None,
            generation: 1,
            parent: Some(ParentStep {
                run: run(1),
                step: "invoice".parse().unwrap(),
            }),
            repeats: Default::default(),
        }),
        job: Some(NewJob {
            run: child_id(),
            ..new_job(9, 70, &host(1))
        }),
        ..new_run(9, true)
    }
}

#[tokio::test]
async fn a_child_is_ordered_once_and_its_end_is_owed_until_the_parent_is_told() {
    let home = Home::new();
    let mut beside = Beside::new(&home).await;
    assert!(beside.record(vec![orders_child()]).await.errands);
    let ordered = beside.open.store.ordered_children(scope(), 9).await.unwrap();
    assert_eq!(ordered.len(), 1);
    assert_eq!(ordered[0].id, child_id());
    assert_eq!(ordered[0].input.as_deref(), Some(r#"{"a":1}"#));
    beside.open.store.start_run(scope(), child_run()).await.unwrap();
    assert!(
        beside
            .open
            .store
            .ordered_children(scope(), 9)
            .await
            .unwrap()
            .is_empty()
    );
    let children = beside
        .open
        .store
        .children_of(scope(), vec![run(1)], 9)
        .await
        .unwrap();
    assert_eq!(children.len(), 1);
    assert!(beside.open.store.owed_ends(scope(), 9).await.unwrap().is_empty());
    let batch = Script::new(child_id()).batch(vec![crate::kit::ended(json!(5))]);
    beside
        .open
        .store
        .ingest(scope(), ingest(&host(1), vec![batch]))
        .await
        .unwrap();
    let owed = beside.open.store.owed_ends(scope(), 9).await.unwrap();
    assert_eq!(owed.len(), 1);
    assert_eq!(owed[0].parent.as_ref().unwrap().run, run(1));
    let order = NewJob {
        kind: JobKind::ChildEnded,
        subject: Some(child_id().to_string()),
        ..new_job(1, 80, &host(1))
    };
    let told = beside
        .open
        .store
        .told_parent(scope(), child_id(), Some(order.clone()));
    assert!(told.await.unwrap());
    assert!(beside.open.store.owed_ends(scope(), 9).await.unwrap().is_empty());
    let end = ChildEnd {
        run: child_id(),
        state: "done".to_owned(),
        output: json!(5).into(),
        failure: None,
    };
    let settled = beside
        .record(vec![closed("invoice", Closing::Child(end))])
        .await
        .settled;
    assert_eq!(settled, [order.id]);
    assert_eq!(beside.parent().await.state, RunState::Running);
    beside.open.close().await;
}

#[tokio::test]
async fn a_run_that_stops_takes_those_with_it_that_it_waits_for_and_leaves_the_others() {
    for detached in [false, true] {
        let home = Home::new();
        let mut beside = Beside::new(&home).await;
        beside.record(vec![orders_child()]).await;
        beside.open.store.start_run(scope(), child_run()).await.unwrap();
        if detached {
            let done = Event::Completed {
                step: "invoice".parse().unwrap(),
                attempt: 0,
                output: json!({"run": child_id()}).into(),
                elapsed_us: 1,
                used: Vec::new(),
                source: Source::Step,
            };
            beside.record(vec![done]).await;
            assert_eq!(beside.parent().await.state, RunState::Running);
        }
        let reason = "enough".to_owned();
        beside
            .record(vec![Event::Ended {
                outcome: Outcome::Cancelled { reason },
            }])
            .await;
        let stop = beside.open.store.runs_to_stop(scope(), 9).await.unwrap();
        assert_eq!(stop.len(), usize::from(!detached), "{stop:?}");
        for (run, _) in stop {
            beside.open.store.stop_told(scope(), run).await.unwrap();
        }
        assert!(
            beside
                .open
                .store
                .runs_to_stop(scope(), 9)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(
            beside
                .open
                .store
                .waits_of(scope(), vec![run(1)], 9)
                .await
                .unwrap()
                .is_empty()
        );
        beside.open.close().await;
    }
}

/// A host whose journal was lost kept its runs as running for ever; nobody was told before an order came back refused.
#[tokio::test]
async fn runs_are_lost_with_the_journal_that_held_them() {
    let home = Home::new();
    let mut beside = Beside::new(&home).await;
    beside.record(vec![waits("pause", Await::Time)]).await;
    for n in [2, 3] {
        beside
            .open
            .store
            .start_run(scope(), new_run(n, true))
            .await
            .unwrap();
    }
    let note = |life: &str, delivered| {
        let store = &beside.open.store;
        store.note_journal(scope(), host(1), life.to_owned(), Some(delivered), 9)
    };
    assert!(
        note("one", Vec::new()).await.unwrap().runs.is_empty(),
        "the first that is heard"
    );
    assert!(note("one", vec![run(3)]).await.unwrap().runs.is_empty());
    let lost = note("two", vec![run(3)]).await.unwrap();
    let mut runs = lost.runs;
    runs.sort();
    let mut expected = vec![run(1), run(3)];
    expected.sort();
    assert_eq!(runs, expected, "2 is still on its way");
    assert_eq!(lost.orders.len(), 1, "3 was delivered: it may have begun");
    assert_eq!(beside.parent().await.state, RunState::Lost);
    let open = beside.open.store.open_jobs(scope(), &host(1), 9).await.unwrap();
    let open: Vec<_> = open.into_iter().map(|job| job.run).collect();
    assert_eq!(open, [run(2)]);
    beside.record(vec![time_up("pause")]).await;
    assert_eq!(
        beside.parent().await.state,
        RunState::Running,
        "it has it after all"
    );
    beside.open.close().await;
}
