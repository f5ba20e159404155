//! Answers of several people to one question.

use flowforge_protocol::ApprovalId;
use flowforge_protocol::approval::{Answer, Terms};
use flowforge_protocol::awaited::Await;
use flowforge_protocol::record::Event;
use flowforge_store::{
    Approval, ApprovalState, Decided, Found, JobKind, NewDecision, NewJob, Refusal, Refused,
};
use serde_json::{Value, json};

use crate::kit::{Home, Open, Script, answer, host, ingest, new_job, new_run, run, scope, sum};

fn question() -> ApprovalId {
    ApprovalId::from_entropy([8; 16])
}

/// A run that asks two people, who fill in a form.
async fn asking(home: &Home) -> (Open, Script) {
    let open = home.ready().await;
    open.store.start_run(scope(), new_run(1, true)).await.unwrap();
    let terms = json!({"quorum": 2, "form": [{"name": "amount", "schema": {"type": "number"}}]});
    let asked = Event::AwaitOpened {
        step: "confirm".parse().unwrap(),
        awaits: Await::Approval {
            approval: question(),
            question: json!({"title": "Send it?", "show": null}).into(),
            approvers: vec!["duty".to_owned()],
            terms: Box::new(serde_json::from_value::<Terms>(terms).unwrap()),
        },
        due_ms: Some(1_000),
    };
    let mut script = Script::new(run(1));
    let batch = script.batch(vec![asked]);
    open.store
        .ingest(scope(), ingest(&host(1), vec![batch]))
        .await
        .unwrap();
    (open, script)
}

async fn shown(open: &Open) -> Approval {
    let found = open
        .store
        .find_approval(scope(), question().as_str())
        .await
        .unwrap();
    let one = match found {
        Found::One(approval) => Some(approval),
        Found::None | Found::Several => None,
    };
    one.unwrap()
}

fn yes(by: &str) -> Answer<Value> {
    Answer {
        form: Some(json!({"amount": 4.5})),
        ..answer(by, true)
    }
}

fn job() -> NewJob {
    NewJob {
        kind: JobKind::Decide,
        subject: Some(question().to_string()),
        ..new_job(1, 30, &host(1))
    }
}

fn says(answers: Vec<Answer<Value>>, decides: bool) -> NewDecision {
    NewDecision {
        decided: decides.then(|| (sum(question(), answers.clone()), job())),
        approval: question(),
        answers,
        at_ms: 5,
    }
}

async fn jobs(open: &Open) -> usize {
    open.store.open_jobs(scope(), &host(1), 9).await.unwrap().len()
}

#[tokio::test]
async fn answers_are_kept_until_they_decide_and_nobody_writes_over_another() {
    let home = Home::new();
    let (open, _) = asking(&home).await;
    assert_eq!(shown(&open).await.terms.quorum, 2);
    let say = |answers, decides| open.store.decide(scope(), says(answers, decides));
    assert_eq!(say(vec![yes("ann")], false).await.unwrap(), Decided::Stored);
    let now = shown(&open).await;
    assert_eq!(
        (now.state, now.answers),
        (ApprovalState::Pending, vec![yes("ann")])
    );
    assert_eq!(jobs(&open).await, 0, "one of two orders nothing");
    // Bob had not seen what ann said.
    assert_eq!(say(vec![yes("bob")], false).await.unwrap(), Decided::Overtaken);
    assert_eq!(
        say(vec![yes("ann"), yes("bob")], true).await.unwrap(),
        Decided::Stored
    );
    let now = shown(&open).await;
    assert_eq!(now.state, ApprovalState::Approved);
    assert_eq!(now.decided_by.as_deref(), Some("ann, bob"));
    assert_eq!(now.answers, vec![yes("ann"), yes("bob")]);
    assert_eq!(jobs(&open).await, 1);
    let third = say(vec![yes("ann"), yes("bob"), yes("cy")], true).await.unwrap();
    assert_eq!(third, Decided::TooLate);
    let late = NewDecision {
        at_ms: 1_000,
        ..says(vec![yes("ann")], false)
    };
    assert_eq!(open.store.decide(scope(), late).await.unwrap(), Decided::TooLate);
    open.close().await;
}

#[tokio::test]
async fn a_decision_that_its_host_refuses_opens_the_question_again() {
    let home = Home::new();
    let (open, mut script) = asking(&home).await;
    let both = vec![yes("ann"), yes("bob")];
    open.store
        .decide(scope(), says(vec![yes("ann")], false))
        .await
        .unwrap();
    open.store
        .decide(scope(), says(both.clone(), true))
        .await
        .unwrap();
    let refusal = Refusal {
        host: host(1),
        job: job().id,
        unknown_run: false,
        given_up: false,
        reopens: true,
        reason: "`bob` is not asked".to_owned(),
        outcome: "{}".to_owned(),
        at_ms: 6,
    };
    let refused = open.store.refuse_job(scope(), refusal).await.unwrap();
    assert_eq!(refused, Refused::Dropped { run: run(1) });
    let now = shown(&open).await;
    assert_eq!(
        (now.state, now.decided_by, now.answers),
        (ApprovalState::Pending, None, Vec::new())
    );
    assert_eq!(jobs(&open).await, 0);
    // What the host records is what happened, whatever was said here.
    open.store
        .decide(scope(), says(vec![yes("cy")], false))
        .await
        .unwrap();
    let closed = Event::AwaitClosed {
        step: "confirm".parse().unwrap(),
        closing: flowforge_protocol::awaited::Closing::Decision(Box::new(
            sum(question(), both.clone()).recorded(),
        )),
    };
    let batch = script.batch(vec![closed]);
    open.store
        .ingest(scope(), ingest(&host(1), vec![batch]))
        .await
        .unwrap();
    let now = shown(&open).await;
    assert_eq!((now.state, now.answers), (ApprovalState::Approved, both));
    open.close().await;
}
