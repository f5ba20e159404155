//! What people tell runs that are there: signals, pauses, reviews, cancellations; and what a run answers before its end.

use flowforge_protocol::awaited::{Await, Closing, ReviewAction, ReviewVerdict, Signal};
use flowforge_protocol::job::{Job, Order, ReviewOrderAction};
use flowforge_protocol::record::Event;
use flowforge_protocol::{Failure, FailureKind};
use serde_json::{Value, json};

use crate::support::{FakeHost, Home, Plane, Script, TestClock, accepted, completed, done};

const ORDERS: &str = r#"workflow: orders
input:
  order: { type: string }
secrets: [pay_key]
triggers:
  form: { webhook: { path: orders, answer: respond } }
  paid: { webhook: { path: payments, signal: { name: paid, correlate: trigger.body.order } } }
nodes:
  accept:
    respond:
      status: 202
      headers: { x-request: "${run.id}" }
      body: { order: "${input.order}" }
  payment:
    after: accept
    wait: { signal: paid, correlate: input.order, timeout: 1h }
output: { amount: "${payment.amount}" }
"#;

const RUN: &str = "query($id: String!) { run(id: $id) { id state pausedBy waitingFor waits { step kind what signal \
    correlation dueMs } } }";

struct Scene {
    plane: Plane,
    host: FakeHost,
    job: Job,
    script: Script,
    _home: Home,
}

impl Scene {
    async fn new() -> Self {
        let home = Home::new();
        let plane = home.start().await;
        plane.publish(ORDERS).await;
        let host = FakeHost::join(&plane, 1).await;
        let input = json!({"workflow": "orders", "input": {"order": "o-7"}});
        let started = plane.start_run(input).await;
        assert_eq!(started["__typename"], "StartRunSuccess", "{started:#}");
        let job = host.job(&plane).await;
        let script = Script::new(&job);
        let mut scene = Self {
            plane,
            host,
            job,
            script,
            _home: home,
        };
        let first = accepted(&scene.job);
        scene.record(vec![first]).await;
        scene
    }

    async fn record(&mut self, events: Vec<Event>) {
        let batch = self.script.batch(events);
        let told = self.host.sync(&self.plane, json!({"batches": [batch]})).await;
        assert_eq!(told["rejected"], json!([]), "{told:#}");
    }

    async fn change(&self, name: &str, input_type: &str, input: Value) -> Value {
        let fields = "__typename ... on Problem { message code }";
        self.plane.change(name, input_type, input, fields).await
    }

    async fn shown(&self) -> Value {
        self.plane.ask(RUN, json!({"id": self.job.run_id})).await["run"].take()
    }

    async fn settled(&self, job: &Job) {
        self.host.received(&self.plane, job).await;
        assert!(self.host.jobs(&self.plane, 0).await.is_empty());
    }
}

fn waits_for_payment() -> Event {
    Event::AwaitOpened {
        step: "payment".parse().unwrap(),
        awaits: Await::Signal {
            name: "paid".to_owned(),
            correlation: Some("o-7".to_owned()),
        },
        due_ms: Some(9_000_000_000_000),
    }
}

fn signal_of(job: &Job) -> Signal {
    let Order::Signal(order) = &job.order else {
        panic!("{job:?}")
    };
    Signal {
        message: order.message.clone(),
        name: order.name.clone(),
        correlation: order.correlation.clone(),
        payload: order.payload.clone().into(),
        by: order.by.clone(),
    }
}

#[tokio::test]
async fn a_signal_goes_to_its_run_at_once_and_is_sent_once() {
    let mut scene = Scene::new().await;
    let input = json!({"run": "last", "name": "paid", "correlation": "o-7", "payload": {"amount": 5},
        "clientRequestId": "p-1"});
    let fields = "__typename ... on SendSignalSuccess { signal duplicate } ... on Problem { message code }";
    let send = |input: Value| scene.plane.change("sendSignal", "SendSignalInput", input, fields);
    let sent = send(input.clone()).await;
    assert_eq!(sent["__typename"], "SendSignalSuccess", "{sent:#}");
    let again = send(input.clone()).await;
    assert_eq!(
        (&again["signal"], &again["duplicate"]),
        (&sent["signal"], &json!(true))
    );
    let mut other = input;
    other["payload"] = json!({"amount": 6});
    let conflict = send(other).await;
    assert_eq!(conflict["__typename"], "RequestConflictProblem", "{conflict:#}");
    // The run does not wait yet: it keeps the signal.
    let told = scene.host.job(&scene.plane).await;
    let signal = signal_of(&told);
    assert_eq!(json!(signal.message), sent["signal"]);
    assert_eq!(signal.correlation.as_deref(), Some("o-7"));
    scene.settled(&told).await;
    scene.record(vec![Event::SignalReceived(signal)]).await;
    for (input, wrong) in [
        (json!({"name": "paid"}), "InputProblem"),
        (json!({"run": "zz", "name": "paid"}), "RunNotFoundProblem"),
        (
            json!({"workflow": "none", "name": "paid"}),
            "WorkflowNotFoundProblem",
        ),
        (json!({"run": "last", "name": ""}), "InputProblem"),
    ] {
        let refused = scene.change("sendSignal", "SendSignalInput", input).await;
        assert_eq!(refused["__typename"], wrong, "{refused:#}");
    }
    scene.plane.stop().await;
}

/// A payload was kept in the canonical form, which writes `5.0` as `5`: the run then divided a whole number.
#[tokio::test]
async fn a_signal_brings_the_numbers_that_were_sent() {
    let scene = Scene::new().await;
    let payload = json!({"amount": 5.0, "large": 1e20});
    let input = json!({"run": "last", "name": "paid", "payload": payload});
    let sent = scene.change("sendSignal", "SendSignalInput", input).await;
    assert_eq!(sent["__typename"], "SendSignalSuccess", "{sent:#}");
    let told = scene.host.job(&scene.plane).await;
    let signal = signal_of(&told);
    assert_eq!(signal.payload.content().unwrap().as_ref(), &payload);
    scene.plane.stop().await;
}

/// A payment that came before the run waited for it was lost: nobody kept it.
#[tokio::test]
async fn a_webhook_that_is_a_signal_waits_for_the_run_that_waits_for_it() {
    let mut scene = Scene::new().await;
    let pay = |order: &str, delivery: &str| {
        let body = json!({"order": order, "amount": 5}).to_string();
        let call = scene.plane.http.post(scene.plane.url("/hooks/payments"));
        call.header("idempotency-key", delivery).body(body).send()
    };
    let first = pay("o-7", "d-1").await.unwrap();
    assert_eq!(first.status(), 202);
    let first: Value = first.json().await.unwrap();
    let again: Value = pay("o-7", "d-1").await.unwrap().json().await.unwrap();
    assert_eq!(again, first, "the same delivery is one signal");
    assert_eq!(pay("o-8", "d-1").await.unwrap().status(), 409);
    assert_eq!(pay("o-8", "d-2").await.unwrap().status(), 202);
    assert!(
        scene.host.jobs(&scene.plane, 0).await.is_empty(),
        "nobody waits yet"
    );
    scene.record(vec![waits_for_payment()]).await;
    let shown = scene.shown().await;
    assert_eq!(shown["state"], "WAITING");
    assert_eq!(
        shown["waitingFor"],
        "signal `paid` with correlation `o-7` for `payment`"
    );
    assert_eq!(shown["waits"][0]["kind"], "SIGNAL", "{shown:#}");
    let told = scene.host.job(&scene.plane).await;
    let signal = signal_of(&told);
    assert_eq!(json!(signal.message), first["signal"]);
    assert_eq!(signal.payload.shown(), json!({"order": "o-7", "amount": 5}));
    assert_eq!(signal.by, "webhook payments");
    scene.settled(&told).await;
    let closing = Closing::Signal {
        message: signal.message.clone(),
    };
    scene
        .record(vec![
            Event::SignalReceived(signal),
            Event::AwaitClosed {
                step: "payment".parse().unwrap(),
                closing,
            },
        ])
        .await;
    assert_eq!(scene.shown().await["state"], "RUNNING");
    let no_order = scene.plane.http.post(scene.plane.url("/hooks/payments"));
    let refused = no_order.body("{}").send().await.unwrap();
    assert_eq!(refused.status(), 422);
    scene.plane.stop().await;
}

#[tokio::test]
async fn a_run_is_paused_and_goes_on() {
    let mut scene = Scene::new().await;
    let pause = || {
        scene.change(
            "pauseRun",
            "PauseRunInput",
            json!({"id": "last", "reason": "look"}),
        )
    };
    assert_eq!(pause().await["__typename"], "PauseRunSuccess");
    let told = scene.host.job(&scene.plane).await;
    let Order::Pause { reason } = told.order.clone() else {
        panic!("{told:?}")
    };
    assert_eq!(reason, "paused by local: look");
    scene.settled(&told).await;
    scene.record(vec![Event::Paused { by: reason }]).await;
    let shown = scene.shown().await;
    assert_eq!(
        (&shown["state"], &shown["pausedBy"]),
        (&json!("PAUSED"), &json!("paused by local: look"))
    );
    let twice = scene
        .change("pauseRun", "PauseRunInput", json!({"id": "last"}))
        .await;
    assert_eq!(twice["__typename"], "RunStateProblem", "{twice:#}");
    let listed = "{ runs(state: PAUSED) { nodes { id } } }";
    let listed = scene.plane.ask(listed, Value::Null).await;
    assert_eq!(listed["runs"]["nodes"][0]["id"], json!(scene.job.run_id));
    let resumed = scene
        .change("resumeRun", "PauseRunInput", json!({"id": "last"}))
        .await;
    assert_eq!(resumed["__typename"], "ResumeRunSuccess");
    let told = scene.host.job(&scene.plane).await;
    assert!(matches!(told.order, Order::Unpause { .. }), "{told:?}");
    let by = "resumed by local".to_owned();
    scene.record(vec![Event::Unpaused { by }]).await;
    assert_eq!(scene.shown().await["state"], "RUNNING");
    scene.plane.stop().await;
}

#[tokio::test]
async fn a_cancellation_gives_what_is_under_way_its_time() {
    let scene = Scene::new().await;
    let input = json!({"id": "last", "graceMs": 90_000});
    let told = scene.change("cancelRun", "CancelRunInput", input).await;
    assert_eq!(told["__typename"], "CancelRunSuccess");
    let told = scene.host.job(&scene.plane).await;
    let Order::Cancel { grace_ms, .. } = told.order else {
        panic!("{told:?}")
    };
    assert_eq!(grace_ms, 90_000);
    scene.plane.stop().await;
}

#[tokio::test]
async fn a_step_that_needs_review_is_retried_skipped_or_failed() {
    let mut scene = Scene::new().await;
    let review = |input: Value| {
        let mut whole = json!({"run": "last", "step": "payment"});
        for (name, value) in input.as_object().unwrap() {
            whole[name] = value.clone();
        }
        scene.change("reviewStep", "ReviewStepInput", whole)
    };
    let early = review(json!({"action": "RETRY"})).await;
    assert_eq!(early["__typename"], "RunStateProblem", "{early:#}");
    let failure = Failure::new(FailureKind::OutcomeUnknown, "the host was stopped at work");
    scene
        .record(vec![Event::AwaitOpened {
            step: "payment".parse().unwrap(),
            awaits: Await::Review { attempt: 1, failure },
            due_ms: None,
        }])
        .await;
    let shown = scene.shown().await;
    assert_eq!(shown["state"], "NEEDS_REVIEW");
    assert_eq!(
        shown["waitingFor"],
        "a review of `payment`: the host was stopped at work"
    );
    let review = |input: Value| {
        let mut whole = json!({"run": "last", "step": "payment"});
        for (name, value) in input.as_object().unwrap() {
            whole[name] = value.clone();
        }
        scene.change("reviewStep", "ReviewStepInput", whole)
    };
    for wrong in [
        json!({"action": "SKIP"}),
        json!({"action": "RETRY", "output": 1}),
        json!({"action": "FAIL", "step": "not a step"}),
    ] {
        let refused = review(wrong).await;
        assert_eq!(refused["__typename"], "InputProblem", "{refused:#}");
    }
    let other = review(json!({"action": "FAIL", "step": "accept"})).await;
    assert_eq!(other["__typename"], "RunStateProblem", "{other:#}");
    for action in ["FAIL", "RETRY"] {
        let told = review(json!({ "action": action })).await;
        assert_eq!(told["__typename"], "ReviewStepSuccess", "{told:#}");
    }
    // The second word takes the place of the first.
    let input = json!({"action": "SKIP", "output": {"amount": 5}, "comment": "the bank says so"});
    assert_eq!(review(input).await["__typename"], "ReviewStepSuccess");
    let told = scene.host.job(&scene.plane).await;
    let Order::Review { step, verdict } = told.order.clone() else {
        panic!("{told:?}")
    };
    assert_eq!(step.to_string(), "payment");
    let output = json!({"amount": 5});
    assert_eq!(
        verdict.action,
        ReviewOrderAction::Skip {
            output: output.clone()
        }
    );
    assert_eq!(verdict.comment.as_deref(), Some("the bank says so"));
    let verdict = ReviewVerdict {
        action: ReviewAction::Skip {
            output: output.into(),
        },
        by: verdict.by,
        comment: verdict.comment,
        at_ms: verdict.at_ms,
    };
    scene
        .record(vec![Event::AwaitClosed {
            step,
            closing: Closing::Review(verdict),
        }])
        .await;
    scene.settled(&told).await;
    scene.plane.stop().await;
}

/// `answer: respond` was not served: a webhook waited for the end of its run.
#[tokio::test]
async fn a_webhook_is_answered_before_the_run_ends_and_again_after() {
    let clock = TestClock::at(1_800_000_000_000);
    let home = Home::at(&clock);
    let plane = home.start().await;
    plane.publish(ORDERS).await;
    let host = FakeHost::join(&plane, 1).await;
    let send = || async {
        let call = plane.http.post(plane.url("/hooks/orders"));
        let call = call.header("idempotency-key", "form-1");
        let answer = call.body(r#"{"order": "o-9"}"#).send().await.unwrap();
        let header = |name: &str| {
            answer
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        let headers = [
            header("x-request"),
            header("content-type"),
            header("set-cookie"),
            header("content-security-policy"),
        ];
        (
            answer.status().as_u16(),
            headers,
            answer.json::<Value>().await.unwrap(),
        )
    };
    let work = async {
        let job = host.job(&plane).await;
        let mut script = Script::new(&job);
        let responded = |status, text: &str| Event::Responded {
            step: "accept".parse().unwrap(),
            status,
            headers: [("x-request", "r-1"), ("set-cookie", "a=b")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            body: json!({"order": text}).into(),
        };
        let batch = script.batch(vec![accepted(&job), responded(202, "o-9")]);
        host.sync(&plane, json!({"received": [job.job_id], "batches": [batch]}))
            .await;
        // A second answer of the run does not count.
        let batch = script.batch(vec![responded(500, "late")]);
        host.sync(&plane, json!({"batches": [batch]})).await;
        (job, script)
    };
    let (first, (job, mut script)) = tokio::join!(send(), work);
    let policy = Some("default-src 'none'; sandbox".to_owned());
    let headers = [
        Some("r-1".to_owned()),
        Some("application/json".to_owned()),
        None,
        policy,
    ];
    assert_eq!(first, (202, headers, json!({"order": "o-9"})));
    let shown = plane.ask(RUN, json!({"id": job.run_id})).await;
    assert_eq!(shown["run"]["state"], "RUNNING");
    assert_eq!(send().await, first, "a repeated delivery");
    let outcome = done(json!({"amount": 1}));
    let batch = script.batch(vec![completed("payment", json!(1)), Event::Ended { outcome }]);
    host.sync(&plane, json!({"batches": [batch]})).await;
    assert_eq!(send().await, first, "and after the end");
    plane.stop().await;
}
